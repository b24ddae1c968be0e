//! The outbox against a model of what it promises: whatever is delivered, answered, repeated and broken in whatever order, at
//! whatever time by whatever clock, no event that was accepted is ever missing, and each has its effect once.
//!
//! The store, the judge of answers, the gate and the step are the real ones. The other side is played: it remembers what it
//! took under which key, as whoever reads `Idempotency-Key` does, and knows nothing else. `PROPTEST_CASES` for more.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::{Value, json};
use server::domain::commit::Commit;
use server::domain::event::Event;
use server::domain::outbox::events_in;
use server::outbox::aurea::Aurea;
use server::outbox::gate::Gate;
use server::outbox::step;
use server::outbox::verdict::{Reply, Terms, judge};
use server::store::Store;
use server::store::outbox::{Claim, Claimed, OutboxStore};
use server::store::sqlite::SqliteStore;
use tempfile::TempDir;

use crate::support::stored_event;
use crate::upstream::START;

const TERMS: Terms = Terms { what: "Aurea", address: "URL", secret: "KEY", tells_of_events: true };

/// How long a claim lasts.
const CLAIM: i64 = 60_000;

const HOUR: i64 = 3_600_000;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Op {
    /// So many events are accepted in one commit.
    Deliver(usize),
    /// Some that were accepted before come again.
    Duplicate(prop::sample::Index),
    /// The worker claims what the gate lets through.
    Claim,
    /// One of those under way, not the oldest first, is answered.
    Answer(prop::sample::Index, Outcome),
    /// The worker dies; what was under way had arrived or not. The next one gives its claims up.
    Crash(bool),
    /// Everything under way arrives, but its answers come late.
    Hang(Outcome),
    /// One of the late answers comes.
    Late(prop::sample::Index),
    /// The clock moves on, or is set back.
    Clock(i64),
    /// Somebody drives what is parked.
    Drive,
}

/// What the other side makes of a request.
#[derive(Clone, Debug)]
enum Outcome {
    /// Says of each event what became of it: 0 and 1 taken, 2 again, 3 refused.
    Fates(Vec<u8>),
    /// A status, and what it asks for.
    Status(u16, Option<u32>),
    /// The connection breaks before or after everything was taken.
    Lost(bool),
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let statuses = vec![301, 400, 401, 403, 404, 408, 409, 410, 413, 422, 425, 429, 500, 503];
    prop_oneof![
        3 => Just(Outcome::Fates(vec![0])),
        3 => prop::collection::vec(0_u8..4, 1..5).prop_map(Outcome::Fates),
        4 => (prop::sample::select(statuses), prop::option::of(0_u32..100_000))
            .prop_map(|(status, wish)| Outcome::Status(status, wish)),
        2 => any::<bool>().prop_map(Outcome::Lost),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let clock = prop_oneof![0..2000_i64, 0..2 * HOUR, -24 * HOUR..0, Just(31 * 24 * HOUR)];
    prop_oneof![
        4 => (1_usize..5).prop_map(Op::Deliver),
        1 => any::<prop::sample::Index>().prop_map(Op::Duplicate),
        6 => Just(Op::Claim),
        8 => (any::<prop::sample::Index>(), outcome()).prop_map(|(which, outcome)| Op::Answer(which, outcome)),
        1 => any::<bool>().prop_map(Op::Crash),
        1 => outcome().prop_map(Op::Hang),
        2 => any::<prop::sample::Index>().prop_map(Op::Late),
        5 => clock.prop_map(Op::Clock),
        1 => Just(Op::Drive),
    ]
}

/// The other side.
#[derive(Default)]
struct Remote {
    /// Events that it took, by the key under which they came.
    taken: BTreeMap<String, BTreeSet<String>>,
    /// A key is one body for ever.
    bodies: BTreeMap<String, Vec<u8>>,
    /// How often each event had an effect.
    effects: BTreeMap<String, usize>,
}

impl Remote {
    fn answer(&mut self, row: &Claimed, outcome: &Outcome) -> Result<Reply, String> {
        let (key, ids) = (&row.ticket.id, ids(&row.body));
        assert_eq!(self.bodies.entry(key.clone()).or_insert_with(|| row.body.clone()), &row.body);
        let known = self.taken.get(key).cloned().unwrap_or_default();
        let reply = |status, body: Value| Reply { status, body: body.to_string().into(), ..Reply::default() };
        match outcome {
            Outcome::Lost(false) => Err("reset".into()),
            Outcome::Lost(true) => {
                for id in ids {
                    self.take(key, id);
                }
                Err("reset".into())
            }
            Outcome::Fates(fates) => {
                let fate = |(place, id): (usize, String)| {
                    let fate = if known.contains(&id) { 0 } else { fates[place % fates.len()] };
                    if fate < 2 {
                        self.take(key, id);
                    }
                    let word = ["ok", "duplicate", "retry", "dropped"][usize::from(fate)];
                    json!({ "result": word })
                };
                let results: Vec<Value> = ids.into_iter().enumerate().map(fate).collect();
                Ok(reply(200, json!({ "results": results })))
            }
            Outcome::Status(409, _) if known.len() == ids.len() => {
                Ok(reply(409, json!({"error": "already_processed"})))
            }
            // What it knows it does not call bad.
            Outcome::Status(400 | 413 | 422, _) if !known.is_empty() => {
                self.answer(row, &Outcome::Fates(vec![0]))
            }
            Outcome::Status(status, wish) => {
                Ok(Reply { retry_after: wish.map(|wish| wish.to_string()), ..reply(*status, Value::Null) })
            }
        }
    }

