//! The buyer comes back: what the return URL carries, and how their checkout stands.
//!
//! Whatever else stands in the return URL passed through the buyer's browser and is not believed: only a delivery says
//! that money came. The token names one checkout and tells nothing but whether its payment has arrived.

use std::sync::Arc;

use app::Return;
use app::event::SessionId;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::domain::Millis;
use crate::domain::commit::Digest;
use crate::domain::event::FunnelId;
use crate::store::{CheckoutStanding, ReturnKey, Store, StoreError};

/// The parameter of the return URL that holds the token.
pub const TOKEN: &str = "token";

/// A payment that has not arrived by then is not waited for, ms.
const WAITED_FOR: Millis = 60 * 60 * 1000;

/// Bytes of a token: as many as can't be guessed.
const LENGTH: usize = 16;

/// Names one checkout in its return URL.
///
/// It comes from the click, so that a click that is sent again begins the same checkout: Stripe and Whop refuse an
/// `Idempotency-Key` that comes again with another body. Whoever does not know the store's own name can't make one.
#[derive(Clone, PartialEq, Eq)]
pub struct ReturnToken(String);

impl ReturnToken {
    /// The token of a click. `identity` is the store's.
    pub fn of_click(identity: &str, session_id: &str, click_id: &str) -> Self {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(identity.as_bytes()) else {
            unreachable!("a key of HMAC may have any length")
        };
        for part in ["return", session_id, click_id] {
            mac.update(part.as_bytes());
            mac.update(&[0]);
        }
        Self(hex::encode(&mac.finalize().into_bytes()[..LENGTH]))
    }

    /// The token in a return URL, if it is of the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == 2 * LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        fits.then(|| Self(text.to_owned()))
    }

    /// What is kept of it.
    pub fn hash(&self) -> Digest {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// The return URL with it.
    pub fn on(&self, return_url: &Url) -> Url {
        let mut url = return_url.clone();
        url.query_pairs_mut().append_pair(TOKEN, &self.0);
        url
    }
}

/// Answers buyers who come back.
pub struct Returns {
    /// Where deliveries are recorded.
    pub store: Arc<dyn Store>,
    /// The site's funnel.
    pub funnel: FunnelId,
}

impl Returns {
    /// How the checkout stands that a buyer comes back from: by the return URL's token, else by the session that their
    /// browser knows.
    pub async fn standing(
        &self,
        token: Option<&str>,
        session_id: Option<&str>,
        now: Millis,
    ) -> Result<Return, StoreError> {
        let by_token = token.and_then(ReturnToken::parse).map(|token| ReturnKey::Token(token.hash()));
        let by_session = || session_id.and_then(|id| SessionId::parse(id).ok()).map(ReturnKey::Session);
        let Some(key) = by_token.or_else(by_session) else { return Ok(Return::Unknown) };
        let standing = self.store.checkout_standing(&self.funnel, &key).await?;
        Ok(standing.map_or(Return::Unknown, |standing| told(standing, now)))
    }
}

fn told(standing: CheckoutStanding, now: Millis) -> Return {
    match standing {
        CheckoutStanding { paid: true, .. } => Return::Confirmed,
        CheckoutStanding { started_at, .. } if now.saturating_sub(started_at) < WAITED_FOR => Return::Waiting,
        CheckoutStanding { .. } => Return::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_click_has_one_token_and_every_other_click_another() {
        let token = |identity, session, click| ReturnToken::of_click(identity, session, click).0;
        let one = token("store", "s1", "c1");
        assert_eq!(one, token("store", "s1", "c1"));
        assert_eq!(one.len(), 32);
        for other in [token("other", "s1", "c1"), token("store", "s2", "c1"), token("store", "s1", "c2")] {
            assert_ne!(one, other);
        }
        assert_ne!(token("store", "s", "1c"), token("store", "s1", "c"), "the parts keep apart");
    }

    #[test]
    fn a_return_url_keeps_what_it_has_and_gives_the_token_back() {
        let token = ReturnToken::of_click("store", "s1", "c1");
        let url = token.on(&"https://ttr.example/thank-you?utm_source=whop".parse().unwrap());
        let found = url.query_pairs().find(|(key, _)| key == TOKEN).unwrap().1.into_owned();
        assert!(ReturnToken::parse(&found) == Some(token));
        assert!(url.as_str().starts_with("https://ttr.example/thank-you?utm_source=whop&token="));
    }

    #[test]
    fn what_is_no_token_is_none() {
        for text in ["", "1", "success", "g0000000000000000000000000000000", &"0".repeat(33)] {
            assert!(ReturnToken::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn nobody_waits_for_ever() {
        let hour = 60 * 60 * 1000;
        let at = |paid, now| told(CheckoutStanding { started_at: 1000, paid }, now);
        assert_eq!(at(false, 1000), Return::Waiting);
        assert_eq!(at(false, 999 + hour), Return::Waiting);
        assert_eq!(at(false, 1000 + hour), Return::Unknown);
        assert_eq!(at(true, 1000 + 9 * hour), Return::Confirmed);
        assert_eq!(at(false, 0), Return::Waiting, "a clock that was set back");
    }
}
