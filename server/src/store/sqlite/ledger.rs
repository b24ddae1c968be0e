//! The ledger's rows: what was told about money, and what follows from it.
//!
//! After every entry all that belongs to its purchase is read, settled and written: what is there already stays, gaps are
//! filled, and what happened to a conversion's money later is set anew.

use std::collections::BTreeSet;

use app::event::{AnonymousId, SessionId};
use rusqlite::{Connection, Row, params};

use super::payments::{PAYMENT, insert_name, insert_payment, payment_of};
use super::rows::{Result, insert_event, money, optional_session_id, unreadable, visitor};
use crate::domain::event::{Event, FunnelId};
use crate::domain::ledger::{
    Attribution, Conversion, Counts, Dispute, DisputeState, Entry, Joined, Later, PaymentKey, Purchase,
    Refund, RefundState, Settled, Standing, settle, sort,
};

/// What entries led to.
#[derive(Default)]
pub(super) struct Entered {
    /// Events that are new.
    pub(super) events: Vec<Event>,
    /// Sessions whose conversions are not as they were.
    pub(super) sessions: BTreeSet<(FunnelId, SessionId)>,
}

/// Writes entries and what follows from them.
pub(super) fn enter<'a>(
    connection: &Connection,
    entries: impl Iterator<Item = &'a Entry> + Clone,
) -> Result<Entered> {
    for entry in entries.clone() {
        match entry {
            Entry::Payment(payment) => insert_payment(connection, payment)?,
            Entry::Refund(refund) => insert_refund(connection, refund)?,
            Entry::Dispute(dispute) => insert_dispute(connection, dispute)?,
            Entry::Conversion(conversion) => insert_conversion(connection, conversion).map(|_| ())?,
            Entry::Name(name) => insert_name(connection, &name.of, &name.also_known_as)?,
            Entry::Joined(joined) => join(connection, joined)?,
        }
    }
    let mut entered = Entered::default();
    let mut done: BTreeSet<PaymentKey> = BTreeSet::new();
    for entry in entries {
        let about = entry.about();
        if done.contains(about) {
            continue;
        }
        let names = names(connection, about)?;
        let purchase = of_names(connection, about, &names)?;
        keep_unjoined(connection, about, &names, &purchase)?;
        write(connection, settle(purchase), &mut entered)?;
        done.extend(names.into_iter().map(|name| PaymentKey { payment_id: name, ..about.clone() }));
    }
    Ok(entered)
}

/// Every name of the payments that belong together with this one. CROSS JOIN keeps to this order: without statistics SQLite
/// would rather begin with all names that there are.
fn names(connection: &Connection, about: &PaymentKey) -> Result<Vec<String>> {
    connection
        .prepare_cached(
            "WITH RECURSIVE known (name) AS (
               SELECT ?3
               UNION
               SELECT other.name FROM known
               CROSS JOIN payment_name AS one
                 ON one.funnel = ?1 AND one.provider = ?2 AND one.name = known.name
               CROSS JOIN payment_name AS other
                 ON other.funnel = ?1 AND other.provider = ?2 AND other.payment_id = one.payment_id)
             SELECT name FROM known",
        )?
        .query_map(params![about.funnel.as_str(), about.provider, about.payment_id], |row| row.get(0))?
        .collect()
}

/// Everything that was told about a payment and those that belong together with it.
pub(super) fn purchase(connection: &Connection, about: &PaymentKey) -> Result<Purchase> {
    of_names(connection, about, &names(connection, about)?)
}

fn of_names(connection: &Connection, about: &PaymentKey, names: &[String]) -> Result<Purchase> {
    const OF: &str = "WHERE funnel = ?1 AND provider = ?2 AND";
    const NAMES: &str = "IN (SELECT value FROM json_each(?3))";
    let (funnel, provider) = (&about.funnel, &about.provider);
    let list = serde_json::to_string(names).unwrap_or_default();
    let key = params![funnel.as_str(), provider, list];
    let mut payments =
        connection.prepare_cached(&format!("SELECT {PAYMENT} FROM payment {OF} payment_id {NAMES}"))?;
    let mut told =
        connection.prepare_cached(&format!("SELECT {CONVERSION} FROM conversion {OF} payment_id {NAMES}"))?;
    let mut refunds =
        connection.prepare_cached(&format!("SELECT {REFUND} FROM refund {OF} payment_name {NAMES}"))?;
    let mut disputes =
        connection.prepare_cached(&format!("SELECT {DISPUTE} FROM dispute {OF} payment_name {NAMES}"))?;
    let mut purchase = Purchase {
        payments: payments.query_map(key, |row| payment_of(row, funnel))?.collect::<Result<_>>()?,
        told: told.query_map(key, |row| conversion_of(row, funnel))?.collect::<Result<_>>()?,
        refunds: refunds.query_map(key, |row| refund_of(row, funnel))?.collect::<Result<_>>()?,
        disputes: disputes.query_map(key, |row| dispute_of(row, funnel))?.collect::<Result<_>>()?,
    };
    for payment in &mut purchase.payments {
        payment.also_known_as = also_known_as(connection, &payment.key)?;
    }
    Ok(purchase)
}

