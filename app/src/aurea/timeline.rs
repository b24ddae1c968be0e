//! What stands on a session's line: moments become steps, pauses and trips to the checkout. Pure; the moments are
//! borrowed and keep their order, and each of them is in exactly one step.

use super::model::{Moment, State};
use crate::event::{CATALOGUE, name};

/// A pause longer than this is drawn as a gap, in ms.
const GAP: i64 = 60_000;

/// A checkout that is not finished after so many ms is given up.
const CHECKOUT_PATIENCE: i64 = 24 * 60 * 60 * 1000;

/// A stretch of the line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Something that happened.
    Step(Step<'a>),
    /// Nothing happened for so many ms.
    Gap(i64),
    /// The visitor was at the provider.
    Trip(Trip<'a>),
    /// The conversion closed the session here; what follows came later.
    End,
}

/// One entry: a moment, or several that are one thing to a reader.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step<'a> {
    /// In order, at least one; in a step of several all scrolling, all of one video, or all of one
    /// name and subject.
    pub(super) moments: &'a [Moment],
}

/// From `checkout_started` until the visitor paid, came back or set out again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trip<'a> {
    /// When it began.
    pub(super) from: i64,
    /// How it ended.
    pub(super) end: TripEnd,
    /// What was recorded meanwhile.
    pub(super) steps: Vec<Step<'a>>,
}

/// How a trip to the checkout ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TripEnd {
    /// At this time, with the step that follows the trip.
    At(i64),
    /// Not yet: the visitor is there.
    Open,
    /// It was given up.
    Never,
    /// On the next page of the timeline.
    Later,
}

impl<'a> Step<'a> {
    /// What is said of the step is said of its last moment.
    pub(super) fn last(&self) -> &'a Moment {
        &self.moments[self.moments.len() - 1]
    }

    /// When it began.
    pub(super) fn at(&self) -> i64 {
        self.moments[0].at
    }
}

/// The line of `moments` as it stands at `now`. `state` says whether an unfinished checkout still goes on; `more`, whether
/// moments follow that are not shown here.
pub(super) fn pieces(moments: &[Moment], state: State, more: bool, now: i64) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut steps = steps(moments).into_iter().peekable();
    let mut before: Option<&Moment> = None;
    while let Some(step) = steps.next() {
        let (first, last) = (&step.moments[0], step.last());
        if first.after_end && before.is_none_or(|before| !before.after_end) {
            pieces.push(Piece::End);
        }
        if let Some(pause) =
            before.map(|before| first.at.saturating_sub(before.at)).filter(|pause| *pause > GAP)
        {
            pieces.push(Piece::Gap(pause));
        }
        before = Some(last);
        let sets_out = last.name == name::CHECKOUT_STARTED;
        pieces.push(Piece::Step(step));
        if sets_out {
            let mut meanwhile = Vec::new();
            while let Some(step) = steps.next_if(|step| !ends_trip(last, &step.moments[0])) {
                before = Some(step.last());
                meanwhile.push(step);
            }
            let end = match steps.peek() {
                Some(step) => TripEnd::At(step.at()),
                None if more => TripEnd::Later,
                None if state == State::Checkout => TripEnd::Open,
                // a converted session stays so, also while its visitor buys again
                None if state == State::Converted && now.saturating_sub(last.at) < CHECKOUT_PATIENCE => {
                    TripEnd::Open
                }
                None => TripEnd::Never,
            };
            if let TripEnd::At(_) = end {
                before = None; // the trip itself says how long it took
            }
            pieces.push(Piece::Trip(Trip { from: last.at, end, steps: meanwhile }));
        }
    }
    pieces
}

/// Whether at `moment` the visitor is no longer on the trip that began with `start`. What comes after the end of the
/// session is no part of a trip that began before.
fn ends_trip(start: &Moment, moment: &Moment) -> bool {
    let ends = [name::CHECKOUT_COMPLETED, name::CHECKOUT_RETURNED, name::CHECKOUT_STARTED];
    moment.after_end != start.after_end || ends.contains(&moment.name.as_str())
}

fn steps(moments: &[Moment]) -> Vec<Step<'_>> {
    moments.chunk_by(is_one_step).map(|moments| Step { moments }).collect()
}

/// Whether `next` is one step with the moment before it.
fn is_one_step(moment: &Moment, next: &Moment) -> bool {
    let scrolls = is_scroll(&moment.name) && is_scroll(&next.name);
    let plays = is_video(&moment.name) && is_video(&next.name) && subject(moment) == subject(next);
    let starts_anew = next.name == name::VIDEO_STARTED && moment.name == name::VIDEO_COMPLETED;
    let one = if plays { !starts_anew } else { scrolls || repeats(moment, next) };
    let pauses = next.at.saturating_sub(moment.at) > GAP && !plays; // a video plays on between its events
    one && !pauses && moment.after_end == next.after_end
}

