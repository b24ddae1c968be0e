//! Payments with the deliveries that told of them.

use leptos::prelude::*;

use super::model::{DeliveryItem, PaymentItem};
use super::{format, table, text};

/// A payment without a session is news for so many ms.
const NEW: i64 = 7 * 24 * 60 * 60 * 1000;

/// Whether one of them is so new that the owner may not have seen it.
pub(super) fn has_new(items: &[PaymentItem], now: i64) -> bool {
    items.iter().any(|item| now.saturating_sub(item.paid_at) < NEW)
}

/// First payments that no session is known for, and what to do about them; drawn quietly unless one is new.
pub(super) fn unattributed(items: &[PaymentItem], more: bool, now: i64) -> Option<impl IntoView + use<>> {
    let class = if has_new(items, now) { "card warn unattributed" } else { "card unattributed" };
    (!items.is_empty()).then(|| {
        view! {
            <section class=class aria-labelledby="unattributed">
                <div>
                    <h2 id="unattributed">"Payments without a session"</h2>
                    <p>
                        "These came without the ids that the checkout carries, so nobody can say which visit earned
                        them. They are not counted as conversions. It happens when somebody buys by a link of the
                        provider's own; if it happens with your buy button, "<code>"ttr doctor"</code>" says why.
                        Renewals are not shown here."
                    </p>
                    {list(items, now)}
                    {more.then(|| view! { <p class="soft">"These are the newest; there may be older ones."</p> })}
                </div>
            </section>
        }
    })
}

/// The money of a session.
pub(super) fn of_session(items: &[PaymentItem], now: i64) -> Option<impl IntoView + use<>> {
    (!items.is_empty()).then(|| {
        let title = if items.len() == 1 { "Payment" } else { "Payments" };
        view! {
            <section class="card" aria-labelledby="payments">
                <h2 id="payments">{title}</h2>
                {list(items, now)}
            </section>
        }
    })
}

fn list(items: &[PaymentItem], now: i64) -> impl IntoView + use<> {
    let items: Vec<_> = items.iter().enumerate().map(|(at, item)| payment(at, item, now)).collect();
    view! { <ul class="payments">{items}</ul> }
}

fn payment(at: usize, item: &PaymentItem, now: i64) -> impl IntoView + use<> {
    let amount = match &item.amount {
        Ok(Some(amount)) => {
            view! { <strong class="amount">{text::line(&format::money(amount))}</strong> }.into_any()
        }
        Ok(None) => view! { <strong class="amount">"Amount not said"</strong> }.into_any(),
        Err(why) => {
            view! { <strong class="amount loss">"Amount not clear"</strong><p>{text::value(why)}</p> }
                .into_any()
        }
    };
    let renewal = (item.kind == "renewal").then(|| view! { <span class="badge ended">"Renewal"</span> });
    let deliveries = format::counted(item.deliveries.len() as u64, "delivery", "deliveries");
    let rows: Vec<_> = item.deliveries.iter().map(|delivery| delivery_row(delivery, now)).collect();
    view! {
        <li>
            <p class="payment">{amount}{renewal}<span class="soft">{table::time(now, item.paid_at)}</span></p>
            <p class="soft">{text::value(&item.provider)}" · "{text::value(&item.payment_id)}</p>
            <details id=format!("payment-{at}")>
                <summary>{deliveries}</summary>
                <ul class="deliveries">{rows}</ul>
            </details>
        </li>
    }
}

fn delivery_row(item: &DeliveryItem, now: i64) -> impl IntoView + use<> {
    let state = match item.state.as_str() {
        "recorded" => "Recorded",
        "ignored" => "Ignored",
        "unparsable" => "Could not be read",
        _ => "Received",
    };
    view! {
        <li>
            <span class=format!("badge {}", if item.state == "unparsable" { "abandoned" } else { "ended" })>{state}</span>
            <span>{text::value(&item.event_type)}" "<span class="soft">{text::value(&item.delivery_id)}</span></span>
            <span class="soft">{table::time(now, item.received_at)}</span>
        </li>
    }
}
