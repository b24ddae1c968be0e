//! The browser as the tracker sees it: clock, chance, storage, the page's flags and its listeners. Nothing here throws:
//! storage that is blocked or full reads as empty and forgets what is written.

use js_sys::Reflect;
use wasm_bindgen::prelude::*;
use web_sys::{Document, Event, EventTarget, Storage, Window};

pub(super) fn window() -> Option<Window> {
    web_sys::window()
}

pub(super) fn document() -> Option<Document> {
    window()?.document()
}

/// ms since 1970.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a clock before 1970 is 1970
pub(super) fn now() -> u64 {
    js_sys::Date::now() as u64
}

pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if let Some(crypto) = window().and_then(|window| window.crypto().ok()) {
        let _ = crypto.get_random_values_with_u8_array(&mut bytes); // never fails for so few bytes
    }
    bytes
}

/// Whether `<html>` carries the flag `data-{name}`.
pub(super) fn flag(name: &str) -> bool {
    document().and_then(|document| document.document_element()).is_some_and(|html| html.has_attribute(name))
}

pub(super) fn hidden() -> bool {
    document().is_some_and(|document| document.hidden())
}

/// Whether the page was reloaded or gone back to: then the browser scrolls it to where it was.
pub(super) fn resumed() -> bool {
    let mut value = window().map(JsValue::from).unwrap_or_default();
    for part in ["performance", "navigation", "type"] {
        value = Reflect::get(&value, &part.into()).unwrap_or_default();
    }
    value.is_truthy() // 0 is an ordinary navigation
}

/// Without a network nothing is worth trying: not even a beacon, which would be lost.
pub(super) fn offline() -> bool {
    window().is_some_and(|window| !window.navigator().on_line())
}

pub(super) fn url() -> String {
    window().and_then(|window| window.location().href().ok()).unwrap_or_default()
}

pub(super) fn path() -> String {
    window().and_then(|window| window.location().pathname().ok()).unwrap_or_default()
}

pub(super) fn referrer() -> String {
    document().map(|document| document.referrer()).unwrap_or_default()
}

/// A property of `navigator` as text; empty if there is none.
pub(super) fn navigator(property: &str) -> String {
    let value = window().and_then(|window| Reflect::get(&window.navigator(), &property.into()).ok());
    match value {
        Some(value) if value.is_truthy() => value.as_string().unwrap_or_else(|| "1".into()),
        _ => String::new(),
    }
}

/// What a storage area keeps, and how long.
#[derive(Clone, Copy)]
pub(super) enum Area {
    /// localStorage: the visitor's.
    Visitor,
    /// sessionStorage: the tab's.
    Tab,
}

fn storage(area: Area) -> Option<Storage> {
    let window = window()?;
    match area {
        Area::Visitor => window.local_storage(),
        Area::Tab => window.session_storage(),
    }
    .ok()?
}

pub(super) fn read(area: Area, key: &str) -> Option<String> {
    storage(area)?.get_item(key).ok()?
}

pub(super) fn write(area: Area, key: &str, value: &str) {
    if let Some(storage) = storage(area) {
        let _ = storage.set_item(key, value);
    }
}

pub(super) fn remove(area: Area, key: &str) {
    if let Some(storage) = storage(area) {
        let _ = storage.remove_item(key);
    }
}

/// Calls `act` for every event of this kind, also for those that do not bubble, for as long as the page lives.
pub(super) fn listen(target: &EventTarget, kind: &str, act: impl FnMut(Event) + 'static) {
    let listener = Closure::<dyn FnMut(Event)>::new(act).into_js_value();
    let _ = target.add_event_listener_with_callback_and_bool(kind, listener.unchecked_ref(), true);
}

/// The same on the window.
pub(super) fn listen_everywhere(kind: &str, act: impl FnMut(Event) + 'static) {
    if let Some(window) = window() {
        listen(&window, kind, act);
    }
}

/// Calls `act` once after `ms`.
pub(super) fn after(ms: u64, act: impl FnOnce() + 'static) {
    let ms = i32::try_from(ms).unwrap_or(i32::MAX);
    if let Some(window) = window() {
        let act = Closure::once_into_js(act);
        let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(act.unchecked_ref(), ms);
    }
}

pub(super) fn log(text: &str) {
    web_sys::console::log_1(&text.into());
}
