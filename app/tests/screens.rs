//! What every screen promises, tried on every screen in every state, texts that want to break the page among them.
#![cfg(feature = "ssr")]
#![allow(clippy::unwrap_used)] // a test may fail loudly

#[path = "../examples/screens/fixtures.rs"]
mod fixtures;

use fixtures::screens;

/// Every tag as a browser reads it, and all text between the tags. A `<` inside of a quoted value opens nothing.
fn read(html: &str) -> (Vec<String>, String) {
    let (mut tags, mut text, mut quoted, mut inside) = (Vec::<String>::new(), String::new(), false, false);
    for c in html.chars() {
        match c {
            '<' if !inside => {
                inside = true;
                tags.push(String::new());
            }
            '>' if inside && !quoted => inside = false,
            c if inside => {
                quoted ^= c == '"';
                tags.last_mut().unwrap().push(c);
            }
            c => text.push(c),
        }
    }
    assert!(!inside && !quoted);
    (tags, text)
}

fn screen(name: &str) -> String {
    let (_, draw) = screens().into_iter().find(|(other, _)| *other == name).unwrap();
    draw()
}

#[test]
fn nothing_from_outside_becomes_markup() {
    for (name, draw) in screens() {
        let html = draw();
        assert!(!html.contains(['\0', '\u{1b}', '\u{7f}', '\u{85}']), "{name}");
        for tag in read(&html).0 {
            let ours = !tag.starts_with("script") || tag == "script src=\"/aurea.js\" defer";
            assert!(ours && !tag.starts_with("img"), "{name}: {tag}");
            assert!(!tag.contains("href=\"javascript:"), "{name}");
        }
    }
}

#[test]
fn no_screen_needs_more_than_a_policy_of_self() {
    for (name, draw) in screens() {
        for tag in read(&draw()).0 {
            for outside_of_values in tag.split('"').step_by(2) {
                let inline = outside_of_values.contains(" style=") || outside_of_values.contains(" on");
                assert!(!inline && !tag.starts_with("style"), "{name}: {tag}");
            }
        }
    }
}

#[test]
fn every_screen_is_one_document_with_its_landmarks() {
    for (name, draw) in screens() {
        let html = draw();
        assert!(html.starts_with("<!DOCTYPE html><html lang=\"en\">"), "{name}");
        assert_eq!(html.split("</head>").next().unwrap().matches("<title>").count(), 1, "{name}");
        for once in ["<h1", "<main", "class=\"skip\"", "name=\"robots\" content=\"noindex\""] {
            assert_eq!(html.matches(once).count(), 1, "{name}: {once}");
        }
        assert!(name.starts_with("login") || html.contains("action=\"/aurea/logout\""), "{name}");
        assert!(name.starts_with("login") || html.contains("aria-current=\"page\""), "{name}");
    }
}

#[test]
fn every_table_names_its_rows_and_columns() {
    for (name, draw) in screens() {
        let html = draw();
        assert_eq!(html.matches("<table").count(), html.matches("<caption").count(), "{name}");
        for tag in read(&html).0.into_iter().filter(|tag| tag == "th" || tag.starts_with("th ")) {
            assert!(tag.contains("scope=\"col\"") || tag.contains("scope=\"row\""), "{name}: {tag}");
        }
    }
}

#[test]
fn long_values_are_cut_where_they_are_listed() {
    let (_, text) = read(&screen("sessions-hostile"));
    assert!(text.len() < 20_000, "{}", text.len());
}

#[test]
fn empty_screens_say_what_to_do_next() {
    for name in ["funnels-empty", "funnel-empty", "sessions-empty"] {
        let html = screen(name);
        assert!(html.contains("another window") && html.contains("ttr demo"), "{name}");
    }
    assert!(screen("sessions-none").contains("Remove all filters"));
    assert!(screen("funnel-unsold").contains("No conversion in 30 days"));
    assert!(screen("sessions-fault").contains("role=\"alert\""));
}

#[test]
fn the_trip_to_the_checkout_is_part_of_the_line() {
    assert!(screen("session-converted").contains("At the checkout · 2 min 29 s"));
    assert!(screen("session-converted").contains("After the end of the session"));
    assert!(screen("session-checkout").contains("At the checkout since 3 min"));
    assert!(screen("session-abandoned").contains("Did not finish the checkout"));
    assert!(screen("session-converted").contains("12 min later"));
}

#[test]
fn only_an_open_timeline_loads_the_script() {
    for (name, draw) in screens() {
        let html = draw();
        assert_eq!(html.contains("<script"), name.starts_with("session-"), "{name}");
        assert_eq!(html.contains("data-live="), name.starts_with("session-"), "{name}");
    }
    let live =
        "<main id=\"live\" data-live=\"/aurea/funnels/ttr/sessions/1703001000000_xyz7k3j9x2q7w1e5/live\"";
    assert!(screen("session-checkout").contains(live));
}

#[test]
fn what_waits_can_be_sent_now() {
    let html = screen("funnel-waiting");
    assert!(html.contains("action=\"/aurea/forward\"") && html.contains("1,204 requests wait"));
    assert!(html.contains("Payments without a session"));
    assert!(!screen("funnel").contains("/aurea/forward"));
}

#[test]
fn refused_deliveries_are_said_where_one_begins() {
    for name in ["funnels-refused", "funnel-refused"] {
        let html = screen(name);
        assert!(
            html.contains("role=\"alert\"") && html.contains("Deliveries of <bdi>Whop</bdi> are refused"),
            "{name}"
        );
        assert!(html.contains("7 in a row") && html.contains("3 deliveries are kept"), "{name}");
    }
    assert!(!screen("funnel").contains("refused"));
}

#[test]
fn what_was_given_up_is_listed_with_its_reason_and_a_destination_that_is_named_no_more_has_no_button() {
    let html = screen("funnel-waiting");
    let (_, text) = read(&html);
    assert!(text.contains("checkout_completed, session_end") && text.contains("it answered 422"), "{text}");
    assert!(html.contains("/aurea/funnels/ttr/sessions/1703001000000_xyz7k3j9x2q7w1e5"));
    assert!(text.contains("These are the newest"), "two of three are listed");
    assert!(text.contains("name this destination no more") && text.contains("owner.example: nothing waits"));
    assert_eq!(html.matches("action=\"/aurea/forward\"").count(), 1);
}

#[test]
fn deliveries_that_count_for_nothing_are_told_apart_and_say_what_to_do() {
    let html = screen("payments-uncounted");
    let (_, text) = read(&html);
    let of = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}"));
    let [title, unreadable, foreign] =
        ["Deliveries that count for nothing", "They have another form", "Of another account"].map(of);
    assert!(
        title < unreadable && unreadable < of("missing field `id`") && of("missing field `id`") < foreign
    );
    assert!(foreign < of("biz_9sQx2") && text.contains("WHOP_COMPANY_ID") && text.contains("No type"));
    assert_eq!(html.matches("Body of the delivery").count(), 4);
    assert!(html.contains("card warn unattributed"), "one that can't be read is new");
    for name in ["payments", "payments-empty", "payments-fault"] {
        assert!(!screen(name).contains("count for nothing"), "{name}");
    }
}

#[test]
fn a_filter_stays_in_the_address_and_each_part_can_be_taken_away() {
    let html = screen("sessions-filtered");
    let without_source = "?converted=true&amp;event=faq_opened&amp;from=2026-11-01&amp;anonymousId=1703001000000_k3j9x2q7w1e5r8t4\"";
    assert!(html.contains(without_source));
    assert!(html.contains("&amp;cursor=MTcwMzAwMTAwMDAwMA%3D%3D\""));
}
