//! The outbox's rows in SQLite. A claimed row's `due_at` is the claim's end, so that a claim that nobody ended is simply
//! due again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::watch;

use super::{SqliteStore, again};
use crate::domain::Millis;
use crate::domain::event::Event;
use crate::domain::outbox::{self, Destination, Listener};
use crate::store::StoreError;
use crate::store::outbox::{
    Again, Child, Claim, Claimed, Later, OutboxFigures, OutboxStore, Parked, Step, Ticket,
};

type Result<T> = std::result::Result<T, rusqlite::Error>;

/// Writes the rows that tell `listeners` of these events; called by the commit that found them new. They wait from `at` on:
/// what they tell of may have been received long before, and has its own time.
pub(super) fn insert<'a>(
    connection: &Connection,
    listeners: &[Listener],
    events: impl Iterator<Item = &'a Event> + Clone,
    at: Millis,
) -> Result<()> {
    for listener in listeners {
        for row in outbox::rows(listener, events.clone()) {
            write(connection, &row, at.max(row.received_at))?;
        }
    }
    Ok(())
}

/// Writes a row that is due at once, if there is none of its id; how many were written.
pub(super) fn write(connection: &Connection, row: &outbox::Row, at: Millis) -> Result<usize> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO outbox (id, destination, funnel, body, created_at, driven_at, due_at, tries)
         VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?5, 0) ON CONFLICT DO NOTHING",
    )?;
    statement.execute(params![row.id, row.destination.0, row.funnel.as_str(), row.body, at])
}

/// The newest that were never tried. The index is named because without statistics SQLite would sort all that is due.
const FRESH: &str = "UPDATE outbox SET claim_id = ?1, due_at = ?2 WHERE seq IN
    (SELECT seq FROM outbox INDEXED BY outbox_waiting WHERE destination = ?3 AND (tries > 0) = 0 AND due_at <= ?4
     ORDER BY seq DESC LIMIT ?5)
    RETURNING id, claim_id, funnel, body, tries, driven_at";

/// Whatever is due longest.
const DUE: &str = "UPDATE outbox SET claim_id = ?1, due_at = ?2 WHERE seq IN
    (SELECT seq FROM outbox INDEXED BY outbox_due WHERE destination = ?3 AND due_at <= ?4 ORDER BY due_at LIMIT ?5)
    RETURNING id, claim_id, funnel, body, tries, driven_at";

/// The newest that were never tried first.
fn claim(connection: &Connection, claim: &Claim) -> Result<Vec<Claimed>> {
    let mut claimed = Vec::with_capacity(claim.places);
    for (sql, places) in [(FRESH, claim.fresh.min(claim.places)), (DUE, claim.places)] {
        let places = i64::try_from(places - claimed.len().min(places)).unwrap_or(i64::MAX);
        let mut statement = connection.prepare_cached(sql)?;
        let row = params![claim.claim_id, claim.until, claim.destination.0, claim.now, places];
        for row in statement.query_map(row, claimed_of)? {
            claimed.push(row?);
        }
    }
    Ok(claimed)
}

fn claimed_of(row: &Row<'_>) -> Result<Claimed> {
    Ok(Claimed {
        ticket: Ticket { id: row.get(0)?, claim_id: row.get(1)? },
        funnel: row.get(2)?,
        body: row.get(3)?,
        tries: row.get(4)?,
        driven_at: row.get(5)?,
    })
}

fn settle(connection: &Connection, ticket: &Ticket, step: &Step) -> Result<bool> {
    match step {
        Step::Gone => sent(connection, ticket),
        Step::Stays(later) => put_back(connection, ticket, later),
        Step::Children(children) => replace(connection, ticket, children),
    }
}

fn sent(connection: &Connection, ticket: &Ticket) -> Result<bool> {
    let mut statement = connection.prepare_cached("DELETE FROM outbox WHERE id = ?1 AND claim_id = ?2")?;
    Ok(statement.execute(params![ticket.id, ticket.claim_id])? == 1)
}

