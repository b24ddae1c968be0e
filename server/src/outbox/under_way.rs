//! What a lane is at: rows that are being sent, and rows that were claimed ahead, so that a place that becomes free need not
//! wait for the store.

use std::collections::{HashMap, VecDeque};

use tokio::task::{Id, JoinError, JoinSet};

use super::gate::{FRESH, Gate};
use super::verdict::Reply;
use crate::domain::Millis;
use crate::store::outbox::{Claimed, Ticket};

/// A row that was claimed ahead goes out within this time or is given back: its claim must outlast its try.
const AHEAD: Millis = 20 * 1000;

/// A row, and what came back for it.
pub(super) struct Answered {
    pub(super) row: Claimed,
    pub(super) reply: Result<Reply, String>,
    /// Whether the destination, which refused it, takes others.
    pub(super) alone: bool,
}

/// What is under way, and how much may be.
#[derive(Default)]
pub(super) struct UnderWay {
    pub(super) gate: Gate,
    /// Claimed at that time, and not sent yet. As many as there are places, at most.
    ahead: VecDeque<(Millis, Claimed)>,
    pub(super) sends: JoinSet<Answered>,
    /// Of the sends.
    tickets: HashMap<Id, Ticket>,
    /// An answered row holds no place any more while it is written what became of it.
    pub(super) settles: JoinSet<()>,
    /// The latest time that was seen.
    pub(super) latest: Millis,
}

/// A send that has ended, or broke.
pub(super) type Joined = Result<(Id, Answered), JoinError>;

impl UnderWay {
    /// Whether nothing is being sent, waits to be, or is being written down.
    pub(super) fn is_idle(&self) -> bool {
        self.sends.is_empty() && self.ahead.is_empty() && self.settles.is_empty()
    }

    /// How many rows may be claimed now: one for each free place, and as many ahead.
    pub(super) fn wanted(&self, now: Millis) -> usize {
        let free = self.gate.free(self.sends.len(), now);
        if self.gate.is_shut() { free } else { (free + self.gate.places()).saturating_sub(self.ahead.len()) }
    }

    /// Takes in what was claimed: the newest go before what is here already. A claim that ended before its row was sent, as
    /// when a clock is set, is had again: the row is not sent twice at a time.
    pub(super) fn take(&mut self, claimed: Vec<Claimed>, now: Millis) {
        let newest = claimed.len().min(FRESH);
        let mut place = 0;
        for (nth, row) in claimed.into_iter().enumerate() {
            if self.renew(&row.ticket, now) {
                continue;
            }
            if nth < newest {
                self.ahead.insert(place, (now, row));
                place += 1;
            } else {
                self.ahead.push_back((now, row));
            }
        }
    }

    fn renew(&mut self, ticket: &Ticket, now: Millis) -> bool {
        let sent = self.tickets.values_mut().find(|known| known.id == ticket.id);
        if let Some(known) = sent {
            *known = ticket.clone();
            return true;
        }
        let waits = self.ahead.iter_mut().find(|(_, row)| row.ticket.id == ticket.id);
        waits.map(|(at, row)| (*at, row.ticket) = (now, ticket.clone())).is_some()
    }

    /// The next row that may be sent now.
    pub(super) fn next(&mut self, now: Millis) -> Option<Claimed> {
        if self.gate.free(self.sends.len(), now) == 0 {
            return None;
        }
        self.ahead.pop_front().map(|(_, row)| row)
    }

    /// Remembers the ticket of a send.
    pub(super) fn remember(&mut self, id: Id, ticket: Ticket) {
        self.tickets.insert(id, ticket);
    }

    /// Rows that were claimed ahead and can't be sent soon.
    pub(super) fn overdue(&mut self, now: Millis) -> Vec<Ticket> {
        let all = if self.gate.is_shut() { 0 } else { self.gate.places() };
        let surplus = self.ahead.split_off(all.min(self.ahead.len()));
        let (kept, late): (VecDeque<_>, VecDeque<_>) =
            self.ahead.drain(..).partition(|(at, _)| (*at..*at + AHEAD).contains(&now));
        self.ahead = kept;
        late.into_iter().chain(surplus).map(|(_, row)| row.ticket).collect()
    }

    /// This send and all others that have ended by now.
    pub(super) fn answered(&mut self, joined: Joined) -> Vec<Answered> {
        let mut answered = Vec::new();
        let mut next = Some(joined);
        while let Some(joined) = next {
            answered.extend(self.ended(joined));
            next = self.sends.try_join_next_with_id();
        }
        answered
    }

