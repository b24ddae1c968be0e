//! Deliveries that are refused: kept aside, told of, and recorded once the secret is mended.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use server::clock::now;
use server::domain::Millis;
use server::store::quarantine::{Evidence, LONGEST, QuarantineStore, Refused};
use server::store::sqlite::SqliteStore;
use sha2::{Digest, Sha256};

use crate::durability::{Program, free_address};
use crate::support::{SECRET, TOKEN, TestApp, asked, payment, sign, until};

const HOUR: Millis = 60 * 60 * 1000;

const WRONG: (&str, &str) = ("WHOP_WEBHOOK_SECRET", "ws_that_of_another_webhook");

/// One of Whop's deliveries.
struct Sale {
    id: String,
    body: String,
}

impl Sale {
    fn new(number: usize) -> Self {
        let metadata = json!({"aurea_session_id": format!("s{number}"), "aurea_anonymous_id": "a1"});
        Self { id: format!("msg_{number}"), body: payment(&format!("pay_{number}"), &metadata) }
    }

    /// Sends it, signed with the real secret, as Whop does again and again.
    async fn delivered(&self, client: &Client, url: &str) -> StatusCode {
        let seconds = now() / 1000;
        let request = client
            .post(format!("{url}/api/webhooks/whop"))
            .header("webhook-id", &self.id)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", sign(SECRET, &self.id, seconds, &self.body))
            .body(self.body.clone());
        request.send().await.unwrap().status()
    }

    /// As it was kept when it was refused at that time.
    fn refused_at(&self, received_at: Millis) -> Refused {
        let seconds = received_at / 1000;
        let headers = [
            ("webhook-id", self.id.clone()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", sign(SECRET, &self.id, seconds, &self.body)),
        ];
        let evidence = Evidence {
            sender: 1,
            headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
            body: self.body.clone().into(),
            digest: Sha256::digest(&self.body).into(),
        };
        let why = "the signature does not match".to_owned();
        Refused { provider: "whop", why, received_at, evidence: Some(evidence) }
    }
}

fn kept(folder: &Path) -> i64 {
    asked(folder, "SELECT count(*) FROM quarantine")
}

fn in_a_row(folder: &Path) -> i64 {
    asked(folder, "SELECT coalesce(sum(in_a_row), 0) FROM refusal")
}

/// Writes what an earlier program refused into the store.
async fn refuse_earlier(folder: &Path, refused: Vec<Refused>) {
    let store = SqliteStore::open(&folder.join("ttr.db")).unwrap();
    store.refuse(refused).await.unwrap();
    store.close().await;
}

/// A forgery as good as one can be without the secret.
async fn forged(app: &TestApp, number: usize) -> StatusCode {
    let (id, body, seconds) = (format!("msg_{number}"), format!("{{\"forged\":{number}}}"), now() / 1000);
    app.delivery(&id, seconds, &sign("ws_guessed", &id, seconds, &body), &body).await.status()
}

#[tokio::test]
async fn what_is_recorded_late_waits_to_be_told_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let since = now();
    refuse_earlier(folder.path(), vec![Sale::new(1).refused_at(since - HOUR)]).await;
    let nobody = format!("http://{}/api", free_address());
    let more = [("AUREA_API_URL", nobody.as_str()), ("AUREA_API_KEY", "k")];
    let _program = Program::start_at(folder.path(), free_address(), &more).await;
    until("it is taken", || async { kept(folder.path()) == 0 }).await;
    assert!(asked::<i64>(folder.path(), "SELECT min(created_at) FROM outbox") >= since);
    assert_eq!(asked::<i64>(folder.path(), "SELECT received_at FROM payment"), since - HOUR);
}

