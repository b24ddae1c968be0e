//! The site: every page rendered once at start and kept in memory, assets from the site's folder, and the headers that
//! both carry.

use std::collections::HashMap;
use std::sync::Arc;

use app::Page;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

pub use assets::AssetNames;
use kept::Kept;

pub mod assets;
pub mod csp;
pub(crate) mod kept;
pub mod thank_you;

/// Every page, ready to send.
#[derive(Clone)]
pub struct Pages {
    pages: Arc<HashMap<Page, Kept>>,
    returned: Kept,
    robots: Kept,
    sitemap: Kept,
}

impl Pages {
    /// Renders and compresses all of them.
    pub fn render(site: &Arc<app::Site>) -> Self {
        let html = |page: Page| {
            let returned = matches!(page, Page::ThankYou(_));
            let cache = if returned { "no-store" } else { "no-cache, no-transform" };
            Kept::new("text/html; charset=utf-8", cache, app::render(page, site))
        };
        Self {
            pages: Arc::new(Page::ALL.into_iter().map(|page| (page, html(page))).collect()),
            returned: Kept::new(
                "text/javascript; charset=utf-8",
                "no-cache",
                app::RETURNED_SCRIPT.to_owned(),
            ),
            robots: Kept::new("text/plain; charset=utf-8", "max-age=3600", app::robots(site)),
            sitemap: Kept::new("application/xml; charset=utf-8", "max-age=3600", app::sitemap(site)),
        }
    }

    fn page(&self, page: Page, headers: &HeaderMap) -> Response {
        match self.pages.get(&page) {
            Some(kept) => kept.respond(headers),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }

    /// Whether the landing page is there to be shown.
    pub fn ready(&self) -> bool {
        self.pages.contains_key(&Page::Landing)
    }
}

/// A handler that shows `page`.
pub fn show<S>(page: Page) -> axum::routing::MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Pages: axum::extract::FromRef<S>,
{
    axum::routing::get(move |State(pages): State<Pages>, headers: HeaderMap| async move {
        pages.page(page, &headers)
    })
}

/// `GET /robots.txt`
pub async fn robots(State(pages): State<Pages>, headers: HeaderMap) -> Response {
    pages.robots.respond(&headers)
}

/// `GET /sitemap.xml`
pub async fn sitemap(State(pages): State<Pages>, headers: HeaderMap) -> Response {
    pages.sitemap.respond(&headers)
}

/// Whatever else was asked for. A person gets the page, a program that wants a file gets a line.
pub async fn not_found(State(pages): State<Pages>, headers: HeaderMap) -> Response {
    let wants_html = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    if !wants_html {
        return (StatusCode::NOT_FOUND, "not found\n").into_response();
    }
    // Without conditions: this text stands for many addresses, and none of them is "not modified".
    let encoding = headers.get(header::ACCEPT_ENCODING).map(|value| (header::ACCEPT_ENCODING, value.clone()));
    let mut response = pages.page(Page::NotFound, &encoding.into_iter().collect());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response.headers_mut().remove(header::ETAG);
    response
}