fn put_back(connection: &Connection, ticket: &Ticket, later: &Later) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "UPDATE outbox SET claim_id = NULL, due_at = ?3, tries = ?4, last_error = ?5, tried_at = ?6
         WHERE id = ?1 AND claim_id = ?2",
    )?;
    let row = params![ticket.id, ticket.claim_id, later.due_at, later.tries, later.why, later.tried_at];
    Ok(statement.execute(row)? == 1)
}

fn replace(connection: &Connection, ticket: &Ticket, children: &[Child]) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO outbox (id, destination, funnel, body, created_at, driven_at, due_at, tries, last_error, tried_at)
         SELECT ?3, destination, funnel, ?4, created_at, driven_at, ?5, ?6, ?7, ?8
         FROM outbox WHERE id = ?1 AND claim_id = ?2
         ON CONFLICT DO NOTHING",
    )?;
    for Child { id, body, later } in children {
        let (due_at, tries) = (later.due_at, later.tries);
        statement.execute(params![
            ticket.id,
            ticket.claim_id,
            id,
            body,
            due_at,
            tries,
            later.why,
            later.tried_at
        ])?;
    }
    sent(connection, ticket)
}

fn release(connection: &Connection, ticket: &Ticket, now: Millis) -> Result<bool> {
    let mut statement = connection
        .prepare_cached("UPDATE outbox SET claim_id = NULL, due_at = ?3 WHERE id = ?1 AND claim_id = ?2")?;
    Ok(statement.execute(params![ticket.id, ticket.claim_id, now])? == 1)
}

fn hasten(connection: &Connection, destination: Destination, now: Millis, limit: usize) -> Result<usize> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "UPDATE outbox SET due_at = ?2 WHERE seq IN
             (SELECT seq FROM outbox WHERE destination = ?1 AND due_at > ?2 AND claim_id IS NULL LIMIT ?3)",
        )?
        .execute(params![destination.0, now, limit])
}

fn unpark(connection: &Connection, destination: Destination, now: Millis, limit: usize) -> Result<usize> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "UPDATE outbox SET due_at = ?2, driven_at = ?2, tries = 0 WHERE seq IN
             (SELECT seq FROM outbox WHERE destination = ?1 AND due_at IS NULL ORDER BY seq LIMIT ?3)",
        )?
        .execute(params![destination.0, now, limit])
}

/// Rows to be sent, and rows that wait to be driven by hand. Each kind has its indexes, which hold no others.
const WAITING: &str = "due_at IS NOT NULL";
const PARKED: &str = "due_at IS NULL";

/// The destinations that have rows of a kind, a step for each: the indexes begin with the destination.
fn names(kind: &str) -> String {
    format!(
        "WITH RECURSIVE known (name) AS (
           SELECT ''
           UNION ALL
           SELECT (SELECT min(destination) FROM outbox WHERE {kind} AND destination > known.name)
           FROM known WHERE known.name IS NOT NULL)
         SELECT name FROM known WHERE name > ''"
    )
}

fn count(kind: &str) -> String {
    format!("SELECT count(*) FROM outbox WHERE destination = ?1 AND {kind}")
}

/// In the order in which they were written, so that the first will do.
fn oldest(kind: &str) -> String {
    format!("SELECT created_at FROM outbox WHERE destination = ?1 AND {kind} ORDER BY seq LIMIT 1")
}

/// The kinds of waiting rows among which the oldest is looked for, each in the order of one index.
const UNTRIED: &str = "due_at IS NOT NULL AND (tries > 0) = 0";
const TRIED: &str = "due_at IS NOT NULL AND (tries > 0) = 1";

const LAST_ERROR: &str = "SELECT last_error FROM outbox WHERE destination = ?1 AND last_error IS NOT NULL
    ORDER BY tried_at DESC LIMIT 1";

/// Of every destination that has rows.
pub(super) fn all_figures(connection: &Connection) -> Result<BTreeMap<String, OutboxFigures>> {
    let mut all = BTreeMap::new();
    for name in destinations(connection)? {
        let count = |kind| one::<i64>(connection, &count(kind), &name);
        let [waiting, parked] =
            [count(WAITING)?, count(PARKED)?].map(|rows| rows.unwrap_or(0).unsigned_abs());
        let figures = OutboxFigures { waiting, parked, ..without_counts(connection, &name)? };
        all.insert(name, figures);
    }
    Ok(all)
}

