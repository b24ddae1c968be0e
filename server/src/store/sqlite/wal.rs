//! The write-ahead log: folded back into the file in time, so that it stays small.
//!
//! SQLite would do it inside a commit, before anybody is answered, and keep errors to itself. Here the writer does it after
//! the answers, and hears them.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::opening::LOCK_PATIENCE;
use super::pairing;

/// How large the log gets, in pages of 4 KiB.
#[derive(Clone, Copy, Debug)]
pub struct LogLimits {
    /// So many pages are folded back together.
    pub fold: u32,
    /// From here on readers are waited for, so that the log can begin anew.
    pub large: u32,
    /// From here on somebody is told.
    pub alarming: u32,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { fold: 4000, large: 16_384, alarming: 65_536 } // 16, 64 and 256 MiB
    }
}

/// How long readers are waited for; ours are cut after a few seconds, those of other programs are not.
const READERS_PATIENCE: Duration = Duration::from_secs(1);

/// They are waited for no more often than this: everybody waits meanwhile.
const WAIT_AGAIN: Duration = Duration::from_secs(5);

/// Looks after the log.
pub(super) struct Wal {
    limits: LogLimits,
    waited_at: Option<Instant>,
    alarmed: bool,
    /// The file's own number, known while all of the log is in the file: then the next commit may begin it anew.
    pub(super) number_of_the_file: Option<i32>,
}

/// How the log stands, in pages.
#[derive(Clone, Copy)]
struct Standing {
    pages: i64,
    folded: i64,
}

impl Wal {
    pub(super) fn new(limits: LogLimits) -> Self {
        Self { limits, waited_at: None, alarmed: false, number_of_the_file: None }
    }

    /// To be called after each commit.
    pub(super) fn tend(&mut self, connection: &Connection) -> Result<(), rusqlite::Error> {
        let number = pairing::number(connection)?;
        let mut standing = ask(connection, "PRAGMA wal_checkpoint(NOOP)")?;
        if standing.pages >= i64::from(self.limits.large) && self.may_wait() {
            connection.busy_timeout(READERS_PATIENCE)?;
            let asked = ask(connection, "PRAGMA wal_checkpoint(RESTART)");
            connection.busy_timeout(LOCK_PATIENCE)?;
            standing = asked?;
        } else if standing.pages - standing.folded >= i64::from(self.limits.fold) {
            standing = ask(connection, "PRAGMA wal_checkpoint(PASSIVE)")?;
        }
        self.number_of_the_file = (standing.pages == standing.folded).then_some(number);
        self.tell(standing);
        Ok(())
    }

    fn may_wait(&mut self) -> bool {
        let may = self.waited_at.is_none_or(|at| at.elapsed() >= WAIT_AGAIN);
        if may {
            self.waited_at = Some(Instant::now());
        }
        may
    }

    /// Says once that the log has grown, and once that it is over.
    fn tell(&mut self, standing: Standing) {
        let alarming = standing.pages >= i64::from(self.limits.alarming);
        if alarming && !self.alarmed {
            tracing::error!(
                pages = standing.pages,
                "the write-ahead log grows: a reader of another program (a backup, a sqlite3 shell) keeps it from being \
                 folded back"
            );
        } else if self.alarmed && !alarming {
            tracing::info!(pages = standing.pages, "the write-ahead log is small again");
        }
        self.alarmed = alarming;
    }
}

fn ask(connection: &Connection, sql: &str) -> Result<Standing, rusqlite::Error> {
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row([], |row| Ok(Standing { pages: row.get(1)?, folded: row.get(2)? }))
}
