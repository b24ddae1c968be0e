//! One payment: what came in, what went back and what is left, whose it was, and who told of it.

use leptos::prelude::*;

use super::frame::{Place, Tab, document};
use super::later::{later_means, later_name, later_state, takes};
use super::model::{Amount, Done, Frame, LaterItem, PaymentItem, PaymentPage};
use super::{deliveries, format, joining, money, paths, table, text};

/// `/aurea/funnels/{funnel}/payments/{provider}/{paymentId}`
pub fn payment(frame: &Frame, page: &PaymentPage) -> String {
    let now = frame.now;
    let content = view! {
        {page.done.map(done)}
        {head(page, now)}
        {figures(page, now)}
        {joining::session(page, now)}
        {subscription(page, now)}
        {told(page, now)}
        {names(page)}
        {send_again(page)}
    };
    let way = [
        ("Funnels", paths::FUNNELS.to_owned()),
        (page.funnel.as_str(), paths::funnel(&page.funnel)),
        ("Payments", paths::payments(&page.funnel)),
    ];
    let place = Place::new(&text::cut(&page.item.payment_id, 40), way);
    document(frame, place.under(&page.funnel, Tab::Payments), content.into_any())
}

/// What the click did that led here.
fn done(done: Done) -> impl IntoView {
    let says = match done {
        Done::Joined => "Joined by hand: the session now shows this payment.".to_owned(),
        Done::Sent { new: 0, woken: 0, waiting: 0 } => {
            "There is nothing of this payment to be sent.".to_owned()
        }
        Done::Sent { new, woken, waiting } => {
            let parts = [
                (new, "request was written anew", "requests were written anew"),
                (
                    woken,
                    "request that had been given up is tried again",
                    "requests that had been given up are tried again",
                ),
                (waiting, "request waits already", "requests wait already"),
            ];
            let parts = parts.into_iter().filter(|(count, ..)| *count > 0);
            let says: Vec<String> =
                parts.map(|(count, one, many)| format::counted(u64::from(count), one, many)).collect();
            format!("Sending again: {}.", says.join(", "))
        }
    };
    view! { <p class="hint done" role="status">{says}</p> }
}

fn head(page: &PaymentPage, now: i64) -> impl IntoView + use<> {
    let item = &page.item;
    view! {
        <div class="head payment-head">
            <h1><span class="unseen">"Payment of "</span><span class="amount">{money::amount(item)}</span></h1>
            <p class="badges">{money::badges(item)}</p>
            <p class="soft">
                {money::provider(&item.provider)}" · "{table::time(now, item.paid_at)}{money::marks(item)}
            </p>
        </div>
    }
}

fn figures(page: &PaymentPage, now: i64) -> impl IntoView + use<> {
    let item = &page.item;
    let why = item.amount.as_ref().err().map(|why| {
        view! {
            <p class="fault">
                "It is not said how much this was, so that it is kept and never converts: "{text::value(why)}
            </p>
        }
    });
    let test = item.test.then(|| {
        view! { <p class="hint">"The provider's test mode: no money moved. It counts as no revenue and is told to nobody."</p> }
    });
    let tile = |label: &'static str, class: Option<&'static str>, shown: String| {
        view! { <div><dt>{label}</dt><dd class=class><span class="amount">{shown}</span></dd></div> }
    };
    let minus = |label, amount: &Option<Amount>| {
        let amount = amount.as_ref().filter(|amount| amount.minor != 0)?;
        let gone = Amount { minor: amount.minor.saturating_neg(), ..amount.clone() };
        Some(tile(label, Some("loss"), text::line(&format::money(&gone))))
    };
    let left = money::left(item).map(|left| tile("Left", Some("worth"), left));
    let later: Vec<_> = page.later.iter().map(|later| later_row(later, now)).collect();
    let later = (!later.is_empty()).then(|| {
        view! {
            <table class="entries">
                <caption class="unseen">"Refunds and disputes, oldest first"</caption>
                <thead>
                    <tr>
                        <th scope="col">"What"</th>
                        <th scope="col" class="number wide-only">"When"</th>
                        <th scope="col" class="number">"Amount"</th>
                    </tr>
                </thead>
                <tbody>{later}</tbody>
            </table>
        }
    });
    view! {
        <section class="card" aria-label="The money">
            {why}
            <dl class="tiles">
                {tile("Came in", None, money::amount(item))}
                {minus("Went back", &page.refunded)}
                {minus("Withheld by disputes", &page.disputed)}
                {left}
                <div><dt>"Paid"</dt><dd class="date">{format::date(item.paid_at)}</dd></div>
                <div><dt>"Provider"</dt><dd>{money::provider(&item.provider)}</dd></div>
            </dl>
            {later}
            {test}
        </section>
    }
}

