//! The list of sessions: newest first, filtered, page by page. Each filter has an index that leads to a page of its own
//! without reading the others' rows.

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::ledger::conversions_of;
use super::rows::Result;
use super::summaries::{COLUMNS, summary_of};
use crate::domain::event::FunnelId;
use crate::domain::session::{IDLE_TIMEOUT, State};
use crate::domain::{DAY, Millis};
use crate::store::{SessionCursor, SessionFilter, SessionRow, Visitors};

/// An event that so few sessions have seen is looked up by its name; one that is seen often is met soon by going through
/// the newest sessions.
const SELDOM: usize = 2000;

/// Newest first, after the cursor.
pub(super) fn sessions(
    connection: &Connection,
    funnel: &FunnelId,
    filter: &SessionFilter,
    after: Option<&SessionCursor>,
    limit: usize,
    now: Millis,
) -> Result<Vec<SessionRow>> {
    let mut query = Query::new(funnel);
    match filter.visitors {
        // Whoever paid is no bot.
        Visitors::People => query.and("(bot IS NULL OR converted = 1)", []),
        Visitors::Bots => query.and("bot IS NOT NULL AND converted = 0", []),
    }
    match filter.converted {
        Some(true) => query.and("converted = 1", []),
        Some(false) => query.and("converted = 0", []),
        None => {}
    }
    if let Some(state) = filter.state {
        query.stands(state, now);
    }
    match &filter.source {
        Some(Some(source)) => query.and("source = ?", [source.clone().into()]),
        Some(None) => query.and("source IS NULL", []),
        None => {}
    }
    if let Some(from) = filter.from {
        query.and("last_at >= ?", [from.into()]);
    }
    if let Some(before) = filter.before {
        query.and("last_at < ?", [before.into()]);
    }
    if let Some(visitor) = &filter.anonymous_id {
        let seen = "session_id IN (SELECT session_id FROM event WHERE funnel = ? AND anonymous_id = ?)";
        query.begins_with_events();
        query.and(seen, [funnel.as_str().to_owned().into(), visitor.as_str().to_owned().into()]);
    }
    if let Some(event) = &filter.event {
        let seen = if seldom(connection, funnel, event)? {
            query.begins_with_events();
            "session_id IN (SELECT session_id FROM event WHERE funnel = ? AND name = ?)"
        } else {
            "EXISTS (SELECT 1 FROM event e WHERE e.funnel = ? AND e.name = ? AND e.session_id = session.session_id)"
        };
        query.and(seen, [funnel.as_str().to_owned().into(), event.clone().into()]);
    }
    if let Some((last_at, session_id)) = after {
        query.and(
            "(last_at, session_id) < (?, ?)",
            [(*last_at).into(), session_id.as_str().to_owned().into()],
        );
    }
    query.read(connection, funnel, limit)
}

/// Whether at most [`SELDOM`] events have this name.
fn seldom(connection: &Connection, funnel: &FunnelId, event: &str) -> Result<bool> {
    let sql = format!(
        "SELECT count(*) FROM (SELECT 1 FROM event WHERE funnel = ? AND name = ? LIMIT {})",
        SELDOM + 1
    );
    let found: usize =
        connection.prepare_cached(&sql)?.query_row(params![funnel.as_str(), event], |row| row.get(0))?;
    Ok(found <= SELDOM)
}

/// Conditions and their values.
struct Query {
    table: &'static str,
    conditions: String,
    values: Vec<Value>,
}

impl Query {
    fn new(funnel: &FunnelId) -> Self {
        Self {
            table: "session",
            conditions: "funnel = ?".to_owned(),
            values: vec![funnel.as_str().to_owned().into()],
        }
    }

    /// The conditions on events lead to few sessions: those are looked up and sorted. Left to itself, SQLite goes through all
    /// sessions, newest first, until it has met enough.
    fn begins_with_events(&mut self) {
        self.table = "session INDEXED BY session_key";
    }

    fn and<const N: usize>(&mut self, condition: &str, values: [Value; N]) {
        self.conditions.push_str(" AND ");
        self.conditions.push_str(condition);
        self.values.extend(values);
    }

    /// `session::view` in SQL; a property test holds the two together.
    fn stands(&mut self, state: State, now: Millis) {
        const AT_CHECKOUT: &str =
            "checkout_at IS NOT NULL AND (arrived_at IS NULL OR arrived_at <= checkout_at)";
        const CLOSED: &str = "(closed_at IS last_at)";
        let (expired, idle): (Value, Value) = ((now - DAY).into(), (now - IDLE_TIMEOUT).into());
        if state == State::Converted {
            return self.and("converted = 1", []);
        }
        self.and("converted = 0", []);
        match state {
            State::Converted => {}
            // A checkout that is under way is the last that was heard but for a few words: nothing older is looked at.
            State::Checkout => {
                self.and(&format!("{AT_CHECKOUT} AND checkout_at > ? AND last_at > ?"), [expired.clone(), expired]);
            }
            State::Abandoned => self.and(
                &format!(
                    "checkout_at IS NOT NULL AND iif({AT_CHECKOUT}, checkout_at <= ?, {CLOSED} OR last_at < ?)"
                ),
                [expired, idle],
            ),
            State::Active => {
                self.and(&format!("NOT ({AT_CHECKOUT}) AND NOT {CLOSED} AND last_at >= ?"), [idle]);
            }
            State::Ended => self.and(&format!("checkout_at IS NULL AND ({CLOSED} OR last_at < ?)"), [idle]),
        }
    }

    fn read(mut self, connection: &Connection, funnel: &FunnelId, limit: usize) -> Result<Vec<SessionRow>> {
        self.values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        let sql = format!(
            "SELECT {COLUMNS} FROM {} WHERE {} ORDER BY last_at DESC, session_id DESC LIMIT ?",
            self.table, self.conditions
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let found = statement.query_map(params_from_iter(self.values), summary_of)?;
        found
            .map(|summary| {
                let summary = summary?;
                let conversions = if summary.marks.converted {
                    conversions_of(connection, funnel, &summary.session_id)?
                } else {
                    Vec::new()
                };
                Ok(SessionRow { summary, conversions })
            })
            .collect()
    }
}
