//! What came of comparing the ledger with each provider's own list, the last time.

use rusqlite::{Connection, Row, params};

use super::rows::{Result, unreadable};
use crate::store::Compared;

pub(super) fn set(connection: &Connection, compared: &Compared) -> Result<()> {
    let lines = |lines: &[String]| serde_json::to_string(lines).unwrap_or_default();
    connection.execute(
        "INSERT OR REPLACE INTO comparison (provider, at, listed, found, differences, fault)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            compared.provider,
            compared.at,
            compared.listed,
            lines(&compared.found),
            lines(&compared.differences),
            compared.fault,
        ],
    )?;
    Ok(())
}

pub(super) fn all(connection: &Connection) -> Result<Vec<Compared>> {
    connection
        .prepare_cached(
            "SELECT provider, at, listed, found, differences, fault FROM comparison ORDER BY provider",
        )?
        .query_map([], compared_of)?
        .collect()
}

fn compared_of(row: &Row<'_>) -> Result<Compared> {
    let lines = |column: usize| {
        serde_json::from_str(&row.get::<_, String>(column)?).map_err(|_| unreadable(column, "lines"))
    };
    Ok(Compared {
        provider: row.get(0)?,
        at: row.get(1)?,
        listed: row.get(2)?,
        found: lines(3)?,
        differences: lines(4)?,
        fault: row.get(5)?,
    })
}
