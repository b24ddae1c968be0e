//! Plays Whop in development and tests, on a port of its own and so on another origin: the API that creates checkout
//! configurations, a checkout page, the redirect back, and signed deliveries with Whop's retry times.
//!
//! It shares no code with the receiving side: what it sends is signed by the official library. Only `main` knows it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use crate::config::providers::Providers;
use crate::config::{self, Config};
use crate::provider::signature::Key;
use crate::provider::whop::{self, Api, Settings};
use crate::serve::{ServeError, listen};

mod deliveries;
mod http;
mod pages;

/// The plan that is sold.
const PLAN: &str = "plan_simulated";

/// The company that sells it.
const COMPANY: &str = "biz_simulated";

/// The simulator, running.
pub struct Simulator {
    inner: Arc<Inner>,
}

/// What the simulator's handlers share.
struct Inner {
    addr: SocketAddr,
    api_mode: bool,
    api_key: SecretString,
    secret: SecretString,
    /// Where deliveries go.
    webhook_url: Url,
    /// Where a buyer who leaves, or who paid by a link, goes.
    site: Url,
    return_url: Url,
    product: String,
    price: String,
    total: Value,
    currency: String,
    client: reqwest::Client,
    seen: Mutex<Seen>,
}

/// What the simulator was asked for.
#[derive(Default)]
struct Seen {
    configurations: HashMap<String, Configuration>,
    /// `Idempotency-Key` to configuration.
    keys: HashMap<String, String>,
    /// What was paid.
    payments: Vec<Value>,
    /// Every configuration and checkout visit, for tests and the curious.
    requests: Vec<Value>,
}

/// One checkout configuration.
#[derive(Clone)]
struct Configuration {
    metadata: Value,
    redirect_url: Option<Url>,
}

impl Simulator {
    /// Listens and serves from now on.
    pub async fn start(config: &Config, settings: &config::Simulator) -> Result<Self, ServeError> {
        let listener = listen(settings.addr).await?;
        let addr = listener.local_addr()?;
        let mut webhook_url =
            Url::parse(&format!("http://{}", config.site.addr)).unwrap_or_else(|_| config.site.url.clone());
        webhook_url.set_path("/api/webhooks/whop");
        let inner = Arc::new(Inner {
            addr,
            api_mode: settings.api_mode,
            api_key: random("apik_").into(),
            secret: random("ws_").into(),
            webhook_url,
            site: config.site.url.clone(),
            return_url: config.return_url(),
            product: config.product.name.clone(),
            price: config.price.to_string(),
            total: config.price.major_json(),
            currency: config.price.currency.code().to_ascii_lowercase(),
            client: reqwest::Client::new(),
            seen: Mutex::default(),
        });
        let router = http::router(Arc::clone(&inner));
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the simulator stopped");
            }
        });
        Ok(Self { inner })
    }

    /// The providers with this one, playing Whop, as the buy button's.
    pub fn stand_in(&self, others: Providers) -> Providers {
        Providers { buy_button: whop::NAME, whop: Some(self.whop_settings()), ..others }
    }

    /// How to reach it, in the words of a real Whop.
    fn whop_settings(&self) -> Settings {
        let base = Url::parse(&self.origin());
        let at = |path: &str| base.as_ref().map(|base| base.join(path).unwrap_or_else(|_| base.clone()));
        let (Ok(checkout_url), Ok(api_url)) = (at(&format!("/checkout/{PLAN}")), at("/api/v1")) else {
            unreachable!("a socket address makes a URL")
        };
        let api = Api { url: api_url, key: self.inner.api_key.clone(), plan_id: PLAN.into() };
        Settings {
            checkout_url,
            api: self.inner.api_mode.then_some(api),
            webhook_keys: vec![Key::raw(self.inner.secret.expose_secret())],
            company_id: Some(COMPANY.into()),
        }
    }

    /// Its origin.
    pub fn origin(&self) -> String {
        self.inner.origin()
    }
}

impl Inner {
    fn origin(&self) -> String {
        format!("http://{}", self.addr)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A made-up id of Whop's form.
fn random(prefix: &str) -> String {
    let letters = (0..14).map(|_| char::from(rand::Rng::sample(&mut rand::rng(), rand::distr::Alphanumeric)));
    prefix.chars().chain(letters).collect()
}
