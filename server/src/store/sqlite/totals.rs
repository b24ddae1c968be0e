//! What the ledger adds up to.

use rusqlite::{Connection, Row};

use super::rows::{Result, unreadable};
use crate::domain::event::FunnelId;
use crate::domain::money::Currency;
use crate::store::{Sum, Totals};

pub(super) fn totals(connection: &Connection) -> Result<Totals> {
    Ok(Totals {
        revenue: sums(
            connection,
            "SELECT funnel, currency, sum(conversions), sum(amount_minor) FROM tally
             WHERE currency <> '' GROUP BY funnel, currency",
        )?,
        unattributed: sums(
            connection,
            "SELECT funnel, coalesce(currency, ''), count(*), coalesce(sum(amount_minor), 0) FROM payment
             WHERE session_id IS NULL AND test = 0 GROUP BY funnel, currency",
        )?,
    })
}

fn sums(connection: &Connection, sql: &str) -> Result<Vec<Sum>> {
    connection.prepare_cached(sql)?.query_map([], sum_of)?.collect()
}

fn sum_of(row: &Row<'_>) -> Result<Sum> {
    let code: String = row.get(1)?;
    let currency = (!code.is_empty()).then(|| Currency::parse(&code)).transpose();
    Ok(Sum {
        funnel: FunnelId::parse(row.get::<_, String>(0)?).map_err(|_| unreadable(0, "funnel"))?,
        currency: currency.map_err(|_| unreadable(1, "currency"))?,
        payments: row.get(2)?,
        minor: row.get(3)?,
    })
}
