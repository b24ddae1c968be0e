//! `ttr doctor`: looks at everything that a site needs and says in plain words what is wrong and how to mend it.
//!
//! One small file per group of checks. They change nothing, work beside a running `ttr`, ask the network at the same
//! time and briefly, and never show a secret.

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;

use crate::config::{Config, Mode};
pub(super) use disk::free_space;
use network::Network;
use report::Report;

mod aurea;
mod clock;
mod configuration;
mod deliveries;
mod disk;
mod network;
mod outbox;
mod provider;
mod report;
mod secrets;
mod site;
mod store;

/// How the doctor looks.
#[derive(clap::Args)]
pub struct Args {
    /// For programs: {"checks":[…],"summary":{…}}
    #[arg(long)]
    json: bool,
    /// Ask nothing of the network
    #[arg(long)]
    offline: bool,
}

/// What a check found.
#[derive(Debug, serde::Serialize)]
struct Check {
    id: &'static str,
    status: Status,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// As it should be.
    Ok,
    /// The site works, but less well than it could.
    Warn,
    /// Something does not work.
    Fail,
    /// Not looked at.
    Skipped,
}

impl Check {
    fn ok(id: &'static str, message: impl Into<String>) -> Self {
        Self { id, status: Status::Ok, message: message.into(), mend: None }
    }

    fn skipped(id: &'static str, message: impl Into<String>) -> Self {
        Self { id, status: Status::Skipped, message: message.into(), mend: None }
    }

    fn warn(id: &'static str, message: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { id, status: Status::Warn, message: message.into(), mend: Some(mend.into()) }
    }

    fn fail(id: &'static str, message: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { id, status: Status::Fail, message: message.into(), mend: Some(mend.into()) }
    }

    /// Bad where money is made, worth a word where one tries things out.
    fn bad_in(
        mode: Option<Mode>,
        id: &'static str,
        message: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        match mode {
            Some(Mode::Development) => Self::warn(id, message, mend),
            _ => Self::fail(id, message, mend),
        }
    }
}

/// Examines and prints. Exit code 0: nothing or warnings only; 1: something does not work; 78: the configuration can't
/// be used.
#[allow(clippy::implicit_hasher)] // main alone reads the environment
pub async fn run(config_path: &Path, env: &HashMap<String, String>, args: &Args) -> ExitCode {
    let network = if args.offline { Network::offline() } else { Network::new() };
    let mut report = examine(config_path, env, &network).await;
    report.checks.extend(configuration::unreadable(std::env::vars_os()));
    if args.json {
        println!("{}", report.json());
    } else {
        print!("{}", report.text());
    }
    report.exit_code()
}

async fn examine(config_path: &Path, env: &HashMap<String, String>, network: &Network) -> Report {
    let config = Config::load(config_path, env);
    let mut checks = configuration::check(&config);
    checks.extend(secrets::check(env, config.as_ref().ok().map(|config| config.mode)));
    let usable = config.is_ok();
    if let Ok(config) = &config {
        checks.extend(site::files(config));
        let (store, site, provider, aurea) = tokio::join!(
            store::check(&config.database),
            site::check(config, network),
            provider::check(config, network),
            aurea::check(config, network),
        );
        // Others' clocks before our own, which may be what answers at the public address.
        let offset = provider.offset.or(aurea.offset).or(site.offset);
        checks.extend(store);
        checks.extend(disk::check(&config.database, config.reserve));
        checks.extend(site.checks);
        checks.extend(provider.checks);
        checks.extend(deliveries::checks(config));
        checks.extend(aurea.checks);
        checks.extend(outbox::check(config));
        checks.push(clock::check(offset));
    } else {
        checks.push(Check::skipped("others", "not looked at before the configuration can be used"));
    }
    Report { checks, usable }
}