#[tokio::test]
async fn what_came_under_a_wrong_secret_converts_once_after_it_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let sales: Vec<Sale> = (0..20).map(Sale::new).collect();
    let program = Program::start_at(folder.path(), free_address(), &[WRONG]).await;
    let (earlier, later) = sales.split_at(10);
    for sale in later {
        for _try in 0..4 {
            assert_eq!(sale.delivered(&program.client, &program.url).await, StatusCode::UNAUTHORIZED);
        }
    }
    until("all are kept", || async { kept(folder.path()) == 10 && in_a_row(folder.path()) == 40 }).await;
    assert_eq!(asked::<i64>(folder.path(), "SELECT count(*) FROM delivery"), 0);
    assert_eq!(program.stop(), Some(0));
    // Those of an hour ago, too: what the program of then would have left.
    let an_hour_ago = now() - HOUR;
    refuse_earlier(folder.path(), earlier.iter().map(|sale| sale.refused_at(an_hour_ago)).collect()).await;

    for _restart in 0..2 {
        let program = Program::start_at(folder.path(), free_address(), &[]).await;
        until("all are taken", || async { kept(folder.path()) == 0 }).await;
        for (number, sale) in sales.iter().enumerate() {
            assert_eq!(sale.delivered(&program.client, &program.url).await, StatusCode::OK, "its last try");
            let session = program.session(&format!("s{number}")).await;
            assert_eq!((&session["converted"], &session["conversionValue"]), (&json!(true), &json!(99)));
            assert_eq!(session["conversions"].as_array().unwrap().len(), 1);
        }
    }
    for table in ["delivery", "payment", "conversion"] {
        assert_eq!(asked::<i64>(folder.path(), &format!("SELECT count(*) FROM {table}")), 20, "{table}");
    }
    let at_their_time = format!("SELECT count(*) FROM delivery WHERE received_at = {an_hour_ago}");
    assert_eq!(asked::<i64>(folder.path(), &at_their_time), 10);
    assert_eq!(in_a_row(folder.path()), 0);
}

#[tokio::test]
async fn a_secret_that_joins_the_list_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let sale = Sale::new(1);
    let program = Program::start_at(folder.path(), free_address(), &[WRONG]).await;
    assert_eq!(sale.delivered(&program.client, &program.url).await, StatusCode::UNAUTHORIZED);
    until("it is kept", || async { kept(folder.path()) == 1 }).await;
    drop(program);
    let both = format!("{},{SECRET}", WRONG.1);
    let program = Program::start_at(folder.path(), free_address(), &[(WRONG.0, &both)]).await;
    until("it is taken", || async { program.session("s1").await["converted"] == json!(true) }).await;
    assert_eq!(kept(folder.path()), 0);
}

#[tokio::test]
async fn what_no_key_signed_stays_and_what_was_signed_too_long_before_it_came_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut late = Sale::new(1).refused_at(now() - HOUR);
    late.received_at = now();
    let mut forged = Sale::new(2).refused_at(now());
    forged.evidence.as_mut().unwrap().headers[2].1 = sign("ws_guessed", "msg_2", now() / 1000, "{}");
    refuse_earlier(folder.path(), vec![late, forged, Sale::new(3).refused_at(now())]).await;
    let program = Program::start_at(folder.path(), free_address(), &[]).await;
    until("the third is taken", || async { program.session("s3").await["converted"] == json!(true) }).await;
    assert_eq!(kept(folder.path()), 2);
    assert_eq!(asked::<i64>(folder.path(), "SELECT count(*) FROM delivery"), 1);
}

#[tokio::test]
async fn the_first_good_delivery_after_refused_ones_brings_the_others_along() {
    let app = TestApp::start().await;
    assert_eq!(forged(&app, 0).await, StatusCode::UNAUTHORIZED);
    refuse_earlier(app.folder(), vec![Sale::new(1).refused_at(now() - HOUR)]).await;
    until("both are kept", || async { kept(app.folder()) == 2 }).await;
    let sale = Sale::new(2);
    assert_eq!(app.whop_delivers(&sale.id, &sale.body).await.status(), StatusCode::OK);
    until("the other is taken", || async { kept(app.folder()) == 1 }).await;
    for session in ["s1", "s2"] {
        assert_eq!(app.session(session).await["converted"], true, "{session}");
    }
}

#[tokio::test]
async fn the_owner_is_told_after_five_in_a_row_and_no_more_after_a_good_one() {
    let app = TestApp::start().await;
    let screens = || async {
        let mut shown = Vec::new();
        for path in ["/aurea", "/aurea/funnels/ttr"] {
            let html = app.get(path).bearer_auth(TOKEN).send().await.unwrap().text().await.unwrap();
            shown.push(html.contains("Deliveries of <bdi>Whop</bdi> are refused"));
        }
        shown
    };
    for number in 0..4 {
        assert_eq!(forged(&app, number).await, StatusCode::UNAUTHORIZED);
    }
    until("four are counted", || async { in_a_row(app.folder()) == 4 }).await;
    assert_eq!(screens().await, [false, false]);
    forged(&app, 4).await;
    until("five are counted", || async { in_a_row(app.folder()) == 5 }).await;
    assert_eq!(screens().await, [true, true]);
    app.whop_delivers("msg_good", "{}").await;
    assert_eq!(screens().await, [false, false]);
}

