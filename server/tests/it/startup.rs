//! What the program starts on, what it says then, and what it refuses.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use server::config::Config;
use server::store::sqlite::SqliteStore;
use tempfile::TempDir;

use crate::support::{environment, leptos_toml};

/// A real process whose log is read.
struct Started {
    child: Child,
    _folder: TempDir,
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may be dead already
        let _ = self.child.wait();
    }
}

impl Started {
    fn with(name: &str, value: &OsStr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_ttr"))
            .arg("--config")
            .arg(leptos_toml())
            .env_clear()
            .envs(environment(&folder.path().join("ttr.db"), addr))
            .env(name, value)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, _folder: folder }
    }

    /// The log up to the line that says that the site is there.
    fn log(&mut self) -> String {
        let mut log = String::new();
        for line in BufReader::new(self.child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            log.push_str(&line);
            log.push('\n');
            if line.contains("the site is at") {
                return log;
            }
        }
        panic!("it ended without the site being there: {log}");
    }
}

/// The faults of an otherwise sound environment.
fn refused(changes: &[(&str, &str)]) -> Vec<String> {
    let addr = "127.0.0.1:3000".parse().unwrap();
    let mut env: HashMap<String, String> = environment("ttr.db".as_ref(), addr);
    env.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let faults = Config::load(leptos_toml(), &env).unwrap_err();
    faults.iter().map(ToString::to_string).collect()
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text_stops_nothing() {
    use std::os::unix::ffi::OsStrExt;
    Started::with("SOMEBODYS_BYTES", OsStr::from_bytes(b"\xff\xfe")).log();
    Started::with("WHOP_API_KEY", OsStr::from_bytes(b"\xff\xfe")).log();
}

#[test]
fn missing_built_files_are_warned_of() {
    let log = Started::with("LEPTOS_SITE_ROOT", OsStr::new("/nowhere")).log();
    assert!(log.contains("WARN") && log.contains("/nowhere/pkg/ttr.css is not there"), "{log}");
    assert!(log.contains("LEPTOS_SITE_ROOT"), "{log}");
}

#[test]
fn a_database_url_with_a_query_is_refused() {
    assert_eq!(
        refused(&[("DATABASE_URL", "sqlite://data/ttr.db?mode=ro")]),
        ["DATABASE_URL: must be sqlite://PATH, such as sqlite://data/ttr.db"]
    );
}

#[test]
fn to_listen_to_everybody_is_production_and_needs_https() {
    let faults = refused(&[("LEPTOS_SITE_ADDR", "0.0.0.0:3000")]);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].contains("must be https in production; set SITE_URL"), "{faults:?}");
}

#[test]
fn a_malformed_receive_key_is_never_repeated() {
    for value in ["canary", "canary:a b", ":canary", "good-key:ttr,canary", "canary:", "canary:é"] {
        let faults = refused(&[("AUREA_RECEIVE_KEYS", value)]);
        assert!(
            faults[0].starts_with("AUREA_RECEIVE_KEYS: ") && faults[0].contains("key:funnel"),
            "{faults:?}"
        );
        assert!(!faults.concat().contains("canary"), "{faults:?}");
    }
}

/// `ttr login` with this store.
fn login(folder: &std::path::Path, database: &str) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_ttr"))
        .arg("--config")
        .arg(leptos_toml())
        .arg("login")
        .current_dir(folder)
        .env_clear()
        .env("DATABASE_URL", format!("sqlite://{database}"))
        .output()
        .unwrap()
}

#[test]
fn a_new_link_is_refused_where_no_store_is() {
    let folder = tempfile::tempdir().unwrap();
    let output = login(folder.path(), "data/ttr.db");
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("there is no store at data/ttr.db") && !said.contains("token="), "{said}");
    assert!(!folder.path().join("data").exists(), "nothing was made");
}

#[test]
fn a_new_link_says_what_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    SqliteStore::open(&folder.path().join("ttr.db")).unwrap();
    let said = String::from_utf8(login(folder.path(), "ttr.db").stdout).unwrap();
    assert!(said.contains("/aurea/login?token=") && said.contains("Everybody was logged out"), "{said}");
    assert!(said.contains("AUREA_ADMIN_TOKEN"), "{said}");
}
