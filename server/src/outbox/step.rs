//! What becomes of a row after a try: a pure function of the row and the verdict.

use super::gate::PAUSE;
use super::schedule;
use super::verdict::{Ease, Fate, Verdict};
use crate::domain::Millis;
use crate::domain::outbox::{body_of, child_id, events_in, halves};
use crate::store::outbox::{Child, Claimed, Later, Step};

/// The step after a try; `chance`, in `0.0..1.0`, spreads the retries.
pub fn next(row: &Claimed, verdict: Verdict, now: Millis, chance: f64) -> Step {
    match verdict {
        Verdict::Sent => Step::Gone,
        Verdict::Partly(fates) => partly(row, fates, now, chance),
        Verdict::Split(why) => match halves(&row.body) {
            Some(halves) => {
                let at_once = Later { due_at: Some(now), tries: row.tries.max(1), why, tried_at: now };
                Step::Children(halves.map(|half| child(row, half, at_once.clone())).into())
            }
            None => Step::Stays(parked(row, why, now)),
        },
        Verdict::Retry(why, ease) => {
            let mut later = again(row, why, now, chance);
            if let Ease::Silence(wait) | Ease::Later(wait) = ease {
                later.due_at = later.due_at.map(|due_at| due_at.max(now + wait));
            }
            Step::Stays(later)
        }
        Verdict::Alone(why) => Step::Stays(again(row, why, now, chance)),
        Verdict::Pause(why) if schedule::is_over(row.driven_at, now) => Step::Stays(parked(row, why, now)),
        // Not the row's fault: its tries don't count, but others go first next time.
        Verdict::Pause(why) => {
            Step::Stays(Later { due_at: Some(now + PAUSE), tries: row.tries.max(1), why, tried_at: now })
        }
    }
}

/// What was taken goes; what is to come again and what is refused become a row each. A row of which all goes one way stays
/// as it is, under its key.
fn partly(row: &Claimed, fates: Vec<Fate>, now: Millis, chance: f64) -> Step {
    let events = events_in(&row.body);
    if fates.len() != events.len() {
        // It speaks of other events, and not well: a person decides.
        let why = format!("it answered for {} events of {}", fates.len(), events.len());
        return Step::Stays(parked(row, why, now));
    }
    match &fates[..] {
        [Fate::Again(why), ..] if fates.iter().all(|fate| matches!(fate, Fate::Again(_))) => {
            return Step::Stays(again(row, why.clone(), now, chance));
        }
        [Fate::Refused(why), ..] if fates.iter().all(|fate| matches!(fate, Fate::Refused(_))) => {
            return Step::Stays(parked(row, why.clone(), now));
        }
        _ => {}
    }
    let (mut wanted, mut refused) = (Vec::new(), Vec::new());
    for (event, fate) in events.into_iter().zip(fates) {
        match fate {
            Fate::Taken => {}
            Fate::Again(why) => wanted.push((event, why)),
            Fate::Refused(why) => refused.push((event, why)),
        }
    }
    let mut children = Vec::new();
    if let Some((_, why)) = wanted.first() {
        let later = again(row, why.clone(), now, chance);
        children.push(child(row, body_of(wanted.iter().map(|(event, _)| *event)), later));
    }
    if let Some((_, why)) = refused.first() {
        let later = parked(row, why.clone(), now);
        children.push(child(row, body_of(refused.iter().map(|(event, _)| *event)), later));
    }
    Step::Children(children)
}

/// Later by the schedule, until it has been tried long enough.
fn again(row: &Claimed, why: String, now: Millis, chance: f64) -> Later {
    if schedule::is_over(row.driven_at, now) {
        return parked(row, why, now);
    }
    let tries = row.tries.saturating_add(1);
    Later { due_at: Some(now + schedule::wait(tries, chance)), tries, why, tried_at: now }
}

fn parked(row: &Claimed, why: String, now: Millis) -> Later {
    Later { due_at: None, tries: row.tries.saturating_add(1), why, tried_at: now }
}

