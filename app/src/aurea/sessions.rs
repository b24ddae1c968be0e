//! The list of sessions, with what it is asked for.

use leptos::prelude::*;

use super::filters::{self, Chip, date, listed, select};
use super::frame::{Place, Tab, document};
use super::funnels::no_session_yet;
use super::model::{Filter, Frame, SessionsPage, State};
use super::{paths, table, text};
use crate::event::CATALOGUE;

/// `/aurea/funnels/{funnel}/sessions`
pub fn sessions(frame: &Frame, page: &SessionsPage) -> String {
    let fault = page.fault.as_deref().map(|fault| {
        view! { <p class="fault" role="alert">{text::value(fault)}</p> }
    });
    let content = view! {
        <div class="head"><h1>"Sessions"</h1><p class="soft">{text::value(&page.funnel)}</p></div>
        {page.any.then(|| view! { {form(page)} {chips(page)} })}
        {fault}
        {list(page, frame.now)}
        {paging(page)}
    };
    let way = [("Funnels", paths::FUNNELS.to_owned()), (page.funnel.as_str(), paths::funnel(&page.funnel))];
    document(frame, Place::new("Sessions", way).under(&page.funnel, Tab::Sessions), content.into_any())
}

fn list(page: &SessionsPage, now: i64) -> AnyView {
    let all = paths::sessions(&page.funnel);
    match () {
        () if !page.any => no_session_yet(),
        () if page.fault.is_some() => ().into_any(),
        () if !page.sessions.is_empty() => {
            let list = table::sessions("Sessions, newest first", &page.funnel, &page.sessions, now);
            view! { <section class="card flush" aria-label="Sessions">{list}</section> }.into_any()
        }
        () if page.filter == Filter::default() => view! {
            <div class="empty"><h2>"No more sessions"</h2><p><a class="button quiet" href=all>"First page"</a></p></div>
        }
        .into_any(),
        () => view! {
            <div class="empty">
                <h2>"No session is like that"</h2>
                <p>"Take away one of the filters above, or all of them."</p>
                <p><a class="button quiet" href=all>"Remove all filters"</a></p>
            </div>
        }
        .into_any(),
    }
}

fn form(page: &SessionsPage) -> impl IntoView + use<> {
    let filter = &page.filter;
    let states = [State::Active, State::Checkout, State::Converted, State::Abandoned, State::Ended];
    let states: Vec<_> = std::iter::once(("", "Any"))
        .chain(states.map(|s| (table::state_tag(s), table::state_name(s))))
        .chain([("bot", "Bots (not counted)")])
        .collect();
    let sources = std::iter::once("(direct)".to_owned())
        .chain(page.sources.iter().map(|source| text::cut(source, 200)));
    let events = CATALOGUE.iter().map(|(name, _)| (*name).to_owned());
    let visitor = (!filter.anonymous_id.is_empty()).then(|| {
        view! { <input type="hidden" name="anonymousId" value=text::line(&filter.anonymous_id)/> }
    });
    view! {
        <form class="filters" method="get" action=paths::sessions(&page.funnel) role="search" aria-label="Filter sessions">
            {select("state", "State", &filter.state, &states)}
            {select("converted", "Converted", &filter.converted, &[("", "Any"), ("true", "Yes"), ("false", "No")])}
            {listed("source", "Source", &filter.source, sources.collect())}
            {listed("event", "Event seen", &filter.event, events.collect())}
            {date("from", "Active from (UTC)", &filter.from)}
            {date("to", "Active to (UTC)", &filter.to)}
            {visitor}
            <button class="button" type="submit">"Filter"</button>
        </form>
    }
}

/// What is asked for, each a link that takes it away.
fn chips(page: &SessionsPage) -> Option<impl IntoView + use<>> {
    let asked = paths::fields(&page.filter).into_iter().filter(|(_, _, value)| !value.is_empty());
    let chips = asked.map(|(name, label, value)| {
        let shown = match (name, value) {
            ("converted", "true") => "Yes".to_owned(),
            ("converted", "false") => "No".to_owned(),
            ("state", "checkout") => table::state_name(State::Checkout).to_owned(),
            ("anonymousId", id) => text::short_id(id),
            (_, value) => text::cut(value, 60),
        };
        let path = paths::filtered(&page.funnel, &paths::without(&page.filter, name), None);
        Chip { label, shown, path }
    });
    filters::chips(chips.collect(), paths::sessions(&page.funnel))
}

fn paging(page: &SessionsPage) -> Option<impl IntoView + use<>> {
    let path = |cursor| paths::filtered(&page.funnel, &page.filter, cursor);
    filters::paging(
        page.continued.then(|| path(None)),
        page.next_cursor.as_deref().map(|cursor| path(Some(cursor))),
    )
}
