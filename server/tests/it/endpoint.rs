//! Webhooks that go out: signed messages of the money to an address of the owner's, beside everything else.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse};
use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};
use server::clock::{Clock, now};
use server::domain::event::{Event, Source};
use server::outbox::reach::Reach;
use server::outbox::webhooks::{Endpoint, Secret, Settings};
use server::outbox::{Carrier, Outbox};
use server::store::outbox::OutboxFigures;
use standardwebhooks::{Webhook, WebhookError};

use crate::support::{TestApp, batch, metadata, payment, stored_event};
use crate::upstream::{Bench, Call, FakeClock, QUICK, Upstream, aurea, says, until};

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_ByXbFdaoP3ygHbPvuDFTCBzS2kyRHbWyWs4Bn0O1iOk=";

fn endpoint(url: &str) -> Arc<dyn Carrier> {
    let settings = Settings {
        url: url.parse().unwrap(),
        secrets: [NEW, OLD].map(|secret| Secret::parse(secret).unwrap()).into(),
        events: ["checkout_completed", "session_end"].map(str::to_owned).into(),
        reach: Reach::Anywhere,
    };
    Arc::new(Endpoint::with_deadlines(&settings, QUICK).unwrap())
}

fn money(id: &str, name: &str, at: i64) -> Event {
    let properties =
        Map::from_iter([("revenue".to_owned(), json!(99)), ("converted".to_owned(), json!(true))]);
    Event { source: Source::Server, properties, ..stored_event("s1", id, name, at) }
}

/// Verifies as whoever gets it would, by the official library.
fn verify(call: &Call, secret: &str) -> Result<(), WebhookError> {
    let headers: HeaderMap =
        call.headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    Webhook::new(secret).unwrap().verify(&call.body, &headers)
}

fn message(call: &Call) -> Value {
    serde_json::from_slice(&call.body).unwrap()
}

async fn paid(bench: &Bench, id: &str) {
    bench.commit(vec![money(id, "checkout_completed", bench.clock.now())]).await;
    bench.outbox.settled().await;
}

async fn figures(outbox: &Outbox, place: usize) -> OutboxFigures {
    outbox.standings().await.unwrap().remove(place).figures
}

