//! Where the owner comes in.

use leptos::prelude::*;

use super::frame::{Place, document};
use super::model::Frame;
use super::text;

/// The form that takes the owner's token. `next` is where the owner wanted to go; `fault` is why the last try failed.
pub fn login(frame: &Frame, next: &str, fault: Option<&str>) -> String {
    let is_wrong = fault.map(|_| "true");
    let fault =
        fault.map(|fault| view! { <p class="fault" id="fault" role="alert">{text::cut(fault, 300)}</p> });
    let content = view! {
        <form class="card login" method="post" action="/aurea/login">
            <h1>"Log in"</h1>
            <p class="soft" id="where">
                "The link to log in with was printed where "<code>"ttr"</code>" was first started. "
                <code>"ttr login"</code>" ("<code>"make login"</code>" in a checkout) prints a new one."
            </p>
            {fault}
            <input type="hidden" name="next" value=text::line(next)/>
            <label for="token">"Token"</label>
            <input
                id="token"
                name="token"
                type="password"
                autocomplete="current-password"
                required=true
                autofocus=true
                aria-describedby=if is_wrong.is_some() { "fault where" } else { "where" }
                aria-invalid=is_wrong
            />
            <button class="button" type="submit">"Log in"</button>
        </form>
    };
    let place = Place { outside: true, ..Place::new("Log in", []) };
    document(frame, place, content.into_any())
}
