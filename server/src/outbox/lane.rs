//! The lane to one destination: claims rows that are due, sends each, settles each. Lanes know nothing of each other, so
//! that one destination's trouble is nobody else's.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::Instrument;
use uuid::Uuid;

use super::Carrier;
use super::gate::{FRESH, Gate, Turn};
use super::step;
use super::under_way::{Answered, UnderWay};
use super::verdict::{self, Verdict, judge, lets_us_in, may_be_about_the_body};
use crate::clock::Clock;
use crate::domain::Millis;
use crate::domain::outbox::Destination;
use crate::failpoints;
use crate::store::StoreError;
use crate::store::outbox::{Claim, Claimed, Later, OutboxStore, Step, Ticket};
use crate::supervise::broke;

/// How long a claim lasts: well beyond the longest try, so that a row is not sent twice while somebody is at it.
const CLAIM: Millis = 60 * 1000;

/// A store that does not do its part is asked again after this.
const STORE_PAUSE: Millis = 1000;

/// A clock that goes back by less is as good as right.
const SET_BACK: Millis = 10 * 1000;

/// What is under way when the program stops may take this long; then its claims are released.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// A destination that lets us in says so within this.
const GREETED: Duration = Duration::from_secs(5);

/// Rows that are driven in one write: others wait for the writer meanwhile.
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
}

impl Lane {
    pub(super) fn new(store: Arc<dyn OutboxStore>, carrier: Arc<dyn Carrier>, clock: Arc<dyn Clock>) -> Self {
        let destination = carrier.listener().destination;
        Self { store, carrier, destination, clock, sent: AtomicU64::new(0) }
    }

    /// Works until it is told to stop. What was under way when it broke is sent again under its key.
    pub(super) async fn run(self: Arc<Self>, mut asks: mpsc::Receiver<Ask>, mut stop: watch::Receiver<()>) {
        while broke("the outbox", self.work(&mut asks, &mut stop)).await {}
    }

