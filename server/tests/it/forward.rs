//! What was given up goes out again: by the command, by a click, and everybody says which and why.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

use reqwest::StatusCode;
use serde_json::Value;

use crate::durability::{Program, free_address};
use crate::support::{TOKEN, TestApp, batch, environment, leptos_toml};
use crate::upstream::{Upstream, says, until};

/// Runs a command of the program with the environment of the site at `addr`.
async fn ttr(arguments: &[&str], folder: &Path, addr: SocketAddr, more: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ttr"));
    command.arg("--config").arg(leptos_toml()).args(arguments).env_clear();
    command.envs(environment(&folder.join("ttr.db"), addr)).envs(more.iter().copied());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

async fn parked(program: &Program) -> bool {
    let url = format!("{}/api/aurea/forward-conversions", program.url);
    let answer = program.client.post(url).bearer_auth(TOKEN).send().await.unwrap();
    answer.json::<Value>().await.unwrap()["parked"] == 1
}

#[tokio::test]
async fn the_command_sends_what_was_given_up_and_says_how_far_that_went() {
    let upstream = Upstream::start(says(422)).await;
    let (folder, addr) = (tempfile::tempdir().unwrap(), free_address());
    let more = [("AUREA_API_URL", upstream.url.as_str()), ("AUREA_API_KEY", "k")];
    let program = Program::start_at(folder.path(), addr, &more).await;
    let post =
        program.client.post(format!("{}/api/pulse", program.url)).header("sec-fetch-site", "same-origin");
    post.json(&batch("s1", &[("page_view", 1000)])).send().await.unwrap();
    until("it is parked", || async { parked(&program).await }).await;
    let forward = async |more: &[(&str, &str)]| ttr(&["forward"], folder.path(), addr, more).await;

    let refused = forward(&more).await;
    assert_eq!(refused.status.code(), Some(0), "{}", said(&refused));
    assert_eq!(
        said(&refused),
        "sent 0, waiting 0, parked 1\naurea at 127.0.0.1: 0 waiting, 1 parked; last answer: it answered 422\n"
    );
    let doctor = said(&ttr(&["doctor"], folder.path(), addr, &more).await);
    assert!(doctor.contains("0 waiting and 1 parked for aurea; last answer: it answered 422"), "{doctor}");
    let without = said(&ttr(&["doctor", "--offline"], folder.path(), addr, &[]).await);
    assert!(without.contains("1 kept for aurea, which the settings name no more"), "{without}");

    upstream.now_says(says(200));
    assert_eq!(
        said(&forward(&more).await),
        "sent 1, waiting 0, parked 0\naurea at 127.0.0.1: 0 waiting, 0 parked\n"
    );
    assert_eq!(upstream.calls().last().unwrap().key, upstream.calls()[0].key);

    let stranger = forward(&[("AUREA_ADMIN_TOKEN", "guess")]).await;
    assert_eq!(stranger.status.code(), Some(1));
    assert!(said(&stranger).contains("does not know this AUREA_ADMIN_TOKEN"), "{}", said(&stranger));
    let nobody = forward(&[("AUREA_ADMIN_TOKEN", "")]).await;
    assert!(said(&nobody).contains("AUREA_ADMIN_TOKEN is not set"), "{}", said(&nobody));
    assert_eq!(program.stop(), Some(0));
    let away = forward(&more).await;
    assert_eq!(away.status.code(), Some(1));
    assert!(said(&away).contains("nothing listens there"), "{}", said(&away));
}

#[tokio::test]
async fn the_screen_lists_what_was_given_up_and_why_and_a_click_sends_it_again() {
    let upstream = Upstream::start(says(422)).await;
    let more = [("AUREA_API_URL", upstream.url.as_str()), ("AUREA_API_KEY", "k")];
    let app = TestApp::start_with(&more).await;
    app.browser_posts(&batch("s1", &[("faq_opened", 1000)])).await;
    let screen = async || {
        let answer = app.get("/aurea/funnels/ttr").bearer_auth(TOKEN).send().await.unwrap();
        answer.text().await.unwrap()
    };
    until("it is parked", || async { screen().await.contains("Send again") }).await;
    let html = screen().await;
    for part in ["1 request was", "faq_opened", "it answered 422", "/aurea/funnels/ttr/sessions/s1"] {
        assert!(html.contains(part), "{part}: {html}");
    }
    upstream.now_says(says(200));
    let click = app.post("/aurea/forward").bearer_auth(TOKEN).form(&[("next", "/aurea/funnels/ttr")]);
    assert_eq!(click.send().await.unwrap().status(), StatusCode::SEE_OTHER);
    assert!(screen().await.contains("nothing waits"));
}
