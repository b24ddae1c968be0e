//! What Stripe knows: its own list of events, which holds whatever it would have delivered in the last 30 days, in the
//! same form.

use axum::body::Bytes;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::events::{Event, TYPES};
use super::{Api, Settings};
use crate::domain::Millis;
use crate::provider::{Fact, ListError, in_api};

/// Events on one page, the most that Stripe gives.
const PAGE: &str = "100";

/// Pages that a list may have: more is a list without an end.
const PAGES: usize = 1000;

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    has_more: bool,
}

/// The oldest first. An event that can't be read is left out: the others still count.
pub(super) async fn list(
    settings: &Settings,
    http: &reqwest::Client,
    since: Millis,
) -> Result<Vec<Fact>, ListError> {
    let api = settings.api.as_ref().ok_or(ListError::NoKey("STRIPE_API_KEY"))?;
    let mut facts = Vec::new();
    let mut after: Option<String> = None;
    for _ in 0..PAGES {
        let page = page(api, http, since, after.as_deref()).await?;
        let page: Page<'_> =
            serde_json::from_slice(&page).map_err(|error| ListError::Unreadable(error.to_string()))?;
        let mut last = None;
        for item in page.data {
            let event: Event<'_> = serde_json::from_str(item.get())
                .map_err(|error| ListError::Unreadable(format!("an event: {error}")))?;
            let foreign = event.account.as_deref().is_some_and(|account| settings.is_foreign(account));
            match event.facts() {
                Ok(told) if !foreign => facts.extend(told),
                Ok(_) => {}
                Err(why) => {
                    tracing::warn!(event_id = event.id, why, "an event of Stripe's list can't be read");
                }
            }
            last = event.id;
        }
        match last.filter(|_| page.has_more) {
            Some(last) if after.as_ref() != Some(&last) => after = Some(last),
            Some(_) => break,
            None => {
                facts.reverse();
                return Ok(facts);
            }
        }
    }
    Err(ListError::Unreadable("the list has no end".to_owned()))
}

/// One page of the events since `since`, the newest first, from the one before `after`.
async fn page(
    api: &Api,
    http: &reqwest::Client,
    since: Millis,
    after: Option<&str>,
) -> Result<Bytes, reqwest::Error> {
    let mut url = in_api(&api.url, "events");
    url.query_pairs_mut()
        .append_pair("limit", PAGE)
        .append_pair("created[gte]", &(since / 1000).to_string())
        .extend_pairs(TYPES.iter().map(|event_type| ("types[]", event_type)))
        .extend_pairs(after.map(|id| ("starting_after", id)));
    http.get(url).bearer_auth(api.key.expose_secret()).send().await?.error_for_status()?.bytes().await
}
