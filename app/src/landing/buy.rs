//! Section.

use leptos::prelude::*;

use super::when_hydrated;
use crate::tracking::browser;

/// Emits its own events; everything inside works without it.
#[island]
pub fn BuyButton(children: Children) -> impl IntoView {
    let root = NodeRef::new();
    when_hydrated(root, browser::buy_button);
    view! { <div class="island" data-island="buy-button" node_ref=root>{children()}</div> }
}
