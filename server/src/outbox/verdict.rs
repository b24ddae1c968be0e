//! What an answer means for the row that it answers: a pure function of status, headers and body.
//!
//! Nothing is ever given up because of an answer. What will fail again as it is (400, 413, 422) is halved until the one bad
//! event stands alone, and that one is parked; what is wrong with the destination (401, 404, a redirect, …) stops all
//! sending but for a try now and then; everything else is tried again. A firewall that reads along answers 403 to one body and
//! takes the next: where the destination lets a greeting in, such an answer is about this row alone.

use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::Value;

use crate::domain::Millis;
use crate::ingest::EMPTY_BATCH;
use crate::ingest::sender::OWN_EVENTS;

/// The longest that a destination may ask for.
const LONGEST_WAIT: Millis = 10 * 60 * 60 * 1000;

/// What is under way at another place may be done there after so long.
const ELSEWHERE: Millis = 1000;

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// `Retry-After`, as it stands.
    pub retry_after: Option<String>,
    /// Whether it is a web page: no API answers so.
    pub is_page: bool,
    /// The body's beginning.
    pub body: Vec<u8>,
    /// Why the body ended before it was whole, if it broke off.
    pub broke_off: Option<String>,
}

/// What differs between destinations in how their answers are to be understood.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// What they are to be, for people: `Aurea`.
    pub what: &'static str,
    /// The variable that says where it is.
    pub address: &'static str,
    /// The variable with what opens it.
    pub secret: &'static str,
    /// Whether the body of a 2xx says what became of each event; else the status alone counts.
    pub tells_of_events: bool,
}

/// What to do with the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken.
    Sent,
    /// It was taken, but for some events: what became of each, in order.
    Partly(Vec<Fate>),
    /// Try it again.
    Retry(String, Ease),
    /// It will be refused again as it is: halve it; park what can't be halved.
    Split(String),
    /// The destination takes nothing as things are: stop, and look in now and then.
    Pause(String),
    /// The destination takes others: only this row is tried again.
    Alone(String),
}

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was taken, now or before.
    Taken,
    /// Send it again.
    Again(String),
    /// It is not wanted as it is.
    Refused(String),
}

/// What a destination that is in trouble asks of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ease {
    /// Nothing.
    Nothing,
    /// This row not before so long, ms; others may go.
    Later(Millis),
    /// Fewer requests at once.
    Fewer,
    /// No request for so long, ms.
    Silence(Millis),
}

/// Judges what came back, or why nothing did.
pub fn judge(reply: &Result<Reply, String>, terms: &Terms, now: Millis) -> Verdict {
    let reply = match reply {
        Ok(reply) => reply,
        Err(why) => return Verdict::Retry(why.clone(), Ease::Nothing),
    };
    let why = format!("it answered {}", reply.status);
    let silence = reply.retry_after.as_deref().and_then(|text| retry_after(text, now)).map(Ease::Silence);
    let Terms { what, address, secret, tells_of_events } = terms;
    match reply.status {
        200..=299 if !tells_of_events => Verdict::Sent,
        200..=299 if reply.is_page => {
            Verdict::Pause(format!("{why} with a web page: it is no {what}; is {address} right?"))
        }
        200..=299 => taken(reply),
        400 | 413 | 422 => Verdict::Split(why),
        409 if says_done(&reply.body) => Verdict::Sent,
        // Under way at another place, or too early.
        408 | 409 | 425 => Verdict::Retry(why, Ease::Later(ELSEWHERE)),
        429 => Verdict::Retry(why, silence.unwrap_or(Ease::Fewer)),
        500.. => Verdict::Retry(why, silence.unwrap_or(Ease::Nothing)),
        300..=399 => {
            Verdict::Pause(format!("{why}, a redirect, which is never followed; is {address} right?"))
        }
        403 if says(OWN_EVENTS, &reply.body) => Verdict::Pause(format!(
            "{why}: it is this site itself; set {address} to another {what}, or remove it"
        )),
        401 | 403 => Verdict::Pause(format!("{why}: it does not let us in; is {secret} right?")),
        404 | 405 | 410 => Verdict::Pause(format!("{why}: nothing is there; is {address} right?")),
        _ => Verdict::Pause(why),
    }
}

