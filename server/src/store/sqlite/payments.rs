//! Payments and the deliveries that told of them.

use rusqlite::{Connection, Row, params};

use super::rows::{Result, money, optional_session_id, visitor};
use crate::domain::event::FunnelId;
use crate::domain::ledger::{Attribution, Payment, PaymentKey, PaymentKind};
use crate::store::{PaymentFilter, PaymentRecord, ToldBy};

/// Newest first.
pub(super) fn payments(
    connection: &Connection,
    funnel: &FunnelId,
    filter: &PaymentFilter,
    limit: usize,
) -> Result<Vec<PaymentRecord>> {
    // The index is named where SQLite would rather go through all payments than sort a few.
    let (index, condition, session_id) = match filter {
        PaymentFilter::All => ("payment_newest", "?2 IS NULL", None),
        PaymentFilter::Unattributed => ("payment_unattributed", "session_id IS NULL AND ?2 IS NULL", None),
        PaymentFilter::OfSession(session_id) => {
            ("payment_of_session", "session_id = ?2", Some(session_id.as_str()))
        }
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT provider, payment_id, kind, amount_minor, currency, amount_fault, paid_at, session_id, anonymous_id,
                checkout_started_at, received_at
         FROM payment INDEXED BY {index} WHERE funnel = ?1 AND {condition} ORDER BY received_at DESC LIMIT ?3"
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found =
        statement.query_map(params![funnel.as_str(), session_id, limit], |row| payment_of(row, funnel))?;
    found
        .map(|payment| {
            let payment = payment?;
            let deliveries = deliveries_of(connection, &payment.key)?;
            Ok(PaymentRecord { payment, deliveries })
        })
        .collect()
}

fn payment_of(row: &Row<'_>, funnel: &FunnelId) -> Result<Payment> {
    let kind: String = row.get(2)?;
    let fault: Option<String> = row.get(5)?;
    Ok(Payment {
        key: PaymentKey { funnel: funnel.clone(), provider: row.get(0)?, payment_id: row.get(1)? },
        kind: if kind == PaymentKind::Renewal.as_str() { PaymentKind::Renewal } else { PaymentKind::First },
        amount: money(row, 3, 4)?.ok_or_else(|| fault.unwrap_or_default()),
        paid_at: row.get(6)?,
        attribution: Attribution {
            session_id: optional_session_id(row, 7)?,
            anonymous_id: visitor(row, 8)?,
            checkout_started_at: row.get(9)?,
        },
        received_at: row.get(10)?,
    })
}

/// Oldest first, without their bodies.
fn deliveries_of(connection: &Connection, key: &PaymentKey) -> Result<Vec<ToldBy>> {
    let mut statement = connection.prepare_cached(
        "SELECT delivery_id, event_type, state, received_at FROM delivery
         WHERE provider = ?1 AND payment_id = ?2 ORDER BY received_at, delivery_id",
    )?;
    statement
        .query_map(params![key.provider, key.payment_id], |row| {
            Ok(ToldBy {
                delivery_id: row.get(0)?,
                event_type: row.get(1)?,
                state: row.get(2)?,
                received_at: row.get(3)?,
            })
        })?
        .collect()
}
