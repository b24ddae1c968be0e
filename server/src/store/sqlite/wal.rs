//! The write-ahead log: folded back into the file in time, so that it stays small.
//!
//! SQLite would do it inside a commit, before anybody is answered, and keep errors to itself. Here a thread of its own does
//! it while the writer goes on, since it takes longer the more of the file was changed; the writer hears what became of it.

use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::opening::{self, LOCK_PATIENCE};

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
        Self { fold: 4000, large: 12_000, alarming: 65_536 } // 16, 47 and 256 MiB
    }
}

/// How long readers are waited for; ours are cut after a few seconds, those of other programs are not.
const READERS_PATIENCE: Duration = Duration::from_secs(1);

/// After they were waited for in vain, they are not for so long: everybody who writes waits meanwhile.
const WAIT_AGAIN: Duration = Duration::from_secs(5);

/// What was written during one pass is folded by the next one. When nothing was, all of the log is in the file and the next
/// commit begins it anew; under a load that leaves no gap, [`LogLimits::large`] sees to that.
const PASSES: usize = 4;

/// Looks after the log. To be dropped before the writer's connection, which tidies up if it is the last one.
pub(super) struct Wal {
    limits: LogLimits,
    file: PathBuf,
    /// Sees how the log stands while the writer's connection is in a transaction.
    observer: Connection,
    /// The folding thread's, between two folds.
    spare: Option<Connection>,
    fold: Option<JoinHandle<Result<Connection, rusqlite::Error>>>,
    in_vain_at: Option<Instant>,
    alarmed: bool,
}

/// How the log stands, in pages.
#[derive(Clone, Copy)]
pub(super) struct Standing {
    /// Somebody was waited for and did not end.
    in_vain: bool,
    pages: i64,
    folded: i64,
}

impl Standing {
    /// Whether all of the log is in the file: then a commit may begin it anew.
    pub(super) fn is_whole(self) -> bool {
        self.pages == self.folded
    }
}

impl Wal {
    pub(super) fn new(limits: LogLimits, file: &Path) -> Result<Self, rusqlite::Error> {
        let observer = opening::for_the_log(file)?;
        Ok(Self {
            limits,
            file: file.to_owned(),
            observer,
            spare: None,
            fold: None,
            in_vain_at: None,
            alarmed: false,
        })
    }

    /// Looks at the file anew, after the disk did not do what it was told.
    pub(super) fn reopen(&mut self) -> Result<(), rusqlite::Error> {
        self.observer = opening::for_the_log(&self.file)?;
        Ok(())
    }

    pub(super) fn standing(&self) -> Result<Standing, rusqlite::Error> {
        ask(&self.observer, "PRAGMA wal_checkpoint(NOOP)")
    }

    /// To be called after each commit; an error may be that of a fold which it began earlier.
    pub(super) fn tend(&mut self, writer: &Connection) -> Result<(), rusqlite::Error> {
        let has_ended = self.end_fold()?;
        let mut standing = self.standing()?;
        if self.fold.is_none() {
            let is_due = standing.pages - standing.folded >= i64::from(self.limits.fold);
            let is_large = standing.pages >= i64::from(self.limits.large);
            // Everybody who writes waits while room is made, so most of the log is folded before.
            if is_large && (has_ended || !is_due) {
                standing = self.make_room(writer)?;
            } else if is_due {
                self.begin_fold();
            }
        }
        self.tell(standing);
        Ok(())
    }

    /// Folds all of it, and waits for readers, so that the next commit begins the log anew.
    fn make_room(&mut self, writer: &Connection) -> Result<Standing, rusqlite::Error> {
        let waits = self.in_vain_at.is_none_or(|at| at.elapsed() >= WAIT_AGAIN);
        writer.busy_timeout(if waits { READERS_PATIENCE } else { Duration::ZERO })?;
        let asked = ask(writer, "PRAGMA wal_checkpoint(RESTART)");
        writer.busy_timeout(LOCK_PATIENCE)?;
        let standing = asked?;
        if waits {
            self.in_vain_at = standing.in_vain.then(Instant::now);
        }
        Ok(standing)
    }

    fn begin_fold(&mut self) {
        let file = self.file.clone();
        let spare = self.spare.take();
        let fold = move || {
            let connection = spare.map_or_else(|| opening::for_the_log(&file), Ok)?;
            for _ in 0..PASSES {
                if ask(&connection, "PRAGMA wal_checkpoint(PASSIVE)")?.is_whole() {
                    break;
                }
            }
            Ok(connection)
        };
        match thread::Builder::new().name("fold".into()).spawn(fold) {
            Ok(fold) => self.fold = Some(fold),
            Err(error) => tracing::warn!(%error, "no thread to fold the write-ahead log"), // it grows, and is tried again
        }
    }

    /// Whether a fold has ended since it was last asked, and what became of it.
    fn end_fold(&mut self) -> Result<bool, rusqlite::Error> {
        let Some(fold) = self.fold.take_if(|fold| fold.is_finished()) else { return Ok(false) };
        if let Ok(outcome) = fold.join() {
            self.spare = Some(outcome?);
        } // else it panicked, which was told of where it happened
        Ok(true)
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

impl Drop for Wal {
    fn drop(&mut self) {
        if let Some(fold) = self.fold.take() {
            let _ = fold.join(); // what it could not fold is in the log
        }
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
    use super::super::pairing;
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

    /// A log whose number is neither its file's nor the next one would be refused at the next start.
    #[tokio::test]
    async fn the_log_belongs_to_its_file_at_every_moment_though_it_is_folded_meanwhile() {
        let (_folder, disk, connection) = a_store();
        let open = std::fs::File::open(disk.file()).unwrap(); // never closed: that would take SQLite's locks away
        let reader = opening::reader(disk.file()).unwrap();
        let writer = Writer::start(connection, disk, LIMITS, Arc::default()).unwrap();
        let (first, mut last) = (pairing::number(&reader).unwrap(), 0);
        for _ in 0..300 {
            write(&writer).await;
            let of_the_file = pairing::number_in(&open).unwrap();
            last = pairing::number(&reader).unwrap();
            assert!(last == of_the_file || last == pairing::next(of_the_file), "{of_the_file} {last}");
        }
        assert_ne!(first, last, "it began anew");
    }

    #[test]
    fn what_became_of_a_fold_is_heard_after_a_later_commit() {
        let (_folder, disk, connection) = a_store();
        let limits = LogLimits { fold: 1, ..LIMITS };
        let mut wal = Wal::new(limits, disk.file()).unwrap();
        wal.file = disk.file().join("no-such-folder");
        connection.execute("INSERT INTO filler VALUES (1)", []).unwrap();
        assert!(wal.tend(&connection).is_ok(), "it is only begun");
        wal.file = disk.file().to_owned();
        while !wal.fold.as_ref().unwrap().is_finished() {
            std::thread::yield_now();
        }
        assert!(wal.tend(&connection).is_err());
        assert!(wal.tend(&connection).is_ok(), "and tried again");
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
        let before = pairing::number(&other).unwrap();
        let mut count = 0;
        while pairing::number(&other).unwrap() == before {
            assert!(count < 50, "it begins anew when the reader is gone");
            write(&writer).await; // a few while the fold is under way
            count += 1;
        }
    }
}
