//! The list of payments, with what it is asked for, and what the ledger could not join.

use leptos::prelude::*;

use super::filters::{self, Chip, date, select};
use super::frame::{Place, Tab, document};
use super::later::{later_name, later_state};
use super::model::{Compared, Frame, PaymentItem, PaymentState, PaymentsFilter, PaymentsPage, UnjoinedItem};
use super::{deliveries, format, money, paths, table, text};

/// What is offered beside the states.
const KINDS: [(&str, &str); 2] = [("renewal", "Renewals"), ("test", "Tests (no revenue)")];

/// Whether a session is known.
const SESSIONS: [(&str, &str); 3] = [("", "Any"), ("with", "With"), ("without", "Without")];

/// `/aurea/funnels/{funnel}/payments`
pub fn payments(frame: &Frame, page: &PaymentsPage) -> String {
    let fault = page.fault.as_deref().map(|fault| {
        view! { <p class="fault" role="alert">{text::value(fault)}</p> }
    });
    let (loud, quiet): (Vec<_>, Vec<_>) =
        page.compared.iter().partition(|compared| !compared.differences.is_empty());
    let content = view! {
        <div class="head"><h1>"Payments"</h1><p class="soft">{text::value(&page.funnel)}</p></div>
        {loud.into_iter().map(|compared| differs(compared, frame.now)).collect::<Vec<_>>()}
        {page.any.then(|| view! { {form(page)} {chips(page)} })}
        {fault}
        {list(page, frame.now)}
        {paging(page)}
        {unjoined(&page.unjoined, frame.now)}
        {deliveries::uncounted(&page.uncounted, frame.now)}
        {quiet.into_iter().map(|compared| agrees(compared, frame.now)).collect::<Vec<_>>()}
    };
    let way = [("Funnels", paths::FUNNELS.to_owned()), (page.funnel.as_str(), paths::funnel(&page.funnel))];
    document(frame, Place::new("Payments", way).under(&page.funnel, Tab::Payments), content.into_any())
}

fn list(page: &PaymentsPage, now: i64) -> AnyView {
    let all = paths::payments(&page.funnel);
    match () {
        () if page.fault.is_some() => ().into_any(),
        () if !page.any => no_payment_yet(),
        () if !page.payments.is_empty() => {
            let rows: Vec<_> = page.payments.iter().map(|item| row(&page.funnel, item, now)).collect();
            view! {
                <section class="card flush" aria-label="Payments">
                    <table class="list money" role="table">
                        <caption class="unseen">"Payments, newest first"</caption>
                        <thead role="rowgroup">
                            <tr role="row">
                                <th scope="col" role="columnheader" class="number">"Amount"</th>
                                <th scope="col" role="columnheader" class="number">"Net"</th>
                                <th scope="col" role="columnheader">"State"</th>
                                <th scope="col" role="columnheader">"Payment"</th>
                                <th scope="col" role="columnheader">"Session"</th>
                                <th scope="col" role="columnheader" class="number">"Paid"</th>
                            </tr>
                        </thead>
                        <tbody role="rowgroup">{rows}</tbody>
                    </table>
                </section>
            }
            .into_any()
        }
        () if page.filter == PaymentsFilter::default() => view! {
            <div class="empty"><h2>"No more payments"</h2><p><a class="button quiet" href=all>"First page"</a></p></div>
        }
        .into_any(),
        () => view! {
            <div class="empty">
                <h2>"No payment is like that"</h2>
                <p>"Take away one of the filters above, or all of them."</p>
                <p><a class="button quiet" href=all>"Remove all filters"</a></p>
            </div>
        }
        .into_any(),
    }
}

