//! Who may see the owner's screens: hashes of the admin token and of logins.

use rusqlite::{Connection, OptionalExtension, params};

use super::rows::Result;
use crate::domain::Millis;
use crate::store::SecretHash;

pub(super) fn admin_token(connection: &Connection) -> Result<Option<SecretHash>> {
    let mut statement = connection.prepare_cached("SELECT hash FROM admin_token WHERE one = 1")?;
    statement.query_row([], |row| row.get(0)).optional()
}

/// Whoever logged in with another token is logged out.
pub(super) fn set_admin_token(connection: &Connection, hash: &SecretHash) -> Result<()> {
    connection.execute("DELETE FROM login WHERE (SELECT hash FROM admin_token) IS NOT ?1", params![hash])?;
    connection.execute("INSERT OR REPLACE INTO admin_token (one, hash) VALUES (1, ?1)", params![hash])?;
    Ok(())
}

pub(super) fn add_login(
    connection: &Connection,
    hash: &SecretHash,
    expires_at: Millis,
    now: Millis,
) -> Result<()> {
    connection.execute("DELETE FROM login WHERE expires_at <= ?1", params![now])?;
    connection.execute(
        "INSERT OR REPLACE INTO login (hash, expires_at) VALUES (?1, ?2)",
        params![hash, expires_at],
    )?;
    Ok(())
}

pub(super) fn has_login(connection: &Connection, hash: &SecretHash, now: Millis) -> Result<bool> {
    let mut statement =
        connection.prepare_cached("SELECT 1 FROM login WHERE hash = ?1 AND expires_at > ?2")?;
    statement.exists(params![hash, now])
}

pub(super) fn remove_login(connection: &Connection, hash: &SecretHash) -> Result<()> {
    connection.execute("DELETE FROM login WHERE hash = ?1", params![hash]).map(drop)
}
