//! The last invitation.
#![cfg(feature = "ssr")]

use leptos::prelude::*;

use super::buy::BuyForm;
use super::words;

/// For those who have read everything.
#[component]
pub(crate) fn FinalCall(words: words::Call) -> impl IntoView {
    view! {
        <section class="call" id="call">
            <div class="wrap">
                <div class="panel">
                    <h2>{words.title}</h2>
                    <p class="lead">{words.lead}</p>
                    <BuyForm label=words.button/>
                    <p class="note">{words.note}</p>
                    <div class="shelf" aria-hidden="true" inner_html=include_str!("art/shelf.svg").trim()></div>
                </div>
            </div>
        </section>
    }
}
