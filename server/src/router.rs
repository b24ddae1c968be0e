//! Every route and layer of the program on one screen.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use app::{Page, RETURNED_PATH, Return};
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{Redirect, Response};
use axum::routing::{get, post};
use tower::util::MapResponseLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

use crate::aurea::{self, Access, Assets, api, live, login, payments, screens, screens::Screens};
use crate::backend::{self, ServerBackend};
use crate::ingest::limit::Limit;
use crate::ingest::sender::Gate;
use crate::ingest::{self, Collector};
use crate::metrics::Metrics;
use crate::ops::metrics::{self, Scrape};
use crate::report::Report;
use crate::returning::Returns;
use crate::site::{self, Pages, thank_you};
use crate::stopping::Stopping;
use crate::store::Store;
use crate::{encoding, ops, webhook};

/// A request that is not read and answered by then is given up.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// What handlers are given.
#[derive(Clone, FromRef)]
pub struct AppState {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The rendered pages.
    pub pages: Pages,
    /// Who may send events.
    pub gate: Arc<Gate>,
    /// How often browsers may send.
    pub limit: Arc<Limit>,
    /// Takes events in.
    pub collector: Arc<Collector>,
    /// Answers buyers who come back.
    pub returns: Arc<Returns>,
    /// Behind the server functions.
    pub backend: Arc<ServerBackend>,
    /// Answers the owner.
    pub report: Report,
    /// Knows the owner.
    pub access: Arc<Access>,
    /// The owner's screens.
    pub screens: Arc<Screens>,
    /// The screens' files.
    pub assets: Arc<Assets>,
    /// Says when the program is to stop.
    pub stopping: Stopping,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Shows what was counted.
    pub scrape: Arc<Scrape>,
}

/// What the layers need to know.
pub struct Shell<'a> {
    /// Folder with the built assets.
    pub site_root: &'a Path,
    /// Whether the built files' names carry hashes.
    pub hashed: bool,
    /// The Content-Security-Policy.
    pub csp: String,
    /// Whether the site is on https.
    pub https: bool,
}

/// The whole program as a service.
pub fn router(state: AppState, shell: &Shell<'_>) -> Router {
    let fixed = fixed_headers(shell);
    let events = || post(ingest::collect).layer(DefaultBodyLimit::max(ingest::sender::MAX_BODY));
    let deliveries = || post(backend::server_fn).layer(DefaultBodyLimit::max(webhook::MAX_BODY));
    let json = Router::new()
        .route("/funnels/{funnel}/sessions", get(api::sessions))
        .route("/funnels/{funnel}/sessions/{session}", get(api::session))
        .route("/funnels/{funnel}/payments", get(api::payments))
        .layer(always(header::CACHE_CONTROL, "no-store"));
    let owners = Router::new()
        .route("/", get(screens::funnels))
        .route("/funnels/{funnel}", get(screens::funnel))
        .route("/funnels/{funnel}/sessions", get(screens::sessions))
        .route("/funnels/{funnel}/sessions/{session}", get(screens::session))
        .route("/funnels/{funnel}/sessions/{session}/live", get(live::live))
        .route("/funnels/{funnel}/payments", get(payments::payments))
        .route("/funnels/{funnel}/payments/{provider}/{payment}", get(payments::payment))
        .route("/funnels/{funnel}/payments/{provider}/{payment}/join", post(payments::join))
        .route("/funnels/{funnel}/payments/{provider}/{payment}/send", post(payments::send))
        .route("/forward", post(screens::forward))
        .fallback(screens::unknown)
        .layer(from_fn_with_state(state.clone(), login::guard))
        .route("/login", get(login::show).post(login::enter_by_form))
        .route("/logout", post(login::leave))
        .layer(always(header::CACHE_CONTROL, "no-store"));
    Router::new()
        .route("/", site::show(Page::Landing))
        .route(Page::ThankYou(Return::Unknown).path(), get(thank_you::show))
        .route(RETURNED_PATH, get(thank_you::script))
        .route(Page::Privacy.path(), site::show(Page::Privacy))
        .route(Page::Terms.path(), site::show(Page::Terms))
        .route("/robots.txt", get(site::robots))
        .route("/sitemap.xml", get(site::sitemap))
        .route("/api/checkout", post(backend::checkout).layer(DefaultBodyLimit::max(64 * 1024)))
        .route("/api/checkout/return", get(thank_you::standing))
        .route("/api/webhooks/whop", deliveries())
        .route("/api/webhooks/stripe", deliveries())
        .route("/api/webhooks/polar", deliveries())
        .route("/api/webhooks/shopify", deliveries())
        .route("/api/track/events", events())
        .route("/api/pulse", events())
        // Not nested: a server function is found by its whole path.
        .route("/api/aurea/forward-conversions", post(backend::owners_server_fn))
        .nest("/api/aurea", json)
        .nest("/aurea", owners)
        .route("/aurea/", get(|| async { Redirect::permanent("/aurea") }))
        .route("/aurea/assets/{name}", get(aurea::asset))
        .route("/health/live", get(ops::live))
        .route("/health/ready", get(ops::ready))
        .route("/metrics", get(metrics::show))
        .nest_service("/pkg", pkg(shell))
        .fallback_service(assets(shell.site_root, state.clone()))
        .layer(from_fn(encoding::identity_only))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, TIME_LIMIT))
        .layer(CatchPanicLayer::new()) // a handler that panics answers 500 and takes nobody along
        .layer(MapResponseLayer::new(move |mut response: Response| {
            response.headers_mut().extend(fixed.clone());
            response
        }))
        .layer(from_fn_with_state(Arc::clone(&state.metrics), metrics::count))
        .with_state(state)
}

/// The built files, cached for ever when their names carry hashes.
fn pkg(shell: &Shell<'_>) -> Router {
    let cache = if shell.hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
    let files = ServeDir::new(shell.site_root.join("pkg")).precompressed_br().precompressed_gzip();
    Router::new().fallback_service(files).layer(always(header::CACHE_CONTROL, cache))
}

/// What lies in `public/`, with ranges so that the video can be sought in, fresh for a day; anything else is not found.
fn assets(site_root: &Path, state: AppState) -> Router {
    let not_found = Router::new().fallback(site::not_found).with_state(state);
    let files = ServeDir::new(site_root)
        .append_index_html_on_directories(false)
        .call_fallback_on_method_not_allowed(true)
        .precompressed_br()
        .precompressed_gzip()
        .fallback(not_found);
    Router::new().fallback_service(files).layer(MapResponseLayer::new(|mut response: Response| {
        if response.status().is_success() {
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
        }
        response
    }))
}

fn always(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
}

/// Headers of every answer.
fn fixed_headers(shell: &Shell<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "strict-origin-when-cross-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let csp = HeaderValue::try_from(&shell.csp).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    headers.insert(header::CONTENT_SECURITY_POLICY, csp);
    if shell.https {
        let two_years = HeaderValue::from_static("max-age=63072000; includeSubDomains");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, two_years);
    }
    headers
}
