//! What the server functions hand over to: reads headers, calls the room, writes the status.

use std::sync::Arc;

use app::server_fns::{Answer, Backend, CheckoutForm, RawBody};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use leptos::context::use_context;
use leptos::server_fn::ServerFnError;
use leptos_axum::{ResponseOptions, extract};
use url::Url;

use crate::checkout::Checkouts;
use crate::clock::now;
use crate::ingest::sender::same_origin;
use crate::provider::Provider;
use crate::webhook::{WebhookError, Webhooks};

/// The server behind the server functions.
pub struct ServerBackend {
    /// Begins checkouts.
    pub checkouts: Checkouts,
    /// Takes deliveries.
    pub webhooks: Webhooks,
    /// Whose deliveries are taken.
    pub providers: Vec<Arc<dyn Provider>>,
    /// The site's public origin.
    pub origin: String,
}

impl Backend for ServerBackend {
    fn begin_checkout(self: Arc<Self>, form: CheckoutForm) -> Answer {
        Box::pin(async move {
            let headers: HeaderMap = extract().await?;
            // A foreign page must not begin checkouts in a visitor's name; a browser too old to say goes on to buy.
            if same_origin(&headers, &self.origin) == Some(false) {
                set_status(StatusCode::FORBIDDEN);
                return Err(ServerFnError::new("a checkout begins on the site's own pages only"));
            }
            let private = headers.get("sec-gpc").is_some_and(|value| value == "1")
                || headers.get("dnt").is_some_and(|value| value == "1");
            see_other(&self.checkouts.begin(form, private, now()).await)
        })
    }

    fn receive(self: Arc<Self>, provider: &'static str, body: RawBody) -> Answer {
        Box::pin(async move {
            let headers: HeaderMap = extract().await?;
            let Some(known) = self.providers.iter().find(|known| known.name() == provider) else {
                set_status(StatusCode::NOT_FOUND);
                return Err(ServerFnError::new("this provider is not configured"));
            };
            match self.webhooks.receive(known.as_ref(), &headers, &body.0, now()).await {
                Ok(()) => Ok(()),
                Err(WebhookError::Rejected(rejection)) => {
                    tracing::warn!(provider, %rejection, "a delivery was refused");
                    set_status(StatusCode::UNAUTHORIZED);
                    Err(ServerFnError::new(rejection.to_string()))
                }
                Err(WebhookError::Store(error)) => {
                    tracing::error!(provider, %error, "a delivery could not be recorded");
                    set_status(StatusCode::SERVICE_UNAVAILABLE);
                    Err(ServerFnError::new("it could not be recorded; send it again"))
                }
            }
        })
    }
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

fn set_status(status: StatusCode) {
    if let Some(response) = use_context::<ResponseOptions>() {
        response.set_status(status);
    }
}