/// A payment's other ids; its subscription's is none of them.
pub(super) fn also_known_as(connection: &Connection, key: &PaymentKey) -> Result<Vec<String>> {
    connection
        .prepare_cached(
            "SELECT name FROM payment_name JOIN payment USING (funnel, provider, payment_id)
             WHERE funnel = ?1 AND provider = ?2 AND payment_id = ?3
               AND name <> payment_id AND name IS NOT subscription_id ORDER BY name",
        )?
        .query_map(params![key.funnel.as_str(), key.provider, key.payment_id], |row| row.get(0))?
        .collect()
}

fn write(connection: &Connection, settled: Settled, entered: &mut Entered) -> Result<()> {
    for (key, attribution) in &settled.attributions {
        attribute(connection, key, attribution)?;
    }
    for (key, standing) in &settled.standings {
        write_standing(connection, key, *standing)?;
    }
    for conversion in &settled.conversions {
        if let Some(session_id) = insert_conversion(connection, conversion)? {
            entered.sessions.insert((conversion.key.funnel.clone(), session_id));
        }
    }
    for event in settled.events {
        if insert_event(connection, &event)? {
            entered.events.push(event);
        }
    }
    Ok(())
}

/// Says how every payment stands whose money was refunded or disputed, for a store from before that was written down.
pub(super) fn stand(connection: &Connection) -> Result<()> {
    let mut told = connection.prepare(
        "SELECT funnel, provider, payment_name FROM refund UNION SELECT funnel, provider, payment_name FROM dispute",
    )?;
    let mut rows = told.query([])?;
    while let Some(row) = rows.next()? {
        let funnel = FunnelId::parse(row.get::<_, String>(0)?).map_err(|_| unreadable(0, "funnel"))?;
        let about = PaymentKey { funnel, provider: row.get(1)?, payment_id: row.get(2)? };
        let names = names(connection, &about)?;
        let purchase = of_names(connection, &about, &names)?;
        keep_unjoined(connection, &about, &names, &purchase)?;
        for (key, standing) in settle(purchase).standings {
            write_standing(connection, &key, standing)?;
        }
    }
    Ok(())
}

/// Remembers what is told about a payment that nobody knows, until somebody does.
fn keep_unjoined(
    connection: &Connection,
    about: &PaymentKey,
    names: &[String],
    purchase: &Purchase,
) -> Result<()> {
    let (funnel, provider) = (about.funnel.as_str(), &about.provider);
    if purchase.payments.is_empty() && purchase.told.is_empty() {
        connection
            .prepare_cached("INSERT INTO unjoined VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
            .execute(params![funnel, provider, about.payment_id])?;
    } else {
        let names = serde_json::to_string(names).unwrap_or_default();
        connection
            .prepare_cached(
                "DELETE FROM unjoined WHERE funnel = ?1 AND provider = ?2
                   AND payment_name IN (SELECT value FROM json_each(?3))",
            )?
            .execute(params![funnel, provider, names])?;
    }
    Ok(())
}

fn write_standing(connection: &Connection, key: &PaymentKey, standing: Standing) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE payment SET state = ?4, refunded_minor = ?5, disputed_minor = ?6
             WHERE funnel = ?1 AND provider = ?2 AND payment_id = ?3
               AND (state, refunded_minor, disputed_minor) IS NOT (?4, ?5, ?6)",
        )?
        .execute(params![
            key.funnel.as_str(),
            key.provider,
            key.payment_id,
            standing.state.as_str(),
            standing.refunded,
            standing.disputed,
        ])
        .map(drop)
}

