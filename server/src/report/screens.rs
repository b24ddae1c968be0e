//! What the owner's screens show.

use app::aurea::model::{
    Amount, Carried, CheckoutItem, Day, Figures, Filter, FunnelItem, FunnelPage, Moment, PaymentItem,
    SessionItem, SessionPage, SessionsPage, SourceItem, State, Touch,
};
use app::event::SessionId;
use serde_json::{Map, Value};

use super::payments::{payment_item, payments_of};
use super::{EVENTS_SHOWN, FEW, PAYMENTS_LISTED, Report, SessionJson, json, visitor_of};
use crate::domain::attribution;
use crate::domain::checkout::{self, BegunCheckout};
use crate::domain::event::FunnelId;
use crate::domain::ledger::{self, Conversion, PaymentKind, amount_in};
use crate::domain::money::{Currency, Money};
use crate::domain::session::{self, Session, fold, view};
use crate::domain::summary;
use crate::domain::{DAY, Millis};
use crate::store::{PaymentFilter, PaymentQuery, SessionCursor, SessionFilter, SessionRow, StoreError};

/// Days that the figures look back, today included.
const DAYS: i64 = 30;

/// Bytes of one event's properties, and of each of their values, that the timeline shows: visitors decide how long
/// they are.
const PROPERTIES_SHOWN: usize = 2048;

/// Bytes of a session's JSON that are shown below its timeline.
const JSON_SHOWN: usize = 256 * 1024;

impl Report {
    /// Every funnel that has sessions, and `own`, which may have none yet.
    pub async fn funnels(&self, own: &FunnelId, now: Millis) -> Result<Vec<FunnelItem>, StoreError> {
        let mut funnels = self.store.funnels().await?;
        if !funnels.contains(own) {
            funnels.insert(0, own.clone());
        }
        let mut items = Vec::with_capacity(funnels.len());
        for funnel in funnels {
            items.push(self.funnel_item(&funnel, now).await?.0);
        }
        Ok(items)
    }

    /// One funnel.
    pub async fn funnel(&self, funnel: &FunnelId, now: Millis) -> Result<FunnelPage, StoreError> {
        let (item, mut sources) = self.funnel_item(funnel, now).await?;
        sources.sort_by(|a, b| {
            b.figures.sessions.cmp(&a.figures.sessions).then_with(|| a.source.cmp(&b.source))
        });
        let (unattributed, more_unattributed) = self.unattributed(funnel).await?;
        let newest = self.store.sessions(funnel, &SessionFilter::default(), None, FEW, now).await?;
        Ok(FunnelPage {
            item,
            sources,
            more_unattributed,
            unattributed,
            newest: newest.iter().map(|row| session_item(row, now)).collect(),
        })
    }

    /// The newest first payments without a session, and whether there are more. A renewal has no visit that could have
    /// earned it.
    async fn unattributed(&self, funnel: &FunnelId) -> Result<(Vec<PaymentItem>, bool), StoreError> {
        let query = PaymentQuery {
            attributed: Some(false),
            kind: Some(PaymentKind::First),
            ..PaymentQuery::default()
        };
        let newest = self.store.payments_page(funnel, &query, None, FEW + 1).await?;
        let more = newest.len() > FEW;
        Ok((newest.into_iter().take(FEW).map(payment_item).collect(), more))
    }

    async fn funnel_item(
        &self,
        funnel: &FunnelId,
        now: Millis,
    ) -> Result<(FunnelItem, Vec<SourceItem>), StoreError> {
        let today = now.div_euclid(DAY);
        let first = today - DAYS + 1;
        let found = self.store.figures(funnel, first, today).await?;
        let mut sum = summary::Figures::default();
        found.days.values().for_each(|day| sum.add(day));
        let day =
            |day: i64| Day { at: day * DAY, figures: found.days.get(&day).map(figures).unwrap_or_default() };
        let item = FunnelItem {
            funnel: funnel.to_string(),
            figures: figures(&sum),
            days: (first..=today).map(day).collect(),
        };
        let sources = found.sources.iter();
        Ok((
            item,
            sources
                .map(|(source, sum)| SourceItem { source: source.clone(), figures: figures(sum) })
                .collect(),
        ))
    }