fn later_row(item: &LaterItem, now: i64) -> impl IntoView + use<> {
    let amount = match &item.amount {
        Ok(amount) if takes(item) => {
            text::line(&format::money(&Amount { minor: amount.minor.saturating_neg(), ..amount.clone() }))
        }
        Ok(amount) => text::line(&format::money(amount)),
        Err(_) => "Not clear".to_owned(),
    };
    let why =
        item.amount.as_ref().err().map(|why| view! { <span class="campaign">{text::value(why)}</span> });
    let means = later_means(item).map(|means| view! { <span class="campaign">{means}</span> });
    let class = if takes(item) { "number" } else { "number none" };
    view! {
        <tr>
            <th scope="row">
                {later_name(item.what)}" · "{later_state(&item.state)}
                <span class="campaign">{text::value(&item.id)}</span>
                {means}{why}
            </th>
            <td class="number wide-only">{table::time(now, item.at)}</td>
            <td class=class><span class="amount">{amount}</span></td>
        </tr>
    }
}

/// The other payments of its subscription.
fn subscription(page: &PaymentPage, now: i64) -> Option<impl IntoView + use<>> {
    (!page.siblings.is_empty()).then(|| {
        let rows: Vec<_> = page.siblings.iter().map(|item| sibling(&page.funnel, item, now)).collect();
        let title = if page.siblings.iter().all(|sibling| sibling.renewal) && !page.item.renewal {
            "Renewals of its subscription"
        } else {
            "Other payments of its subscription"
        };
        view! {
            <section class="card" aria-labelledby="subscription">
                <h2 id="subscription">{title}</h2>
                <ul class="payments compact">{rows}</ul>
            </section>
        }
    })
}

fn sibling(funnel: &str, item: &PaymentItem, now: i64) -> impl IntoView + use<> {
    let path = paths::payment(funnel, &item.provider, &item.payment_id);
    let left =
        money::left(item).map(|left| view! { <span class="soft amount">{format!("net {left}")}</span> });
    let kind = if item.renewal { "Renewal" } else { "First payment" };
    view! {
        <li>
            <p class="payment">
                <strong class="amount"><a href=path>{money::amount(item)}</a></strong>
                {money::badges(item)}{left}
                <span class="soft">{kind}" · "{table::time(now, item.paid_at)}</span>
            </p>
        </li>
    }
}

/// The deliveries that told of it.
fn told(page: &PaymentPage, now: i64) -> impl IntoView + use<> {
    let rows: Vec<_> = (page.item.deliveries.iter().enumerate())
        .map(|(at, item)| deliveries::with_body(at, item, None, now))
        .collect();
    let none = page.item.deliveries.is_empty().then(|| {
        view! { <p class="soft">"No delivery brought this payment: it was found in the provider's own list."</p> }
    });
    let some = (!rows.is_empty()).then(|| {
        view! {
            <p class="soft">
                "What the provider sent, as it came. Names, addresses, cards and whatever else is the buyer's own are left out."
            </p>
            <ul class="bodies">{rows}</ul>
        }
    });
    view! {
        <section class="card" aria-labelledby="deliveries">
            <h2 id="deliveries">"Deliveries"</h2>
            {none}
            {some}
        </section>
    }
}

/// The ids by which it is known.
fn names(page: &PaymentPage) -> impl IntoView + use<> {
    let item = &page.item;
    let also: Vec<_> = (page.names.iter())
        .map(|name| view! { <div><dt>"Also known as"</dt><dd class="id">{text::value(name)}</dd></div> })
        .collect();
    let subscription = page.subscription_id.as_deref().map(|id| {
        view! { <div><dt>"Subscription"</dt><dd class="id">{text::value(id)}</dd></div> }
    });
    view! {
        <section class="card" aria-labelledby="names">
            <h2 id="names">"Ids"</h2>
            <dl class="facts plain">
                <div><dt>"Payment"</dt><dd class="id">{text::value(&item.payment_id)}</dd></div>
                {also}
                {subscription}
            </dl>
        </section>
    }
}

/// A button that tells everybody of it once more.
fn send_again(page: &PaymentPage) -> Option<impl IntoView + use<>> {
    let item = &page.item;
    let can = !page.told.is_empty() && item.session_id.is_some() && !item.test;
    can.then(|| {
        let path = paths::payment(&page.funnel, &item.provider, &item.payment_id);
        view! {
            <section class="card again" aria-labelledby="again">
                <div>
                    <h2 id="again">"Forwarding"</h2>
                    <p class="soft">
                        "Tells "{text::value(&page.told.join(", "))}" of this payment once more. Whoever has it already
                        knows it by its ids and takes it once."
                    </p>
                </div>
                <form method="post" action=format!("{path}/send")>
                    <button class="button quiet" type="submit">"Send again to Aurea"</button>
                </form>
            </section>
        }
    })
}
