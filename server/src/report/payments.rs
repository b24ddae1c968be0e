//! What the owner's screens and JSON show of payments.

use std::collections::BTreeMap;

use app::aurea::model::{
    Amount, Candidate, Compared, DeliveryItem, Later, LaterItem, PaymentItem, PaymentPage, PaymentState,
    PaymentsFilter, PaymentsPage, UncountedItem, UnjoinedItem,
};
use serde_json::{Value, json};

use super::screens::{amount, folded_item, session_item, touch};
use super::{FEW, PAYMENTS_LISTED, PAYMENTS_SHOWN, Report, json, redact};
use crate::domain::event::FunnelId;
use crate::domain::ledger::{
    self, Conversion, Counts, Dispute, Entry, PaymentKey, PaymentKind, Refund, Standing,
};
use crate::domain::money::Money;
use crate::domain::session::fold;
use crate::domain::{DAY, Millis};
use crate::store::{self, PaymentCursor, PaymentFile, PaymentQuery, PaymentRecord, StoreError, Uncounted};

impl Report {
    /// A page of payments, refunds and disputes whose payment is not known, and deliveries that count for nothing.
    pub async fn payments(
        &self,
        funnel: &FunnelId,
        query: &PaymentQuery,
        after: Option<PaymentCursor>,
    ) -> Result<Value, StoreError> {
        let query = PaymentQuery { in_full: true, ..query.clone() };
        let (payments, next_cursor) = self.find_payments(funnel, &query, after, PAYMENTS_LISTED).await?;
        let unjoined = self.store.unjoined(funnel, PAYMENTS_LISTED).await?;
        Ok(json!({
            "payments": payments.iter().map(json::payment_json).collect::<Vec<_>>(),
            "nextCursor": next_cursor,
            "unjoined": unjoined.iter().filter_map(json::unjoined_json).collect::<Vec<_>>(),
            "uncounted": self.uncounted(funnel).await?.iter().map(json::uncounted_json).collect::<Vec<_>>(),
        }))
    }

    /// The list of payments that `asked` leads to.
    pub async fn payments_page(
        &self,
        funnel: &FunnelId,
        asked: PaymentsFilter,
        query: &PaymentQuery,
        after: Option<PaymentCursor>,
    ) -> Result<PaymentsPage, StoreError> {
        let continued = after.is_some();
        let (payments, next_cursor) = self.find_payments(funnel, query, after, PAYMENTS_SHOWN).await?;
        let providers = self.store.payment_providers(funnel).await?;
        let unjoined = self.store.unjoined(funnel, FEW).await?;
        Ok(PaymentsPage {
            funnel: funnel.to_string(),
            filter: asked,
            fault: None,
            payments: payments.into_iter().map(payment_item).collect(),
            next_cursor,
            continued,
            any: !providers.is_empty(),
            providers,
            unjoined: unjoined.iter().filter_map(unjoined_item).collect(),
            uncounted: self.uncounted(funnel).await?.into_iter().map(uncounted_item).collect(),
            compared: self.store.compared().await?.into_iter().map(compared).collect(),
        })
    }

    /// The newest deliveries that count for nothing.
    async fn uncounted(&self, funnel: &FunnelId) -> Result<Vec<Uncounted>, StoreError> {
        if self.own.as_ref() == Some(funnel) { self.store.uncounted(FEW).await } else { Ok(Vec::new()) }
    }

