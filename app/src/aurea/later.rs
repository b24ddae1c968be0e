//! Refunds and disputes in words.

use leptos::prelude::*;

use super::model::{Later, LaterItem};
use super::text;

/// What it is.
pub(super) fn later_name(what: Later) -> &'static str {
    match what {
        Later::Refund => "Refund",
        Later::Refunds => "Refunded so far",
        Later::Dispute => "Dispute",
    }
}

/// How it stands.
pub(super) fn later_state(state: &str) -> AnyView {
    match state {
        "pending" => "pending",
        "succeeded" => "succeeded",
        "failed" => "failed",
        "warning" => "the bank asks",
        "open" => "open",
        "won" => "won",
        "lost" => "lost",
        other => return text::value(other),
    }
    .into_any()
}

/// What it means for the money; nothing where the word says it.
pub(super) fn later_means(item: &LaterItem) -> Option<&'static str> {
    Some(match (item.what, item.state.as_str()) {
        (Later::Refund, "pending") => "It counts once the money has gone back.",
        (Later::Refund, "failed") => "The money did not go back.",
        (Later::Dispute, "warning") => "No money is withheld. Answer it at the provider.",
        (Later::Dispute, "open") => "The money is withheld. Answer it at the provider.",
        (Later::Dispute, "won") => "The money is yours again.",
        _ => return None,
    })
}

/// Whether money is gone by it.
pub(super) fn takes(item: &LaterItem) -> bool {
    matches!(
        (item.what, item.state.as_str()),
        (Later::Refund | Later::Refunds, "succeeded") | (Later::Dispute, "open" | "lost")
    )
}