fn row(funnel: &str, item: &PaymentItem, now: i64) -> impl IntoView + use<> {
    let path = paths::payment(funnel, &item.provider, &item.payment_id);
    let when = format!(", paid {}", format::ago(now, item.paid_at));
    let class = match item.amount {
        Ok(Some(_)) if !item.test => "number came",
        _ => "number came none",
    };
    let amount = match item.amount {
        Ok(Some(_)) => money::amount(item),
        _ => format::NONE.to_owned(), // the badge says it
    };
    let left = money::left(item);
    let left_class = if left.is_some() { "number left" } else { "number left none" };
    let session = match &item.session_id {
        Some(id) => view! {
            <a href=paths::session(funnel, id)><bdi class="id" title=text::cut(id, 200)>{text::short_id(id)}</bdi></a>
        }
        .into_any(),
        None => view! { <span class="none">"None"</span> }.into_any(),
    };
    view! {
        <tr role="row">
            <th scope="row" role="rowheader" class=class>
                <a class="whole" href=path>{amount}<span class="unseen">{when}</span></a>
            </th>
            <td role="cell" class=left_class>
                <span class="unit">"net "</span>{left.unwrap_or_else(|| format::NONE.to_owned())}
            </td>
            <td role="cell" class="state">{money::badges(item)}</td>
            <td role="cell" class="which">
                {text::value(&item.payment_id)}
                <span class="campaign">{money::provider(&item.provider)}{money::marks(item)}</span>
            </td>
            <td role="cell" class="session"><span class="unit">"Session "</span>{session}</td>
            <td role="cell" class="number paid">{table::time(now, item.paid_at)}</td>
        </tr>
    }
}

fn no_payment_yet() -> AnyView {
    view! {
        <div class="empty">
            <h2>"No payment yet"</h2>
            <p>
                <a href="/" target="_blank" rel="noopener">"Buy on your own site in another window"</a>
                ", with the simulated checkout or in your provider's test mode: the payment appears here as soon as its
                webhook arrives."
            </p>
            <p>
                "If somebody has paid and nothing is here, "<code>"ttr doctor"</code>" says whether deliveries can reach
                you, and "<code>"ttr reconcile"</code>" fetches what they did not bring."
            </p>
        </div>
    }
    .into_any()
}

fn form(page: &PaymentsPage) -> impl IntoView + use<> {
    let filter = &page.filter;
    let states: Vec<_> = std::iter::once(("", "Any"))
        .chain(STATES.map(|state| (state_tag(state), money::state_name(state))))
        .chain(KINDS)
        .collect();
    let name = |provider: &String| {
        let known = money::known_provider(provider).map(str::to_owned);
        (text::cut(provider, 200), known.unwrap_or_else(|| text::cut(provider, 60)))
    };
    let names: Vec<(String, String)> = page.providers.iter().map(name).collect();
    let names = names.iter().map(|(provider, name)| (provider.as_str(), name.as_str()));
    let providers: Vec<_> = std::iter::once(("", "Any")).chain(names).collect();
    view! {
        <form class="filters" method="get" action=paths::payments(&page.funnel) role="search" aria-label="Filter payments">
            {select("state", "State", &filter.state, &states)}
            {select("provider", "Provider", &filter.provider, &providers)}
            {select("session", "Session", &filter.session, &SESSIONS)}
            {date("from", "Paid from (UTC)", &filter.from)}
            {date("to", "Paid to (UTC)", &filter.to)}
            <button class="button" type="submit">"Filter"</button>
        </form>
    }
}

/// States in the order in which they are offered.
const STATES: [PaymentState; 6] = [
    PaymentState::Paid,
    PaymentState::PartlyRefunded,
    PaymentState::Refunded,
    PaymentState::Disputed,
    PaymentState::DisputeLost,
    PaymentState::Unclear,
];

/// What a state is called in a query.
fn state_tag(state: PaymentState) -> &'static str {
    match state {
        PaymentState::Paid => "paid",
        PaymentState::PartlyRefunded => "partly_refunded",
        PaymentState::Refunded => "refunded",
        PaymentState::Disputed => "disputed",
        PaymentState::DisputeLost => "dispute_lost",
        PaymentState::Unclear => "unclear",
    }
}

fn chips(page: &PaymentsPage) -> Option<impl IntoView + use<>> {
    let asked = paths::payment_fields(&page.filter).into_iter().filter(|(_, _, value)| !value.is_empty());
    let chips = asked.map(|(name, label, value)| {
        let state = STATES.into_iter().find(|state| state_tag(*state) == value).map(money::state_name);
        let kind = KINDS.iter().chain(&SESSIONS).find(|(tag, _)| *tag == value).map(|(_, name)| *name);
        let known = match name {
            "state" => state.or(kind),
            "provider" => money::known_provider(value),
            _ => kind,
        };
        let shown = known.map_or_else(|| text::cut(value, 60), str::to_owned);
        let without = paths::payments_without(&page.filter, name);
        Chip { label, shown, path: paths::filtered_payments(&page.funnel, &without, None) }
    });
    filters::chips(chips.collect(), paths::payments(&page.funnel))
}

