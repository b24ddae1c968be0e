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

/// After they were waited for in vain, they are not for so long: everybody who writes waits meanwhile.
const WAIT_AGAIN: Duration = Duration::from_secs(5);

/// Looks after the log.
pub(super) struct Wal {
    limits: LogLimits,
    in_vain_at: Option<Instant>,
    alarmed: bool,
    /// The file's own number, known while all of the log is in the file: then the next commit may begin it anew.
    pub(super) number_of_the_file: Option<i32>,
}

/// How the log stands, in pages.
#[derive(Clone, Copy)]
struct Standing {
    /// Somebody was waited for and did not end.
    in_vain: bool,
    pages: i64,
    folded: i64,
}

impl Wal {
    pub(super) fn new(limits: LogLimits) -> Self {
        Self { limits, in_vain_at: None, alarmed: false, number_of_the_file: None }
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
            self.in_vain_at = standing.in_vain.then(Instant::now);
        } else if standing.pages - standing.folded >= i64::from(self.limits.fold) {
            standing = ask(connection, "PRAGMA wal_checkpoint(PASSIVE)")?;
        }
        self.number_of_the_file = (standing.pages == standing.folded).then_some(number);
        self.tell(standing);
        Ok(())
    }

    fn may_wait(&self) -> bool {
        self.in_vain_at.is_none_or(|at| at.elapsed() >= WAIT_AGAIN)
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
    statement
        .query_row([], |row| Ok(Standing { in_vain: row.get(0)?, pages: row.get(1)?, folded: row.get(2)? }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::super::disk::Disk;
    use super::super::opening;
    use super::super::readers::Readers;
    use super::super::writer::Writer;
    use super::*;
    use crate::domain::size::Size;

    const LIMITS: LogLimits = LogLimits { fold: 50, large: 400, alarming: 800 };

    const PAGE: u64 = 4096;

    /// Reads one row and does not end before it is cut.
    const ENDLESS: &str = "WITH RECURSIVE n(x) AS (SELECT count(*) FROM filler UNION ALL SELECT x + 1 FROM n)
                           SELECT count(*) FROM n";

    fn log_pages(file: &Path) -> u64 {
        std::fs::metadata(pairing::log_of(file)).unwrap().len() / PAGE
    }

    /// Writes 20 pages.
    async fn write(writer: &Writer) {
        let write =
            |connection: &Connection| connection.execute("INSERT INTO filler VALUES (randomblob(80000))", []);
        writer.write(write).await.unwrap();
    }

    fn a_store() -> (tempfile::TempDir, Arc<Disk>, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(Disk::new(&folder.path().join("ttr.db"), Size(0)));
        let connection = opening::open(&disk).unwrap();
        connection.execute_batch("CREATE TABLE filler (x)").unwrap();
        (folder, disk, connection)
    }

    #[tokio::test]
    async fn the_log_stays_small_though_there_is_always_somebody_who_reads() {
        let (_folder, disk, connection) = a_store();
        let file = disk.file().to_owned();
        let patience = Duration::from_millis(200);
        let readers = Arc::new(Readers::new(2, patience, || opening::reader(&file)).unwrap());
        let writer = Writer::start(connection, Arc::clone(&disk), LIMITS, Arc::default()).unwrap();
        let read = |delay: u64| {
            let readers = Arc::clone(&readers);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(delay)).await; // so that one begins before another ends
                loop {
                    let cut =
                        readers.read(|reader| reader.query_row(ENDLESS, [], |row| row.get::<_, i64>(0)));
                    assert!(cut.await.is_err());
                }
            })
        };
        let reading = [read(0), read(100)];
        let mut largest = 0;
        for _ in 0..200 {
            write(&writer).await; // 4,000 pages in all
            largest = largest.max(log_pages(&file));
        }
        for reader in reading {
            reader.abort();
        }
        assert!(largest < 1000, "{largest} pages");
    }

    #[tokio::test]
    async fn a_reader_of_another_program_is_told_of_and_holds_nobody_up_for_long() {
        let (_folder, disk, connection) = a_store();
        let file = disk.file().to_owned();
        let writer = Writer::start(connection, disk, LIMITS, Arc::default()).unwrap();
        let other = Connection::open(&file).unwrap();
        other.execute_batch("BEGIN; SELECT count(*) FROM filler").unwrap();
        let begun = Instant::now();
        for _ in 0..50 {
            write(&writer).await;
        }
        assert!(log_pages(&file) >= 1000 && begun.elapsed() < WAIT_AGAIN, "{:?}", begun.elapsed());
        other.execute_batch("COMMIT").unwrap();
        let before = log_pages(&file);
        for _ in 0..50 {
            write(&writer).await;
        }
        assert!(log_pages(&file) <= before + 100, "it began anew when the reader was gone");
    }
}
