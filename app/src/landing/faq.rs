//! Questions and answers: native `<details>` that open by themselves, and the island that observes them.

use leptos::prelude::*;

use super::when_hydrated;
#[cfg(feature = "ssr")]
use super::{contact::Contact, words};
use crate::tracking::browser;

/// Emits its own events; everything inside works without it.
#[island]
pub fn Faq(children: Children) -> impl IntoView {
    let root = NodeRef::new();
    when_hydrated(root, browser::faq);
    view! { <div class="island" data-island="faq" node_ref=root>{children()}</div> }
}

/// The section around the questions.
#[cfg(feature = "ssr")]
#[component]
pub(crate) fn FaqSection(words: words::Faq, contact: String) -> impl IntoView {
    let items: Vec<_> = (words.items.into_iter())
        .map(|item| {
            view! {
                <details data-question=item.question.clone()>
                    <summary>{item.question.clone()}</summary>
                    <p>{item.answer}</p>
                </details>
            }
        })
        .collect();
    view! {
        <section class="faq" id="faq">
            <div class="wrap beside">
                <div class="heading">
                    <h2>{words.title}</h2>
                    <p class="lead">{words.lead}</p>
                    <p><Contact address=contact/></p>
                </div>
                <Faq>{items}</Faq>
            </div>
        </section>
    }
}
