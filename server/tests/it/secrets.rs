//! What must not show: canaries stand in the place of every secret, and of a buyer's address; nowhere are they found.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use reqwest::{Client, RequestBuilder, redirect};
use rusqlite::Connection;
use serde_json::{Value, json};
use server::clock::now;

use crate::durability::{Program, free_address};
use crate::support::{batch, metadata, payment, sign, until};

const WEBHOOK_SECRET: &str = "ws_canary_webhook_secret";
const ADMIN_TOKEN: &str = "canary-admin-token-of-32-letters";
const RECEIVE_KEY: &str = "canary-receive-key";

/// Who asks, as a proxy that is believed says.
const ADDRESS: &str = "203.0.113.77";

/// Whoever calls themselves so is sent on by the provider's API.
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0";

/// Whoever buys.
const EMAIL: &str = "canary.buyer@example.com";

/// What may show nowhere but in the body of a delivery.
const CANARIES: [&str; 9] = [
    WEBHOOK_SECRET,
    "ws_canary_older_secret",
    ADMIN_TOKEN,
    RECEIVE_KEY,
    "canary-whop-api-key",
    "canary-aurea-api-key",
    "canary-wrong-token",
    ADDRESS,
    EMAIL,
];

fn canaries_in(bytes: &[u8]) -> Vec<&'static str> {
    let found = |canary: &&str| {
        bytes.windows(canary.len()).any(|window| window.eq_ignore_ascii_case(canary.as_bytes()))
    };
    CANARIES.into_iter().filter(found).collect()
}

/// A program full of canaries, and everything that it has said.
struct Cage {
    program: Program,
    folder: tempfile::TempDir,
    said: Vec<u8>,
}

