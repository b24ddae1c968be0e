//! Deliveries with what they said, each body one click away; and the card of those that count for nothing.

use leptos::prelude::*;

use super::model::{Body, DeliveryItem, UncountedItem};
use super::{money, table, text};

/// The state of what can't be read; whatever else counts for nothing is of another account.
const UNPARSABLE: &str = "unparsable";

/// A delivery in a list of them, with who sent it where that is not said already.
pub(super) fn with_body(
    at: usize,
    item: &DeliveryItem,
    sender: Option<AnyView>,
    now: i64,
) -> impl IntoView + use<> {
    let body = item.body.as_ref().map_or_else(
        || view! { <p class="soft">"Its body is not shown here."</p> }.into_any(),
        |body| shown(body).into_any(),
    );
    let kind = if item.event_type.is_empty() {
        view! { <span class="says soft">"No type"</span> }.into_any()
    } else {
        view! { <span class="says"><code>{text::value(&item.event_type)}</code></span> }.into_any()
    };
    view! {
        <li>
            <details id=format!("delivery-{at}")>
                <summary>
                    {money::delivery_badge(item)}
                    {kind}
                    {sender}
                    <span class="soft">{table::time(now, item.received_at)}</span>
                </summary>
                <p class="soft">{text::value(&item.delivery_id)}</p>
                {body}
            </details>
        </li>
    }
}

fn shown(body: &Body) -> impl IntoView + use<> {
    let unreadable = (!body.readable).then(|| {
        view! { <p class="soft">"It can't be read, so that nothing is left out of it but e-mail addresses:"</p> }
    });
    let cut = body.cut.then(|| view! { <p class="soft">"It is cut here."</p> });
    view! {
        {unreadable}
        <pre tabindex="0" aria-label="Body of the delivery">{text::block(&body.text)}</pre>
        {cut}
    }
}

/// Deliveries that count for nothing, and what to do about them; drawn quietly unless one that can't be read is new.
pub(super) fn uncounted(items: &[UncountedItem], now: i64) -> Option<impl IntoView + use<>> {
    let (unreadable, foreign): (Vec<_>, Vec<_>) =
        items.iter().enumerate().partition(|(_, item)| item.delivery.state == UNPARSABLE);
    let is_new = |item: &UncountedItem| now.saturating_sub(item.delivery.received_at) < money::NEW;
    let news = unreadable.iter().any(|(_, item)| is_new(item));
    let class = if news { "card warn unattributed" } else { "card unattributed" };
    (!items.is_empty()).then(|| {
        view! {
            <section class=class aria-labelledby="uncounted">
                <div>
                    <h2 id="uncounted">"Deliveries that count for nothing"</h2>
                    <p>
                        "They are authentic and kept as they came, and nothing of them is in the ledger. The newest are
                        listed, without what is the buyer's own."
                    </p>
                    {unreadable_part(&unreadable, now)}
                    {foreign_part(&foreign, now)}
                </div>
            </section>
        }
    })
}

fn unreadable_part(items: &[(usize, &UncountedItem)], now: i64) -> Option<impl IntoView + use<>> {
    (!items.is_empty()).then(|| {
        view! {
            <h3>"Could not be read"</h3>
            <p>
                "They have another form than the provider documents. If one told of a payment, "
                <code>"ttr reconcile --since 7d"</code>" fetches it from the provider's own list. A newer "<code>"ttr"</code>
                " may read them: let the provider send them again then, and they count and leave this list."
            </p>
            <ul class="bodies">{rows(items, now)}</ul>
        }
    })
}

fn foreign_part(items: &[(usize, &UncountedItem)], now: i64) -> Option<impl IntoView + use<>> {
    (!items.is_empty()).then(|| {
        view! {
            <h3>"Of another account"</h3>
            <p>
                "They speak of another account than the one that is set, which is as it should be where several share a
                webhook. If the account is yours, set it ("<code>"WHOP_COMPANY_ID"</code>", "
                <code>"TTR__STRIPE__ACCOUNT"</code>" or "<code>"SHOPIFY_SHOP"</code>"), restart, and let the provider send
                them again."
            </p>
            <ul class="bodies">{rows(items, now)}</ul>
        }
    })
}

fn rows(items: &[(usize, &UncountedItem)], now: i64) -> Vec<AnyView> {
    let row = |(at, item): &(usize, &UncountedItem)| {
        let why = item.why.as_deref().map(|why| view! { " · "{text::value(why)} });
        let sender = view! { <span class="says soft">{money::provider(&item.provider)}{why}</span> };
        with_body(*at, &item.delivery, Some(sender.into_any()), now).into_any()
    };
    items.iter().map(row).collect()
}
