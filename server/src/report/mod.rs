//! The questions that the owner's JSON ([`json`]) and screens ([`screens`]) ask, answered from the store.

use std::sync::Arc;

use app::event::{AnonymousId, SessionId};

use crate::domain::Millis;
use crate::domain::event::FunnelId;
use crate::domain::session::fold;
use crate::store::{SessionCursor, SessionFilter, SessionRow, Store, StoreError};
pub use json::{SessionJson, SessionsJson};
pub use payments::parse_payment_cursor;

mod json;
mod payments;
mod redact;
mod screens;

/// Events that one answer shows.
const EVENTS_SHOWN: usize = 500;

/// Sessions on one page.
const SESSIONS_SHOWN: usize = 50;

/// Payments on one page of the screens.
const PAYMENTS_SHOWN: usize = 50;

/// Payments in one answer.
const PAYMENTS_LISTED: usize = 100;

/// Things that are shown beside something else.
const FEW: usize = 10;

/// Answers questions from the store.
#[derive(Clone)]
pub struct Report {
    store: Arc<dyn Store>,
    /// Whose deliveries come here.
    own: Option<FunnelId>,
}

/// A page of sessions, newest first.
struct SessionsFound {
    rows: Vec<SessionRow>,
    next_cursor: Option<String>,
}

impl Report {
    /// A report over this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, own: None }
    }

    /// Shows deliveries that count for nothing with this funnel's payments: no delivery names its funnel, all that come here
    /// are told of the site's own.
    #[must_use]
    pub fn with_deliveries_of(self, own: FunnelId) -> Self {
        Self { own: Some(own), ..self }
    }

    /// One session with its events from `skip` on; `None` if nothing is known of it.
    pub async fn session(
        &self,
        funnel: &FunnelId,
        session_id: &SessionId,
        skip: usize,
        now: Millis,
    ) -> Result<Option<SessionJson>, StoreError> {
        let record = self.store.session(funnel, session_id).await?;
        let session = fold(record.events, record.conversions);
        Ok(session.map(|session| json::session_json(session, &record.checkouts, skip, now)))
    }

    /// A page of sessions.
    pub async fn sessions(
        &self,
        funnel: &FunnelId,
        filter: &SessionFilter,
        after: Option<SessionCursor>,
        now: Millis,
    ) -> Result<SessionsJson, StoreError> {
        let found = self.find(funnel, filter, after, now).await?;
        let sessions = found.rows.iter().map(|row| json::item_json(row, now)).collect();
        Ok(SessionsJson { sessions, next_cursor: found.next_cursor })
    }

    async fn find(
        &self,
        funnel: &FunnelId,
        filter: &SessionFilter,
        after: Option<SessionCursor>,
        now: Millis,
    ) -> Result<SessionsFound, StoreError> {
        let mut rows = self.store.sessions(funnel, filter, after, SESSIONS_SHOWN + 1, now).await?;
        let more = rows.len() > SESSIONS_SHOWN;
        rows.truncate(SESSIONS_SHOWN);
        let next_cursor = rows.last().filter(|_| more).map(|row| cursor_text(&row.cursor()));
        Ok(SessionsFound { rows, next_cursor })
    }
}

/// The visitor that a session's events name, else its conversions.
fn visitor_of(row: &SessionRow) -> Option<&AnonymousId> {
    let paid = || row.conversions.iter().find_map(|conversion| conversion.anonymous_id.as_ref());
    row.summary.visitor.get().or_else(paid)
}

/// `{ms}_{sessionId}`.
fn cursor_text((last_at, session_id): &SessionCursor) -> String {
    format!("{last_at}_{session_id}")
}

/// Reads what an earlier answer gave as `nextCursor`.
pub fn parse_cursor(text: &str) -> Option<SessionCursor> {
    let (last_at, session_id) = text.split_once('_')?;
    Some((last_at.parse().ok()?, SessionId::parse(session_id).ok()?))
}