/// The same thing happened to the same subject again. Money is never folded: each payment stands for itself.
fn repeats(moment: &Moment, next: &Moment) -> bool {
    let stands_alone = crate::event::sender_of(&next.name) == crate::event::Sender::Server
        || [name::CHECKOUT_STARTED, name::CHECKOUT_RETURNED, name::SESSION_END].contains(&next.name.as_str());
    moment.name == next.name && subject(moment) == subject(next) && !stands_alone
}

/// Whether it tells how far the page was scrolled.
pub(super) fn is_scroll(event_name: &str) -> bool {
    event_name.starts_with("scroll_depth_") && is_in_catalogue(event_name)
}

/// Whether it tells how far a video was seen.
pub(super) fn is_video(event_name: &str) -> bool {
    event_name.starts_with("video_") && is_in_catalogue(event_name)
}

/// Names that only look like ours are somebody's own, and untrusted text.
fn is_in_catalogue(event_name: &str) -> bool {
    CATALOGUE.iter().any(|(name, _)| *name == event_name)
}

/// What a moment happened to: the question, the page, the video.
pub(super) fn subject(moment: &Moment) -> Option<&str> {
    let names: &[&str] = match moment.name.as_str() {
        name::PAGE_VIEW => return Some(page(moment)),
        name::FAQ_OPENED | name::FAQ_CLOSED => &["question"],
        name::CTA_CLICKED => &["label", "cta", "text", "location"],
        name::SECTION_VIEWED => &["section", "name", "id"],
        name::OUTBOUND_CLICKED => &["url", "href", "host"],
        name::BUY_BUTTON_CLICKED => &["product"],
        video if is_video(video) => &["video"],
        _ => return None,
    };
    fact(moment, names)
}

/// The page of a moment without scheme, host and query: `/`.
fn page(moment: &Moment) -> &str {
    let Some(url) = moment.page_url.as_deref() else { return "a page" };
    let Some((_, rest)) = url.split_once("://") else { return url };
    let path = rest.find('/').map_or("/", |at| &rest[at..]);
    path.split(['?', '#']).next().unwrap_or(path)
}

