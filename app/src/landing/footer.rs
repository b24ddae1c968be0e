//! Bottom of every page: legal pages, contact, and whether the checkout is a simulated one.
#![cfg(feature = "ssr")]

use leptos::prelude::*;

use super::contact::Contact;
use super::mark::Mark;
use super::words;

/// Says plainly that no money moves when `simulated`.
#[component]
pub(crate) fn Footer(words: words::Footer, brand: String, contact: String, simulated: bool) -> impl IntoView {
    let links: Vec<_> =
        (words.links.into_iter()).map(|link| view! { <a href=link.href>{link.label}</a> }).collect();
    view! {
        <footer class="footer">
            <div class="wrap">
                {simulated.then(|| view! { <p class="simulated" data-simulated>{words.simulated}</p> })}
                <p class="brand"><Mark/>{brand}</p>
                <p class="line">{words.line}</p>
                <nav aria-label="Legal">{links}<Contact address=contact/></nav>
            </div>
        </footer>
    }
}
