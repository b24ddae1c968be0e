//! The shell: which pages there are, and the HTML document around each.
//!
//! [`render`] is a pure function of page and site. What it promises: one document without inline styles or handlers and
//! with at most two executable scripts, [`Site::boot`] and [`reload_script`], both verbatim, so that a CSP can name them
//! by hash.

mod crawlers;
mod head;
mod reload;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use hydration_context::SsrSharedContext;
use leptos::prelude::*;

use self::head::head;
use crate::landing::consent::ConsentBar;
use crate::landing::footer::Footer;
use crate::landing::header::Header;
use crate::landing::words::{Product, Words};
use crate::landing::{Landing, legal::LegalPage, notice::NoticePage, thank_you::ThankYouPage};

pub use self::crawlers::{robots, sitemap};
pub use self::reload::reload_script;

/// Path of [`RETURNED_SCRIPT`](crate::RETURNED_SCRIPT).
pub const RETURNED_PATH: &str = "/thank-you.js";

/// Every page there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Page {
    /// The landing page.
    Landing,
    /// Where the checkout sends the buyer back to.
    ThankYou(Return),
    /// What is recorded, and why.
    Privacy,
    /// What is bought, and on which terms.
    Terms,
    /// Any address that is none of the others; answer it with status 404.
    NotFound,
}

impl Page {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Landing,
        Self::ThankYou(Return::Unknown),
        Self::ThankYou(Return::Waiting),
        Self::ThankYou(Return::Confirmed),
        Self::Privacy,
        Self::Terms,
        Self::NotFound,
    ];

    /// Path from the site's root. [`Page::NotFound`] has none of its own; `/404` shows it too.
    pub fn path(self) -> &'static str {
        match self {
            Self::Landing => "/",
            Self::ThankYou(_) => "/thank-you",
            Self::Privacy => "/privacy",
            Self::Terms => "/terms",
            Self::NotFound => "/404",
        }
    }

    /// Whether search engines may list it.
    fn is_listed(self) -> bool {
        matches!(self, Self::Landing | Self::Privacy | Self::Terms)
    }
}

/// What a buyer who comes back is told of their payment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Return {
    /// Nothing: it is not known which checkout they come from, or nobody waits for its payment any more.
    #[default]
    Unknown,
    /// It is on its way.
    Waiting,
    /// It has arrived.
    Confirmed,
}

impl Return {
    /// As the page and its script call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Waiting => "waiting",
            Self::Confirmed => "confirmed",
        }
    }
}

/// What the pages are made of.
#[derive(Clone, Debug)]
pub struct Site {
    /// `[page]` of `Leptos.toml`.
    pub words: Words,
    /// `[product]` of `Leptos.toml`.
    pub product: Product,
    /// Public origin, such as `https://ttr.example`, without a slash at the end.
    pub origin: String,
    /// Path of the stylesheet.
    pub stylesheet: String,
    /// Path of the JavaScript that carries the WASM.
    pub module: String,
    /// Path of the WASM.
    pub wasm: String,
    /// Text of the boot script, inlined verbatim.
    pub boot: String,
    /// Whether the checkout is the simulator's; the footer says so.
    pub simulated: bool,
    /// Whether the browser's console may be told what happens.
    pub development: bool,
    /// Whether nothing is remembered before the visitor agrees; the page asks.
    pub consent_required: bool,
    /// Port of `cargo leptos watch`, only under it.
    pub reload_port: Option<u16>,
}

/// The whole HTML document of `page`.
pub fn render(page: Page, site: &Arc<Site>) -> String {
    let owner = Owner::new_root(Some(Arc::new(SsrSharedContext::new_islands())));
    let html = owner.with(|| document(page, site).to_html());
    owner.unset_with_forced_cleanup();
    format!("<!DOCTYPE html>{html}")
}

fn document(page: Page, site: &Arc<Site>) -> impl IntoView + use<> {
    let words = &site.words;
    view! {
        <html
            lang=words.language.clone()
            data-js=site.module.clone()
            data-wasm=site.wasm.clone()
            data-development=site.development
            data-consent=site.consent_required.then_some("required")
            data-return=match page {
                Page::ThankYou(returned) => Some(returned.as_str()),
                _ => None,
            }
        >
            <head>{head(page, site)}</head>
            <body>
                <Header words=words.header.clone() brand=words.brand.clone()/>
                <main id="content">{content(page, site)}</main>
                <Footer
                    words=words.footer.clone()
                    brand=words.brand.clone()
                    contact=words.contact.clone()
                    simulated=site.simulated
                />
                {site.consent_required.then(|| view! { <ConsentBar words=words.consent.clone()/> })}
            </body>
        </html>
    }
}

fn content(page: Page, site: &Arc<Site>) -> AnyView {
    let words = &site.words;
    let legal = |words| view! { <LegalPage words contact=site.words.contact.clone()/> }.into_any();
    match page {
        Page::Landing => view! { <Landing words=words.clone() product=site.product.clone()/> }.into_any(),
        Page::ThankYou(returned) => {
            let (words, contact) = (words.thank_you.clone(), words.contact.clone());
            view! { <ThankYouPage words returned contact/> }.into_any()
        }
        Page::NotFound => {
            let (words, contact) = (words.not_found.clone(), words.contact.clone());
            view! { <NoticePage words contact/> }.into_any()
        }
        Page::Privacy => legal(words.privacy.clone()),
        Page::Terms => legal(words.terms.clone()),
    }
}
