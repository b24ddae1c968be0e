//! The pricing card.
#![cfg(feature = "ssr")]

use leptos::prelude::*;

use super::buy::BuyForm;
use super::words;

/// Price and button on one side, what is included on the other.
#[component]
pub(crate) fn Pricing(words: words::Pricing, product: words::Product) -> impl IntoView {
    let price = product.shown_price();
    let includes: Vec<_> = (words.includes.into_iter()).map(|item| view! { <li>{item}</li> }).collect();
    view! {
        <section class="pricing" id="pricing">
            <div class="wrap">
                <div class="heading">
                    <h2>{words.title}</h2>
                    <p class="lead">{words.lead}</p>
                </div>
                <div class="card">
                    <div class="offer">
                        <h3>{product.name}</h3>
                        <p class="price"><strong>{price}</strong>" "<span>{product.currency}", "{words.term}</span></p>
                        <BuyForm label=words.button/>
                        <p class="note">{words.note}</p>
                    </div>
                    <ul class="checks">{includes}</ul>
                </div>
            </div>
        </section>
    }
}
