//! `ttr doctor` on broken configurations: each names the fault and the mend. What is `ok` is left out of the snapshots.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::any;
use serde_json::Value;
use server::store::sqlite::SqliteStore;
use tempfile::TempDir;

use crate::support::{TestApp, leptos_toml};

/// A folder with `Leptos.toml`, a store's place and the built files; the environment of a sound site.
struct Patient {
    folder: TempDir,
    env: HashMap<String, String>,
    /// What differs from run to run, and what stands for it in the snapshots.
    redacted: Vec<(String, &'static str)>,
}

impl Patient {
    fn sound() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(leptos_toml(), folder.path().join("Leptos.toml")).unwrap();
        std::fs::create_dir_all(folder.path().join("site/pkg")).unwrap();
        let hashes = Path::new(env!("CARGO_BIN_EXE_ttr")).with_file_name("hash.txt");
        assert!(!hashes.exists(), "the tests' program has files with plain names");
        for name in ["ttr.css", "ttr.js", "ttr.wasm"] {
            std::fs::write(folder.path().join("site/pkg").join(name), "").unwrap();
        }
        let addr = free_address();
        let mut patient = Self { folder, env: HashMap::new(), redacted: vec![(addr.to_string(), "SITE")] };
        patient.set("LEPTOS_SITE_ADDR", &addr.to_string());
        patient.set("LEPTOS_SITE_ROOT", "site");
        patient.set("DATABASE_URL", "sqlite://data/ttr.db");
        patient.set("WHOP_WEBHOOK_SECRET", "ws_0123456789canary");
        patient.set("WHOP_PLAN_ID", "plan_1");
        patient.set("AUREA_ADMIN_TOKEN", "0123456789canary-token");
        patient.make_store();
        patient
    }

    fn set(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }

    fn redact(&mut self, text: impl ToString, name: &'static str) {
        self.redacted.push((text.to_string(), name));
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn store(&self) -> std::path::PathBuf {
        self.path("data/ttr.db")
    }

    /// Makes the store as a first start does, and leaves it closed.
    fn make_store(&self) {
        let path = self.store();
        let make = move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async { SqliteStore::open(&path).unwrap().close().await });
        };
        std::thread::spawn(make).join().unwrap(); // not on a test's runtime
    }

    fn sql(&self, sql: &str) {
        rusqlite::Connection::open(self.store()).unwrap().execute_batch(sql).unwrap();
    }

    fn change_file(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path("Leptos.toml")).unwrap();
        assert!(text.contains(from), "{from}");
        std::fs::write(self.path("Leptos.toml"), text.replacen(from, to, 1)).unwrap();
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ttr"));
        command.arg("doctor").args(arguments).current_dir(self.folder.path()).env_clear().envs(&self.env);
        let output = command.output().unwrap();
        let said = [&output.stdout[..], &output.stderr[..]].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(!said.contains("canary"), "a secret shows: {said}");
        output
    }

    /// Exit code and everything that is not ok.
    fn complains(&self) -> String {
        let output = self.ask(&[]);
        let mut text = format!("exit code {}\n\n", output.status.code().unwrap());
        let said = String::from_utf8(output.stdout).unwrap();
        let (checks, _) = said.split_once("\n\n").unwrap();
        for line in checks.lines().filter(|line| !line.starts_with('✓')) {
            text.push_str(line);
            text.push('\n');
        }
        for (from, to) in &self.redacted {
            text = text.replace(from, to);
        }
        // These move with every change of the repository's file and of the schema.
        without_number_after(&["Leptos.toml:", "correct line ", "Tree ", "page ", "cell "], &text)
    }
}

