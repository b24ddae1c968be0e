//! What goes out: from the commit of an event to another Aurea, whatever that answers and whoever dies on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use app::event::SessionId;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use proptest::prelude::*;
use serde_json::{Value, json};
use server::aurea::ByHand;
use server::clock::{Clock, now};
use server::domain::DAY;
use server::domain::commit::Commit;
use server::domain::event::{FunnelId, Source, derived_id};
use server::domain::ledger::{Attribution, Entry};
use server::domain::money::Currency;
use server::ingest::{Collector, Sender};
use server::outbox::aurea::Aurea;
use server::outbox::{Carrier, Outbox};
use server::report::Report;
use server::store::Store;
use server::store::outbox::{Claim, OutboxFigures};
use server::store::sqlite::examine::Examination;
use tokio::io::AsyncWriteExt;

use crate::durability::{Program, free_address};
use crate::store::stores;
use crate::support::{SECRET, TOKEN, TestApp, batch, metadata, payment, sign, stored_event};
use crate::upstream::{Bench, Call, FakeClock, HEAD, START, Upstream, raw_upstream, says, settings, until};

/// What the remote's owner gave to the site's.
const REMOTE_KEY: &str = "key-of-the-remote";

/// Makes an application the remote.
const TAKES_REMOTE_KEY: (&str, &str) = ("AUREA_RECEIVE_KEYS", "key-of-the-remote:ttr");

#[tokio::test]
async fn a_row_is_one_body_under_one_key_with_the_funnel_and_the_secret() {
    for status in [200, 201, 202, 204] {
        let upstream = Upstream::start(says(status)).await;
        let bench = Bench::start(&upstream.url);
        bench.tell(&["e1", "e2"]).await;
        let [call] = &upstream.calls()[..] else { panic!("one call") };
        assert_eq!(call.ids(), ["e1", "e2"]);
        let header = |name: &str| call.headers[name].as_str();
        assert_eq!((header("x-aurea-api-key"), header("x-aurea-funnel-id")), ("key-1", "ttr"));
        assert_eq!(header("content-type"), "application/json");
        assert!(!String::from_utf8_lossy(&call.body).contains("sentAt"));
        assert_eq!(bench.figures().await, OutboxFigures::default(), "{status}: it is gone");
    }
}

#[tokio::test]
async fn what_failed_is_sent_again_with_the_same_key_and_the_same_bytes() {
    for status in [408, 409, 425, 500, 502, 503, 504] {
        let upstream = Upstream::start(says(status)).await;
        let bench = Bench::start(&upstream.url);
        bench.tell(&["e1"]).await;
        assert_eq!(bench.waiting_and_parked().await, (1, 0), "{status}");
        assert_eq!(bench.figures().await.last_error.unwrap(), format!("it answered {status}"));
        upstream.now_says(says(200));
        bench.after(1000).await;
        let [first, second] = &upstream.calls()[..] else { panic!("{status}: two calls") };
        assert_eq!((&first.key, &first.body), (&second.key, &second.body));
        assert_eq!(bench.figures().await, OutboxFigures::default());
    }
}

#[tokio::test]
async fn a_destination_that_refuses_everything_is_left_alone_until_it_is_mended() {
    for status in [301, 401, 403, 404, 405, 410] {
        let upstream = Upstream::start(says(status)).await;
        let bench = Bench::start(&upstream.url);
        // A 403 may be about what a row says: then a greeting, which tells of nothing, is refused as well.
        let greetings = |tries| if status == 403 { tries } else { 0 };
        let tries = || upstream.calls().into_iter().filter(|call| !call.ids().is_empty()).collect::<Vec<_>>();
        bench.tell(&["e1"]).await;
        bench.tell(&["e2"]).await;
        bench.after(299_999).await;
        assert_eq!(tries().len(), 1, "{status}: nothing but the first try");
        bench.after(1).await;
        assert_eq!(tries().len(), 2, "{status}: one look after five minutes");
        assert_eq!(upstream.calls().len(), 2 + greetings(2), "{status}");
        assert!(tries()[1].has("e2"), "{status}: by another row, should the first be the reason");
        upstream.now_says(says(200));
        bench.after(300_000).await;
        assert_eq!(bench.figures().await, OutboxFigures::default(), "{status}: all goes");
    }
}

#[tokio::test]
async fn a_redirect_is_never_followed() {
    let elsewhere = Upstream::start(says(200)).await;
    let target = format!("{}/track/events", elsewhere.url);
    let redirect =
        move |_: &Call| (StatusCode::TEMPORARY_REDIRECT, [("location", target.clone())]).into_response();
    let upstream = Upstream::start(redirect).await;
    let bench = Bench::start(&upstream.url);
    bench.tell(&["e1"]).await;
    assert_eq!((upstream.calls().len(), elsewhere.calls().len()), (1, 0));
    assert_eq!(bench.waiting_and_parked().await, (1, 0));
}

