//! The store of unanswered events, in localStorage. Never called for a private visitor, but to empty it.

use js_sys::{JSON, Reflect};

use super::page::{self, Area};
use crate::event::storage::UNSENT;
use crate::tracking::unsent;

/// Keeps these events until the server has answered for them.
pub(super) fn keep(events: &[String]) {
    if !events.is_empty() {
        page::write(Area::Visitor, UNSENT, &unsent::keep(&stored(), events));
    }
}

/// The server has answered for these events.
pub(super) fn settled(events: &[String]) {
    let before = stored();
    if before.is_empty() {
        return;
    }
    let left = unsent::without(&before, events);
    if left.is_empty() {
        page::remove(Area::Visitor, UNSENT);
    } else {
        page::write(Area::Visitor, UNSENT, &left);
    }
}

/// What is worth sending, oldest first; the rest is dropped from the store.
pub(super) fn worth_sending(now: u64) -> Vec<String> {
    let stored = stored();
    let (good, bad): (Vec<String>, Vec<String>) = unsent::events(&stored)
        .map(str::to_owned)
        .partition(|event| timestamp(event).is_some_and(|at| unsent::is_worth_sending(at, now)));
    if !bad.is_empty() {
        settled(&bad);
    }
    good
}

fn stored() -> String {
    page::read(Area::Visitor, UNSENT).unwrap_or_default()
}

/// The event's time, ms; `None` for what is no event, since one such line would spoil a whole request.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates
fn timestamp(event: &str) -> Option<u64> {
    let at = Reflect::get(&JSON::parse(event).ok()?, &"timestamp".into()).ok()?;
    at.as_f64().map(|at| at as u64)
}
