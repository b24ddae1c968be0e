//! The program is ended at each point at which its end could lose something or count it twice (docs/faults.md, A1 to A7).
//! Everybody else does what they do in life: whoever was not answered sends again, the remote Aurea knows what it has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::response::Response;
use reqwest::StatusCode;
use serde_json::Value;
use server::clock::now;
use tempfile::TempDir;

use crate::durability::{Program, free_address};
use crate::support::{SECRET, TOKEN, batch, metadata, payment, sign};
use crate::upstream::{Call, Upstream, knows_its_events, until};

/// What is on its way when the program ends. Either makes two events of session `s1`.
#[derive(Clone, Copy, Debug)]
enum Sent {
    /// By a browser.
    Events,
    /// By Whop.
    Delivery,
}

/// A store, and the remote that its events are told to.
struct Scene {
    folder: TempDir,
    remote: Upstream,
}

impl Scene {
    async fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), remote: Upstream::start(knows_its_events()).await }
    }

    /// The program, which ends (or lies) at these points.
    async fn start(&self, failpoints: &str) -> Program {
        let remote = self.remote.url.as_str();
        let more =
            [("AUREA_API_URL", remote), ("AUREA_API_KEY", "key-of-the-remote"), ("FAILPOINTS", failpoints)];
        Program::start_at(self.folder.path(), free_address(), &more).await
    }

    /// Sends it to a program that ends at `point`; gives what the sender heard.
    async fn ends_at(&self, point: &str, sent: Sent) -> Option<StatusCode> {
        let program = self.start(&format!("{point}=return")).await;
        let heard = sent.send(&program).await;
        let code = tokio::task::spawn_blocking(|| program.ended()).await.unwrap(); // the remote goes on meanwhile
        assert_eq!(code, None, "{point}: it ends by a signal");
        heard
    }

    /// Starts anew and sends again unless it was answered: all is there once, here and at the remote, under one key.
    async fn goes_on(&self, sent: Sent, heard: Option<StatusCode>) {
        let program = self.start("").await;
        if heard != Some(StatusCode::OK) {
            assert_eq!(sent.send(&program).await, Some(StatusCode::OK), "{sent:?}: the retry");
        }
        assert_eq!(sent.stored(&program).await, 1, "{sent:?} is there once");
        until("all is told", || async { waiting(&program).await == 0 }).await;
        let calls = self.remote.calls();
        let (mut keys, mut bodies) = (BTreeMap::<_, BTreeSet<_>>::new(), BTreeMap::<_, BTreeSet<_>>::new());
        for call in &calls {
            bodies.entry(&call.key).or_default().insert(&call.body);
            for id in call.ids() {
                keys.entry(id).or_default().insert(&call.key);
            }
        }
        assert_eq!(keys.len(), 2, "{sent:?}: two events arrived");
        assert!(keys.values().all(|keys| keys.len() == 1), "{sent:?}: an event has one key: {keys:?}");
        assert!(bodies.values().all(|bodies| bodies.len() == 1), "{sent:?}: a key has one body: {bodies:?}");
    }
}

impl Sent {
    /// What is answered, if anything is.
    async fn send(self, program: &Program) -> Option<StatusCode> {
        let post = |path: &str| program.client.post(format!("{}{path}", program.url));
        let request = match self {
            Self::Events => post("/api/pulse")
                .header("sec-fetch-site", "same-origin")
                .json(&batch("s1", &[("page_view", 1000), ("faq_opened", 2000)])),
            Self::Delivery => {
                let (body, seconds) = (payment("pay_1", &metadata(1000)), now() / 1000);
                post("/api/webhooks/whop")
                    .header("webhook-id", "msg_1")
                    .header("webhook-timestamp", seconds.to_string())
                    .header("webhook-signature", sign(SECRET, "msg_1", seconds, &body))
                    .body(body)
            }
        };
        request.send().await.ok().map(|answer| answer.status())
    }

    /// How often it is stored: the session's two events, or the delivery with the payment, conversion and events it makes.
    async fn stored(self, program: &Program) -> usize {
        let session = program.session("s1").await;
        let count = |list: &Value| list.as_array().map_or(0, Vec::len);
        let events = count(&session["events"]);
        let times = match self {
            Self::Events => vec![events / 2],
            Self::Delivery => {
                let payments = owner(program, "payments").await;
                let deliveries = count(&payments["payments"][0]["deliveries"]);
                vec![events / 2, count(&session["conversions"]), count(&payments["payments"]), deliveries]
            }
        };
        assert_eq!(events % 2, 0, "both events or none: {session}");
        assert!(times.iter().all(|other| *other == times[0]), "whole or not at all: {times:?}");
        times[0]
    }
}

