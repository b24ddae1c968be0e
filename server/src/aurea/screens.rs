//! The owner's screens: asks the report, shows the answer. Who may see them is settled before ([`super::login::guard`]).

use std::sync::Arc;
use std::time::Duration;

use app::aurea::model::{Filter, Frame, SessionsPage};
use app::event::SessionId;
use axum::Form;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use super::assets::Assets;
use super::by_hand::ByHand;
use super::filter::SessionsQuery;
use super::login::{go_to, own_path};
use crate::clock::now;
use crate::domain::Millis;
use crate::domain::event::FunnelId;
use crate::outbox::Outbox;
use crate::quarantine::Quarantine;
use crate::report::Report;
use crate::store::StoreError;

/// Answers with screens.
pub struct Screens {
    /// What they show.
    pub report: Report,
    /// What they are dressed in.
    pub assets: Arc<Assets>,
    /// The site's own funnel: it is shown even before anybody came.
    pub own: FunnelId,
    /// Whether the checkout is the simulator's.
    pub simulated: bool,
    /// What goes out.
    pub outbox: Arc<Outbox>,
    /// What is refused.
    pub quarantine: Arc<Quarantine>,
    /// What the owner does.
    pub by_hand: ByHand,
}

/// Where a long timeline goes on.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct TimelineQuery {
    cursor: usize,
}

/// Where a click leads back to.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Click {
    next: String,
}

/// How long a click waits for the outbox; what is not sent by then is sent later.
const FORWARD_PATIENCE: Duration = Duration::from_secs(3);

impl Screens {
    /// What stands round every screen.
    pub fn frame(&self, now: Millis) -> Frame {
        Frame {
            stylesheet: self.assets.stylesheet(),
            script: self.assets.script(),
            now,
            simulated: self.simulated,
            forwarding: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// The frame of the screens that one begins with: it says what waits for the owner.
    async fn frame_with_news(&self, now: Millis) -> Frame {
        let forwarding = self.outbox.status().await.unwrap_or_else(|error| {
            tracing::error!(%error, "where forwarding stands is not known");
            Vec::new()
        });
        let refused = self.quarantine.alarms().await.unwrap_or_else(|error| {
            tracing::error!(%error, "whether deliveries are refused is not known");
            Vec::new()
        });
        Frame { forwarding, refused, ..self.frame(now) }
    }

    /// The store did not answer.
    pub fn failed(&self, error: &StoreError) -> Response {
        tracing::error!(%error, "a screen could not be shown");
        let html = app::aurea::failed(&self.frame(now()), "The store does not answer.");
        (StatusCode::SERVICE_UNAVAILABLE, Html(html)).into_response()
    }

    /// `what` names the thing, such as `session`.
    pub(super) fn not_found(&self, what: &str) -> Response {
        (StatusCode::NOT_FOUND, Html(app::aurea::not_found(&self.frame(now()), what))).into_response()
    }

    /// The screen, or what is shown instead.
    pub(super) fn answer(
        &self,
        now: Millis,
        answer: Result<impl FnOnce(&Frame) -> String, StoreError>,
    ) -> Response {
        match answer {
            Ok(render) => Html(render(&self.frame(now))).into_response(),
            Err(error) => self.failed(&error),
        }
    }
}

/// `GET /aurea`
pub async fn funnels(State(screens): State<Arc<Screens>>) -> Response {
    let now = now();
    let found = screens.report.funnels(&screens.own, now).await;
    let frame = screens.frame_with_news(now).await;
    screens.answer(now, found.map(|items| move |_: &Frame| app::aurea::funnels(&frame, &items)))
}

/// `GET /aurea/funnels/{funnel}`
pub async fn funnel(State(screens): State<Arc<Screens>>, Path(funnel): Path<String>) -> Response {
    let Ok(funnel) = FunnelId::parse(funnel) else {
        return screens.not_found("funnel");
    };
    let now = now();
    let found = screens.report.funnel(&funnel, now).await;
    let frame = screens.frame_with_news(now).await;
    screens.answer(now, found.map(|page| move |_: &Frame| app::aurea::funnel(&frame, &page)))
}

/// `GET /aurea/funnels/{funnel}/sessions`
pub async fn sessions(
    State(screens): State<Arc<Screens>>,
    Path(funnel): Path<String>,
    query: Result<Query<SessionsQuery>, QueryRejection>,
) -> Response {
    let Ok(funnel) = FunnelId::parse(funnel) else {
        return screens.not_found("funnel");
    };
    let now = now();
    let refused = |filter: Filter, fault: String| {
        let (funnel, fault) = (funnel.to_string(), Some(fault));
        let page = SessionsPage { funnel, filter, fault, any: true, ..SessionsPage::default() };
        (StatusCode::BAD_REQUEST, Html(app::aurea::sessions(&screens.frame(now), &page))).into_response()
    };
    let query = match query {
        Ok(Query(query)) => query,
        Err(rejection) => return refused(Filter::default(), rejection.body_text()),
    };
    let (filter, after) = match query.parse() {
        Ok(parsed) => parsed,
        Err(fault) => return refused(query.asked(), format!("{} {}.", fault.field, fault.message)),
    };
    let found = screens.report.sessions_page(&funnel, query.asked(), &filter, after, now).await;
    screens.answer(now, found.map(|page| move |frame: &Frame| app::aurea::sessions(frame, &page)))
}

/// `GET /aurea/funnels/{funnel}/sessions/{sessionId}`
pub async fn session(
    State(screens): State<Arc<Screens>>,
    Path((funnel, session_id)): Path<(String, String)>,
    query: Result<Query<TimelineQuery>, QueryRejection>,
) -> Response {
    let (Ok(funnel), Ok(session_id)) = (FunnelId::parse(funnel), SessionId::parse(session_id)) else {
        return screens.not_found("session");
    };
    let now = now();
    let skip = query.map(|Query(query)| query.cursor).unwrap_or_default();
    match screens.report.session_page(&funnel, &session_id, skip, now).await {
        Ok(None) => screens.not_found("session"),
        found => {
            let found = found.map(Option::unwrap_or_default);
            screens.answer(now, found.map(|page| move |frame: &Frame| app::aurea::session(frame, &page)))
        }
    }
}

/// `POST /aurea/forward`: what `forward_conversions` does, by a click; leads back to where it was clicked.
pub async fn forward(State(screens): State<Arc<Screens>>, Form(click): Form<Click>) -> Response {
    match screens.outbox.drive(FORWARD_PATIENCE).await {
        Ok(_) => go_to(own_path(&click.next), Vec::new()),
        Err(error) => screens.failed(&error),
    }
}

/// Any other address below `/aurea`.
pub async fn unknown(State(screens): State<Arc<Screens>>) -> Response {
    screens.not_found("page")
}
