//! The owner's screens of payments, and what can be done on them.

use std::sync::Arc;

use app::aurea::model::{Done, PaymentPage, PaymentsFilter, PaymentsPage};
use axum::Form;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use super::by_hand::NotJoined;
use super::filter::PaymentsQuery;
use super::login::go_to;
use super::screens::Screens;
use crate::clock::now;
use crate::domain::Millis;
use crate::domain::event::FunnelId;
use crate::domain::ledger::PaymentKey;
use crate::store::StoreError;
use crate::store::outbox::Again;

/// Which payment: funnel, provider, id.
type Steps = (String, String, String);

/// What the click did that led here.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct DoneQuery {
    done: String,
    new: u32,
    woken: u32,
    waiting: u32,
}

/// Which session was chosen or typed; what was typed counts.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Choice {
    candidate: String,
    session_id: String,
}

impl Choice {
    fn session_id(&self) -> &str {
        if self.session_id.trim().is_empty() { &self.candidate } else { &self.session_id }
    }
}

impl DoneQuery {
    fn done(&self) -> Option<Done> {
        let Self { new, woken, waiting, .. } = *self;
        match self.done.as_str() {
            "joined" => Some(Done::Joined),
            "sent" => Some(Done::Sent { new, woken, waiting }),
            _ => None,
        }
    }
}

fn key_of((funnel, provider, payment_id): Steps) -> Option<PaymentKey> {
    Some(PaymentKey { funnel: FunnelId::parse(funnel).ok()?, provider, payment_id })
}

fn path_of(key: &PaymentKey) -> String {
    app::aurea::payment_path(key.funnel.as_str(), &key.provider, &key.payment_id)
}

/// `GET /aurea/funnels/{funnel}/payments`
pub async fn payments(
    State(screens): State<Arc<Screens>>,
    Path(funnel): Path<String>,
    query: Result<Query<PaymentsQuery>, QueryRejection>,
) -> Response {
    let Ok(funnel) = FunnelId::parse(funnel) else {
        return screens.not_found("funnel");
    };
    let now = now();
    let refused = |filter: PaymentsFilter, fault: String| {
        let (funnel, fault) = (funnel.to_string(), Some(fault));
        let page = PaymentsPage { funnel, filter, fault, any: true, ..PaymentsPage::default() };
        (StatusCode::BAD_REQUEST, Html(app::aurea::payments(&screens.frame(now), &page))).into_response()
    };
    let query = match query {
        Ok(Query(query)) => query,
        Err(rejection) => return refused(PaymentsFilter::default(), rejection.body_text()),
    };
    let (wanted, after) = match query.parse() {
        Ok(parsed) => parsed,
        Err(fault) => return refused(query.asked(), format!("{} {}.", fault.field, fault.message)),
    };
    let found = screens.report.payments_page(&funnel, query.asked(), &wanted, after).await;
    screens.answer(now, found.map(|page| move |frame: &_| app::aurea::payments(frame, &page)))
}

/// `GET /aurea/funnels/{funnel}/payments/{provider}/{paymentId}`
pub async fn payment(
    State(screens): State<Arc<Screens>>,
    Path(steps): Path<Steps>,
    query: Result<Query<DoneQuery>, QueryRejection>,
) -> Response {
    let Some(key) = key_of(steps) else { return screens.not_found("payment") };
    let done = query.ok().and_then(|Query(query)| query.done());
    shown(&screens, &key, StatusCode::OK, |page| PaymentPage { done, ..page }).await
}

/// `POST /aurea/funnels/{funnel}/payments/{provider}/{paymentId}/join`: says by hand whose it was.
pub async fn join(
    State(screens): State<Arc<Screens>>,
    Path(steps): Path<Steps>,
    Form(choice): Form<Choice>,
) -> Response {
    let Some(key) = key_of(steps) else { return screens.not_found("payment") };
    let status = match screens.by_hand.join(&key, choice.session_id(), now()).await {
        Ok(()) => return go_to(&format!("{}?done=joined", path_of(&key)), Vec::new()),
        Err(NotJoined::Store(error)) => return screens.failed(&error),
        Err(NotJoined::NoPayment) => return screens.not_found("payment"),
        Err(why @ (NotJoined::HasSession(_) | NotJoined::Renewal)) => (StatusCode::CONFLICT, why),
        Err(why @ (NotJoined::NoId | NotJoined::NoSession(_))) => (StatusCode::UNPROCESSABLE_ENTITY, why),
    };
    let (status, why) = status;
    let refused = Some((choice.session_id, why.to_string()));
    shown(&screens, &key, status, |page| PaymentPage { refused, ..page }).await
}

/// `POST /aurea/funnels/{funnel}/payments/{provider}/{paymentId}/send`: tells everybody of it once more.
pub async fn send(State(screens): State<Arc<Screens>>, Path(steps): Path<Steps>) -> Response {
    let Some(key) = key_of(steps) else { return screens.not_found("payment") };
    match screens.by_hand.send_again(&key, now()).await {
        Ok(Again { new, woken, waiting }) => {
            let done = format!("?done=sent&new={new}&woken={woken}&waiting={waiting}");
            go_to(&(path_of(&key) + &done), Vec::new())
        }
        Err(error) => screens.failed(&error),
    }
}

/// The payment's page with what is to be said on it.
async fn shown(
    screens: &Screens,
    key: &PaymentKey,
    status: StatusCode,
    with: impl FnOnce(PaymentPage) -> PaymentPage,
) -> Response {
    let now = now();
    match page(screens, key, now).await {
        Ok(Some(page)) => {
            let html = app::aurea::payment(&screens.frame(now), &with(page));
            (status, Html(html)).into_response()
        }
        Ok(None) => screens.not_found("payment"),
        Err(error) => screens.failed(&error),
    }
}

async fn page(screens: &Screens, key: &PaymentKey, now: Millis) -> Result<Option<PaymentPage>, StoreError> {
    let page = screens.report.payment_page(key, now).await?;
    Ok(page.map(|page| PaymentPage { told: screens.outbox.hosts(), ..page }))
}
