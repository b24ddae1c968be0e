//! What was sent and answered, held against what is found in the store and at the remote Aurea.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::traffic::{Name, Thing, Traffic};

/// Complaints of one kind that are shown.
const SHOWN: usize = 20;

/// What went wrong.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) lost: Complaints,
    pub(crate) duplicated: Complaints,
    pub(crate) unexpected: Complaints,
}

/// All are counted, the first are kept.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    pub(crate) count: usize,
    first: Vec<String>,
}

impl Complaints {
    pub(crate) fn add(&mut self, what: impl Into<String>) {
        self.count += 1;
        if self.first.len() < SHOWN {
            self.first.push(what.into());
        }
    }
}

impl Findings {
    pub(crate) fn is_empty(&self) -> bool {
        self.lost.count + self.duplicated.count + self.unexpected.count == 0
    }

    /// The first of each kind, one in a line.
    pub(crate) fn details(&self) -> String {
        let kinds =
            [("lost", &self.lost), ("duplicated", &self.duplicated), ("unexpected", &self.unexpected)];
        let lines = kinds.iter().flat_map(|(kind, complaints)| {
            complaints.first.iter().map(move |complaint| format!("  {kind}: {complaint}\n"))
        });
        lines.collect()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lost, duplicated, unexpected } = self;
        write!(f, "lost {}, duplicated {}, unexpected {}", lost.count, duplicated.count, unexpected.count)
    }
}

/// What a sender was answered 200 for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answered {
    /// All events of a request.
    Events(u64),
    /// A delivery, by its number and part.
    Delivery(u64, u64),
}

/// Where something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Store,
    Remote,
}

/// Collects what is found, then judges.
pub(crate) struct Audit<'a> {
    traffic: Traffic,
    answered: &'a HashSet<Answered>,
    /// Of each request that was sent, what it makes.
    things: HashMap<Name, Thing>,
    stored: HashMap<Name, usize>,
    at_remote: HashMap<Name, usize>,
    findings: Findings,
}

impl<'a> Audit<'a> {
    /// Of the first `sent` requests; `findings` are what the senders already complain of.
    pub(crate) fn new(
        traffic: Traffic,
        sent: u64,
        answered: &'a HashSet<Answered>,
        findings: Findings,
    ) -> Self {
        let things = (0..sent).flat_map(|number| traffic.things(number));
        Self {
            traffic,
            answered,
            things: things.map(|thing| (thing.name, thing)).collect(),
            stored: HashMap::new(),
            at_remote: HashMap::new(),
            findings,
        }
    }

    /// The thing that an event is: one that was posted, by its id, or one that a payment made, by its name and order.
    pub(crate) fn name_of_event(
        &self,
        event_id: &str,
        event_name: &str,
        order_id: Option<&str>,
    ) -> Option<Name> {
        if let Some((number, place)) = self.traffic.parts("e", event_id) {
            return Some(Name::Event(number, place));
        }
        let (number, _) = self.traffic.parts("pay", order_id?)?;
        match event_name {
            "checkout_completed" => Some(Name::Completed(number)),
            "session_end" => Some(Name::Ended(number)),
            _ => None,
        }
    }

    /// Something was found; `what` is for people.
    pub(crate) fn found(&mut self, place: Place, name: Option<Name>, content: u64, what: &str) {
        match name.and_then(|name| self.things.get(&name)) {
            None => self.findings.unexpected.add(format!("{place:?}: {what} was never sent")),
            Some(thing) if place == Place::Remote && !thing.told => {
                self.findings.unexpected.add(format!("{place:?}: {what} is told to nobody"));
            }
            Some(thing) => {
                let at = match place {
                    Place::Store => &mut self.stored,
                    Place::Remote => &mut self.at_remote,
                };
                *at.entry(thing.name).or_default() += 1;
                if thing.content != content {
                    self.findings.unexpected.add(format!("{place:?}: {what} is not as it was sent"));
                }
            }
        }
    }

    /// Something that can't be put as a thing.
    pub(crate) fn findings(&mut self) -> &mut Findings {
        &mut self.findings
    }

    pub(crate) fn judge(mut self) -> Findings {
        let mut names: Vec<Name> = self.things.keys().copied().collect();
        names.sort_unstable();
        for name in names {
            let times = |place: &HashMap<Name, usize>| place.get(&name).copied().unwrap_or(0);
            let (stored, at_remote) = (times(&self.stored), times(&self.at_remote));
            let told = self.things[&name].told;
            let Findings { lost, duplicated, unexpected } = &mut self.findings;
            match stored {
                0 if is_answered(self.answered, name) => {
                    lost.add(format!("{name:?} was answered 200 and is not in the store"));
                }
                0 if at_remote > 0 => {
                    unexpected.add(format!("{name:?} is at the remote and not in the store"));
                }
                1 if told && at_remote == 0 => {
                    lost.add(format!("{name:?} is in the store and never came to the remote"));
                }
                0 | 1 => {}
                times => duplicated.add(format!("{name:?} is {times} times in the store")),
            }
            if at_remote > 1 {
                duplicated.add(format!("{name:?} came to the remote under {at_remote} keys"));
            }
        }
        self.findings
    }
}