/// Says whose a payment is that nobody was known for, and that the owner said so.
fn join(connection: &Connection, joined: &Joined) -> Result<()> {
    if joined.attribution.session_id.is_none() {
        return Ok(());
    }
    let mut mark = connection.prepare_cached(
        "UPDATE payment SET joined_at = ?4
         WHERE funnel = ?1 AND provider = ?2 AND payment_id = ?3 AND session_id IS NULL",
    )?;
    let key = &joined.of;
    mark.execute(params![key.funnel.as_str(), key.provider, key.payment_id, joined.at])?;
    attribute(connection, key, &joined.attribution)
}

/// Says whose a payment is that nobody was known for.
fn attribute(connection: &Connection, key: &PaymentKey, attribution: &Attribution) -> Result<()> {
    let Some(session_id) = &attribution.session_id else { return Ok(()) };
    connection
        .prepare_cached(
            "UPDATE payment SET session_id = ?4, anonymous_id = coalesce(anonymous_id, ?5),
                                checkout_started_at = coalesce(checkout_started_at, ?6)
             WHERE funnel = ?1 AND provider = ?2 AND payment_id = ?3 AND session_id IS NULL",
        )?
        .execute(params![
            key.funnel.as_str(),
            key.provider,
            key.payment_id,
            session_id.as_str(),
            attribution.anonymous_id.as_ref().map(AnonymousId::as_str),
            attribution.checkout_started_at,
        ])?;
    Ok(())
}

/// Writes a refund in one of its states; of one that is there it fills in an amount that was not known.
fn insert_refund(connection: &Connection, refund: &Refund) -> Result<()> {
    let amount = refund.amount.as_ref().ok();
    let sum = amount.filter(|_| refund.counts == Counts::AllSoFar).map_or(0, |money| money.minor);
    connection
        .prepare_cached(
            "INSERT INTO refund (funnel, provider, refund_id, counts, state, sum_minor, payment_name, amount_minor,
                                 currency, amount_fault, at, session_id, anonymous_id, checkout_started_at, received_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
             ON CONFLICT DO UPDATE SET
               amount_minor = excluded.amount_minor, currency = excluded.currency, amount_fault = NULL
             WHERE amount_minor IS NULL AND excluded.amount_minor IS NOT NULL",
        )?
        .execute(params![
            refund.of.funnel.as_str(),
            refund.of.provider,
            refund.refund_id,
            refund.counts.as_str(),
            refund.state.as_str(),
            sum,
            refund.of.payment_id,
            amount.map(|money| money.minor),
            amount.map(|money| money.currency.code()),
            refund.amount.as_ref().err(),
            refund.at,
            refund.attribution.session_id.as_ref().map(SessionId::as_str),
            refund.attribution.anonymous_id.as_ref().map(AnonymousId::as_str),
            refund.attribution.checkout_started_at,
            refund.received_at,
        ])?;
    Ok(())
}

/// What [`refund_of`] reads, in its order.
pub(super) const REFUND: &str = "provider, payment_name, refund_id, counts, state, amount_minor, currency, amount_fault, at, \
     session_id, anonymous_id, checkout_started_at, received_at";

pub(super) fn refund_of(row: &Row<'_>, funnel: &FunnelId) -> Result<Refund> {
    let fault: Option<String> = row.get(7)?;
    Ok(Refund {
        of: PaymentKey { funnel: funnel.clone(), provider: row.get(0)?, payment_id: row.get(1)? },
        refund_id: row.get(2)?,
        counts: Counts::parse(&row.get::<_, String>(3)?).ok_or_else(|| unreadable(3, "counts"))?,
        state: RefundState::parse(&row.get::<_, String>(4)?).ok_or_else(|| unreadable(4, "state"))?,
        amount: money(row, 5, 6)?.ok_or_else(|| fault.unwrap_or_default()),
        at: row.get(8)?,
        attribution: Attribution {
            session_id: optional_session_id(row, 9)?,
            anonymous_id: visitor(row, 10)?,
            checkout_started_at: row.get(11)?,
        },
        received_at: row.get(12)?,
    })
}

