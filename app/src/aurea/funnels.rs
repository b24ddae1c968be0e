//! All funnels, each with its last 30 days.

use leptos::prelude::*;

use super::frame::{Place, document};
use super::model::{Figures, Frame, FunnelItem};
use super::refused::refused;
use super::{chart, format, paths, table, text};

/// `/aurea`
pub fn funnels(frame: &Frame, items: &[FunnelItem]) -> String {
    let cards: Vec<_> = items.iter().map(card).collect();
    let content = view! {
        <div class="head"><h1>"Funnels"</h1><p class="soft">"Last 30 days, UTC"</p></div>
        {refused(frame)}
        {if items.is_empty() { no_session_yet() } else { cards.into_any() }}
    };
    document(frame, Place::new("Funnels", []), content.into_any())
}

fn card(item: &FunnelItem) -> impl IntoView + use<> {
    view! {
        <article class="card funnel">
            <h2><a href=paths::funnel(&item.funnel)>{text::value(&item.funnel)}</a></h2>
            {tiles(&item.figures)}
            {chart::chart("Last 30 days", &item.days)}
            {chart::figures("Each of the last 30 days, newest first", &item.days)}
        </article>
    }
}

/// The figures side by side, in the order in which a visitor comes to them.
pub(super) fn tiles(figures: &Figures) -> impl IntoView + use<> {
    let of = |part, whole, name| (whole > 0).then(|| format!("{} of {name}", format::share(part, whole)));
    let aside = |text: Option<String>| text.map(|text| view! { <dd class="aside">{text}</dd> });
    let of_sessions = aside(of(figures.checkouts, figures.sessions, "sessions"));
    let of_checkouts = aside(of(figures.conversions, figures.checkouts, "checkouts"));
    view! {
        <dl class="tiles">
            <div><dt>"Sessions"</dt><dd>{format::count(figures.sessions)}</dd></div>
            <div>
                <dt>"Checkouts"</dt><dd>{format::count(figures.checkouts)}</dd>
                {of_sessions}
            </div>
            <div>
                <dt>"Conversions"</dt><dd>{format::count(figures.conversions)}</dd>
                {of_checkouts}
            </div>
            <div><dt>"Conversion rate"</dt><dd>{table::rate(figures)}</dd><dd class="aside">"of sessions"</dd></div>
            <div><dt>"Revenue"</dt><dd>{table::earned(&figures.revenue, &figures.net)}</dd></div>
        </dl>
    }
}

/// What to do when nothing has happened yet.
pub(super) fn no_session_yet() -> AnyView {
    view! {
        <div class="empty">
            <h2>"No session yet"</h2>
            <p>
                <a href="/" target="_blank" rel="noopener">"Open your site in another window"</a>
                ": your own visit appears here at once. "
                <code>"ttr demo --sessions 200"</code>" fills a store with made-up visits to try the screens."
            </p>
        </div>
    }
    .into_any()
}
