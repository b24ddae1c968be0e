//! The lane to one destination: claims rows that are due, sends each, settles each. Lanes know nothing of each other, so
//! that one destination's trouble is nobody else's.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{Id, JoinSet};
use tracing::Instrument;
use uuid::Uuid;

use super::Carrier;
use super::gate::{FRESH, Gate, Turn};
use super::step::{self, Step};
use super::verdict::{Verdict, judge};
use crate::clock::Clock;
use crate::domain::Millis;
use crate::domain::outbox::Destination;
use crate::failpoints;
use crate::store::StoreError;
use crate::store::outbox::{Claim, Claimed, Later, OutboxStore, Ticket};
use crate::supervise::broke;

/// How long a claim lasts: well beyond the longest try, so that a row is not sent twice while somebody is at it.
const CLAIM: Millis = 60 * 1000;

/// A store that does not do its part is asked again after this.
const STORE_PAUSE: Millis = 1000;

/// What is under way when the program stops may take this long; then its claims are released.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Parked rows that are driven in one write.
const DRIVEN: usize = 1000;

/// Somebody wants to know when there is nothing more to send for now.
pub(super) struct Ask {
    /// Whether what is parked or waits for another try is to be sent too.
    pub(super) drive: bool,
    /// Told when it is done.
    pub(super) done: oneshot::Sender<()>,
}

/// The lane to one destination.
pub(super) struct Lane {
    pub(super) store: Arc<dyn OutboxStore>,
    pub(super) carrier: Arc<dyn Carrier>,
    pub(super) destination: Destination,
    pub(super) clock: Arc<dyn Clock>,
    /// Rows sent since the start.
    pub(super) sent: AtomicU64,
    gate: Mutex<Gate>,
}

/// What is under way.
struct UnderWay {
    sends: JoinSet<()>,
    tickets: HashMap<Id, Ticket>,
}

impl UnderWay {
    fn ended(&mut self, joined: Result<(Id, ()), tokio::task::JoinError>) {
        let id = match joined {
            Ok((id, ())) => id,
            Err(error) => {
                tracing::error!(%error, "a send broke; its row is tried again when the claim ends");
                error.id()
            }
        };
        self.tickets.remove(&id);
    }
}

impl Lane {
    pub(super) fn new(store: Arc<dyn OutboxStore>, carrier: Arc<dyn Carrier>, clock: Arc<dyn Clock>) -> Self {
        let destination = carrier.listener().destination;
        Self { store, carrier, destination, clock, sent: AtomicU64::new(0), gate: Mutex::default() }
    }

    /// Works until it is told to stop. What was under way when it broke is sent again under its key.
    pub(super) async fn run(self: Arc<Self>, mut asks: mpsc::Receiver<Ask>, mut stop: watch::Receiver<()>) {
        while broke("the outbox", self.work(&mut asks, &mut stop)).await {}
    }

    async fn work(self: &Arc<Self>, asks: &mut mpsc::Receiver<Ask>, stop: &mut watch::Receiver<()>) {
        let mut news = self.store.news();
        let mut under_way = UnderWay { sends: JoinSet::new(), tickets: HashMap::new() };
        let mut waiting: Vec<oneshot::Sender<()>> = Vec::new();
        self.recover().await;
        loop {
            failpoints::reach("outbox.lane");
            news.mark_unchanged();
            let wake = self.send_what_is_due(&mut under_way).await;
            if under_way.sends.is_empty() {
                // Nothing to be sent now, nothing under way: whoever asked may go.
                for done in waiting.drain(..) {
                    let _ = done.send(()); // they may have gone already
                }
            }
            tokio::select! {
                _ = stop.changed() => break,
                Some(joined) = under_way.sends.join_next_with_id() => {
                    under_way.ended(joined);
                    while let Some(joined) = under_way.sends.try_join_next_with_id() {
                        under_way.ended(joined);
                    }
                }
                Some(ask) = asks.recv() => {
                    if ask.drive {
                        self.drive().await;
                    }
                    waiting.push(ask.done);
                }
                Ok(()) = news.changed() => {}
                () = self.clock.until(wake) => {}
            }
        }
        self.wind_down(under_way).await;
    }

