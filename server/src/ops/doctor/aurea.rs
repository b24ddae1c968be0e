//! The remote Aurea, if events are forwarded to one.

use std::path::Path;

use reqwest::StatusCode;
use secrecy::ExposeSecret;

use super::Check;
use super::network::{Findings, Network, Silence};
use crate::config::Config;
use crate::ingest::EMPTY_BATCH;
use crate::ingest::sender::{ORIGIN, OWN_EVENTS};
use crate::outbox::aurea::Settings;
use crate::store::sqlite::examine::Examination;

const ID: &str = "aurea";

/// An empty batch changes nothing, and only who has the right key is told that it is empty.
pub(super) async fn check(config: &Config, network: &Network) -> Findings {
    let alone = |check| Findings { checks: vec![check], offset: None };
    let Some(Settings { url, key, reach }) = &config.aurea else {
        return alone(Check::ok(ID, "events stay here: AUREA_API_URL is not set"));
    };
    let identity = identity(&config.database);
    let network = network.narrowed(*reach);
    let ask = network.ask(|client| {
        client
            .post(format!("{}/track/events", url.as_str().trim_end_matches('/')))
            .header("x-aurea-api-key", key.expose_secret())
            .header("x-aurea-funnel-id", config.funnel.id.as_str())
            .header(ORIGIN, identity.unwrap_or_default())
            .json(&serde_json::json!({ "events": [] }))
    });
    let origin = url.origin().ascii_serialization();
    match ask.await {
        Ok(answer) => {
            let check = judge(&origin, config, answer.status, &answer.body);
            Findings { checks: vec![check], offset: answer.offset }
        }
        Err(Silence::Offline) => alone(Check::skipped(ID, format!("{origin} was not asked"))),
        Err(Silence::Because(why)) => alone(Check::fail(
            ID,
            format!("{origin} does not answer: {why}"),
            "see that it runs and that this machine may reach it; until then events wait in the outbox",
        )),
    }
}

/// The store's, if it is there and can be read; what else is wrong with it others say.
fn identity(database: &Path) -> Option<String> {
    Examination::open(database).ok()?.identity()
}

fn judge(origin: &str, config: &Config, status: StatusCode, body: &str) -> Check {
    match status {
        StatusCode::BAD_REQUEST if body.contains(EMPTY_BATCH) => {
            Check::ok(ID, format!("{origin} answers and accepts the key"))
        }
        StatusCode::FORBIDDEN if body.contains(OWN_EVENTS) => Check::fail(
            ID,
            format!("{origin} is this site itself: it would forward to itself"),
            "set AUREA_API_URL to another Aurea, or remove it",
        ),
        StatusCode::UNAUTHORIZED => Check::fail(
            ID,
            format!("{origin} refuses the key for funnel {}", config.funnel.id),
            format!(
                "let AUREA_API_KEY and the remote's AUREA_RECEIVE_KEYS (key:{}) be the same key",
                config.funnel.id
            ),
        ),
        status if status.is_server_error() => Check::warn(
            ID,
            format!("{origin} answers {}", status.as_u16()),
            "look at the remote's log; until it recovers events wait in the outbox",
        ),
        status => Check::fail(
            ID,
            format!("{origin} answers {}: there is no Aurea at this address", status.as_u16()),
            "set AUREA_API_URL to the API of the remote, such as https://aurea.example/api",
        ),
    }
}
