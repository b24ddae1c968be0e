//! Top of every page: the mark, ways through the page, a quiet button.
#![cfg(feature = "ssr")]

use leptos::prelude::*;

use super::mark::Mark;
use super::words;

/// Also holds the skip link, the first thing that a keyboard reaches.
#[component]
pub(crate) fn Header(words: words::Header, brand: String) -> impl IntoView {
    let links: Vec<_> =
        (words.links.into_iter()).map(|link| view! { <a href=link.href>{link.label}</a> }).collect();
    view! {
        <a class="skip" href="#content">{words.skip}</a>
        <header class="header">
            <div class="wrap">
                <a class="brand" href="/"><Mark/>{brand}</a>
                <nav aria-label="Main">{links}</nav>
                <a class="button quiet" href=words.call.href data-cta="header">{words.call.label}</a>
            </div>
        </header>
    }
}
