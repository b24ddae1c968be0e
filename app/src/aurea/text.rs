//! Text from outside, made fit to be shown: control characters become visible, long texts are cut, direction is kept
//! inside. What is trusted needs none of this.

use leptos::prelude::*;

/// Characters of a value that are shown; the rest is behind a click or in the title.
const SHOWN: usize = 200;
/// Characters of a value that a title carries.
const TITLE: usize = 1000;

/// On one line: every control character is U+FFFD, line ends are spaces.
pub(super) fn line(text: &str) -> String {
    text.chars().map(visible).map(|c| if c == '\n' || c == '\t' { ' ' } else { c }).collect()
}

/// Control characters are U+FFFD, line ends and tabs stay.
pub(super) fn block(text: &str) -> String {
    text.chars().map(visible).collect()
}

fn visible(c: char) -> char {
    if c.is_control() && c != '\n' && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }
}

/// The first `most` characters on one line, with `…` if there were more.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => line(&text[..end]) + "…",
        None => line(text),
    }
}

/// Whether [`value`] does not show all of it.
fn is_long(text: &str) -> bool {
    text.chars().nth(SHOWN).is_some()
}

/// A value that is shown in a line; what is too long goes on in its title.
pub(super) fn value(text: &str) -> AnyView {
    let title = is_long(text).then(|| cut(text, TITLE));
    view! { <bdi class="value" title=title>{filled(cut(text, SHOWN))}</bdi> }.into_any()
}

/// An address: a link only if a browser may follow it without harm.
pub(super) fn address(url: &str) -> AnyView {
    if is_web(url) {
        let title = is_long(url).then(|| cut(url, TITLE));
        let shown = cut(url, SHOWN);
        view! { <a class="value" href=url.to_owned() title=title rel="noreferrer noopener"><bdi>{shown}</bdi></a> }
            .into_any()
    } else {
        value(url)
    }
}

fn is_web(url: &str) -> bool {
    let starts =
        |scheme: &str| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    (starts("http://") || starts("https://")) && !url.contains(char::is_control)
}

/// An id in short: the part by chance, without the time before it.
pub(super) fn short_id(id: &str) -> String {
    let by_chance = id.split_once('_').map_or(id, |(_, by_chance)| by_chance);
    let by_chance = if by_chance.is_empty() { id } else { by_chance };
    match by_chance.char_indices().nth(10) {
        Some((end, _)) => line(&by_chance[..end]),
        None => line(by_chance),
    }
}

fn filled(text: String) -> String {
    if text.trim().is_empty() { "(empty)".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(line("a\0b\u{1b}[0m\nc"), "a\u{fffd}b\u{fffd}[0m c");
        assert_eq!(block("a\0\n\tb"), "a\u{fffd}\n\tb");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("żółw", 3), "żół…");
        assert_eq!(cut("żółw", 4), "żółw");
    }

    #[test]
    fn only_web_addresses_become_links() {
        for good in ["https://a.example/?q=1#x", "HTTP://A"] {
            assert!(address(good).to_html().starts_with("<a "), "{good}");
        }
        for bad in [
            "javascript:alert(1)",
            " https://a",
            "data:text/html,x",
            "//a",
            "https:/",
            "",
            "http://a\0",
            "é://",
        ] {
            assert!(!address(bad).to_html().contains("href"), "{bad}");
        }
    }

    #[test]
    fn ids_are_shortened_to_what_tells_them_apart() {
        assert_eq!(short_id("1703001000000_k3j9x2q7w1e5r8t4"), "k3j9x2q7w1");
        assert_eq!(short_id("visitor-7"), "visitor-7");
        assert_eq!(short_id("odd_"), "odd_");
    }
}
