//! Visitors, key holders and Whop: they send, and send again what was not answered, as they do in life.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use futures::future::join_all;
use rand::Rng;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use server::clock::now;
use tokio::sync::Semaphore;

use crate::audit::{Answered, Findings};
use crate::content::Content;
use crate::dice::dice;
use crate::program::{KEY, SECRET};
use crate::traffic::{Offer, Traffic, What};

/// Nobody waits longer for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// No more tries at once than a process may surely have files for; others wait their turn.
const AT_ONCE: usize = 512;

/// A page sends its events so often; then it is gone.
const TRIES_OF_A_PAGE: u32 = 6;

/// The shortest and the longest wait before the next try, ms.
const WAITS: (u64, u64) = (200, 5000);

/// Everybody who sends.
pub(crate) struct Senders {
    http: Client,
    url: String,
    traffic: Traffic,
    signer: standardwebhooks::Webhook,
    places: Semaphore,
    so_far: Mutex<SoFar>,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct SoFar {
    pub(crate) answered: HashSet<Answered>,
    pub(crate) findings: Findings,
    /// Tries included.
    pub(crate) requests: u64,
    pub(crate) events: u64,
    pub(crate) deliveries: u64,
}

/// What is heard of a try.
enum Heard {
    Answer(StatusCode, Value),
    /// No answer, or one that asks to come again.
    Nothing,
}

impl Senders {
    pub(crate) fn new(traffic: Traffic, url: String) -> Self {
        Self {
            http: Client::builder().timeout(PATIENCE).build().unwrap(),
            url,
            traffic,
            signer: standardwebhooks::Webhook::from_bytes(SECRET.as_bytes().to_vec()).unwrap(),
            places: Semaphore::new(AT_ONCE),
            so_far: Mutex::default(),
        }
    }

    pub(crate) fn so_far(&self) -> MutexGuard<'_, SoFar> {
        self.so_far.lock().unwrap()
    }

    /// Sends the request with this number, until it is answered or its sender gives up.
    pub(crate) async fn send(&self, number: u64) {
        let offer = self.traffic.offer(number);
        join_all((0..offer.copies).map(|_| self.send_one(&offer))).await;
    }

    async fn send_one(&self, offer: &Offer) {
        match &offer.what {
            What::Browser(events) => {
                let post = || self.post("/api/pulse").header("sec-fetch-site", "same-origin");
                self.events(offer, events, post, TRIES_OF_A_PAGE).await;
            }
            What::Key(events) => {
                let post = || self.post("/api/track/events").header("x-aurea-api-key", KEY);
                self.events(offer, events, || post().header("x-aurea-funnel-id", "ttr"), u32::MAX).await;
            }
            What::Delivery { ids, body } => {
                for (part, id) in (0..).zip(ids) {
                    self.delivery(offer.number, part, id, body).await;
                }
            }
            What::Forgery { id, body } => {
                let forged = |_| "v1,bm90IGEgc2lnbmF0dXJlIG9mIGFueWJvZHkgYXQgYWxsISE=".to_owned();
                if let Heard::Answer(status, _) = self.attempt(self.signed(id, body, forged)).await
                    && status != StatusCode::UNAUTHORIZED
                {
                    self.so_far().findings.unexpected.add(format!("a forged delivery was answered {status}"));
                }
            }
        }
    }

    async fn events(&self, offer: &Offer, events: &[Content], post: impl Fn() -> RequestBuilder, tries: u32) {
        let ids: Vec<String> =
            (0..events.len() as u64).map(|place| self.traffic.id("e", offer.number, place)).collect();
        let told: Vec<Value> = events.iter().zip(&ids).map(|(event, id)| event.json(id)).collect();
        let body = json!({ "events": told }).to_string();
        let request = || post().header("content-type", "application/json").body(body.clone());
        if offer.hangs_up {
            let soon = Duration::from_millis(
                dice(self.traffic.seed, ("hangs up", offer.number)).random_range(0..10),
            );
            let _ = tokio::time::timeout(soon, self.attempt(request())).await; // whatever becomes of it
            return;
        }
        for nth in 0..tries {
            match self.attempt(request()).await {
                Heard::Answer(StatusCode::OK, answer) if takes_all(&answer, &ids) => {
                    let mut so_far = self.so_far();
                    if so_far.answered.insert(Answered::Events(offer.number)) {
                        so_far.events += ids.len() as u64;
                    }
                    return;
                }
                Heard::Answer(status, answer) => {
                    let why = format!("request {} was answered {status} {answer}", offer.number);
                    return self.so_far().findings.unexpected.add(why);
                }
                Heard::Nothing => self.wait(offer.number, nth).await,
            }
        }
    }

    /// Whop never gives up, within the time of a run.
    async fn delivery(&self, number: u64, part: u64, id: &str, body: &str) {
        for nth in 0.. {
            let sign = |seconds| self.signer.sign(id, seconds, body.as_bytes()).unwrap();
            match self.attempt(self.signed(id, body, sign)).await {
                Heard::Answer(StatusCode::OK, _) => {
                    let mut so_far = self.so_far();
                    if so_far.answered.insert(Answered::Delivery(number, part)) {
                        so_far.deliveries += 1;
                    }
                    return;
                }
                Heard::Answer(status, answer) => {
                    let why = format!("delivery {id} was answered {status} {answer}");
                    return self.so_far().findings.unexpected.add(why);
                }
                Heard::Nothing => self.wait(number, nth).await,
            }
        }
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.url))
    }

    fn signed(&self, id: &str, body: &str, sign: impl Fn(i64) -> String) -> RequestBuilder {
        let seconds = now() / 1000;
        self.post("/api/webhooks/whop")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", sign(seconds))
            .body(body.to_owned())
    }

    /// One try. The only 5xx that may be is a 503 that says when to come again.
    async fn attempt(&self, request: RequestBuilder) -> Heard {
        let _place = self.places.acquire().await;
        self.so_far().requests += 1;
        let Ok(answer) = request.send().await else { return Heard::Nothing };
        let (status, comes_again) = (answer.status(), answer.headers().contains_key("retry-after"));
        let Ok(body) = answer.bytes().await else { return Heard::Nothing };
        if status == StatusCode::SERVICE_UNAVAILABLE && comes_again {
            return Heard::Nothing;
        }
        let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
        Heard::Answer(status, serde_json::from_slice(&body).unwrap_or_else(|_| text()))
    }

    async fn wait(&self, number: u64, nth: u32) {
        let longest = WAITS.0.saturating_mul(1 << nth.min(10)).min(WAITS.1);
        let wait = dice(self.traffic.seed, ("wait", number, nth)).random_range(longest / 2..longest);
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
}

/// Whether an answer says of each event, in order, that it is on disk.
fn takes_all(answer: &Value, ids: &[String]) -> bool {
    let on_disk = |(result, id): (&Value, &String)| {
        result["eventId"] == id.as_str() && (result["result"] == "ok" || result["result"] == "duplicate")
    };
    let results = answer["results"].as_array();
    results.is_some_and(|results| results.len() == ids.len() && results.iter().zip(ids).all(on_disk))
}