fn paging(page: &PaymentsPage) -> Option<impl IntoView + use<>> {
    let path = |cursor| paths::filtered_payments(&page.funnel, &page.filter, cursor);
    filters::paging(
        page.continued.then(|| path(None)),
        page.next_cursor.as_deref().map(|cursor| path(Some(cursor))),
    )
}

fn unjoined(items: &[UnjoinedItem], now: i64) -> Option<impl IntoView + use<>> {
    (!items.is_empty()).then(|| {
        let rows: Vec<_> = items.iter().map(|item| unjoined_row(item, now)).collect();
        view! {
            <section class="card unattributed" aria-labelledby="unjoined">
                <h2 id="unjoined">"Refunds and disputes without a payment"</h2>
                <p>
                    "Their payments were never told of here: they are older than this store, or their deliveries are still
                    to come. Each joins its payment as soon as that is known; "<code>"ttr reconcile --since 90d"</code>"
                    asks the provider for it."
                </p>
                <ul class="deliveries">{rows}</ul>
            </section>
        }
    })
}

fn unjoined_row(item: &UnjoinedItem, now: i64) -> impl IntoView + use<> {
    let later = &item.later;
    let amount = match &later.amount {
        Ok(amount) => text::line(&format::money(amount)),
        Err(_) => "Amount not clear".to_owned(),
    };
    view! {
        <li>
            <strong class="amount">{amount}</strong>
            <span>{later_name(later.what)}" · "{later_state(&later.state)}</span>
            <span class="soft">
                {money::provider(&item.provider)}" · "{text::value(&later.id)}" of "{text::value(&item.payment_id)}
            </span>
            <span class="soft">{table::time(now, later.at)}</span>
        </li>
    }
}

/// A comparison that found nothing to be settled by a person: a quiet line.
fn agrees(compared: &Compared, now: i64) -> AnyView {
    let name = money::provider(&compared.provider);
    let when = table::time(now, compared.at);
    if let Some(fault) = &compared.fault {
        return view! {
            <p class="hint">
                "The list of "{name}" could not be compared with these payments ("{when}"): "{text::value(fault)}
            </p>
        }
        .into_any();
    }
    let listed = format::counted(compared.listed, "entry", "entries");
    let found = match compared.found {
        0 => ": all of it is here.".to_owned(),
        found => format!(
            ": {} found that no delivery had brought, and kept.",
            format::counted(found, "was", "were")
        ),
    };
    view! {
        <div class="hint">
            "Compared with the list of "{name}", "{listed}", "{when}{found}
            {lines("What was found", compared.found, &compared.found_lines)}
        </div>
    }
    .into_any()
}

/// What a provider and the ledger don't tell alike.
fn differs(compared: &Compared, now: i64) -> impl IntoView + use<> {
    let title = format!("differs-{}", text::line(&compared.provider));
    let items: Vec<_> =
        compared.differences.iter().map(|line| view! { <li>{text::value(line)}</li> }).collect();
    view! {
        <section class="card warn" aria-labelledby=title.clone()>
            <div>
                <h2 id=title.clone()>"The list of "{money::provider(&compared.provider)}" differs"</h2>
                <p>"Compared "{table::time(now, compared.at)}". What is here stays as it is until you have looked at it:"</p>
                <ul class="lines">{items}</ul>
                {more(compared.differs, compared.differences.len())}
                {lines("What was found besides, and kept", compared.found, &compared.found_lines)}
            </div>
        </section>
    }
}

fn lines(title: &'static str, all: u64, lines: &[String]) -> Option<impl IntoView + use<>> {
    let items: Vec<_> = lines.iter().map(|line| view! { <li>{text::value(line)}</li> }).collect();
    let more = more(all, lines.len());
    (!items.is_empty())
        .then(|| view! { <details><summary>{title}</summary><ul class="lines">{items}</ul>{more}</details> })
}

/// How many lines are not shown.
fn more(all: u64, shown: usize) -> Option<impl IntoView + use<>> {
    let more = all.saturating_sub(shown as u64);
    (more > 0).then(|| {
        view! { <p class="soft">{format!("and {} more; ttr reconcile lists all of them", format::count(more))}</p> }
    })
}
