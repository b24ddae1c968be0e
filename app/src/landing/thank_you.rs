//! The return from the checkout: whether the payment has arrived, and what happens next.
//!
//! All that may be said stands in the page, one of it in view: `returned.js` only picks another once the payment is
//! there. Where no script runs, the server picks, at every load.
#![cfg(feature = "ssr")]

use leptos::prelude::*;

use super::contact::Contact;
use super::words;
use crate::shell::Return;

/// Shows "confirmed" when the payment arrives, in a page that is open.
pub const RETURNED_SCRIPT: &str = include_str!("returned.js");

/// `/thank-you`
#[component]
pub(crate) fn ThankYouPage(words: words::ThankYou, returned: Return, contact: String) -> impl IntoView {
    let (waiting, confirmed) = (words.waiting, words.confirmed);
    let titles = said(returned, [words.title, waiting.title, confirmed.title]);
    let leads = said(returned, [words.lead, waiting.lead, confirmed.lead]);
    let steps: Vec<_> = (words.steps.into_iter()).map(|step| view! { <li>{step}</li> }).collect();
    view! {
        <article class="wrap text notice">
            <div class="returned" role="status">
                <h1>{titles}</h1>
                <p class="lead">{leads}</p>
            </div>
            <ol class="steps">{steps}</ol>
            <p class="actions">
                <a class="button" href=words.link.href>{words.link.label}</a>
                <Contact address=contact/>
            </p>
        </article>
    }
}

/// What is said when nothing is known, while the payment is on its way, and when it has arrived: one of them in view.
fn said(returned: Return, texts: [String; 3]) -> Vec<impl IntoView + use<>> {
    let stands = [Return::Unknown, Return::Waiting, Return::Confirmed];
    (stands.into_iter().zip(texts))
        .map(|(stands, text)| view! { <span data-said=stands.as_str() hidden=stands != returned>{text}</span> })
        .collect()
}
