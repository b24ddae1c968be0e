//! The course of a run: load and blows at the same time, then quiet, then the audit.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Client;
use server::clock::now;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::audit::{Audit, Findings};
use crate::helper::Helper;
use crate::program::{Program, Setup, address, drive};
use crate::schedule::{Kind, blows};
use crate::senders::Senders;
use crate::traffic::Traffic;
use crate::{Args, BETWEEN_BLOWS, BETWEEN_BLOWS_OF_THE_CONTROL, HASTY, evidence};

/// The most memory that the program may hold, MiB.
const MEMORY: u64 = 128;

/// When everything goes well again, what was not answered yet is by then.
const LAST_TRIES: Duration = Duration::from_mins(1);

/// An outbox that does not get shorter for so long is stuck.
const STUCK: Duration = Duration::from_mins(1);

/// How often the driver says where it stands.
const WORD: Duration = Duration::from_secs(30);

/// What was done to the program, and how it took it.
#[derive(Default)]
struct Done {
    kills: u32,
    stops: u32,
    freezes: u32,
    /// Until it was ready again, at most.
    slowest_start: Duration,
    /// MiB, at most.
    memory: u64,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, stops, freezes, slowest_start, memory } = self;
        write!(
            f,
            "{kills} kills, {stops} stops, {freezes} freezes, ready again in {slowest_start:.1?} and {memory} MiB of memory at most"
        )
    }
}

/// One run.
struct Run {
    setup: Setup,
    traffic: Traffic,
    senders: Arc<Senders>,
    http: Client,
    until: Instant,
}

/// Does it all, says what was found; true if it is as it should be.
pub(crate) async fn run(args: &Args, seed: u64) -> bool {
    println!("chaos: seed {seed}, {} s at {} requests/s on {}", args.seconds, args.rate, args.ttr.display());
    std::fs::create_dir_all(&args.below).unwrap();
    let folder = tempfile::Builder::new().prefix("chaos-").tempdir_in(&args.below).unwrap();
    let book = folder.path().join("remote.jsonl");
    let mut remote = Helper::start(&["upstream", &seed.to_string(), book.to_str().unwrap()]);
    let mut way = Helper::start(&["proxy", &seed.to_string(), &remote.addr.to_string()]);
    let setup = Setup {
        ttr: args.ttr.clone(),
        config: args.config.clone(),
        folder: folder.path().to_owned(),
        addr: address(),
        remote: way.addr,
        failpoints: if args.expect_loss { HASTY } else { "" },
    };
    let http = Client::builder().timeout(Duration::from_secs(40)).build().unwrap();
    let mut program = Program::start(&setup);
    program.ready(&http, &setup).await.expect("the first start");

    let traffic = Traffic { seed, start: now(), rate: args.rate };
    let senders = Arc::new(Senders::new(traffic, setup.url("")));
    let until = Instant::now() + Duration::from_secs(args.seconds);
    let run = Run { setup, traffic, senders, http, until };
    let between = if args.expect_loss { BETWEEN_BLOWS_OF_THE_CONTROL } else { BETWEEN_BLOWS };
    let ((sent, sending), mut done) = tokio::join!(run.load(), run.blows(&mut program, between));
    remote.calm();
    way.calm();
    let quiet = Instant::now();
    run.settle(sending, &mut program).await;
    let settled = quiet.elapsed();
    done.memory = done.memory.max(program.memory());
    if let Err(why) = program.stop().await {
        run.complain(why);
    }
    way.end();
    remote.end();

    let mut so_far = run.senders.so_far();
    let complaints = std::mem::take(&mut so_far.findings);
    let mut audit = Audit::new(traffic, sent, &so_far.answered, complaints);
    evidence::of_store(&mut audit, traffic, &run.setup.store()).unwrap();
    evidence::of_remote(&mut audit, &book);
    evidence::of_log(&mut audit, &run.setup.log());
    let findings = audit.judge();
    let verdict = Verdict::of(args.expect_loss, &findings, done.memory);
    println!(
        "chaos: {findings} (seed {seed}, {} s, {sent} offered, {} requests, {} events and {} deliveries accepted, \
         {done}, all told {settled:.0?} later)",
        args.seconds, so_far.requests, so_far.events, so_far.deliveries
    );
    verdict.tell(&findings, folder)
}

impl Run {
    fn complain(&self, why: String) {
        self.senders.so_far().findings.unexpected.add(why);
    }

