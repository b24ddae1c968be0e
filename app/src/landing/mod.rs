//! The landing page: one file per section. Sections are server-rendered; four of them hold an island that observes the
//! native elements inside it and emits their events.

pub mod buy;
pub mod faq;
pub mod scroll;
pub mod video;

use leptos::html;
use leptos::prelude::*;

/// Lets `follow` observe an island's element as soon as the island is hydrated, and marks it as hydrated.
pub(crate) fn when_hydrated(root: NodeRef<html::Div>, follow: fn(&web_sys::Element)) {
    Effect::new(move || {
        if let Some(element) = root.get() {
            follow(&element);
            let _ = element.set_attribute("data-hydrated", ""); // fails only for a malformed name
        }
    });
}
