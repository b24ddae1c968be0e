//! Deliveries that are authentic and count for nothing: found by indexes that hold no others, and counted after all when they
//! come again and can be read.

use rusqlite::{Connection, Row, params};

use super::payments::told_by;
use super::rows::Result;
use crate::domain::commit::{Delivery, DeliveryState};
use crate::store::Uncounted;

/// The newest of one state. It stands in the text, since an index of some rows is taken only where it can be seen that it
/// holds all that are asked for.
fn newest(state: DeliveryState) -> String {
    let state = state.as_str();
    format!(
        "SELECT delivery_id, event_type, state, received_at, provider, why, body
         FROM delivery INDEXED BY delivery_{state} WHERE state = '{state}'
         ORDER BY received_at DESC, provider DESC, delivery_id DESC LIMIT ?1"
    )
}

/// The newest of each state that counts for nothing, state by state.
pub(super) fn uncounted(connection: &Connection, limit: usize) -> Result<Vec<Uncounted>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut found = Vec::new();
    for state in DeliveryState::UNCOUNTED {
        let mut statement = connection.prepare_cached(&newest(state))?;
        for delivery in statement.query_map([limit], uncounted_of)? {
            found.push(delivery?);
        }
    }
    Ok(found)
}

fn uncounted_of(row: &Row<'_>) -> Result<Uncounted> {
    Ok(Uncounted { told: told_by(row)?, provider: row.get(4)?, why: row.get(5)?, body: row.get(6)? })
}

/// A known delivery has come again. If it counted for nothing and is understood by now, because the program is newer or the
/// settings were mended, its commit writes what it tells, and it stands as what it is read as now, in the bytes that were
/// understood: a provider that sends an event again may write it in others (Stripe counts in it how many still wait for it).
pub(super) fn read_anew(connection: &Connection, delivery: &Delivery) -> Result<()> {
    let [unparsable, foreign] = DeliveryState::UNCOUNTED.map(DeliveryState::as_str);
    if DeliveryState::UNCOUNTED.contains(&delivery.state) {
        return Ok(());
    }
    connection
        .prepare_cached(
            "UPDATE delivery SET state = ?3, event_type = ?4, payment_id = ?5, body = ?6, why = NULL
             WHERE provider = ?1 AND delivery_id = ?2 AND state IN (?7, ?8)",
        )?
        .execute(params![
            delivery.provider,
            delivery.delivery_id,
            delivery.state.as_str(),
            delivery.event_type,
            delivery.payment_id,
            delivery.body,
            unparsable,
            foreign,
        ])
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::migrations;
    use crate::store::sqlite::plan::plan;

    #[test]
    fn deliveries_that_count_for_nothing_are_found_without_going_through_the_others() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrations().to_latest(&mut connection).unwrap();
        for state in DeliveryState::UNCOUNTED {
            let plan = plan(&connection, &newest(state));
            assert_eq!(plan, [format!("SCAN delivery USING INDEX delivery_{}", state.as_str())]);
        }
    }
}
