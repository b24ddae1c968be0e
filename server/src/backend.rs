//! The server functions' HTTP, on both sides of them: the routes that lead to them, and what they hand over to. Reads
//! headers, calls the room, writes the status.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use app::server_fns::{Answer, Backend, CheckoutForm, Forwarded, RawBody};
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use leptos::context::{provide_context, use_context};
use leptos::server_fn::ServerFnError;
use leptos_axum::{ResponseOptions, extract};
use url::{Url, form_urlencoded};

use crate::aurea::Owner;
use crate::checkout::{Asked, Checkouts};
use crate::client::{Clients, is_public};
use crate::clock::now;
use crate::error::RETRY_AFTER;
use crate::ingest::limit::Limit;
use crate::ingest::sender::{Gate, same_origin};
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::provider::Provider;
use crate::quarantine::Quarantine;
use crate::webhook::{WebhookError, Webhooks};

/// A drive of the outbox is answered by then; it goes on by itself.
const DRIVE_PATIENCE: Duration = Duration::from_secs(25);

/// To a buyer who can't be sent on.
const TOO_OFTEN: &str = "Very many checkouts were begun from your network just now.\n\
     Please wait a moment, go back and press the button again.\n";

/// The server behind the server functions.
pub struct ServerBackend {
    /// Begins checkouts.
    pub checkouts: Checkouts,
    /// Takes deliveries.
    pub webhooks: Arc<Webhooks>,
    /// Keeps what is refused.
    pub quarantine: Arc<Quarantine>,
    /// Whose deliveries are taken.
    pub providers: Vec<Arc<dyn Provider>>,
    /// Knows who connects.
    pub clients: Clients,
    /// Knows the site's own pages, and programs.
    pub gate: Arc<Gate>,
    /// How often an address may begin a checkout.
    pub limit: Limit,
    /// Tells others.
    pub outbox: Arc<Outbox>,
    /// Counts.
    pub metrics: Arc<Metrics>,
}

impl Backend for ServerBackend {
    fn begin_checkout(self: Arc<Self>, form: CheckoutForm) -> Answer {
        Box::pin(async move {
            let (headers, peer): (HeaderMap, ConnectInfo<SocketAddr>) = extract().await?;
            // A foreign page must not begin checkouts in a visitor's name; a browser too old to say goes on to buy.
            if same_origin(&headers, &self.gate.origin) == Some(false) {
                set_status(StatusCode::FORBIDDEN);
                return Err(ServerFnError::new("a checkout begins on the site's own pages only"));
            }
            let private = headers.get("sec-gpc").is_some_and(|value| value == "1")
                || headers.get("dnt").is_some_and(|value| value == "1");
            let ip = Some(self.clients.client(peer.ip(), &headers)).filter(|ip| is_public(*ip));
            let bot = self.gate.bot(&headers);
            let too_often = !self.limit.allows(peer.ip(), &headers);
            let asked = Asked { private, ip, bot, too_often };
            let Some(url) = self.checkouts.begin(form, asked, now()).await else {
                set_status(StatusCode::TOO_MANY_REQUESTS);
                return Err(ServerFnError::new(
                    "too many checkouts from this address; try again in a moment",
                ));
            };
            see_other(&url)
        })
    }

    fn receive(self: Arc<Self>, provider: &'static str, body: RawBody) -> Answer {
        Box::pin(async move {
            let (headers, peer): (HeaderMap, ConnectInfo<SocketAddr>) = extract().await?;
            let Some(known) = self.providers.iter().find(|known| known.name() == provider) else {
                set_status(StatusCode::NOT_FOUND);
                return Err(ServerFnError::new("this provider is not configured"));
            };
            let now = now();
            match self.webhooks.receive(known.as_ref(), &headers, &body.0, now).await {
                Ok(committed) => {
                    if committed.after_refusals {
                        self.quarantine.look_again();
                    }
                    Ok(())
                }
                Err(WebhookError::Rejected(rejection)) => {
                    self.metrics.delivery(known.name(), "rejected");
                    self.quarantine.refuse(known.as_ref(), &headers, &body.0, rejection, peer.ip(), now);
                    set_status(StatusCode::UNAUTHORIZED);
                    Err(ServerFnError::new(rejection.to_string()))
                }
                Err(WebhookError::Store(error)) => {
                    tracing::debug!(provider, %error, "a delivery could not be recorded"); // the store has said why
                    self.metrics.delivery(known.name(), "failed");
                    try_again_later();
                    Err(ServerFnError::new("it could not be recorded; send it again"))
                }
            }
        })
    }

    fn forward(self: Arc<Self>) -> Pin<Box<dyn Future<Output = Result<Forwarded, ServerFnError>> + Send>> {
        Box::pin(async move {
            self.outbox.drive(DRIVE_PATIENCE).await.map_err(|error| {
                tracing::debug!(%error, "the outbox could not be driven");
                set_status(StatusCode::SERVICE_UNAVAILABLE);
                ServerFnError::new("the store is not available; try again")
            })
        })
    }
}

/// The owner's server functions: the same door behind a check.
pub async fn owners_server_fn(
    _: Owner,
    backend: State<Arc<ServerBackend>>,
    parts: Parts,
    body: Bytes,
) -> Response {
    server_fn(backend, parts, body).await
}

/// The buy button's form. Each field once and as text, whatever a browser or its extensions made of it: a sale is never
/// lost to a field.
pub async fn checkout(backend: State<Arc<ServerBackend>>, parts: Parts, body: Bytes) -> Response {
    let fields: BTreeMap<_, _> = form_urlencoded::parse(&body).collect();
    let tidy = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let answer = server_fn(backend, parts, tidy.into()).await;
    if answer.status() == StatusCode::TOO_MANY_REQUESTS {
        // A form is answered in the window: here reads a person.
        return (answer.status(), [(header::RETRY_AFTER, RETRY_AFTER)], TOO_OFTEN).into_response();
    }
    answer
}

/// The server functions' door. The body is read here, so that the route's limit answers 413 however it was sent.
pub async fn server_fn(State(backend): State<Arc<ServerBackend>>, mut parts: Parts, body: Bytes) -> Response {
    // With these two, leptos would answer with a redirect to the referrer, whoever that is.
    parts.headers.remove(header::ACCEPT);
    parts.headers.remove(header::REFERER);
    let request = Request::from_parts(parts, Body::from(body));
    let context = move || provide_context::<Arc<dyn Backend>>(Arc::<ServerBackend>::clone(&backend));
    leptos_axum::handle_server_fns_with_context(context, request).await.into_response()
}

/// A form's answer: go there, with GET.
fn see_other(url: &Url) -> Result<(), ServerFnError> {
    let location =
        HeaderValue::try_from(url.as_str()).map_err(|error| ServerFnError::new(error.to_string()))?;
    if let Some(response) = use_context::<ResponseOptions>() {
        response.insert_header(header::LOCATION, location);
    }
    set_status(StatusCode::SEE_OTHER);
    Ok(())
}

/// 503, and when to try again.
fn try_again_later() {
    if let Some(response) = use_context::<ResponseOptions>() {
        response.insert_header(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    }
    set_status(StatusCode::SERVICE_UNAVAILABLE);
}

fn set_status(status: StatusCode) {
    if let Some(response) = use_context::<ResponseOptions>() {
        response.set_status(status);
    }
}
