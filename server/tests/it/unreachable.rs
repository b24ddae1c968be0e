//! Another side that can't be reached, must not be, or answers as nobody should: nothing of a row goes to it, nothing of the
//! row is lost, and nobody waits for it longer than the deadlines say.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::http::header;
use axum::response::IntoResponse;
use flate2::Compression;
use flate2::write::GzEncoder;
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use reqwest::StatusCode;
use serde_json::{Map, Value};
use server::domain::event::Event;
use server::outbox::Carrier;
use server::outbox::aurea::{Aurea, Settings};
use server::outbox::http::Deadlines;
use server::outbox::reach::Reach;
use server::store::outbox::OutboxFigures;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::durability::{Program, free_address};
use crate::support::{TOKEN, batch, stored_event};
use crate::upstream::{Bench, HEAD, QUICK, START, Upstream, raw_upstream, says, settings, until};

fn carrier(settings: &Settings, deadlines: Deadlines) -> Arc<dyn Carrier> {
    Arc::new(Aurea::with_deadlines(settings, "store-1", deadlines).unwrap())
}

/// A listener whose queue is full: the kernel drops whoever would connect next, as a firewall does.
async fn full_listener() -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(addr)).await {
        held.push(stream.unwrap());
        assert!(held.len() < 100, "the queue has no end");
    }
    (listener, held)
}

#[tokio::test]
async fn a_connection_that_nobody_takes_is_given_up_long_before_the_try_would_be() {
    let (listener, held) = full_listener().await;
    let addr = listener.local_addr().unwrap();
    let deadlines = Deadlines { connect: Duration::from_millis(300), whole: Duration::from_secs(20) };
    let bench = Bench::start_with(vec![carrier(&settings(&format!("http://{addr}/api")), deadlines)]);
    let began = Instant::now();
    bench.tell(&["e1"]).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let figures = bench.figures().await;
    assert_eq!((figures.waiting, figures.parked), (1, 0));
    assert_eq!(figures.last_error.unwrap(), "it can't be connected to in time");
    drop((listener, held));
    let _upstream = Upstream::start_at(addr, says(200)).await;
    bench.after(1000).await;
    assert_eq!(bench.figures().await, OutboxFigures::default(), "its place is free, the row goes");
}

#[test]
fn a_try_takes_five_seconds_to_connect_and_twenty_in_all_at_most() {
    let Deadlines { connect, whole } = Deadlines::default();
    assert_eq!((connect, whole), (Duration::from_secs(5), Duration::from_secs(20)));
}

#[tokio::test]
async fn an_answer_that_only_announces_itself_ends_with_the_deadline_and_holds_no_place() {
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = Arc::clone(&mended);
    let (url, server) = raw_upstream(move |mut stream| {
        let mended = is_mended.load(Ordering::Relaxed);
        async move {
            let said: &[u8] = if mended {
                b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            } else {
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
            };
            let _ = stream.write_all(said).await;
            let mut rest = [0; 4096];
            while stream.read(&mut rest).await.is_ok_and(|bytes| bytes > 0) {}
        }
    })
    .await;
    let bench = Bench::start_with(vec![carrier(&settings(&url), QUICK)]);
    for number in 0..40 {
        bench.commit(vec![stored_event("s1", &format!("e{number}"), "page_view", START)]).await;
    }
    bench.outbox.settled().await;
    let figures = bench.figures().await;
    assert_eq!((figures.waiting, figures.parked), (40, 0));
    assert_eq!(figures.last_error.unwrap(), "it did not answer in time");
    mended.store(true, Ordering::Relaxed);
    bench.after(5000).await;
    assert_eq!(bench.figures().await, OutboxFigures::default());
    server.abort();
}

