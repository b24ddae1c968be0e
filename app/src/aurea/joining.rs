//! Whose a payment was: its session, or the form by which the owner says so.

use leptos::prelude::*;

use super::model::{Candidate, PaymentPage, SessionItem, Touch};
use super::{format, paths, table, text};

/// The card of the session.
pub(super) fn session(page: &PaymentPage, now: i64) -> AnyView {
    match (&page.session, &page.item.session_id) {
        (Some((item, touch)), _) => known(page, item, touch, now),
        (None, Some(id)) => named(page, id),
        (None, None) if page.item.renewal => of_renewal(page),
        (None, None) => form(page, now),
    }
}

/// Who said whose it is, if that was the owner.
fn by_hand(page: &PaymentPage, now: i64) -> Option<impl IntoView + use<>> {
    page.item.joined_at.map(|at| {
        view! {
            <p class="soft by-hand">
                "Joined by hand "{table::time(now, at)}": the payment came without the ids of the checkout."
            </p>
        }
    })
}

fn known(page: &PaymentPage, item: &SessionItem, touch: &Touch, now: i64) -> AnyView {
    let path = paths::session(&page.funnel, &item.session_id);
    let fact = |label: &'static str, value: &Option<String>| {
        value.as_deref().map(|value| view! { <div><dt>{label}</dt><dd>{text::value(value)}</dd></div> })
    };
    view! {
        <section class="card" aria-labelledby="session">
            <div class="head">
                <h2 id="session">"Session"</h2>
                {table::badge(item)}
                <a class="all" href=path.clone()>"Timeline"</a>
            </div>
            {refusal(page)}
            <dl class="facts plain">
                <div>
                    <dt>"Session"</dt>
                    <dd><a href=path><bdi class="id">{text::short_id(&item.session_id)}</bdi></a></dd>
                </div>
                <div><dt>"Visitor"</dt><dd>{table::visitor(item.anonymous_id.as_deref())}</dd></div>
                <div><dt>"Began"</dt><dd>{table::time(now, item.started_at)}</dd></div>
                <div><dt>"Source"</dt><dd>{table::source(touch.source.as_deref(), None)}</dd></div>
                {fact("Medium", &touch.medium)}
                {fact("Campaign", &touch.campaign)}
                {fact("Click id", &touch.click_id)}
            </dl>
            {by_hand(page, now)}
        </section>
    }
    .into_any()
}

/// The session that is named is not here.
fn named(page: &PaymentPage, id: &str) -> AnyView {
    view! {
        <section class="card" aria-labelledby="session">
            <h2 id="session">"Session"</h2>
            {refusal(page)}
            <p class="soft">
                "The payment names the session "<bdi class="id">{text::cut(id, 80)}</bdi>", of which nothing else is known here."
            </p>
        </section>
    }
    .into_any()
}

fn of_renewal(page: &PaymentPage) -> AnyView {
    view! {
        <section class="card" aria-labelledby="session">
            <h2 id="session">"Session"</h2>
            {refusal(page)}
            <p class="soft">
                "No session is known. No visit earns a renewal: it belongs to the session of its subscription's first payment,
                and is found there as soon as that one has a session."
            </p>
        </section>
    }
    .into_any()
}

/// Why what was asked for by hand was refused, where there is no field to say it at.
fn refusal(page: &PaymentPage) -> Option<impl IntoView + use<>> {
    page.refused.as_ref().map(|(_, why)| view! { <p class="fault" role="alert">{text::value(why)}</p> })
}

fn form(page: &PaymentPage, now: i64) -> AnyView {
    let item = &page.item;
    let action = format!("{}/join", paths::payment(&page.funnel, &item.provider, &item.payment_id));
    let candidates: Vec<_> = page.candidates.iter().map(|candidate| choice(page, candidate, now)).collect();
    let none = candidates.is_empty().then(|| {
        view! {
            <p class="soft">
                "In the 24 h before it no session went to the checkout that has not converted. If you know the session,
                type its id."
            </p>
        }
    });
    let choices = (!candidates.is_empty()).then(|| {
        view! {
            <fieldset class="choices">
                <legend>"Sessions that went to the checkout in the 24 h before and have not converted"</legend>
                <ul>{candidates}</ul>
            </fieldset>
        }
    });
    let (typed, fault) = page.refused.clone().unzip();
    let fault = fault.map(|why| {
        view! { <p class="fault" id="session-fault" role="alert">{text::value(&why)}</p> }
    });
    let described = fault.is_some().then_some("session-fault");
    view! {
        <section class="card warn joining" aria-labelledby="session">
            <div>
                <h2 id="session">"Which session was it?"</h2>
                <p>
                    "This payment came without the ids that the checkout carries, so that no visit is known to have earned
                    it. If you know which one it was, say so: the session converts, and the money counts to its source.
                    This can't be undone."
                </p>
                {none}
                <form method="post" action=action>
                    {choices}
                    <label class="typed">
                        {if page.candidates.is_empty() { "Session id" } else { "Or another session, by its id" }}
                        <input
                            type="text" name="sessionId" autocomplete="off" spellcheck="false" maxlength="64"
                            value=typed.map(|typed| text::cut(&typed, 64))
                            aria-invalid=described.is_some().then_some("true") aria-describedby=described
                        />
                    </label>
                    {fault}
                    <button class="button" type="submit">"Join to this session"</button>
                </form>
            </div>
        </section>
    }
    .into_any()
}

fn choice(page: &PaymentPage, candidate: &Candidate, now: i64) -> impl IntoView + use<> {
    let item = &candidate.item;
    let before = format::duration(page.item.paid_at.saturating_sub(candidate.checkout_at) / 1000);
    let path = paths::session(&page.funnel, &item.session_id);
    let label = format!("Timeline of {}", text::short_id(&item.session_id));
    view! {
        <li>
            <label>
                <input type="radio" name="candidate" value=text::line(&item.session_id)/>
                <span class="who">
                    <bdi class="id">{text::short_id(&item.session_id)}</bdi>
                    <span>{table::source(item.source.as_deref(), item.campaign.as_deref())}</span>
                </span>
                <span class="soft">{before}" before · "{table::time(now, candidate.checkout_at)}</span>
            </label>
            <a href=path aria-label=label>"Timeline"</a>
        </li>
    }
}
