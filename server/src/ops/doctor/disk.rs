//! Whether the store's disk has room.

use std::path::Path;

use super::Check;
use crate::domain::size::Size;

/// With less than this nothing can be recorded soon, whatever is held in reserve.
const LITTLE: Size = Size::mib(100);

/// With less than this it is time to look.
const TIME_TO_LOOK: Size = Size::mib(1024);

pub(super) fn check(database: &Path, reserve: Size) -> Vec<Check> {
    vec![match free_space(database) {
        Ok(free) => judge(Size(free), reserve),
        Err(error) => Check::skipped("disk", format!("free space is not known: {error}")),
    }]
}

/// Bytes that are free where a file is, or would be.
pub(in crate::ops) fn free_space(file: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(nearest_folder(file))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn judge(free: Size, reserve: Size) -> Check {
    let mend = "delete what is not needed, or move the store to a larger disk (DATABASE_URL)";
    let message = format!("{free} free where the store is");
    if free < LITTLE {
        Check::fail("disk", format!("only {message}: soon nothing can be recorded"), mend)
    } else if free < reserve {
        let message =
            format!("only {message}: browsers' events are not taken below {reserve} (store.reserve)");
        Check::fail("disk", message, mend)
    } else if free < TIME_TO_LOOK {
        Check::warn("disk", format!("only {message}"), mend)
    } else {
        Check::ok("disk", message)
    }
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
        for (free, reserve, status) in [
            (2048, 256, Status::Ok),
            (1023, 256, Status::Warn),
            (256, 256, Status::Warn),
            (255, 256, Status::Fail),
            (100, 0, Status::Warn),
            (99, 0, Status::Fail),
            (2048, 4096, Status::Fail),
        ] {
            assert_eq!(judge(Size::mib(free), Size::mib(reserve)).status, status, "{free} {reserve}");
        }
    }

    #[test]
    fn free_space_is_asked_of_the_folder_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(nearest_folder(&folder.path().join("a/b/ttr.db")), folder.path());
        assert_eq!(nearest_folder(Path::new("ttr.db")), Path::new("."));
    }
}
