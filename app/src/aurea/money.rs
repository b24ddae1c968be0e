//! Parts that show payments: how one stands, what it was, and the cards of them on other screens.

use leptos::prelude::*;

use super::model::{DeliveryItem, PaymentItem, PaymentState};
use super::{format, paths, table, text};

/// What waits for the owner is news for so many ms.
pub(super) const NEW: i64 = 7 * 24 * 60 * 60 * 1000;

/// What a state is called.
pub(super) fn state_name(state: PaymentState) -> &'static str {
    match state {
        PaymentState::Paid => "Paid",
        PaymentState::PartlyRefunded => "Partly refunded",
        PaymentState::Refunded => "Refunded",
        PaymentState::Disputed => "Disputed",
        PaymentState::DisputeLost => "Dispute lost",
        PaymentState::Unclear => "Amount not clear",
    }
}

/// How the money of a payment stands, as a badge; a test is said beside it.
pub(super) fn badges(item: &PaymentItem) -> impl IntoView + use<> {
    let tag = match item.state {
        PaymentState::Paid if item.test => "ended",
        PaymentState::Paid => "converted",
        PaymentState::PartlyRefunded => "active",
        PaymentState::Refunded => "ended",
        PaymentState::Disputed => "checkout",
        PaymentState::DisputeLost | PaymentState::Unclear => "abandoned",
    };
    let test = item.test.then(|| view! { " "<span class="badge test">"Test"</span> });
    view! { <span class=format!("badge {tag}")>{state_name(item.state)}</span>{test} }
}

/// What a provider is called.
pub(super) fn provider(name: &str) -> AnyView {
    match known_provider(name) {
        Some(known) => known.into_any(),
        None => text::value(name),
    }
}

/// What a provider that we know is called.
pub(super) fn known_provider(name: &str) -> Option<&'static str> {
    Some(match name {
        "whop" => "Whop",
        "stripe" => "Stripe",
        "polar" => "Polar",
        "shopify" => "Shopify",
        _ => return None,
    })
}

/// What else is to be known of a payment: each mark in a word.
pub(super) fn marks(item: &PaymentItem) -> String {
    let marks = [
        item.renewal.then_some("renewal"),
        item.reconciled.then_some("found by reconciliation"),
        item.joined_at.is_some().then_some("joined by hand"),
    ];
    marks.into_iter().flatten().map(|mark| format!(" · {mark}")).collect()
}

/// How much a payment was.
pub(super) fn amount(item: &PaymentItem) -> String {
    match &item.amount {
        Ok(Some(amount)) => text::line(&format::money(amount)),
        Ok(None) => "Amount not said".to_owned(),
        Err(_) => "Amount not clear".to_owned(),
    }
}

/// What is left of a payment, where that is not all of it.
pub(super) fn left(item: &PaymentItem) -> Option<String> {
    let amount = item.amount.as_ref().ok()?.as_ref()?;
    item.net.as_ref().filter(|net| *net != amount).map(|net| text::line(&format::money(net)))
}

/// Whether one of them is so new that the owner may not have seen it.
pub(super) fn has_new(items: &[PaymentItem], now: i64) -> bool {
    items.iter().any(|item| now.saturating_sub(item.paid_at) < NEW)
}

/// First payments that no session is known for, and what to do about them; drawn quietly unless one is new.
pub(super) fn unattributed(
    items: &[PaymentItem],
    more: bool,
    funnel: &str,
    now: i64,
) -> Option<impl IntoView + use<>> {
    let class = if has_new(items, now) { "card warn unattributed" } else { "card unattributed" };
    (!items.is_empty()).then(|| {
        let rows: Vec<_> = items.iter().map(|item| lost(item, funnel, now)).collect();
        view! {
            <section class=class aria-labelledby="unattributed">
                <div>
                    <h2 id="unattributed">"Payments without a session"</h2>
                    <p>
                        "These came without the ids that the checkout carries, so nobody can say which visit earned
                        them. They are not counted as conversions. It happens when somebody buys by a link of the
                        provider's own; if it happens with your buy button, "<code>"ttr doctor"</code>" says why.
                        If you know the visit, join the payment to it."
                    </p>
                    <ul class="payments compact">{rows}</ul>
                    {more.then(|| view! { <p class="soft">"These are the newest; there may be older ones."</p> })}
                </div>
            </section>
        }
    })
}

