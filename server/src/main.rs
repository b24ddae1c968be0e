//! `ttr`: the commands.

use std::collections::HashMap;
use std::error::Error;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use server::config::{BAD_CONFIGURATION, Config, Mode};
use server::demo;
use server::failpoints;
use server::ops::{backup, doctor, forward, login, reconcile, restore};
use server::serve::{self, ServeError};
use server::simulator::Simulator;
use tracing_subscriber::EnvFilter;

/// Keeps ONE session from landing to purchase.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// The owner's words and settings
    #[arg(long, global = true, default_value = "Leptos.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the site (what `ttr` alone does)
    Serve,
    /// Print a new link to the owner's screens; the old one and every login end
    Login,
    /// Compare the providers' own lists of payments with ours, and keep what no delivery brought
    Reconcile(reconcile::Args),
    /// Have the running site send what waits or was given up, and say how far that went
    Forward,
    /// Say what is wrong with the site, and how to mend it
    Doctor(doctor::Args),
    /// Write the whole store into one file, while ttr works
    Backup(backup::Args),
    /// Put a backup in the store's place; what was there is kept
    Restore(restore::Args),
    /// Fill the store with made-up visits, to try the screens
    Demo(demo::Args),
}

fn main() -> ExitCode {
    let _armed = failpoints::arm();
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let env = environment();
    let command = cli.command.unwrap_or(Command::Serve);
    if let Command::Doctor(args) = &command {
        return runtime.block_on(doctor::run(&cli.config, &env, args)); // it shows the faults itself
    }
    let config = match Config::load(&cli.config, &env) {
        Ok(config) => config,
        Err(faults) => {
            for fault in faults {
                eprintln!("{fault}");
            }
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    // A line for each made-up visit helps nobody, and what was compared is printed.
    let quiet = matches!(command, Command::Demo(_) | Command::Reconcile(_));
    log(config.mode, if quiet { "error" } else { "info" });
    let done: Result<(), Box<dyn Error>> = match command {
        Command::Serve => runtime.block_on(run(config)).map_err(Into::into),
        Command::Forward => runtime.block_on(forward::run(&config)).map_err(Into::into),
        Command::Login => runtime.block_on(login::renew(&config)).map_err(Into::into),
        Command::Reconcile(args) => match runtime.block_on(serve::reconcile(&config, &args)) {
            Ok(code) => return code,
            Err(error) => Err(error.into()),
        },
        Command::Backup(args) => backup::run(&config, &args).map_err(Into::into),
        Command::Restore(args) => restore::run(&config, &args).map_err(Into::into),
        Command::Demo(args) => return runtime.block_on(demo::run(&config, &args)),
        Command::Doctor(_) => unreachable!("it was answered without a configuration"),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

/// Variables that are not text can't be ours.
fn environment() -> HashMap<String, String> {
    let text =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    std::env::vars_os().filter_map(text).collect()
}

fn failed(error: &dyn Error) -> ExitCode {
    tracing::error!("{error}");
    ExitCode::FAILURE
}

/// Lines for people in development, JSON for machines in production. `RUST_LOG` chooses how much.
fn log(mode: Mode, level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    match mode {
        Mode::Development => builder.with_target(false).with_ansi(std::io::stdout().is_terminal()).init(),
        Mode::Production => builder.json().flatten_event(true).init(),
    }
}

async fn run(config: Config) -> Result<(), ServeError> {
    // The ports first: the simulator must know its own before the page can name it.
    let listener = serve::listen(config.site.addr).await?;
    let simulator = match &config.simulator {
        Some(settings) => Some(Simulator::start(&config, settings).await?),
        None => None,
    };
    let providers = match &simulator {
        Some(simulator) => simulator.stand_in(config.providers.clone()),
        None => config.providers.clone(),
    };
    let application = serve::build(&config, &providers, simulator.is_some()).await?;
    tracing::info!("the site is at {}", config.site.origin());
    if let Some(simulator) = &simulator {
        tracing::info!(
            "{} is simulated at {}, no money moves; {}/simulator makes refunds, disputes and renewals",
            simulator.title(),
            simulator.origin(),
            simulator.origin()
        );
    }
    if let Some(token) = &application.new_token {
        login::show(&config, token);
    }
    serve::serve(application, listener).await
}
