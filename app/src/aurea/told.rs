//! What goes out: where each destination stands, and what was given up for now.

use leptos::prelude::*;

use super::model::{Forwarding, ParkedItem};
use super::{format, paths, table, text};

/// A card for each destination; a quiet line for one for which nothing waits.
pub(super) fn cards(all: &[Forwarding], funnel: &str, now: i64) -> Vec<AnyView> {
    all.iter().enumerate().map(|(at, forwarding)| card(at, forwarding, funnel, now)).collect()
}

fn card(at: usize, forwarding: &Forwarding, funnel: &str, now: i64) -> AnyView {
    let Forwarding { host, waiting, parked, oldest_at, last_error, .. } = forwarding;
    let name = text::value(host.as_ref().unwrap_or(&forwarding.destination));
    if *waiting == 0 && *parked == 0 {
        return view! { <p class="hint calm">"Forwarded to "{name}": nothing waits."</p> }.into_any();
    }
    let title = format!("forwarding-{at}");
    let oldest = oldest_at.map(|at| view! { ", the oldest since "{table::time(now, at)} });
    let error = last_error.as_deref().map(|error| view! { <p>"Last answer: "{text::value(error)}</p> });
    let unnamed = host.is_none().then(|| {
        view! { <p>"The settings name this destination no more. What waits is kept; name it again, and it goes out."</p> }
    });
    let send = host.is_some().then(|| {
        view! {
            <form method="post" action="/aurea/forward">
                <input type="hidden" name="next" value=paths::funnel(funnel)/>
                <button class="button" type="submit">{if *parked > 0 { "Send again" } else { "Send now" }}</button>
            </form>
        }
    });
    view! {
        <section class="card warn" aria-labelledby=title.clone()>
            <div>
                <h2 id=title.clone()>"Forwarding to "{name}</h2>
                <p>{format::counted(*waiting, "request waits", "requests wait")}{oldest}". Nothing is lost."</p>
                {unnamed}
                {error}
                {given_up(at, forwarding, now)}
            </div>
            {send}
        </section>
    }
    .into_any()
}

fn given_up(at: usize, forwarding: &Forwarding, now: i64) -> Option<impl IntoView + use<>> {
    let Forwarding { parked, given_up, .. } = forwarding;
    (*parked > 0).then(|| {
        let count = format::counted(*parked, "request was", "requests were");
        let items: Vec<_> = given_up.iter().map(|item| parked_row(item, now)).collect();
        let listed = given_up.len() as u64;
        let more = (*parked > listed && listed > 0)
            .then(|| view! { <p class="soft">"These are the newest; there are older ones."</p> });
        let list = (listed > 0).then(|| {
            view! {
                <details id=format!("given-up-{at}")>
                    <summary>"Which, and why"</summary>
                    <ul class="deliveries">{items}</ul>
                    {more}
                </details>
            }
        });
        view! {
            <p>{count}" given up for now, because the other side refused. Mend the cause, then send again."</p>
            {list}
        }
    })
}

fn parked_row(item: &ParkedItem, now: i64) -> impl IntoView + use<> {
    let names = text::value(&item.events.join(", "));
    let session = item.session_id.as_deref().map(|id| {
        view! { " of "<a href=paths::session(&item.funnel, id)><bdi>{text::short_id(id)}</bdi></a> }
    });
    view! {
        <li>
            <span>{names}{session}</span>
            <span class="soft">{text::value(&item.why)}</span>
            <span class="soft">"since "{table::time(now, item.written_at)}</span>
        </li>
    }
}
