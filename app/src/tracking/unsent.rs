//! Events that the server has not answered for, as the browser's storage keeps them: they outlive their page, and the next
//! page of this browser sends them (`aurea_unsent`; one event as JSON in a line, the oldest first).
//!
//! Promises: an event leaves the store when it was answered for, never when it was merely sent, so that nothing is lost
//! and some things are sent twice, which the server counts once by their ids. Several tabs may share the store. At most
//! 200 events, 60 KiB and 24 h are kept; after that the oldest are dropped, since the visit that goes on is the one that
//! may still buy. boot.js adds lines by itself.

/// Most events that are kept.
pub const MOST_EVENTS: usize = 200;
/// Most bytes that are kept.
pub const MOST_BYTES: usize = 60 * 1024;
/// How long an event is worth sending, ms.
pub const KEPT_MS: u64 = 24 * 60 * 60 * 1000;

/// The events in a store, oldest first. What they say must still be looked at: anybody can write to the storage.
pub fn events(stored: &str) -> impl Iterator<Item = &str> {
    stored.split('\n').filter(|line| !line.is_empty())
}

/// The store with these events in it as well, each once.
pub fn keep(stored: &str, more: &[String]) -> String {
    let mut kept: Vec<&str> = events(stored).collect();
    for event in more {
        if !kept.contains(&event.as_str()) {
            kept.push(event);
        }
    }
    let mut bytes = 0;
    let newest = (kept.iter().rev().take(MOST_EVENTS))
        .take_while(|event| {
            bytes += event.len() + 1;
            bytes <= MOST_BYTES
        })
        .count();
    kept.split_off(kept.len() - newest).join("\n")
}

/// The store without these events: the server has answered for them.
pub fn without(stored: &str, answered: &[String]) -> String {
    let left: Vec<&str> = events(stored).filter(|event| !answered.iter().any(|it| it == event)).collect();
    left.join("\n")
}

/// Whether an event of `timestamp` is still worth sending at `now`.
pub fn is_worth_sending(timestamp: u64, now: u64) -> bool {
    now.saturating_sub(timestamp) < KEPT_MS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbered(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|n| format!("{{\"n\":{n}}}")).collect()
    }

    #[test]
    fn an_event_is_kept_until_it_is_answered_for() {
        let stored = keep("", &numbered(0..3));
        assert_eq!(events(&stored).count(), 3);
        let stored = without(&stored, &numbered(0..2));
        assert_eq!(stored, "{\"n\":2}");
        assert_eq!(without(&stored, &numbered(2..3)), "");
    }

    #[test]
    fn what_two_tabs_keep_is_kept_once() {
        let stored = keep(&keep("", &numbered(0..3)), &numbered(1..4));
        assert_eq!(events(&stored).collect::<Vec<_>>(), numbered(0..4));
    }

    #[test]
    fn lines_of_the_boot_script_are_read() {
        assert_eq!(events("\n{\"n\":0}\n{\"n\":1}").collect::<Vec<_>>(), numbered(0..2));
    }

    #[test]
    fn the_oldest_of_too_many_are_dropped() {
        let stored = keep(&keep("", &numbered(0..150)), &numbered(150..300));
        assert_eq!(events(&stored).collect::<Vec<_>>(), numbered(100..300));
        let big: Vec<String> = (0..100).map(|n| format!("{n:01023}")).collect();
        let stored = keep("", &big);
        assert_eq!(events(&stored).collect::<Vec<_>>(), big[40..]);
        assert!(stored.len() <= MOST_BYTES);
    }

    #[test]
    fn a_day_is_too_late() {
        assert!(is_worth_sending(1000, 1000 + KEPT_MS - 1));
        assert!(!is_worth_sending(1000, 1000 + KEPT_MS));
        assert!(is_worth_sending(2000, 1000), "a clock that was set back");
    }

    proptest! {
        #[test]
        fn no_text_in_storage_breaks_anything(stored: String, n in 0usize..9) {
            let more = numbered(0..n);
            let kept = keep(&stored, &more);
            prop_assert!(kept.len() <= MOST_BYTES);
            prop_assert_eq!(without(&without(&kept, &more), &more), without(&kept, &more));
        }
    }
}
