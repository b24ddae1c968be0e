//! Deliveries that no key of ours signed. With a wrong secret they are the provider's own: they are kept aside, the owner is
//! told, and once the secret is mended they are recorded as if they came only now, each at the time when it arrived.
//!
//! A refusal costs next to nothing and waits for nothing: what can be kept is handed to one task, which writes a few times a
//! second whatever has come together, and what finds no room there is only counted.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use app::aurea::model;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::buckets::Buckets;
use crate::client::Clients;
use crate::clock::now;
use crate::domain::Millis;
use crate::provider::Provider;
use crate::provider::signature::Rejection;
use crate::store::quarantine::{Evidence, Kept, LONGEST, Refusals, Refused};
use crate::store::{Store, StoreError};
use crate::supervise::broke;
use crate::webhook::Webhooks;

/// So many refusals in a row are no accident.
pub const ALARM: u64 = 5;

/// Refused deliveries that wait to be written.
const WAITING: usize = 64;

/// They are written this often at most.
const PACE: Duration = Duration::from_millis(250);

/// Refused deliveries of one sender that are looked at, in a second and at once.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(10).unwrap();
const BURST: NonZeroU32 = NonZeroU32::new(100).unwrap();

/// What comes without a signature is mentioned in the log so often at most: scanners try everything.
const MENTION: Millis = 60_000;

/// Bytes of signature headers; real ones have some hundred.
const LONGEST_HEADERS: usize = 4096;

/// Kept deliveries that are looked at together.
const PAGE: usize = 32;

/// When the store does not answer, the quarantine is looked through after this.
const STORE_PAUSE: Duration = Duration::from_secs(10);

/// What was refused, and is not lost.
pub struct Quarantine {
    look: Arc<Look>,
    clients: Clients,
    buckets: Buckets,
    /// Its keys are random and known to this process only, so that nobody can tell an address from a hash.
    senders: RandomState,
    waiting: mpsc::Sender<Refused>,
    refused: AtomicU64,
    mentioned_at: AtomicI64,
    running: Mutex<JoinSet<()>>,
}

impl Quarantine {
    /// Looks through what is kept, and from now on keeps what is refused.
    pub fn start(webhooks: Arc<Webhooks>, providers: Vec<Arc<dyn Provider>>, clients: Clients) -> Self {
        let (waiting, handed_over) = mpsc::channel(WAITING);
        let look = Arc::new(Look { webhooks, providers, again: Notify::new() });
        let mut running = JoinSet::new();
        running.spawn(keep(Arc::clone(&look.webhooks.store), handed_over));
        running.spawn(Arc::clone(&look).run());
        Self {
            look,
            clients,
            buckets: Buckets::new(PER_SECOND, BURST),
            senders: RandomState::new(),
            waiting,
            refused: AtomicU64::new(0),
            mentioned_at: AtomicI64::new(0),
            running: Mutex::new(running),
        }
    }

    /// A delivery was refused. Without headers such as the provider sends it is nobody's and only counted.
    pub fn refuse(
        &self,
        provider: &dyn Provider,
        headers: &HeaderMap,
        body: &[u8],
        rejection: Rejection,
        peer: IpAddr,
        now: Millis,
    ) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(provider = provider.name(), %rejection, "a delivery was refused");
        if matches!(rejection, Rejection::Missing | Rejection::Malformed) {
            self.mention(provider, rejection, now);
            return;
        }
        let sender = self.clients.client(peer, headers);
        if self.buckets.admit(sender)
            && let Ok(place) = self.waiting.try_reserve()
        {
            // One that is too old or too new would be so with every other key, too.
            let evidence =
                (rejection == Rejection::Wrong).then(|| self.evidence(provider, headers, body, sender));
            place.send(Refused {
                provider: provider.name(),
                why: rejection.to_string(),
                received_at: now,
                evidence: evidence.flatten(),
            });
        }
    }

    fn mention(&self, provider: &dyn Provider, rejection: Rejection, now: Millis) {
        if now - self.mentioned_at.load(Ordering::Relaxed) >= MENTION {
            self.mentioned_at.store(now, Ordering::Relaxed);
            tracing::warn!(provider = provider.name(), %rejection, "something came that is no delivery of the provider's");
        }
    }

    fn evidence(
        &self,
        provider: &dyn Provider,
        received: &HeaderMap,
        body: &[u8],
        sender: IpAddr,
    ) -> Option<Evidence> {
        let pair = |name: &&str| Some(((*name).to_owned(), received.get(*name)?.to_str().ok()?.to_owned()));
        let headers: Vec<(String, String)> = provider.headers().iter().filter_map(pair).collect();
        let length: usize = headers.iter().map(|(_, value)| value.len()).sum();
        (body.len() <= LONGEST && length <= LONGEST_HEADERS).then(|| Evidence {
            sender: self.senders.hash_one(sender).cast_signed(),
            headers,
            body: body.to_vec(),
            digest: provider.digest(received, body),
        })
    }

    /// A good delivery came after refused ones: maybe those are good now, too.
    pub fn look_again(&self) {
        self.look.again.notify_one();
    }

    /// Requests that were refused since the start, whoever sent them.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Where each provider's refusals stand.
    pub async fn standings(&self) -> Result<Vec<(&'static str, Refusals)>, StoreError> {
        let mut standings = Vec::with_capacity(self.look.providers.len());
        for provider in &self.look.providers {
            standings.push((provider.name(), self.look.webhooks.store.refusals(provider.name()).await?));
        }
        Ok(standings)
    }

    /// What the owner must know: the providers whose deliveries are refused one after the other.
    pub async fn alarms(&self) -> Result<Vec<model::Refused>, StoreError> {
        let standings = self.standings().await?.into_iter();
        let alarms = standings.filter(|(_, refusals)| refusals.in_a_row >= ALARM);
        let shown = alarms.map(|(provider, refusals)| model::Refused {
            provider: provider.to_owned(),
            in_a_row: refusals.in_a_row,
            since: refusals.since,
            why: refusals.why.unwrap_or_default(),
            kept: refusals.kept,
        });
        Ok(shown.collect())
    }

    /// Keeps and looks no more; before the store is closed. What waits to be written is the provider's to send again.
    pub async fn stop(&self) {
        let mut running = std::mem::take(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner));
        running.shutdown().await;
    }
}

