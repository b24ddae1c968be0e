//! Who is the owner: the admin token, of which only a hash is kept, and the logins that it opened.
//!
//! Everything of the owner's asks for [`Owner`]: by `Authorization: Bearer <token>` or by the cookie of a login. What
//! changes something and comes with the cookie must come from the site's own pages. Whoever guesses is told to wait.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::throttle::Throttle;
use crate::client::Clients;
use crate::clock::now;
use crate::domain::{DAY, Millis};
use crate::error::ApiError;
use crate::ingest::sender::same_origin;
use crate::store::{SecretHash, Store, StoreError};

/// How long a login lasts.
const LOGIN_LASTS: Millis = 30 * DAY;

/// The login's cookie. Browsers take a name with this prefix only over https, for this host alone and from it alone.
const COOKIE: &str = "__Host-aurea";

/// Its twin on a developer's own machine, for browsers and programs that drop `Secure` cookies from plain http.
const COOKIE_ON_LOOPBACK: &str = "aurea";

/// A token of so many characters, as ours are, is not found by trying.
const TOO_LONG_TO_GUESS: usize = 24;

/// Logins that a request may name; more is nobody's browser.
const COOKIES: usize = 4;

/// Knows the owner.
pub struct Access {
    store: Arc<dyn Store>,
    origin: String,
    https: bool,
    clients: Clients,
    throttle: Mutex<Throttle>,
}

/// Proof that the request is the owner's.
pub struct Owner;

/// Why a request is not let in.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// No token and no login, or wrong ones.
    #[error("the admin token is missing or wrong")]
    Unknown,
    /// Too many wrong tokens from this address.
    #[error("too many wrong tokens from this address; try again in a minute")]
    Throttled,
    /// A page of somebody else asks in the owner's name.
    #[error("this can be asked for on the site's own pages only")]
    ForeignOrigin,
    /// It could not be looked up.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::Unknown => {
                Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message).field("Authorization")
            }
            Refusal::Throttled => Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message),
            Refusal::ForeignOrigin => {
                Self::new(StatusCode::FORBIDDEN, "foreign_origin", message).field("Origin")
            }
            Refusal::Store(error) => error.into(),
        }
    }
}

impl Access {
    /// `origin` is the site's; a cookie is `Secure` alone when it is https.
    pub fn new(store: Arc<dyn Store>, origin: String, clients: Clients) -> Self {
        let https = origin.starts_with("https:");
        Self { store, origin, https, clients, throttle: Mutex::new(Throttle::default()) }
    }

    /// Makes sure that there is a token: the configured one, else the one of an earlier start, else a new one, which is
    /// returned to be shown this once.
    pub async fn prepare(
        store: &dyn Store,
        configured: Option<&SecretString>,
    ) -> Result<Option<SecretString>, StoreError> {
        let known = store.admin_token().await?;
        match configured {
            Some(token) if known == Some(hash(token.expose_secret())) => Ok(None),
            Some(token) => store.set_admin_token(hash(token.expose_secret())).await.map(|()| None),
            None if known.is_some() => Ok(None),
            None => Self::renew(store).await.map(Some),
        }
    }

    /// Makes a new token; the old one and every login end.
    pub async fn renew(store: &dyn Store) -> Result<SecretString, StoreError> {
        let token = random_text();
        store.set_admin_token(hash(&token)).await?;
        Ok(token.into())
    }

    /// Opens a login with the token; answers the cookies that carry it.
    pub async fn log_in(
        &self,
        token: &str,
        peer: IpAddr,
        headers: &HeaderMap,
    ) -> Result<Vec<HeaderValue>, Refusal> {
        self.check_token(token, peer, headers).await?;
        let secret = random_text();
        let now = now();
        self.store.add_login(hash(&secret), now + LOGIN_LASTS, now).await?;
        Ok(self.cookies(&secret, LOGIN_LASTS / 1000))
    }

    /// Ends the login that the cookie carries; answers the cookies that forget it.
    pub async fn log_out(&self, headers: &HeaderMap) -> Result<Vec<HeaderValue>, Refusal> {
        for secret in cookies_of(headers) {
            self.store.remove_login(hash(secret)).await?;
        }
        Ok(self.cookies("", 0))
    }

    /// Whether the request comes from a page of the site, as everything must that changes something by a cookie.
    pub fn from_own_page(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if same_origin(headers, &self.origin) == Some(true) { Ok(()) } else { Err(Refusal::ForeignOrigin) }
    }

    /// Whether the request is the owner's.
    pub async fn admit(&self, parts: &Parts) -> Result<Owner, Refusal> {
        if let Some(token) = bearer(&parts.headers) {
            let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
            let peer = peer.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
            self.check_token(token, peer, &parts.headers).await?;
            return Ok(Owner);
        }
        for secret in cookies_of(&parts.headers) {
            if self.store.has_login(hash(secret), now()).await? {
                if !parts.method.is_safe() {
                    self.from_own_page(&parts.headers)?;
                }
                return Ok(Owner);
            }
        }
        Err(Refusal::Unknown)
    }

    async fn check_token(&self, token: &str, peer: IpAddr, headers: &HeaderMap) -> Result<(), Refusal> {
        let known = self.store.admin_token().await?;
        let right = known.is_some_and(|known| bool::from(known.ct_eq(&hash(token))));
        if right && token.len() >= TOO_LONG_TO_GUESS {
            return Ok(()); // or whoever shares the owner's address could lock the owner out
        }
        let client = self.clients.client(peer, headers);
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        match (throttle.allows(client, now()), right) {
            (false, _) => Err(Refusal::Throttled),
            (true, true) => Ok(()),
            (true, false) => {
                if !token.is_empty() {
                    throttle.failed(client, now());
                }
                Err(Refusal::Unknown)
            }
        }
    }

    fn cookies(&self, secret: &str, seconds: i64) -> Vec<HeaderValue> {
        let cookie = |name: &str, more: &str| {
            HeaderValue::try_from(format!(
                "{name}={secret}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{more}"
            ))
        };
        let secure = cookie(COOKIE, "; Secure");
        let on_loopback = (!self.https).then(|| cookie(COOKIE_ON_LOOPBACK, ""));
        [Some(secure), on_loopback].into_iter().flatten().flatten().collect()
    }
}

fn cookies_of(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    pairs
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| {
            let (name, secret) = pair.trim().split_once('=')?;
            (matches!(name, COOKIE | COOKIE_ON_LOOPBACK) && !secret.is_empty()).then_some(secret)
        })
        .take(COOKIES)
}

/// The token of `Authorization: Bearer …`. Another scheme is somebody else's, such as a proxy's.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Our secrets are too random to be guessed from a fast hash; the owner's own token is asked for through a throttle.
fn hash(secret: &str) -> SecretHash {
    Sha256::digest(secret).into()
}

fn random_text() -> String {
    (0..32).map(|_| char::from(rand::Rng::sample(&mut rand::rng(), rand::distr::Alphanumeric))).collect()
}

impl<S> FromRequestParts<S> for Owner
where
    Arc<Access>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        Ok(Arc::<Access>::from_ref(state).admit(parts).await?)
    }
}