#[tokio::test]
async fn an_answer_before_the_request_has_ended_leaves_the_row_in_no_doubt() {
    let (url, server) = raw_upstream(|mut stream| async move {
        let _ =
            stream.write_all(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    })
    .await;
    let bench = Bench::start_with(vec![carrier(&settings(&url), QUICK)]);
    let properties = Map::from_iter([("long".to_owned(), Value::from("x".repeat(2 << 20)))]);
    bench.commit(vec![Event { properties, ..stored_event("s1", "e1", "page_view", START) }]).await;
    bench.outbox.settled().await;
    assert_eq!(bench.waiting_and_parked().await, (1, 0), "whatever of it was heard, it was not taken");
    server.abort();
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&connections);
    let server = tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            seen.fetch_add(1, Ordering::Relaxed);
        }
    });
    for (reach, connects) in [(Reach::Public, false), (Reach::Anywhere, true)] {
        let settings = Settings { reach, ..settings(&format!("http://localhost:{port}/api")) };
        let bench = Bench::start_with(vec![carrier(&settings, QUICK)]);
        bench.tell(&["e1"]).await;
        assert_eq!(connections.load(Ordering::Relaxed) > 0, connects, "{reach:?}");
        let figures = bench.figures().await;
        assert_eq!((figures.waiting, figures.parked), (1, 0), "it waits: names change");
        assert_eq!(figures.last_error.unwrap().contains("private addresses"), !connects);
    }
    server.abort();
}

/// Signs the certificates of these tests, and what it is trusted by.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "the tests' authority");
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }
}

/// A remote Aurea behind TLS: counts who connects and what it could read.
struct Secured {
    port: u16,
    connections: Arc<AtomicUsize>,
    read: Arc<AtomicUsize>,
}

impl Secured {
    async fn start(certificate: &Certificate, key: &KeyPair) -> Self {
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, read) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let secured = Self { port, connections: Arc::clone(&connections), read: Arc::clone(&read) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                let (acceptor, read) = (acceptor.clone(), Arc::clone(&read));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut some = [0; 4096];
                    while let Ok(bytes @ 1..) = stream.read(&mut some).await {
                        read.fetch_add(bytes, Ordering::Relaxed);
                        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
                    }
                });
            }
        });
        secured
    }
}