#[tokio::test]
async fn a_web_page_is_no_answer() {
    let upstream = Upstream::start(|_| axum::response::Html("<h1>Hello</h1>").into_response()).await;
    let bench = Bench::start(&upstream.url);
    bench.tell(&["e1"]).await;
    assert_eq!(bench.waiting_and_parked().await, (1, 0));
    assert!(bench.figures().await.last_error.unwrap().contains("AUREA_API_URL"));
}

#[tokio::test]
async fn one_bad_event_is_parked_and_its_siblings_go_through() {
    for status in [400, 413, 422] {
        let refuses = move |call: &Call| {
            let status = if call.has("bad") { status } else { 200 };
            StatusCode::from_u16(status).unwrap().into_response()
        };
        let upstream = Upstream::start(refuses).await;
        let bench = Bench::start(&upstream.url);
        bench.tell(&["e1", "e2", "bad", "e3", "e4"]).await;
        assert_eq!(bench.waiting_and_parked().await, (0, 1), "{status}");
        let taken: BTreeSet<String> =
            upstream.calls().iter().filter(|call| !call.has("bad")).flat_map(Call::ids).collect();
        assert_eq!(taken.into_iter().collect::<Vec<_>>(), ["e1", "e2", "e3", "e4"]);
        let bodies: BTreeMap<String, Vec<u8>> =
            upstream.calls().into_iter().map(|call| (call.key, call.body)).collect();
        assert_eq!(bodies.len(), upstream.calls().len(), "another body has another key");
        bench.after(40 * 24 * 3_600_000).await;
        assert_eq!(bench.waiting_and_parked().await, (0, 1), "it waits for a person");
        upstream.now_says(says(200));
        let driven = bench.outbox.drive(Duration::from_secs(10)).await.unwrap();
        assert_eq!((driven.sent, driven.waiting, driven.parked), (1, 0, 0));
    }
}

#[tokio::test]
async fn events_that_a_200_does_not_take_go_their_own_ways() {
    let picky = |call: &Call| {
        let result = |id: String| match id.as_str() {
            "e2" => json!({"eventId": id, "result": "retry"}),
            "e3" => json!({"eventId": id, "result": "dropped", "detail": "not wanted"}),
            _ => json!({"eventId": id, "result": "ok"}),
        };
        axum::Json(json!({"results": call.ids().into_iter().map(result).collect::<Vec<_>>()})).into_response()
    };
    let upstream = Upstream::start(picky).await;
    let bench = Bench::start(&upstream.url);
    bench.tell(&["e1", "e2", "e3", "e4"]).await;
    assert_eq!(bench.waiting_and_parked().await, (1, 1));
    upstream.now_says(says(200));
    bench.after(1000).await;
    assert_eq!(bench.waiting_and_parked().await, (0, 1));
    assert_eq!(upstream.calls()[1].ids(), ["e2"]);
    assert!(bench.figures().await.last_error.unwrap().contains("not wanted"));
}