/// A payment is told of by each of its deliveries.
fn is_answered(answered: &HashSet<Answered>, name: Name) -> bool {
    match name {
        Name::Event(number, _) => answered.contains(&Answered::Events(number)),
        Name::Delivery(number, part) => answered.contains(&Answered::Delivery(number, part)),
        Name::Completed(number) | Name::Ended(number) | Name::Payment(number) => {
            (0..2).any(|part| answered.contains(&Answered::Delivery(number, part)))
        }
        Name::Conversion(number) => {
            answered.contains(&Answered::Events(number))
                || (0..2).any(|part| answered.contains(&Answered::Delivery(number, part)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::What;

    const TRAFFIC: Traffic = Traffic { seed: 7, start: 1_795_435_200_000, rate: 300 };
    const SENT: u64 = 300;

    /// All requests were answered.
    fn all_answered() -> HashSet<Answered> {
        let answers = (0..SENT).flat_map(|number| match TRAFFIC.offer(number).what {
            What::Delivery { ids, .. } => {
                (0..).zip(ids).map(|(part, _)| Answered::Delivery(number, part)).collect()
            }
            What::Forgery { .. } => vec![],
            What::Browser(_) | What::Key(_) => vec![Answered::Events(number)],
        });
        answers.collect()
    }

    /// Everything is where it belongs, but for what `change` does to it: it gets each thing with how often it is in the
    /// store and at the remote.
    fn judged(
        answered: &HashSet<Answered>,
        change: impl Fn(&mut Thing, &mut usize, &mut usize),
    ) -> (usize, usize, usize) {
        let mut audit = Audit::new(TRAFFIC, SENT, answered, Findings::default());
        for mut thing in (0..SENT).flat_map(|number| TRAFFIC.things(number)) {
            let (mut stored, mut at_remote) = (1, usize::from(thing.told));
            change(&mut thing, &mut stored, &mut at_remote);
            for (place, times) in [(Place::Store, stored), (Place::Remote, at_remote)] {
                (0..times).for_each(|_| audit.found(place, Some(thing.name), thing.content, "it"));
            }
        }
        let Findings { lost, duplicated, unexpected } = audit.judge();
        (lost.count, duplicated.count, unexpected.count)
    }

    /// The first thing of some kind.
    fn first(is: impl Fn(&Thing) -> bool) -> Name {
        (0..SENT).flat_map(|number| TRAFFIC.things(number)).find(is).unwrap().name
    }

    #[test]
    fn where_all_is_as_it_should_be_there_is_nothing_to_say() {
        assert_eq!(judged(&all_answered(), |_, _, _| {}), (0, 0, 0));
        assert_eq!(judged(&HashSet::new(), |_, _, _| {}), (0, 0, 0), "unanswered may be there");
        let nowhere = |_: &mut Thing, stored: &mut usize, at_remote: &mut usize| {
            (*stored, *at_remote) = (0, 0);
        };
        assert_eq!(judged(&HashSet::new(), nowhere), (0, 0, 0), "or not");
        assert!(judged(&all_answered(), nowhere).0 > 300, "answered may not");
    }

    #[test]
    fn each_fault_is_found_and_called_what_it_is() {
        let told = first(|thing| thing.told);
        let here = first(|thing| !thing.told);
        let answered = all_answered();
        let count = |name: Name, times: (usize, usize)| {
            judged(&answered, |thing, stored, at_remote| {
                if thing.name == name {
                    (*stored, *at_remote) = times;
                }
            })
        };
        assert_eq!(count(told, (0, 1)), (1, 0, 0), "answered and lost");
        assert_eq!(count(told, (1, 0)), (1, 0, 0), "stored and never told");
        assert_eq!(count(told, (2, 1)), (0, 1, 0), "twice in the store");
        assert_eq!(count(told, (1, 2)), (0, 1, 0), "under two keys at the remote");
        assert_eq!(count(here, (1, 1)), (0, 0, 1), "told to somebody who should not know");
        let changed = |thing: &mut Thing, _: &mut usize, _: &mut usize| {
            if thing.name == told {
                thing.content += 1;
            }
        };
        assert_eq!(judged(&answered, changed), (0, 0, 2), "not as it was sent, in two places");
        let never_sent = |thing: &mut Thing, _: &mut usize, _: &mut usize| {
            if thing.name == here {
                thing.name = Name::Event(SENT, 0);
            }
        };
        assert_eq!(judged(&answered, never_sent), (1, 0, 1), "something else in its place");
        assert_eq!(
            judged(&HashSet::new(), |thing, stored, _| *stored = usize::from(thing.name != told)).2,
            1
        );
    }

    #[test]
    fn an_event_is_known_by_its_id_or_by_the_order_that_made_it() {
        let answered = HashSet::new();
        let audit = Audit::new(TRAFFIC, SENT, &answered, Findings::default());
        let order = TRAFFIC.id("pay", 5, 0);
        let name = |id: &str, event_name| audit.name_of_event(id, event_name, Some(&order));
        assert_eq!(name(&TRAFFIC.id("e", 3, 1), "checkout_completed"), Some(Name::Event(3, 1)));
        assert_eq!(name("0190", "checkout_completed"), Some(Name::Completed(5)));
        assert_eq!(name("0190", "session_end"), Some(Name::Ended(5)));
        assert_eq!(name("0190", "page_view"), None);
        assert_eq!(audit.name_of_event("0190", "session_end", None), None);
    }
}
