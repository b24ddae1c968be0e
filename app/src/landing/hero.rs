//! First screen: what it is, what it costs, where to go.
#![cfg(feature = "ssr")]

use leptos::prelude::*;

use super::mark::Mark;
use super::words;

/// Its primary action leads to the pricing card, where everything stands that a buyer wants to know first.
#[component]
pub(crate) fn Hero(words: words::Hero, brand: String, product: words::Product) -> impl IntoView {
    let price = product.shown_price();
    view! {
        <section class="hero" id="hero">
            <div class="wrap">
                <div class="hero-words">
                    <p class="eyebrow">{words.eyebrow}</p>
                    <h1>{words.title}</h1>
                    <p class="lead">{words.lead}</p>
                    <p class="actions">
                        <a class="button" href=words.call.href data-cta="hero">{words.call.label}</a>
                        <a class="more" href=words.more.href data-cta="tour">{words.more.label}</a>
                    </p>
                    <p class="note"><strong>{price}</strong>" "{words.note}</p>
                </div>
                <div class="hero-art" aria-hidden="true">
                    <div inner_html=include_str!("art/library.svg").trim()></div>
                    <div class="pass">
                        <p class="pass-brand"><Mark/>{brand}</p>
                        <p class="pass-name">{product.name}</p>
                        <p class="pass-variant">{product.variant}</p>
                    </div>
                </div>
            </div>
        </section>
    }
}
