//! Pages to read: privacy and terms.
#![cfg(feature = "ssr")]

use leptos::prelude::*;

use super::contact::Contact;
use super::words;

/// A title, a summary, and the clauses.
#[component]
pub(crate) fn LegalPage(words: words::Legal, contact: String) -> impl IntoView {
    let clauses: Vec<_> = (words.sections.into_iter())
        .map(|clause| {
            let paragraphs: Vec<_> =
                (clause.paragraphs.into_iter()).map(|text| view! { <p>{text}</p> }).collect();
            view! { <h2>{clause.title}</h2> {paragraphs} }
        })
        .collect();
    view! {
        <article class="wrap text">
            <h1>{words.title}</h1>
            <p class="lead">{words.lead}</p>
            {clauses}
            <p><Contact address=contact/></p>
        </article>
    }
}
