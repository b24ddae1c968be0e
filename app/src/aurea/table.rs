//! Parts that several screens share: times, badges, figures, and the list of sessions.

use leptos::prelude::*;

use super::model::{Amount, Figures, SessionItem, State};
use super::{format, paths, text};

/// A moment, relative to `now`; the whole date is in its title.
pub(super) fn time(now: i64, at: i64) -> impl IntoView + use<> {
    view! { <time datetime=format::iso(at) title=format::date_time(at)>{format::ago(now, at)}</time> }
}

/// What a state is called.
pub(super) fn state_name(state: State) -> &'static str {
    match state {
        State::Active => "Active",
        State::Checkout => "At the checkout",
        State::Converted => "Converted",
        State::Abandoned => "Abandoned",
        State::Ended => "Ended",
    }
}

/// What a state is called in a query and in a class.
pub(super) fn state_tag(state: State) -> &'static str {
    match state {
        State::Active => "active",
        State::Checkout => "checkout",
        State::Converted => "converted",
        State::Abandoned => "abandoned",
        State::Ended => "ended",
    }
}

/// How a session stands, as a badge.
pub(super) fn badge(item: &SessionItem) -> impl IntoView + use<> {
    let (tag, name) = match item.bot {
        Some(_) => ("ended", BOT),
        None => (state_tag(item.state), state_name(item.state)),
    };
    view! { <span class=format!("badge {tag}")>{name}</span> }
}

/// What a session of a crawler or an automated browser is called in the place of its state.
const BOT: &str = "Bot";

/// What came in, one amount for each currency, each on its line; below it what is left, where that is another.
pub(super) fn earned(revenue: &[Amount], net: &[Amount]) -> AnyView {
    if revenue.is_empty() {
        return view! { <span class="none">{format::NONE}</span> }.into_any();
    }
    let lines: Vec<_> = (revenue.iter())
        .map(|came| {
            let left = net.iter().find(|left| left.currency == came.currency && left.minor != came.minor);
            view! { <span class="amount">{text::line(&format::money(came))}</span>{left.map(net_line)} }
        })
        .collect();
    lines.into_any()
}

/// What is left of an amount.
pub(super) fn net_line(left: &Amount) -> impl IntoView + use<> {
    view! { <span class="amount net">{format!("net {}", text::line(&format::money(left)))}</span> }
}

/// What a session brought, and what is left of it.
pub(super) fn value(item: &SessionItem) -> AnyView {
    match (&item.value, &item.net) {
        _ if item.test => view! { <span class="none">"Test"</span> }.into_any(),
        (Some(value), net) => earned(std::slice::from_ref(value), net.as_slice()),
        (None, _) => view! { <span class="none">{format::NONE}</span> }.into_any(),
    }
}

/// Whether a session brought money.
pub(super) fn is_worth(item: &SessionItem) -> bool {
    item.value.is_some() && !item.test
}

/// A visitor's id in short.
pub(super) fn visitor(id: Option<&str>) -> AnyView {
    match id {
        Some(id) => view! { <bdi class="id" title=text::cut(id, 200)>{text::short_id(id)}</bdi> }.into_any(),
        None => view! { <span class="none">"No id"</span> }.into_any(),
    }
}

/// A source with its campaign.
pub(super) fn source(source: Option<&str>, campaign: Option<&str>) -> AnyView {
    let source = match source {
        Some(source) => text::value(source),
        None => view! { <span class="none">"Direct"</span> }.into_any(),
    };
    let campaign = campaign.map(|campaign| view! { <span class="campaign">{text::value(campaign)}</span> });
    view! { {source} {campaign} }.into_any()
}

/// A share of a whole as the cells and tiles show it: conversions of sessions.
pub(super) fn rate(figures: &Figures) -> String {
    format::share(figures.conversions, figures.sessions)
}

/// Sessions as a table, each row one link; on a narrow screen each row is a card. The roles keep it a table for screen
/// readers there, too.
pub(super) fn sessions(
    caption: &'static str,
    funnel: &str,
    items: &[SessionItem],
    now: i64,
) -> impl IntoView + use<> {
    let rows: Vec<_> = items.iter().map(|item| row(funnel, item, now)).collect();
    view! {
        <table class="list" role="table">
            <caption class="unseen">{caption}</caption>
            <thead role="rowgroup">
                <tr role="row">
                    <th scope="col" role="columnheader">"State"</th>
                    <th scope="col" role="columnheader">"Visitor"</th>
                    <th scope="col" role="columnheader">"Source"</th>
                    <th scope="col" role="columnheader">"Started"</th>
                    <th scope="col" role="columnheader" class="number">"Duration"</th>
                    <th scope="col" role="columnheader" class="number">"Events"</th>
                    <th scope="col" role="columnheader" class="number">"Value"</th>
                </tr>
            </thead>
            <tbody role="rowgroup">{rows}</tbody>
        </table>
    }
}

fn row(funnel: &str, item: &SessionItem, now: i64) -> impl IntoView + use<> {
    let who = item.anonymous_id.as_deref().map_or_else(|| "No id".to_owned(), text::short_id);
    let label = format!("{who}: session of {}", format::ago(now, item.started_at));
    view! {
        <tr role="row">
            <td role="cell" class="state">{badge(item)}</td>
            <th scope="row" role="rowheader" class="visitor">
                <a href=paths::session(funnel, &item.session_id) aria-label=label>
                    {visitor(item.anonymous_id.as_deref())}
                </a>
            </th>
            <td role="cell" class="source">{source(item.source.as_deref(), item.campaign.as_deref())}</td>
            <td role="cell" class="started">{time(now, item.started_at)}</td>
            <td role="cell" class="number duration">
                {format::duration(item.last_at.saturating_sub(item.started_at) / 1000)}
            </td>
            <td role="cell" class="number events">
                {format::count(item.events)}<span class="unit">{if item.events == 1 { " event" } else { " events" }}</span>
            </td>
            <td role="cell" class=if is_worth(item) { "number worth" } else { "number worth none" }>{value(item)}</td>
        </tr>
    }
}