    /// So many requests a second, whatever becomes of them; gives how many were sent, and those still under way.
    async fn load(&self) -> (u64, JoinSet<()>) {
        let (begin, mut sending) = (Instant::now(), JoinSet::new());
        let mut sent = 0;
        while Instant::now() < self.until {
            let due = u64::try_from(begin.elapsed().as_millis()).unwrap() * self.traffic.rate / 1000;
            for number in sent..due {
                let senders = Arc::clone(&self.senders);
                sending.spawn(async move { senders.send(number).await });
            }
            sent = due;
            while let Some(joined) = sending.try_join_next() {
                joined.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (sent, sending)
    }

    /// One blow after the other; the program is running when it returns.
    async fn blows(&self, program: &mut Program, between: (Duration, Duration)) -> Done {
        let (mut done, mut last_word) = (Done::default(), Instant::now());
        for blow in blows(self.traffic.seed, between) {
            let at = Instant::now() + blow.after;
            if at > self.until {
                break;
            }
            self.watch(program, at).await;
            done.memory = done.memory.max(program.memory());
            match blow.kind {
                Kind::Kill => {
                    program.kill();
                    done.kills += 1;
                }
                Kind::Stop => {
                    if let Err(why) = program.stop().await {
                        self.complain(why);
                    }
                    done.stops += 1;
                }
                Kind::Freeze(time) => {
                    program.freeze(time).await;
                    done.freezes += 1;
                    continue;
                }
            }
            let begin = Instant::now();
            self.start(program).await;
            done.slowest_start = done.slowest_start.max(begin.elapsed());
            if last_word.elapsed() > WORD {
                last_word = Instant::now();
                self.say_where_it_stands(&done);
            }
        }
        self.watch(program, self.until).await;
        done
    }

    fn say_where_it_stands(&self, done: &Done) {
        let left = self.until.saturating_duration_since(Instant::now()).as_secs();
        let waiting = evidence::waiting(&self.setup.store()).unwrap();
        let so_far = self.senders.so_far();
        let (events, deliveries) = (so_far.events, so_far.deliveries);
        println!(
            "  {left} s left: {done}, {events} events and {deliveries} deliveries accepted, {waiting} rows wait"
        );
    }

    /// Until then nothing is done to it, and it must not end.
    async fn watch(&self, program: &mut Program, at: Instant) {
        while Instant::now() < at {
            if let Some(status) = program.ended() {
                self.complain(format!("the program ended by itself: {status}"));
                self.start(program).await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn start(&self, program: &mut Program) {
        *program = Program::start(&self.setup);
        if let Err(why) = program.ready(&self.http, &self.setup).await {
            self.complain(why);
        }
    }

    /// All goes well now: everybody is answered, everything is told.
    async fn settle(&self, mut sending: JoinSet<()>, program: &mut Program) {
        let answered = async {
            while let Some(joined) = sending.join_next().await {
                joined.unwrap();
            }
        };
        if tokio::time::timeout(LAST_TRIES, answered).await.is_err() {
            self.complain(format!("{} senders were not answered in {LAST_TRIES:?}", sending.len()));
        }
        let (mut fewest, mut since) = (u64::MAX, Instant::now());
        while since.elapsed() < STUCK {
            match drive(&self.http, &self.setup).await {
                Some(0) => return,
                Some(waiting) if waiting < fewest => (fewest, since) = (waiting, Instant::now()),
                _ => {}
            }
            self.watch(program, Instant::now() + Duration::from_millis(200)).await;
        }
        self.complain(format!("{fewest} rows stay in the outbox"));
    }
}

/// What a run comes to.
struct Verdict {
    /// The test that it is.
    test: &'static str,
    faults: Vec<String>,
}

impl Verdict {
    fn of(expect_loss: bool, findings: &Findings, memory: u64) -> Self {
        let mut faults = Vec::new();
        if expect_loss {
            if findings.lost.count == 0 {
                faults.push(
                    "the control: a program that answers before it commits was not found out".to_owned(),
                );
            }
            return Self { test: "chaos::a_program_that_answers_before_it_commits_is_found_out", faults };
        }
        if !findings.is_empty() {
            faults.push(format!("something was found:\n{}", findings.details()));
        }
        if memory > MEMORY {
            faults.push(format!("the program held {memory} MiB, more than {MEMORY}"));
        }
        Self { test: "chaos::nothing_answered_is_lost_or_counted_twice", faults }
    }

    /// In the words of Rust's test runner, which scripts/check-faults.mjs reads; what a failed run leaves is kept.
    fn tell(self, findings: &Findings, folder: TempDir) -> bool {
        let good = self.faults.is_empty();
        println!("test {} ... {}", self.test, if good { "ok" } else { "FAILED" });
        for fault in self.faults {
            println!("{fault}");
        }
        if !good {
            println!(
                "{}the store, the remote's book and the log are in {}",
                findings.details(),
                folder.keep().display()
            );
        }
        good
    }
}