fn without_number_after(marks: &[&str], text: &str) -> String {
    marks.iter().fold(text.to_owned(), |text, mark| {
        let mut parts = text.split(mark);
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| {
            let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
            let number = if rest.len() < part.len() { "N" } else { "" };
            format!("{text}{mark}{number}{rest}")
        })
    })
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A server of ours that answers everything with this.
async fn upstream(status: StatusCode, headers: &[(&'static str, String)]) -> SocketAddr {
    let headers: HeaderMap =
        headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let router = Router::new().fallback(any(move || async move { (status, headers) }));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    addr
}

/// Runs the program without holding up the servers of this test.
async fn complaints(patient: Patient) -> String {
    tokio::task::spawn_blocking(move || patient.complains()).await.unwrap()
}

/// Compares with `tests/it/doctor/NAME.snap`; `INSTA_UPDATE=always` writes it.
fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("doctor");
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn a_missing_file_is_named() {
    let patient = Patient::sound();
    std::fs::remove_file(patient.path("Leptos.toml")).unwrap();
    snapshot("no_file", &patient.complains());
}

#[test]
fn wrong_values_are_named_with_line_or_variable() {
    let mut patient = Patient::sound();
    patient.change_file("price = \"99.00\"", "price = \"99,00\"");
    patient.set("DATABASE_URL", "postgres://ttr:canary@db/ttr");
    patient.set("AUREA_RECEIVE_KEYS", "canary-without-a-funnel");
    snapshot("wrong_values", &patient.complains());
}

#[test]
fn a_secret_in_the_file_is_told_to_move() {
    let patient = Patient::sound();
    patient.change_file("[whop]\n", "[whop]\napi_key = \"canary\"\n");
    snapshot("secret_in_the_file", &patient.complains());
}

#[test]
fn production_without_https_and_provider_can_not_be_used() {
    let mut patient = Patient::sound();
    patient.set("SITE_URL", "http://ttr.example");
    patient.env.remove("WHOP_WEBHOOK_SECRET");
    snapshot("production_over_http", &patient.complains());
}

#[test]
fn weak_secrets_are_told_apart() {
    let mut patient = Patient::sound();
    patient.set("AUREA_ADMIN_TOKEN", "canary");
    patient.set("AUREA_RECEIVE_KEYS", "ws_0123456789canary:ttr");
    patient.set(
        "WHOP_WEBHOOK_SECRET",
        "ws_0123456789canary,whsec_your-canary-here,0123456789 canary,0123456789012-canary",
    );
    snapshot("weak_secrets", &patient.complains());
}

#[cfg(unix)]
#[test]
fn a_secrets_file_that_everybody_can_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let mut patient = Patient::sound();
    std::fs::write(patient.path("token"), "0123456789canary-token\n").unwrap();
    std::fs::set_permissions(patient.path("token"), std::fs::Permissions::from_mode(0o644)).unwrap();
    patient.env.remove("AUREA_ADMIN_TOKEN");
    patient.set("AUREA_ADMIN_TOKEN_FILE", "token");
    snapshot("readable_secret", &patient.complains());
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text_is_named() {
    use std::os::unix::ffi::OsStrExt;
    let patient = Patient::sound();
    let bytes = std::ffi::OsStr::from_bytes(b"canary\xff");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ttr"));
    command.args(["doctor", "--offline"]).current_dir(patient.folder.path()).env_clear().envs(&patient.env);
    let output = command.env("WHOP_API_KEY", bytes).env("SOMEBODYS_BYTES", bytes).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("WHOP_API_KEY is not text") && !said.contains("SOMEBODYS"), "{said}");
    assert!(!said.contains("canary"), "{said}");
}

#[test]
fn a_store_that_is_no_database_is_named() {
    let patient = Patient::sound();
    std::fs::write(patient.store(), "Dear diary, today nothing was sold.".repeat(100)).unwrap();
    snapshot("no_database", &patient.complains());
}

#[test]
fn a_store_of_a_newer_ttr_is_named() {
    let patient = Patient::sound();
    patient.sql("PRAGMA user_version = 99");
    snapshot("newer_store", &patient.complains());
}

#[test]
fn a_damaged_store_is_named() {
    let patient = Patient::sound();
    patient.sql("PRAGMA journal_mode = DELETE; CREATE TABLE filler (x); INSERT INTO filler VALUES (randomblob(20000))");
    let mut bytes = std::fs::read(patient.store()).unwrap();
    let last_pages = bytes.len() - 16384;
    bytes[last_pages..].fill(0xff);
    std::fs::write(patient.store(), bytes).unwrap();
    snapshot("damaged_store", &patient.complains());
}

#[test]
fn a_store_in_the_place_of_a_folder_is_named() {
    let mut patient = Patient::sound();
    std::fs::write(patient.path("file"), "").unwrap();
    patient.set("DATABASE_URL", "sqlite://file/ttr.db");
    snapshot("store_below_a_file", &patient.complains());
}

#[test]
fn deliveries_that_were_refused_one_after_the_other_are_named() {
    let patient = Patient::sound();
    let refused = |in_a_row: u32| {
        patient.sql(&format!(
            "INSERT OR REPLACE INTO refusal VALUES ('whop', {in_a_row}, 1700000000000, 'the signature does not match')"
        ));
        patient.complains()
    };
    snapshot("delivery_refused", &refused(1));
    snapshot("deliveries_refused", &refused(7));
}

#[test]
fn missing_built_files_are_named() {
    let mut patient = Patient::sound();
    patient.set("LEPTOS_SITE_ROOT", "nowhere");
    snapshot("no_site_files", &patient.complains());
}

#[test]
fn a_port_that_another_program_holds_is_named() {
    let mut patient = Patient::sound();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    holder.set_nonblocking(true).unwrap();
    let addr = holder.local_addr().unwrap();
    std::thread::spawn(move || {
        loop {
            drop(holder.accept()); // whoever comes is sent away
            std::thread::yield_now();
        }
    });
    patient.set("LEPTOS_SITE_ADDR", &addr.to_string());
    patient.redact(addr, "TAKEN");
    snapshot("port_taken", &patient.complains());
}

#[tokio::test]
async fn a_refused_whop_key_and_a_return_by_http_are_named() {
    let mut patient = Patient::sound();
    let whop = upstream(StatusCode::UNAUTHORIZED, &[]).await;
    patient.set("WHOP_API_KEY", "apik_0123456789canary");
    patient.set("WHOP_API_URL", &format!("http://{whop}/api/v1"));
    patient.redact(whop, "WHOP");
    snapshot("whop_key_refused", &complaints(patient).await);
}

#[tokio::test]
async fn a_stripe_without_a_link_to_fall_back_to_and_with_a_refused_key_is_named() {
    let mut patient = Patient::sound();
    let stripe = upstream(StatusCode::UNAUTHORIZED, &[]).await;
    patient.set("TTR__CHECKOUT__PROVIDER", "stripe");
    patient.set("STRIPE_WEBHOOK_SECRET", "whsec_0123456789canary");
    patient.set("STRIPE_API_KEY", "pk_live_0123456789canary");
    patient.set("STRIPE_PRICE_ID", "price_1");
    patient.set("STRIPE_API_URL", &format!("http://{stripe}/v1"));
    patient.redact(stripe, "STRIPE");
    snapshot("stripe_key_refused", &complaints(patient).await);
}

#[tokio::test]
async fn a_polar_token_that_lacks_a_permission_is_named() {
    let mut patient = Patient::sound();
    let polar = upstream(StatusCode::FORBIDDEN, &[]).await;
    patient.set("TTR__CHECKOUT__PROVIDER", "polar");
    patient.set("POLAR_WEBHOOK_SECRET", "polar_whs_0123456789canary");
    patient.set("POLAR_CHECKOUT_URL", "https://buy.polar.sh/polar_cl_1");
    patient.set("POLAR_API_KEY", "polar_oat_0123456789canary");
    patient.set("POLAR_API_URL", &format!("http://{polar}/v1"));
    patient.redact(polar, "POLAR");
    snapshot("polar_token_lacks_permission", &complaints(patient).await);
}

#[tokio::test]
async fn a_shopify_app_that_is_refused_and_a_shop_that_is_not_named_are_named() {
    let mut patient = Patient::sound();
    let shopify = upstream(StatusCode::BAD_REQUEST, &[]).await;
    patient.set("TTR__CHECKOUT__PROVIDER", "shopify");
    patient.set("SHOPIFY_WEBHOOK_SECRET", "shpss_0123456789canary");
    patient.set("SHOPIFY_CHECKOUT_URL", "https://shop.example/cart/1:1");
    patient.set("SHOPIFY_CLIENT_ID", "client_1");
    patient.set("SHOPIFY_API_KEY", "shpss_another_canary");
    patient.set("SHOPIFY_API_URL", &format!("http://{shopify}/admin/api/2026-10"));
    patient.redact(shopify, "SHOPIFY");
    snapshot("shopify_app_refused", &complaints(patient).await);
}

#[test]
fn a_provider_that_is_played_in_the_place_of_the_real_one_is_named() {
    let mut patient = Patient::sound();
    patient.set("TTR__SIMULATOR__PROVIDER", "polar");
    snapshot("simulator_beside_whop", &patient.complains());
}

#[tokio::test]
async fn a_clock_that_is_ten_minutes_off_is_named() {
    let mut patient = Patient::sound();
    let ten_minutes_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(10);
    let date = ten_minutes_ago.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let whop = upstream(StatusCode::OK, &[("date", date)]).await;
    patient.set("WHOP_API_KEY", "apik_0123456789canary");
    patient.set("WHOP_API_URL", &format!("http://{whop}"));
    let text = complaints(patient).await;
    let clock: String =
        text.lines().skip_while(|line| !line.contains("clock")).collect::<Vec<_>>().join("\n");
    let seconds =
        ["599", "600", "601", "602", "603"].into_iter().find(|seconds| clock.contains(seconds)).unwrap();
    snapshot("clock_off", &clock.replace(seconds, "600"));
}

#[tokio::test]
async fn a_remote_aurea_is_asked_whether_it_knows_the_key() {
    let remote = TestApp::start().await;
    let url = format!("{}/api", remote.url);
    let with_key = |key: &str, url: &str| {
        let mut patient = Patient::sound();
        patient.set("AUREA_API_URL", url);
        patient.set("AUREA_API_KEY", key);
        patient.redact(&remote.url, "REMOTE");
        patient
    };
    snapshot("aurea_wrong_key", &complaints(with_key("0123456789canary-wrong", &url)).await);
    let away = free_address();
    let mut patient = with_key("0123456789canary-wrong", &format!("http://{away}/api"));
    patient.redact(away, "AWAY");
    snapshot("aurea_away", &complaints(patient).await);
    let mut patient = with_key("key-1", &url);
    patient.set("DATABASE_URL", &format!("sqlite://{}", remote.folder().join("ttr.db").display()));
    snapshot("aurea_itself", &complaints(patient).await);
    let patient = with_key("key-1", &url);
    let right = complaints(patient).await;
    assert!(!right.contains("aurea  "), "the key is right: {right}");
}

#[test]
fn a_production_site_that_does_not_answer_yet_is_a_warning() {
    let mut patient = Patient::sound();
    let addr = free_address();
    patient.set("TTR_MODE", "production");
    patient.set("SITE_URL", &format!("https://{addr}"));
    patient.redact(addr, "PUBLIC");
    snapshot("public_url_silent", &patient.complains());
}

#[tokio::test]
async fn a_sound_site_that_is_running_is_left_as_it_was() {
    let app = TestApp::start().await;
    app.browser_posts(&crate::support::batch("s1", &[("page_view", 1000)])).await;
    let mut patient = Patient::sound();
    patient.set("LEPTOS_SITE_ADDR", app.url.strip_prefix("http://").unwrap());
    patient.set("DATABASE_URL", &format!("sqlite://{}", app.folder().join("ttr.db").display()));
    let files = |folder: &Path| {
        let mut names: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = files(app.folder());
    let (output, text) =
        tokio::task::spawn_blocking(move || (patient.ask(&["--json"]), patient.ask(&[]))).await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["summary"]["fail"], 0, "{report:#}");
    let status = |id: &str| {
        let check = report["checks"].as_array().unwrap().iter().find(|check| check["id"] == id);
        check.unwrap_or_else(|| panic!("{id}: {report:#}"))["status"].clone()
    };
    for id in
        ["configuration", "store.schema", "store.write", "store.whole", "site.port", "site.files", "secrets"]
    {
        assert_eq!(status(id), "ok", "{id}");
    }
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("a ttr is running on") && text.contains("0 failures"), "{text}");
    assert_eq!(files(app.folder()), before);
    assert_eq!(app.session("s1").await["events"][0]["eventName"], "page_view");
    app.browser_posts(&crate::support::batch("s2", &[("page_view", 1000)])).await;
    assert_eq!(app.session("s2").await["events"][0]["eventName"], "page_view", "it still records");
}

#[test]
fn nothing_is_asked_and_nothing_made_offline() {
    let mut patient = Patient::sound();
    patient.set("AUREA_API_URL", "http://127.0.0.1:9/api");
    patient.set("AUREA_API_KEY", "0123456789canary-key");
    patient.set("DATABASE_URL", "sqlite://elsewhere/ttr.db");
    let output = patient.ask(&["--offline"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(!patient.path("elsewhere").exists());
}