fn child(row: &Claimed, body: Vec<u8>, later: Later) -> Child {
    Child { id: child_id(&row.ticket.id, &body), body, later }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;
    use crate::domain::DAY;
    use crate::store::outbox::Ticket;

    const NOW: Millis = 1000;

    fn row(events: usize, driven_at: Millis) -> Claimed {
        let events: Vec<String> =
            (0..events).map(|number| format!("{{\"eventId\":\"e{number}\"}}")).collect();
        Claimed {
            ticket: Ticket { id: "r".into(), claim_id: "c".into() },
            funnel: "ttr".into(),
            body: format!("{{\"events\":[{}]}}", events.join(",")).into_bytes(),
            tries: 3,
            driven_at,
        }
    }

    fn any_verdict() -> impl Strategy<Value = Verdict> {
        let fate = prop_oneof![
            Just(Fate::Taken),
            Just(Fate::Again("again".into())),
            Just(Fate::Refused("refused".into()))
        ];
        let ease =
            prop_oneof![Just(Ease::Nothing), Just(Ease::Fewer), (1_i64..1_000_000).prop_map(Ease::Silence)];
        prop_oneof![
            prop::collection::vec(fate, 5).prop_map(Verdict::Partly),
            ease.prop_map(|ease| Verdict::Retry("retry".into(), ease)),
            Just(Verdict::Split("split".into())),
            Just(Verdict::Pause("pause".into())),
            Just(Verdict::Alone("alone".into())),
        ]
    }

    proptest! {
        #[test]
        fn only_what_was_taken_is_ever_missing(verdict in any_verdict(), old in any::<bool>(), chance in 0.0..1.0_f64) {
            let row = row(5, if old { NOW - 30 * DAY } else { NOW });
            let mut left: Vec<&str> = events_in(&row.body).into_iter().map(RawValue::get).collect();
            if let Verdict::Partly(fates) = &verdict {
                left = left.into_iter().zip(fates).filter(|(_, fate)| **fate != Fate::Taken).map(|(event, _)| event).collect();
            }
            let (mut kept, laters) = match next(&row, verdict, NOW, chance) {
                Step::Gone => (vec![], vec![]),
                Step::Stays(later) => (vec![row.body.clone()], vec![later]),
                Step::Children(children) => children.into_iter().map(|child| (child.body, child.later)).unzip(),
            };
            let mut kept: Vec<&str> = kept.iter_mut().flat_map(|body| events_in(body)).map(RawValue::get).collect();
            kept.sort_unstable();
            prop_assert_eq!(kept, left);
            prop_assert!(laters.iter().all(|later| later.due_at.is_none_or(|due_at| due_at >= NOW) && later.tries > 0));
        }
    }

    #[test]
    fn what_stands_alone_and_is_refused_is_parked() {
        let Step::Stays(later) = next(&row(1, NOW), Verdict::Split("400".into()), NOW, 0.5) else {
            panic!("stays")
        };
        assert_eq!((later.due_at, later.why.as_str()), (None, "400"));
    }

    #[test]
    fn a_row_whose_answer_is_about_other_events_is_parked_whole() {
        for fates in [1, 3] {
            let verdict = Verdict::Partly(vec![Fate::Again("again".into()); fates]);
            let Step::Stays(later) = next(&row(2, NOW), verdict, NOW, 0.5) else { panic!("stays") };
            assert_eq!(later.due_at, None);
            assert_eq!(later.why, format!("it answered for {fates} events of 2"));
        }
    }

    #[test]
    fn a_row_of_which_all_goes_one_way_keeps_its_key() {
        for (fate, is_parked) in [(Fate::Again("again".into()), false), (Fate::Refused("no".into()), true)] {
            for events in [1, 2] {
                let verdict = Verdict::Partly(vec![fate.clone(); events]);
                let Step::Stays(later) = next(&row(events, NOW), verdict, NOW, 0.5) else { panic!("stays") };
                assert_eq!((later.due_at.is_none(), later.tries), (is_parked, 4), "{fate:?}");
            }
        }
    }

    #[test]
    fn a_wish_for_silence_only_lengthens_the_wait() {
        let due = |wait| match next(&row(1, NOW), Verdict::Retry("429".into(), Ease::Silence(wait)), NOW, 0.9)
        {
            Step::Stays(later) => later.due_at,
            other => panic!("{other:?}"),
        };
        assert_eq!((due(1), due(100_000)), (Some(NOW + schedule::wait(4, 0.9)), Some(NOW + 100_000)));
    }
}
