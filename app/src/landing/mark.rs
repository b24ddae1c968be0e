//! The drawings: files in `art/`, put into the HTML as they are, so that they follow the colours of the page.
#![cfg(feature = "ssr")]

use leptos::prelude::*;

use super::words::Icon;

/// The brand's mark: three books on a shelf.
#[component]
pub(crate) fn Mark() -> impl IntoView {
    view! { <span class="mark" aria-hidden="true" inner_html=include_str!("art/mark.svg").trim()></span> }
}

/// The drawing above a benefit.
pub(super) fn icon(icon: Icon) -> &'static str {
    match icon {
        Icon::Steps => include_str!("art/steps.svg").trim(),
        Icon::File => include_str!("art/file.svg").trim(),
        Icon::Reason => include_str!("art/reason.svg").trim(),
        Icon::Once => include_str!("art/once.svg").trim(),
    }
}
