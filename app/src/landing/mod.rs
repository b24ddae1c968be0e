//! The landing page: one file per section. Four sections hold an island that observes the native elements inside it and
//! emits their events; everything else is rendered by the server alone and never reaches the browser's module.
//!
//! A new section is one file here, its words in [`words`] and in `Leptos.toml`, and a line in [`Landing`].

// The islands.
pub mod buy;
pub mod faq;
pub mod scroll;
pub mod video;

// Server only: each of these files opens with `#![cfg(feature = "ssr")]`.
pub mod benefits;
pub mod call;
pub mod consent;
pub mod contact;
pub mod footer;
pub mod header;
pub mod hero;
pub mod inside;
pub mod legal;
pub mod mark;
pub mod notice;
pub mod pricing;
pub mod thank_you;
pub mod words;

use leptos::html;
use leptos::prelude::*;

/// The whole landing page, between header and footer.
#[cfg(feature = "ssr")]
#[component]
pub(crate) fn Landing(
    /// Everything it says.
    words: words::Words,
    /// What it sells.
    product: words::Product,
) -> impl IntoView {
    // Each section for itself: one type for all of them would be too deep for the compiler.
    [
        view! { <hero::Hero words=words.hero brand=words.brand product=product.clone()/> }.into_any(),
        view! { <video::VideoSection words=words.video/> }.into_any(),
        view! { <benefits::Benefits words=words.benefits/> }.into_any(),
        view! { <inside::Inside words=words.inside/> }.into_any(),
        view! { <pricing::Pricing words=words.pricing product/> }.into_any(),
        view! { <faq::FaqSection words=words.faq contact=words.contact/> }.into_any(),
        view! { <call::FinalCall words=words.call/> }.into_any(),
        view! { <scroll::ScrollDepth/> }.into_any(),
    ]
    .into_iter()
    .collect_view()
}

/// Lets `follow` observe an island's element as soon as the island is hydrated, and marks it as hydrated.
pub(crate) fn when_hydrated(root: NodeRef<html::Div>, follow: fn(&web_sys::Element)) {
    Effect::new(move || {
        if let Some(element) = root.get() {
            follow(&element);
            let _ = element.set_attribute("data-hydrated", ""); // fails only for a malformed name
        }
    });
}
