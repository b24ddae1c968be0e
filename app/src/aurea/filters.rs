//! What lists are asked for: the fields of the form, the chips of what is asked, and the pages.

use leptos::prelude::*;

use super::text;

/// Something that is asked for, and where the list is without it.
pub(super) struct Chip {
    /// What its field is called.
    pub(super) label: &'static str,
    /// Its value, fit to be shown.
    pub(super) shown: String,
    /// The list without it.
    pub(super) path: String,
}

/// One of a few.
pub(super) fn select(
    name: &'static str,
    label: &'static str,
    chosen: &str,
    options: &[(&str, &str)],
) -> impl IntoView + use<> {
    let options: Vec<_> = (options.iter())
        .map(|(value, label)| ((*value).to_owned(), (*label).to_owned()))
        .map(|(value, label)| {
            let selected = value == chosen;
            view! { <option value=value selected=selected>{label}</option> }
        })
        .collect();
    view! { <label>{label}<select name=name>{options}</select></label> }
}

/// A text, with some to choose from.
pub(super) fn listed(
    name: &'static str,
    label: &'static str,
    value: &str,
    choices: Vec<String>,
) -> impl IntoView + use<> {
    let id = format!("{name}s");
    let choices: Vec<_> =
        choices.into_iter().map(|choice| view! { <option value=choice></option> }).collect();
    view! {
        <label>
            {label}
            <input type="text" name=name value=text::line(value) list=id.clone() placeholder="Any" autocomplete="off"/>
        </label>
        <datalist id=id>{choices}</datalist>
    }
}

/// A day. What else was asked for can't stand in its field, and is said beside the list.
pub(super) fn date(name: &'static str, label: &'static str, value: &str) -> impl IntoView + use<> {
    let day = value.len() == 10 && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    view! { <label>{label}<input type="date" name=name value=day.then(|| value.to_owned())/></label> }
}

/// What is asked for, each a link that takes it away; `all` is the list without any of it.
pub(super) fn chips(chips: Vec<Chip>, all: String) -> Option<impl IntoView + use<>> {
    let clear = (chips.len() > 1).then(|| view! { <li><a class="all" href=all>"Remove all"</a></li> });
    let chips: Vec<_> = chips.into_iter().map(chip).collect();
    (!chips.is_empty()).then(|| view! { <ul class="chips" aria-label="Active filters">{chips}{clear}</ul> })
}

fn chip(Chip { label, shown, path }: Chip) -> impl IntoView {
    view! {
        <li>
            <a class="chip" href=path>
                <span class="unseen">"Remove filter "</span>
                <span class="soft">{label}</span><bdi>{shown}</bdi><span class="cross" aria-hidden="true">"×"</span>
            </a>
        </li>
    }
}

/// The ways to the first and to the next page, where there are any.
pub(super) fn paging(first: Option<String>, next: Option<String>) -> Option<impl IntoView + use<>> {
    let any = first.is_some() || next.is_some();
    let next = next.map(|path| view! { <a class="button quiet" rel="next" href=path>"Next page"</a> });
    let first = first.map(|path| view! { <a class="button quiet" href=path>"First page"</a> });
    any.then(|| view! { <nav class="paging" aria-label="Pages">{first}{next}</nav> })
}
