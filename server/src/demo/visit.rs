//! One session as a browser tells it: events with ids, indexes and times, sent in batches.

use app::event::{SessionId, name};
use app::server_fns::CheckoutForm;
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use uuid::Builder;

use super::moment::{Moment, Said};
use super::visitor::Landing;
use crate::domain::Millis;

/// A browser that has waited so long has sent what it had.
const SENT_AFTER: Millis = 10_000;

/// The telling of one session.
pub(super) struct Visit<'a> {
    landing: &'a Landing,
    rng: &'a mut StdRng,
    pub(super) anonymous_id: Option<String>,
    pub(super) session_id: String,
    page: String,
    referrer: String,
    pub(super) started_at: Millis,
    pub(super) at: Millis,
    index: u32,
    unsent: Vec<Value>,
    pub(super) moments: Vec<Moment>,
}

impl<'a> Visit<'a> {
    pub(super) fn begin(
        landing: &'a Landing,
        rng: &'a mut StdRng,
        anonymous_id: Option<String>,
        at: Millis,
        query: &str,
        referrer: &str,
    ) -> Self {
        let session_id = new_session_id(at, rng);
        let mut visit = Self {
            landing,
            rng,
            anonymous_id,
            session_id,
            page: format!("{}/{query}", landing.origin),
            referrer: referrer.to_owned(),
            started_at: at,
            at,
            index: 0,
            unsent: Vec::new(),
            moments: Vec::new(),
        };
        visit.emit(name::PAGE_VIEW, &json!({}));
        visit
    }

    /// True in so many of a hundred cases.
    pub(super) fn chance(&mut self, of_hundred: f64) -> bool {
        self.rng.random_bool((of_hundred / 100.0).clamp(0.0, 1.0))
    }

    /// One of so many.
    pub(super) fn one_of(&mut self, many: usize) -> usize {
        self.rng.random_range(0..many.max(1))
    }

    /// Time goes by, s.
    pub(super) fn wait(&mut self, seconds: std::ops::Range<Millis>) {
        let pause = self.rng.random_range(seconds.start * 1000..seconds.end * 1000);
        if pause >= SENT_AFTER {
            self.send();
        }
        self.at += pause;
    }

    pub(super) fn emit(&mut self, event_name: &str, properties: &Value) {
        let event = self.event(event_name, properties);
        self.unsent.push(event);
    }

    fn event(&mut self, event_name: &str, properties: &Value) -> Value {
        self.index += 1;
        let event_id = event_id(self.at, self.rng);
        json!({
            "eventId": event_id, "eventName": event_name, "properties": properties,
            "context": {
                "user": { "anonymousId": self.anonymous_id },
                "session": { "sessionId": self.session_id, "index": self.index },
                "page": { "url": self.page, "referrer": self.referrer },
            },
            "timestamp": self.at,
        })
    }

    /// What waits goes out.
    pub(super) fn send(&mut self) {
        if self.unsent.is_empty() {
            return;
        }
        let body = json!({ "sentAt": self.at, "events": std::mem::take(&mut self.unsent) });
        self.say(Said::Browser(body.to_string().into_bytes()));
    }

    /// The owner's backend tells something about this session.
    pub(super) fn told_by_key(&mut self, event_name: &str, properties: &Value) {
        let event = self.event(event_name, properties);
        self.say(Said::KeyHolder(json!({ "sentAt": self.at, "events": [event] }).to_string().into_bytes()));
    }

    /// Goes to another page of the site.
    pub(super) fn turn_to(&mut self, path: &str) {
        let before = std::mem::replace(&mut self.page, format!("{}{path}", self.landing.origin));
        self.referrer = before;
        self.emit(name::PAGE_VIEW, &json!({}));
    }

    /// The tab is closed.
    pub(super) fn close(&mut self) {
        let duration = (self.at - self.started_at) / 1000;
        self.emit(name::SESSION_END, &json!({ "provisional": true, "duration": duration }));
        self.send();
    }

