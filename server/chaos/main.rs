//! The chaos driver: kills the program again and again under load, and counts what was lost, doubled or made up.
//!
//! The program is a real `ttr`, the remote Aurea (`upstream.rs`) and the way to it (`proxy.rs`) are processes of their own
//! with faults of every kind. The driver sends what visitors, key holders and Whop send (`traffic.rs`, `senders.rs`), keeps
//! what was answered 200, lets everything settle and holds it against the store and the remote's book (`audit.rs`). What
//! is sent and what goes wrong is a function of the seed. `make chaos`; an example, so that it never ships.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a driver that can't go on has failed, and its children end with it

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use rand::Rng;
use tokio::signal::unix::{SignalKind, signal};

mod audit;
mod content;
mod dice;
mod evidence;
mod helper;
mod program;
mod proxy;
mod run;
mod schedule;
mod script;
mod senders;
mod traffic;
mod upstream;

/// The shortest and the longest time between two blows.
const BETWEEN_BLOWS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_millis(3500));

/// The same for the control: it need not recover much.
const BETWEEN_BLOWS_OF_THE_CONTROL: (Duration, Duration) =
    (Duration::from_millis(700), Duration::from_millis(1500));

/// What makes a build with failpoints answer before it commits, on a disk that is slow.
const HASTY: &str = "writer.hasty=return;writer.before_commit=sleep(20)";

/// Kills ttr again and again under load, and counts what was lost
#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The program
    #[arg(long, default_value = "target/release/ttr")]
    ttr: PathBuf,
    /// Its configuration
    #[arg(long, default_value = "Leptos.toml")]
    config: PathBuf,
    /// Where the run's folder is made; it goes unless something was found
    #[arg(long, default_value = "target/tests")]
    below: PathBuf,
    /// How long there is load
    #[arg(long, default_value_t = 1200)]
    seconds: u64,
    /// Requests a second, whatever becomes of them
    #[arg(long, default_value_t = 300)]
    rate: u64,
    /// What is sent and what goes wrong; another one each time unless it is named
    #[arg(long)]
    seed: Option<u64>,
    /// The control: the program, built with failpoints, answers before it commits; not finding out is the failure
    #[arg(long)]
    expect_loss: bool,
}

#[derive(Subcommand)]
enum Part {
    #[command(hide = true)]
    Upstream { seed: u64, book: PathBuf },
    #[command(hide = true)]
    Proxy { seed: u64, to: SocketAddr },
}

#[tokio::main]
async fn main() -> ExitCode {
    let Cli { args, part } = Cli::parse();
    match part {
        Some(Part::Upstream { seed, book }) => upstream::run(seed, &book).await.unwrap(),
        Some(Part::Proxy { seed, to }) => proxy::run(seed, to).await.unwrap(),
        None => {
            let seed = args.seed.unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
            tokio::select! {
                good = run::run(&args, seed) => return if good { ExitCode::SUCCESS } else { ExitCode::FAILURE },
                () = told_to_stop() => {
                    eprintln!("chaos: stopped before the end");
                    return ExitCode::from(130);
                }
            }
        }
    }
    ExitCode::SUCCESS
}

async fn told_to_stop() {
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt()).unwrap(), signal(SignalKind::terminate()).unwrap());
    tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
}
