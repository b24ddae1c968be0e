//! How SQLite goes about a question, for the tests: without statistics it sometimes goes through a whole table where an index
//! would lead to what is asked for.

use rusqlite::Connection;

/// The steps in words, each parameter bound to some value.
pub(super) fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    for place in 1..=statement.parameter_count() {
        statement.raw_bind_parameter(place, 1).unwrap();
    }
    let mut rows = statement.raw_query();
    let mut plan = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        plan.push(row.get::<_, String>("detail").unwrap());
    }
    plan
}
