//! One funnel: its figures, where its visitors came from, and what waits for the owner.

use leptos::prelude::*;

use super::frame::{Place, Tab, document};
use super::funnels::{no_session_yet, tiles};
use super::model::{Frame, FunnelPage, SourceItem};
use super::refused::refused;
use super::{chart, format, money, paths, table, text, told};

/// `/aurea/funnels/{funnel}`
pub fn funnel(frame: &Frame, page: &FunnelPage) -> String {
    let item = &page.item;
    let unattributed =
        money::unattributed(&page.unattributed, page.more_unattributed, &item.funnel, frame.now);
    let is_news = money::has_new(&page.unattributed, frame.now);
    let (news, known) = if is_news { (unattributed, None) } else { (None, unattributed) };
    let content = view! {
        <div class="head">
            <h1>{text::value(&item.funnel)}</h1>
            <p class="soft">"Last 30 days, UTC"</p>
        </div>
        {refused(frame)}
        {told::cards(&frame.forwarding, &item.funnel, frame.now)}
        {news}
        <section class="card" aria-label="Figures">
            {tiles(&item.figures)}
            {chart::chart("Last 30 days", &item.days)}
            {chart::figures("Each of the last 30 days, newest first", &item.days)}
            {no_conversion_yet(page)}
        </section>
        {sources(&item.funnel, &page.sources)}
        {known}
        {newest(page, frame.now)}
    };
    let place = Place::new(&item.funnel, [("Funnels", paths::FUNNELS.to_owned())]);
    document(frame, place.under(&item.funnel, Tab::Overview), content.into_any())
}

fn no_conversion_yet(page: &FunnelPage) -> Option<impl IntoView + use<>> {
    let figures = &page.item.figures;
    (figures.sessions > 0 && figures.conversions == 0).then(|| {
        let why = if figures.checkouts == 0 {
            "Nobody has gone to the checkout yet. Look at a session to see how far visitors read."
        } else {
            "Visitors went to the checkout, but no payment was told of. If somebody paid, check that the provider's webhook reaches this site: ttr doctor says how."
        };
        view! { <p class="hint"><strong>"No conversion in 30 days. "</strong>{why}</p> }
    })
}

fn sources(funnel: &str, sources: &[SourceItem]) -> Option<impl IntoView + use<>> {
    let rows: Vec<_> = sources.iter().map(|source| source_row(funnel, source)).collect();
    (!rows.is_empty()).then(|| {
        view! {
            <section class="card" aria-labelledby="sources">
                <h2 id="sources">"Sources"</h2>
                <div class="scroll" tabindex="0" role="group" aria-labelledby="sources">
                    <table>
                        <caption class="unseen">"Sources of the last 30 days, those with most sessions first"</caption>
                        <thead>
                            <tr>
                                <th scope="col">"Source"</th>
                                <th scope="col" class="number">"Sessions"</th>
                                <th scope="col" class="number wide-only">"Checkouts"</th>
                                <th scope="col" class="number">"Conversions"</th>
                                <th scope="col" class="number wide-only">"Rate"</th>
                                <th scope="col" class="number">"Revenue"</th>
                            </tr>
                        </thead>
                        <tbody>{rows}</tbody>
                    </table>
                </div>
            </section>
        }
    })
}

fn source_row(funnel: &str, item: &SourceItem) -> impl IntoView + use<> {
    let filter = super::model::Filter {
        source: item.source.clone().unwrap_or_else(|| "(direct)".to_owned()),
        ..Default::default()
    };
    let figures = &item.figures;
    view! {
        <tr>
            <th scope="row">
                <a href=paths::filtered(funnel, &filter, None)>{table::source(item.source.as_deref(), None)}</a>
            </th>
            <td class="number">{format::count(figures.sessions)}</td>
            <td class="number wide-only">{format::count(figures.checkouts)}</td>
            <td class="number">{format::count(figures.conversions)}</td>
            <td class="number wide-only">{table::rate(figures)}</td>
            <td class="number">{table::earned(&figures.revenue, &figures.net)}</td>
        </tr>
    }
}

fn newest(page: &FunnelPage, now: i64) -> AnyView {
    if page.newest.is_empty() {
        return no_session_yet();
    }
    view! {
        <section class="card" aria-labelledby="newest">
            <div class="head">
                <h2 id="newest">"Newest sessions"</h2>
                <a class="all" href=paths::sessions(&page.item.funnel)>"All sessions"</a>
            </div>
            {table::sessions("Newest sessions", &page.item.funnel, &page.newest, now)}
        </section>
    }
    .into_any()
}