/// Something of the owner's.
async fn owner(program: &Program, path: &str) -> Value {
    let url = format!("{}/api/aurea/funnels/ttr/{path}", program.url);
    program.client.get(url).bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap()
}

/// Rows of the outbox, after a try to send them.
async fn waiting(program: &Program) -> u64 {
    let url = format!("{}/api/aurea/forward-conversions", program.url);
    let driven: Value =
        program.client.post(url).bearer_auth(TOKEN).send().await.unwrap().json().await.unwrap();
    driven["waiting"].as_u64().unwrap()
}

/// Both of them, at these points: whether they were kept when the program ended there.
async fn ended_and_sent_again(points: &[(Sent, &str)], kept: usize) {
    for &(sent, point) in points {
        let scene = Scene::new().await;
        assert_eq!(scene.ends_at(point, sent).await, None, "{point}: nobody hears a thing");
        assert_eq!(sent.stored(&scene.start("").await).await, kept, "{point}");
        scene.goes_on(sent, None).await;
    }
}

#[tokio::test]
async fn a_delivery_that_was_only_verified_is_stored_by_its_retry() {
    ended_and_sent_again(&[(Sent::Delivery, "delivery.verified")], 0).await;
}

#[tokio::test]
async fn what_was_written_and_not_committed_is_not_there_and_is_stored_by_its_retry() {
    let points = [(Sent::Delivery, "delivery.before_commit"), (Sent::Events, "events.before_commit")];
    ended_and_sent_again(&points, 0).await;
}

#[tokio::test]
async fn what_was_committed_and_not_answered_is_there_once_when_it_comes_again() {
    let points = [(Sent::Delivery, "delivery.after_commit"), (Sent::Events, "events.after_commit")];
    ended_and_sent_again(&points, 1).await;
}

#[tokio::test]
async fn what_was_answered_before_the_outbox_heard_of_it_is_told_after_the_next_start() {
    for sent in [Sent::Delivery, Sent::Events] {
        let scene = Scene::new().await;
        let program = scene.start("outbox.unheard=return").await;
        let heard = sent.send(&program).await;
        assert_eq!(heard, Some(StatusCode::OK));
        drop(program); // SIGKILL
        assert_eq!(scene.remote.calls(), [], "{sent:?}: not told yet");
        scene.goes_on(sent, heard).await;
        assert_eq!(scene.remote.calls().len(), 1);
    }
}

#[tokio::test]
async fn a_row_that_was_claimed_and_not_sent_is_sent_after_the_next_start() {
    for sent in [Sent::Delivery, Sent::Events] {
        let scene = Scene::new().await;
        let heard = scene.ends_at("outbox.claimed", sent).await; // the answer may just have gone out
        assert_eq!(scene.remote.calls(), [], "{sent:?}: not sent yet");
        scene.goes_on(sent, heard).await;
        assert_eq!(scene.remote.calls().len(), 1);
    }
}

#[tokio::test]
async fn what_the_remote_had_in_its_hands_is_sent_again_under_its_key() {
    for sent in [Sent::Delivery, Sent::Events] {
        let scene = Scene::new().await;
        let knows = Arc::new(knows_its_events());
        let takes = Arc::clone(&knows);
        scene.remote.now_says(move |call: &Call| {
            takes(call);
            Response::new(Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>()))
        });
        let program = scene.start("").await;
        let heard = sent.send(&program).await;
        until("the remote has it", || async { scene.remote.calls().len() == 1 }).await;
        drop(program); // SIGKILL
        scene.remote.now_says(move |call: &Call| knows(call));
        scene.goes_on(sent, heard).await;
        assert_eq!(scene.remote.calls().len(), 2, "{sent:?}");
    }
}

#[tokio::test]
async fn what_the_remote_took_and_nobody_recorded_is_sent_again_under_its_key() {
    for sent in [Sent::Delivery, Sent::Events] {
        let scene = Scene::new().await;
        let heard = scene.ends_at("outbox.before_mark", sent).await; // the answer has most likely gone out
        assert_eq!(scene.remote.calls().len(), 1, "{sent:?}: the remote has it");
        scene.goes_on(sent, heard).await;
        assert_eq!(scene.remote.calls().len(), 2, "{sent:?}");
    }
}
