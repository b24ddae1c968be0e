//! The tracker in the page: takes over from the boot script, listens, and sends.
//!
//! Promises: each event is told by the boot script or by this, never by both; nothing here delays a navigation, throws
//! or panics; without storage it works from memory. The only part of the tracker that touches the browser.

mod delivery;
mod islands;
mod page;
mod sdk;
mod sections;
mod tracker;
mod unsent;

use js_sys::{Array, Function, Reflect};
use wasm_bindgen::prelude::*;
use web_sys::{Element, PageTransitionEvent};

use crate::tracking::session::{Checkout, Clock, Session};
use tracker::{Tracker, install, new_id, with};

/// Takes over from the boot script. Without one (it is inlined by the server) there is nothing to track.
pub fn start() {
    let boot = page::window().and_then(|window| Reflect::get(&window, &"__ttr".into()).ok());
    let Some(boot) = boot.and_then(|boot| boot.dyn_into::<Function>().ok()) else {
        return;
    };
    let Ok(state) = boot.call1(&JsValue::UNDEFINED, &sdk::emit_function()) else {
        return;
    };
    let state = Array::from(&state);
    let ready = state.get(7);
    let calls = Reflect::get(&boot, &"calls".into()).map(|calls| Array::from(&calls)).unwrap_or_default();

    let tracker = take_state(&state);
    let (private, ignored) = (tracker.private, tracker.ignored);
    install(tracker);
    with(Tracker::take_unsent);
    if ignored {
        page::log("[TTR] aurea_ignore is set: no event leaves this browser");
    }
    sdk::follow_consent(private);
    sdk::follow_other_tabs();
    if page::flag("data-return") {
        with(Tracker::come_back);
    }
    listen_to_the_page();
    sections::follow();
    sdk::take_over(&calls, &ready);
    delivery::pump();
}

/// Reads what the boot script hands over: `[ignored, anonymousId, sessionId, clock, checkout, clickId, queue, ready]`, clock
/// and checkout in pieces of their stored form, the queue as JSON texts. A visitor without an anonymousId is private.
fn take_state(state: &Array) -> Tracker {
    let text = |place: u32| state.get(place).as_string().filter(|text| !text.is_empty());
    let joined = |place: u32| String::from(Array::from(&state.get(place)).join(","));
    let now = page::now();
    let session = match (text(2), Clock::parse(&joined(3))) {
        (Some(id), Some(clock)) => Session { id, clock },
        _ => Session::new(new_id(now), now),
    };
    let anonymous_id = text(1);
    let mut tracker = Tracker::new(anonymous_id.is_none(), state.get(0).is_truthy(), anonymous_id, session);
    tracker.checkout = Checkout::parse(&joined(4));
    tracker.click = text(5).and_then(|id| {
        let at = id.split('_').next()?.parse().ok()?;
        Some((id, at))
    });
    for event in Array::from(&state.get(6)).iter().filter_map(|event| event.as_string()) {
        if tracker.allows_one_more(now) {
            tracker.queue.push(event, now);
        }
    }
    tracker
}

fn listen_to_the_page() {
    for kind in ["pointerdown", "keydown"] {
        page::listen_everywhere(kind, |_| {
            with(|tracker| tracker.touch(page::now()));
        });
    }
    page::listen_everywhere("online", |_| {
        with(|tracker| {
            tracker.queue.hurry();
            tracker.take_unsent(); // also what was given up
        });
        delivery::pump();
    });
    page::listen_everywhere("visibilitychange", |_| {
        if page::hidden() {
            delivery::leave();
        } else {
            with(|tracker| tracker.queue.ask_again());
            delivery::pump();
        }
    });
    page::listen_everywhere("pagehide", |_| {
        with(Tracker::close);
        delivery::leave();
    });
    page::listen_everywhere("pageshow", |event| {
        if event.unchecked_ref::<PageTransitionEvent>().persisted() {
            with(Tracker::reopen);
            delivery::pump();
        }
    });
}

/// Follows a video.
pub fn video(root: &Element) {
    islands::video(root);
}

/// Follows the questions.
pub fn faq(root: &Element) {
    islands::faq(root);
}

/// Follows the buy buttons' forms.
pub fn buy_button(root: &Element) {
    islands::buy_button(root);
}

/// Follows how far the visitor scrolls.
pub fn scroll_depth(root: &Element) {
    islands::scroll_depth(root);
}
