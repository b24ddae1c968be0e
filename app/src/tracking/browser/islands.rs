//! What the four islands observe. Each gets its root element once it is hydrated, and only listens: the native elements
//! inside work without it.

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::prelude::*;
use web_sys::{Element, HtmlDetailsElement, HtmlFormElement, HtmlInputElement, HtmlMediaElement};

use super::delivery;
use super::page::{self, listen, listen_everywhere};
use super::tracker::{Tracker, with};
use crate::event::name;
use crate::tracking::json::Object;
use crate::tracking::scroll::Depth;
use crate::tracking::video::Watch;

/// What an island remembers of one page view; a new view or session starts it afresh.
struct PerView<T> {
    view: u32,
    value: T,
}

impl<T: Default> PerView<T> {
    fn new() -> Self {
        Self { view: with(|tracker| tracker.view).unwrap_or_default(), value: T::default() }
    }

    fn of(&mut self, tracker: &Tracker) -> &mut T {
        if self.view != tracker.view {
            *self = Self { view: tracker.view, value: T::default() };
        }
        &mut self.value
    }
}

/// Follows how far the visitor scrolls.
pub(super) fn scroll_depth(_: &Element) {
    let mut depth = PerView::<Depth>::new();
    let mut measure = move || {
        let Some(sizes) = sizes() else { return };
        with(|tracker| {
            tracker.touch(page::now());
            for event_name in depth.of(tracker).scrolled(sizes.0, sizes.1, sizes.2) {
                tracker.emit(event_name, "{}");
            }
        });
        delivery::pump();
    };
    // The visitor may have scrolled before the island was there; where they were before a reload is no scrolling.
    if !page::resumed() && sizes().is_some_and(|(top, ..)| top > 0.0) {
        measure();
    }
    let measure = Rc::new(RefCell::new(measure));
    // A page that fits the window cannot scroll: there the attempt is what counts.
    for kind in ["scroll", "wheel", "touchmove"] {
        let measure = Rc::clone(&measure);
        listen_everywhere(kind, move |_| measure.borrow_mut()());
    }
}

/// How far the page is scrolled, height of the window, height of the page (CSS pixels).
fn sizes() -> Option<(f64, f64, f64)> {
    let html = page::document()?.document_element()?;
    let top = page::window()?.scroll_y().ok()?;
    Some((top, f64::from(html.client_height()), f64::from(html.scroll_height())))
}

/// Follows the questions: `<details data-question>`.
pub(super) fn faq(root: &Element) {
    listen(root, "toggle", |event| {
        let target = event.target().and_then(|target| target.dyn_into::<HtmlDetailsElement>().ok());
        let Some(details) = target else { return };
        let Some(question) = details.get_attribute("data-question") else {
            return;
        };
        let event_name = if details.open() { name::FAQ_OPENED } else { name::FAQ_CLOSED };
        with(|tracker| tracker.emit(event_name, &Object::new().text("question", &question).finish()));
        delivery::pump();
    });
}

/// Follows a video: `<video data-video>`.
pub(super) fn video(root: &Element) {
    let Some(video) = root.query_selector("video[data-video]").ok().flatten() else {
        return;
    };
    let video: HtmlMediaElement = video.unchecked_into();
    let watch = Rc::new(RefCell::new(PerView::<Watch>::new()));
    for kind in ["playing", "timeupdate", "seeking", "pause", "ended", "emptied"] {
        let (target, watch) = (video.clone(), Rc::clone(&watch));
        listen(&video, kind, move |_| {
            on_video(kind, &target, &mut watch.borrow_mut());
        });
    }
    if !video.paused() {
        on_video("playing", &video, &mut watch.borrow_mut()); // it was started before the island was there
    }
}

fn on_video(kind: &str, video: &HtmlMediaElement, watch: &mut PerView<Watch>) {
    let (at, duration) = (video.current_time(), video.duration());
    with(|tracker| {
        // Watching is activity, a video that runs in a hidden tab is not.
        let seen = !page::hidden();
        if seen && !video.paused() {
            tracker.touch(page::now());
        }
        let watch = watch.of(tracker);
        let told: Vec<&str> = match kind {
            "playing" => watch.playing(at).into_iter().collect(),
            "timeupdate" if !video.paused() && !video.seeking() => watch.progressed(at, duration),
            "seeking" => {
                watch.seeking();
                Vec::new()
            }
            "pause" => {
                // The end is reported as a pause first, and the last stretch by no other event.
                if video.ended() {
                    watch.progressed(at, duration)
                } else {
                    watch.paused(false, video.seeking()).into_iter().collect()
                }
            }
            "ended" => watch.ended().into_iter().collect(),
            "emptied" => {
                *watch = Watch::default();
                Vec::new()
            }
            _ => Vec::new(),
        };
        for event_name in told {
            let title = video.get_attribute("data-video").unwrap_or_default();
            let properties =
                Object::new().text("video", &title).number("position", whole_seconds(at)).finish();
            if seen {
                tracker.emit(event_name, &properties);
            } else {
                tracker.emit_passively(event_name, &properties);
            }
        }
    });
    delivery::pump();
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates
fn whole_seconds(seconds: f64) -> u64 {
    seconds as u64
}

/// Follows buy buttons: fills the hidden fields of `<form data-buy>` when it is submitted, and never holds it up. The
/// server records the click; the browser only keeps the session alive.
pub(super) fn buy_button(root: &Element) {
    listen(root, "submit", |event| {
        let target = event.target().and_then(|target| target.dyn_into::<HtmlFormElement>().ok());
        let Some(form) = target.filter(|form| form.has_attribute("data-buy")) else {
            return;
        };
        with(|tracker| {
            if !tracker.ignored {
                fill(&form, tracker);
            }
        });
        delivery::leave();
    });
}

fn fill(form: &HtmlFormElement, tracker: &mut Tracker) {
    let (click_id, started_at) = tracker.click();
    let anonymous_id = tracker.anonymous_id.as_deref().unwrap_or_default();
    for (field, value) in [
        ("anonymous_id", anonymous_id),
        ("session_id", &tracker.session.id),
        ("click_id", &click_id),
        ("started_at", &started_at.to_string()),
        ("location", &page::path()),
        ("page_url", &page::url()),
        ("referrer", &page::referrer()),
    ] {
        let input = form.query_selector(&["[name=", field, "]"].concat()).ok().flatten();
        if let Some(input) = input.and_then(|input| input.dyn_into::<HtmlInputElement>().ok()) {
            input.set_value(value);
        }
    }
}