fn destinations(connection: &Connection) -> Result<BTreeSet<String>> {
    let mut destinations = BTreeSet::new();
    for kind in [WAITING, PARKED] {
        let mut statement = connection.prepare_cached(&names(kind))?;
        for name in statement.query_map([], |row| row.get(0))? {
            destinations.insert(name?);
        }
    }
    Ok(destinations)
}

/// What costs the same however many rows there are.
fn without_counts(connection: &Connection, destination: &str) -> Result<OutboxFigures> {
    let oldest = |kind| one::<Millis>(connection, &oldest(kind), destination);
    let earliest = |ages: [Option<Millis>; 2]| ages.into_iter().flatten().min();
    let waiting_since = earliest([oldest(UNTRIED)?, oldest(TRIED)?]);
    Ok(OutboxFigures {
        oldest_at: earliest([waiting_since, oldest(PARKED)?]),
        waiting_since,
        last_error: one(connection, LAST_ERROR, destination)?,
        ..OutboxFigures::default()
    })
}

fn one<T: FromSql>(connection: &Connection, sql: &str, destination: &str) -> Result<Option<T>> {
    connection.prepare_cached(sql)?.query_row([destination], |row| row.get(0)).optional()
}

fn parked(connection: &Connection, destination: &str, limit: usize) -> Result<Vec<Parked>> {
    let mut statement = connection.prepare_cached(
        "SELECT funnel, body, created_at, coalesce(last_error, '') FROM outbox
         WHERE destination = ?1 AND due_at IS NULL ORDER BY seq DESC LIMIT ?2",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let parked = |row: &Row<'_>| {
        Ok(Parked { funnel: row.get(0)?, body: row.get(1)?, created_at: row.get(2)?, why: row.get(3)? })
    };
    statement.query_map(params![destination, limit], parked)?.collect()
}

#[async_trait]
impl OutboxStore for SqliteStore {
    fn news(&self) -> watch::Receiver<()> {
        self.outbox_news.subscribe()
    }

    async fn claim(&self, wanted: Claim) -> std::result::Result<Vec<Claimed>, StoreError> {
        self.writer.write(move |connection| claim(connection, &wanted)).await
    }

    async fn settle(&self, rows: Vec<(Ticket, Step)>) -> std::result::Result<Vec<bool>, StoreError> {
        let settle = move |connection: &Connection| {
            rows.iter().map(|(ticket, step)| settle(connection, ticket, step)).collect()
        };
        self.writer.write(settle).await
    }

    async fn release(&self, ticket: Ticket, now: Millis) -> std::result::Result<bool, StoreError> {
        self.writer.write(move |connection| release(connection, &ticket, now)).await
    }

    async fn send_again(
        &self,
        listeners: Vec<Listener>,
        events: Vec<Event>,
        now: Millis,
    ) -> std::result::Result<Again, StoreError> {
        let mut all = Again::default();
        let events = Arc::new(events);
        for listener in listeners {
            let (destination, known) = (listener.destination, Arc::clone(&events));
            // Read aside: going through a backlog would hold up the writer.
            let there = self.readers.read(move |reader| again::there(reader, destination, &known)).await?;
            let events = Arc::clone(&events);
            let send =
                move |connection: &Connection| again::send(connection, &listener, &events, &there, now);
            let Again { new, woken, waiting } = self.writer.write(send).await?;
            (all.new, all.woken, all.waiting) = (all.new + new, all.woken + woken, all.waiting + waiting);
        }
        self.outbox_news.send_replace(());
        Ok(all)
    }

    /// One program owns the file: whoever held a claim before it started is gone.
    async fn recover(&self, destination: Destination, now: Millis) -> std::result::Result<usize, StoreError> {
        let sql =
            "UPDATE outbox SET claim_id = NULL, due_at = ?2 WHERE destination = ?1 AND claim_id IS NOT NULL";
        self.writer.write(move |connection| connection.execute(sql, params![destination.0, now])).await
    }

    async fn hasten(
        &self,
        destination: Destination,
        now: Millis,
        limit: usize,
    ) -> std::result::Result<usize, StoreError> {
        self.writer.write(move |connection| hasten(connection, destination, now, limit)).await
    }

