//! Section.

use leptos::prelude::*;

use super::when_hydrated;
use crate::tracking::browser;

/// Emits its own events; everything inside works without it.
#[island]
pub fn Video(children: Children) -> impl IntoView {
    let root = NodeRef::new();
    when_hydrated(root, browser::video);
    view! { <div class="island" data-island="video" node_ref=root>{children()}</div> }
}