/// Writes what is handed over, and says so once when it becomes too much.
async fn keep(store: Arc<dyn Store>, mut handed_over: mpsc::Receiver<Refused>) {
    while broke("the quarantine", write(&store, &mut handed_over)).await {}
}

async fn write(store: &Arc<dyn Store>, handed_over: &mut mpsc::Receiver<Refused>) {
    let mut told: HashMap<&'static str, u64> = HashMap::new();
    let mut refused = Vec::with_capacity(WAITING);
    while handed_over.recv_many(&mut refused, WAITING).await > 0 {
        let providers: BTreeSet<&'static str> = refused.iter().map(|one| one.provider).collect();
        if let Err(error) = store.refuse(std::mem::take(&mut refused)).await {
            tracing::error!(%error, "what was refused could not be kept");
        }
        for provider in providers {
            if let Ok(refusals) = store.refusals(provider).await {
                let before = told.insert(provider, refusals.in_a_row).unwrap_or(0);
                tell(provider, before, &refusals);
            }
        }
        sleep(PACE).await;
    }
}

/// One line when a row of refusals begins, one when it is no accident any more.
fn tell(provider: &str, before: u64, refusals: &Refusals) {
    let Refusals { in_a_row, why, kept, .. } = refusals;
    let before = if before > *in_a_row { 0 } else { before }; // a good one has come between
    if before < ALARM && *in_a_row >= ALARM {
        tracing::error!(
            provider,
            in_a_row,
            why,
            kept,
            "deliveries are refused one after the other: is the webhook's secret the provider's? what is kept is \
             recorded when it is mended; ttr doctor says more"
        );
    } else if before == 0 && *in_a_row > 0 {
        tracing::warn!(provider, why, "a delivery was refused");
    }
}

/// Tries the present keys on what is kept.
struct Look {
    webhooks: Arc<Webhooks>,
    providers: Vec<Arc<dyn Provider>>,
    again: Notify,
}

impl Look {
    /// At the start, and whenever somebody asks; a tenth of the time at most.
    async fn run(self: Arc<Self>) {
        while broke("the quarantine", self.look()).await {}
    }

    async fn look(&self) {
        loop {
            let begun = Instant::now();
            let rest = match self.through_all().await {
                Ok(()) => begun.elapsed() * 9,
                Err(error) => {
                    tracing::error!(%error, "the quarantine could not be looked through");
                    self.again.notify_one();
                    STORE_PAUSE
                }
            };
            sleep(rest).await;
            self.again.notified().await;
        }
    }

    async fn through_all(&self) -> Result<(), StoreError> {
        for provider in &self.providers {
            let taken = self.through(provider.as_ref()).await?;
            if taken > 0 {
                tracing::warn!(
                    provider = provider.name(),
                    taken,
                    "deliveries that had been refused are authentic after all: they are recorded"
                );
            }
        }
        Ok(())
    }

    /// Records what a key of ours signed. The commit takes it out of the quarantine; what it does not get to comes next time.
    async fn through(&self, provider: &dyn Provider) -> Result<u64, StoreError> {
        let (mut taken, mut after) = (0, 0);
        loop {
            let kept = self.webhooks.store.kept(provider.name(), after, PAGE).await?;
            let Some(last) = kept.last() else { return Ok(taken) };
            after = last.place;
            for Kept { headers, body, received_at, .. } in kept {
                // Whether it was signed in time is a question of when it arrived.
                let headers = header_map(headers);
                if let Ok(signed_id) = provider.verify(&headers, &body, received_at) {
                    self.webhooks.record(provider, signed_id, &headers, &body, received_at, now()).await?;
                    taken += 1;
                }
            }
        }
    }
}

fn header_map(pairs: Vec<(String, String)>) -> HeaderMap {
    let header = |(name, value): (String, String)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    };
    pairs.into_iter().filter_map(header).collect()
}