    async fn work(self: &Arc<Self>, asks: &mut mpsc::Receiver<Ask>, stop: &mut watch::Receiver<()>) {
        let mut news = self.store.news();
        let mut under_way = UnderWay::default();
        let mut waiting: Vec<oneshot::Sender<()>> = Vec::new();
        self.recover().await;
        loop {
            failpoints::reach("outbox.lane");
            news.mark_unchanged();
            let wake = self.send_what_is_due(&mut under_way).await;
            if under_way.is_idle() {
                // Nothing to be sent now, nothing under way: whoever asked may go.
                for done in waiting.drain(..) {
                    let _ = done.send(()); // they may have gone already
                }
            }
            tokio::select! {
                _ = stop.changed() => break,
                Some(joined) = under_way.sends.join_next_with_id() => {
                    let answered = under_way.answered(joined);
                    self.settle(answered, &mut under_way);
                }
                Some(_) = under_way.settles.join_next() => {} // children may be due
                Some(ask) = asks.recv() => {
                    if ask.drive {
                        self.drive(&mut under_way.gate).await;
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
            self.mind_the_clock(now, under_way).await;
            self.give_back(under_way.overdue(now), now).await;
            self.send_ahead(under_way, now);
            let wanted = under_way.wanted(now);
            if wanted == 0 {
                // The end of something under way, or the gate's time, is the next occasion.
                let opens_at = under_way.gate.opens_at().filter(|_| under_way.sends.is_empty());
                return opens_at.unwrap_or(now + CLAIM);
            }
            let claimed = match self.claim(wanted, now).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    tracing::debug!(%error, "the outbox can't be read"); // the store has said so itself
                    return now + STORE_PAUSE;
                }
            };
            let all = claimed.len() < wanted;
            under_way.take(claimed, now);
            self.send_ahead(under_way, now);
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

    /// Sends what is claimed, as far as there are places.
    fn send_ahead(self: &Arc<Self>, under_way: &mut UnderWay, now: Millis) {
        while let Some(row) = under_way.next(now) {
            let ticket = row.ticket.clone();
            let send = under_way.sends.spawn(Arc::clone(self).send(row).in_current_span());
            under_way.remember(send.id(), ticket);
        }
    }

    /// Rows that are not sent after all are due at once.
    async fn give_back(&self, tickets: Vec<Ticket>, now: Millis) {
        let released = tickets.into_iter().map(|ticket| self.store.release(ticket, now));
        for outcome in join_all(released).await {
            if let Err(error) = outcome {
                tracing::error!(%error, "a claim could not be released; it ends by itself");
            }
        }
    }

    /// A clock that was set back would keep everybody waiting for times that it had told of before.
    async fn mind_the_clock(&self, now: Millis, under_way: &mut UnderWay) {
        if now < under_way.latest - SET_BACK {
            tracing::warn!(by = under_way.latest - now, "the clock was set back; what waits is due now");
            self.make_due(&mut under_way.gate, now).await;
            under_way.latest = now;
        }
        under_way.latest = under_way.latest.max(now);
    }

    async fn claim(&self, places: usize, now: Millis) -> Result<Vec<Claimed>, StoreError> {
        let claim_id = Uuid::now_v7().to_string();
        let (destination, until) = (self.destination, now + CLAIM);
        self.store.claim(Claim { claim_id, destination, places, fresh: FRESH, now, until }).await
    }

    /// Sends one row. If that is refused, a greeting tells whether the row is the reason or the destination is.
    async fn send(self: Arc<Self>, row: Claimed) -> Answered {
        let carried = async {
            failpoints::reach("outbox.claimed");
            let reply = self.carrier.carry(&row, self.clock.now()).await;
            let alone = reply.as_ref().is_ok_and(may_be_about_the_body) && self.is_let_in(&row.funnel).await;
            (reply, alone)
        };
        let carried = AssertUnwindSafe(carried).catch_unwind().await;
        let broke = || (Err("the try broke by a fault of this program".to_owned()), false);
        let (reply, alone) = carried.unwrap_or_else(|_| broke());
        failpoints::reach("outbox.before_mark");
        Answered { row, reply, alone }
    }

    /// Whether the destination lets a body in that tells of nothing.
    async fn is_let_in(&self, funnel: &str) -> bool {
        let Some(body) = self.carrier.greeting() else { return false };
        let ticket = Ticket { id: Uuid::now_v7().to_string(), claim_id: String::new() };
        let now = self.clock.now();
        let greeting = Claimed { ticket, funnel: funnel.to_owned(), body, tries: 0, driven_at: now };
        let carried = tokio::time::timeout(GREETED, self.carrier.carry(&greeting, now)).await;
        carried.is_ok_and(|reply| lets_us_in(&reply, self.carrier.terms(), now))
    }

    /// Decides what becomes of rows that were answered, and has it recorded in one write.
    fn settle(self: &Arc<Self>, answered: Vec<Answered>, under_way: &mut UnderWay) {
        let now = self.clock.now();
        let (mut rows, mut works) = (Vec::with_capacity(answered.len()), false);
        for Answered { row, reply, alone } in answered {
            let verdict = match &reply {
                Ok(reply) if alone => verdict::alone(reply),
                reply => judge(reply, self.carrier.terms(), now),
            };
            let turn = under_way.gate.hear(&verdict, now);
            works |= turn == Some(Turn::Works);
            self.log(turn, &verdict, &row.ticket.id);
            let step = step::next(&row, verdict, now, rand::random());
            self.log_parked(&row.ticket.id, &step);
            rows.push((row.ticket, step));
        }
        let lane = Arc::clone(self);
        under_way.settles.spawn(async move {
            lane.record(rows).await;
            if works && let Err(error) = lane.hasten(now).await {
                tracing::debug!(%error, "rows that wait for another try go on waiting");
            }
        });
    }

    async fn record(&self, rows: Vec<(Ticket, Step)>) {
        let gone = rows.iter().filter(|(_, step)| *step == Step::Gone).count();
        match self.store.settle(rows).await {
            Ok(held) => {
                self.sent.fetch_add(gone as u64, Ordering::Relaxed);
                let late = held.iter().filter(|held| !**held).count();
                if late > 0 {
                    tracing::warn!(
                        late,
                        "claims had ended before their rows were settled; they are sent again"
                    );
                }
            }
            Err(error) => {
                tracing::debug!(%error, "what became of rows is not recorded; they are sent again");
            }
        }
    }

    fn log_parked(&self, row: &str, step: &Step) {
        let parked = |row: &str, later: &Later| {
            if later.due_at.is_none() {
                let (host, why) = (self.carrier.host(), &later.why);
                tracing::warn!(host, row, why, "a row is parked: it waits until somebody sends it again");
            }
        };
        match step {
            Step::Gone => {}
            Step::Stays(later) => parked(row, later),
            Step::Children(children) => children.iter().for_each(|child| parked(&child.id, &child.later)),
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
            (_, Verdict::Retry(why, _) | Verdict::Split(why) | Verdict::Pause(why) | Verdict::Alone(why)) => {
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
    async fn drive(&self, gate: &mut Gate) {
        let now = self.clock.now();
        let unparked = async {
            while self.store.unpark(self.destination, now, DRIVEN).await? == DRIVEN {}
            Ok::<_, StoreError>(())
        };
        if let Err(error) = unparked.await {
            tracing::error!(%error, "not all parked rows could be driven");
        }
        self.make_due(gate, now).await;
    }

    /// What waits for another try is due now, and may be tried.
    async fn make_due(&self, gate: &mut Gate, now: Millis) {
        gate.ask(now);
        if let Err(error) = self.hasten(now).await {
            tracing::debug!(%error, "rows that wait for another try go on waiting");
        }
    }

    async fn hasten(&self, now: Millis) -> Result<(), StoreError> {
        while self.store.hasten(self.destination, now, DRIVEN).await? == DRIVEN {}
        Ok(())
    }

    /// No new claims; what is under way may end, what does not is released.
    async fn wind_down(self: &Arc<Self>, mut under_way: UnderWay) {
        let ends = async {
            while let Some(joined) = under_way.sends.join_next_with_id().await {
                let answered = under_way.answered(joined);
                self.settle(answered, &mut under_way);
            }
        };
        let _ = tokio::time::timeout(STOP_PATIENCE, ends).await; // what is left is released
        under_way.sends.shutdown().await;
        while under_way.settles.join_next().await.is_some() {}
        self.give_back(under_way.into_tickets().collect(), self.clock.now()).await;
    }
}
