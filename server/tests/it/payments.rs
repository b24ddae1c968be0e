//! The owner's screens of money, as HTML over HTTP, and what the owner does on them.

use reqwest::StatusCode;
use serde_json::{Value, json};
use server::clock::now;
use server::domain::DAY;

use crate::login::logged_in;
use crate::support::{TOKEN, TestApp, asked, batch, metadata, names, payment};
use crate::upstream::{Upstream, says, until};

const LIST: &str = "/aurea/funnels/ttr/payments";
const ONE: &str = "/aurea/funnels/ttr/payments/whop/pay_1";

async fn screen(app: &TestApp, path: &str) -> (StatusCode, String) {
    let answer = app.get(path).bearer_auth(TOKEN).send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

async fn html(app: &TestApp, path: &str) -> String {
    let (status, html) = screen(app, path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {html}");
    html
}

/// Sends a form of the owner's; the status, the place that it leads to, and what is shown.
async fn sends(app: &TestApp, path: &str, form: &[(&str, &str)]) -> (StatusCode, String, String) {
    let answer = app.post(path).bearer_auth(TOKEN).form(form).send().await.unwrap();
    let to = answer.headers().get("location").map_or("", |to| to.to_str().unwrap()).to_owned();
    (answer.status(), to, answer.text().await.unwrap())
}

/// A payment whose buyer is described as Whop does it.
fn bought(payment_id: &str, metadata: &Value) -> String {
    let mut body: Value = serde_json::from_str(&payment(payment_id, metadata)).unwrap();
    body["data"]["user"] = json!({"id": "user_1", "name": "Ada Lovelace", "email": "ada@example.com"});
    body["data"]["billing_address"] = json!({"line1": "Via Roma 1", "country": "IT"});
    body.to_string()
}

fn refund(minor: f64) -> String {
    json!({"type": "refund.updated", "data": {
        "id": "rfd_1", "status": "succeeded", "amount": minor, "currency": "usd", "payment": {"id": "pay_1"},
    }})
    .to_string()
}

async fn deliver(app: &TestApp, id: &str, body: &str) {
    assert_eq!(app.whop_delivers(id, body).await.status(), StatusCode::OK, "{id}");
}

/// A visit that went to the checkout a minute ago, so many ms before.
async fn visits(app: &TestApp, session_id: &str, before: i64) {
    let at = now() - 60_000 - before;
    let events = [("page_view", at - 1000), ("checkout_started", at)];
    assert_eq!(app.key_holder_posts(&batch(session_id, &events)).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_payment_is_listed_and_has_a_page_with_all_that_is_known() {
    let app = TestApp::start().await;
    assert!(html(&app, LIST).await.contains("No payment yet"));
    deliver(&app, "m1", &bought("pay_1", &metadata(now() - 60_000))).await;
    deliver(&app, "m2", &refund(10.5)).await;
    let list = html(&app, LIST).await;
    for part in
        ["99.00 USD", "88.50 USD", "Partly refunded", "Whop", "/sessions/s1", ONE, "aria-current=\"page\""]
    {
        assert!(list.contains(part), "{part}: {list}");
    }
    let page = html(&app, ONE).await;
    for part in
        ["99.00 USD", "−10.50 USD", "88.50 USD", "rfd_1", "/sessions/s1", "payment.succeeded", "user_1"]
    {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.contains("aurea_session_id"), "our metadata can be read");
    for private in ["Ada", "ada@example.com", "Via Roma"] {
        assert!(!page.contains(private), "{private}");
    }
    assert!(!page.contains("/send"), "nobody is told of anything");
    assert!(html(&app, "/aurea/funnels/ttr/sessions/s1").await.contains(ONE));
    for path in ["/aurea", "/aurea/funnels/ttr", "/aurea/funnels/ttr/sessions"] {
        assert!(html(&app, path).await.contains("net 88.50 USD"), "{path}");
    }
}

#[tokio::test]
async fn payments_are_filtered_and_read_page_by_page_without_gaps() {
    let app = TestApp::start().await;
    for number in 0..120 {
        let of = if number == 7 { json!({}) } else { metadata(now() - 60_000) };
        deliver(&app, &format!("m{number}"), &payment(&format!("pay_{number}"), &of)).await;
    }
    deliver(&app, "r", &refund(99.0)).await;
    let ids = |answer: &Value| -> Vec<String> {
        let payments = answer["payments"].as_array().unwrap().iter();
        payments.map(|payment| payment["paymentId"].as_str().unwrap().to_owned()).collect()
    };
    let first = app.owner("ttr/payments").await;
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = app.owner(&format!("ttr/payments?cursor={cursor}")).await;
    assert_eq!((ids(&first).len(), ids(&second).len(), &second["nextCursor"]), (100, 20, &Value::Null));
    let mut all = [ids(&first), ids(&second)].concat();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 120);

    for (query, found) in [
        ("state=refunded", vec!["pay_1"]),
        ("session=without", vec!["pay_7"]),
        ("state=renewal", vec![]),
        ("state=test", vec![]),
        ("provider=stripe", vec![]),
        ("to=2020-01-01", vec![]),
        ("session=with&provider=whop&state=refunded&from=2020-01-01", vec!["pay_1"]),
    ] {
        assert_eq!(ids(&app.owner(&format!("ttr/payments?{query}")).await), found, "{query}");
    }
    let refunded = app.owner("ttr/payments?state=refunded").await["payments"][0].clone();
    assert_eq!(
        (&refunded["net"], &refunded["amount"], &refunded["state"]),
        (&json!(0), &json!(99), &json!("refunded"))
    );

    let list = html(&app, LIST).await;
    assert_eq!(list.matches("class=\"whole\"").count(), 50);
    let next = list.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(html(&app, next).await.contains("First page"));
    assert!(html(&app, &format!("{LIST}?state=renewal")).await.contains("No payment is like that"));
    for (query, field) in [
        ("state=lent", "state"),
        ("cursor=x", "cursor"),
        ("from=yesterday", "from"),
        ("session=x", "session"),
    ] {
        let (status, list) = screen(&app, &format!("{LIST}?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert!(list.contains("role=\"alert\"") && list.contains(&format!("{field} ")), "{query}");
        let answer = app.get(&format!("/api{LIST}?{query}")).bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(answer.json::<Value>().await.unwrap()["field"], field);
    }
}

#[tokio::test]
async fn the_owner_joins_a_payment_to_the_session_that_led_to_it() {
    let app = TestApp::start().await;
    visits(&app, "s-old", 2 * DAY).await;
    visits(&app, "s-mine", 0).await;
    visits(&app, "s-other", 1000).await;
    deliver(&app, "m1", &payment("pay_1", &json!({}))).await;
    deliver(&app, "m2", &refund(10.0)).await;
    let page = html(&app, ONE).await;
    assert!(
        page.contains("Which session was it?") && page.contains(">s-mine<") && page.contains(">s-other<")
    );
    assert!(!page.contains("s-old"), "it went to the checkout long before");
    assert!(html(&app, "/aurea/funnels/ttr").await.contains(ONE), "the funnel leads there");

    for (said, why) in
        [("", "Choose a session"), ("a b", "Choose a session"), ("nobody", "There is no session nobody")]
    {
        let (status, _, page) = sends(&app, &format!("{ONE}/join"), &[("sessionId", said)]).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{said}");
        assert!(page.contains(why) && page.contains("role=\"alert\""), "{said}: {page}");
    }
    assert_eq!(app.session("s-mine").await["converted"], false, "a refusal changes nothing");

    let (status, to, _) =
        sends(&app, &format!("{ONE}/join"), &[("candidate", "s-mine"), ("sessionId", "")]).await;
    assert_eq!((status, to.as_str()), (StatusCode::SEE_OTHER, &*format!("{ONE}?done=joined")));
    let session = app.session("s-mine").await;
    assert_eq!(
        names(&session),
        ["page_view", "checkout_started", "checkout_completed", "session_end", "payment_refunded"]
    );
    assert_eq!((&session["conversionValue"], &session["netValue"]), (&json!(99), &json!(89)));
    let completed = &session["events"][2]["properties"];
    assert!((59..120).contains(&completed["checkoutDuration"].as_i64().unwrap()), "{completed}");
    let page = html(&app, &to).await;
    assert!(page.contains("Joined by hand") && !page.contains("Which session was it?"));
    let known = app.owner("ttr/payments").await["payments"][0].clone();
    assert!(
        known["joinedByHandAt"].is_i64() && known["sessionId"] == "s-mine" && known["anonymousId"] == "a1"
    );
    assert!(html(&app, "/aurea/funnels/ttr/sessions/s-mine").await.contains("joined by hand"));
    assert_eq!(app.session("s-other").await["converted"], false);

    let (status, _, page) = sends(&app, &format!("{ONE}/join"), &[("sessionId", "s-other")]).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(page.contains("It has a session already: s-mine"), "{page}");
    assert_eq!(app.session("s-other").await["converted"], false);
}

#[tokio::test]
async fn a_payment_that_came_with_its_ids_was_not_joined_by_hand_and_a_renewal_is_not_to_be() {
    let app = TestApp::start().await;
    deliver(&app, "m1", &payment("pay_1", &metadata(now() - 60_000))).await;
    assert!(app.owner("ttr/payments").await["payments"][0]["joinedByHandAt"].is_null());
    assert!(!html(&app, ONE).await.contains("by hand"));
    visits(&app, "s-mine", 0).await;
    let mut renewal: Value = serde_json::from_str(&payment("pay_2", &json!({}))).unwrap();
    renewal["data"]["billing_reason"] = "subscription_cycle".into();
    deliver(&app, "m2", &renewal.to_string()).await;
    let path = "/aurea/funnels/ttr/payments/whop/pay_2";
    assert!(html(&app, path).await.contains("No visit earns a renewal"));
    let (status, _, page) = sends(&app, &format!("{path}/join"), &[("sessionId", "s-mine")]).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(page.contains("It is a renewal"));
    assert_eq!(app.session("s-mine").await["converted"], false);
}

#[tokio::test]
async fn what_changes_something_must_come_from_our_own_pages() {
    let app = TestApp::start().await;
    deliver(&app, "m1", &payment("pay_1", &json!({}))).await;
    visits(&app, "s-mine", 0).await;
    let cookie = logged_in(&app).await;
    for (act, site, expected) in [
        ("join", "cross-site", StatusCode::FORBIDDEN),
        ("send", "cross-site", StatusCode::FORBIDDEN),
        ("join", "same-origin", StatusCode::SEE_OTHER),
        ("send", "same-origin", StatusCode::SEE_OTHER),
    ] {
        let post = app.post(&format!("{ONE}/{act}")).form(&[("sessionId", "s-mine")]);
        let answer = post.header("cookie", &cookie).header("sec-fetch-site", site).send().await.unwrap();
        assert_eq!(answer.status(), expected, "{act} {site}");
    }
    for act in ["join", "send"] {
        let stranger =
            app.post(&format!("{ONE}/{act}")).form(&[("sessionId", "s-mine")]).send().await.unwrap();
        assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED, "{act}");
    }
}

#[tokio::test]
async fn a_payment_that_was_joined_is_forwarded_and_can_be_sent_again() {
    let upstream = Upstream::start(says(200)).await;
    let app = TestApp::start_with(&[("AUREA_API_URL", &upstream.url), ("AUREA_API_KEY", "k")]).await;
    visits(&app, "s-mine", 0).await;
    deliver(&app, "m1", &payment("pay_1", &json!({}))).await;
    sends(&app, &format!("{ONE}/join"), &[("sessionId", "s-mine")]).await;
    let told = |name: &str| {
        let calls = upstream.calls().into_iter();
        calls.filter(|call| String::from_utf8_lossy(&call.body).contains(name)).collect::<Vec<_>>()
    };
    until("it is forwarded", || async { !told("checkout_completed").is_empty() }).await;
    until("it is settled", || async { asked::<i64>(app.folder(), "SELECT count(*) FROM outbox") == 0 }).await;

    let page = html(&app, ONE).await;
    assert!(page.contains("Send again to Aurea"));
    let (status, to, _) = sends(&app, &format!("{ONE}/send"), &[]).await;
    assert_eq!(
        (status, to.as_str()),
        (StatusCode::SEE_OTHER, &*format!("{ONE}?done=sent&new=1&woken=0&waiting=0"))
    );
    assert!(html(&app, &to).await.contains("1 request was written anew"));
    until("it is told again", || async { told("checkout_completed").len() == 2 }).await;
    let again = told("checkout_completed");
    assert_eq!(again[0].key, again[1].key, "the same under the same key");
    assert!(again[0].body == again[1].body);
}

#[tokio::test]
async fn what_was_given_up_of_a_payment_is_woken_and_not_written_twice() {
    let upstream = Upstream::start(says(400)).await;
    let app = TestApp::start_with(&[("AUREA_API_URL", &upstream.url), ("AUREA_API_KEY", "k")]).await;
    visits(&app, "s1", 0).await;
    deliver(&app, "m1", &payment("pay_1", &metadata(now() - 60_000))).await;
    let rows = |of: &str| asked::<i64>(app.folder(), &format!("SELECT count(*) FROM outbox WHERE {of}"));
    until("all is parked", || async { rows("due_at IS NULL") > 0 && rows("due_at IS NOT NULL") == 0 }).await;
    let before = rows("1");
    upstream.now_says(says(200));
    let (_, to, _) = sends(&app, &format!("{ONE}/send"), &[]).await;
    assert!(to.contains("new=0") && !to.contains("woken=0"), "{to}");
    assert!(rows("1") <= before, "nothing was written");
    until("it is sent", || async { rows("1") == 0 }).await;
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_not_there() {
    let app = TestApp::start().await;
    for path in [ONE, "/aurea/funnels/ttr/payments/a%2Fb/%3Cscript%3E", "/aurea/funnels/a%20b/payments"] {
        assert_eq!(screen(&app, path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(sends(&app, &format!("{ONE}/join"), &[("sessionId", "s1")]).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn refunds_of_unknown_payments_are_shown() {
    let app = TestApp::start().await;
    deliver(&app, "m1", &refund(10.0)).await;
    let list = html(&app, LIST).await;
    assert!(list.contains("Refunds and disputes without a payment") && list.contains("rfd_1"));
    deliver(&app, "m2", &payment("pay_1", &metadata(now() - 60_000))).await;
    assert!(!html(&app, LIST).await.contains("without a payment"));
}

#[tokio::test]
async fn hostile_text_of_a_provider_is_shown_as_text() {
    let app = TestApp::start().await;
    let nasty = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u{0}\u{202e}";
    let body = json!({
        "type": nasty, "data": {"id": nasty, "status": nasty, "metadata": {nasty: nasty}},
    });
    let mut paid: Value = serde_json::from_str(&payment(nasty, &json!({}))).unwrap();
    paid["data"][nasty] = nasty.into();
    deliver(&app, "m1", &paid.to_string()).await;
    deliver(&app, "m2", &body.to_string()).await;
    deliver(&app, "m3", nasty).await;
    let mut strange: Value = serde_json::from_str(&refund(10.0)).unwrap();
    strange["data"]["id"] = nasty.into();
    strange["data"]["payment"]["id"] = format!("{nasty}2").into();
    deliver(&app, "m4", &strange.to_string()).await;
    let list = html(&app, LIST).await;
    let path = list.split("href=\"").find(|rest| rest.starts_with(&format!("{LIST}/whop/"))).unwrap();
    let path = path.split('"').next().unwrap();
    for path in [LIST, path, "/aurea/funnels/ttr"] {
        let html = html(&app, path).await;
        assert!(!html.contains("<script>alert") && !html.contains("<img src=x"), "{path}");
        assert!(html.contains("&lt;script"), "{path}");
    }
}
