//! Plays a payment provider in development and tests, on a port of its own and so on another origin: its API, its checkout,
//! its way back, its signed deliveries with its retry times, its lists. What happens to money later (refunds, disputes,
//! renewals) is done on a page of its own, `/simulator`.
//!
//! It shares no code with the receiving side: what it sends is written and signed by its own means. [`played`] has a file
//! for each provider. Only `main` knows the simulator.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::SecretString;
use url::Url;

use crate::config::providers::Providers;
use crate::config::{self, Config};
use crate::domain::money::Money;
use crate::serve::{ServeError, listen};
use books::Books;
use played::Played;

mod books;
mod checkout;
mod deliveries;
mod desk;
mod pages;
mod played;

/// The simulator, running.
pub struct Simulator {
    inner: Arc<Inner>,
}

/// What the simulator's handlers share.
struct Inner {
    played: &'static dyn Played,
    addr: SocketAddr,
    api_mode: bool,
    /// Whether what is sold is paid again and again.
    subscription: bool,
    /// Signs deliveries and opens the API.
    secret: SecretString,
    /// Where deliveries go.
    webhook_url: Url,
    /// Where a buyer who leaves, or who paid by a link, goes.
    site: Url,
    return_url: Url,
    product: String,
    price: Money,
    client: reqwest::Client,
    books: Mutex<Books>,
}

impl Simulator {
    /// Listens and serves from now on.
    pub async fn start(config: &Config, settings: &config::Simulator) -> Result<Self, ServeError> {
        let listener = listen(settings.addr).await?;
        let addr = listener.local_addr()?;
        let played = played::named(settings.provider);
        let mut webhook_url =
            Url::parse(&format!("http://{}", config.site.addr)).unwrap_or_else(|_| config.site.url.clone());
        webhook_url.set_path(&format!("/api/webhooks/{}", settings.provider));
        let inner = Arc::new(Inner {
            played,
            addr,
            api_mode: settings.api_mode,
            subscription: settings.subscription,
            secret: settings.secret.clone().unwrap_or_else(|| played.new_secret().into()),
            webhook_url,
            site: config.site.url.clone(),
            return_url: config.return_url(),
            product: config.product.name.clone(),
            price: config.price,
            client: reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?,
            books: Mutex::default(),
        });
        let router = played.router().merge(checkout::router()).merge(desk::router());
        let router = router.with_state(Arc::clone(&inner));
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the simulator stopped");
            }
        });
        Ok(Self { inner })
    }

    /// The providers with the played one as the buy button's. Where the owner gave secrets to verify its deliveries with,
    /// they stay: a wrong one can be tried.
    pub fn stand_in(&self, others: Providers) -> Providers {
        let mut providers = Providers { buy_button: self.inner.played.name(), ..others };
        self.inner.played.stand_in(&self.inner, &mut providers);
        providers
    }

    /// The played provider as people call it.
    pub fn title(&self) -> &'static str {
        self.inner.played.title()
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

    /// An address of the simulator's.
    fn at(&self, path: &str) -> Url {
        let url = Url::parse(&self.origin()).and_then(|origin| origin.join(path));
        url.unwrap_or_else(|_| unreachable!("a socket address makes a URL"))
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A made-up id: letters and digits behind a prefix.
fn random(prefix: &str) -> String {
    let letters = (0..24).map(|_| char::from(rand::Rng::sample(&mut rand::rng(), rand::distr::Alphanumeric)));
    prefix.chars().chain(letters).collect()
}
