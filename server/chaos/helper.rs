//! Processes beside the program: each says where it is, hears over its stdin when all is to go well, and ends with the
//! driver, however that ends.

use std::io::{BufRead, BufReader, Write, stdin};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::oneshot;

/// The driver's word.
const CALM: &str = "calm";

/// A process of this program's, with another command.
pub(crate) struct Helper {
    child: Child,
    stdin: Option<ChildStdin>,
    pub(crate) addr: SocketAddr,
}

impl Helper {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let addr = line.trim().parse().unwrap();
        Self { stdin: child.stdin.take(), child, addr }
    }

    /// From now on all goes well.
    pub(crate) fn calm(&mut self) {
        writeln!(self.stdin.as_ref().unwrap(), "{CALM}").unwrap();
    }

    /// Ends it, and waits until it has written down everything.
    pub(crate) fn end(mut self) {
        self.stdin.take();
        assert!(self.child.wait().unwrap().success(), "a helper failed");
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

/// Tells the driver.
pub(crate) fn is_at(addr: SocketAddr) {
    println!("{addr}");
}

/// Hears the driver; returns when it is done or gone.
pub(crate) async fn until_told_to_end(calm: &Arc<AtomicBool>) {
    let (calm, (done, told)) = (Arc::clone(calm), oneshot::channel());
    std::thread::spawn(move || {
        for line in stdin().lines().map_while(Result::ok) {
            calm.fetch_or(line == CALM, Ordering::Relaxed);
        }
        let _ = done.send(()); // nobody listens if the helper has failed
    });
    let _ = told.await; // the thread says it or is gone
}