#[tokio::test]
async fn a_409_that_says_that_it_is_done_is_done() {
    let upstream =
        Upstream::start(|_| (StatusCode::CONFLICT, r#"{"error":"already_processed"}"#).into_response()).await;
    let bench = Bench::start(&upstream.url);
    bench.tell(&["e1"]).await;
    assert_eq!(bench.figures().await, OutboxFigures::default());
}

#[tokio::test]
async fn silence_is_kept_for_the_whole_destination_as_long_as_it_asks_for() {
    for (status, retry_after, wait) in
        [(429, "7", 7000), (503, "90", 90_000), (429, "Mon, 23 Nov 2026 12:00:30 GMT", 30_000)]
    {
        let busy = move |_: &Call| {
            (StatusCode::from_u16(status).unwrap(), [("retry-after", retry_after)]).into_response()
        };
        let upstream = Upstream::start(busy).await;
        let bench = Bench::start(&upstream.url);
        bench.tell(&["e1"]).await;
        bench.tell(&["e2"]).await;
        upstream.now_says(says(200));
        bench.after(wait - 1).await;
        assert_eq!(upstream.calls().len(), 1, "{retry_after}");
        bench.after(1).await;
        assert_eq!(bench.figures().await, OutboxFigures::default(), "{retry_after}");
    }
    for garbage in ["soon", "-7", ""] {
        let busy =
            move |_: &Call| (StatusCode::TOO_MANY_REQUESTS, [("retry-after", garbage)]).into_response();
        let upstream = Upstream::start(busy).await;
        let bench = Bench::start(&upstream.url);
        bench.tell(&["e1"]).await;
        bench.tell(&["e2"]).await;
        assert_eq!(upstream.calls().len(), 2, "{garbage:?} keeps nobody");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_status_is_tried_again() {
    for said in [&b""[..], b"HTTP/1.1 20", b"\x00\xff\xfe nonsense\r\n\r\n"] {
        let (url, server) = raw_upstream(move |mut stream| async move {
            let _ = stream.write_all(said).await;
        })
        .await;
        let bench = Bench::start(&url);
        bench.tell(&["e1"]).await;
        assert_eq!(bench.waiting_and_parked().await, (1, 0), "{said:?}");
        let error = bench.figures().await.last_error.unwrap();
        assert!(!error.contains("127.0.0.1") && !error.contains("key-1"), "{error}");
        server.abort();
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_drips_may_have_said_anything_and_is_asked_for_again() {
    let (broken, first) = raw_upstream(|mut stream| async move {
        let _ = stream.write_all(&[HEAD, b"5\r\n\xff\xfe"].concat()).await;
    })
    .await;
    let (dripping, second) = raw_upstream(|mut stream| async move {
        let _ = stream.write_all(HEAD).await;
        while stream.write_all(b"1\r\n \r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    let (cut, third) = raw_upstream(|mut stream| async move {
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n";
        let _ = stream.write_all(&[&head[..], br#"{"results":[{"result":"dro"#].concat()).await;
    })
    .await;
    for url in [broken, dripping, cut] {
        let bench = Bench::start(&url);
        bench.tell(&["e1"]).await;
        assert_eq!(bench.waiting_and_parked().await, (1, 0));
        let error = bench.figures().await.last_error.unwrap();
        assert!(error.contains("broke off"), "{error}");
    }
    for server in [first, second, third] {
        server.abort();
    }
}

#[tokio::test]
async fn an_answer_without_end_is_read_so_far_and_believed_only_if_it_is_no_json() {
    for (begins, standing) in [(&b"thank you"[..], (0, 0)), (br#"{"results":[{"result":"ok"}"#, (1, 0))] {
        let (url, server) = raw_upstream(move |mut stream| async move {
            let _ = stream.write_all(HEAD).await;
            let first = format!("{:x}\r\n", begins.len());
            let _ = stream.write_all(&[first.as_bytes(), begins, b"\r\n"].concat()).await;
            let chunk = [b"10000\r\n", &vec![b' '; 0x10000][..], b"\r\n"].concat();
            while stream.write_all(&chunk).await.is_ok() {}
        })
        .await;
        let bench = Bench::start(&url);
        bench.tell(&["e1"]).await;
        assert_eq!(bench.waiting_and_parked().await, standing);
        server.abort();
    }
}

#[tokio::test]
async fn a_row_of_which_nothing_is_taken_keeps_its_key_and_waits_or_is_parked() {
    for (result, standing) in [("retry", (1, 0)), ("failed", (0, 1))] {
        let takes_nothing = move |call: &Call| {
            let results: Vec<_> = call.ids().iter().map(|_| json!({ "result": result })).collect();
            axum::Json(json!({ "results": results })).into_response()
        };
        let upstream = Upstream::start(takes_nothing).await;
        let bench = Bench::start(&upstream.url);
        bench.tell(&["e1", "e2"]).await;
        assert_eq!(bench.waiting_and_parked().await, standing, "{result}");
        upstream.now_says(says(200));
        bench.outbox.drive(Duration::from_secs(10)).await.unwrap();
        let [first, second] = &upstream.calls()[..] else { panic!("{result}: two calls") };
        assert_eq!((&first.key, &first.body), (&second.key, &second.body));
        assert_eq!(bench.figures().await, OutboxFigures::default());
    }
}

#[tokio::test]
async fn an_answer_about_other_events_parks_the_row_whole() {
    let upstream =
        Upstream::start(|_| axum::Json(json!({"results": [{"result": "dropped"}]})).into_response()).await;
    let bench = Bench::start(&upstream.url);
    bench.tell(&["e1", "e2"]).await;
    assert_eq!(bench.waiting_and_parked().await, (0, 1));
}

#[tokio::test]
async fn an_upstream_that_never_answers_costs_its_deadline_and_no_more() {
    let (url, server) = raw_upstream(|stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let bench = Bench::start(&url);
    bench.tell(&["e1"]).await;
    assert_eq!(bench.waiting_and_parked().await, (1, 0));
    assert!(bench.figures().await.last_error.unwrap().contains("did not answer in time"));
    server.abort();
}

#[tokio::test]
async fn a_host_that_can_not_be_found_is_tried_again() {
    let bench = Bench::start("http://aurea.invalid/api");
    bench.tell(&["e1"]).await;
    assert_eq!(bench.waiting_and_parked().await, (1, 0));
}

#[tokio::test]
async fn an_event_that_only_breaks_the_other_side_holds_up_nobody() {
    let breaks = |call: &Call| {
        let status = if call.has("poison") { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
        status.into_response()
    };
    let upstream = Upstream::start(breaks).await;
    let bench = Bench::start(&upstream.url);
    bench.tell(&["poison"]).await;
    for number in 0..30 {
        bench.tell(&[&format!("e{number}")]).await;
        assert_eq!(bench.waiting_and_parked().await, (1, 0), "only the poison waits");
        bench.after(1000).await;
    }
}

#[tokio::test]
async fn an_event_that_a_firewall_refuses_for_what_it_says_holds_up_nobody() {
    for (status, is_ttr) in [(403, true), (403, false), (406, true), (451, false), (200, true)] {
        let reads_along = move |call: &Call| match status {
            _ if is_ttr && call.ids().is_empty() => {
                (StatusCode::BAD_REQUEST, r#"{"error":"empty_batch"}"#).into_response()
            }
            _ if !String::from_utf8_lossy(&call.body).contains("POISON") => StatusCode::OK.into_response(),
            200 => axum::response::Html("<h1>Your request was blocked</h1>").into_response(),
            status => StatusCode::from_u16(status).unwrap().into_response(),
        };
        let upstream = Upstream::start(reads_along).await;
        let bench = Bench::start(&upstream.url);
        for number in 0..10 {
            bench.tell(&[&format!("POISON{number}")]).await;
            bench.tell(&[&format!("e{number}")]).await;
            assert_eq!(bench.waiting_and_parked().await, (number + 1, 0), "{status}: only the poison waits");
            bench.after(1000).await;
        }
        assert!(bench.figures().await.last_error.unwrap().contains("to this alone"), "{status}");
        for _ in 0..31 {
            bench.after(DAY).await;
        }
        assert_eq!(
            bench.waiting_and_parked().await,
            (0, 10),
            "{status}: in the end it is parked as any other"
        );
        upstream.now_says(says(200));
        bench.outbox.drive(Duration::from_secs(10)).await.unwrap();
        assert_eq!(bench.figures().await, OutboxFigures::default(), "{status}");
    }
}

#[tokio::test]
async fn a_key_that_is_mended_is_noticed_though_the_row_that_looks_in_is_refused_for_what_it_says() {
    let upstream = Upstream::start(says(403)).await;
    let bench = Bench::start(&upstream.url);
    bench.tell(&["e1"]).await;
    bench.tell(&["POISON"]).await;
    upstream.now_says(|call| {
        if call.has("POISON") { StatusCode::FORBIDDEN } else { StatusCode::OK }.into_response()
    });
    bench.after(300_000).await;
    assert_eq!(bench.waiting_and_parked().await, (1, 0), "the newest looked in, and the rest went");
}

#[tokio::test]
async fn a_ttr_says_of_a_body_without_events_that_it_is_empty_to_those_it_lets_in_alone() {
    let remote = TestApp::start_with(&[TAKES_REMOTE_KEY]).await;
    let greeted = async |key: &str| {
        let greeting = remote.post("/api/track/events").header("x-aurea-api-key", key);
        let greeting = greeting.header("x-aurea-funnel-id", "ttr").json(&json!({"events": []}));
        let answer = greeting.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap()["error"].clone())
    };
    assert_eq!(greeted(REMOTE_KEY).await, (400, "empty_batch".into()));
    assert_eq!(greeted("guess").await.0, 401);
}

#[tokio::test]
async fn a_sale_that_is_joined_a_month_later_is_told_with_all_patience() {
    let upstream = Upstream::start(says(503)).await;
    let bench = Bench::start(&upstream.url);
    let a_month_ago = START - 31 * DAY;
    let mut sale = crate::store::paid("pay_1", a_month_ago);
    let [Entry::Payment(payment)] = &mut sale.entries[..] else { panic!("a payment") };
    payment.attribution = Attribution::default();
    let key = payment.key.clone();
    sale.events.push(stored_event("s1", "e1", "page_view", a_month_ago));
    bench.store.commit(sale).await.unwrap();
    let (store, outbox) = (Arc::clone(&bench.store), Arc::clone(&bench.outbox));
    ByHand { store, outbox }.join(&key, "s1", bench.clock.now()).await.unwrap();
    bench.outbox.settled().await;
    let figures = bench.figures().await;
    assert_eq!((figures.waiting, figures.parked), (1, 0), "one try that failed is no reason to give it up");
    assert_eq!(figures.waiting_since, Some(START), "it waits since it was joined");
    upstream.now_says(says(200));
    bench.after(1000).await;
    assert_eq!(bench.figures().await, OutboxFigures::default());
    assert!(String::from_utf8_lossy(&upstream.calls()[1].body).contains("checkout_completed"));
}

#[tokio::test]
async fn a_minute_away_delays_by_seconds_and_loses_nothing() {
    let addr = free_address();
    let bench = Bench::start(&format!("http://{addr}/api"));
    let ids: Vec<String> = (0..60).map(|second| format!("e{second}")).collect();
    for id in &ids {
        bench.tell(&[id]).await;
        bench.after(1000).await;
    }
    assert_eq!(bench.waiting_and_parked().await, (60, 0));
    let upstream = Upstream::start_at(addr, says(200)).await;
    bench.tell(&["sale"]).await;
    bench.after(5000).await;
    assert_eq!(bench.figures().await, OutboxFigures::default(), "within five seconds of its return");
    let mut got: Vec<String> = upstream.calls().iter().flat_map(Call::ids).collect();
    got.sort();
    let mut all: Vec<String> = ids.into_iter().chain(["sale".to_owned()]).collect();
    all.sort();
    assert_eq!(got, all, "each once");
}

#[tokio::test]
async fn after_a_long_absence_nothing_waits_for_its_own_next_try() {
    let addr = free_address();
    let bench = Bench::start(&format!("http://{addr}/api"));
    for id in ["e1", "e2", "e3", "e4", "e5", "e6"] {
        bench.tell(&[id]).await;
    }
    for _ in 0..72 {
        bench.after(600_000).await; // by now the tries are up to an hour apart
    }
    let _upstream = Upstream::start_at(addr, says(200)).await;
    bench.tell(&["sale"]).await;
    bench.after(5000).await;
    assert_eq!(bench.figures().await, OutboxFigures::default());
}

#[tokio::test]
async fn a_new_sale_does_not_wait_behind_a_backlog() {
    let addr = free_address();
    let bench = Bench::start(&format!("http://{addr}/api"));
    for number in 0..300 {
        bench.commit(vec![stored_event("s1", &format!("e{number}"), "page_view", START)]).await;
    }
    bench.outbox.settled().await;
    bench.tell(&["sale"]).await;
    let upstream = Upstream::start_at(addr, says(200)).await;
    bench.after(5000).await;
    let place = upstream.calls().iter().position(|call| call.has("sale")).unwrap();
    assert!(place < 4, "the sale went out as number {place} of {}", upstream.calls().len());
    assert_eq!(bench.figures().await, OutboxFigures::default());
}

#[tokio::test]
async fn after_thirty_days_a_row_is_parked_and_never_dropped() {
    let upstream = Upstream::start(says(500)).await;
    let bench = Bench::start(&upstream.url);
    bench.tell(&["e1"]).await;
    for _ in 0..29 * 4 {
        bench.after(6 * 3_600_000).await;
    }
    assert_eq!(bench.waiting_and_parked().await, (1, 0));
    for _ in 0..5 {
        bench.after(6 * 3_600_000).await;
    }
    assert_eq!(bench.waiting_and_parked().await, (0, 1));
    let before = upstream.calls().len();
    bench.after(24 * 3_600_000).await;
    assert_eq!(upstream.calls().len(), before, "it rests");
    upstream.now_says(says(200));
    bench.outbox.drive(Duration::from_secs(10)).await.unwrap();
    assert_eq!(bench.figures().await, OutboxFigures::default());
    assert!(upstream.calls().iter().all(|call| call.key == upstream.calls()[0].key));
}

#[tokio::test]
async fn a_clock_that_is_set_back_keeps_nobody_waiting_for_what_it_said_before() {
    let upstream = Upstream::start(says(401)).await;
    let bench = Bench::start(&upstream.url);
    bench.tell(&["e1"]).await; // the destination rests for five minutes, by a clock that is a day ahead
    bench.tell(&["e2"]).await; // never tried
    upstream.now_says(says(200));
    bench.after(-9000).await;
    assert_eq!(bench.waiting_and_parked().await, (2, 0), "clocks are put right by a little all the time");
    bench.after(-24 * 3_600_000).await;
    assert_eq!(bench.figures().await, OutboxFigures::default());
    bench.tell(&["e3"]).await;
    assert_eq!(bench.figures().await, OutboxFigures::default());
}

#[tokio::test]
async fn a_row_whose_claim_ends_while_it_is_sent_is_not_sent_beside_itself() {
    let (answer, answered) = tokio::sync::watch::channel(false);
    let held = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&held);
    let (url, server) = raw_upstream(move |mut stream| {
        count.fetch_add(1, Ordering::Relaxed);
        let mut answered = answered.clone();
        async move {
            let _ = answered.wait_for(|answered| *answered).await;
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        }
    })
    .await;
    let patient = Aurea::new(&settings(&url), "store-1").unwrap();
    let bench = Bench::start_with(vec![Arc::new(patient)]);
    bench.commit(vec![stored_event("s1", "e1", "page_view", START)]).await;
    until("it is under way", || async { held.load(Ordering::Relaxed) == 1 }).await;
    bench.clock.0.send_modify(|now| *now += 31 * 24 * 3_600_000); // somebody set the clock
    let claimed_again = || async {
        bench.store.next_due(Aurea::DESTINATION).await.unwrap().is_some_and(|due| due > bench.clock.now())
    };
    until("the claim is renewed", claimed_again).await;
    answer.send_replace(true);
    bench.outbox.settled().await;
    assert_eq!(bench.figures().await, OutboxFigures::default(), "its answer counts");
    assert_eq!(held.load(Ordering::Relaxed), 1);
    server.abort();
}

#[tokio::test]
async fn whoever_stops_leaves_no_claims_behind() {
    let (url, server) = raw_upstream(|stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let (store, _folder) = stores().remove(0);
    let clock = FakeClock::start();
    let patient: Arc<dyn Carrier> = Arc::new(Aurea::new(&settings(&url), "store-1").unwrap());
    let wall: Arc<dyn Clock> = Arc::<FakeClock>::clone(&clock);
    let first = Outbox::start(&store, vec![patient], &wall);
    let event = stored_event("s1", "e1", "page_view", START);
    let forward_to = vec![Aurea::listener()];
    store.commit(Commit { events: vec![event], forward_to, ..Commit::default() }).await.unwrap();
    until("it is claimed", || async {
        store.next_due(Aurea::DESTINATION).await.unwrap().is_some_and(|due| due > START)
    })
    .await;
    first.stop().await;
    assert_eq!(store.next_due(Aurea::DESTINATION).await.unwrap(), Some(START), "due at once, for anybody");
    server.abort();
}

#[tokio::test]
async fn the_same_session_stands_in_both_and_nothing_goes_further() {
    let remote = TestApp::start_with(&[TAKES_REMOTE_KEY]).await;
    let url = format!("{}/api", remote.url);
    let app = TestApp::start_with(&[("AUREA_API_URL", &url), ("AUREA_API_KEY", REMOTE_KEY)]).await;
    let at = now() - 60_000;
    let answer = app.browser_posts(&visit("s1", at)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    app.browser_posts(&visit("s1", at)).await; // a retry of the browser's
    app.key_holder_posts(&batch("by_key", &[("page_view", at)])).await;
    app.whop_delivers("msg_1", &payment("pay_1", &metadata(at + 5000))).await;
    app.whop_delivers("msg_2", &payment("pay_1", &metadata(at + 5000))).await;
    until("all was sent", || async { drive(&app).await["waiting"] == 0 }).await;
    let (here, there) = (app.session("s1").await, remote.session("s1").await);
    assert_eq!(there["converted"], true);
    assert_eq!(here["events"].as_array().unwrap().len(), 5);
    assert_eq!(seen(&there), seen(&here));
    let listed = remote.owner("ttr/sessions").await;
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1, "what came by key stays here");
}

/// What tells the application's store from every other.
fn identity(app: &TestApp) -> String {
    Examination::open(&app.folder().join("ttr.db")).unwrap().identity().unwrap()
}

#[tokio::test]
async fn a_site_that_forwards_to_itself_by_another_name_takes_nothing_and_its_owner_reads_why() {
    let app = TestApp::start().await;
    let (store, _folder) = stores().remove(0);
    let clock = FakeClock::start();
    let settings = settings(&format!("{}/api", app.url));
    for (identity, standing) in [(identity(&app), (1, 0)), ("another-store".to_owned(), (0, 0))] {
        let carrier: Arc<dyn Carrier> = Arc::new(Aurea::new(&settings, &identity).unwrap());
        let outbox =
            Outbox::start(&store, vec![carrier], &(Arc::<FakeClock>::clone(&clock) as Arc<dyn Clock>));
        let event = stored_event("s1", "e1", "page_view", START);
        let forward_to = vec![Aurea::listener()];
        store.commit(Commit { events: vec![event], forward_to, ..Commit::default() }).await.unwrap();
        outbox.settled().await;
        let figures = outbox.standings().await.unwrap().remove(0).figures;
        assert_eq!((figures.waiting, figures.parked), standing);
        let (taken, why) = (app.owner("ttr/sessions").await, figures.last_error.unwrap_or_default());
        assert_eq!(taken["sessions"].as_array().unwrap().len(), usize::from(standing.0 == 0));
        assert_eq!(why.contains("this site itself"), standing.0 == 1, "{why}");
        outbox.stop().await;
        clock.0.send_modify(|now| *now += 300_000);
    }
}

#[tokio::test]
async fn whose_events_they_are_is_told_to_the_remote_and_to_no_stranger() {
    let upstream = Upstream::start(says(200)).await;
    let app = TestApp::start_with(&[("AUREA_API_URL", &upstream.url), ("AUREA_API_KEY", REMOTE_KEY)]).await;
    app.browser_posts(&batch("s1", &[("page_view", 1000)])).await;
    until("it is sent", || async { !upstream.calls().is_empty() }).await;
    let own = identity(&app);
    assert_eq!(upstream.calls()[0].headers["x-aurea-origin"], own);
    assert_ne!(own, identity(&TestApp::start().await), "each store has its own");
    let by_stranger = app.post("/api/track/events").header("x-aurea-api-key", "guess");
    let answer = by_stranger.header("x-aurea-origin", own).json(&visit("s1", 1000)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

/// A visit as a browser tells of it.
fn visit(session_id: &str, at: i64) -> Value {
    let mut visit = batch(
        session_id,
        &[
            ("page_view", at),
            ("faq_opened", at + 2000),
            ("checkout_started", at + 5000),
            ("session_end", at + 6000),
        ],
    );
    visit["events"][0]["context"]["page"] =
        json!({"url": "https://ttr.example/?utm_source=news", "referrer": "https://www.google.com/"});
    visit["events"][0]["context"]["session"]["index"] = json!(1);
    visit["events"][1]["properties"] = json!({"question": "Is it <a> \"subscription\"? 🤔"});
    visit["events"][3]["properties"] = json!({"provisional": true});
    visit
}

/// A session's JSON but for the one thing that differs: here the ledger names the provider, there whoever told of it.
fn seen(session: &Value) -> Value {
    let mut session = session.clone();
    for conversion in session["conversions"].as_array_mut().into_iter().flatten() {
        conversion.as_object_mut().unwrap().remove("provider");
    }
    session
}

async fn drive(app: &TestApp) -> Value {
    let answer = app.post("/api/aurea/forward-conversions").bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}

#[tokio::test]
async fn the_owner_alone_forwards_by_hand() {
    let app = TestApp::start().await;
    let path = "/api/aurea/forward-conversions";
    assert_eq!(app.post(path).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(app.post(path).bearer_auth("x").send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        app.get(path).bearer_auth(TOKEN).send().await.unwrap().status(),
        StatusCode::METHOD_NOT_ALLOWED
    );
    assert_eq!(drive(&app).await, json!({"sent": 0, "waiting": 0, "parked": 0, "destinations": []}));
}

#[tokio::test]
async fn what_was_parked_goes_out_by_hand() {
    let upstream = Upstream::start(says(400)).await;
    let app = TestApp::start_with(&[("AUREA_API_URL", &upstream.url), ("AUREA_API_KEY", REMOTE_KEY)]).await;
    app.browser_posts(&batch("s1", &[("page_view", 1000)])).await;
    until("it is parked", || async { !upstream.calls().is_empty() }).await;
    upstream.now_says(says(200));
    until("it is sent", || async {
        let driven = drive(&app).await;
        driven["waiting"] == 0 && driven["parked"] == 0
    })
    .await;
    assert_eq!(upstream.calls().last().unwrap().key, upstream.calls()[0].key);
}

/// Two programs, the second killed and away for a minute while the first goes on. The minute is a real one: what is shown is
/// that they find each other again, not how the schedule counts.
#[tokio::test]
async fn two_programs_show_the_same_sessions_though_the_second_was_away_for_a_minute() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let remote_addr = free_address();
    let url = format!("http://{remote_addr}/api");
    let remote = Program::start_at(there.path(), remote_addr, &[TAKES_REMOTE_KEY]).await;
    let more = [("AUREA_API_URL", url.as_str()), ("AUREA_API_KEY", REMOTE_KEY)];
    let program = Program::start_at(here.path(), free_address(), &more).await;
    let mut journeys = 0;
    let mut journey = async || {
        a_journey(&program, &format!("s{journeys}"), now() - 60_000).await;
        journeys += 1;
        journeys
    };
    while journey().await < 5 {}
    until("some have arrived", || async { sessions(&remote).await.len() > 2 }).await;
    drop(remote); // SIGKILL
    let away_since = Instant::now();
    let mut every_two_seconds = tokio::time::interval(Duration::from_secs(2));
    while away_since.elapsed() < Duration::from_mins(1) {
        every_two_seconds.tick().await;
        journey().await;
    }
    let journeys = journey().await;
    let remote = Program::start_at(there.path(), remote_addr, &[TAKES_REMOTE_KEY]).await;
    until("all have arrived", || async { sessions(&remote).await.len() == journeys }).await;
    until("nothing waits", || async { status(&program).await["waiting"] == 0 }).await;
    assert_eq!(sessions(&remote).await, sessions(&program).await);
    for number in 0..journeys {
        let session_id = format!("s{number}");
        let (here, there) = (program.session(&session_id).await, remote.session(&session_id).await);
        assert_eq!(here["events"].as_array().unwrap().len(), 5, "{here}");
        assert_eq!(here["conversionValue"], 99);
        assert_eq!(seen(&there), seen(&here));
    }
    assert_eq!(program.stop(), Some(0));
}

/// A visit and its purchase.
async fn a_journey(program: &Program, session_id: &str, at: i64) {
    let post = |path: &str| program.client.post(format!("{}{path}", program.url));
    let answer =
        post("/api/pulse").header("sec-fetch-site", "same-origin").json(&visit(session_id, at)).send().await;
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
    let ids = json!({"aurea_anonymous_id": "a1", "aurea_session_id": session_id, "checkout_started_at": (at + 5000).to_string()});
    let body = payment(&format!("pay_{session_id}"), &ids);
    let (id, seconds) = (format!("msg_{session_id}"), now() / 1000);
    let answer = post("/api/webhooks/whop")
        .header("webhook-id", &id)
        .header("webhook-timestamp", seconds.to_string())
        .header("webhook-signature", sign(SECRET, &id, seconds, &body))
        .body(body)
        .send()
        .await;
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
}

/// The list of sessions, each with how many events it has and what it brought.
async fn sessions(program: &Program) -> BTreeMap<String, (Value, Value)> {
    let url = format!("{}/api/aurea/funnels/ttr/sessions", program.url);
    let listed: Value =
        program.client.get(url).bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap();
    assert_eq!(listed["nextCursor"], Value::Null, "they fit on one page");
    let session = |item: &Value| {
        let brought = (item["eventCount"].clone(), item["conversionValue"].clone());
        (item["sessionId"].as_str().unwrap().to_owned(), brought)
    };
    listed["sessions"].as_array().unwrap().iter().map(session).collect()
}

/// Where the outbox stands, and a try for what waits.
async fn status(program: &Program) -> Value {
    let url = format!("{}/api/aurea/forward-conversions", program.url);
    program.client.post(url).bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_sender_killed_before_it_knew_sends_again_under_the_same_key() {
    let upstream = Upstream::start(|_| {
        // Taken in, and never answered.
        Response::new(Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>()))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let more = [("AUREA_API_URL", upstream.url.as_str()), ("AUREA_API_KEY", REMOTE_KEY)];
    let program = Program::start_at(folder.path(), free_address(), &more).await;
    a_journey(&program, "s1", now() - 60_000).await;
    until("both rows were got", || async { upstream.calls().len() == 2 }).await;
    let got = upstream.calls();
    drop(program); // SIGKILL, between claim and mark
    upstream.now_says(says(200));
    let program = Program::start_at(folder.path(), free_address(), &more).await;
    until("all is sent", || async { status(&program).await["waiting"] == 0 }).await;
    let keys = |calls: &[Call]| {
        calls.iter().map(|call| (call.key.clone(), call.body.clone())).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(upstream.calls().len(), 4, "each twice");
    assert_eq!(keys(&upstream.calls()), keys(&got), "the same bytes under the same keys");
}

/// Any events of a visit, as browsers send them: the ends of tabs, lies about conversions and guessed ids included.
fn any_visit() -> impl Strategy<Value = Vec<Value>> {
    let names =
        vec!["page_view", "faq_opened", "session_end", "checkout_started", "checkout_returned", "custom"];
    let event =
        (prop::sample::select(names), 0_i64..100, prop::option::of(0_i64..10), any::<bool>(), any::<bool>());
    prop::collection::vec(event, 1..12).prop_map(|events| {
        let told =
            |(place, (name, at, index, lies, guesses)): (usize, (&str, i64, Option<i64>, bool, bool))| {
                let mut told = visit_event(name, START + at * 1000);
                let guessed = derived_id(&["whop", "pay_1", "session_end"]);
                told["eventId"] = if guesses { guessed.as_str().into() } else { format!("e{place}").into() };
                told["properties"] = if lies { json!({"converted": true, "a": 0.1}) } else { json!({}) };
                told["context"]["session"]["index"] = json!(index);
                told["context"]["page"] = json!({"url": format!("https://ttr.example/?utm_source=s{at}")});
                told
            };
        events.into_iter().enumerate().map(told).collect()
    })
}

fn visit_event(name: &str, at: i64) -> Value {
    batch("s1", &[(name, at)])["events"][0].clone()
}

/// What of a session must be the same wherever it is folded.
async fn folded(store: &Arc<dyn Store>) -> Value {
    let report = Report::new(Arc::clone(store));
    let (funnel, session_id) = (FunnelId::parse("ttr").unwrap(), SessionId::parse("s1").unwrap());
    let session = report.session(&funnel, &session_id, 0, START + 3_600_000).await.unwrap().unwrap();
    let mut session = seen(&serde_json::to_value(session).unwrap());
    for event in session["events"].as_array_mut().unwrap() {
        if event["eventName"] == "session_end" {
            event.as_object_mut().unwrap().remove("properties"); // there it says what is believed of it
        }
    }
    session
}

/// Everything that waits, as it would be sent.
async fn bodies(store: &Arc<dyn Store>) -> Vec<Vec<u8>> {
    let claim = Claim {
        claim_id: "c1".into(),
        destination: Aurea::DESTINATION,
        places: 1000,
        fresh: 0,
        now: i64::MAX,
        until: i64::MAX,
    };
    store.claim(claim).await.unwrap().into_iter().map(|row| row.body).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_forwarded_session_folds_to_the_same_one(
        events in any_visit(),
        batches in 1_usize..5,
        paid_at in prop::option::of(10_i64..150),
        later in prop::sample::subsequence(crate::ledger::later_of("ttr"), 0..8),
        turn in any::<prop::sample::Index>(),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (here, there) = runtime.block_on(async {
            let ((here, _folder), (there, _other)) = (stores().remove(0), stores().remove(0));
            let currency = Currency::parse("USD").unwrap();
            let sender = |source| Sender { funnel: FunnelId::parse("ttr").unwrap(), source, bot: None };
            let collector = Collector::new(Arc::clone(&here), currency, vec![Aurea::listener()]);
            for events in events.chunks(events.len().div_ceil(batches)) {
                let body = json!({"events": events}).to_string();
                collector.collect(sender(Source::Browser), body.as_bytes(), START + 200_000).await.unwrap();
            }
            if let Some(paid_at) = paid_at {
                for mut commit in [crate::store::paid("pay_1", START + paid_at * 1000)].into_iter().chain(later) {
                    commit.forward_to = vec![Aurea::listener()];
                    here.commit(commit).await.unwrap();
                }
            }
            // It arrives in another order, each body twice, an hour later.
            let mut bodies = bodies(&here).await;
            let by = turn.index(bodies.len());
            bodies.rotate_left(by);
            let remote = Collector::new(Arc::clone(&there), currency, vec![]);
            for body in bodies.iter().chain(&bodies) {
                remote.collect(sender(Source::Key), body, START + 3_600_000).await.unwrap();
            }
            (folded(&here).await, folded(&there).await)
        });
        prop_assert_eq!(there, here);
    }
}
