//! A short page with one way on: not-found.
#![cfg(feature = "ssr")]

use leptos::prelude::*;

use super::contact::Contact;
use super::words;

/// A title, a sentence, what happens next, and a link.
#[component]
pub(crate) fn NoticePage(words: words::Notice, contact: String) -> impl IntoView {
    let steps: Vec<_> = (words.steps.into_iter()).map(|step| view! { <li>{step}</li> }).collect();
    view! {
        <article class="wrap text notice">
            <h1>{words.title}</h1>
            <p class="lead">{words.lead}</p>
            {(!steps.is_empty()).then(|| view! { <ol class="steps">{steps}</ol> })}
            <p class="actions">
                <a class="button" href=words.link.href>{words.link.label}</a>
                <Contact address=contact/>
            </p>
        </article>
    }
}