/// The first of the named properties that is there.
pub(super) fn fact<'a>(moment: &'a Moment, names: &[&str]) -> Option<&'a str> {
    let of = |wanted: &&str| moment.facts.iter().find(|(name, _)| name == wanted);
    names.iter().find_map(of).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1000;

    fn line(events: &[(&str, i64)]) -> Vec<Moment> {
        let moment =
            |(name, at): &(&str, i64)| Moment { name: (*name).to_owned(), at: *at, ..Moment::default() };
        events.iter().map(moment).collect()
    }

    /// A line as text: `name×count`, `(pause)`, `[trip]`, `|`.
    fn told(pieces: &[Piece<'_>]) -> Vec<String> {
        let step = |step: &Step<'_>| format!("{}×{}", step.last().name, step.moments.len());
        pieces
            .iter()
            .map(|piece| match piece {
                Piece::Step(it) => step(it),
                Piece::Gap(ms) => format!("({})", ms / S),
                Piece::Trip(trip) => {
                    format!("[{:?} {}]", trip.end, trip.steps.iter().map(step).collect::<String>())
                }
                Piece::End => "|".to_owned(),
            })
            .collect()
    }

    #[test]
    fn scrolling_and_a_video_are_one_step_each() {
        let moments = line(&[
            ("page_view", 0),
            ("scroll_depth_25", 2 * S),
            ("scroll_depth_50", 3 * S),
            ("scroll_depth_75", 50 * S),
            ("video_started", 60 * S),
            ("video_progress_25", 150 * S),
            ("video_paused", 160 * S),
            ("scroll_depth_90", 170 * S),
        ]);
        let seen = told(&pieces(&moments, State::Active, false, 0));
        assert_eq!(seen, ["page_view×1", "scroll_depth_75×3", "video_paused×3", "scroll_depth_90×1"]);
    }

    #[test]
    fn two_videos_and_a_second_play_are_steps_of_their_own() {
        let mut moments = line(&[("video_started", 0), ("video_completed", S), ("video_started", 2 * S)]);
        assert_eq!(
            told(&pieces(&moments, State::Active, false, 0)),
            ["video_completed×2", "video_started×1"]
        );
        moments[1].facts.push(("video".to_owned(), "other".to_owned()));
        assert_eq!(pieces(&moments, State::Active, false, 0).len(), 3);
    }

    #[test]
    fn the_same_again_is_counted_unless_it_is_money() {
        let moments = line(&[("faq_opened", 0), ("faq_opened", S), ("a\0b", 2 * S), ("a\0b", 3 * S)]);
        assert_eq!(told(&pieces(&moments, State::Active, false, 0)), ["faq_opened×2", "a\0b×2"]);
        let money = line(&[("payment_refunded", 0), ("payment_refunded", S)]);
        assert_eq!(pieces(&money, State::Converted, false, 0).len(), 2);
    }

    #[test]
    fn a_pause_over_a_minute_is_a_gap_and_parts_what_it_divides() {
        let moments = line(&[("page_view", 0), ("page_view", 60 * S), ("page_view", 121 * S)]);
        assert_eq!(told(&pieces(&moments, State::Ended, false, 0)), ["page_view×2", "(61)", "page_view×1"]);
    }

    #[test]
    fn the_trip_reaches_from_the_start_of_the_checkout_to_its_end() {
        let mut events = vec![
            ("buy_button_clicked", 0),
            ("checkout_started", S),
            ("session_end", 2 * S),
            ("checkout_completed", 150 * S),
        ];
        let moments = line(&events);
        let seen = told(&pieces(&moments, State::Converted, false, 0));
        let expected = [
            "buy_button_clicked×1",
            "checkout_started×1",
            "[At(150000) session_end×1]",
            "checkout_completed×1",
        ];
        assert_eq!(seen, expected);
        events[3].0 = "checkout_returned";
        assert!(told(&pieces(&line(&events), State::Ended, false, 0))[2].starts_with("[At(150000)"));
    }

    #[test]
    fn setting_out_twice_makes_two_trips() {
        let moments =
            line(&[("checkout_started", 0), ("checkout_started", 100 * S), ("checkout_completed", 200 * S)]);
        let seen = told(&pieces(&moments, State::Converted, false, 0));
        let expected = [
            "checkout_started×1",
            "[At(100000) ]",
            "checkout_started×1",
            "[At(200000) ]",
            "checkout_completed×1",
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn an_unfinished_trip_is_open_given_up_or_goes_on_elsewhere() {
        let moments = line(&[("checkout_started", 0)]);
        let end = |state, more| told(&pieces(&moments, state, more, 0)).pop().unwrap();
        assert_eq!(end(State::Checkout, false), "[Open ]");
        assert_eq!(end(State::Abandoned, false), "[Never ]");
        assert_eq!(end(State::Checkout, true), "[Later ]");
    }

    #[test]
    fn a_second_checkout_after_the_conversion_is_open_for_a_day() {
        let mut moments =
            line(&[("checkout_completed", 0), ("checkout_started", 10 * S), ("session_end", 11 * S)]);
        for moment in &mut moments[1..] {
            moment.after_end = true;
        }
        let end = |now| told(&pieces(&moments, State::Converted, false, now)).pop().unwrap();
        assert_eq!(end(20 * S), "[Open session_end×1]");
        assert_eq!(end(10 * S + CHECKOUT_PATIENCE), "[Never session_end×1]");
    }

    #[test]
    fn what_comes_after_the_end_is_set_apart() {
        let mut moments = line(&[
            ("checkout_completed", 0),
            ("session_end", 0),
            ("checkout_returned", S),
            ("page_view", S),
        ]);
        for moment in &mut moments[2..] {
            moment.after_end = true;
        }
        let seen = told(&pieces(&moments, State::Converted, false, 0));
        assert_eq!(
            seen,
            ["checkout_completed×1", "session_end×1", "|", "checkout_returned×1", "page_view×1"]
        );
    }

    #[test]
    fn no_moment_is_lost_or_told_twice() {
        let names = [
            "page_view",
            "scroll_depth_25",
            "video_started",
            "checkout_started",
            "checkout_returned",
            "x",
            "x",
        ];
        for seed in 0..200_usize {
            let events: Vec<_> = (0_i64..40)
                .map(|at| {
                    (names[(seed * 7 + usize::try_from(at * at).unwrap() * (seed + 3)) % 7], at * 9 * S)
                })
                .collect();
            let moments = line(&events);
            let mut seen = 0;
            for piece in pieces(&moments, State::Ended, false, 0) {
                seen += match piece {
                    Piece::Step(step) => step.moments.len(),
                    Piece::Trip(trip) => trip.steps.iter().map(|step| step.moments.len()).sum(),
                    Piece::Gap(_) | Piece::End => 0,
                };
            }
            assert_eq!(seen, moments.len());
        }
    }
}
