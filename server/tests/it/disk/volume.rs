//! A small disk that a test can fill and mount as it likes.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use super::tool;
use crate::durability::{Program, free_address};

/// A tmpfs in a mount namespace of its own, which a shell holds open. It goes with the shell.
pub(super) struct Volume {
    shell: Child,
    said: BufReader<ChildStdout>,
    /// Where the disk is mounted is inside of it, and beside it the log.
    pub(super) folder: TempDir,
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = self.shell.kill(); // it may be dead already
        let _ = self.shell.wait();
    }
}

impl Volume {
    /// A disk of this size, such as `8m`.
    pub(super) fn new(size: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("disk")).unwrap();
        let mut shell = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh"])
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(shell.stdout.take().unwrap());
        let mut volume = Self { shell, said, folder };
        volume.run(&format!("mount -t tmpfs -o size={size} disk \"$PWD/disk\" && cd disk"));
        volume
    }

    /// The store's file.
    pub(super) fn database(&self) -> PathBuf {
        self.folder.path().join("disk/ttr.db")
    }

    /// Starts the program on a store there, with more in the environment.
    pub(super) async fn start(&self, more: &[(&str, &str)]) -> Program {
        let url = format!("sqlite://{}", self.database().display());
        let more = [&[("DATABASE_URL", url.as_str())], more].concat();
        Program::start_by(self.program(), self.folder.path(), free_address(), &more).await
    }

    /// The program, in the namespace.
    pub(super) fn program(&self) -> Command {
        let mut command = Command::new(tool("nsenter"));
        command.arg(format!("--target={}", self.shell.id()));
        command.args(["--user", "--mount", "--preserve-credentials", env!("CARGO_BIN_EXE_ttr")]);
        command
    }

    /// Runs a command of the shell on the disk, whatever comes of it.
    pub(super) fn try_to_run(&mut self, command: &str) -> bool {
        let stdin = self.shell.stdin.as_mut().unwrap();
        let sent = writeln!(stdin, "{{ {command}; }} >&2; echo $?").and_then(|()| stdin.flush());
        let mut code = String::new();
        self.said.read_line(&mut code).unwrap();
        assert!(
            sent.is_ok() && !code.is_empty(),
            "the tests of disk faults need a mount namespace: run them as root, or allow users to make namespaces"
        );
        code.trim() == "0"
    }

    /// Runs a command that must go well.
    pub(super) fn run(&mut self, command: &str) {
        assert!(self.try_to_run(command), "{command}");
    }

    /// Leaves no space at all.
    pub(super) fn fill(&mut self) {
        assert!(!self.try_to_run("cat /dev/zero > filler 2>/dev/null"), "it can't be filled");
    }

    /// Gives back what [`Self::fill`] took.
    pub(super) fn empty(&mut self) {
        self.run("rm filler");
    }
}
