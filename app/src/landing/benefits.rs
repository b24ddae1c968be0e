//! Why to buy.
#![cfg(feature = "ssr")]

use leptos::prelude::*;

use super::mark::icon;
use super::words;

/// A grid of reasons.
#[component]
pub(crate) fn Benefits(words: words::Benefits) -> impl IntoView {
    let items: Vec<_> = (words.items.into_iter())
        .map(|item| {
            view! {
                <li>
                    <span class="icon" aria-hidden="true" inner_html=icon(item.icon)></span>
                    <h3>{item.title}</h3>
                    <p>{item.text}</p>
                </li>
            }
        })
        .collect();
    view! {
        <section class="benefits" id="benefits">
            <div class="wrap">
                <div class="heading">
                    <h2>{words.title}</h2>
                    <p class="lead">{words.lead}</p>
                </div>
                <ul class="grid">{items}</ul>
            </div>
        </section>
    }
}
