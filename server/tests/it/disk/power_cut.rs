//! The power fails. `scripts/power-cut` runs this, since only root can mount file systems.
//!
//! The store is on an ext4 of its own, on a loop device. At a random moment of the load the program is stopped, and the
//! device is copied as it is: what the kernel has not written to it is not there, as after a cut. The copy is mounted, which
//! replays ext4's journal, and must have everything that was answered before.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use rusqlite::Connection;

use crate::durability::{Program, free_address};
use crate::support::batch;

/// Cuts with `synchronous=FULL`, as the program is, and with `NORMAL`, to show that this would notice.
const CUTS: (usize, usize) = (50, 10);

/// Who posts at once.
const CLIENTS: usize = 8;

fn run(command: &str, arguments: &[&str]) {
    let output = Command::new(command).args(arguments).output().unwrap();
    assert!(output.status.success(), "{command} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A file system in a file, mounted; unmounted when it is dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn new(image: &Path, at: &Path) -> Self {
        std::fs::create_dir_all(at).unwrap();
        run("mount", &["-o", "loop", image.to_str().unwrap(), at.to_str().unwrap()]);
        Self(at.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status(); // the namespace ends soon anyhow
    }
}

/// What `cuts` cuts found: answered in all, and lost of it, added up over the cuts.
#[derive(Debug, Default)]
struct Found {
    answered: usize,
    lost: usize,
    cuts_that_lost: usize,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root and loop devices: run scripts/power-cut"]
async fn nothing_that_was_answered_is_lost_when_the_power_fails() {
    let begun = Instant::now();
    let full = cut(CUTS.0, &[]).await;
    println!("{} cuts with FULL: {full:?}, {:?}", CUTS.0, begun.elapsed());
    let normal = cut(CUTS.1, &[("FAILPOINTS", "store.normal=return")]).await;
    println!("{} cuts with NORMAL: {normal:?}", CUTS.1);
    assert_eq!(full.lost, 0);
    assert!(normal.lost > 0, "the test would not notice a loss");
}

/// Runs the program under load and cuts the power so many times; the program itself goes on.
async fn cut(cuts: usize, more: &[(&str, &str)]) -> Found {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let image = folder.path().join("disk");
    File::create(&image).unwrap().set_len(512 << 20).unwrap();
    run("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()]);
    let disk = Mounted::new(&image, &folder.path().join("mounted"));
    let url = format!("sqlite://{}", disk.0.join("ttr.db").display());
    let more = [&[("DATABASE_URL", url.as_str())], more].concat();
    let program = Program::start_at(folder.path(), free_address(), &more).await;

    let answered = Arc::new(Mutex::new(Vec::new()));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| tokio::spawn(post(format!("{}/api/pulse", program.url), client, Arc::clone(&answered))))
        .collect();
    let mut found = Found::default();
    for _ in 0..cuts {
        tokio::time::sleep(Duration::from_millis(rand::random_range(20..400))).await;
        program.signal("STOP");
        tokio::time::sleep(Duration::from_millis(20)).await; // what it had sent arrives
        let answered = answered.lock().unwrap().clone();
        let copy = copy_at_rest(&image, &folder.path().join("copy"));
        program.signal("CONT");
        let stored = stored(&copy, &folder.path().join("looked-at"));
        let lost = answered.iter().filter(|id| stored.binary_search(id).is_err()).count();
        found.answered = answered.len();
        found.lost += lost;
        found.cuts_that_lost += usize::from(lost > 0);
    }
    for client in clients {
        client.abort();
    }
    drop(program); // before its disk goes
    found
}

/// Posts one event after the other, each in a session of its own.
async fn post(url: String, client: usize, answered: Arc<Mutex<Vec<String>>>) {
    let http = Client::new();
    for number in 0.. {
        let session_id = format!("c{client}-{number}");
        let request = http.post(&url).header("sec-fetch-site", "same-origin");
        let response = request.json(&batch(&session_id, &[("page_view", 1000)])).send().await;
        if response.is_ok_and(|response| response.status() == StatusCode::OK) {
            answered.lock().unwrap().push(session_id);
        }
    }
}

/// A copy during which the kernel wrote nothing: two that follow on each other are the same.
fn copy_at_rest(image: &Path, copy: &Path) -> PathBuf {
    let again = copy.with_extension("again");
    for _ in 0..20 {
        for to in [copy, &again] {
            run("cp", &["--sparse=always", image.to_str().unwrap(), to.to_str().unwrap()]);
        }
        if same(copy, &again) {
            return copy.to_owned();
        }
    }
    panic!("the kernel does not stop writing");
}

fn same(one: &Path, other: &Path) -> bool {
    let [mut one, mut other] = [one, other].map(|path| BufReader::new(File::open(path).unwrap()));
    let (mut a, mut b) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    while let Ok(count) = one.read(&mut a)
        && count > 0
    {
        if other.read_exact(&mut b[..count]).is_err() || a[..count] != b[..count] {
            return false;
        }
    }
    true
}

/// The sessions in a copy of the disk, sorted; its file is whole.
fn stored(copy: &Path, at: &Path) -> Vec<String> {
    let disk = Mounted::new(copy, at);
    super::is_whole(&disk.0);
    let connection = Connection::open(disk.0.join("ttr.db")).unwrap();
    let mut statement =
        connection.prepare("SELECT DISTINCT session_id FROM event ORDER BY session_id").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}