    /// The list of sessions that `asked` leads to.
    pub async fn sessions_page(
        &self,
        funnel: &FunnelId,
        asked: Filter,
        filter: &SessionFilter,
        after: Option<SessionCursor>,
        now: Millis,
    ) -> Result<SessionsPage, StoreError> {
        let continued = after.is_some();
        let found = self.find(funnel, filter, after, now).await?;
        let any = !found.rows.is_empty()
            || !self.store.sessions(funnel, &SessionFilter::default(), None, 1, now).await?.is_empty();
        let today = now.div_euclid(DAY);
        let known = self.store.figures(funnel, today - DAYS + 1, today).await?.sources;
        let mut sources: Vec<_> =
            known.into_iter().filter_map(|(source, sum)| Some((sum.sessions, source?))).collect();
        sources.sort_by_key(|(sessions, _)| std::cmp::Reverse(*sessions));
        Ok(SessionsPage {
            funnel: funnel.to_string(),
            filter: asked,
            fault: None,
            sessions: found.rows.iter().map(|row| session_item(row, now)).collect(),
            next_cursor: found.next_cursor,
            continued,
            sources: sources.into_iter().map(|(_, source)| source).collect(),
            any,
        })
    }

    /// One session with its events from `skip` on; `None` if nothing is known of it.
    pub async fn session_page(
        &self,
        funnel: &FunnelId,
        session_id: &SessionId,
        skip: usize,
        now: Millis,
    ) -> Result<Option<SessionPage>, StoreError> {
        let record = self.store.session(funnel, session_id).await?;
        let Some(session) = fold(record.events, record.conversions) else {
            return Ok(None);
        };
        let others = self.others(funnel, &session, now).await?;
        let payments = self
            .store
            .payments(funnel, PaymentFilter::OfSession(session_id.clone()), PAYMENTS_LISTED)
            .await?;
        let view = view(&session.marks(), now);
        let currency = session.value().map(|value| value.currency);
        let shown = skip.saturating_add(EVENTS_SHOWN).min(session.timeline.len());
        Ok(Some(SessionPage {
            funnel: funnel.to_string(),
            item: folded_item(&session, record.events_in_all, now),
            end_reason: view.end_reason.map(str::to_owned),
            total_seconds: session.total_seconds(),
            seconds_to_convert: session.seconds_to_convert(),
            touch: touch(&session.touch),
            checkouts: record.checkouts.iter().map(checkout_item).collect(),
            moments: session
                .timeline
                .iter()
                .skip(skip)
                .take(EVENTS_SHOWN)
                .map(|it| moment(it, currency))
                .collect(),
            skipped: skip.min(session.timeline.len()) as u64,
            next_cursor: (shown < session.timeline.len()).then(|| shown.to_string()),
            payments: payments_of(payments, &session.conversions),
            others,
            json: shown_json(&json::session_json(session, &record.checkouts, skip, now)),
        }))
    }

    async fn others(
        &self,
        funnel: &FunnelId,
        session: &Session,
        now: Millis,
    ) -> Result<Vec<SessionItem>, StoreError> {
        let Some(visitor) = &session.anonymous_id else {
            return Ok(Vec::new());
        };
        let filter = SessionFilter { anonymous_id: Some(visitor.clone()), ..SessionFilter::default() };
        let rows = self.store.sessions(funnel, &filter, None, FEW + 1, now).await?;
        let others = rows.iter().filter(|row| row.summary.session_id != session.session_id);
        Ok(others.take(FEW).map(|row| session_item(row, now)).collect())
    }
}

pub(super) fn amount(money: Money) -> Amount {
    Amount {
        minor: money.minor,
        currency: money.currency.code().to_owned(),
        digits: u8::try_from(money.currency.exponent()).unwrap_or(0),
    }
}

fn figures(sum: &summary::Figures) -> Figures {
    Figures {
        sessions: sum.sessions,
        checkouts: sum.checkouts,
        conversions: sum.conversions,
        revenue: sum.revenue.iter().copied().map(amount).collect(),
        net: sum.net.iter().copied().map(amount).collect(),
    }
}

fn state(state: session::State) -> State {
    match state {
        session::State::Active => State::Active,
        session::State::Checkout => State::Checkout,
        session::State::Converted => State::Converted,
        session::State::Abandoned => State::Abandoned,
        session::State::Ended => State::Ended,
    }
}