    /// Presses the buy button; gives the time of the press.
    pub(super) fn buy(&mut self) -> Millis {
        self.send();
        let form = CheckoutForm {
            anonymous_id: self.anonymous_id.clone().unwrap_or_default(),
            session_id: self.session_id.clone(),
            click_id: new_id(self.at, self.rng),
            started_at: self.at.to_string(),
            location: "/".into(),
            page_url: self.page.clone(),
            referrer: self.referrer.clone(),
        };
        let private = self.anonymous_id.is_none();
        self.say(Said::Buyer { form, private });
        self.at
    }

    /// Whop delivers a payment; gives its id.
    pub(super) fn delivered(&mut self, event_type: &str, billing_reason: &str, metadata: &Value) -> String {
        let (id, body) = delivery(self.landing, self.rng, self.at, event_type, billing_reason, metadata);
        let payment: Value = serde_json::from_str(&body).unwrap_or_default();
        self.say(Said::Whop { id, body });
        payment["data"]["id"].as_str().unwrap_or_default().to_owned()
    }

    /// Whop delivers what happened to all of a payment's money.
    pub(super) fn disputed(&mut self, payment: &str) {
        let total = self.landing.total.clone();
        self.delivered_later("dispute.updated", "needs_response", &total, payment);
    }

    /// Whop delivers what happened to a payment's money.
    pub(super) fn delivered_later(&mut self, event_type: &str, status: &str, amount: &Value, payment: &str) {
        let (id, later) = (format!("msg_{}", letters(14, self.rng)), letters(14, self.rng));
        let time = jiff::Timestamp::from_millisecond(self.at).unwrap_or_default().to_string();
        let body = json!({
            "id": id, "api_version": "v1", "timestamp": time, "type": event_type, "company_id": "biz_demo",
            "data": {
                "id": later, "status": status, "amount": amount, "currency": self.landing.currency,
                "created_at": time, "payment": { "id": payment },
            },
        });
        self.say(Said::Whop { id, body: body.to_string() });
    }

    fn say(&mut self, said: Said) {
        self.moments.push(Moment { at: self.at, said });
    }
}

/// A delivery's id and body, as Whop's v1 writes it.
pub(super) fn delivery(
    landing: &Landing,
    rng: &mut StdRng,
    at: Millis,
    event_type: &str,
    billing_reason: &str,
    metadata: &Value,
) -> (String, String) {
    let (id, payment) = (format!("msg_{}", letters(14, rng)), format!("pay_{}", letters(14, rng)));
    let paid = event_type == "payment.succeeded";
    let time = jiff::Timestamp::from_millisecond(at).unwrap_or_default().to_string();
    let body = json!({
        "id": id, "api_version": "v1", "timestamp": time, "type": event_type, "company_id": "biz_demo",
        "data": {
            "id": payment, "status": if paid { "paid" } else { "open" },
            "substatus": if paid { "succeeded" } else { "failed" },
            "total": landing.total, "subtotal": landing.total, "currency": landing.currency,
            "billing_reason": billing_reason, "created_at": time, "paid_at": paid.then_some(&time),
            "plan": { "id": "plan_demo" }, "user": { "id": format!("user_{}", letters(14, rng)), "email": null },
            "metadata": metadata,
        },
    });
    (id, body.to_string())
}

/// What the part by chance of every made-up session's id begins with; of browsers' ids one in 1.7 million does.
const MARK: &str = "demo";

/// As browsers make them, and still known as made up.
fn new_session_id(at: Millis, rng: &mut StdRng) -> String {
    format!("{at}_{MARK}{}", &letters(16, rng)[MARK.len()..])
}

/// Whether the session was made up here.
pub(super) fn is_made_up(session_id: &SessionId) -> bool {
    session_id.as_str().split_once('_').is_some_and(|(_, by_chance)| by_chance.starts_with(MARK))
}

/// `{ms}_{16 base36}`, as browsers make them.
pub(super) fn new_id(at: Millis, rng: &mut StdRng) -> String {
    format!("{at}_{}", letters(16, rng))
}

fn letters(count: usize, rng: &mut StdRng) -> String {
    const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    (0..count).map(|_| char::from(BASE36[rng.random_range(0..BASE36.len())])).collect()
}

/// A `UUIDv7` of that time.
fn event_id(at: Millis, rng: &mut StdRng) -> String {
    let millis = u64::try_from(at).unwrap_or_default();
    Builder::from_unix_timestamp_millis(millis, &rng.random()).into_uuid().to_string()
}