/// Whether a destination may have refused only what this body says: what visitors write is in it, and must not stop what others
/// have to tell.
pub fn may_be_about_the_body(reply: &Reply) -> bool {
    match reply.status {
        200..=299 => reply.is_page,
        403 => !says(OWN_EVENTS, &reply.body),
        406 | 451 => true,
        _ => false,
    }
}

/// Whether what came back for a greeting says that we are let in: it was taken, or, as a ttr says it, there was nothing in it.
pub fn lets_us_in(reply: &Result<Reply, String>, terms: &Terms, now: Millis) -> bool {
    let found_empty = |reply: &Reply| reply.status == 400 && says(EMPTY_BATCH, &reply.body);
    judge(reply, terms, now) == Verdict::Sent || reply.as_ref().is_ok_and(found_empty)
}

/// What it means when a destination has answered so and lets a greeting in.
pub fn alone(reply: &Reply) -> Verdict {
    let page = if reply.is_page { " with a web page" } else { "" };
    Verdict::Alone(format!(
        "it answered {}{page} to this alone and takes others; does a firewall read along?",
        reply.status
    ))
}

/// Seconds or a date, in ms from `now`. What is neither, or is over, is no wish.
fn retry_after(text: &str, now: Millis) -> Option<Millis> {
    let text = text.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse::<Millis>().unwrap_or(Millis::MAX).saturating_mul(1000)
    } else {
        DateTimeParser::new().parse_timestamp(text).ok()?.as_millisecond() - now
    };
    (wait > 0).then_some(wait.min(LONGEST_WAIT))
}

/// What a 2xx says. One whose body can't be read to its end may have said that something was not taken: the same key
/// again does no harm.
fn taken(reply: &Reply) -> Verdict {
    if let Some(how) = &reply.broke_off {
        return Verdict::Retry(
            format!("it answered {}, but the answer broke off: {how}", reply.status),
            Ease::Nothing,
        );
    }
    match serde_json::from_slice::<Value>(&reply.body) {
        Ok(answer) => fates(&answer).map_or(Verdict::Sent, Verdict::Partly),
        Err(_) if reply.body.trim_ascii_start().starts_with(b"{") => Verdict::Retry(
            format!("it answered {}, but the answer can't be read to its end", reply.status),
            Ease::Nothing,
        ),
        Err(_) => Verdict::Sent,
    }
}

/// `None` if all were taken, or if nothing is said of each: then the status decides.
fn fates(answer: &Value) -> Option<Vec<Fate>> {
    let fates: Vec<Fate> = answer.get("results")?.as_array()?.iter().map(fate).collect();
    fates.iter().any(|fate| *fate != Fate::Taken).then_some(fates)
}

/// Only the words for it mean that an event was taken.
fn fate(item: &Value) -> Fate {
    let text = |key| item.get(key).and_then(Value::as_str);
    let result = text("result").unwrap_or("without a result");
    let why = || match text("detail") {
        Some(detail) => format!("the event was answered {}: {}", shortened(result), shortened(detail)),
        None => format!("the event was answered {}", shortened(result)),
    };
    match result {
        "ok" | "duplicate" => Fate::Taken,
        "retry" => Fate::Again(why()),
        _ => Fate::Refused(why()),
    }
}

/// Others' words, fit for a log line.
fn shortened(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

/// Whether another ttr, or this one under another name, says this: that its own events came back, or none.
fn says(tag: &str, body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|answer| answer["error"] == tag)
}