/// A session in short, out of its events; of very many not all are read.
pub(super) fn folded_item(session: &Session, events_in_all: Option<u64>, now: Millis) -> SessionItem {
    SessionItem {
        session_id: session.session_id.to_string(),
        anonymous_id: session.anonymous_id.as_ref().map(ToString::to_string),
        started_at: session.started_at(),
        last_at: session.ended_at(),
        events: events_in_all.unwrap_or(session.timeline.len() as u64),
        state: state(view(&session.marks(), now).state),
        source: session.touch.source.clone(),
        campaign: session.touch.campaign.clone(),
        bot: session.bot().map(str::to_owned),
        ..brought(&session.conversions)
    }
}

/// What a session brought, and nothing else of it.
fn brought(conversions: &[Conversion]) -> SessionItem {
    let first =
        |of: fn(&Conversion) -> Option<Money>| ledger::totals(conversions, of).first().copied().map(amount);
    SessionItem {
        value: first(Conversion::earned),
        net: first(Conversion::net),
        test: !conversions.is_empty() && conversions.iter().all(|conversion| conversion.test),
        ..SessionItem::default()
    }
}

pub(super) fn session_item(row: &SessionRow, now: Millis) -> SessionItem {
    let short = &row.summary;
    let touch = short.touch.get();
    SessionItem {
        session_id: short.session_id.to_string(),
        anonymous_id: visitor_of(row).map(ToString::to_string),
        started_at: short.started_at(),
        last_at: short.ended_at(),
        events: short.events_shown(),
        state: state(short.view(now).state),
        source: touch.and_then(|touch| touch.source.clone()),
        campaign: touch.and_then(|touch| touch.campaign.clone()),
        bot: short.kept_apart().map(str::to_owned),
        ..brought(&row.conversions)
    }
}

fn checkout_item(begun: &BegunCheckout) -> CheckoutItem {
    CheckoutItem {
        provider: begun.provider.clone(),
        carried: match begun.carried {
            checkout::Carried::Api => Carried::Api,
            checkout::Carried::Link => Carried::Link,
            checkout::Carried::Fallback => Carried::Fallback,
        },
        at: begun.started_at,
    }
}

pub(super) fn touch(touch: &attribution::Touch) -> Touch {
    Touch {
        source: touch.source.clone(),
        medium: touch.medium.clone(),
        campaign: touch.campaign.clone(),
        referrer: touch.referrer.clone(),
        click_id: touch.click_id.clone(),
    }
}

/// `currency` is that of amounts that name none.
fn moment(moment: &session::Moment, currency: Option<Currency>) -> Moment {
    let event = &moment.event;
    let money =
        ["revenue", "amount", "price"].iter().find_map(|key| amount_in(&event.properties, key, currency));
    Moment {
        event_id: event.event_id.to_string(),
        name: event.name.clone(),
        at: event.timestamp,
        properties: indented(&event.properties),
        facts: event.properties.iter().map(|(name, value)| (name.clone(), in_words(value))).collect(),
        page_url: event.page.url.clone(),
        source: event.source.as_str().to_owned(),
        after_end: moment.after_end,
        amount: money.map(amount),
    }
}

fn indented(properties: &Map<String, Value>) -> String {
    if properties.is_empty() {
        String::new()
    } else {
        let text = serde_json::to_string_pretty(properties).unwrap_or_default();
        match cut(&text) {
            shown if shown.len() < text.len() => {
                format!("{shown}…\n(cut here; the rest is in the JSON of the session)")
            }
            _ => text,
        }
    }
}

/// As much of it as is shown.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(PROPERTIES_SHOWN)]
}

/// The JSON, indented; nothing if it is too long to be shown.
fn shown_json(session: &SessionJson) -> String {
    let mut text = vec![0; JSON_SHOWN];
    let mut rest = text.as_mut_slice();
    if serde_json::to_writer_pretty(&mut rest, session).is_err() {
        return String::new(); // it is full
    }
    let unused = rest.len();
    text.truncate(JSON_SHOWN - unused);
    String::from_utf8(text).unwrap_or_default()
}

fn in_words(value: &Value) -> String {
    match value {
        Value::String(text) => cut(text).to_owned(),
        other => cut(&other.to_string()).to_owned(),
    }
}
