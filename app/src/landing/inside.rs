//! What one gets, as a table of contents.
#![cfg(feature = "ssr")]

use leptos::prelude::*;

use super::words;

/// The stylesheet numbers the shelves.
#[component]
pub(crate) fn Inside(words: words::Inside) -> impl IntoView {
    let items: Vec<_> = (words.items.into_iter())
        .map(|item| {
            view! {
                <li>
                    <h3>{item.title}</h3>
                    <p>{item.text}</p>
                </li>
            }
        })
        .collect();
    view! {
        <section class="inside" id="inside">
            <div class="wrap beside">
                <div class="heading">
                    <h2>{words.title}</h2>
                    <p class="lead">{words.lead}</p>
                </div>
                <ol>{items}</ol>
            </div>
        </section>
    }
}