async fn tells(program: &Program, session_id: &str) {
    let request =
        program.client.post(format!("{}/api/pulse", program.url)).header("sec-fetch-site", "same-origin");
    let answer = request.json(&batch(session_id, &[("page_view", 1000)])).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

/// How the program's first destination stands; it is driven by being asked.
async fn standing(program: &Program) -> Value {
    let url = format!("{}/api/aurea/forward-conversions", program.url);
    let answer = program.client.post(url).bearer_auth(TOKEN).send().await.unwrap();
    answer.json::<Value>().await.unwrap()["destinations"][0].clone()
}

/// The program forwards to a server with this certificate and trusts this authority.
async fn forwards_to(
    folder: &Path,
    authority: &Authority,
    certificate: &Certificate,
    key: &KeyPair,
) -> (Program, Secured) {
    let secured = Secured::start(certificate, key).await;
    let trusted = folder.join("authority.pem");
    std::fs::write(&trusted, &authority.pem).unwrap();
    let url = format!("https://localhost:{}/api", secured.port);
    let more = [
        ("AUREA_API_URL", url.as_str()),
        ("AUREA_API_KEY", "k"),
        ("SSL_CERT_FILE", trusted.to_str().unwrap()),
    ];
    let program = Program::start_at(folder, free_address(), &more).await;
    tells(&program, "s1").await;
    (program, secured)
}

#[tokio::test]
async fn a_certificate_that_is_not_good_gets_not_a_byte() {
    let authority = Authority::new();
    let key = KeyPair::generate().unwrap();
    let for_name = |name: &str| CertificateParams::new(vec![name.to_owned()]).unwrap();
    let signed = |params: CertificateParams| params.signed_by(&key, &authority.issuer).unwrap();
    let mut expired = for_name("localhost");
    expired.not_after = date_time_ymd(2020, 1, 1);
    let refused = [
        ("self-signed", for_name("localhost").self_signed(&key).unwrap(), "UnknownIssuer"),
        ("another's", signed(for_name("aurea.example")), "not valid for name"),
        ("expired", signed(expired), "expired"),
    ];
    let is_refused = |(what, certificate, why): (&'static str, Certificate, &'static str)| {
        let (authority, key) = (&authority, &key);
        async move {
            let folder = tempfile::tempdir().unwrap();
            let (program, secured) = forwards_to(folder.path(), authority, &certificate, key).await;
            until("it was tried", || async { !standing(&program).await["lastError"].is_null() }).await;
            let standing = standing(&program).await;
            let said = standing["lastError"].as_str().unwrap();
            assert!(said.contains("its certificate is not accepted") && said.contains(why), "{what}: {said}");
            assert_eq!(
                (&standing["waiting"], &standing["parked"]),
                (&Value::from(1), &Value::from(0)),
                "{what}"
            );
            assert!(secured.connections.load(Ordering::Relaxed) > 0, "{what}");
            assert_eq!(secured.read.load(Ordering::Relaxed), 0, "{what}: it got nothing to read");
        }
    };
    futures::future::join_all(refused.map(is_refused)).await;
    // With a good one everything arrives: the others were refused for what they are.
    let folder = tempfile::tempdir().unwrap();
    let (program, secured) =
        forwards_to(folder.path(), &authority, &signed(for_name("localhost")), &key).await;
    until("it is sent", || async { standing(&program).await["waiting"] == 0 }).await;
    assert!(secured.read.load(Ordering::Relaxed) > 100);
}

/// Far more than anybody should keep of an answer, as a few bytes.
fn bomb(mib: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..mib {
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
    }
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_packed_answer_is_not_unpacked_and_the_status_counts() {
    let packed = bomb(64);
    let upstream = Upstream::start(move |_| {
        ([(header::CONTENT_ENCODING, "gzip"), (header::CONTENT_TYPE, "application/json")], packed.clone())
            .into_response()
    })
    .await;
    let bench = Bench::start(&upstream.url);
    bench.tell(&["e1"]).await;
    assert_eq!(bench.figures().await, OutboxFigures::default());
    assert!(!upstream.calls()[0].headers.contains_key("accept-encoding"), "nobody asked for it");
}

/// An upstream whose every answer goes on for as long as somebody reads it; counts what was taken of them.
async fn endless(taken: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let taken = Arc::clone(&taken);
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 64]).await;
                let _ = stream.write_all(HEAD).await;
                let chunk = [b"10000\r\n", &vec![b'x'; 0x10000][..], b"\r\n"].concat();
                while stream.write_all(&chunk).await.is_ok() {
                    taken.fetch_add(chunk.len(), Ordering::Relaxed);
                }
            });
        }
    });
    addr
}

#[tokio::test]
async fn answers_without_end_cost_no_memory() {
    let taken = Arc::new(AtomicUsize::new(0));
    let endless = endless(Arc::clone(&taken)).await;
    let url = format!("http://{endless}/api");
    let folder = tempfile::tempdir().unwrap();
    let more = [("AUREA_API_URL", url.as_str()), ("AUREA_API_KEY", "k")];
    let program = Program::start_at(folder.path(), free_address(), &more).await;
    let round = async |round: usize| {
        for number in 0..20 {
            tells(&program, &format!("s{round}-{number}")).await;
        }
        until("all are gone", || async { standing(&program).await["waiting"] == 0 }).await;
        program.resident()
    };
    round(0).await; // whatever is only needed once
    let before = round(1).await;
    let after = round(2).await;
    assert!(after < before + 5 * 1024, "20 answers made it grow from {before} to {after} KiB");
    let each = taken.load(Ordering::Relaxed) / 60;
    assert!(each < 16 << 20, "{each} bytes left the other side for each: its buffers' worth");
}