    /// Claims and sends whatever may be sent now; gives the time when there may be more.
    async fn send_what_is_due(self: &Arc<Self>, under_way: &mut UnderWay) -> Millis {
        loop {
            let now = self.clock.now();
            let free = self.gate().free(under_way.sends.len(), now);
            if free == 0 {
                // The end of something under way, or the gate's time, is the next occasion.
                let opens_at = self.gate().opens_at().filter(|_| under_way.sends.is_empty());
                return opens_at.unwrap_or(now + CLAIM);
            }
            let claimed = match self.claim(free, now).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    tracing::debug!(%error, "the outbox can't be read"); // the store has said so itself
                    return now + STORE_PAUSE;
                }
            };
            let all = claimed.len() < free;
            for row in claimed {
                let ticket = row.ticket.clone();
                let send = under_way.sends.spawn(Arc::clone(self).send(row).in_current_span());
                under_way.tickets.insert(send.id(), ticket);
            }
            if all {
                let next = self.store.next_due(self.destination).await;
                // What became due since the claim is seen here; what is written later is news.
                match next {
                    Ok(Some(due)) if due <= self.clock.now() => {}
                    Ok(next) => return next.unwrap_or(now + CLAIM),
                    Err(_) => return now + STORE_PAUSE,
                }
            }
        }
    }

    async fn claim(&self, places: usize, now: Millis) -> Result<Vec<Claimed>, StoreError> {
        let claim_id = Uuid::now_v7().to_string();
        let until = now + CLAIM;
        let destination = self.destination;
        self.store.claim(Claim { claim_id, destination, places, fresh: FRESH, now, until }).await
    }

    /// Sends one row and settles it.
    async fn send(self: Arc<Self>, row: Claimed) {
        let carried = async {
            failpoints::reach("outbox.claimed");
            self.carrier.carry(&row, self.clock.now()).await
        };
        let carried = AssertUnwindSafe(carried).catch_unwind().await;
        let reply = carried.unwrap_or_else(|_| Err("the try broke by a fault of this program".to_owned()));
        failpoints::reach("outbox.before_mark");
        let now = self.clock.now();
        let verdict = judge(&reply, self.carrier.terms(), now);
        let turn = self.gate().hear(&verdict, now);
        let id = row.ticket.id.clone();
        self.log(turn, &verdict, &id);
        match self.settle(row, verdict, now).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!(row = id, "a claim had ended before its row was settled; it is sent again");
            }
            Err(error) => {
                tracing::debug!(row = id, %error, "what became of a row is not recorded; it is sent again");
            }
        }
        if turn == Some(Turn::Works)
            && let Err(error) = self.store.hasten(self.destination, now).await
        {
            tracing::debug!(%error, "rows that wait for another try go on waiting");
        }
    }

    /// Records what becomes of a row. False if the claim is no longer held.
    async fn settle(&self, row: Claimed, verdict: Verdict, now: Millis) -> Result<bool, StoreError> {
        match step::next(&row, verdict, now, rand::random()) {
            Step::Gone => {
                let held = self.store.sent(row.ticket).await?;
                self.sent.fetch_add(1, Ordering::Relaxed);
                Ok(held)
            }
            Step::Stays(later) => {
                self.log_if_parked(&row.ticket.id, &later);
                self.store.put_back(row.ticket, later).await
            }
            Step::Children(children) => {
                for child in &children {
                    self.log_if_parked(&child.id, &child.later);
                }
                self.store.replace(row.ticket, children).await
            }
        }
    }

    fn log_if_parked(&self, row: &str, later: &Later) {
        if later.due_at.is_none() {
            let (host, why) = (self.carrier.host(), &later.why);
            tracing::warn!(host, row, why, "a row is parked: it waits until somebody sends it again");
        }
    }

    /// One line when it begins to fail, one when it works again.
    fn log(&self, turn: Option<Turn>, verdict: &Verdict, row: &str) {
        let host = self.carrier.host();
        match (turn, verdict) {
            (Some(Turn::Fails), Verdict::Retry(why, _) | Verdict::Pause(why)) => {
                tracing::warn!(host, row, why, "forwarding fails; everything is kept and sent later");
            }
            (Some(Turn::Works), _) => tracing::info!(host, "forwarding works again"),
            (_, Verdict::Retry(why, _) | Verdict::Split(why) | Verdict::Pause(why)) => {
                tracing::debug!(host, row, why, "not sent");
            }
            _ => {}
        }
    }

    async fn recover(&self) {
        match self.store.recover(self.destination, self.clock.now()).await {
            Ok(0) => {}
            Ok(rows) => {
                tracing::info!(rows, "rows that were under way when the program ended are sent again");
            }
            Err(error) => tracing::error!(%error, "rows that were under way wait for their claims' end"),
        }
    }

    /// Everything that is parked or waits for another try is due now, whatever the gate thinks.
    async fn drive(&self) {
        let (destination, now) = (self.destination, self.clock.now());
        self.gate().ask(now);
        let driven = async {
            while self.store.unpark(destination, now, DRIVEN).await? == DRIVEN {}
            self.store.hasten(destination, now).await
        };
        if let Err(error) = driven.await {
            tracing::error!(%error, "not all rows could be driven");
        }
    }

    /// No new claims; what is under way may end, what does not is released.
    async fn wind_down(&self, mut under_way: UnderWay) {
        let ends = async {
            while let Some(joined) = under_way.sends.join_next_with_id().await {
                under_way.ended(joined);
            }
        };
        let _ = tokio::time::timeout(STOP_PATIENCE, ends).await; // what is left is released
        under_way.sends.shutdown().await;
        for ticket in under_way.tickets.into_values() {
            if let Err(error) = self.store.release(ticket, self.clock.now()).await {
                tracing::error!(%error, "a claim could not be released; it ends by itself");
            }
        }
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
