//! Asks whether the browser may be remembered.
#![cfg(feature = "ssr")]

use leptos::prelude::*;

use super::words;

/// Hidden until the boot script finds that nobody has answered yet: without JavaScript there is nothing to ask.
#[component]
pub(crate) fn ConsentBar(words: words::Consent) -> impl IntoView {
    view! {
        <section class="consent" aria-label=words.label data-consent-bar hidden>
            <p>{words.text}</p>
            <button class="button quiet" r#type="button" data-consent="denied">{words.deny}</button>
            <button class="button quiet" r#type="button" data-consent="granted">{words.grant}</button>
        </section>
    }
}