    async fn find_payments(
        &self,
        funnel: &FunnelId,
        query: &PaymentQuery,
        after: Option<PaymentCursor>,
        limit: usize,
    ) -> Result<(Vec<PaymentRecord>, Option<String>), StoreError> {
        let mut found = self.store.payments_page(funnel, query, after, limit + 1).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|record| cursor_text(&record.payment));
        Ok((found, next))
    }

    /// One payment; `None` if nothing is known of it.
    pub async fn payment_page(
        &self,
        key: &PaymentKey,
        now: Millis,
    ) -> Result<Option<PaymentPage>, StoreError> {
        let Some(PaymentFile { record, bodies, subscription }) = self.store.payment(key).await? else {
            return Ok(None);
        };
        let payment = &record.payment;
        let session = match &payment.attribution.session_id {
            Some(id) => {
                let record = self.store.session(&key.funnel, id).await?;
                fold(record.events, record.conversions).map(|session| (session, record.events_in_all))
            }
            None => None,
        };
        let candidates = match (&payment.attribution.session_id, payment.kind) {
            (None, PaymentKind::First) => {
                let (since, by) = (payment.paid_at - DAY, payment.paid_at);
                self.store.unpaid(&key.funnel, since, by, FEW).await?
            }
            _ => Vec::new(),
        };
        let of_payment = |minor: i64| {
            payment.amount.as_ref().ok().map(|paid| amount(Money { minor, currency: paid.currency }))
        };
        let Standing { refunded, disputed, .. } = record.standing;
        let mut page = PaymentPage {
            funnel: key.funnel.to_string(),
            refunded: of_payment(refunded),
            disputed: of_payment(disputed),
            later: later_items(&record.refunds, &record.disputes),
            names: payment.also_known_as.clone(),
            subscription_id: payment.subscription_id.clone(),
            siblings: subscription
                .into_iter()
                .filter(|other| other.payment.key != *key)
                .map(payment_item)
                .collect(),
            session: session.map(|(session, events_in_all)| {
                (folded_item(&session, events_in_all, now), touch(&session.touch))
            }),
            candidates: candidates
                .iter()
                .map(|row| Candidate {
                    item: session_item(row, now),
                    checkout_at: row.summary.marks.checkout_at.unwrap_or_default(),
                })
                .collect(),
            told: Vec::new(),
            done: None,
            refused: None,
            item: payment_item(record),
        };
        for (delivery, body) in page.item.deliveries.iter_mut().zip(&bodies) {
            delivery.body = Some(redact::shown(body));
        }
        Ok(Some(page))
    }
}

/// `{ms}_{provider}_{paymentId}`.
fn cursor_text(payment: &ledger::Payment) -> String {
    format!("{}_{}_{}", payment.paid_at, payment.key.provider, payment.key.payment_id)
}

/// Reads what an earlier answer gave as `nextCursor`.
pub fn parse_payment_cursor(text: &str) -> Option<PaymentCursor> {
    let mut parts = text.splitn(3, '_');
    let (paid_at, provider, payment_id) = (parts.next()?, parts.next()?, parts.next()?);
    Some((paid_at.parse().ok()?, provider.to_owned(), payment_id.to_owned()))
}

fn state(state: ledger::PaymentState) -> PaymentState {
    match state {
        ledger::PaymentState::Paid => PaymentState::Paid,
        ledger::PaymentState::PartlyRefunded => PaymentState::PartlyRefunded,
        ledger::PaymentState::Refunded => PaymentState::Refunded,
        ledger::PaymentState::Disputed => PaymentState::Disputed,
        ledger::PaymentState::DisputeLost => PaymentState::DisputeLost,
        ledger::PaymentState::Unclear => PaymentState::Unclear,
    }
}

pub(super) fn payment_item(record: PaymentRecord) -> PaymentItem {
    let (payment, standing) = (record.payment, record.standing);
    PaymentItem {
        provider: payment.key.provider,
        payment_id: payment.key.payment_id,
        renewal: payment.kind == PaymentKind::Renewal,
        net: payment.amount.as_ref().ok().map(|paid| amount(standing.left_of(*paid))),
        amount: payment.amount.map(|money| Some(amount(money))),
        state: state(standing.state),
        test: payment.test,
        reconciled: payment.reconciled,
        joined_at: record.joined_at,
        paid_at: payment.paid_at,
        session_id: payment.attribution.session_id.map(|id| id.to_string()),
        deliveries: record.deliveries.into_iter().map(delivery_item).collect(),
        elsewhere: false,
    }
}

fn delivery_item(told: store::ToldBy) -> DeliveryItem {
    let store::ToldBy { delivery_id, event_type, state, received_at } = told;
    DeliveryItem { delivery_id, event_type, state, received_at, body: None }
}