/// Writes a dispute in one of its states; of one that is there it fills in an amount that was not known.
fn insert_dispute(connection: &Connection, dispute: &Dispute) -> Result<()> {
    let amount = dispute.amount.as_ref().ok();
    connection
        .prepare_cached(
            "INSERT INTO dispute (funnel, provider, dispute_id, state, payment_name, amount_minor, currency, amount_fault,
                                  at, received_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT DO UPDATE SET
               amount_minor = excluded.amount_minor, currency = excluded.currency, amount_fault = NULL
             WHERE amount_minor IS NULL AND excluded.amount_minor IS NOT NULL",
        )?
        .execute(params![
            dispute.of.funnel.as_str(),
            dispute.of.provider,
            dispute.dispute_id,
            dispute.state.as_str(),
            dispute.of.payment_id,
            amount.map(|money| money.minor),
            amount.map(|money| money.currency.code()),
            dispute.amount.as_ref().err(),
            dispute.at,
            dispute.received_at,
        ])?;
    Ok(())
}

/// What [`dispute_of`] reads, in its order.
pub(super) const DISPUTE: &str =
    "provider, payment_name, dispute_id, state, amount_minor, currency, amount_fault, at, received_at";

pub(super) fn dispute_of(row: &Row<'_>, funnel: &FunnelId) -> Result<Dispute> {
    let fault: Option<String> = row.get(6)?;
    Ok(Dispute {
        of: PaymentKey { funnel: funnel.clone(), provider: row.get(0)?, payment_id: row.get(1)? },
        dispute_id: row.get(2)?,
        state: DisputeState::parse(&row.get::<_, String>(3)?).ok_or_else(|| unreadable(3, "state"))?,
        amount: money(row, 4, 5)?.ok_or_else(|| fault.unwrap_or_default()),
        at: row.get(7)?,
        received_at: row.get(8)?,
    })
}

/// Answers whose conversion it is, once it is there.
fn insert_conversion(connection: &Connection, conversion: &Conversion) -> Result<Option<SessionId>> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO conversion (funnel, provider, payment_id, conversion_type, amount_minor, currency, converted_at,
                                 session_id, anonymous_id, test, renewals, renewed_minor, refunded_minor, disputed_minor)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
         ON CONFLICT DO UPDATE SET
           amount_minor = coalesce(amount_minor, excluded.amount_minor),
           currency = coalesce(currency, excluded.currency),
           session_id = coalesce(session_id, excluded.session_id),
           anonymous_id = coalesce(anonymous_id, excluded.anonymous_id),
           renewals = excluded.renewals,
           renewed_minor = excluded.renewed_minor,
           refunded_minor = excluded.refunded_minor,
           disputed_minor = excluded.disputed_minor
         RETURNING session_id",
    )?;
    let row = params![
        conversion.key.funnel.as_str(),
        conversion.key.provider,
        conversion.key.payment_id,
        conversion.conversion_type,
        conversion.amount.map(|money| money.minor),
        conversion.amount.map(|money| money.currency.code()),
        conversion.converted_at,
        conversion.session_id.as_ref().map(SessionId::as_str),
        conversion.anonymous_id.as_ref().map(AnonymousId::as_str),
        conversion.test,
        conversion.later.renewals,
        conversion.later.renewed,
        conversion.later.refunded,
        conversion.later.disputed,
    ];
    statement.query_row(row, |row| optional_session_id(row, 0))
}

/// What [`conversion_of`] reads, in its order.
const CONVERSION: &str = "provider, payment_id, conversion_type, amount_minor, currency, converted_at, session_id, anonymous_id, \
     test, renewals, renewed_minor, refunded_minor, disputed_minor";

/// A session's conversions, in the order in which they count.
pub(super) fn conversions_of(
    connection: &Connection,
    funnel: &FunnelId,
    session_id: &SessionId,
) -> Result<Vec<Conversion>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {CONVERSION} FROM conversion WHERE funnel = ?1 AND session_id = ?2"
    ))?;
    let key = params![funnel.as_str(), session_id.as_str()];
    let mut conversions: Vec<Conversion> =
        statement.query_map(key, |row| conversion_of(row, funnel))?.collect::<Result<_>>()?;
    sort(&mut conversions);
    Ok(conversions)
}

fn conversion_of(row: &Row<'_>, funnel: &FunnelId) -> Result<Conversion> {
    Ok(Conversion {
        key: PaymentKey { funnel: funnel.clone(), provider: row.get(0)?, payment_id: row.get(1)? },
        conversion_type: row.get(2)?,
        amount: money(row, 3, 4)?,
        converted_at: row.get(5)?,
        session_id: optional_session_id(row, 6)?,
        anonymous_id: visitor(row, 7)?,
        test: row.get(8)?,
        later: Later {
            renewals: row.get(9)?,
            renewed: row.get(10)?,
            refunded: row.get(11)?,
            disputed: row.get(12)?,
        },
    })
}