#[tokio::test]
async fn the_log_has_one_line_for_a_row_of_refusals() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut to_a_file = Command::new("sh");
    let command = format!("exec {} \"$@\" >{}", env!("CARGO_BIN_EXE_ttr"), log.display());
    to_a_file.args(["-c", &command, "ttr"]);
    let program = Program::start_by(to_a_file, folder.path(), free_address(), &[WRONG]).await;
    for number in 0..30 {
        Sale::new(number).delivered(&program.client, &program.url).await;
        until("it is counted", || async { in_a_row(folder.path()) > i64::try_from(number).unwrap() }).await;
    }
    assert_eq!(program.stop(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    let lines = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    assert_eq!((lines("ERROR"), lines("one after the other")), (1, 1), "{log}");
    assert_eq!(lines("refused"), 2, "one when it begins, one when it is too much: {log}");
}

#[tokio::test]
async fn what_is_no_delivery_at_all_is_only_counted() {
    let app = TestApp::start().await;
    let (body, seconds) = ("{}", now() / 1000);
    let good = sign("ws_guessed", "msg_1", seconds, body);
    for (seconds, signature) in [(seconds, ""), (seconds, &good[..20]), (seconds - 400, &good)] {
        assert_eq!(
            app.delivery("msg_1", seconds, signature, body).await.status(),
            StatusCode::UNAUTHORIZED,
            "{signature}"
        );
    }
    let bare = app.post("/api/webhooks/whop").body(body).send().await.unwrap();
    assert_eq!(bare.status(), StatusCode::UNAUTHORIZED);
    let large = "x".repeat(LONGEST + 1);
    let answer = app.delivery("msg_2", seconds, &sign("ws_guessed", "msg_2", seconds, &large), &large).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    forged(&app, 1).await;
    until("the forgery is kept", || async { kept(app.folder()) > 0 }).await;
    assert_eq!(kept(app.folder()), 1, "the others are not");
    assert_eq!(in_a_row(app.folder()), 3, "the old, the large and the forged one");
}

#[tokio::test]
async fn a_flood_of_forgeries_is_answered_and_fills_nothing() {
    let app = TestApp::start().await;
    let answers: Vec<StatusCode> =
        stream::iter(0..1500).map(|number| forged(&app, number)).buffer_unordered(64).collect().await;
    assert!(answers.iter().all(|status| *status == StatusCode::UNAUTHORIZED));
    let sale = Sale::new(1);
    assert_eq!(app.whop_delivers(&sale.id, &sale.body).await.status(), StatusCode::OK);
    assert_eq!(app.session("s1").await["converted"], true);
    assert!((1..=1000).contains(&kept(app.folder())));
    for table in ["delivery", "payment"] {
        assert_eq!(asked::<i64>(app.folder(), &format!("SELECT count(*) FROM {table}")), 1, "{table}");
    }
}

#[tokio::test]
async fn a_refusal_waits_for_no_store() {
    let app = TestApp::start().await;
    let other = rusqlite::Connection::open(app.folder().join("ttr.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap(); // the writer waits for up to 5 s
    let begun = Instant::now();
    for number in 0..100 {
        assert_eq!(forged(&app, number).await, StatusCode::UNAUTHORIZED);
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    other.execute_batch("ROLLBACK").unwrap();
    until("they are kept after all", || async { kept(app.folder()) > 0 }).await;
}

#[tokio::test]
async fn a_delivery_about_another_company_is_kept_and_changes_nothing() {
    let app = TestApp::start_with(&[("WHOP_COMPANY_ID", "biz_own")]).await;
    let about = |payment_id: &str, company: &str| {
        let mut body: Value =
            serde_json::from_str(&payment(payment_id, &json!({"aurea_session_id": "s1"}))).unwrap();
        body["company_id"] = json!(company);
        body.to_string()
    };
    assert_eq!(app.whop_delivers("msg_1", &about("pay_1", "biz_other")).await.status(), StatusCode::OK);
    assert_eq!(app.owner("ttr/payments").await["payments"], json!([]));
    assert_eq!(asked::<String>(app.folder(), "SELECT state FROM delivery"), "foreign");
    assert_eq!(asked::<i64>(app.folder(), "SELECT count(*) FROM outbox"), 0);
    assert_eq!(app.whop_delivers("msg_2", &about("pay_2", "biz_own")).await.status(), StatusCode::OK);
    assert_eq!(app.session("s1").await["conversionValue"], 99);
}
