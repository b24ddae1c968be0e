//! Payments and the deliveries that told of them.

use std::sync::LazyLock;

use rusqlite::{Connection, OptionalExtension, Row, params};

use app::event::{AnonymousId, SessionId};

use super::ledger::{DISPUTE, REFUND, also_known_as, dispute_of, refund_of};
use super::rows::{Result, money, optional_session_id, unreadable, visitor};
use crate::domain::event::FunnelId;
use crate::domain::ledger::{
    Attribution, Dispute, Entry, Payment, PaymentKey, PaymentKind, PaymentState, Refund, Standing,
};
use crate::store::{PaymentFile, PaymentFilter, PaymentRecord, ToldBy};

/// Newest first.
pub(super) fn payments(
    connection: &Connection,
    funnel: &FunnelId,
    filter: &PaymentFilter,
    limit: usize,
) -> Result<Vec<PaymentRecord>> {
    // The index is named where SQLite would rather go through all payments than sort a few.
    let (index, condition, of, since) = match filter {
        PaymentFilter::OfSession(session_id) => {
            ("payment_of_session", "session_id = ?2 AND ?4 = 0", session_id.as_str(), 0)
        }
        // Nobody pays in the future: what was paid since was received since.
        PaymentFilter::PaidSince { provider, since } => {
            ("payment_newest", "provider = ?2 AND paid_at >= ?4 AND received_at >= ?4", *provider, *since)
        }
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {} FROM payment INDEXED BY {index} WHERE funnel = ?1 AND {condition} ORDER BY received_at DESC LIMIT ?3",
        *RECORD
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found =
        statement.query_map(params![funnel.as_str(), of, limit, since], |row| record_of(row, funnel))?;
    found.map(|record| completed(connection, record?)).collect()
}

/// Deliveries of one payment whose bodies are read, and payments of one subscription.
const MANY: usize = 100;

/// One payment with all that belongs to it.
pub(super) fn file(connection: &Connection, key: &PaymentKey) -> Result<Option<PaymentFile>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {} FROM payment WHERE funnel = ?1 AND provider = ?2 AND payment_id = ?3",
        *RECORD
    ))?;
    let of = params![key.funnel.as_str(), key.provider, key.payment_id];
    let Some(record) = statement.query_row(of, |row| record_of(row, &key.funnel)).optional()? else {
        return Ok(None);
    };
    let subscription = record.payment.subscription_id.as_deref();
    let subscription =
        subscription.map(|id| of_subscription(connection, key, id)).transpose()?.unwrap_or_default();
    let record = completed(connection, record)?;
    Ok(Some(PaymentFile { record, bodies: bodies(connection, key)?, subscription }))
}

/// The payments of one subscription, oldest first.
fn of_subscription(connection: &Connection, key: &PaymentKey, id: &str) -> Result<Vec<PaymentRecord>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {} FROM payment WHERE funnel = ?1 AND provider = ?2 AND payment_id IN (
           SELECT payment_id FROM payment_name WHERE funnel = ?1 AND provider = ?2 AND name = ?3)
         ORDER BY paid_at, payment_id LIMIT {MANY}",
        *RECORD
    ))?;
    let of = params![key.funnel.as_str(), key.provider, id];
    statement.query_map(of, |row| record_of(row, &key.funnel))?.collect()
}

/// What [`record_of`] reads, in its order.
pub(super) static RECORD: LazyLock<String> =
    LazyLock::new(|| format!("{PAYMENT}, state, refunded_minor, disputed_minor, joined_at"));

/// Without what is in other tables.
pub(super) fn record_of(row: &Row<'_>, funnel: &FunnelId) -> Result<PaymentRecord> {
    Ok(PaymentRecord {
        payment: payment_of(row, funnel)?,
        standing: Standing {
            state: PaymentState::parse(&row.get::<_, String>(14)?).ok_or_else(|| unreadable(14, "state"))?,
            refunded: row.get(15)?,
            disputed: row.get(16)?,
        },
        joined_at: row.get(17)?,
        refunds: Vec::new(),
        disputes: Vec::new(),
        deliveries: Vec::new(),
    })
}

/// With what is in other tables.
pub(super) fn completed(connection: &Connection, mut record: PaymentRecord) -> Result<PaymentRecord> {
    let key = record.payment.key.clone();
    record.payment.also_known_as = also_known_as(connection, &key)?;
    (record.refunds, record.disputes) = later(connection, &key)?;
    record.deliveries = deliveries_of(connection, &key)?;
    Ok(record)
}

/// Writes a payment; of one that is there it fills the gaps.
pub(super) fn insert_payment(connection: &Connection, payment: &Payment) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO payment (funnel, provider, payment_id, kind, amount_minor, currency, amount_fault, paid_at,
                              session_id, anonymous_id, checkout_started_at, received_at, subscription_id, test, reconciled)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
         ON CONFLICT DO UPDATE SET
           amount_minor = coalesce(amount_minor, excluded.amount_minor),
           currency = coalesce(currency, excluded.currency),
           amount_fault = iif(coalesce(amount_minor, excluded.amount_minor) IS NULL, amount_fault, NULL),
           session_id = coalesce(session_id, excluded.session_id),
           anonymous_id = coalesce(anonymous_id, excluded.anonymous_id),
           checkout_started_at = coalesce(checkout_started_at, excluded.checkout_started_at),
           subscription_id = coalesce(subscription_id, excluded.subscription_id)",
    )?;
    let amount = payment.amount.as_ref().ok();
    statement.execute(params![
        payment.key.funnel.as_str(),
        payment.key.provider,
        payment.key.payment_id,
        payment.kind.as_str(),
        amount.map(|money| money.minor),
        amount.map(|money| money.currency.code()),
        payment.amount.as_ref().err(),
        payment.paid_at,
        payment.attribution.session_id.as_ref().map(SessionId::as_str),
        payment.attribution.anonymous_id.as_ref().map(AnonymousId::as_str),
        payment.attribution.checkout_started_at,
        payment.received_at,
        payment.subscription_id,
        payment.test,
        payment.reconciled,
    ])?;
    let key = &payment.key;
    let mut names =
        [&key.payment_id].into_iter().chain(&payment.also_known_as).chain(&payment.subscription_id);
    names.try_for_each(|name| insert_name(connection, key, name))
}