/// A 409 may mean that the key is under way or that it is done; only the second is an end.
fn says_done(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body).to_ascii_lowercase();
    ["already_processed", "already processed", "already_exists", "duplicate"]
        .iter()
        .any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2026-11-23 12:00:00 UTC.
    const NOW: Millis = 1_795_435_200_000;

    const TERMS: Terms =
        Terms { what: "Aurea", address: "THE_URL", secret: "THE_KEY", tells_of_events: true };

    fn judged(reply: Reply) -> Verdict {
        judge(&Ok(reply), &TERMS, NOW)
    }

    fn answer(status: u16, retry_after: Option<&str>, body: &str) -> Verdict {
        judged(Reply {
            status,
            retry_after: retry_after.map(Into::into),
            body: body.into(),
            ..Reply::default()
        })
    }

    fn ease(status: u16, retry_after: Option<&str>) -> Ease {
        match answer(status, retry_after, "") {
            Verdict::Retry(_, ease) => ease,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_status_has_its_meaning() {
        for status in [200, 201, 202, 204] {
            assert_eq!(answer(status, None, ""), Verdict::Sent, "{status}");
        }
        for status in [301, 302, 307, 308, 401, 403, 404, 405, 410, 415, 451] {
            assert!(matches!(answer(status, None, ""), Verdict::Pause(_)), "{status}");
        }
        for status in [400, 413, 422] {
            assert!(matches!(answer(status, None, ""), Verdict::Split(_)), "{status}");
        }
        for status in [408, 409, 425, 429, 500, 502, 503, 504, 599] {
            assert!(matches!(answer(status, None, ""), Verdict::Retry(..)), "{status}");
        }
        assert!(matches!(judge(&Err("reset".into()), &TERMS, NOW), Verdict::Retry(_, Ease::Nothing)));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_anything_else_is_no_wish() {
        assert_eq!(ease(429, Some("7")), Ease::Silence(7000));
        assert_eq!(ease(503, Some(" 7 ")), Ease::Silence(7000));
        assert_eq!(ease(429, Some("Mon, 23 Nov 2026 12:00:30 GMT")), Ease::Silence(30_000));
        assert_eq!(ease(429, Some("99999999999999999999999")), Ease::Silence(LONGEST_WAIT));
        for garbage in ["", "-5", "soon", "1.5", "0", "Mon, 23 Nov 2020 12:00:30 GMT", "\u{0}"] {
            assert_eq!(ease(429, Some(garbage)), Ease::Fewer, "{garbage:?}");
            assert_eq!(ease(503, Some(garbage)), Ease::Nothing, "{garbage:?}");
        }
    }

    #[test]
    fn a_200_says_of_each_event_what_became_of_it() {
        let body = r#"{"results":[{"result":"ok"},{"result":"retry"},{"result":"dropped","detail":"too\nbig"},{"result":"duplicate"}]}"#;
        let Verdict::Partly(fates) = answer(200, None, body) else { panic!("partly") };
        assert_eq!(
            fates,
            [
                Fate::Taken,
                Fate::Again("the event was answered retry".into()),
                Fate::Refused("the event was answered dropped: too big".into()),
                Fate::Taken
            ]
        );
        for all in [
            r#"{"results":[{"result":"ok"},{"result":"duplicate"}]}"#,
            r#"{"results":[]}"#,
            "{}",
            "\u{1}",
            "[[",
        ] {
            assert_eq!(answer(200, None, all), Verdict::Sent, "{all}");
        }
    }

    #[test]
    fn only_known_words_mean_that_an_event_was_taken() {
        for item in [r#"{"result":"failed"}"#, r#"{"result":"OK"}"#, r#"{"result":5}"#, "{}", "null"] {
            let Verdict::Partly(fates) =
                answer(200, None, &format!(r#"{{"results":[{item},{{"result":"ok"}}]}}"#))
            else {
                panic!("partly: {item}")
            };
            assert!(matches!(&fates[..], [Fate::Refused(_), Fate::Taken]), "{item}: {fates:?}");
        }
    }

    #[test]
    fn an_answer_that_is_not_whole_is_asked_for_again() {
        for cut in [r#"{"results":[{"result":"ok"},{"resu"#, " \n{", r#"{"results":[]"#] {
            assert!(matches!(answer(200, None, cut), Verdict::Retry(_, Ease::Nothing)), "{cut}");
        }
        for whole in ["", "OK", "thank you {", "[]"] {
            let broken = Reply {
                status: 200,
                body: whole.into(),
                broke_off: Some("reset".into()),
                ..Reply::default()
            };
            assert!(matches!(judged(broken), Verdict::Retry(_, Ease::Nothing)), "{whole}");
            assert_eq!(answer(200, None, whole), Verdict::Sent, "{whole}");
        }
        let status = Reply { status: 401, broke_off: Some("reset".into()), ..Reply::default() };
        assert!(matches!(judged(status), Verdict::Pause(_)), "the status was said");
    }

    #[test]
    fn the_owner_reads_that_events_came_back_to_their_own_site() {
        let Verdict::Pause(why) = answer(403, None, r#"{"error":"own_events"}"#) else { panic!("pause") };
        assert!(why.contains("this site itself"), "{why}");
    }

    #[test]
    fn only_what_a_firewall_may_say_is_ever_about_the_body() {
        let about = |status, is_page| {
            may_be_about_the_body(&Reply { status, is_page, body: b"no".into(), ..Reply::default() })
        };
        assert!([403, 406, 451].into_iter().all(|status| about(status, false)));
        assert!(about(200, true) && !about(200, false));
        assert!(![301, 401, 402, 404, 405, 410, 500].into_iter().any(|status| about(status, true)));
        let own = Reply { status: 403, body: br#"{"error":"own_events"}"#.into(), ..Reply::default() };
        assert!(!may_be_about_the_body(&own));
    }

    #[test]
    fn a_greeting_is_let_in_if_it_is_taken_or_a_ttr_finds_nothing_in_it() {
        let let_in = |status, body: &str| {
            lets_us_in(&Ok(Reply { status, body: body.into(), ..Reply::default() }), &TERMS, NOW)
        };
        assert!(
            let_in(200, r#"{"results":[]}"#) && let_in(204, "") && let_in(400, r#"{"error":"empty_batch"}"#)
        );
        for (status, body) in [
            (400, ""),
            (400, r#"{"error":"bad_request"}"#),
            (401, r#"{"error":"empty_batch"}"#),
            (403, ""),
            (500, ""),
        ] {
            assert!(!let_in(status, body), "{status} {body}");
        }
        assert!(!lets_us_in(&Err("reset".into()), &TERMS, NOW));
    }

    #[test]
    fn a_web_page_is_no_answer() {
        let page = Reply { status: 200, is_page: true, ..Reply::default() };
        assert!(matches!(judged(page), Verdict::Pause(_)));
    }

    #[test]
    fn where_only_the_status_counts_a_2xx_is_enough_whatever_else_it_says() {
        let terms = Terms { tells_of_events: false, ..TERMS };
        for (body, is_page, broke_off) in [
            (r#"{"results":[{"result":"dropped"}]}"#, false, None),
            ("<h1>Thank you</h1>", true, None),
            ("{", false, Some("reset".to_owned())),
        ] {
            let reply = Reply { status: 200, body: body.into(), is_page, broke_off, ..Reply::default() };
            assert_eq!(judge(&Ok(reply), &terms, NOW), Verdict::Sent, "{body}");
        }
    }

    #[test]
    fn what_must_be_mended_is_said_by_its_name() {
        for (status, name) in
            [(301, "THE_URL"), (401, "THE_KEY"), (403, "THE_KEY"), (404, "THE_URL"), (410, "THE_URL")]
        {
            let Verdict::Pause(why) = answer(status, None, "") else { panic!("pause") };
            assert!(why.contains(name), "{why}");
        }
    }

    #[test]
    fn a_409_is_an_end_only_if_it_says_that_the_key_is_done() {
        assert_eq!(answer(409, None, r#"{"error":"already_processed"}"#), Verdict::Sent);
        let in_progress = answer(409, None, r#"{"error":"in_progress"}"#);
        assert!(matches!(in_progress, Verdict::Retry(_, Ease::Later(1000..))), "{in_progress:?}");
    }

    proptest! {
        #[test]
        fn no_answer_is_too_odd_to_judge(status in 100_u16..1000, retry_after in ".{0,40}", body in ".{0,200}") {
            if let Verdict::Retry(_, Ease::Silence(wait)) = answer(status, Some(&retry_after), &body) {
                prop_assert!((1..=LONGEST_WAIT).contains(&wait));
            }
        }
    }
}