    fn take(&mut self, key: &str, id: String) {
        if self.taken.entry(key.to_owned()).or_default().insert(id.clone()) {
            *self.effects.entry(id).or_default() += 1;
        }
    }
}

fn ids(body: &[u8]) -> Vec<String> {
    let id = |event: &Value| event["eventId"].as_str().unwrap().to_owned();
    events_in(body).into_iter().map(|raw| id(&serde_json::from_str(raw.get()).unwrap())).collect()
}

/// A row as it stands in the store.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    body: Vec<u8>,
    due_at: Option<i64>,
    claim_id: Option<String>,
}

type Rows = BTreeMap<String, Row>;

/// Store, worker and other side.
struct World {
    store: SqliteStore,
    looking: Connection,
    accepted: Vec<Event>,
    remote: Remote,
    gate: Gate,
    under_way: Vec<Claimed>,
    late: Vec<(Claimed, Result<Reply, String>)>,
    now: i64,
    claims: usize,
    _folder: TempDir,
}

impl World {
    fn new() -> Self {
        // In memory where that is possible: the disk has tests of its own.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let path = folder.path().join("ttr.db");
        Self {
            store: SqliteStore::open(&path).unwrap(),
            looking: Connection::open(&path).unwrap(),
            accepted: Vec::new(),
            remote: Remote::default(),
            gate: Gate::default(),
            under_way: Vec::new(),
            late: Vec::new(),
            now: START,
            claims: 0,
            _folder: folder,
        }
    }

