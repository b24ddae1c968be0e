//! The real rooms, opened on the configured store, and the way a moment reaches them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use standardwebhooks::Webhook;
use tokio::task::JoinError;

use super::moment::{Moment, Said};
use super::visit;
use crate::bookkeeper::Bookkeeper;
use crate::checkout::{Asked, Checkouts};
use crate::clock::now;
use crate::config::Config;
use crate::domain::Millis;
use crate::domain::event::{FunnelId, Source};
use crate::ingest::{Collector, Outcome, Sender};
use crate::provider::Provider;
use crate::provider::signature::Key;
use crate::provider::whop::{Settings, Whop};
use crate::store::sqlite::SqliteStore;
use crate::store::{SessionFilter, Store, StoreError};
use crate::webhook::{WebhookError, Webhooks};

/// Signs the demo's deliveries; no other ttr knows it.
const SECRET: &[u8] = b"ws_demo_only_known_in_this_process";

/// So many of the newest sessions tell whose store it is.
const LOOKED_AT: usize = 100;

/// Why the demo ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum RoomsError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "this store has sessions that the demo did not make, and made-up ones don't belong among real ones. \
         Use a store of its own with DATABASE_URL=sqlite://data/demo.db, or say --into-existing if you mean this one."
    )]
    NotItsOwn,
    #[error("a batch was not taken: {0}")]
    Batch(String),
    #[error("a delivery was not taken: {0}")]
    Delivery(#[from] WebhookError),
    #[error("a delivery could not be signed")]
    Signature,
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    #[error("a visit broke off: {0}")]
    Broken(#[from] JoinError),
}

/// What was made.
#[derive(Debug, Default)]
pub(super) struct Count {
    pub(super) visitors: u32,
    pub(super) sessions: u32,
    /// Sent by browsers and key holders, and not known before.
    events: u32,
    /// Sent, but there already.
    repeated: u32,
    checkouts: u32,
    deliveries: u32,
}

impl Count {
    pub(super) fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.repeated += other.repeated;
        self.checkouts += other.checkouts;
        self.deliveries += other.deliveries;
    }

    pub(super) fn per_second(&self, took: Duration) -> f64 {
        f64::from(self.events + self.repeated) / took.as_secs_f64().max(0.001)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { visitors, sessions, events, repeated, checkouts, deliveries } = self;
        write!(f, "{sessions} sessions of {visitors} visitors: {events} new events")?;
        if *repeated > 0 {
            write!(f, " ({repeated} were there already)")?;
        }
        write!(f, ", {checkouts} checkouts, {deliveries} deliveries")
    }
}

/// What takes in events, buy clicks and deliveries.
#[derive(Clone)]
pub(super) struct Rooms {
    store: Arc<SqliteStore>,
    funnel: FunnelId,
    collector: Arc<Collector>,
    checkouts: Arc<Checkouts>,
    webhooks: Arc<Webhooks>,
    provider: Arc<dyn Provider>,
}

impl Rooms {
    /// Whether the funnel's newest sessions are all made up; an empty one is fine.
    pub(super) async fn are_only_the_demos(&self) -> Result<bool, StoreError> {
        let filter = SessionFilter::default();
        let newest = self.store.sessions(&self.funnel, &filter, None, LOOKED_AT, now()).await?;
        Ok(newest.iter().all(|row| visit::is_made_up(&row.summary.session_id)))
    }

    /// The one place that puts them together. Checkouts begin by a link, so that nobody outside is asked.
    pub(super) fn open(config: &Config) -> Result<Self, RoomsError> {
        let sqlite = Arc::new(SqliteStore::open(&config.database)?);
        let store: Arc<dyn Store> = Arc::clone(&sqlite) as _;
        let settings = Settings {
            checkout_url: config.site.url.clone(),
            api: None,
            webhook_keys: vec![Key::raw(&String::from_utf8_lossy(SECRET))],
            company_id: None,
        };
        let provider: Arc<dyn Provider> = Arc::new(Whop::new(settings, reqwest::Client::builder().build()?));
        let funnel = config.funnel.id.clone();
        let checkouts = Checkouts {
            store: Arc::clone(&store),
            provider: Arc::clone(&provider),
            funnel: funnel.clone(),
            product: config.product.clone(),
            price: config.price,
            return_url: config.return_url(),
            identity: String::new(), // nobody comes back to what is made up
            forward_to: Vec::new(),  // what is made up is told to nobody
        };
        let webhooks = Webhooks {
            store: Arc::clone(&store),
            bookkeeper: Bookkeeper { store: Arc::clone(&store), funnel: funnel.clone() },
            development: false,
            forward_to: Vec::new(),
        };
        Ok(Self {
            store: sqlite,
            funnel,
            collector: Arc::new(Collector::new(store, config.funnel.currency, Vec::new())),
            checkouts: Arc::new(checkouts),
            webhooks: Arc::new(webhooks),
            provider,
        })
    }

    /// Plays one visitor's moments, each after the one before.
    pub(super) async fn play(&self, moments: Vec<Moment>) -> Result<Count, RoomsError> {
        let mut count = Count::default();
        for Moment { at, said } in moments {
            match said {
                Said::Browser(body) => self.collect(Source::Browser, &body, at, &mut count).await?,
                Said::KeyHolder(body) => self.collect(Source::Key, &body, at, &mut count).await?,
                Said::Buyer { form, private } => {
                    self.checkouts.begin(form, Asked { private, ..Asked::default() }, at).await;
                    count.checkouts += 1;
                }
                Said::Whop { id, body } => {
                    let headers = signed(&id, &body, at)?;
                    self.webhooks.receive(self.provider.as_ref(), &headers, body.as_bytes(), at).await?;
                    count.deliveries += 1;
                }
            }
        }
        Ok(count)
    }

    async fn collect(
        &self,
        source: Source,
        body: &[u8],
        at: Millis,
        count: &mut Count,
    ) -> Result<(), RoomsError> {
        let sender = Sender { funnel: self.funnel.clone(), source, bot: None };
        let answer = self.collector.collect(sender, body, at).await;
        for result in answer.map_err(|error| RoomsError::Batch(error.message))?.results {
            match result.result {
                Outcome::Ok => count.events += 1,
                Outcome::Duplicate => count.repeated += 1,
                Outcome::Dropped => return Err(RoomsError::Batch(result.detail.unwrap_or_default())),
            }
        }
        Ok(())
    }

    /// Writes what still waits.
    pub(super) async fn close(self) {
        self.store.close().await;
    }
}

pub(super) fn joined(played: Result<Result<Count, RoomsError>, JoinError>) -> Result<Count, RoomsError> {
    played?
}

/// Headers of a delivery, signed at its time by the official library.
fn signed(id: &str, body: &str, at: Millis) -> Result<HeaderMap, RoomsError> {
    let seconds = at / 1000;
    let library = Webhook::from_bytes(SECRET.to_vec()).map_err(|_| RoomsError::Signature)?;
    let signature = library.sign(id, seconds, body.as_bytes()).map_err(|_| RoomsError::Signature)?;
    let pairs = [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", signature),
    ];
    let header = |(name, value): (&'static str, String)| {
        let value = HeaderValue::try_from(value).map_err(|_| RoomsError::Signature)?;
        Ok((HeaderName::from_static(name), value))
    };
    pairs.into_iter().map(header).collect()
}
