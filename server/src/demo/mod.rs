//! `ttr demo`: fills the store with believable visits, to try the screens and to measure.
//!
//! What browsers, buyers and Whop would send goes through the real collector, checkouts and webhooks, at times that lie
//! in the past. Like the simulator it plays the outside world, so that only `main` knows it. Nothing is forwarded.
//! The same seed and `--until` give the same ids: a second run adds nothing.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::clock::now;
use crate::config::{Config, Mode};
use crate::domain::{DAY, Millis};
use rooms::{Count, Rooms, RoomsError};
use visitor::{Landing, Visitor};

mod moment;
mod rhythm;
mod rooms;
mod sources;
mod visit;
mod visitor;

/// Visitors at once: enough for the writer's groups, few enough for a small machine.
const AT_ONCE: usize = 128;

/// How many visits, and when.
#[derive(clap::Args)]
pub struct Args {
    /// How many sessions to make
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    sessions: u32,
    /// Over how many days they are spread
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
    /// The same seed makes the same visits
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// When the last of them happens (2026-01-31T12:00:00Z); now, if it is not said
    #[arg(long)]
    until: Option<jiff::Timestamp>,
    /// Write also into a store that has sessions which the demo did not make
    #[arg(long)]
    into_existing: bool,
}

/// The stretch of time that the visits fall into, ms.
#[derive(Clone, Copy)]
struct Window {
    from: Millis,
    until: Millis,
}

/// Makes the visits and says what was made.
pub async fn run(config: &Config, args: &Args) -> ExitCode {
    if config.mode == Mode::Production {
        eprintln!(
            "ttr demo makes up sessions and payments, which don't belong among real ones: it works in development only. \
             Set DATABASE_URL to a store of its own and leave SITE_URL and TTR_MODE unset."
        );
        return ExitCode::FAILURE;
    }
    eprintln!("writing {} sessions into {}", args.sessions, config.database.display());
    match fill(config, args).await {
        Ok((count, took)) => {
            println!("{count}");
            println!("in {:.1} s: {:.0} events a second", took.as_secs_f64(), count.per_second(took));
            println!("to see them, start ttr and open {}/aurea", config.site.origin());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn fill(config: &Config, args: &Args) -> Result<(Count, Duration), RoomsError> {
    let now = now();
    let until = args.until.map_or(now, |until| until.as_millisecond().min(now));
    let window = Window { from: until - Millis::from(args.days) * DAY, until };
    let landing = Landing::new(config);
    let rooms = Rooms::open(config)?;
    if !args.into_existing && !rooms.are_only_the_demos().await? {
        return Err(RoomsError::NotItsOwn);
    }
    let started = Instant::now();
    let mut progress = Progress::new(args.sessions);
    let mut count = Count::default();
    let mut playing = JoinSet::new();
    let mut number = 0;
    while count.sessions < args.sessions {
        let left = args.sessions - count.sessions;
        let visitor = Visitor::new(&landing, args.seed, number, window, args.sessions, left);
        number += 1;
        count.sessions += visitor.sessions;
        count.visitors += 1;
        let rooms = rooms.clone();
        playing.spawn(async move { rooms.play(visitor.moments).await });
        if playing.len() >= AT_ONCE
            && let Some(played) = playing.join_next().await
        {
            count.add(&rooms::joined(played)?);
            progress.show(count.sessions);
        }
    }
    while let Some(played) = playing.join_next().await {
        count.add(&rooms::joined(played)?);
    }
    progress.end();
    rooms.close().await;
    Ok((count, started.elapsed()))
}

/// A line that counts up, where somebody looks.
struct Progress {
    total: u32,
    shown: Option<Instant>,
    watched: bool,
}

impl Progress {
    fn new(total: u32) -> Self {
        Self { total, shown: None, watched: std::io::stderr().is_terminal() }
    }

    fn show(&mut self, done: u32) {
        let due = self.shown.is_none_or(|shown| shown.elapsed() > Duration::from_millis(500));
        if self.watched && due {
            self.shown = Some(Instant::now());
            let _ = write!(std::io::stderr(), "\r{done} of {} sessions", self.total); // only decoration
        }
    }

    fn end(&self) {
        if self.shown.is_some() {
            eprintln!("\r{0} of {0} sessions", self.total);
        }
    }
}
