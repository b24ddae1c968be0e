//! Tells programs from people by the user agent. Programs are kept apart and explained, not counted.
//!
//! In development everything counts: a developer's automated browser is the visitor.

use axum::http::{HeaderMap, header};

/// What an automated browser calls itself.
const AUTOMATED: &str = "HeadlessChrome";

/// Why the sender is taken for a program, in words for the owner; `None` for a browser that a person may sit at.
pub(super) fn bot(headers: &HeaderMap) -> Option<String> {
    let user_agent =
        headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if user_agent.is_empty() {
        return Some("names no browser".to_owned());
    }
    if user_agent.contains(AUTOMATED) {
        return Some("an automated browser".to_owned());
    }
    iscrawl::crawler_info(user_agent).map(|known| known.description.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(user_agent: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, user_agent.parse().unwrap());
        bot(&headers)
    }

    #[test]
    fn crawlers_and_automated_browsers_are_programs() {
        for user_agent in [
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/131.0.0.0 Safari/537.36",
            "curl/8.5.0",
            "",
        ] {
            assert!(named(user_agent).is_some(), "{user_agent}");
        }
        assert!(bot(&HeaderMap::new()).is_some());
    }

    #[test]
    fn browsers_are_people() {
        for user_agent in [
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 350.0.0.0",
            "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36",
        ] {
            assert_eq!(named(user_agent), None, "{user_agent}");
        }
    }
}
