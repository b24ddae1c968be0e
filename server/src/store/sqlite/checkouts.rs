//! Checkouts that have begun, and how they stand for a buyer who comes back.

use app::event::{EventId, SessionId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::rows::{Result, unreadable};
use crate::domain::checkout::{BegunCheckout, Carried};
use crate::domain::event::FunnelId;
use crate::store::{CheckoutStanding, ReturnKey};

/// One that is there stays as it is.
pub(super) fn insert(connection: &Connection, begun: &BegunCheckout) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO checkout (funnel, session_id, click_id, provider, carried, return_hash, started_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            begun.funnel.as_str(),
            begun.session_id.as_str(),
            begun.click_id.as_str(),
            begun.provider,
            begun.carried.as_str(),
            begun.return_hash,
            begun.started_at,
        ])?;
    Ok(())
}

/// Those of one session, oldest first.
pub(super) fn of_session(
    connection: &Connection,
    funnel: &FunnelId,
    session_id: &SessionId,
) -> Result<Vec<BegunCheckout>> {
    connection
        .prepare_cached(
            "SELECT click_id, provider, carried, return_hash, started_at FROM checkout
             WHERE funnel = ?1 AND session_id = ?2 ORDER BY started_at, click_id",
        )?
        .query_map(params![funnel.as_str(), session_id.as_str()], |row| begun_of(row, funnel, session_id))?
        .collect()
}

fn begun_of(row: &Row<'_>, funnel: &FunnelId, session_id: &SessionId) -> Result<BegunCheckout> {
    let carried: String = row.get(2)?;
    Ok(BegunCheckout {
        funnel: funnel.clone(),
        session_id: session_id.clone(),
        click_id: EventId::parse(row.get::<_, String>(0)?).map_err(|_| unreadable(0, "click_id"))?,
        provider: row.get(1)?,
        carried: Carried::parse(&carried).ok_or_else(|| unreadable(2, "carried"))?,
        return_hash: row.get(3)?,
        started_at: row.get(4)?,
    })
}

/// How the newest checkout stands that goes by this key. A payment that does not say when its checkout began may be of
/// any; one that says so is of this checkout or a later one.
pub(super) fn standing(
    connection: &Connection,
    funnel: &FunnelId,
    key: &ReturnKey,
) -> Result<Option<CheckoutStanding>> {
    let column = match key {
        ReturnKey::Token(_) => "return_hash",
        ReturnKey::Session(_) => "session_id",
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT started_at, EXISTS (
           SELECT 1 FROM payment INDEXED BY payment_of_session
           WHERE payment.funnel = checkout.funnel AND payment.session_id = checkout.session_id
             AND (payment.checkout_started_at IS NULL OR payment.checkout_started_at >= checkout.started_at))
         FROM checkout WHERE funnel = ?1 AND {column} = ?2 ORDER BY started_at DESC LIMIT 1"
    ))?;
    let standing = |row: &Row<'_>| Ok(CheckoutStanding { started_at: row.get(0)?, paid: row.get(1)? });
    match key {
        ReturnKey::Token(hash) => statement.query_row(params![funnel.as_str(), hash], standing),
        ReturnKey::Session(session) => {
            statement.query_row(params![funnel.as_str(), session.as_str()], standing)
        }
    }
    .optional()
}
