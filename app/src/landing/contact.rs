//! How to reach the owner.
#![cfg(feature = "ssr")]

use leptos::prelude::*;

/// The e-mail address, as a link.
#[component]
pub(crate) fn Contact(address: String) -> impl IntoView {
    view! { <a class="contact" href=format!("mailto:{address}")>{address.clone()}</a> }
}
