//! Sessions in short and the figures by day and source: kept up to date in the transaction that writes the events.

use std::sync::LazyLock;

use app::event::{AnonymousId, SessionId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::ledger::conversions_of;
use super::rows::{self, Result, unreadable};
use super::session;
use crate::domain::attribution::Touch;
use crate::domain::event::{Event, FunnelId};
use crate::domain::money::{Currency, Money};
use crate::domain::session::Marks;
use crate::domain::summary::{Earliest, Figures, Summary, Tally};
use crate::store::FunnelFigures;

/// What [`summary_of`] reads, in its order.
pub(super) const COLUMNS: &str = "session_id, conversions, last_at, checkout_at, arrived_at, closed_at, converted, converted_end, \
     events, provisional, provisional_at, visitor, visitor_at, visitor_event, touch, touch_at, touch_event, bot, \
     revenue, first_at, newest_at, net";

/// What an update sets.
static UPDATES: LazyLock<String> = LazyLock::new(|| {
    COLUMNS.split(", ").map(|column| format!("{column} = excluded.{column}")).collect::<Vec<_>>().join(", ")
});

/// Sources that the figures list.
const SOURCES: u32 = 12;

/// Takes new events of one session into its summary, and what changed into the figures.
pub(super) fn update<'a>(
    connection: &Connection,
    funnel: &FunnelId,
    session_id: &SessionId,
    events: impl IntoIterator<Item = &'a Event>,
) -> Result<()> {
    let known = read(connection, funnel, session_id)?;
    let before = known.as_ref().and_then(Summary::tally);
    let mut summary = known.unwrap_or_else(|| Summary::new(session_id.clone()));
    events.into_iter().for_each(|event| summary.absorb(event));
    if summary.is_empty() {
        return Ok(()); // a conversion alone is no session yet; its first event will find it
    }
    summary.convert(&conversions_of(connection, funnel, session_id)?);
    write(connection, funnel, &summary)?;
    let after = summary.tally();
    if before != after {
        before.map_or(Ok(()), |tally| count(connection, funnel, &tally, -1))?;
        after.map_or(Ok(()), |tally| count(connection, funnel, &tally, 1))?;
    }
    Ok(())
}

/// Counts every session that is stored, for a store from before there were summaries.
pub(super) fn build(connection: &Connection) -> Result<()> {
    if connection.query_row("SELECT EXISTS (SELECT 1 FROM session)", [], |row| row.get(0))? {
        return Ok(());
    }
    let mut sessions = connection.prepare("SELECT DISTINCT funnel, session_id FROM event")?;
    let mut rows = sessions.query([])?;
    while let Some(row) = rows.next()? {
        let funnel = FunnelId::parse(row.get::<_, String>(0)?).map_err(|_| unreadable(0, "funnel"))?;
        let session_id = rows::session_id_in(row, 1)?;
        update(connection, &funnel, &session_id, &session::events(connection, &funnel, &session_id)?)?;
    }
    Ok(())
}

pub(super) fn read(
    connection: &Connection,
    funnel: &FunnelId,
    session_id: &SessionId,
) -> Result<Option<Summary>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM session WHERE funnel = ?1 AND session_id = ?2"))?
        .query_row(params![funnel.as_str(), session_id.as_str()], summary_of)
        .optional()
}

/// A row of [`COLUMNS`].
pub(super) fn summary_of(row: &Row<'_>) -> Result<Summary> {
    let touch = earliest(row, 14, |text| serde_json::from_str::<Touch>(&text).ok())?;
    Ok(Summary {
        session_id: rows::session_id_in(row, 0)?,
        conversions: row.get(1)?,
        marks: Marks {
            last_at: row.get(2)?,
            checkout_at: row.get(3)?,
            arrived_at: row.get(4)?,
            closed_at: row.get(5)?,
            converted: row.get(6)?,
        },
        closed_by_conversion_at: row.get(7)?,
        events: row.get(8)?,
        provisional_ends: (row.get(9)?, row.get(10)?),
        visitor: earliest(row, 11, |text| AnonymousId::parse(text).ok())?,
        touch,
        bot: row.get(17)?,
        revenue: sums(row, 18)?,
        net: sums(row, 21)?,
        span: row.get::<_, Option<_>>(19)?.zip(row.get(20)?),
    })
}

fn sums(row: &Row<'_>, column: usize) -> Result<Vec<Money>> {
    let sums: Vec<(String, i64)> =
        serde_json::from_str(&row.get::<_, String>(column)?).map_err(|_| unreadable(column, "sums"))?;
    let money = |(code, minor): (String, i64)| {
        let currency = Currency::parse(&code).map_err(|_| unreadable(column, "currency"))?;
        Ok(Money { minor, currency })
    };
    sums.into_iter().map(money).collect()
}

/// A value, its event's time and its event's id, in three columns from `first` on.
fn earliest<T>(row: &Row<'_>, first: usize, parse: impl Fn(String) -> Option<T>) -> Result<Earliest<T>> {
    let Some(text) = row.get::<_, Option<String>>(first)? else {
        return Ok(Earliest(None));
    };
    let value = parse(text).ok_or_else(|| unreadable(first, "summary"))?;
    Ok(Earliest(Some((row.get(first + 1)?, row.get(first + 2)?, value))))
}

