//! Who sends events: a holder of a key, or a browser on the site's own origin.

use axum::http::{HeaderMap, StatusCode, header};
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;
use url::Url;

use super::Sender;
use super::bot::bot;
use crate::config::ReceiveKey;
use crate::domain::event::{FunnelId, Source};
use crate::error::ApiError;

const KEY: &str = "x-aurea-api-key";
const FUNNEL: &str = "x-aurea-funnel-id";

/// Names the store that forwards; whoever forwards to itself under another name is found by it.
pub const ORIGIN: &str = "x-aurea-origin";

/// The tag of the refusal of a store's own events.
pub const OWN_EVENTS: &str = "own_events";

/// The largest body that events may come in, bytes.
pub const MAX_BODY: usize = 1024 * 1024;

/// Decides who may send events.
pub struct Gate {
    /// The site's funnel: the one that browsers send for.
    pub funnel: FunnelId,
    /// The site's public origin.
    pub origin: String,
    /// The store's, which no forwarder may bring.
    pub identity: String,
    /// Who may post with a key.
    pub keys: Vec<ReceiveKey>,
    /// Whether crawlers and automated browsers are told from people: not while developing.
    pub programs_apart: bool,
}

impl Gate {
    /// 401 for a wrong key, 403 for a foreign origin and for the store's own events, 415 for what is not JSON.
    pub fn admit(&self, headers: &HeaderMap) -> Result<Sender, ApiError> {
        let sender = match headers.get(KEY) {
            Some(key) => self.holder_of(key.as_bytes(), headers)?,
            None => self.browser(headers)?,
        };
        content_type(headers)?;
        Ok(sender)
    }

    fn holder_of(&self, key: &[u8], headers: &HeaderMap) -> Result<Sender, ApiError> {
        let funnel = headers.get(FUNNEL).map_or(&b""[..], |value| value.as_bytes());
        // Every key is compared, so that the time taken tells nothing.
        let mut admitted = None;
        for known in &self.keys {
            let same_key = known.key.expose_secret().as_bytes().ct_eq(key);
            if bool::from(same_key) && known.funnel.as_str().as_bytes() == funnel {
                admitted = Some(Sender { funnel: known.funnel.clone(), source: Source::Key, bot: None });
            }
        }
        let sender = admitted.ok_or_else(|| {
            let message = "X-Aurea-API-Key and X-Aurea-Funnel-ID don't belong together or are unknown";
            ApiError::new(StatusCode::UNAUTHORIZED, "unknown_key", message).field("X-Aurea-API-Key")
        })?;
        if headers.get(ORIGIN).is_some_and(|origin| origin.as_bytes() == self.identity.as_bytes()) {
            let message = "these events are this site's own: it forwards to itself; its AUREA_API_URL must be another Aurea";
            return Err(ApiError::new(StatusCode::FORBIDDEN, OWN_EVENTS, message).field("X-Aurea-Origin"));
        }
        Ok(sender)
    }

    fn browser(&self, headers: &HeaderMap) -> Result<Sender, ApiError> {
        if same_origin(headers, &self.origin) == Some(true) {
            let bot = self.bot(headers);
            return Ok(Sender { funnel: self.funnel.clone(), source: Source::Browser, bot });
        }
        let message = "without a key, events are taken from the site's own pages only";
        Err(ApiError::new(StatusCode::FORBIDDEN, "foreign_origin", message).field("Origin"))
    }

    /// Why the sender is taken for a program, in words for the owner; nothing while developing.
    pub fn bot(&self, headers: &HeaderMap) -> Option<String> {
        if self.programs_apart { bot(headers) } else { None }
    }
}

/// Whether a request comes from the site's own pages; `None` if it does not say. `Sec-Fetch-Site` can't be set by a
/// page, so that it outweighs `Origin`, which old browsers send alone.
pub fn same_origin(headers: &HeaderMap, site: &str) -> Option<bool> {
    if let Some(fetch_site) = headers.get("sec-fetch-site") {
        return Some(fetch_site == "same-origin");
    }
    let origin = headers.get(header::ORIGIN)?.to_str().ok()?;
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = Url::parse(origin).ok().and_then(|url| {
        let host = url.host_str()?.to_owned();
        Some(url.port().map_or(host.clone(), |port| format!("{host}:{port}")))
    });
    Some(origin == site || (host.is_some() && authority.as_deref() == host))
}

/// `text/plain` is what a beacon can send without asking first.
fn content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if matches!(essence.as_str(), "application/json" | "text/plain") {
        return Ok(());
    }
    let message = "must be application/json or text/plain";
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
        .field("Content-Type"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(key, value)| (header::HeaderName::from_static(key), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn an_origin_is_judged_by_what_a_page_cannot_forge() {
        let site = "https://ttr.example";
        for (pairs, expected) in [
            (&[("sec-fetch-site", "same-origin")][..], Some(true)),
            (&[("sec-fetch-site", "cross-site"), ("origin", "https://ttr.example")], Some(false)),
            (&[("sec-fetch-site", "same-site")], Some(false)),
            (&[("sec-fetch-site", "none")], Some(false)),
            (&[("origin", "https://ttr.example")], Some(true)),
            (&[("origin", "https://evil.example"), ("host", "ttr.example")], Some(false)),
            (&[("origin", "http://localhost:3000"), ("host", "localhost:3000")], Some(true)),
            (&[("origin", "null"), ("host", "ttr.example")], Some(false)),
            (&[("host", "ttr.example")], None),
        ] {
            assert_eq!(same_origin(&headers(pairs), site), expected, "{pairs:?}");
        }
    }
}