/// A conversion that somebody with a key told of has no payment here: it stands for itself.
pub(super) fn payments_of(payments: Vec<PaymentRecord>, conversions: &[Conversion]) -> Vec<PaymentItem> {
    let mut items: BTreeMap<(Millis, String), PaymentItem> = conversions
        .iter()
        .filter(|conversion| payments.iter().all(|record| record.payment.key != conversion.key))
        .map(|conversion| {
            ((conversion.converted_at, conversion.key.payment_id.clone()), told_conversion(conversion))
        })
        .collect();
    let known = payments.into_iter().map(payment_item);
    items.extend(known.map(|item| ((item.paid_at, item.payment_id.clone()), item)));
    items.into_values().collect()
}

fn told_conversion(conversion: &Conversion) -> PaymentItem {
    let later = conversion.later;
    let standing = Standing { refunded: later.refunded, disputed: later.disputed, ..Standing::default() };
    PaymentItem {
        provider: conversion.key.provider.clone(),
        payment_id: conversion.key.payment_id.clone(),
        renewal: false,
        amount: Ok(conversion.amount.map(amount)),
        net: conversion.amount.map(|paid| amount(standing.left_of(paid))),
        state: PaymentState::Paid,
        test: conversion.test,
        reconciled: false,
        joined_at: None,
        paid_at: conversion.converted_at,
        session_id: conversion.session_id.as_ref().map(ToString::to_string),
        deliveries: Vec::new(),
        elsewhere: true,
    }
}

/// Each refund and dispute as it stands last, oldest first. Of sums, of which each is told anew, the greatest, and only
/// where no single refund explains it.
fn later_items(refunds: &[Refund], disputes: &[Dispute]) -> Vec<LaterItem> {
    let mut latest: BTreeMap<(bool, &str), LaterItem> = BTreeMap::new();
    let single = refunds.iter().any(|refund| refund.counts == Counts::One);
    let mut told: Vec<&Refund> =
        refunds.iter().filter(|refund| refund.counts == Counts::One || !single).collect();
    told.sort_by_key(|refund| (refund.state, refund.amount.as_ref().map_or(0, |money| money.minor)));
    for refund in told {
        latest.insert((false, &refund.refund_id), refund_item(refund));
    }
    let mut told: Vec<&Dispute> = disputes.iter().collect();
    told.sort_by_key(|dispute| dispute.state);
    for dispute in told {
        latest.insert((true, &dispute.dispute_id), dispute_item(dispute));
    }
    let mut items: Vec<LaterItem> = latest.into_values().collect();
    items.sort_by_key(|item| item.at);
    items
}

fn shown(money: &Result<Money, String>) -> Result<Amount, String> {
    money.clone().map(amount)
}

fn refund_item(refund: &Refund) -> LaterItem {
    LaterItem {
        what: if refund.counts == Counts::One { Later::Refund } else { Later::Refunds },
        id: refund.refund_id.clone(),
        amount: shown(&refund.amount),
        state: refund.state.as_str().to_owned(),
        at: refund.at,
    }
}

fn dispute_item(dispute: &Dispute) -> LaterItem {
    LaterItem {
        what: Later::Dispute,
        id: dispute.dispute_id.clone(),
        amount: shown(&dispute.amount),
        state: dispute.state.as_str().to_owned(),
        at: dispute.at,
    }
}

fn unjoined_item(entry: &Entry) -> Option<UnjoinedItem> {
    let later = match entry {
        Entry::Refund(refund) => refund_item(refund),
        Entry::Dispute(dispute) => dispute_item(dispute),
        Entry::Payment(_) | Entry::Conversion(_) | Entry::Name(_) | Entry::Joined(_) => return None,
    };
    let of = entry.about();
    Some(UnjoinedItem { provider: of.provider.clone(), payment_id: of.payment_id.clone(), later })
}

fn uncounted_item(uncounted: Uncounted) -> UncountedItem {
    let Uncounted { provider, told, why, body } = uncounted;
    let delivery = DeliveryItem { body: Some(redact::shown(&body)), ..delivery_item(told) };
    UncountedItem { provider, why, delivery }
}

fn compared(compared: store::Compared) -> Compared {
    let store::Compared { provider, at, listed, found, differences, fault } = compared;
    let shown = |lines: Vec<String>| (lines.len() as u64, lines.into_iter().take(FEW).collect());
    let ((found, found_lines), (differs, differences)) = (shown(found), shown(differences));
    Compared { provider, at, listed, found, found_lines, differs, differences, fault }
}
