//! The drawings: 16 by 16, one stroke, in the colour of the text around them.

use leptos::prelude::*;

/// What a drawing shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Icon {
    Page,
    Scroll,
    Video,
    Question,
    Press,
    Section,
    Outbound,
    Gauge,
    Buy,
    Checkout,
    Return,
    Paid,
    Failed,
    Refund,
    Dispute,
    Renewal,
    Leave,
    Closed,
    Custom,
}

/// The drawing, without a meaning of its own: the words beside it say it.
pub(super) fn icon(icon: Icon) -> impl IntoView + use<> {
    view! {
        <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
            <path d=path(icon)></path>
        </svg>
    }
}

fn path(icon: Icon) -> &'static str {
    match icon {
        Icon::Page => "M4 2h5l3 3v9H4zM9 2v3h3M6 8h4M6 11h4",
        Icon::Scroll => "M8 2v11M4.5 9.5L8 13l3.5-3.5",
        Icon::Video => "M5 3l8 5-8 5z",
        Icon::Question => "M5.5 6a2.5 2.5 0 1 1 3.6 2.2C8.3 8.6 8 9 8 10M8 13v.2",
        Icon::Press => "M4 3l8.5 4.5-3.7 1.2L7.5 12.5zM9.5 9.5l3 3.5",
        Icon::Section => "M2.5 3h11v4h-11zM2.5 10h11M2.5 13h7",
        Icon::Outbound => "M6 4H3v9h9v-3M9 3h4v4M13 3L7 9",
        Icon::Gauge => "M2.5 12a5.5 5.5 0 1 1 11 0M8 12l2.5-4",
        Icon::Buy => "M3.5 5.5h9l-.8 8h-7.4zM5.8 7.5v-3a2.2 2.2 0 0 1 4.4 0v3",
        Icon::Checkout => "M2 4h12v8.5H2zM2 7h12M4.5 10h3",
        Icon::Return => "M13 12V9.5a3 3 0 0 0-3-3H3M6 3.5l-3 3 3 3",
        Icon::Paid => "M3.5 8.5l3 3 6-7",
        Icon::Failed => "M4 4l8 8M12 4l-8 8",
        Icon::Refund => "M3 8a5 5 0 1 1 1.6 3.7M3 4v4h4",
        Icon::Dispute => "M4 14V2.5h8l-2 3 2 3H4",
        Icon::Renewal => "M13 7A5 5 0 0 0 4 5M3 3v3h3M3 9a5 5 0 0 0 9 2M13 13v-3h-3",
        Icon::Leave => "M9 2.5H3.5v11H9M7 8h6.5M11 5.5L13.5 8 11 10.5",
        Icon::Closed => "M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 1 1 0-11M5.7 8.2l1.7 1.7 3-3.6",
        Icon::Custom => "M8 3l5 5-5 5-5-5z",
    }
}