impl Cage {
    /// `more` says how it runs. Others that it wants to speak to are at `nobody`, who does not answer.
    async fn start(nobody: &str, more: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("/bin/sh");
        let log = folder.path().join("log");
        command.args(["-c", r#"log=$0; exec "$@" >"$log" 2>&1"#]).arg(&log).arg(env!("CARGO_BIN_EXE_ttr"));
        let (whop, aurea) = (format!("{nobody}/v1"), format!("{nobody}/api"));
        let secrets = [
            ("WHOP_WEBHOOK_SECRET", "ws_canary_older_secret,ws_canary_webhook_secret"),
            ("WHOP_API_KEY", "canary-whop-api-key"),
            ("WHOP_PLAN_ID", "plan_1"),
            ("WHOP_API_URL", &whop),
            ("AUREA_ADMIN_TOKEN", ADMIN_TOKEN),
            ("AUREA_RECEIVE_KEYS", "canary-receive-key:ttr"),
            ("AUREA_API_URL", &aurea),
            ("AUREA_API_KEY", "canary-aurea-api-key"),
            ("TTR__SITE__TRUSTED_PROXIES", r#"["127.0.0.1"]"#),
        ];
        let env = [&secrets[..], more].concat();
        let mut program = Program::start_by(command, folder.path(), free_address(), &env).await;
        program.client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Self { program, folder, said: Vec::new() }
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.program.client.get(format!("{}{path}", self.program.url))
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.program
            .client
            .post(format!("{}{path}", self.program.url))
            .header("sec-fetch-site", "same-origin")
    }

    /// Asks in the visitor's name and keeps what is answered, but for the cookies of a login.
    async fn ask(&mut self, request: RequestBuilder) -> u16 {
        let answer = request.header("x-forwarded-for", ADDRESS).send().await.unwrap();
        let status = answer.status().as_u16();
        for (name, value) in answer.headers().iter().filter(|(name, _)| *name != "set-cookie") {
            self.said.extend([name.as_str().as_bytes(), value.as_bytes(), b"\n"].concat());
        }
        self.said.extend(answer.bytes().await.unwrap());
        status
    }

    async fn deliver(&mut self, id: &str, body: &str, secret: &str) -> u16 {
        let seconds = now() / 1000;
        let request = self
            .post("/api/webhooks/whop")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", sign(secret, id, seconds, body))
            .body(body.to_owned());
        self.ask(request).await
    }

    /// Everything that a site lives through, faults included.
    async fn live(&mut self) {
        for path in
            ["/", "/thank-you", "/privacy", "/robots.txt", "/nothing", "/health/ready", "/aurea/login"]
        {
            self.ask(self.get(path)).await;
        }
        for (token, status) in [(ADMIN_TOKEN, 200), ("canary-wrong-token", 401)] {
            self.ask(self.get("/metrics").bearer_auth(token)).await;
            let sessions = self.get("/api/aurea/funnels/ttr/sessions").bearer_auth(token);
            assert_eq!(self.ask(sessions).await, status);
            self.ask(self.get("/aurea").bearer_auth(token)).await;
            self.ask(self.post("/aurea/login").form(&[("token", token)])).await;
            self.ask(self.post("/api/aurea/forward-conversions").bearer_auth(token).body("")).await;
        }
        let events = batch("s1", &[("page_view", now() - 2000), ("checkout_completed", now())]);
        assert_eq!(self.ask(self.post("/api/pulse").json(&events)).await, 200);
        for key in [RECEIVE_KEY, "canary-wrong-token"] {
            let keyed = self.post("/api/track/events").header("x-aurea-api-key", key);
            self.ask(keyed.header("x-aurea-funnel-id", "ttr").json(&events)).await;
        }
        self.ask(self.post("/api/pulse").header("content-type", "application/json").body("{")).await;
        let buys = self.post("/api/checkout").header("user-agent", BROWSER);
        self.ask(buys.form(&[("session_id", "s1"), ("anonymous_id", "a1")])).await;

        let mut paid: Value = serde_json::from_str(&payment("pay_1", &metadata(now() - 1000))).unwrap();
        paid["data"]["user"] = json!({"id": "user_1", "email": EMAIL});
        assert_eq!(self.deliver("msg_1", &paid.to_string(), WEBHOOK_SECRET).await, 200);
        paid["data"]["id"] = "pay_2".into();
        paid["data"]["metadata"] = json!({});
        paid["data"]["total"] = EMAIL.into();
        assert_eq!(self.deliver("msg_2", &paid.to_string(), WEBHOOK_SECRET).await, 200);
        let odd = json!({"type": "payment.succeeded", "data": EMAIL}).to_string();
        assert_eq!(self.deliver("msg_3", &odd, WEBHOOK_SECRET).await, 200);
        assert_eq!(self.deliver("msg_4", &paid.to_string(), "ws_canary_older_secret_").await, 401);
    }

    /// Its log, when it has told of a send that failed; then it ends.
    async fn log(self) -> (String, tempfile::TempDir) {
        let log = self.folder.path().join("log");
        let text = || std::fs::read_to_string(&log).unwrap();
        until("a send has failed", async || text().contains("forwarding fails")).await;
        assert_eq!(self.program.stop(), Some(0));
        (text(), self.folder)
    }
}

/// The store without what a provider sent, which is kept as it came: bodies, of refused deliveries too, and amounts that are
/// none.
fn store_without_bodies(folder: &Path) -> Vec<u8> {
    let store = Connection::open(folder.join("ttr.db")).unwrap();
    let forget = "UPDATE delivery SET body = x'';
                  UPDATE quarantine SET body = x'';
                  UPDATE conflict SET body = x'';
                  UPDATE payment SET amount_fault = '' WHERE amount_fault IS NOT NULL";
    store.execute_batch(&format!("PRAGMA journal_mode = DELETE; {forget}; VACUUM")).unwrap();
    std::fs::read(folder.join("ttr.db")).unwrap()
}

#[tokio::test]
async fn no_secret_no_address_and_no_email_shows_anywhere() {
    let nobody = format!("http://{}", free_address());
    let mut cage = Cage::start(&nobody, &[("RUST_LOG", "debug")]).await;
    cage.live().await;
    assert_eq!(canaries_in(&cage.said), Vec::<&str>::new(), "in an answer");
    let (log, folder) = cage.log().await;
    assert!(log.contains("DEBUG") && log.contains("msg_3"), "the log is there: {log}");
    assert_eq!(canaries_in(log.as_bytes()), Vec::<&str>::new(), "in the log: {log}");
    let stored = std::fs::read(folder.path().join("ttr.db")).unwrap();
    assert_eq!(canaries_in(&stored), [EMAIL], "only what a provider sent is kept as it came");
    assert_eq!(canaries_in(&store_without_bodies(folder.path())), Vec::<&str>::new(), "in the store");
}

#[tokio::test]
async fn each_line_of_the_log_names_what_it_is_about() {
    let production = [("SITE_URL", "https://ttr.example")];
    let mut cage = Cage::start("https://nobody.invalid", &production).await;
    cage.live().await;
    let (log, _folder) = cage.log().await;
    assert_eq!(canaries_in(log.as_bytes()), Vec::<&str>::new(), "{log}");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let needed: BTreeMap<&str, &[&str]> = [
        ("delivery", &["provider", "funnel", "delivery_id"][..]),
        ("an authentic delivery can't be read; it is kept", &["provider", "funnel", "delivery_id"]),
        ("a payment without a session: it is kept unattributed", &["funnel", "payment_id"]),
        ("a payment whose amount can't be trusted is kept", &["funnel", "payment_id"]),
        ("checkout began", &["funnel", "session_id", "provider"]),
        ("Whop's API failed; the buyer goes by the link", &["session_id"]),
        ("forwarding fails; everything is kept and sent later", &["destination", "host", "row"]),
    ]
    .into();
    for (message, fields) in needed {
        let told: Vec<&Value> = lines.iter().filter(|line| line["message"] == message).collect();
        assert!(!told.is_empty(), "nobody says {message:?} in {log}");
        for line in told {
            for field in fields {
                assert!(!(line[field].is_null() && line["span"][field].is_null()), "{field} in {line}");
            }
        }
    }
    let delivery = lines.iter().find(|line| line["message"] == "delivery").unwrap();
    assert_eq!((&delivery["delivery_id"], &delivery["payment_id"]), (&json!("msg_1"), &json!("pay_1")));
}
