//! Requests that want to break something: broken and two-faced HTTP over raw TCP, odd JSON, compressed bodies, clients that
//! hang up. Each is answered or cut off, and the next visitor notices nothing.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures::{StreamExt, stream};
use reqwest::StatusCode;
use serde_json::{Value, json};
use server::clock::now;
use tokio::io::AsyncWriteExt;

use crate::accept::{Peer, address};
use crate::support::{SECRET, TestApp, asked, batch, metadata, names, payment, sign};

/// A request that must not be found inside of another one.
const SMUGGLED: &str = "GET /health/live HTTP/1.1\r\nHost: ttr\r\n\r\n";

/// The beginning of a browser's post.
const POST: &str = "POST /api/pulse HTTP/1.1\r\nHost: ttr\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/json\r\n";

/// Says this on a connection of its own and gives everything that was answered until it was closed.
async fn answered(app: &TestApp, request: &[u8]) -> String {
    let mut peer = Peer::connect(address(&app.url)).await;
    let _ = peer.0.write_all(request).await; // it may be closed before all of it is said
    String::from_utf8_lossy(&peer.rest().await).into_owned()
}

async fn lives(app: &TestApp) {
    assert_eq!(app.get("/health/ready").send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_request_that_others_could_read_as_two_is_refused_and_its_connection_ends() {
    let app = TestApp::start().await;
    let chunked = format!("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}");
    let of_length = |length: &str| format!("Content-Length: {length}\r\n\r\n{SMUGGLED}");
    let headed = |head: &str| format!("{head}\r\n\r\n{SMUGGLED}");
    for (what, rest) in [
        ("a length and chunks", format!("Content-Length: 5\r\n{chunked}")),
        ("chunks and a length", format!("Transfer-Encoding: chunked\r\n{}", of_length("5"))),
        ("two lengths", format!("Content-Length: 0\r\n{}", of_length("42"))),
        ("the same length twice", format!("Content-Length: 0\r\n{}", of_length("0"))),
        ("two lengths in one", of_length("0, 42")),
        ("a length with a sign", of_length("+0")),
        ("a negative length", of_length("-1")),
        ("a length that is none", of_length("0x0")),
        ("a length without end", of_length("99999999999999999999999")),
        ("chunks twice", format!("Transfer-Encoding: chunked\r\n{chunked}")),
        ("chunks that are not last", headed("Transfer-Encoding: chunked, identity")),
        ("a coding that nobody knows", headed("Transfer-Encoding: xchunked")),
        ("a space before the colon", headed("Content-Length : 0")),
        ("a folded line", headed("X: a\r\n b")),
        ("a folded length", headed("Content-Length:\r\n 0")),
        ("NUL in a value", headed("X: a\0b")),
        ("NUL in a name", headed("X\0: a")),
        ("a bare line feed in a value", headed("X: a\nContent-Length: 0")),
        ("bare line feeds", "Host: ttr\n\n".to_owned()),
        ("a bare carriage return", headed("X: a\rContent-Length: 0")),
    ] {
        let answer = answered(&app, format!("{POST}{rest}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{what}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{what}: {answer}");
    }
    lives(&app).await;
}

#[tokio::test]
async fn chunks_that_are_none_are_400_and_the_connection_ends() {
    let app = TestApp::start().await;
    for chunks in
        ["zz\r\n", "-5\r\nhello\r\n", "FFFFFFFFFFFFFFFFF\r\n", "5\r\nhelloworld\r\n", " \r\n", "5\rhello"]
    {
        let request = format!("{POST}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n{SMUGGLED}");
        let answer = answered(&app, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{chunks:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{chunks:?}: {answer}");
    }
    lives(&app).await;
}

#[tokio::test]
async fn what_is_no_http_1_is_cut_off() {
    let app = TestApp::start().await;
    for opening in [
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        "GET / HTTP/3.0\r\n\r\n",
        "GET /\r\n\r\n",
        "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03",
        "hello\r\n\r\n",
    ] {
        let answer = answered(&app, opening.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{opening:?}: {answer}");
        assert!(!answer.contains("200 OK"), "{opening:?}: {answer}");
    }
    let upgrade = "GET /health/live HTTP/1.1\r\nHost: ttr\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    let answer = answered(&app, upgrade.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "an upgrade that is not offered is passed over: {answer}");
    lives(&app).await;
}

#[tokio::test]
async fn a_delivery_with_odd_headers_is_refused() {
    let app = TestApp::start().await;
    let (body, seconds) = (payment("pay_1", &metadata(now() - 1000)), now() / 1000);
    let signature = sign(SECRET, "msg_1", seconds, &body);
    let (id, time) = ("webhook-id: msg_1\r\n".to_owned(), format!("webhook-timestamp: {seconds}\r\n"));
    let signed = format!("webhook-signature: {signature}\r\n");
    let many: String = (0..101).map(|number| format!("x-{number}: x\r\n")).collect();
    for (what, headers, expected) in [
        ("an id twice", format!("{id}{id}{time}{signed}"), &["401"][..]),
        ("a time twice", format!("{id}{time}{time}{signed}"), &["401"]),
        ("a signature twice", format!("{id}{time}{signed}{signed}"), &["401"]),
        ("a folded signature", format!("{id}{time}webhook-signature:\r\n {signature}\r\n"), &["400"]),
        ("an id that is not ASCII", format!("webhook-id: mésg\r\n{time}{signed}"), &["401"]),
        ("an empty id", format!("webhook-id: \r\n{time}{signed}"), &["401"]),
        ("a hundred and more", format!("{id}{time}{signed}{many}"), &["431"]),
        ("a very long one", format!("{id}{time}{signed}x: {}\r\n", "x".repeat(64 * 1024)), &["431"]),
    ] {
        let length = body.len();
        let request = format!(
            "POST /api/webhooks/whop HTTP/1.1\r\nHost: ttr\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        let answer = answered(&app, request.as_bytes()).await;
        let status = answer.get(9..12).unwrap_or_default();
        assert!(expected.contains(&status), "{what}: {answer}");
    }
    assert_eq!(asked::<i64>(app.folder(), "SELECT count(*) FROM delivery"), 0);
    lives(&app).await;
}

#[tokio::test]
async fn a_path_that_is_nearly_the_webhooks_is_not_found_and_never_a_redirect() {
    let app = TestApp::start().await;
    let (body, seconds) = (payment("pay_1", &metadata(now() - 1000)), now() / 1000);
    let signature = sign(SECRET, "msg_1", seconds, &body);
    for path in [
        "/api/webhooks/whop/",
        "/api/webhooks/WHOP",
        "/API/webhooks/whop",
        "/api//webhooks/whop",
        "//api/webhooks/whop",
        "/api/webhooks/%77hop",
        "/api/webhooks%2Fwhop",
        "/api/%2e/webhooks/whop",
        "/api/webhooks/whop/%2e%2e/whop",
        "/api/webhooks/whop;a=b",
        "/api/webhooks/whop.",
        "/api/webhooks/whop%00",
        "/api/webhooks/",
        "/api/webhooks",
    ] {
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: ttr\r\nConnection: close\r\nwebhook-id: msg_1\r\nwebhook-timestamp: {seconds}\r\n\
             webhook-signature: {signature}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let answer = answered(&app, request.as_bytes()).await;
        assert!(matches!(answer.get(9..12), Some("404" | "405")), "{path}: {answer}");
        assert!(!answer.to_lowercase().contains("\r\nlocation:"), "{path}: {answer}");
    }
    assert_eq!(asked::<i64>(app.folder(), "SELECT count(*) FROM delivery"), 0);
}

#[tokio::test]
async fn a_compressed_body_is_415_and_nothing_is_unpacked() {
    let app = TestApp::start().await;
    let body = batch("s1", &[("page_view", 1000)]).to_string();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(body.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&vec![b' '; 32 << 20]).unwrap();
    let bomb = bomb.finish().unwrap();
    for (encoding, body) in [
        ("gzip", &gzip),
        ("gzip", &bomb),
        ("gzip, gzip", &gzip),
        ("GZIP", &gzip),
        ("br", &gzip),
        ("snappy", &gzip),
    ] {
        for path in ["/api/pulse", "/api/track/events", "/api/webhooks/whop", "/api/checkout"] {
            let request = app.post(path).header("sec-fetch-site", "same-origin");
            let request =
                request.header("content-type", "application/json").header("content-encoding", encoding);
            let answer = request.body(body.clone()).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{encoding} {path}");
            assert_eq!(answer.headers()["accept-encoding"], "identity", "{encoding} {path}");
        }
    }
    let as_it_is = app.post("/api/pulse").header("sec-fetch-site", "same-origin");
    let as_it_is = as_it_is.header("content-type", "application/json").header("content-encoding", "Identity");
    assert_eq!(as_it_is.body(body).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(names(&app.session("s1").await), ["page_view"]);
}

/// An event whose `part` is replaced by raw text.
fn event_with(properties: &str, timestamp: &str) -> Vec<u8> {
    format!(
        r#"{{"events":[{{"eventName":"x","properties":{properties},"context":{{"session":{{"sessionId":"s1"}}}},"timestamp":{timestamp}}}]}}"#
    )
    .into_bytes()
}

/// JSON that has broken parsers, each with the statuses that are right for it.
fn odd_json() -> Vec<(&'static str, Vec<u8>, &'static [u16])> {
    let deep = 100_000;
    let nested = |open: &str, close: &str| format!("{}{}", open.repeat(deep), close.repeat(deep));
    let many_keys: String = (0..60_000).map(|number| format!(r#","k{number}":{number}"#)).collect();
    let utf16: Vec<u8> = r#"{"events":[]}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let with_bom = [&b"\xef\xbb\xbf"[..], &event_with("{}", "1")].concat();
    let bad: &[u16] = &[400];
    let each: &[u16] = &[200];
    vec![
        ("open brackets", "[".repeat(deep).into_bytes(), bad),
        ("open braces", r#"{"a":"#.repeat(deep).into_bytes(), bad),
        ("nested arrays", nested("[", "]").into_bytes(), bad),
        ("nested in the batch", format!(r#"{{"events":{}}}"#, nested("[", "]")).into_bytes(), each),
        ("nested in an event", event_with(&nested(r#"{"a":"#, "}").replace("{\"a\":}", "{}"), "1"), each),
        ("nested in a list", event_with(&format!(r#"{{"a":{}}}"#, nested("[", "]")), "1"), each),
        ("many keys", event_with(&format!(r#"{{"a":1{many_keys}}}"#), "1"), each),
        ("a key twice", event_with(r#"{"a":1,"a":2}"#, "1"), each),
        ("the events twice", br#"{"events":[],"events":[{}]}"#.to_vec(), bad),
        ("a name twice", br#"{"events":[{"eventName":"x","eventName":"y"}]}"#.to_vec(), each),
        ("1e400", event_with("{}", "1e400"), each),
        ("1e400 in a property", event_with(r#"{"a":1e400}"#, "1"), each),
        ("-1e400", event_with("{}", "-1e400"), each),
        ("a number of many digits", event_with("{}", &"9".repeat(100_000)), each),
        ("a number that is none", event_with("{}", "NaN"), bad),
        ("infinity", event_with("{}", "Infinity"), bad),
        ("a hexadecimal number", event_with("{}", "0x10"), bad),
        ("a leading zero", event_with("{}", "01"), bad),
        ("a lone surrogate", event_with(r#"{"a":"\ud800"}"#, "1"), each),
        ("surrogates the wrong way", event_with(r#"{"a":"\udc00\ud800"}"#, "1"), each),
        ("an escaped NUL", event_with(r#"{"a":"\u0000","\u0000":1}"#, "1"), each),
        ("a NUL", event_with("{\"a\":\"\0\"}", "1"), bad),
        ("a byte that is no UTF-8", [&b"{\"events\":[\"\xff\"]}"[..]].concat(), bad),
        ("an overlong slash", [&b"{\"events\":[\"\xc0\xaf\"]}"[..]].concat(), bad),
        ("a byte order mark", with_bom, bad),
        ("UTF-16", utf16, bad),
        ("a comment", br#"{"events":[/* */]}"#.to_vec(), bad),
        ("a trailing comma", br#"{"events":[1,]}"#.to_vec(), bad),
        ("single quotes", br"{'events':[]}".to_vec(), bad),
        ("something after the end", br#"{"events":[1]} x"#.to_vec(), bad),
        ("another batch after the end", br#"{"events":[1]}{"events":[1]}"#.to_vec(), bad),
        ("nothing but spaces", vec![b' '; 1000], bad),
        ("a text", br#""events""#.to_vec(), bad),
        ("null", b"null".to_vec(), bad),
        ("events that are none", br#"{"events":[null,1,"x",[],{},true]}"#.to_vec(), each),
        ("events that are an object", br#"{"events":{"0":{}}}"#.to_vec(), bad),
        ("a prototype", event_with(r#"{"__proto__":{"a":1},"constructor":1}"#, "1"), each),
    ]
}

#[tokio::test]
async fn odd_json_is_400_or_an_answer_for_each_event_and_never_worse() {
    let app = TestApp::start().await;
    for (what, body, right) in odd_json() {
        let request = app.post("/api/pulse").header("sec-fetch-site", "same-origin");
        let request = request.header("content-type", "application/json").body(body);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let said: Value = answer.json().await.unwrap();
        assert!(right.contains(&status), "{what}: {status} {said}");
        assert!(said["results"].is_array() || said["error"].is_string(), "{what}: {said}");
    }
    lives(&app).await;
    app.session("s1").await;
}

#[tokio::test]
async fn odd_json_that_is_signed_is_kept() {
    let app = TestApp::start().await;
    let odd = odd_json();
    for (number, (what, body, _)) in odd.iter().enumerate() {
        let (id, seconds) = (format!("msg_{number}"), now() / 1000);
        let library = standardwebhooks::Webhook::from_bytes(SECRET.as_bytes().to_vec()).unwrap();
        let Ok(signature) = library.sign(&id, seconds, body) else { continue }; // the library signs texts only
        let request = app.post("/api/webhooks/whop").header("webhook-id", &id);
        let request = request.header("webhook-timestamp", seconds.to_string());
        let answer = request.header("webhook-signature", signature).body(body.clone()).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{what}");
    }
    assert!(asked::<i64>(app.folder(), "SELECT count(*) FROM delivery WHERE state = 'unparsable'") > 20);
    assert_eq!(app.owner("ttr/payments").await["payments"], json!([]));
    lives(&app).await;
}

#[tokio::test]
async fn fields_that_are_not_a_browsers_to_fill_have_no_effect() {
    let app = TestApp::start().await;
    let mut body = batch("s1", &[("page_view", 1000)]);
    let event = &mut body["events"][0];
    for (field, value) in [
        ("source", json!("server")),
        ("funnel", json!("other")),
        ("receivedAt", json!(1)),
        ("converted", json!(true)),
        ("is_admin", json!(true)),
        ("revenue", json!(99)),
        ("afterEnd", json!(true)),
    ] {
        event[field] = value;
    }
    event["properties"] =
        json!({"converted": true, "revenue": 1_000_000, "price": 0, "conversionType": "purchase"});
    event["context"]["user"]["userId"] = json!("the owner");
    event["context"]["session"]["converted"] = json!(true);
    assert_eq!(app.browser_posts(&body).await.status(), StatusCode::OK);
    let session = app.session("s1").await;
    assert_eq!((&session["converted"], session.get("conversionValue")), (&json!(false), None));
    assert_eq!(app.owner("other/sessions").await["sessions"], json!([]));
    let stored: String =
        asked(app.folder(), "SELECT source || ' ' || funnel || ' ' || (received_at > 1) FROM event");
    assert_eq!(stored, "browser ttr 1");
}

#[tokio::test]
async fn clients_that_hang_up_after_their_last_byte_leave_whole_writes_or_none() {
    let app = TestApp::start().await;
    let addr = address(&app.url);
    let says_and_leaves = |number: usize| async move {
        let request = if number.is_multiple_of(2) {
            let body = batch(&format!("s{number}"), &[("page_view", 1000), ("faq_opened", 2000)]).to_string();
            format!("{POST}Content-Length: {}\r\n\r\n{body}", body.len())
        } else {
            let metadata = json!({"aurea_session_id": format!("s{number}"), "aurea_anonymous_id": "a1"});
            let body = payment(&format!("pay_{number}"), &metadata);
            let (id, seconds) = (format!("msg_{number}"), now() / 1000);
            let signature = sign(SECRET, &id, seconds, &body);
            format!(
                "POST /api/webhooks/whop HTTP/1.1\r\nHost: ttr\r\nwebhook-id: {id}\r\nwebhook-timestamp: {seconds}\r\n\
                 webhook-signature: {signature}\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        Peer::connect(addr).await.says(&request).await; // and is dropped
    };
    stream::iter(0..1000).map(says_and_leaves).buffer_unordered(50).collect::<()>().await;
    let halves = "SELECT (SELECT count(*) FROM (SELECT count(*) AS events FROM event GROUP BY session_id) WHERE events <> 2)
                       + (SELECT count(*) FROM delivery d LEFT JOIN conversion c USING (provider, payment_id)
                           WHERE c.payment_id IS NULL)
                       + abs((SELECT count(*) FROM payment) - (SELECT count(*) FROM conversion))
                       + abs((SELECT count(*) FROM event WHERE source = 'server') - 2 * (SELECT count(*) FROM conversion))";
    assert_eq!(asked::<i64>(app.folder(), halves), 0);
    let next = |number: usize| {
        let app = &app;
        async move {
            app.browser_posts(&batch(&format!("next{number}"), &[("page_view", 1), ("x", 2)])).await.status()
        }
    };
    let answers: Vec<StatusCode> = stream::iter(0..1000).map(next).buffer_unordered(50).collect().await;
    assert!(answers.iter().all(|status| *status == StatusCode::OK));
    let stored = "SELECT count(DISTINCT session_id) FROM event WHERE session_id LIKE 'next%'";
    assert_eq!(asked::<i64>(app.folder(), stored), 1000);
    assert_eq!(asked::<i64>(app.folder(), halves), 0);
}
