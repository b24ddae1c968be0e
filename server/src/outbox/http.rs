//! What destinations on HTTP have in common: how they are reached, how much of an answer is read, words for what went wrong.

use std::error::Error;
use std::io;
use std::iter::successors;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, redirect};

use super::reach::{Checked, NotPublic, Reach, System};
use super::verdict::Reply;

/// What is read of an answer, bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// How long a try may take.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// A host that can't be connected to by then is not there.
    pub connect: Duration,
    /// A whole try, the answer read.
    pub whole: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), whole: Duration::from_secs(20) }
    }
}

/// A client that follows no redirect and goes no further than it may.
pub fn client(reach: Reach, deadlines: Deadlines) -> Result<Client, reqwest::Error> {
    Client::builder()
        .redirect(redirect::Policy::none())
        .dns_resolver(Checked::new(System, reach))
        .connect_timeout(deadlines.connect)
        .timeout(deadlines.whole)
        .user_agent(concat!("ttr/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Sends a request and reads the beginning of what comes back; an answer that drips breaks off with the try's time.
pub(super) async fn ask(request: RequestBuilder) -> Result<Reply, String> {
    let mut response = request.send().await.map_err(|error| in_words(&error))?;
    let mut reply = Reply {
        status: response.status().as_u16(),
        retry_after: text(&response, RETRY_AFTER.as_str()),
        is_page: text(&response, CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("text/html")),
        ..Reply::default()
    };
    while reply.body.len() < MAX_ANSWER {
        match response.chunk().await {
            Ok(Some(part)) => {
                let room = MAX_ANSWER - reply.body.len();
                reply.body.extend_from_slice(&part[..part.len().min(room)]);
            }
            Ok(None) => break,
            Err(error) => {
                reply.broke_off = Some(in_words(&error));
                break;
            }
        }
    }
    Ok(reply)
}

fn text(response: &Response, header: &str) -> Option<String> {
    Some(response.headers().get(header)?.to_str().ok()?.to_owned())
}

/// Why there is no answer. The address is left out: it stands beside it anyway, and may be nobody else's business.
pub fn in_words(error: &reqwest::Error) -> String {
    let causes = || successors(error.source(), |cause| (*cause).source());
    let refused = |cause: &io::Error| cause.kind() == io::ErrorKind::ConnectionRefused;
    // The innermost says most; the outer ones may repeat the address.
    let why = causes().last().map(ToString::to_string).unwrap_or_default();
    if error.is_timeout() {
        let what =
            if error.is_connect() { "it can't be connected to in time" } else { "it did not answer in time" };
        what.to_owned()
    } else if causes().any(<dyn Error>::is::<NotPublic>) {
        why
    } else if causes().filter_map(|cause| cause.downcast_ref()).any(refused) {
        "nothing listens there".to_owned()
    } else if error.is_dns() {
        format!("its name can't be resolved: {why}")
    } else if why.contains("certificate") {
        format!("its certificate is not accepted: {why}")
    } else if error.is_connect() {
        format!("it can't be connected to: {why}")
    } else {
        format!("the connection broke: {why}")
    }
}
