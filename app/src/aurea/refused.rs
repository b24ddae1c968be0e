//! What the owner must know at once: a provider's deliveries are refused, so that no payment arrives.

use leptos::prelude::*;

use super::model::{Frame, Refused};
use super::{format, money, table, text};

/// A card for each provider that is refused; nothing when all is well.
pub(super) fn refused(frame: &Frame) -> impl IntoView + use<> {
    frame.refused.iter().map(|refused| card(refused, frame.now)).collect::<Vec<_>>()
}

fn card(refused: &Refused, now: i64) -> impl IntoView + use<> {
    let Refused { provider, in_a_row, since, why, kept } = refused;
    let since = since.map(|at| view! { ", the first "{table::time(now, at)} });
    let kept = (*kept > 0).then(|| {
        let kept = format::counted(*kept, "delivery is kept", "deliveries are kept");
        view! { <p>{kept}", and recorded as soon as the secret fits."</p> }
    });
    view! {
        <section class="card warn" role="alert">
            <div>
                <h2>"Deliveries of "<bdi>{money::provider(provider)}</bdi>" are refused"</h2>
                <p>{format!("{} in a row", format::count(*in_a_row))}{since}": "<bdi>{text::cut(why, 200)}</bdi>"."</p>
                <p>
                    "While this lasts no payment arrives. Set the webhook's secret to the one that the provider shows, and restart; "
                    <code>"ttr doctor"</code>" says more. If the secret is right, somebody else is trying."
                </p>
                {kept}
            </div>
        </section>
    }
}
