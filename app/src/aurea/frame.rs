//! What stands round every screen: the document, the header with the way back, the notice of the simulator.

use leptos::prelude::*;

use super::model::Frame;
use super::{paths, text};
use crate::landing::mark::Mark;

/// What a screen tells its frame.
#[derive(Default)]
pub(super) struct Place {
    /// Its name, also the last step of the way to it. Untrusted text is cut by the frame.
    pub(super) title: String,
    /// The steps before it: label and address.
    pub(super) way: Vec<(String, String)>,
    /// The funnel that it is a screen of, and under which of its tabs.
    pub(super) tab: Option<(String, Tab)>,
    /// Whether nobody is logged in, so that there is no way and no logout.
    pub(super) outside: bool,
    /// Where news of an open timeline come from; then the page loads the script.
    pub(super) live: Option<String>,
}

/// The tabs of a funnel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Overview,
    Sessions,
    Payments,
}

impl Place {
    /// The screen stands under this tab of the funnel.
    pub(super) fn under(self, funnel: &str, tab: Tab) -> Self {
        Self { tab: Some((funnel.to_owned(), tab)), ..self }
    }

    /// A screen that has `way` before it.
    pub(super) fn new<const N: usize>(title: &str, way: [(&str, String); N]) -> Self {
        let way = way.into_iter().map(|(label, path)| (text::cut(label, 60), path)).collect();
        Self { title: text::cut(title, 60), way, ..Self::default() }
    }
}

/// The whole document.
pub(super) fn document(frame: &Frame, place: Place, content: AnyView) -> String {
    let title = match place.way.last() {
        Some((before, _)) if place.way.len() > 1 => format!("{} · {before} · Aurea", place.title),
        _ if place.title == "Aurea" => place.title.clone(),
        _ => format!("{} · Aurea", place.title),
    };
    let script =
        place.live.is_some().then(|| view! { <script src=frame.script.clone() defer=true></script> });
    let simulated = (frame.simulated && !place.outside).then(|| {
        view! { <p class="notice">"The checkout is simulated: no real money moves."</p> }
    });
    let live = place.live.is_some();
    let tabs = place.tab.map(|(funnel, tab)| tabs(&funnel, tab, place.way.len() < 3));
    let main = match place.live {
        Some(source) => view! { <main id="live" data-live=source tabindex="-1">{content}</main> }.into_any(),
        None => view! { <main id="content" tabindex="-1">{content}</main> }.into_any(),
    };
    let html = view! {
        <html lang="en">
            <head>
                <meta charset="utf-8"/>
                <title>{title}</title>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="robots" content="noindex"/>
                <meta name="color-scheme" content="light dark"/>
                <link rel="stylesheet" href=frame.stylesheet.clone()/>
                <link rel="icon" href="/favicon.ico" sizes="32x32"/>
                <link rel="icon" href="/icons/icon.svg" r#type="image/svg+xml"/>
                <link rel="apple-touch-icon" href="/icons/apple-touch-icon.png"/>
                {script}
            </head>
            <body class=place.outside.then_some("outside")>
                <a class="skip" href=if live { "#live" } else { "#content" }>"Skip to the content"</a>
                <header>
                    <div class="top">
                        <a class="brand" href=paths::FUNNELS><Mark/>"Aurea"</a>
                        {(!place.outside)
                            .then(|| view! { {way(place.way, place.title)} {live.then(live_mark)} {logout()} })}
                    </div>
                    {tabs}
                    {simulated}
                </header>
                {main}
            </body>
        </html>
    }
    .to_html();
    format!("<!DOCTYPE html>{html}")
}

fn way(way: Vec<(String, String)>, here: String) -> impl IntoView {
    let steps: Vec<_> =
        way.into_iter().map(|(label, path)| view! { <li><a href=path><bdi>{label}</bdi></a></li> }).collect();
    view! {
        <nav class="way" aria-label="Breadcrumb">
            <ol>{steps}<li><span aria-current="page"><bdi>{here}</bdi></span></li></ol>
        </nav>
    }
}

/// The screens of a funnel side by side. `here` says whether the screen is the tab itself, or one below it.
fn tabs(funnel: &str, current: Tab, here: bool) -> impl IntoView + use<> {
    let tabs = [
        (Tab::Overview, "Overview", paths::funnel(funnel)),
        (Tab::Sessions, "Sessions", paths::sessions(funnel)),
        (Tab::Payments, "Payments", paths::payments(funnel)),
    ];
    let tabs: Vec<_> = tabs
        .into_iter()
        .map(|(tab, label, path)| {
            let current = (tab == current).then_some(if here { "page" } else { "true" });
            view! { <li><a href=path aria-current=current>{label}</a></li> }
        })
        .collect();
    view! { <nav class="tabs" aria-label="Funnel"><ul>{tabs}</ul></nav> }
}

/// Says whether the page refreshes itself; the script fills it. Without JavaScript there is a link.
fn live_mark() -> impl IntoView {
    view! {
        <span id="live-mark" class="live-mark" hidden=true></span>
        <span id="live-news" class="unseen" aria-live="polite"></span>
        <noscript><a class="button quiet" href="">"Refresh"</a></noscript>
    }
}

fn logout() -> impl IntoView {
    view! {
        <form class="logout" method="post" action="/aurea/logout">
            <button class="button quiet" type="submit">"Log out"</button>
        </form>
    }
}
