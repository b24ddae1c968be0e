//! `ttr login`: a new link to the owner's screens.

use secrecy::{ExposeSecret, SecretString};

use crate::aurea::Access;
use crate::config::Config;
use crate::store::StoreError;
use crate::store::sqlite::SqliteStore;

/// Makes a new token and shows it.
pub async fn renew(config: &Config) -> Result<(), StoreError> {
    if config.admin_token.is_some() {
        println!("AUREA_ADMIN_TOKEN is set: log in with it at {}/aurea/login", config.site.origin());
        return Ok(());
    }
    let store = SqliteStore::open(&config.database)?;
    let token = Access::renew(&store).await?;
    store.close().await;
    show(config, &token);
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
