//! The timeline, drawn: one line from the first event to the end, with the trip to the checkout as a stretch of it.

use leptos::prelude::*;

use super::icons::icon;
use super::model::{Moment, SessionPage};
use super::timeline::{Piece, Step, Trip, TripEnd, is_scroll, pieces};
use super::words::{Sentence, Weight, sentence};
use super::{format, paths, text};

/// The timeline of a session.
pub(super) fn timeline(page: &SessionPage, now: i64) -> impl IntoView + use<> {
    let more = page.next_cursor.is_some();
    let start = page.item.started_at;
    let line: Vec<_> = pieces(&page.moments, page.item.state, more, now)
        .iter()
        .map(|piece| drawn(piece, start, now))
        .collect();
    let events = format::counted(page.item.events, "event", "events");
    let before = (page.skipped > 0).then(|| {
        let skipped = format::counted(page.skipped, "earlier event", "earlier events");
        let path = paths::session(&page.funnel, &page.item.session_id);
        view! { <p class="elsewhere"><a href=path>"To the start"</a><span class="soft">" · "{skipped}</span></p> }
    });
    let after = page.next_cursor.as_deref().map(|cursor| {
        let path = paths::session_from(&page.funnel, &page.item.session_id, cursor);
        view! { <p class="elsewhere"><a class="button quiet" rel="next" href=path>"Later events"</a></p> }
    });
    view! {
        <section class="card" aria-labelledby="timeline">
            <div class="head"><h2 id="timeline">"Timeline"</h2><p class="soft">{events}</p></div>
            {before}
            <ol class="line">{line}</ol>
            {after}
        </section>
    }
}

fn drawn(piece: &Piece<'_>, start: i64, now: i64) -> AnyView {
    match piece {
        Piece::Step(it) => step(it, start),
        Piece::Gap(ms) => {
            view! { <li class="gap">{format!("{} later", format::roughly(*ms))}</li> }.into_any()
        }
        Piece::Trip(it) => trip(it, start, now),
        Piece::End => view! { <li class="end">"After the end of the session"</li> }.into_any(),
    }
}

fn trip(trip: &Trip<'_>, start: i64, now: i64) -> AnyView {
    let label = match trip.end {
        TripEnd::At(at) => {
            format!("At the checkout · {}", format::duration(at.saturating_sub(trip.from) / 1000))
        }
        TripEnd::Open => format!("At the checkout since {}", format::roughly(now.saturating_sub(trip.from))),
        TripEnd::Never => "Did not finish the checkout".to_owned(),
        TripEnd::Later => "At the checkout".to_owned(),
    };
    let class = match trip.end {
        TripEnd::At(_) | TripEnd::Later => "trip",
        TripEnd::Open => "trip open",
        TripEnd::Never => "trip never",
    };
    let steps: Vec<_> = trip.steps.iter().map(|it| step(it, start)).collect();
    let steps = (!steps.is_empty()).then(|| view! { <ol class="line">{steps}</ol> });
    view! { <li class=class><span class="label">{label}</span>{steps}</li> }.into_any()
}

fn step(step: &Step<'_>, start: i64) -> AnyView {
    let Sentence { icon: drawing, weight, says, quote, rest } = sentence(step);
    let (last, times) = (step.last(), step.moments.len());
    let weight = match weight {
        Weight::Quiet => "quiet",
        Weight::Plain => "plain",
        Weight::Strong => "strong",
        Weight::Money => "money",
        Weight::Loss => "loss",
    };
    let class = if last.after_end { format!("step {weight} after") } else { format!("step {weight}") };
    let same_name = step.moments.iter().all(|moment| moment.name == last.name);
    let count = (times > 1 && same_name && !is_scroll(&last.name))
        .then(|| view! { <span class="times">{format!("× {times}")}</span> });
    let quote = quote.map(|quote| view! { " "<q>{text::value(&quote)}</q> });
    let rest = rest.map(|rest| view! { " · "<strong class="amount"><bdi>{rest}</bdi></strong> });
    let moments: Vec<_> = step.moments.iter().map(|moment| part(moment, start)).collect();
    view! {
        <li class=class>
            <span class="dot">{icon(drawing)}</span>
            <details id=format!("event-{}", text::line(&step.moments[0].event_id))>
                <summary>
                    <span class="says">{says}{quote}{rest}{count}</span>
                    {offset(step.at(), start)}
                </summary>
                <div class="parts">{moments}</div>
            </details>
        </li>
    }
    .into_any()
}

/// Time from the start; the date is in its title.
fn offset(at: i64, start: i64) -> impl IntoView + use<> {
    let ms = at.saturating_sub(start);
    view! { <time datetime=format::iso(at) title=format::date_time(at)>{format::offset(ms)}</time> }
}

/// One event with everything that is known of it.
fn part(moment: &Moment, start: i64) -> impl IntoView + use<> {
    let who = match moment.source.as_str() {
        "browser" => "said by the browser",
        "key" => "said by somebody with a key",
        "server" => "said by the server",
        _ => "",
    };
    let page = moment.page_url.as_deref().map(|url| view! { <p class="page">{text::address(url)}</p> });
    let json = (!moment.properties.is_empty())
        .then(|| view! { <pre tabindex="0" aria-label="Properties as JSON">{text::block(&moment.properties)}</pre> });
    view! {
        <div class="part">
            <p class="named">
                <code>{text::value(&moment.name)}</code>
                <span class="soft">{who}</span>
                {offset(moment.at, start)}
            </p>
            {page}
            {json}
        </div>
    }
}
