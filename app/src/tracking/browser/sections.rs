//! Watches which sections of the page come into view: `main > section[id]`.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::Array;
use wasm_bindgen::prelude::*;
use web_sys::{Element, IntersectionObserver, IntersectionObserverEntry, IntersectionObserverInit};

use super::{delivery, page, tracker::with};
use crate::event::name;
use crate::tracking::json::Object;
use crate::tracking::sections::{Sections, in_view};

/// How finely the browser reports what is seen of a section: also the tallest are told when they fill half the window.
const STEPS: u32 = 20;

struct Watch {
    ids: Vec<String>,
    sections: Sections,
    /// The page view that all this belongs to.
    view: u32,
}

/// Tells `section_viewed` from now on.
pub(super) fn follow() {
    let found = page::document().and_then(|document| document.query_selector_all("main > section[id]").ok());
    let Some(found) = found.filter(|found| found.length() > 0) else { return };
    let elements: Vec<Element> =
        (0..found.length()).filter_map(|place| found.get(place)).map(JsCast::unchecked_into).collect();
    let watch = Rc::new(RefCell::new(Watch {
        ids: elements.iter().map(Element::id).collect(),
        sections: Sections::new(elements.len()),
        view: with(|tracker| tracker.view).unwrap_or_default(),
    }));

    let again = Rc::clone(&watch);
    page::listen_everywhere("visibilitychange", move |_| {
        if !page::hidden() {
            again.borrow_mut().sections.look_again(page::now());
            tell(&again);
        }
    });
    let look = Closure::<dyn FnMut(Array)>::new(move |entries: Array| {
        for entry in entries.iter() {
            look(&mut watch.borrow_mut(), entry.unchecked_ref());
        }
        tell(&watch);
    });
    let options = IntersectionObserverInit::new();
    let steps: Array = (0..=STEPS).map(|step| JsValue::from(f64::from(step) / f64::from(STEPS))).collect();
    options.set_threshold(&steps);
    let observer = IntersectionObserver::new_with_options(look.into_js_value().unchecked_ref(), &options);
    if let Ok(observer) = observer {
        for element in &elements {
            observer.observe(element);
        }
    }
}

fn look(watch: &mut Watch, entry: &IntersectionObserverEntry) {
    let id = entry.target().id();
    let place = watch.ids.iter().position(|known| *known == id);
    let (Some(place), Some(window)) = (place, entry.root_bounds()) else { return };
    let (seen, section) = (entry.intersection_rect(), entry.bounding_client_rect());
    let in_view = in_view(seen.height(), section.height(), window.height());
    watch.sections.look(place, in_view, page::now());
}

/// Tells what is to be told now, and comes back when there will be more.
fn tell(watch: &Rc<RefCell<Watch>>) {
    let now = page::now();
    let due = with(|tracker| {
        let mut watch = watch.borrow_mut();
        if watch.view != tracker.view {
            watch.view = tracker.view;
            watch.sections.view_again(now);
        }
        if page::hidden() {
            return None; // it begins anew when the visitor is back
        }
        for place in watch.sections.take(now) {
            let properties = Object::new().text("section", &watch.ids[place]).finish();
            tracker.emit_passively(name::SECTION_VIEWED, &properties);
        }
        watch.sections.due()
    });
    delivery::pump();
    if let Some(due) = due.flatten() {
        let watch = Rc::clone(watch);
        page::after(due.saturating_sub(now), move || tell(&watch));
    }
}
