//! What is found in the end: the store as SQLite reads it, and the remote Aurea's book.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use rusqlite::{Connection, OpenFlags, Row};
use serde_json::{Map, Value};

use crate::audit::{Audit, Place};
use crate::content::Content;
use crate::dice::hash;
use crate::traffic::{Name, Traffic, money};
use crate::upstream::{Entry, entries};

fn open(path: &Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

/// Rows of the outbox, while the program is running.
pub(crate) fn waiting(store: &Path) -> rusqlite::Result<i64> {
    open(store)?.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0))
}

/// Hands everything in the store to the audit.
pub(crate) fn of_store(audit: &mut Audit<'_>, traffic: Traffic, path: &Path) -> rusqlite::Result<()> {
    let store = open(path)?;
    let check: String = store.query_row("PRAGMA quick_check", [], |row| row.get(0))?;
    if check != "ok" {
        audit.findings().unexpected.add(format!("the file is not whole: {check}"));
    }
    each(
        &store,
        "SELECT event_id, source, name, session_id, anonymous_id, properties, page_url, referrer, event_index, timestamp
         FROM event",
        |row| {
            let (event_id, source, content) = event_of(row)?;
            let order = content.properties.get("orderId").and_then(Value::as_str);
            let order = order.filter(|_| source == "server");
            let name = audit.name_of_event(&event_id, &content.name, order);
            audit.found(Place::Store, name, content.hash(), &format!("event {event_id}"));
            Ok(())
        },
    )?;
    each(&store, "SELECT delivery_id, body FROM delivery", |row| {
        let (id, body): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let name = traffic.parts("msg", &id).map(|(number, part)| Name::Delivery(number, part));
        audit.found(Place::Store, name, hash(&body.as_slice()), &format!("delivery {id}"));
        Ok(())
    })?;
    for (table, name) in [("payment", Name::Payment as fn(u64) -> Name), ("conversion", Name::Conversion)] {
        let sql = format!("SELECT payment_id, provider, amount_minor, session_id FROM {table}");
        each(&store, &sql, |row| {
            let (id, provider): (String, String) = (row.get(0)?, row.get(1)?);
            let (minor, session): (Option<i64>, Option<String>) = (row.get(2)?, row.get(3)?);
            let content = money(&provider, minor.unwrap_or(-1), &session.unwrap_or_default());
            let name = traffic.parts("pay", &id).map(|(number, _)| name(number));
            audit.found(Place::Store, name, content, &format!("{table} {id}"));
            Ok(())
        })?;
    }
    let sums = |sql| store.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
    let figures = sums("SELECT ifnull(sum(conversions), 0), ifnull(sum(amount_minor), 0) FROM tally")?;
    let ledger = sums("SELECT count(*), ifnull(sum(amount_minor), 0) FROM conversion")?;
    if figures != ledger {
        audit.findings().unexpected.add(format!("the figures say {figures:?}, the ledger {ledger:?}"));
    }
    Ok(())
}

fn each(
    store: &Connection,
    sql: &str,
    mut with: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut statement = store.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        with(row)?;
    }
    Ok(())
}

fn event_of(row: &Row<'_>) -> rusqlite::Result<(String, String, Content)> {
    let properties: Map<String, Value> = serde_json::from_str(&row.get::<_, String>(5)?).unwrap_or_default();
    let content = Content {
        name: row.get(2)?,
        properties,
        session: row.get(3)?,
        visitor: row.get(4)?,
        url: row.get(6)?,
        referrer: row.get(7)?,
        index: row.get(8)?,
        timestamp: row.get(9)?,
    };
    Ok((row.get(0)?, row.get(1)?, content))
}

/// Hands everything that came to the remote Aurea to the audit.
pub(crate) fn of_remote(audit: &mut Audit<'_>, book: &Path) {
    for entry in entries(book) {
        match entry {
            Entry::Took { event, name, order, content } => {
                let thing = audit.name_of_event(&event, &name, order.as_deref());
                audit.found(Place::Remote, thing, content, &format!("event {event}"));
            }
            Entry::OtherBody { key } => {
                audit.findings().duplicated.add(format!("key {key} came to the remote with two bodies"));
            }
            Entry::Nonsense { why } => {
                audit.findings().unexpected.add(format!("the remote could not read a request: {why}"));
            }
        }
    }
}

/// No part of the program may have panicked.
pub(crate) fn of_log(audit: &mut Audit<'_>, log: &Path) {
    let lines = BufReader::new(File::open(log).unwrap()).lines().map_while(Result::ok);
    for line in lines.filter(|line| line.contains("panicked at")) {
        audit.findings().unexpected.add(format!("the program said: {line}"));
    }
}
