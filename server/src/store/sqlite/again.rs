//! Telling somebody again what they were told: rows as the commit of the events wrote them, and those that are parked
//! woken instead.

use rusqlite::{Connection, params};

use super::outbox::write;
use super::rows::Result;
use crate::domain::Millis;
use crate::domain::event::Event;
use crate::domain::outbox::{Destination, Listener, rows};
use crate::store::outbox::Again;

/// A row that tells of one of the events.
pub(super) struct There {
    id: String,
    parked: bool,
    body: String,
}

/// Rows of the destination that tell of any of these events.
pub(super) fn there(connection: &Connection, to: Destination, events: &[Event]) -> Result<Vec<There>> {
    let Some(first) = events.first() else { return Ok(Vec::new()) };
    let ids: Vec<&str> = events.iter().map(|event| event.event_id.as_str()).collect();
    connection
        .prepare_cached(
            "SELECT id, due_at IS NULL, CAST(body AS TEXT) FROM outbox WHERE destination = ?1 AND funnel = ?2
               AND EXISTS (SELECT 1 FROM json_each(?3) WHERE instr(CAST(body AS TEXT), value))",
        )?
        .query_map(
            params![to.0, first.funnel.as_str(), serde_json::to_string(&ids).unwrap_or_default()],
            |row| Ok(There { id: row.get(0)?, parked: row.get(1)?, body: row.get(2)? }),
        )?
        .collect()
}

/// Wakes what is parked, leaves what waits, and writes rows for the rest, as new as `now`.
pub(super) fn send(
    connection: &Connection,
    listener: &Listener,
    events: &[Event],
    there: &[There],
    now: Millis,
) -> Result<Again> {
    let mut again = Again::default();
    for row in there {
        if row.parked {
            let mut wake = connection.prepare_cached(
                "UPDATE outbox SET due_at = ?2, driven_at = ?2, tries = 0 WHERE id = ?1 AND due_at IS NULL",
            )?;
            again.woken += wake.execute(params![row.id, now])?;
        } else {
            again.waiting += 1;
        }
    }
    let told = |event: &&Event| there.iter().any(|row| row.body.contains(event.event_id.as_str()));
    for row in rows(listener, events.iter().filter(|event| !told(event) && !event.is_test())) {
        again.new += write(connection, &row, now)?;
    }
    Ok(again)
}
