//! The buy button: a form that works by itself, and the island that observes it.

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

/// Hidden fields of the form; filled when it is submitted, because the page is the same for everybody.
#[cfg(feature = "ssr")]
const FIELDS: [&str; 7] =
    ["anonymous_id", "session_id", "click_id", "started_at", "location", "page_url", "referrer"];

/// Posts to `begin_checkout`, with or without JavaScript.
#[cfg(feature = "ssr")]
#[component]
pub(crate) fn BuyForm(
    /// What the button says.
    label: String,
) -> impl IntoView {
    let fields: Vec<_> =
        (FIELDS.into_iter()).map(|name| view! { <input r#type="hidden" name=name value=""/> }).collect();
    view! {
        <BuyButton>
            <form class="buy" action="/api/checkout" method="post" data-buy>
                {fields}
                <button class="button" r#type="submit">{label}</button>
            </form>
        </BuyButton>
    }
}
