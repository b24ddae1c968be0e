//! Carries the queue to the collector: by fetch while the page lives, by beacon when it is hidden or left.

use js_sys::{Array, JSON, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::Response;

use super::tracker::with;
use super::{page, unsent};
use crate::event::PULSE_PATH;
use crate::tracking::queue::{self, Answer};

/// A refused beacon smaller than this (bytes) is not halved: the browser's allowance is spent.
const HALVE_FROM_BYTES: usize = 16 * 1024;

thread_local! {
    /// When the timer that is set will go off, ms; 0 if none is.
    static TIMER: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Sends what is due, or sets the timer for it. Call it after every change of the queue, and when the network is back.
pub(super) fn pump() {
    if page::offline() {
        return;
    }
    let now = page::now();
    let Some((Some(due), body)) = with(|tracker| (tracker.queue.due(), tracker.queue.take(now))) else {
        return;
    };
    if let Some(body) = body {
        spawn_local(async move {
            let answer = post(&body).await.unwrap_or(Answer::Silence);
            let jitter = u16::from_le_bytes(page::random()) % 1000;
            let settled = with(|tracker| tracker.queue.settle(answer, page::now(), jitter));
            unsent::settled(&settled.unwrap_or_default());
            pump();
        });
        return;
    }
    TIMER.with(|timer| {
        if timer.get() == 0 || due < timer.get() {
            timer.set(due);
            page::after(due.saturating_sub(now), || {
                TIMER.with(|timer| timer.set(0));
                pump();
            });
        }
    });
}

/// Sends everything that waits by beacon. What the browser refuses goes back into the queue; the store keeps it all.
pub(super) fn leave() {
    with(|tracker| tracker.keep_unsettled());
    if page::offline() {
        return;
    }
    let batches = with(|tracker| tracker.queue.leave()).unwrap_or_default();
    let mut refused = Vec::new();
    for batch in batches {
        beacon(batch, &mut refused);
    }
    if !refused.is_empty() {
        with(|tracker| tracker.queue.put_back(refused));
        pump();
    }
}

fn beacon(mut batch: Vec<String>, refused: &mut Vec<String>) {
    let body = queue::body(page::now(), &batch);
    let sent = page::window()
        .is_some_and(|w| w.navigator().send_beacon_with_opt_str(PULSE_PATH, Some(&body)).unwrap_or(false));
    if sent {
        with(|tracker| tracker.queue.beaconed(batch));
        return;
    }
    if batch.len() > 1 && body.len() >= HALVE_FROM_BYTES {
        let second = batch.split_off(batch.len() / 2);
        beacon(batch, refused);
        beacon(second, refused);
    } else {
        refused.append(&mut batch);
    }
}

async fn post(body: &str) -> Result<Answer, JsValue> {
    let headers = Object::new();
    Reflect::set(&headers, &"content-type".into(), &"application/json".into())?;
    let init = Object::new();
    Reflect::set(&init, &"method".into(), &"POST".into())?;
    Reflect::set(&init, &"keepalive".into(), &true.into())?;
    Reflect::set(&init, &"headers".into(), &headers)?;
    Reflect::set(&init, &"body".into(), &body.into())?;
    let window = page::window().ok_or(JsValue::NULL)?;
    let response = window.fetch_with_str_and_init(PULSE_PATH, init.unchecked_ref());
    let response: Response = JsFuture::from(response).await?.unchecked_into();
    if !response.ok() {
        let retry_after = response.headers().get("retry-after")?.unwrap_or_default();
        return Ok(Answer::of(response.status(), &retry_after));
    }
    let text: Promise = response.text()?;
    let again = match JsFuture::from(text).await?.as_string() {
        Some(text) => JSON::parse(&text).map(|answer| wanted_again(&answer)).unwrap_or_default(),
        None => Vec::new(),
    };
    Ok(Answer::Taken { again })
}

/// Places of the events that the answer marks `retry`.
fn wanted_again(answer: &JsValue) -> Vec<usize> {
    let results = Reflect::get(answer, &"results".into()).unwrap_or_default();
    Array::from(&results)
        .iter()
        .enumerate()
        .filter(|(_, result)| {
            Reflect::get(result, &"result".into()).ok().and_then(|r| r.as_string()).as_deref()
                == Some("retry")
        })
        .map(|(place, _)| place)
        .collect()
}