/// One more name of a payment, which may come later.
pub(super) fn insert_name(connection: &Connection, key: &PaymentKey, name: &str) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO payment_name (funnel, provider, name, payment_id) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        )?
        .execute(params![key.funnel.as_str(), key.provider, name, key.payment_id])?;
    Ok(())
}

/// What [`payment_of`] reads, in its order.
pub(super) const PAYMENT: &str = "provider, payment_id, kind, amount_minor, currency, amount_fault, paid_at, session_id, anonymous_id, \
     checkout_started_at, received_at, subscription_id, test, reconciled";

/// All but its other ids, which are rows of their own.
pub(super) fn payment_of(row: &Row<'_>, funnel: &FunnelId) -> Result<Payment> {
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
        also_known_as: Vec::new(),
        subscription_id: row.get(11)?,
        test: row.get(12)?,
        reconciled: row.get(13)?,
    })
}

/// What of a payment's money went back or is disputed, oldest first.
fn later(connection: &Connection, key: &PaymentKey) -> Result<(Vec<Refund>, Vec<Dispute>)> {
    let names = "payment_name IN (SELECT name FROM payment_name WHERE funnel = ?1 AND provider = ?2 AND payment_id = ?3)";
    let mut refunds = connection.prepare_cached(&format!(
        "SELECT {REFUND} FROM refund WHERE funnel = ?1 AND provider = ?2 AND {names} ORDER BY at, refund_id, state"
    ))?;
    let mut disputes = connection.prepare_cached(&format!(
        "SELECT {DISPUTE} FROM dispute WHERE funnel = ?1 AND provider = ?2 AND {names} ORDER BY at, dispute_id, state"
    ))?;
    let of = params![key.funnel.as_str(), key.provider, key.payment_id];
    Ok((
        refunds.query_map(of, |row| refund_of(row, &key.funnel))?.collect::<Result<_>>()?,
        disputes.query_map(of, |row| dispute_of(row, &key.funnel))?.collect::<Result<_>>()?,
    ))
}

/// Refunds and disputes whose payment is not known, newest first.
pub(super) fn unjoined(connection: &Connection, funnel: &FunnelId, limit: usize) -> Result<Vec<Entry>> {
    let alone = |table: &str, columns: &str| {
        format!(
            "SELECT {columns} FROM unjoined CROSS JOIN {table} USING (funnel, provider, payment_name)
             WHERE funnel = ?1 ORDER BY received_at DESC LIMIT ?2"
        )
    };
    let key = params![funnel.as_str(), i64::try_from(limit).unwrap_or(i64::MAX)];
    let mut refunds = connection.prepare_cached(&alone("refund", REFUND))?;
    let mut disputes = connection.prepare_cached(&alone("dispute", DISPUTE))?;
    let refunds = refunds.query_map(key, |row| refund_of(row, funnel).map(Entry::Refund))?;
    refunds.chain(disputes.query_map(key, |row| dispute_of(row, funnel).map(Entry::Dispute))?).collect()
}

/// The bodies of a payment's deliveries, in the order of [`deliveries_of`].
fn bodies(connection: &Connection, key: &PaymentKey) -> Result<Vec<Vec<u8>>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT body FROM {TOLD_OF} ORDER BY received_at, delivery_id LIMIT {MANY}"
    ))?;
    statement
        .query_map(params![key.provider, key.payment_id, key.funnel.as_str()], |row| row.get(0))?
        .collect()
}

/// Which deliveries told of a payment, one of whose names is its own id: provider, payment and funnel are the parameters.
/// The index is named, since SQLite would rather go through all deliveries.
pub(super) const TOLD_OF: &str =
    "delivery INDEXED BY delivery_of_payment WHERE provider = ?1 AND payment_id IN (
    SELECT name FROM payment_name WHERE funnel = ?3 AND provider = ?1 AND payment_id = ?2)";

/// Oldest first, without their bodies.
fn deliveries_of(connection: &Connection, key: &PaymentKey) -> Result<Vec<ToldBy>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT delivery_id, event_type, state, received_at FROM {TOLD_OF}
         ORDER BY received_at, delivery_id"
    ))?;
    statement.query_map(params![key.provider, key.payment_id, key.funnel.as_str()], told_by)?.collect()
}

/// Reads `delivery_id, event_type, state, received_at`, whatever comes after them.
pub(super) fn told_by(row: &Row<'_>) -> Result<ToldBy> {
    Ok(ToldBy {
        delivery_id: row.get(0)?,
        event_type: row.get(1)?,
        state: row.get(2)?,
        received_at: row.get(3)?,
    })
}
