//! `window.aureaSDK` once the WASM is in charge, and the visitor's consent. The boot script made the object; its
//! functions are replaced one by one, so that a page may keep the object from the start.

use js_sys::{Array, Function, JSON, Object, Reflect};
use wasm_bindgen::prelude::*;
use web_sys::Element;

use super::page::{self, Area};
use super::tracker::{Tracker, forget_stored, new_id, wishes, with};
use super::{delivery, page::listen};
use crate::event::{CONSENT_DENIED, CONSENT_GRANTED, name, storage};
use crate::tracking::json;

/// Every function of the SDK takes at most two values and gives one.
type Act = fn(JsValue, JsValue) -> JsValue;

fn function(act: Act) -> JsValue {
    Closure::<dyn FnMut(JsValue, JsValue) -> JsValue>::new(act).into_js_value()
}

/// What the boot script calls instead of its own `emit`.
pub(super) fn emit_function() -> JsValue {
    function(track_event)
}

/// Replaces the functions of `window.aureaSDK`, does the calls that came too early, and says that all is ready.
pub(super) fn take_over(calls: &Array, ready: &JsValue) {
    let Some(sdk) = page::window().and_then(|window| Reflect::get(&window, &"aureaSDK".into()).ok()) else {
        return;
    };
    let functions: [(&str, Act); 7] = [
        ("trackEvent", track_event),
        ("checkoutStarted", checkout_started),
        ("getAnonymousId", |_, _| {
            with(|t| t.anonymous_id.clone()).flatten().map_or(JsValue::UNDEFINED, JsValue::from)
        }),
        ("getSessionId", |_, _| with(|t| t.session.id.clone()).map_or(JsValue::UNDEFINED, JsValue::from)),
        ("endSession", end_session),
        ("consent", consent),
        ("optOut", opt_out),
    ];
    for (name, act) in functions {
        let _ = Reflect::set(&sdk, &name.into(), &function(act));
    }
    for call in calls.iter() {
        let call = Array::from(&call);
        if let Ok(act) = Reflect::get(&sdk, &call.get(0)) {
            let _ = act.unchecked_into::<Function>().call1(&sdk, &call.get(1));
        }
    }
    let _ = ready.unchecked_ref::<Function>().call1(&JsValue::UNDEFINED, &sdk);
}

/// The object as JSON; `{}` for everything that is none.
fn properties(value: &JsValue) -> String {
    let text =
        if value.is_object() { JSON::stringify(value).ok().and_then(|text| text.as_string()) } else { None };
    text.filter(|text| text.starts_with('{')).unwrap_or_else(|| "{}".into())
}

fn track_event(event_name: JsValue, values: JsValue) -> JsValue {
    if let Some(event_name) = event_name.as_string().filter(|name| !name.is_empty()) {
        with(|tracker| {
            if !tracker.allows_one_more(page::now()) {
                return;
            }
            let properties = properties(&values);
            if event_name == name::WEB_VITALS {
                tracker.emit_passively(&event_name, &properties); // the visitor has just turned away
            } else {
                tracker.emit(&event_name, &properties);
            }
        });
        delivery::pump();
    }
    JsValue::UNDEFINED
}

fn checkout_started(values: JsValue, _: JsValue) -> JsValue {
    with(|tracker| {
        tracker.emit(name::CHECKOUT_STARTED, &properties(&values));
        tracker.suspend(page::now());
    });
    delivery::leave(); // the page usually goes to the checkout at once
    JsValue::UNDEFINED
}

/// Ends the session and begins another with the next event; a session that is at the checkout stays alive.
fn end_session(_: JsValue, _: JsValue) -> JsValue {
    with(|tracker| {
        if !tracker.session.clock.bought {
            let seconds = tracker.session.seconds(page::now());
            tracker
                .emit_passively(name::SESSION_END, &json::Object::new().number("duration", seconds).finish());
            tracker.renew();
        }
    });
    delivery::pump();
    JsValue::UNDEFINED
}

fn consent(granted: JsValue, _: JsValue) -> JsValue {
    let granted = granted.is_truthy();
    with(|tracker| match granted {
        // A browser that says no for the visitor is obeyed.
        true if tracker.private && !wishes().refused_by_browser() => name_visitor(tracker),
        false if !tracker.private => tracker.forget(),
        _ => {}
    });
    // Last, so that other tabs find the name when they hear of it.
    page::write(Area::Visitor, storage::CONSENT, if granted { CONSENT_GRANTED } else { CONSENT_DENIED });
    show_bar(false);
    delivery::pump();
    JsValue::UNDEFINED
}

/// From now on the visitor has a name: the page they are on is told again, with it.
fn name_visitor(tracker: &mut Tracker) {
    tracker.private = false;
    tracker.anonymous_id =
        page::read(Area::Visitor, storage::ANONYMOUS_ID).or_else(|| Some(new_id(page::now())));
    tracker.view_page();
}

/// No event leaves this browser from now on, and nothing in it names the visitor.
fn opt_out(_: JsValue, _: JsValue) -> JsValue {
    with(Tracker::ignore);
    page::write(Area::Visitor, storage::IGNORE, "1");
    show_bar(false);
    JsValue::UNDEFINED
}

/// What the visitor answers in one tab holds in all.
pub(super) fn follow_other_tabs() {
    page::listen_everywhere("storage", |_| {
        let wishes = wishes();
        with(|tracker| match (tracker.ignored, tracker.private, wishes.private()) {
            (false, ..) if wishes.ignored => tracker.ignore(),
            (false, false, true) => tracker.forget(),
            (false, true, false) if wishes.consent == CONSENT_GRANTED => name_visitor(tracker),
            _ => {}
        });
        show_bar(wishes.undecided());
        delivery::pump();
    });
}

/// Shows the consent bar while the visitor is undecided, and lets its buttons answer.
pub(super) fn follow_consent(private: bool) {
    if private {
        forget_stored();
    }
    let Some(bar) = bar() else { return };
    listen(&bar, "click", |event| {
        let pressed = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        if let Some(button) =
            pressed.and_then(|element| element.closest("button[data-consent]").ok()).flatten()
        {
            let granted = button.get_attribute("data-consent").as_deref() == Some(CONSENT_GRANTED);
            consent(granted.into(), JsValue::UNDEFINED);
        }
    });
    show_bar(wishes().undecided());
}

fn bar() -> Option<Element> {
    page::document()?.query_selector("[data-consent-bar]").ok()?
}

fn show_bar(show: bool) {
    if let Some(bar) = bar() {
        let _ = Object::try_from(&bar).map(|bar| Reflect::set(bar, &"hidden".into(), &(!show).into()));
    }
}