    fn rows(&self) -> Rows {
        let mut statement =
            self.looking.prepare_cached("SELECT id, body, due_at, claim_id FROM outbox").unwrap();
        let row = |row: &rusqlite::Row<'_>| {
            Ok((row.get(0)?, Row { body: row.get(1)?, due_at: row.get(2)?, claim_id: row.get(3)? }))
        };
        statement.query_map([], row).unwrap().map(Result::unwrap).collect()
    }

    async fn commit(&self, events: Vec<Event>) {
        let forward_to = vec![Aurea::listener()];
        self.store.commit(Commit { events, forward_to, ..Commit::default() }).await.unwrap();
    }

    async fn claim(&mut self) {
        let places = self.gate.free(self.under_way.len(), self.now);
        self.claims += 1;
        let claim = Claim {
            claim_id: format!("c{}", self.claims),
            destination: Aurea::DESTINATION,
            places,
            fresh: 1,
            now: self.now,
            until: self.now + CLAIM,
        };
        for row in self.store.claim(claim).await.unwrap() {
            match self.under_way.iter_mut().find(|known| known.ticket.id == row.ticket.id) {
                Some(known) => known.ticket = row.ticket, // as the lane does: it is not sent twice at a time
                None => self.under_way.push(row),
            }
        }
    }

    /// An answer is heard: judged, and settled by whoever holds the claim and by nobody else.
    async fn hear(&mut self, row: Claimed, reply: Result<Reply, String>) {
        let before = self.rows();
        let holds = before.get(&row.ticket.id).and_then(|row| row.claim_id.as_ref());
        let holds = holds == Some(&row.ticket.claim_id);
        let verdict = judge(&reply, &TERMS, self.now);
        self.gate.hear(&verdict, self.now);
        let step = step::next(&row, verdict, self.now, 0.5);
        let held = self.store.settle(vec![(row.ticket, step)]).await.unwrap();
        assert_eq!(held, [holds]);
        if !holds {
            assert_eq!(self.rows(), before, "whoever comes late changes nothing");
        }
    }

    async fn drive(&mut self) {
        self.gate.ask(self.now);
        while self.store.unpark(Aurea::DESTINATION, self.now, 2).await.unwrap() == 2 {}
        while self.store.hasten(Aurea::DESTINATION, self.now, 2).await.unwrap() == 2 {}
    }

    async fn happens(&mut self, op: Op) {
        match op {
            Op::Deliver(count) => {
                let first = self.accepted.len();
                let event = |number| stored_event("s1", &format!("e{number}"), "page_view", self.now);
                let events: Vec<Event> = (first..first + count).map(event).collect();
                self.accepted.extend(events.clone());
                self.commit(events).await;
            }
            Op::Duplicate(which) if !self.accepted.is_empty() => {
                let event = self.accepted[which.index(self.accepted.len())].clone();
                self.commit(vec![event]).await;
            }
            Op::Claim => self.claim().await,
            Op::Answer(which, outcome) if !self.under_way.is_empty() => {
                let row = self.under_way.remove(which.index(self.under_way.len()));
                let reply = self.remote.answer(&row, &outcome);
                self.hear(row, reply).await;
            }
            Op::Crash(arrived) => {
                for row in std::mem::take(&mut self.under_way) {
                    let _unheard = self.remote.answer(&row, &Outcome::Lost(arrived));
                }
                self.late.clear();
                self.gate = Gate::default();
                self.store.recover(Aurea::DESTINATION, self.now).await.unwrap();
            }
            Op::Hang(outcome) => {
                for row in std::mem::take(&mut self.under_way) {
                    let reply = self.remote.answer(&row, &outcome);
                    self.late.push((row, reply));
                }
            }
            Op::Late(which) if !self.late.is_empty() => {
                let (row, reply) = self.late.remove(which.index(self.late.len()));
                self.hear(row, reply).await;
            }
            Op::Clock(by) => self.now += by,
            Op::Drive => self.drive().await,
            Op::Duplicate(_) | Op::Answer(..) | Op::Late(_) => {} // there is none
        }
    }

    /// Every accepted event waits, is parked, or had its effect; none had two.
    fn nothing_is_missing(&self) {
        let kept: BTreeSet<String> = self.rows().values().flat_map(|row| ids(&row.body)).collect();
        for event in &self.accepted {
            let id = event.event_id.as_str();
            let effects = self.remote.effects.get(id).copied().unwrap_or_default();
            assert!(effects <= 1, "{id} had {effects} effects");
            assert!(effects == 1 || kept.contains(id), "{id} is lost");
        }
    }

    /// From now on the other side takes everything.
    async fn mended(&mut self) {
        self.late.clear();
        for _ in 0..1000 {
            self.drive().await;
            self.claim().await;
            for row in std::mem::take(&mut self.under_way) {
                let reply = self.remote.answer(&row, &Outcome::Fates(vec![0]));
                self.hear(row, reply).await;
            }
            match self.store.next_due(Aurea::DESTINATION).await.unwrap() {
                Some(due) => self.now = self.now.max(due),
                None => return,
            }
        }
    }
}

proptest! {
    #[test]
    fn nothing_accepted_is_missing_or_has_two_effects(ops in prop::collection::vec(op(), 1..50)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for op in ops {
                let parked = |rows: Rows| -> BTreeSet<String> {
                    rows.into_iter().filter(|(_, row)| row.due_at.is_none()).map(|(id, _)| id).collect()
                };
                let (before, driven) = (parked(world.rows()), matches!(op, Op::Drive));
                world.happens(op).await;
                world.nothing_is_missing();
                if !driven {
                    assert!(before.is_subset(&parked(world.rows())), "what is parked stays until it is driven");
                }
            }
            world.mended().await;
            world.nothing_is_missing();
            assert_eq!(world.rows(), Rows::new(), "everything went");
            world.store.close().await;
        });
    }
}
