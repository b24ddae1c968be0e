//! Whether the store's disk has room.

use std::path::Path;

use super::Check;

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

pub(super) fn check(database: &Path) -> Vec<Check> {
    vec![match free_space(database) {
        Ok(free) => judge(free),
        Err(error) => Check::skipped("disk", format!("free space is not known: {error}")),
    }]
}

/// Bytes that are free where a file is, or would be.
pub(in crate::ops) fn free_space(file: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(nearest_folder(file))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn judge(free: u64) -> Check {
    let mend = "delete what is not needed, or move the store to a larger disk (DATABASE_URL)";
    let message = format!("{} free where the store is", amount(free));
    if free < 100 * MIB {
        Check::fail("disk", format!("only {message}: soon nothing can be recorded"), mend)
    } else if free < GIB {
        Check::warn("disk", format!("only {message}"), mend)
    } else {
        Check::ok("disk", message)
    }
}

/// Whole units, as nobody acts on a tenth.
pub(super) fn amount(bytes: u64) -> String {
    if bytes >= GIB { format!("{} GiB", bytes / GIB) } else { format!("{} MiB", bytes / MIB) }
}

/// The folder of a file, or what is there of the way to it.
pub(super) fn nearest_folder(file: &Path) -> &Path {
    let named = file.ancestors().skip(1).find(|folder| !folder.as_os_str().is_empty() && folder.exists());
    named.unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_disk_that_fills_up_is_told_in_time() {
        for (free, status) in [
            (2 * GIB, Status::Ok),
            (GIB - 1, Status::Warn),
            (100 * MIB, Status::Warn),
            (100 * MIB - 1, Status::Fail),
            (0, Status::Fail),
        ] {
            assert_eq!(judge(free).status, status, "{free}");
        }
    }

    #[test]
    fn free_space_is_asked_of_the_folder_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(nearest_folder(&folder.path().join("a/b/ttr.db")), folder.path());
        assert_eq!(nearest_folder(Path::new("ttr.db")), Path::new("."));
    }
}