fn lost(item: &PaymentItem, funnel: &str, now: i64) -> impl IntoView + use<> {
    let path = paths::payment(funnel, &item.provider, &item.payment_id);
    let label = format!("Join to a session: {}", text::cut(&item.payment_id, 60));
    view! {
        <li>
            <p class="payment">
                {named(item, Some(path.clone()))}
                {badges(item)}
                <span class="soft">{table::time(now, item.paid_at)}</span>
                <a class="button quiet" href=path aria-label=label>"Join to a session"</a>
            </p>
            <p class="soft">{provider(&item.provider)}" · "{text::value(&item.payment_id)}</p>
        </li>
    }
}

/// The money of a session.
pub(super) fn of_session(items: &[PaymentItem], funnel: &str, now: i64) -> Option<impl IntoView + use<>> {
    (!items.is_empty()).then(|| {
        let title = if items.len() == 1 { "Payment" } else { "Payments" };
        let rows: Vec<_> =
            items.iter().enumerate().map(|(at, item)| payment(at, item, funnel, now)).collect();
        view! {
            <section class="card" aria-labelledby="payments">
                <h2 id="payments">{title}</h2>
                <ul class="payments">{rows}</ul>
            </section>
        }
    })
}

/// The amount, leading to the payment's page if there is one.
fn named(item: &PaymentItem, path: Option<String>) -> AnyView {
    let shown = amount(item);
    match path {
        Some(path) => view! { <strong class="amount"><a href=path>{shown}</a></strong> }.into_any(),
        None => view! { <strong class="amount">{shown}</strong> }.into_any(),
    }
}

fn payment(at: usize, item: &PaymentItem, funnel: &str, now: i64) -> impl IntoView + use<> {
    let path = (!item.elsewhere).then(|| paths::payment(funnel, &item.provider, &item.payment_id));
    let why = item.amount.as_ref().err().map(|why| view! { <p class="loss">{text::value(why)}</p> });
    let left = left(item).map(|left| view! { <span class="soft amount">{format!("net {left}")}</span> });
    let deliveries = (!item.deliveries.is_empty()).then(|| {
        let count = format::counted(item.deliveries.len() as u64, "delivery", "deliveries");
        let rows: Vec<_> = item.deliveries.iter().map(|delivery| delivery_row(delivery, now)).collect();
        view! {
            <details id=format!("payment-{at}")>
                <summary>{count}</summary>
                <ul class="deliveries">{rows}</ul>
            </details>
        }
    });
    view! {
        <li>
            <p class="payment">
                {named(item, path)}{badges(item)}{left}
                <span class="soft">{table::time(now, item.paid_at)}</span>
            </p>
            {why}
            <p class="soft">{provider(&item.provider)}" · "{text::value(&item.payment_id)}{marks(item)}</p>
            {deliveries}
        </li>
    }
}

/// What became of a delivery, as a badge.
pub(super) fn delivery_badge(item: &DeliveryItem) -> impl IntoView + use<> {
    let state = match item.state.as_str() {
        "recorded" => "Recorded",
        "ignored" => "Ignored",
        "unparsable" => "Could not be read",
        "foreign" => "Another account",
        _ => "Received",
    };
    view! { <span class=format!("badge {}", if item.state == "unparsable" { "abandoned" } else { "ended" })>{state}</span> }
}

fn delivery_row(item: &DeliveryItem, now: i64) -> impl IntoView + use<> {
    view! {
        <li>
            {delivery_badge(item)}
            <span>{text::value(&item.event_type)}" "<span class="soft">{text::value(&item.delivery_id)}</span></span>
            <span class="soft">{table::time(now, item.received_at)}</span>
        </li>
    }
}