fn write(connection: &Connection, funnel: &FunnelId, summary: &Summary) -> Result<()> {
    let touch = summary.touch.get().map(serde_json::to_string).transpose();
    let touch = touch.map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let (visitor_at, visitor_event) = said_by(&summary.visitor);
    let (touch_at, touch_event) = said_by(&summary.touch);
    connection
        .prepare_cached(&format!(
            "INSERT INTO session (funnel, source, {COLUMNS})
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24)
             ON CONFLICT (funnel, session_id) DO UPDATE SET source = excluded.source, {}",
            *UPDATES
        ))?
        .execute(params![
            funnel.as_str(),
            summary.touch.get().and_then(|touch| touch.source.as_deref()),
            summary.session_id.as_str(),
            summary.conversions,
            summary.marks.last_at,
            summary.marks.checkout_at,
            summary.marks.arrived_at,
            summary.marks.closed_at,
            summary.marks.converted,
            summary.closed_by_conversion_at,
            summary.events,
            summary.provisional_ends.0,
            summary.provisional_ends.1,
            summary.visitor.get().map(AnonymousId::as_str),
            visitor_at,
            visitor_event,
            touch,
            touch_at,
            touch_event,
            summary.bot,
            sums_text(&summary.revenue)?,
            summary.span.map(|(first, _)| first),
            summary.span.map(|(_, newest)| newest),
            sums_text(&summary.net)?,
        ])?;
    Ok(())
}

fn sums_text(sums: &[Money]) -> Result<String> {
    let sums: Vec<_> = sums.iter().map(|sum| (sum.currency.code(), sum.minor)).collect();
    serde_json::to_string(&sums).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn said_by<T>(earliest: &Earliest<T>) -> (Option<i64>, Option<&str>) {
    earliest.0.as_ref().map(|(at, event, _)| (*at, event.as_str())).unzip()
}

/// Adds a session to the figures, or takes it away: to the row of its first currency, and revenue in another to a row of
/// its own. A row of nothing goes.
fn count(connection: &Connection, funnel: &FunnelId, tally: &Tally, sign: i64) -> Result<()> {
    let mut add = connection.prepare_cached(
        "INSERT INTO tally (funnel, day, source, currency, sessions, checkouts, conversions, amount_minor, net_minor)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT DO UPDATE SET
           sessions = sessions + excluded.sessions,
           checkouts = checkouts + excluded.checkouts,
           conversions = conversions + excluded.conversions,
           amount_minor = amount_minor + excluded.amount_minor,
           net_minor = net_minor + excluded.net_minor",
    )?;
    let source = tally.source.as_deref().unwrap_or_default();
    let counts = (1, i64::from(tally.checkout), i64::try_from(tally.conversions).unwrap_or(i64::MAX));
    // Both name the same currencies in the same order.
    let mut sums =
        tally.revenue.iter().zip(&tally.net).map(|(sum, net)| (sum.currency.code(), sum.minor, net.minor));
    let first = sums.next().unwrap_or(("", 0, 0));
    let others = sums.map(|sum| ((0, 0, 0), sum));
    for ((sessions, checkouts, conversions), (currency, minor, net)) in
        [(counts, first)].into_iter().chain(others)
    {
        add.execute(params![
            funnel.as_str(),
            tally.day,
            source,
            currency,
            sign * sessions,
            sign * checkouts,
            sign * conversions,
            sign * minor,
            sign * net,
        ])?;
    }
    if sign < 0 {
        let empty = "DELETE FROM tally WHERE funnel = ?1 AND day = ?2 AND source = ?3
                     AND sessions = 0 AND checkouts = 0 AND conversions = 0 AND amount_minor = 0 AND net_minor = 0";
        connection.prepare_cached(empty)?.execute(params![funnel.as_str(), tally.day, source])?;
    }
    Ok(())
}

/// What the sessions that began on `first` to `last` led to, by day and by source.
pub(super) fn figures(
    connection: &Connection,
    funnel: &FunnelId,
    first: i64,
    last: i64,
) -> Result<FunnelFigures> {
    const SUMS: &str =
        "sum(sessions), sum(checkouts), sum(conversions), currency, sum(amount_minor), sum(net_minor) FROM tally
                        WHERE funnel = ?1 AND day BETWEEN ?2 AND ?3";
    let range = params![funnel.as_str(), first, last];
    let mut by_day = FunnelFigures::default();
    let mut days = connection.prepare_cached(&format!("SELECT day, {SUMS} GROUP BY day, currency"))?;
    let mut rows = days.query(range)?;
    while let Some(row) = rows.next()? {
        add(row, by_day.days.entry(row.get(0)?).or_default())?;
    }
    let mut sources = connection.prepare_cached(&format!(
        "SELECT source, {SUMS} AND source IN (SELECT source FROM tally WHERE funnel = ?1 AND day BETWEEN ?2 AND ?3
           GROUP BY source ORDER BY sum(sessions) DESC, source LIMIT {SOURCES})
         GROUP BY source, currency"
    ))?;
    let mut rows = sources.query(range)?;
    while let Some(row) = rows.next()? {
        let source = Some(row.get::<_, String>(0)?).filter(|source| !source.is_empty());
        add(row, by_day.sources.entry(source).or_default())?;
    }
    Ok(by_day)
}

fn add(row: &Row<'_>, figures: &mut Figures) -> Result<()> {
    figures.sessions += row.get::<_, u64>(1)?;
    figures.checkouts += row.get::<_, u64>(2)?;
    figures.conversions += row.get::<_, u64>(3)?;
    let code: String = row.get(4)?;
    if !code.is_empty() {
        let currency = Currency::parse(&code).map_err(|_| unreadable(4, "currency"))?;
        figures.earn(Money { minor: row.get(5)?, currency }, Money { minor: row.get(6)?, currency });
    }
    Ok(())
}

/// Every funnel that has sessions.
pub(super) fn funnels(connection: &Connection) -> Result<Vec<FunnelId>> {
    let mut statement = connection.prepare_cached("SELECT DISTINCT funnel FROM tally")?;
    statement
        .query_map([], |row| FunnelId::parse(row.get::<_, String>(0)?).map_err(|_| unreadable(0, "funnel")))?
        .collect()
}
