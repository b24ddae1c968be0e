//! Screens that say why there is no screen.

use leptos::prelude::*;

use super::frame::{Place, document};
use super::model::Frame;
use super::{paths, text};

/// Nothing is at this address; `what` names the thing that was looked for, such as `session`.
pub fn not_found(frame: &Frame, what: &str) -> String {
    let what = text::cut(what, 60);
    let content = view! {
        <div class="empty alone">
            <h1>"There is no such "<bdi>{what}</bdi></h1>
            <p>"Nothing is known of it, or the address is not complete."</p>
            <p><a class="button" href=paths::FUNNELS>"All funnels"</a></p>
        </div>
    };
    document(frame, Place::new("Not found", [("Funnels", paths::FUNNELS.to_owned())]), content.into_any())
}

/// The question could not be answered; `message` says why.
pub fn failed(frame: &Frame, message: &str) -> String {
    let message = text::cut(message, 600);
    let content = view! {
        <div class="empty alone" role="alert">
            <h1>"This can't be shown right now"</h1>
            <p><bdi>{message}</bdi></p>
            <p>"Nothing is lost. Try again in a moment; "<code>"ttr doctor"</code>" says what is wrong."</p>
            <p><a class="button" href="">"Try again"</a></p>
        </div>
    };
    document(frame, Place::new("Not available", [("Funnels", paths::FUNNELS.to_owned())]), content.into_any())
}