    async fn unpark(
        &self,
        destination: Destination,
        now: Millis,
        limit: usize,
    ) -> std::result::Result<usize, StoreError> {
        self.writer.write(move |connection| unpark(connection, destination, now, limit)).await
    }

    async fn next_due(&self, destination: Destination) -> std::result::Result<Option<Millis>, StoreError> {
        let sql = "SELECT min(due_at) FROM outbox WHERE destination = ?1 AND due_at IS NOT NULL";
        self.readers
            .read(move |reader| reader.prepare_cached(sql)?.query_row([destination.0], |row| row.get(0)))
            .await
    }

    async fn outbox_figures(&self) -> std::result::Result<BTreeMap<String, OutboxFigures>, StoreError> {
        self.readers.read(all_figures).await
    }

    async fn parked(&self, destination: &str, limit: usize) -> std::result::Result<Vec<Parked>, StoreError> {
        let destination = destination.to_owned();
        self.readers.read(move |reader| parked(reader, &destination, limit)).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::store::sqlite::migrations;
    use crate::store::sqlite::plan::plan;

    fn migrated() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        migrations().to_latest(&mut connection).unwrap();
        connection
    }

    #[test]
    fn a_claim_does_not_sort_all_that_waits() {
        let connection = migrated();
        for (sql, index) in [(FRESH, "outbox_waiting"), (DUE, "outbox_due")] {
            let plan = plan(&connection, sql);
            assert!(plan.iter().any(|step| step.contains(index)), "{plan:?}");
            assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}");
        }
    }

    #[test]
    fn the_figures_go_through_no_row_that_they_do_not_count() {
        let connection = migrated();
        let asked = [
            [WAITING, PARKED].map(names).to_vec(),
            [WAITING, PARKED].map(count).to_vec(),
            [UNTRIED, TRIED, PARKED].map(oldest).to_vec(),
            vec![LAST_ERROR.to_owned()],
        ];
        for sql in asked.concat() {
            let plan = plan(&connection, &sql);
            assert!(!plan.iter().any(|step| step.starts_with("SCAN outbox")), "{sql}: {plan:?}");
            assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{sql}: {plan:?}");
            let counts = sql.contains("count(*)");
            assert!(!counts || plan[0].contains("COVERING INDEX"), "{sql}: {plan:?}");
        }
    }

    /// Steps of SQLite's machine for all but the counts, with so many rows of each kind, the other destination's last.
    fn steps(rows: usize) -> u64 {
        let connection = migrated();
        for (destination, due_at, tries) in [
            ("aurea", None, 1),
            ("aurea", Some(5), 1),
            ("aurea", Some(5), 0),
            ("webhooks", None, 1),
            ("webhooks", Some(5), 0),
        ] {
            let write = "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?4)
                INSERT INTO outbox (id, destination, funnel, body, created_at, driven_at, due_at, tries, tried_at, last_error)
                SELECT hex(randomblob(16)), ?1, 'ttr', zeroblob(500), n, n, ?2, ?3, n, iif(?3 > 0, 'away', NULL) FROM number";
            connection.execute(write, params![destination, due_at, tries, rows]).unwrap();
        }
        let steps = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&steps);
        let count = move || counted.fetch_add(1, Ordering::Relaxed) == u64::MAX; // never cuts
        connection.progress_handler(1, Some(count)).unwrap();
        let found = destinations(&connection).unwrap();
        assert_eq!(found.iter().collect::<Vec<_>>(), ["aurea", "webhooks"]);
        for destination in found {
            let figures = without_counts(&connection, &destination).unwrap();
            assert_eq!((figures.oldest_at, figures.waiting_since), (Some(1), Some(1)), "{destination}");
            assert_eq!(figures.last_error.as_deref(), Some("away"), "{destination}");
        }
        steps.load(Ordering::Relaxed)
    }

    #[test]
    fn the_figures_but_for_the_counts_cost_the_same_however_much_waits() {
        let (few, many) = (steps(10), steps(10_000));
        assert!(many <= few + few / 4, "{few} steps with ten rows of each kind, {many} with ten thousand");
    }
}
