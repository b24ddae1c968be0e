//! The disk under the file: whether SQLite can trust it, and how much room is left on it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{StatVfs, StatVfsMountFlags, statvfs};

use crate::domain::size::Size;
use crate::store::StoreError;

/// Free space is looked at no more often than this, however many ask.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// With less than this SQLite can't make its log or its index a step larger; the errors it then has are of all kinds.
const NOTHING: Size = Size(64 * 1024);

/// A disk that was full is not, when so much is free.
const SPACE_AGAIN: Size = Size::mib(1);

/// Where the file is, and what is under it.
pub(super) struct Disk {
    file: PathBuf,
    /// With less than this left, what can wait waits.
    reserve: Size,
    seen: Mutex<Option<Seen>>,
}

#[derive(Clone, Copy)]
struct Seen {
    at: Instant,
    scarce: bool,
}

impl Disk {
    pub(super) fn new(file: &Path, reserve: Size) -> Self {
        Self { file: file.to_owned(), reserve, seen: Mutex::default() }
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Refuses a disk that SQLite must not or can not write to.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let file = self.file.display();
        if let Some(kind) = self.magic().and_then(network) {
            return Err(StoreError::Unusable(format!(
                "{file} would be on a network file system ({kind}), where SQLite can lose what it wrote. Move it to a \
                 disk of this machine, and set DATABASE_URL to it."
            )));
        }
        if self.is_read_only() {
            return Err(StoreError::Unusable(format!(
                "{file} is on a disk that can only be read. Mount it to be written, or set DATABASE_URL to another place."
            )));
        }
        Ok(())
    }

    /// Space that is left for us.
    pub(super) fn free(&self) -> Option<Size> {
        self.stat().map(|disk| Size(disk.f_bavail.saturating_mul(disk.f_frsize)))
    }

    /// Whether a disk that was full has space again; one that can't be asked is believed to.
    pub(super) fn has_space_again(&self) -> bool {
        self.free().is_none_or(|free| free >= SPACE_AGAIN)
    }

    /// Whether less is left than the reserve. Says so in the log when it begins and when it ends.
    pub(super) fn scarce(&self) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = seen.filter(|seen| seen.at.elapsed() < LOOK_AGAIN) {
            return seen.scarce;
        }
        let free = self.free();
        let scarce = free.is_some_and(|free| free < self.reserve);
        let before = seen.replace(Seen { at: Instant::now(), scarce }).is_some_and(|seen| seen.scarce);
        let left = free.map(|free| free.to_string()).unwrap_or_default();
        match (before, scarce) {
            (false, true) => tracing::error!(
                left,
                "the disk is nearly full: browsers' events are not taken until there is space again; deliveries and \
                 checkouts are"
            ),
            (true, false) => tracing::info!(left, "the disk has space again: browsers' events are taken"),
            _ => {}
        }
        scarce
    }

    /// What an error comes from, as far as the disk tells: SQLite does not always know.
    pub(super) fn explain(&self, error: &rusqlite::Error) -> StoreError {
        let told = StoreError::from(error);
        match told {
            StoreError::Failed(_) if self.is_read_only() => {
                StoreError::Failed("the disk can only be read".into())
            }
            StoreError::Failed(_) if self.free().is_some_and(|free| free < NOTHING) => StoreError::Full,
            told => told,
        }
    }

    fn is_read_only(&self) -> bool {
        self.stat().is_some_and(|disk| disk.f_flag.contains(StatVfsMountFlags::RDONLY))
    }

    fn stat(&self) -> Option<StatVfs> {
        statvfs(self.folder()).ok()
    }

    fn folder(&self) -> &Path {
        self.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// The number by which Linux knows a kind of file system; other systems have none.
    #[cfg(target_os = "linux")]
    fn magic(&self) -> Option<u32> {
        // It has 32 bits; the field is as wide as a word and signed.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        rustix::fs::statfs(self.folder()).ok().map(|disk| disk.f_type as u32)
    }

    #[cfg(not(target_os = "linux"))]
    fn magic(&self) -> Option<u32> {
        None
    }
}

/// The file systems on which neither SQLite's locks nor its shared memory can be trusted, by their numbers in `statfs(2)`.
fn network(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "NFS",
        0x517B => "SMB",
        0xFF53_4D42 => "CIFS",
        0xFE53_4D42 => "SMB2",
        0x0102_1997 => "9p",
        0x5346_414F | 0x6B41_4653 => "AFS",
        0x7375_7245 => "Coda",
        0x564C => "NCP",
        0x00C3_6400 => "Ceph",
        0x0BD0_0BD0 => "Lustre",
        0x786F_4256 => "a VirtualBox shared folder",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_file_system_is_known_by_its_number() {
        for (magic, kind) in [
            (0x6969, Some("NFS")),
            (0x517B, Some("SMB")),
            (0xFF53_4D42, Some("CIFS")),
            (0xFE53_4D42, Some("SMB2")),
            (0x0102_1997, Some("9p")),
            (0x00C3_6400, Some("Ceph")),
            (0xEF53, None),      // ext4
            (0x5846_5342, None), // XFS
            (0x9123_683E, None), // Btrfs
            (0x0102_1994, None), // tmpfs
            (0x794C_7630, None), // overlay
            (0x2FC1_2FC1, None), // ZFS
            (0x6573_5546, None), // FUSE: mostly local, and doctor looks closer
        ] {
            assert_eq!(network(magic), kind, "{magic:x}");
        }
    }

    #[test]
    fn the_disk_under_a_file_is_asked_before_the_file_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(&folder.path().join("ttr.db"), Size::mib(0));
        assert_eq!(disk.check(), Ok(()));
        assert!(disk.free().unwrap() > Size::mib(0) && !disk.scarce());
        #[cfg(target_os = "linux")]
        assert!(disk.magic().is_some_and(|magic| network(magic).is_none()));
    }

    #[test]
    fn space_is_scarce_below_the_reserve() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(&folder.path().join("ttr.db"), Size(u64::MAX));
        assert!(disk.scarce());
    }
}
