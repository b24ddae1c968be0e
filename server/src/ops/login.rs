//! `ttr login`: a new link to the owner's screens.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use crate::aurea::Access;
use crate::config::Config;
use crate::store::StoreError;
use crate::store::sqlite::SqliteStore;

/// Why there is no new link.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// A new store would belong to no site.
    #[error(
        "there is no store at {0}: a link to a new one would open nothing. Run this in the folder and with the \
         DATABASE_URL that ttr is started with, and start ttr once before."
    )]
    NoStore(PathBuf),
    /// The store does not work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a new token and shows it.
pub async fn renew(config: &Config) -> Result<(), LoginError> {
    if config.admin_token.is_some() {
        println!("AUREA_ADMIN_TOKEN is set: log in with it at {}/aurea/login", config.site.origin());
        return Ok(());
    }
    if !config.database.exists() {
        return Err(LoginError::NoStore(config.database.clone()));
    }
    let store = SqliteStore::open(&config.database)?;
    let token = Access::renew(&store).await?;
    store.close().await;
    show(config, &token);
    println!(
        "Everybody was logged out. If the ttr that serves has AUREA_ADMIN_TOKEN in its own environment, that token \
         opens nothing now; it is set again when that ttr next starts, and this link ends.\n"
    );
    Ok(())
}

/// On standard output and not in the log: a secret, for the person who started the program.
pub fn show(config: &Config, token: &SecretString) {
    let origin = config.site.origin();
    println!("\nThe owner's screens: {origin}/aurea/login?token={}\n", token.expose_secret());
    println!(
        "Keep this link: only a hash of it is stored. `ttr login` makes a new one and ends every login.\n"
    );
}
