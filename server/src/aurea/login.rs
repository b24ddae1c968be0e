//! Logging in by the printed link or by the form, and out again.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Form;
use axum::extract::{ConnectInfo, OriginalUri, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use super::access::{Access, Owner, Refusal};
use super::screens::Screens;
use crate::clock::now;

/// Where the owner lands.
const HOME: &str = "/aurea";

/// A token, and where to go on with it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Login {
    token: String,
    next: String,
}

impl Login {
    fn next(&self) -> &str {
        own_path(&self.next)
    }
}

/// Only a place of ours: a path on this site below the screens.
pub(super) fn own_path(next: &str) -> &str {
    let ours = next == HOME || next.starts_with("/aurea/") || next.starts_with("/aurea?");
    if ours && !next.contains(['\\', '\r', '\n']) { next } else { HOME }
}

/// `GET /aurea/login`: the form; with `?token=…`, the printed link, straight in.
pub async fn show(
    State(access): State<Arc<Access>>,
    State(screens): State<Arc<Screens>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Query(login): Query<Login>,
) -> Response {
    if login.token.is_empty() {
        return Html(app::aurea::login(&screens.frame(now()), login.next(), None)).into_response();
    }
    enter(&access, &screens, &login, peer, &headers).await
}

/// `POST /aurea/login`: the form, sent.
pub async fn enter_by_form(
    State(access): State<Arc<Access>>,
    State(screens): State<Arc<Screens>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Form(login): Form<Login>,
) -> Response {
    if let Err(refusal) = access.from_own_page(&headers) {
        return refused(&screens, login.next(), &refusal, Some(refusal.to_string()));
    }
    enter(&access, &screens, &login, peer, &headers).await
}

/// `POST /aurea/logout`
pub async fn leave(
    State(access): State<Arc<Access>>,
    State(screens): State<Arc<Screens>>,
    headers: HeaderMap,
) -> Response {
    let left = match access.from_own_page(&headers) {
        Ok(()) => access.log_out(&headers).await,
        Err(refusal) => Err(refusal),
    };
    match left {
        Ok(cookies) => go_to("/aurea/login", cookies),
        Err(refusal) => refused(&screens, HOME, &refusal, Some(refusal.to_string())),
    }
}

/// Before every screen: whoever is not the owner sees the login in its place, and gets on from there.
pub async fn guard(
    State(access): State<Arc<Access>>,
    State(screens): State<Arc<Screens>>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    match access.admit(&parts).await {
        Ok(Owner) => next.run(Request::from_parts(parts, body)).await,
        Err(refusal) => {
            let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri);
            // What was to be changed is not asked for again by itself.
            let path = uri.path_and_query().filter(|_| parts.method.is_safe());
            let wanted = path.map_or(HOME, |path| path.as_str()).to_owned();
            let login = Login { next: wanted, ..Login::default() };
            let why = (!matches!(refusal, Refusal::Unknown)).then(|| refusal.to_string());
            refused(&screens, login.next(), &refusal, why)
        }
    }
}

async fn enter(
    access: &Access,
    screens: &Screens,
    login: &Login,
    peer: SocketAddr,
    headers: &HeaderMap,
) -> Response {
    match access.log_in(login.token.trim(), peer.ip(), headers).await {
        Ok(cookies) => go_to(login.next(), cookies),
        Err(refusal) => {
            tracing::warn!(%refusal, "a login was refused");
            let why = Some(refusal.to_string());
            refused(screens, login.next(), &refusal, why)
        }
    }
}

fn refused(screens: &Screens, next: &str, refusal: &Refusal, why: Option<String>) -> Response {
    let status = match refusal {
        Refusal::Unknown => StatusCode::UNAUTHORIZED,
        Refusal::Throttled => StatusCode::TOO_MANY_REQUESTS,
        Refusal::ForeignOrigin => StatusCode::FORBIDDEN,
        Refusal::Store(error) => return screens.failed(error),
    };
    let frame = screens.frame(now());
    (status, Html(app::aurea::login(&frame, next, why.as_deref()))).into_response()
}

/// Go there, with GET.
pub(super) fn go_to(path: &str, cookies: Vec<HeaderValue>) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    if let Ok(path) = HeaderValue::try_from(path) {
        headers.insert(header::LOCATION, path);
    }
    for cookie in cookies {
        headers.append(header::SET_COOKIE, cookie);
    }
    response
}
