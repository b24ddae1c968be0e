//! How far the visitor scrolls.

use leptos::prelude::*;

use super::when_hydrated;
use crate::tracking::browser;

/// Emits `scroll_depth_*` by real scrolling; shows nothing.
#[island]
pub fn ScrollDepth() -> impl IntoView {
    let root = NodeRef::new();
    when_hydrated(root, browser::scroll_depth);
    view! { <div class="island" data-island="scroll-depth" hidden node_ref=root></div> }
}
