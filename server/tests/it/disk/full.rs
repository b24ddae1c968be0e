//! A disk that is full, or nearly.

use std::time::Duration;

use reqwest::{Client, StatusCode, redirect};
use serde_json::Value;

use super::volume::Volume;
use super::{all_are_there, browser_posts, eventually, is_put_off, ready, said, whop_delivers};
use crate::support::{TOKEN, batch};

const BEGAN: &str = "nothing can be recorded: the disk is full";
const ENDED: &str = "the store records again";

#[tokio::test]
async fn nothing_is_answered_200_while_the_disk_is_full_and_recording_goes_on_when_it_is_not() {
    let mut volume = Volume::new("8m");
    let folder = volume.folder.path().to_owned();
    let program = volume.start(&[]).await;
    let mut answered = Vec::new();
    let mut refused = 0;
    for number in 0..200 {
        if number == 20 {
            volume.fill();
        }
        let session_id = format!("s{number}");
        let response = if number % 2 == 0 {
            browser_posts(&program, &session_id).await.unwrap()
        } else {
            whop_delivers(&program, &session_id).await.unwrap()
        };
        if response.status() == StatusCode::OK {
            answered.push(session_id);
        } else {
            assert!(is_put_off(&response), "{response:?}");
            refused += 1;
        }
    }
    assert!(answered.len() >= 20 && refused > 50, "{refused} of 200 were refused");

    assert_eq!(ready(&program).await, (StatusCode::SERVICE_UNAVAILABLE, "the disk is full".into()));
    all_are_there(&program, &answered).await;
    let list = program.client.get(format!("{}/api/aurea/funnels/ttr/sessions", program.url));
    assert_eq!(list.bearer_auth(TOKEN).send().await.unwrap().status(), StatusCode::OK);
    let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
    let checkout = client.post(format!("{}/api/checkout", program.url)).send().await.unwrap();
    assert_eq!(checkout.status(), StatusCode::SEE_OTHER, "a buyer is sent on all the same");

    volume.empty();
    eventually(Duration::from_secs(5), async || ready(&program).await.0 == StatusCode::OK).await;
    for session_id in ["after-1", "after-2"] {
        assert_eq!(whop_delivers(&program, session_id).await.unwrap().status(), StatusCode::OK);
        answered.push(session_id.to_owned());
    }
    assert_eq!((said(&folder, BEGAN), said(&folder, ENDED)), (1, 1), "said once, not for each request");
    drop(program); // killed
    let program = volume.start(&[]).await;
    all_are_there(&program, &answered).await;
}

#[tokio::test]
async fn browsers_wait_when_the_disk_is_nearly_full_and_money_does_not() {
    let mut volume = Volume::new("64m");
    let folder = volume.folder.path().to_owned();
    let program = volume.start(&[("TTR__STORE__RESERVE", "32 MiB")]).await;
    assert_eq!(browser_posts(&program, "s1").await.unwrap().status(), StatusCode::OK);

    volume.run("head -c 40m /dev/zero > filler");
    eventually(Duration::from_secs(5), async || is_put_off(&browser_posts(&program, "s2").await.unwrap()))
        .await;
    assert_eq!(whop_delivers(&program, "paid").await.unwrap().status(), StatusCode::OK);
    let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
    let form = [("session_id", "clicked"), ("anonymous_id", "a1"), ("click_id", "c1")];
    let checkout = client.post(format!("{}/api/checkout", program.url)).form(&form).send().await.unwrap();
    assert_eq!(checkout.status(), StatusCode::SEE_OTHER);
    let keyed = program.client.post(format!("{}/api/track/events", program.url));
    let keyed = keyed.header("x-aurea-api-key", "key-1").header("x-aurea-funnel-id", "ttr");
    let keyed = keyed.json(&batch("keyed", &[("checkout_completed", 1000)])).send().await.unwrap();
    assert_eq!(keyed.status(), StatusCode::OK);
    eventually(Duration::from_secs(5), async || {
        program.session("clicked").await["events"].as_array().is_some_and(|events| events.len() == 2)
    })
    .await;
    all_are_there(&program, &["s1", "paid", "clicked", "keyed"].map(str::to_owned)).await;
    assert_eq!(program.session("paid").await["converted"], Value::Bool(true));
    assert_eq!(ready(&program).await.0, StatusCode::OK, "it takes what matters");

    volume.empty();
    eventually(Duration::from_secs(5), async || {
        browser_posts(&program, "s2").await.unwrap().status() == StatusCode::OK
    })
    .await;
    assert_eq!(said(&folder, "the disk is nearly full"), 1);
    assert_eq!(said(&folder, "the disk has space again"), 1);
}
