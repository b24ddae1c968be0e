//! The store: its place, its file, and whether it can be written. Safe while a `ttr` works on it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Check;
use super::disk::nearest_folder;
use crate::domain::size::Size;
use crate::store::sqlite::examine::{Examination, Schema, sqlite};

/// A WAL is folded back at 16 MiB; one this large has been held open.
const LARGE_WAL: Size = Size::mib(256);

/// Looking through every page of a large file takes long; a doctor does not.
const PATIENCE: Duration = Duration::from_secs(30);

/// File systems on which SQLite's locks and WAL can't be trusted.
const NETWORK: &[&str] = &[
    "9p",
    "afs",
    "ceph",
    "cifs",
    "davfs",
    "fuse.glusterfs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.sshfs",
    "glusterfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "smb3",
    "smbfs",
    "vboxsf",
];

pub(super) async fn check(database: &Path) -> Vec<Check> {
    let mut checks = vec![version(), folder(database), file_system(database)];
    if database.exists() {
        checks.extend(wal(database)); // before it is opened: whoever opens it makes one
        checks.extend(file(database).await);
    } else {
        let message = format!("{} is not there yet: the first start makes it", database.display());
        checks.push(Check::skipped("store.file", message));
    }
    checks
}

fn version() -> Check {
    let (version, sound) = sqlite();
    if sound {
        Check::ok("store.sqlite", format!("SQLite {version}"))
    } else {
        let mend = "build ttr with the SQLite that it brings along (3.51.3 or newer)";
        Check::fail("store.sqlite", format!("SQLite {version} can corrupt the file"), mend)
    }
}

/// SQLite makes files beside its own, so that the folder must be writable.
fn folder(database: &Path) -> Check {
    let folder = nearest_folder(database);
    let probe = folder.join(format!(".ttr-doctor-{}", std::process::id()));
    let tried = std::fs::File::create_new(&probe).and_then(|_| std::fs::remove_file(&probe));
    match tried {
        Ok(()) => Check::ok("store.folder", format!("{} can be written", folder.display())),
        Err(error) => Check::fail(
            "store.folder",
            format!("{} can't be written: {error}", folder.display()),
            "let the folder belong to the user that runs ttr, or set DATABASE_URL to another place",
        ),
    }
}

fn file_system(database: &Path) -> Check {
    let id = "store.file_system";
    let place = nearest_folder(database).canonicalize();
    let mounts = std::fs::read_to_string("/proc/self/mounts");
    let kind = match (&place, &mounts) {
        (Ok(place), Ok(mounts)) => kind_of(mounts, place),
        _ => None,
    };
    match kind {
        None => Check::skipped(id, "which one it is can't be seen here"),
        Some(kind) if NETWORK.contains(&kind) => Check::fail(
            id,
            format!("the store is on a network file system ({kind}), where SQLite can lose what it wrote"),
            "move it to a disk of this machine, and set DATABASE_URL to it",
        ),
        Some(kind) => Check::ok(id, format!("{kind}, on this machine")),
    }
}

/// The type of the innermost mount that holds `place`, by the text of `/proc/self/mounts`; the last one wins.
fn kind_of<'a>(mounts: &'a str, place: &Path) -> Option<&'a str> {
    let mount = |line: &'a str| {
        let mut fields = line.split(' ').skip(1);
        let point = PathBuf::from(fields.next()?.replace("\\040", " "));
        place.starts_with(&point).then_some((point.components().count(), fields.next()?))
    };
    mounts.lines().filter_map(mount).max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
}

fn wal(database: &Path) -> Option<Check> {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    let size = Size(std::fs::metadata(name).ok()?.len());
    let message = format!("the write-ahead log has {size}");
    Some(if size < LARGE_WAL {
        Check::ok("store.wal", message)
    } else {
        let mend = "end what reads the store all the time (a backup, a sqlite3 shell), then restart ttr";
        Check::warn("store.wal", format!("{message}: something keeps it from being folded back"), mend)
    })
}

/// Off the async threads; what takes too long is ended.
async fn file(database: &Path) -> Vec<Check> {
    let opened = Examination::open(database);
    let examination = match opened {
        Ok(examination) => examination,
        Err(error) => {
            return vec![Check::fail(
                "store.file",
                format!("{} can't be opened: {error}", database.display()),
                "set DATABASE_URL to the store's file, or put a backup in its place",
            )];
        }
    };
    let interrupt = examination.interrupt_handle();
    let work = tokio::task::spawn_blocking(move || look(examination));
    tokio::pin!(work);
    let found = tokio::select! {
        found = &mut work => found,
        () = tokio::time::sleep(PATIENCE) => {
            interrupt.interrupt();
            work.await
        }
    };
    found.unwrap_or_else(|error| vec![Check::skipped("store.file", error.to_string())])
}

fn look(mut examination: Examination) -> Vec<Check> {
    let schema = schema(&examination);
    let foreign = schema.status == super::Status::Fail;
    let mut checks = vec![schema];
    if !foreign {
        checks.push(probe(&mut examination));
        checks.push(damage(&examination));
    }
    checks
}

fn schema(examination: &Examination) -> Check {
    let id = "store.schema";
    match examination.schema() {
        Ok(Schema::Current) => Check::ok(id, "up to date"),
        Ok(Schema::Older) => Check::ok(id, "older than this ttr: the next start brings it up to date"),
        Ok(Schema::Newer) => Check::fail(
            id,
            "made by a newer ttr",
            "run the newer ttr again, or put back the backup from before the upgrade",
        ),
        Ok(Schema::Foreign) => Check::fail(
            id,
            "the file is a database of another program",
            "set DATABASE_URL to a file of ttr's own; it is made if it is missing",
        ),
        Err(error) => unreadable(id, &error),
    }
}

fn probe(examination: &mut Examination) -> Check {
    let id = "store.write";
    match examination.probe() {
        Ok(()) => Check::ok(id, "a row was written, read and taken back"),
        Err(error) => Check::fail(
            id,
            format!("nothing can be written: {error}"),
            "see that the user who runs ttr may write the file and its folder, and that no other program holds it",
        ),
    }
}

fn damage(examination: &Examination) -> Check {
    let id = "store.whole";
    match examination.damage() {
        Ok(None) => Check::ok(id, "no page is damaged"),
        Ok(Some(found)) => Check::fail(
            id,
            format!("the file is damaged: {}", found.lines().last().unwrap_or_default()),
            "stop ttr, keep a copy of the file, and put the last backup in its place",
        ),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) => {
            let patience = PATIENCE.as_secs();
            Check::skipped(id, format!("looking through the whole file takes over {patience} s"))
        }
        Err(error) => unreadable(id, &error),
    }
}

fn unreadable(id: &'static str, error: &dyn std::error::Error) -> Check {
    Check::fail(
        id,
        format!("the file can't be read: {error}"),
        "stop ttr, keep a copy of the file, and put the last backup in its place",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_tells_the_file_system() {
        let mounts =
            "/dev/sda1 / ext4 rw 0 0\nserver:/x /srv nfs4 rw 0 0\ntmpfs /srv/my\\040data tmpfs rw 0 0\n";
        for (place, kind) in [
            ("/var/lib", "ext4"),
            ("/srv", "nfs4"),
            ("/srv/ttr", "nfs4"),
            ("/srvx", "ext4"),
            ("/srv/my data/x", "tmpfs"),
        ] {
            assert_eq!(kind_of(mounts, Path::new(place)), Some(kind), "{place}");
        }
        assert_eq!(kind_of("", Path::new("/")), None);
    }
}
