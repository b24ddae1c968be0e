//! One session: its head, its timeline, its money, and the visitor's other sessions.

use leptos::prelude::*;

use super::frame::{Place, Tab, document};
use super::model::{Carried, CheckoutItem, Filter, Frame, SessionPage, Touch};
use super::{format, moments, money, paths, table, text};

/// `/aurea/funnels/{funnel}/sessions/{sessionId}`
pub fn session(frame: &Frame, page: &SessionPage) -> String {
    let path = paths::session(&page.funnel, &page.item.session_id);
    let content = view! {
        {head(page, frame.now)}
        {moments::timeline(page, frame.now)}
        {money::of_session(&page.payments, &page.funnel, frame.now)}
        {others(page, frame.now)}
        {raw(page)}
    };
    let way = [
        ("Funnels", paths::FUNNELS.to_owned()),
        (page.funnel.as_str(), paths::funnel(&page.funnel)),
        ("Sessions", paths::sessions(&page.funnel)),
    ];
    let place = Place::new(&text::short_id(&page.item.session_id), way).under(&page.funnel, Tab::Sessions);
    document(frame, Place { live: Some(format!("{path}/live")), ..place }, content.into_any())
}

fn head(page: &SessionPage, now: i64) -> impl IntoView + use<> {
    let item = &page.item;
    let visitor = match &item.anonymous_id {
        Some(id) => {
            let filter = Filter { anonymous_id: id.clone(), ..Filter::default() };
            let path = paths::filtered(&page.funnel, &filter, None);
            view! { <a href=path>{table::visitor(Some(id))}</a> }.into_any()
        }
        None => table::visitor(None),
    };
    let converted = page.seconds_to_convert.map(|seconds| {
        view! { <div><dt>"Time to convert"</dt><dd>{format::duration(seconds)}</dd></div> }
    });
    let ended = page.end_reason.as_deref().map(end_reason);
    let bot = item.bot.as_deref().map(|why| {
        view! { <p class="soft">"Taken for a bot, so it is counted nowhere: " {text::value(why)}</p> }
    });
    view! {
        <div class="head session-head" data-events=item.events>
            <h1><span class="soft">"Session "</span><bdi>{text::short_id(&item.session_id)}</bdi></h1>
            {table::badge(item)}
            {ended.map(|ended| view! { <p class="soft">{ended}</p> })}
            {bot}
        </div>
        <section class="card" aria-label="The session in short">
            <dl class="tiles">
                <div><dt>"Value"</dt><dd class=table::is_worth(item).then_some("worth")>{table::value(item)}</dd></div>
                <div><dt>"Started"</dt><dd>{table::time(now, item.started_at)}</dd></div>
                <div><dt>"Duration"</dt><dd>{format::duration(page.total_seconds)}</dd></div>
                {converted}
                <div><dt>"Visitor"</dt><dd>{visitor}</dd></div>
                <div><dt>"Source"</dt><dd>{table::source(item.source.as_deref(), None)}</dd></div>
            </dl>
            {arrival(&page.touch)}
            {checkouts(&page.checkouts, now)}
        </section>
    }
}

fn end_reason(reason: &str) -> String {
    match reason {
        "converted" => "Over with the conversion".to_owned(),
        "checkout_expired" => "Over: the checkout was not finished within 24 h".to_owned(),
        "tab_closed" => "Over: the tab was closed".to_owned(),
        "inactive" => "Over: nothing happened for 30 min".to_owned(),
        other => format!("Over: {}", text::cut(other, 60)),
    }
}

/// How the visitor arrived; nothing for direct, the tile has said it.
fn arrival(touch: &Touch) -> Option<impl IntoView + use<>> {
    let plain = |label: &'static str, value: &Option<String>| {
        value
            .as_deref()
            .map(|value| view! { <div><dt>{label}</dt><dd>{text::value(value)}</dd></div> }.into_any())
    };
    let referrer = touch
        .referrer
        .as_deref()
        .map(|url| view! { <div><dt>"Referrer"</dt><dd>{text::address(url)}</dd></div> }.into_any());
    let facts: Vec<_> = [
        plain("Medium", &touch.medium),
        plain("Campaign", &touch.campaign),
        referrer,
        plain("Click id", &touch.click_id),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!facts.is_empty()).then(|| view! { <dl class="facts">{facts}</dl> })
}

/// How the ids went to the provider: where they went by its link, the payment may come back without them.
fn checkouts(items: &[CheckoutItem], now: i64) -> Option<impl IntoView + use<>> {
    let several = items.len() > 1;
    let rows: Vec<_> = items.iter().map(|item| checkout(item, several.then_some(now))).collect();
    (!rows.is_empty()).then(|| view! { <dl class="facts">{rows}</dl> })
}

/// With its time, if there are several to tell apart.
fn checkout(item: &CheckoutItem, now: Option<i64>) -> impl IntoView + use<> {
    let carried = match item.carried {
        Carried::Api => view! { "the ids went with the checkout that its API made" }.into_any(),
        Carried::Link => view! { "the ids went in the link" }.into_any(),
        Carried::Fallback => {
            view! { <span class="loss">"the ids went in the link, because its API did not answer"</span> }
                .into_any()
        }
    };
    let at = now.map(|now| view! { " · "<span class="soft">{table::time(now, item.at)}</span> });
    view! { <div><dt>"Checkout"</dt><dd>{text::value(&item.provider)}" · "{carried}{at}</dd></div> }
}

fn others(page: &SessionPage, now: i64) -> Option<impl IntoView + use<>> {
    (!page.others.is_empty()).then(|| {
        let list = table::sessions("The visitor's other sessions", &page.funnel, &page.others, now);
        view! {
            <section class="card" aria-labelledby="others">
                <h2 id="others">"The visitor's other sessions"</h2>
                {list}
            </section>
        }
    })
}

fn raw(page: &SessionPage) -> impl IntoView + use<> {
    let path = paths::session_json(&page.funnel, &page.item.session_id);
    let json = match page.json.as_str() {
        "" => view! { <p class="soft">"It is too long to be shown here."</p> }.into_any(),
        json => {
            view! { <pre tabindex="0" aria-label="JSON of the session">{text::block(json)}</pre> }.into_any()
        }
    };
    view! {
        <section class="card raw" aria-label="Raw data">
            <details id="json">
                <summary>"JSON of the session"</summary>
                <p><a href=path>"Open as a file of its own"</a></p>
                {json}
            </details>
        </section>
    }
}