#[tokio::test]
async fn a_purchase_is_told_in_signed_messages_that_every_secret_verifies() {
    let upstream = Upstream::start(says(200)).await;
    let secrets = format!("{NEW},{OLD}");
    let more = [("TTR_WEBHOOK_URL", upstream.url.as_str()), ("TTR_WEBHOOK_SECRET", &secrets)];
    let app = TestApp::start_with(&more).await;
    let at = now() - 60_000;
    app.browser_posts(&batch("s1", &[("page_view", at), ("session_end", at + 1000)])).await;
    app.whop_delivers("msg_1", &payment("pay_1", &metadata(at))).await;
    app.whop_delivers("msg_2", &payment("pay_1", &metadata(at))).await; // the same payment
    until("both were told", || async { upstream.calls().len() == 2 }).await;
    let mut calls = upstream.calls();
    calls.sort_by_key(|call| message(call)["type"].to_string());
    for (call, name) in calls.iter().zip(["checkout_completed", "session_end"]) {
        assert_eq!(call.headers["content-type"], "application/json");
        assert!([NEW, OLD].iter().all(|secret| verify(call, secret).is_ok()));
        assert!(verify(call, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx").is_err());
        let message = message(call);
        assert_eq!(message["type"], name);
        assert_eq!(
            (&message["data"]["sessionId"], &message["data"]["anonymousId"]),
            (&json!("s1"), &json!("a1"))
        );
        assert_eq!(message["data"]["properties"]["revenue"], 99);
        let told_at: jiff::Timestamp = message["timestamp"].as_str().unwrap().parse().unwrap();
        assert!(told_at.as_millisecond() >= at, "{message}");
    }
    assert_ne!(calls[0].key, calls[1].key);
}

#[tokio::test]
async fn a_message_keeps_its_id_and_body_and_is_signed_anew_for_each_try() {
    let upstream = Upstream::start(says(500)).await;
    let bench = Bench::start_with(vec![endpoint(&upstream.url)]);
    paid(&bench, "e1").await;
    upstream.now_says(says(200));
    bench.after(2000).await;
    let [first, second] = &upstream.calls()[..] else { panic!("two tries") };
    assert_eq!((&first.key, &first.body), (&second.key, &second.body));
    let seconds = |call: &Call| call.headers["webhook-timestamp"].parse::<i64>().unwrap();
    assert_eq!(seconds(second) - seconds(first), 2, "the time is that of the try");
    for call in [first, second] {
        let signed =
            |secret: &str| Webhook::new(secret).unwrap().sign(&call.key, seconds(call), &call.body).unwrap();
        assert_eq!(call.headers["webhook-signature"], format!("{} {}", signed(NEW), signed(OLD)));
    }
    assert_eq!(bench.figures().await, OutboxFigures::default());
}

#[tokio::test]
async fn only_the_events_that_are_wanted_are_told_each_alone() {
    let upstream = Upstream::start(says(200)).await;
    let bench = Bench::start_with(vec![endpoint(&upstream.url)]);
    let at = bench.clock.now();
    let tab_closed = Event { source: Source::Browser, ..money("e4", "session_end", at) };
    let by_key = Event { source: Source::Key, ..money("e5", "checkout_completed", at) };
    let events = vec![
        money("e1", "checkout_completed", at),
        money("e2", "session_end", at),
        money("e3", "payment_refunded", at),
        tab_closed,
        by_key,
    ];
    bench.commit(events.clone()).await;
    bench.commit(events).await;
    bench.outbox.settled().await;
    let mut ids: Vec<Value> =
        upstream.calls().iter().map(|call| message(call)["data"]["eventId"].clone()).collect();
    ids.sort_by_key(Value::to_string);
    assert_eq!(ids, ["e1", "e2"]);
}

#[tokio::test]
async fn an_answer_counts_by_its_status_alone() {
    for body in ["<h1>Thank you</h1>", r#"{"results":[{"result":"dropped"}]}"#, "{", ""] {
        let upstream = Upstream::start(move |_| Html(body).into_response()).await;
        let bench = Bench::start_with(vec![endpoint(&upstream.url)]);
        paid(&bench, "e1").await;
        assert_eq!(bench.figures().await, OutboxFigures::default(), "{body}");
    }
}

#[tokio::test]
async fn one_that_is_refused_is_parked_and_an_endpoint_that_is_gone_rests() {
    let upstream = Upstream::start(says(400)).await;
    let bench = Bench::start_with(vec![endpoint(&upstream.url)]);
    paid(&bench, "e1").await;
    assert_eq!(bench.waiting_and_parked().await, (0, 1), "alone in its row, it can't be halved");
    upstream.now_says(says(410));
    paid(&bench, "e2").await;
    paid(&bench, "e3").await;
    assert_eq!(upstream.calls().len(), 2, "gone: nothing but the first try");
    let figures = bench.figures().await;
    assert_eq!((figures.waiting, figures.parked), (2, 1));
    assert_eq!(figures.last_error.unwrap(), "it answered 410: nothing is there; is TTR_WEBHOOK_URL right?");
    upstream.now_says(says(200));
    bench.after(300_000).await;
    assert_eq!(bench.waiting_and_parked().await, (0, 1), "back again, all but the parked one go");
}

#[tokio::test]
async fn a_redirect_is_never_followed() {
    let elsewhere = Upstream::start(says(200)).await;
    let target = elsewhere.url.clone();
    let redirect =
        move |_: &Call| (StatusCode::PERMANENT_REDIRECT, [("location", target.clone())]).into_response();
    let upstream = Upstream::start(redirect).await;
    let bench = Bench::start_with(vec![endpoint(&upstream.url)]);
    paid(&bench, "e1").await;
    assert_eq!((upstream.calls().len(), elsewhere.calls().len()), (1, 0));
    assert_eq!(bench.waiting_and_parked().await, (1, 0));
}

#[tokio::test]
async fn the_trouble_of_one_destination_is_nobody_elses() {
    for status in [410, 429, 500, 401] {
        let (remote, owner) = (Upstream::start(says(200)).await, Upstream::start(says(200)).await);
        for in_trouble in [0, 1] {
            let bench = Bench::start_with(vec![aurea(&remote.url), endpoint(&owner.url)]);
            let upstreams = [&remote, &owner];
            let silence = move |_: &Call| {
                (StatusCode::from_u16(status).unwrap(), [("retry-after", "3600")]).into_response()
            };
            upstreams[in_trouble].now_says(silence);
            for number in 0..10 {
                paid(&bench, &format!("e{number}")).await;
            }
            let standings = [figures(&bench.outbox, 0).await, figures(&bench.outbox, 1).await];
            assert_eq!(standings[in_trouble].waiting, 10, "{status}: all of its rows wait");
            assert_eq!(standings[1 - in_trouble], OutboxFigures::default(), "{status}: the other's are gone");
            upstreams[in_trouble].now_says(says(200));
            bench.after(3_600_000).await;
            assert_eq!(figures(&bench.outbox, in_trouble).await, OutboxFigures::default());
        }
    }
}

#[tokio::test]
async fn a_slow_endpoint_holds_up_nobody() {
    let remote = Upstream::start(says(200)).await;
    let (url, server) = crate::upstream::raw_upstream(|stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let bench = Bench::start_with(vec![aurea(&remote.url), endpoint(&url)]);
    for number in 0..50 {
        bench.commit(vec![money(&format!("e{number}"), "checkout_completed", bench.clock.now())]).await;
    }
    until("the other has all", || async { figures(&bench.outbox, 0).await == OutboxFigures::default() })
        .await;
    assert_eq!(figures(&bench.outbox, 1).await.waiting, 50);
    server.abort();
}

#[tokio::test]
async fn an_endpoint_that_is_named_no_more_keeps_its_rows_until_it_is_again() {
    let upstream = Upstream::start(says(503)).await;
    let bench = Bench::start_with(vec![endpoint(&upstream.url)]);
    paid(&bench, "e1").await;
    bench.outbox.stop().await;
    upstream.now_says(says(200));
    let clock = || Arc::<FakeClock>::clone(&bench.clock) as Arc<dyn Clock>;
    let without = Outbox::start(&bench.store, Vec::new(), &clock());
    bench.clock.0.send_modify(|now| *now += 40 * 24 * 3_600_000);
    without.settled().await;
    without.stop().await;
    assert_eq!(upstream.calls().len(), 1);
    let with = Outbox::start(&bench.store, vec![endpoint(&upstream.url)], &clock());
    with.settled().await;
    let keys: BTreeMap<String, usize> =
        upstream.calls().into_iter().fold(BTreeMap::new(), |mut keys, call| {
            *keys.entry(call.key).or_default() += 1;
            keys
        });
    assert_eq!(keys.into_values().collect::<Vec<_>>(), [2], "under the same key");
    assert_eq!(figures(&with, 0).await, OutboxFigures::default());
}
