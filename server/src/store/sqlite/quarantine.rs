//! What was refused, and what came again with another body, in SQLite.

use std::collections::BTreeMap;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::SqliteStore;
use super::rows::unreadable;
use crate::domain::Millis;
use crate::domain::commit::Delivery;
use crate::store::StoreError;
use crate::store::quarantine::{
    Evidence, KEPT_FOR, Kept, LONGEST, PLACES, QuarantineStore, Refusals, Refused,
};

type Result<T> = std::result::Result<T, rusqlite::Error>;

/// Deliveries with another body than the first that are kept at most.
const CONFLICTS: usize = 1000;

/// A good delivery ends a row of refusals, and needs no copy of itself in the quarantine any more. Answers whether there
/// was such a row.
pub(super) fn release(connection: &Connection, delivery: &Delivery) -> Result<bool> {
    connection
        .prepare_cached("DELETE FROM quarantine WHERE provider = ?1 AND digest = ?2")?
        .execute(params![delivery.provider, delivery.digest])?;
    let mut statement = connection.prepare_cached("DELETE FROM refusal WHERE provider = ?1")?;
    Ok(statement.execute([delivery.provider])? == 1)
}

/// Whether a delivery that is known came with another body this time; if so, it is kept.
pub(super) fn conflict(connection: &Connection, delivery: &Delivery) -> Result<bool> {
    let same: Option<bool> = connection
        .prepare_cached("SELECT body = ?3 FROM delivery WHERE provider = ?1 AND delivery_id = ?2")?
        .query_row(params![delivery.provider, delivery.delivery_id, delivery.body], |row| row.get(0))
        .optional()?;
    if same != Some(false) {
        return Ok(false);
    }
    connection
        .prepare_cached(
            "INSERT INTO conflict (provider, delivery_id, digest, received_at, body)
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            delivery.provider,
            delivery.delivery_id,
            delivery.digest,
            delivery.received_at,
            Some(&delivery.body).filter(|body| body.len() <= LONGEST),
        ])?;
    connection
        .prepare_cached(
            "DELETE FROM conflict WHERE seq IN (SELECT seq FROM conflict ORDER BY seq DESC LIMIT -1 OFFSET ?1)",
        )?
        .execute([count(CONFLICTS)])?;
    Ok(true)
}

fn refuse(connection: &Connection, refused: &[Refused]) -> Result<()> {
    let mut newest: BTreeMap<&str, Millis> = BTreeMap::new();
    for one in refused {
        let at = newest.entry(one.provider).or_insert(one.received_at);
        *at = one.received_at.max(*at);
        count_refusal(connection, one)?;
        if let Some(evidence) = &one.evidence {
            keep(connection, one, evidence)?;
        }
    }
    if let Some(newest) = newest.into_values().max() {
        connection
            .prepare_cached("DELETE FROM quarantine WHERE received_at < ?1")?
            .execute([newest - KEPT_FOR])?;
    }
    Ok(())
}

fn count_refusal(connection: &Connection, refused: &Refused) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO refusal (provider, in_a_row, since, why) VALUES (?1, 1, ?2, ?3)
             ON CONFLICT DO UPDATE SET in_a_row = in_a_row + 1, why = excluded.why",
        )?
        .execute(params![refused.provider, refused.received_at, refused.why])
        .map(drop)
}

/// When there is no place left, the sender who has most loses the oldest.
fn keep(connection: &Connection, refused: &Refused, evidence: &Evidence) -> Result<()> {
    let headers = serde_json::to_string(&evidence.headers)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let new = connection
        .prepare_cached(
            "INSERT INTO quarantine (provider, digest, sender, received_at, why, headers, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            refused.provider,
            evidence.digest,
            evidence.sender,
            refused.received_at,
            refused.why,
            headers,
            evidence.body,
        ])?;
    let kept: i64 =
        connection.prepare_cached("SELECT count(*) FROM quarantine")?.query_row([], |row| row.get(0))?;
    if new == 1 && kept > count(PLACES) {
        connection
            .prepare_cached(
                "DELETE FROM quarantine WHERE place = (
                   SELECT min(place) FROM quarantine GROUP BY sender ORDER BY count(*) DESC, max(place) DESC LIMIT 1)",
            )?
            .execute([])?;
    }
    Ok(())
}

fn kept(connection: &Connection, provider: &str, after: i64, limit: usize) -> Result<Vec<Kept>> {
    connection
        .prepare_cached(
            "SELECT place, headers, body, received_at FROM quarantine
             WHERE provider = ?1 AND place > ?2 ORDER BY place LIMIT ?3",
        )?
        .query_map(params![provider, after, count(limit)], kept_of)?
        .collect()
}

fn kept_of(row: &Row<'_>) -> Result<Kept> {
    let headers: String = row.get(1)?;
    Ok(Kept {
        place: row.get(0)?,
        headers: serde_json::from_str(&headers).map_err(|_| unreadable(1, "headers"))?,
        body: row.get(2)?,
        received_at: row.get(3)?,
    })
}

/// Where a provider's refusals stand; what the doctor asks, too.
pub(super) fn refusals(connection: &Connection, provider: &str) -> Result<Refusals> {
    let row = connection
        .prepare_cached("SELECT in_a_row, since, why FROM refusal WHERE provider = ?1")?
        .query_row([provider], |row| {
            Ok(Refusals { in_a_row: row.get(0)?, since: row.get(1)?, why: row.get(2)?, kept: 0 })
        })
        .optional()?;
    let kept = connection
        .prepare_cached("SELECT count(*) FROM quarantine WHERE provider = ?1")?
        .query_row([provider], |row| row.get(0))?;
    Ok(Refusals { kept, ..row.unwrap_or_default() })
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[async_trait]
impl QuarantineStore for SqliteStore {
    async fn refuse(&self, refused: Vec<Refused>) -> std::result::Result<(), StoreError> {
        self.writer.write(move |connection| refuse(connection, &refused)).await
    }

    async fn kept(
        &self,
        provider: &'static str,
        after: i64,
        limit: usize,
    ) -> std::result::Result<Vec<Kept>, StoreError> {
        self.readers.read(move |reader| kept(reader, provider, after, limit)).await
    }

    async fn refusals(&self, provider: &'static str) -> std::result::Result<Refusals, StoreError> {
        self.readers.read(move |reader| refusals(reader, provider)).await
    }
}
