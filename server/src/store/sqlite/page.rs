//! The list of payments: newest first, filtered, page by page. Where few pass a filter, an index leads to them.

use std::sync::LazyLock;

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::payments::{RECORD, completed, record_of};
use super::rows::Result;
use super::summaries::{COLUMNS, summary_of};
use crate::domain::Millis;
use crate::domain::event::FunnelId;
use crate::store::{PaymentCursor, PaymentQuery, PaymentRecord, SessionRow};

/// Newest first, after the cursor.
pub(super) fn page(
    connection: &Connection,
    funnel: &FunnelId,
    query: &PaymentQuery,
    after: Option<&PaymentCursor>,
    limit: usize,
) -> Result<Vec<PaymentRecord>> {
    let (sql, values) = asked(funnel, query, after, limit);
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_map(params_from_iter(values), |row| record_of(row, funnel))?;
    if query.in_full { found.map(|record| completed(connection, record?)).collect() } else { found.collect() }
}

/// The question in SQL, with its values.
fn asked(
    funnel: &FunnelId,
    query: &PaymentQuery,
    after: Option<&PaymentCursor>,
    limit: usize,
) -> (String, Vec<Value>) {
    let mut conditions = "funnel = ?".to_owned();
    let mut values: Vec<Value> = vec![funnel.as_str().to_owned().into()];
    let mut and = |condition: &str, more: Vec<Value>| {
        conditions.push_str(" AND ");
        conditions.push_str(condition);
        values.extend(more);
    };
    if let Some(provider) = &query.provider {
        // The plus keeps it out of the order, or SQLite would sort by what it can't see to be one.
        and("+provider = ?", vec![provider.clone().into()]);
    }
    if let Some(state) = query.state {
        and("state = ?", vec![state.as_str().to_owned().into()]);
    }
    if let Some(kind) = query.kind {
        and("kind = ?", vec![kind.as_str().to_owned().into()]);
    }
    if query.tests {
        and("test = 1", vec![]);
    }
    match query.attributed {
        Some(true) => and("session_id IS NOT NULL", vec![]),
        Some(false) => and("session_id IS NULL", vec![]),
        None => {}
    }
    if let Some(from) = query.from {
        and("paid_at >= ?", vec![from.into()]);
    }
    if let Some(before) = query.before {
        and("paid_at < ?", vec![before.into()]);
    }
    if let Some((paid_at, provider, payment_id)) = after {
        let after = vec![(*paid_at).into(), provider.clone().into(), payment_id.clone().into()];
        and("(paid_at, provider, payment_id) < (?, ?, ?)", after);
    }
    values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
    let sql = format!(
        "SELECT {} FROM payment INDEXED BY {} WHERE {conditions}
         ORDER BY paid_at DESC, provider DESC, payment_id DESC LIMIT ?",
        *RECORD,
        index(query)
    );
    (sql, values)
}

/// The index that leads to the fewest. It is named because without statistics SQLite may take one of another order, and sort.
fn index(query: &PaymentQuery) -> &'static str {
    match query {
        PaymentQuery { attributed: Some(false), .. } => "payment_without_session",
        PaymentQuery { state: Some(_), .. } => "payment_of_state",
        _ => "payment_by_time",
    }
}

static UNPAID: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {COLUMNS} FROM session INDEXED BY session_unpaid
         WHERE funnel = ?1 AND checkout_at IS NOT NULL AND converted = 0 AND checkout_at BETWEEN ?2 AND ?3
         ORDER BY checkout_at DESC LIMIT ?4"
    )
});

/// Sessions that began a checkout from `since` to `by` and have not converted, the newest checkout first.
pub(super) fn unpaid(
    connection: &Connection,
    funnel: &FunnelId,
    (since, by): (Millis, Millis),
    limit: usize,
) -> Result<Vec<SessionRow>> {
    let mut statement = connection.prepare_cached(&UNPAID)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    statement
        .query_map(params![funnel.as_str(), since, by, limit], summary_of)?
        .map(|summary| Ok(SessionRow { summary: summary?, conversions: Vec::new() }))
        .collect()
}

/// A step for each provider: the primary key begins with funnel and provider.
const PROVIDERS: &str = "WITH RECURSIVE known (provider) AS (
    SELECT min(provider) FROM payment WHERE funnel = ?1
    UNION ALL
    SELECT (SELECT min(provider) FROM payment WHERE funnel = ?1 AND provider > known.provider)
    FROM known WHERE known.provider IS NOT NULL)
    SELECT provider FROM known WHERE provider IS NOT NULL";

/// Providers that have payments in the funnel.
pub(super) fn providers(connection: &Connection, funnel: &FunnelId) -> Result<Vec<String>> {
    connection.prepare_cached(PROVIDERS)?.query_map([funnel.as_str()], |row| row.get(0))?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ledger::PaymentState;
    use crate::store::sqlite::migrations;
    use crate::store::sqlite::payments::TOLD_OF;
    use crate::store::sqlite::plan::plan;

    #[test]
    fn the_deliveries_of_a_payment_are_found_without_going_through_the_others() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrations().to_latest(&mut connection).unwrap();
        let plan = plan(&connection, &format!("SELECT delivery_id FROM {TOLD_OF}"));
        assert_eq!(plan[0], "SEARCH delivery USING INDEX delivery_of_payment (provider=? AND payment_id=?)");
    }

    #[test]
    fn an_index_leads_to_what_is_shown_and_nothing_is_sorted() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrations().to_latest(&mut connection).unwrap();
        let funnel = FunnelId::parse("ttr").unwrap();
        let cursor = (1, "whop".to_owned(), "pay_1".to_owned());
        let all = PaymentQuery::default();
        let whops = PaymentQuery { provider: Some("whop".into()), from: Some(1), ..all.clone() };
        let refunded = PaymentQuery { state: Some(PaymentState::Refunded), before: Some(1), ..all.clone() };
        let nobodys = PaymentQuery { attributed: Some(false), ..refunded.clone() };
        let mut questions: Vec<String> = Vec::new();
        for query in [all, whops, refunded, nobodys] {
            questions.extend([None, Some(&cursor)].map(|after| asked(&funnel, &query, after, 50).0));
        }
        questions.push(UNPAID.clone());
        for sql in questions {
            let plan = plan(&connection, &sql);
            assert!(plan.iter().all(|step| step.contains("USING INDEX")), "{sql}: {plan:?}");
        }
    }

    #[test]
    fn providers_are_found_a_step_each() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrations().to_latest(&mut connection).unwrap();
        let plan = plan(&connection, PROVIDERS);
        assert!(!plan.iter().any(|step| step.starts_with("SCAN payment")), "{plan:?}");
        assert_eq!(providers(&connection, &FunnelId::parse("ttr").unwrap()).unwrap(), [""; 0]);
    }
}
