//! Between the domain's values and SQLite's rows. A row that is there stays; a payment's gaps are filled, and a delivery
//! that counted for nothing may count when it comes again.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use app::event::{AnonymousId, SessionId, name};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{checkouts, ledger, outbox, quarantine, summaries, uncounted};
use crate::domain::Millis;
use crate::domain::commit::{Commit, Committed, Delivery};
use crate::domain::event::{Event, FunnelId};
use crate::domain::money::{Currency, Money};

pub(super) type Result<T> = std::result::Result<T, rusqlite::Error>;

/// Writes every row that is not there yet, what was not known yet of those that are, and what follows from them.
pub(super) fn insert(connection: &Connection, commit: &Commit) -> Result<Committed> {
    let mut committed = Committed::default();
    if let Some(delivery) = &commit.delivery {
        committed.after_refusals = quarantine::release(connection, delivery)?;
        committed.new_delivery = insert_delivery(connection, delivery)?;
        if !committed.new_delivery {
            uncounted::read_anew(connection, delivery)?; // first: what is understood now is no conflict
            committed.conflict = quarantine::conflict(connection, delivery)?;
        }
        if committed.conflict {
            return Ok(committed);
        }
    }
    for event in &commit.events {
        committed.new_events.push(insert_event(connection, event)?);
    }
    if let Some(begun) = &commit.begun {
        checkouts::insert(connection, begun)?;
    }
    let by_key = commit.told.iter().filter(|(event, _)| committed.new_events.get(*event) == Some(&true));
    let entries = commit.entries.iter().chain(by_key.map(|(_, entry)| entry));
    let entered = ledger::enter(connection, entries)?;
    committed.settled = entered.events;

    let new = commit.events.iter().zip(&committed.new_events).filter_map(|(event, new)| new.then_some(event));
    let new = new.chain(&committed.settled);
    let told = new.clone().filter(|event| !event.is_test());
    outbox::insert(connection, &commit.forward_to, told, commit.at)?;
    let mut changed: BTreeMap<(&FunnelId, &SessionId), Vec<&Event>> = BTreeMap::new();
    for event in new {
        changed.entry((&event.funnel, &event.session_id)).or_default().push(event);
    }
    for (funnel, session_id) in &entered.sessions {
        changed.entry((funnel, session_id)).or_default();
    }
    let mut sessions = Vec::with_capacity(changed.len());
    for ((funnel, session_id), events) in changed {
        summaries::update(connection, funnel, session_id, events)?;
        sessions.push((funnel.clone(), session_id.clone()));
    }
    committed.changed = sessions;
    Ok(committed)
}

fn insert_delivery(connection: &Connection, delivery: &Delivery) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO delivery (provider, delivery_id, event_type, state, body, received_at, payment_id, why)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
    )?;
    let rows = statement.execute(params![
        delivery.provider,
        delivery.delivery_id,
        delivery.event_type,
        delivery.state.as_str(),
        delivery.body,
        delivery.received_at,
        delivery.payment_id,
        delivery.why,
    ])?;
    Ok(rows == 1)
}

pub(super) fn insert_event(connection: &Connection, event: &Event) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO event (funnel, source, event_id, session_id, anonymous_id, name, properties, page_url, referrer,
                            event_index, timestamp, received_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT DO NOTHING",
    )?;
    let properties = serde_json::to_string(&event.properties)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let rows = statement.execute(params![
        event.funnel.as_str(),
        event.source.as_str(),
        event.event_id.as_str(),
        event.session_id.as_str(),
        event.anonymous_id.as_ref().map(AnonymousId::as_str),
        event.name,
        properties,
        event.page.url,
        event.page.referrer,
        event.index,
        event.timestamp,
        event.received_at,
    ])?;
    Ok(rows == 1)
}

pub(super) fn visitor(row: &Row<'_>, column: usize) -> Result<Option<AnonymousId>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| AnonymousId::parse(text).map_err(|_| unreadable(column, "anonymous_id"))).transpose()
}

pub(super) fn optional_session_id(row: &Row<'_>, column: usize) -> Result<Option<SessionId>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| SessionId::parse(text).map_err(|_| unreadable(column, "session_id"))).transpose()
}

pub(super) fn session_id_in(row: &Row<'_>, column: usize) -> Result<SessionId> {
    SessionId::parse(row.get::<_, String>(column)?).map_err(|_| unreadable(column, "session_id"))
}

pub(super) fn money(row: &Row<'_>, minor: usize, currency: usize) -> Result<Option<Money>> {
    let (Some(amount), Some(code)) =
        (row.get::<_, Option<i64>>(minor)?, row.get::<_, Option<String>>(currency)?)
    else {
        return Ok(None);
    };
    let currency = Currency::parse(&code).map_err(|_| unreadable(currency, "currency"))?;
    Ok(Some(Money { minor: amount, currency }))
}

pub(super) fn unreadable(column: usize, what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, format!("{what} can't be read").into())
}

/// The session of the visitor's newest checkout.
pub(super) fn newest_checkout(
    connection: &Connection,
    funnel: &FunnelId,
    visitor: &AnonymousId,
    began: &RangeInclusive<Millis>,
    known_at: Millis,
) -> Result<Option<SessionId>> {
    connection
        .prepare_cached(
            "SELECT session_id FROM event
             WHERE funnel = ?1 AND anonymous_id = ?2 AND name = ?3 AND timestamp BETWEEN ?4 AND ?5 AND received_at <= ?6
             ORDER BY timestamp DESC, seq DESC LIMIT 1",
        )?
        .query_row(
            params![
                funnel.as_str(),
                visitor.as_str(),
                name::CHECKOUT_STARTED,
                began.start(),
                began.end(),
                known_at
            ],
            |row| session_id_in(row, 0),
        )
        .optional()
}
