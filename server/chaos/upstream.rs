//! The remote Aurea, played as a process of its own: does with each try what the script says, knows events by their ids,
//! and writes down what it took. It speaks HTTP below axum, so that it can also hang up.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use futures::{StreamExt, stream};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::content::Content;
use crate::dice::hash;
use crate::helper;
use crate::script::{Act, act};

/// The longest body.
const MAX_BODY: usize = 1024 * 1024;

/// What it writes down.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Entry {
    /// An event was taken under a key under which it was never taken before.
    Took { event: String, name: String, order: Option<String>, content: u64 },
    /// A key came with another body than before.
    OtherBody { key: String },
    /// A request that makes no sense.
    Nonsense { why: String },
}

struct Remote {
    seed: u64,
    calm: Arc<AtomicBool>,
    known: Mutex<Known>,
}

struct Known {
    /// Of each key: how often it came, and the first body.
    rows: HashMap<String, (u64, u64)>,
    /// Of each event: the keys under which it was taken.
    events: HashMap<String, Vec<String>>,
    book: BufWriter<File>,
}

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("hangs up")]
struct HangUp;

/// Runs until the driver says so; then everything is written down.
pub(crate) async fn run(seed: u64, book: &Path) -> io::Result<()> {
    let known =
        Known { rows: HashMap::new(), events: HashMap::new(), book: BufWriter::new(File::create(book)?) };
    let calm = Arc::new(AtomicBool::new(false));
    let remote = Arc::new(Remote { seed, calm: Arc::clone(&calm), known: Mutex::new(known) });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    helper::is_at(listener.local_addr()?);
    tokio::select! {
        never = accept(listener, &remote) => match never? {},
        () = helper::until_told_to_end(&calm) => {}
    }
    remote.known.lock().unwrap().book.flush()
}

async fn accept(listener: TcpListener, remote: &Arc<Remote>) -> io::Result<Infallible> {
    loop {
        let (socket, _) = listener.accept().await?;
        let remote = Arc::clone(remote);
        let answer = service_fn(move |request| Arc::clone(&remote).answer(request));
        // An error says that somebody hung up.
        tokio::spawn(async move {
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), answer).await;
        });
    }
}

impl Remote {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, HangUp> {
        let (parts, body) = request.into_parts();
        let Ok(body) = to_bytes(Body::new(body), MAX_BODY).await else { return Err(HangUp) };
        let (act, answer) = match self.hear(&parts.headers, &body) {
            Ok(heard) => heard,
            Err(why) => {
                self.known.lock().unwrap().write(&Entry::Nonsense { why: why.clone() });
                return Ok((StatusCode::BAD_REQUEST, why).into_response());
            }
        };
        match act {
            Act::HangUp | Act::TakeAndHangUp => Err(HangUp),
            Act::TakeAndHold => std::future::pending().await,
            Act::TakeAndBreakOff(bytes) => {
                let begins = Bytes::from(answer.to_string()).slice(..bytes.min(answer.to_string().len()));
                let breaks =
                    stream::iter([Ok(begins)]).chain(stream::iter([Err(io::Error::other("breaks off"))]));
                Ok(Response::new(Body::from_stream(breaks)))
            }
            Act::TakeSlowly(wait) => {
                tokio::time::sleep(wait).await;
                Ok(axum::Json(answer).into_response())
            }
            Act::Take | Act::TakeBut(_) => Ok(axum::Json(answer).into_response()),
            Act::Refuse(status, retry_after) => {
                let mut response = StatusCode::from_u16(status).unwrap_or_default().into_response();
                if let Some(wait) = retry_after.map(header::HeaderValue::from_static) {
                    response.headers_mut().insert(header::RETRY_AFTER, wait);
                }
                Ok(response)
            }
        }
    }

    /// Takes in what a try brings; gives what is done with it.
    fn hear(&self, headers: &HeaderMap, body: &[u8]) -> Result<(Act, Value), String> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let key = header("idempotency-key").ok_or("no Idempotency-Key")?;
        if header("x-aurea-funnel-id") != Some("ttr") || header("x-aurea-api-key").is_none() {
            return Err("no key or another funnel".into());
        }
        let body_hash = hash(&body);
        let body: Value = serde_json::from_slice(body).map_err(|error| format!("the body: {error}"))?;
        let events = body["events"].as_array().ok_or("no events")?;
        let events: Option<Vec<_>> = events.iter().map(Content::read).collect();
        let events = events.ok_or("an event that can't be read")?;
        let mut known = self.known.lock().unwrap();
        let (times, first_body) = known.rows.entry(key.to_owned()).or_insert((0, body_hash));
        let (nth, other_body) = (*times, *first_body != body_hash);
        *times += 1;
        if other_body {
            known.write(&Entry::OtherBody { key: key.to_owned() });
        }
        let act = if self.calm.load(Ordering::Relaxed) { Act::Take } else { act(self.seed, key, nth) };
        let but = if let Act::TakeBut(word) = act { Some((events.len() / 2, word)) } else { None };
        let answer_to = |(place, (id, content)): (usize, (String, Content))| {
            let result = match but {
                Some((but, word)) if but == place => word,
                _ if act.takes() && known.takes(&id, key, &content) => "ok",
                _ => "duplicate",
            };
            json!({"eventId": id, "result": result})
        };
        let results: Vec<Value> = events.into_iter().enumerate().map(answer_to).collect();
        Ok((act, json!({ "results": results })))
    }
}

impl Known {
    /// Takes an event; false if it was known.
    fn takes(&mut self, id: &str, key: &str, content: &Content) -> bool {
        let keys = self.events.entry(id.to_owned()).or_default();
        let is_new = keys.is_empty();
        if !keys.iter().any(|known| known == key) {
            keys.push(key.to_owned());
            let order = content.properties.get("orderId").and_then(Value::as_str).map(str::to_owned);
            let (event, name) = (id.to_owned(), content.name.clone());
            self.write(&Entry::Took { event, name, order, content: content.hash() });
        }
        is_new
    }

    fn write(&mut self, entry: &Entry) {
        let line = serde_json::to_string(entry).unwrap();
        writeln!(self.book, "{line}").unwrap();
    }
}

/// What it wrote down.
pub(crate) fn entries(book: &Path) -> impl Iterator<Item = Entry> {
    let lines = io::BufRead::lines(io::BufReader::new(File::open(book).unwrap()));
    lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap())
}