    fn ended(&mut self, joined: Joined) -> Option<Answered> {
        match joined {
            Ok((id, mut answered)) => {
                answered.row.ticket = self.tickets.remove(&id)?;
                Some(answered)
            }
            Err(error) => {
                tracing::error!(%error, "a send broke; its row is tried again when the claim ends");
                self.tickets.remove(&error.id());
                None
            }
        }
    }

    /// Every claim that is still held, at the end.
    pub(super) fn into_tickets(self) -> impl Iterator<Item = Ticket> {
        let ahead = self.ahead.into_iter().map(|(_, row)| row.ticket);
        self.tickets.into_values().chain(ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::super::gate::PLACES;
    use super::super::verdict::{Ease, Verdict};
    use super::*;

    fn row(id: usize, claim_id: &str) -> Claimed {
        Claimed {
            ticket: Ticket { id: id.to_string(), claim_id: claim_id.into() },
            funnel: "ttr".into(),
            body: Vec::new(),
            tries: 0,
            driven_at: 0,
        }
    }

    fn rows(ids: std::ops::Range<usize>) -> Vec<Claimed> {
        ids.map(|id| row(id, "a")).collect()
    }

    /// Sends that never end.
    fn send_all(under_way: &mut UnderWay, now: Millis) -> Vec<String> {
        let mut sent = Vec::new();
        while let Some(row) = under_way.next(now) {
            sent.push(row.ticket.id.clone());
            let handle = under_way.sends.spawn(std::future::pending());
            under_way.remember(handle.id(), row.ticket);
        }
        sent
    }

    fn ids(tickets: &[Ticket]) -> Vec<&str> {
        tickets.iter().map(|ticket| ticket.id.as_str()).collect()
    }

    #[tokio::test]
    async fn as_many_rows_are_claimed_ahead_as_there_are_places() {
        let mut under_way = UnderWay::default();
        assert_eq!(under_way.wanted(0), 2 * PLACES);
        under_way.take(rows(0..2 * PLACES), 0);
        assert_eq!(under_way.wanted(0), 0);
        assert_eq!(send_all(&mut under_way, 0).len(), PLACES);
        assert_eq!(under_way.wanted(0), 0);
        assert!(under_way.overdue(0).is_empty());
    }

    #[tokio::test]
    async fn the_newest_of_a_claim_go_before_what_was_claimed_earlier() {
        let mut under_way = UnderWay::default();
        under_way.take(rows(0..2 * PLACES - 1), 0);
        send_all(&mut under_way, 0);
        under_way.take(rows(900..901), 1);
        under_way.sends.abort_all();
        while under_way.sends.join_next().await.is_some() {}
        assert_eq!(send_all(&mut under_way, 1)[..2], ["900".to_owned(), PLACES.to_string()]);
    }

    #[tokio::test]
    async fn what_waits_too_long_for_its_place_is_given_back() {
        let mut under_way = UnderWay::default();
        under_way.take(rows(0..PLACES + 2), 0);
        send_all(&mut under_way, 0);
        under_way.take(vec![row(PLACES, "b")], AHEAD); // its claim was had again
        assert_eq!(ids(&under_way.overdue(AHEAD)), [(PLACES + 1).to_string()]);
        assert_eq!(ids(&under_way.overdue(-1)), [PLACES.to_string()], "a clock that was set back");
    }

    #[tokio::test]
    async fn nothing_is_held_for_a_destination_that_is_in_trouble() {
        let mut under_way = UnderWay::default();
        under_way.take(rows(0..2 * PLACES), 0);
        send_all(&mut under_way, 0);
        under_way.gate.hear(&Verdict::Retry("429".into(), Ease::Fewer), 0);
        assert_eq!(under_way.overdue(0).len(), PLACES / 2, "fewer places, fewer rows");
        under_way.gate.hear(&Verdict::Retry("503".into(), Ease::Silence(1000)), 0);
        assert_eq!(under_way.overdue(0).len(), PLACES / 2);
        assert_eq!((under_way.wanted(0), under_way.wanted(1000)), (0, 0), "those under way end first");
    }

    #[tokio::test]
    async fn a_row_whose_claim_ended_early_is_not_sent_twice_at_a_time() {
        let mut under_way = UnderWay::default();
        under_way.take(rows(0..1), 0);
        under_way.take(vec![row(0, "b")], 5);
        assert_eq!(send_all(&mut under_way, 5), ["0"]);
        under_way.take(vec![row(0, "c")], 9);
        assert!(send_all(&mut under_way, 9).is_empty());
        assert_eq!(under_way.into_tickets().collect::<Vec<_>>(), [row(0, "c").ticket]);
    }
}
