//! Asks others, briefly, and puts into plain words why they did not answer.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode, header};

use super::Check;
use crate::clock::now;
use crate::domain::Millis;
use crate::outbox::http::{Deadlines, client, in_words};
use crate::outbox::reach::Reach;

const DEADLINE: Duration = Duration::from_secs(3);

/// As much of an answer as anybody here looks at, bytes.
const ENOUGH: usize = 4096;

/// The way out, unless the doctor is to stay offline.
pub(super) struct Network(Option<Client>);

/// What somebody said.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: String,
    /// How far their clock is ahead of ours, ms.
    pub(super) offset: Option<Millis>,
}

/// What a group that asks others found.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) checks: Vec<Check>,
    pub(super) offset: Option<Millis>,
}

/// Why there is no answer.
pub(super) enum Silence {
    Offline,
    Because(String),
}

impl Network {
    pub(super) fn new() -> Self {
        Self::within(Reach::Anywhere)
    }

    fn within(reach: Reach) -> Self {
        Self(client(reach, Deadlines { connect: DEADLINE, whole: DEADLINE }).ok())
    }

    /// The same, as far as the program itself would go.
    pub(super) fn narrowed(&self, reach: Reach) -> Self {
        if self.0.is_some() { Self::within(reach) } else { Self::offline() }
    }

    pub(super) fn offline() -> Self {
        Self(None)
    }

    pub(super) async fn ask(
        &self,
        request: impl FnOnce(&Client) -> RequestBuilder,
    ) -> Result<Answer, Silence> {
        let client = self.0.as_ref().ok_or(Silence::Offline)?;
        let because = |error: reqwest::Error| Silence::Because(plain(&error));
        let mut response = request(client).send().await.map_err(because)?;
        let offset = response.headers().get(header::DATE).and_then(offset_of);
        let status = response.status();
        let mut body = Vec::new();
        while body.len() < ENOUGH
            && let Some(chunk) = response.chunk().await.map_err(because)?
        {
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned(), offset })
    }
}

fn offset_of(date: &header::HeaderValue) -> Option<Millis> {
    let date = jiff::fmt::rfc2822::parse(date.to_str().ok()?).ok()?;
    Some(date.timestamp().as_millisecond() - now())
}

fn plain(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", DEADLINE.as_secs());
    }
    in_words(error)
}
