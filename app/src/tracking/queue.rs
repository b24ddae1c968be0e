//! What waits to be sent, and when to send it.
//!
//! Promises: events leave in the order in which they came, at most 10 in one request and 2 s after the first, in bodies
//! under 60 KiB, one request at a time. What the server could not take is sent again with the same ids, and so is what went
//! by beacon, since nobody hears what becomes of one; what the server refused is dropped. At most 1,000 events wait: after that the newer ones are dropped, since a runaway loop is worth less than
//! how the visit began. Events are JSON texts here; nothing in this file reads a clock or touches the network.

use std::collections::VecDeque;

/// Most events in one request.
pub const BATCH_EVENTS: usize = 10;
/// A body is smaller than this (bytes); browsers allow 64 KiB for what outlives a page.
pub const BODY_BYTES: usize = 60 * 1024;
/// Most events that wait.
pub const CAPACITY: usize = 1000;
/// How long the first event waits for company, ms.
pub const WAIT_MS: u64 = 2000;
/// Longest `Retry-After` that is obeyed, ms.
pub const LONGEST_RETRY_AFTER_MS: u64 = 300_000;
/// Tries of one batch that nobody answers: an ad blocker will not change its mind.
pub const UNANSWERED_TRIES: u32 = 3;

const FIRST_BACKOFF_MS: u64 = 1000;
const LONGEST_BACKOFF_MS: u64 = 60_000;
const ENVELOPE_BYTES: usize = 64;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The server has it, except the events at these places of the batch, which it wants again.
    Taken {
        /// Places of the events to send again, ascending.
        again: Vec<usize>,
    },
    /// The server will never take it.
    Refused,
    /// The server could not take it now.
    Busy {
        /// What `Retry-After` asked for, ms.
        retry_after: Option<u64>,
    },
    /// No answer came.
    Silence,
}

impl Answer {
    /// The answer of a status other than 200. `retry_after` is that header, heard on 429 and 503 only.
    pub fn of(status: u16, retry_after: &str) -> Self {
        match status {
            429 | 503 => Self::Busy { retry_after: retry_after_ms(retry_after.trim()) },
            408 | 500.. => Self::Busy { retry_after: None },
            _ => Self::Refused,
        }
    }
}

/// Whole seconds, as that header has them (parsing floats would cost the page 10 KB); less than nothing is nothing.
fn retry_after_ms(seconds: &str) -> Option<u64> {
    let seconds: i64 = seconds.parse().ok()?;
    Some(seconds.max(0).unsigned_abs().saturating_mul(1000).min(LONGEST_RETRY_AFTER_MS))
}

/// The body of one request: design 4.3.
pub fn body(now: u64, events: &[String]) -> String {
    let mut body = String::from("{\"sentAt\":");
    body.push_str(&now.to_string());
    body.push_str(",\"events\":[");
    body.push_str(&events.join(","));
    body.push_str("]}");
    body
}

/// Events on their way to the collector.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: VecDeque<String>,
    flying: Vec<String>,
    /// What went by beacon, unanswered.
    beaconed: Vec<String>,
    /// When the oldest waiting event came, ms.
    since: u64,
    /// Nothing is sent before this, ms.
    not_before: u64,
    /// Requests in a row that failed.
    failures: u32,
    /// Of these, the ones that nobody answered.
    unanswered: u32,
}

impl Queue {
    /// Takes an event that came at `now`, unless too many wait or it alone is too big to be sent.
    pub fn push(&mut self, event: String, now: u64) {
        if self.waiting.len() + self.flying.len() >= CAPACITY || event.len() + ENVELOPE_BYTES > BODY_BYTES {
            return;
        }
        if self.waiting.is_empty() {
            self.since = now;
        }
        self.waiting.push_back(event);
    }

    /// When [`Queue::take`] will give something, ms; `None` while nothing waits or a request is under way.
    pub fn due(&self) -> Option<u64> {
        if self.waiting.is_empty() || !self.flying.is_empty() {
            return None;
        }
        let due = if self.waiting.len() >= BATCH_EVENTS { 0 } else { self.since + WAIT_MS };
        Some(due.max(self.not_before))
    }

    /// The body of the next request, if one is due. It must be followed by [`Queue::settle`].
    pub fn take(&mut self, now: u64) -> Option<String> {
        if self.due()? > now {
            return None;
        }
        self.flying = self.next_batch(BATCH_EVENTS);
        Some(body(now, &self.flying))
    }

    /// The request under way was answered: gives the events that the server has answered for. `jitter` (0 to 999) spreads
    /// the next tries of many browsers.
    pub fn settle(&mut self, answer: Answer, now: u64, jitter: u16) -> Vec<String> {
        let flying = std::mem::take(&mut self.flying);
        let mut settled = Vec::new();
        match answer {
            Answer::Taken { again } => {
                if again.is_empty() {
                    (self.failures, self.unanswered) = (0, 0);
                } else {
                    self.back_off(now, jitter);
                }
                let mut wanted = Vec::new();
                for (place, event) in flying.into_iter().enumerate() {
                    if again.contains(&place) { wanted.push(event) } else { settled.push(event) }
                }
                self.put_back(wanted);
            }
            Answer::Refused => {
                (self.failures, self.unanswered) = (0, 0);
                settled = flying;
            }
            Answer::Busy { retry_after } => {
                self.unanswered = 0;
                match retry_after {
                    Some(wait) => self.not_before = now + wait,
                    None => self.back_off(now, jitter),
                }
                self.put_back(flying);
            }
            Answer::Silence => {
                self.unanswered += 1;
                self.back_off(now, jitter);
                if self.unanswered < UNANSWERED_TRIES {
                    self.put_back(flying);
                } else {
                    self.unanswered = 0;
                }
            }
        }
        settled
    }

    /// Everything that waits, in batches that a beacon can carry: the page is being hidden or left.
    pub fn leave(&mut self) -> Vec<Vec<String>> {
        let mut batches = Vec::new();
        while !self.waiting.is_empty() {
            batches.push(self.next_batch(CAPACITY));
        }
        batches
    }

    /// Puts events that were taken back in front of all others.
    pub fn put_back(&mut self, events: Vec<String>) {
        for event in events.into_iter().rev() {
            self.waiting.push_front(event);
        }
    }

    /// The browser took these events as a beacon.
    pub fn beaconed(&mut self, events: Vec<String>) {
        self.beaconed.extend(events);
    }

    /// The page lives on: what went by beacon is sent again, since now somebody hears the answer.
    pub fn ask_again(&mut self) {
        let beaconed = std::mem::take(&mut self.beaconed);
        self.put_back(beaconed);
    }

    /// Every event that the server has not answered for, oldest first.
    pub fn unsettled(&self) -> Vec<String> {
        self.flying.iter().chain(&self.beaconed).chain(&self.waiting).cloned().collect()
    }

    /// Forgets every event, also the ones under way.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.flying.clear();
        self.beaconed.clear();
    }

    /// The network is back: no need to wait any longer.
    pub fn hurry(&mut self) {
        self.not_before = 0;
    }

    fn next_batch(&mut self, most: usize) -> Vec<String> {
        let mut bytes = ENVELOPE_BYTES;
        let mut batch = Vec::new();
        while batch.len() < most {
            match self.waiting.front() {
                Some(event) if bytes + event.len() < BODY_BYTES || batch.is_empty() => {
                    bytes += event.len() + 1;
                }
                _ => break,
            }
            batch.extend(self.waiting.pop_front());
        }
        batch
    }

    /// Twice as long after every failure, and between half and all of that.
    fn back_off(&mut self, now: u64, jitter: u16) {
        let full = (FIRST_BACKOFF_MS << self.failures.min(10)).min(LONGEST_BACKOFF_MS);
        self.failures += 1;
        self.not_before = now + full / 2 + full / 2 * u64::from(jitter.min(999)) / 1000;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn queue(events: usize) -> Queue {
        let mut queue = Queue::default();
        for n in 0..events {
            queue.push(n.to_string(), 0);
        }
        queue
    }

    fn events_in(body: &str) -> Vec<u64> {
        let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        body["events"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_u64).collect()
    }

    #[test]
    fn a_few_events_wait_two_seconds_and_leave_together_in_order() {
        let mut queue = queue(3);
        assert_eq!(queue.take(1999), None);
        let body = queue.take(2000).unwrap_or_default();
        assert_eq!(body, r#"{"sentAt":2000,"events":[0,1,2]}"#);
    }

    #[test]
    fn ten_events_leave_at_once_and_an_eleventh_waits_for_the_answer() {
        let mut queue = queue(11);
        assert_eq!(events_in(&queue.take(0).unwrap_or_default()).len(), 10);
        assert_eq!(queue.due(), None);
        queue.settle(Answer::Taken { again: vec![] }, 0, 0);
        assert_eq!(queue.due(), Some(2000));
    }

    #[test]
    fn only_what_the_server_wants_again_is_sent_again() {
        let mut queue = queue(3);
        queue.take(2000);
        queue.settle(Answer::Taken { again: vec![1] }, 2000, 0);
        assert_eq!(events_in(&queue.take(9000).unwrap_or_default()), [1]);
    }

    #[test]
    fn statuses_are_told_apart() {
        for status in [400, 401, 403, 404, 409, 413, 415, 422] {
            assert_eq!(Answer::of(status, "5"), Answer::Refused, "{status}");
        }
        for status in [408, 500, 502, 504] {
            assert_eq!(Answer::of(status, "5"), Answer::Busy { retry_after: None }, "{status}");
        }
        for (header, wait) in [
            ("5", Some(5000)),
            ("400", Some(LONGEST_RETRY_AFTER_MS)),
            ("-3", Some(0)),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(Answer::of(429, header), Answer::Busy { retry_after: wait }, "{header}");
            assert_eq!(Answer::of(503, header), Answer::Busy { retry_after: wait }, "{header}");
        }
    }

    #[test]
    fn a_busy_server_is_asked_less_and_less_often_and_nothing_is_dropped() {
        let mut queue = queue(1);
        let mut now = 2000;
        for pause in [500, 1000, 2000, 4000] {
            assert!(queue.take(now).is_some());
            queue.settle(Answer::Busy { retry_after: None }, now, 0);
            assert_eq!(queue.due(), Some(now + pause));
            now += pause;
        }
        queue.take(now);
        queue.settle(Answer::Busy { retry_after: Some(7000) }, now, 0);
        assert_eq!(queue.due(), Some(now + 7000));
    }

    #[test]
    fn what_nobody_answers_is_tried_three_times() {
        let mut queue = queue(1);
        for _ in 0..3 {
            assert!(queue.take(1_000_000).is_some());
            queue.settle(Answer::Silence, 0, 0);
        }
        assert_eq!(queue.due(), None);
    }

    #[test]
    fn a_thousand_events_wait_and_no_more() {
        let mut queue = queue(CAPACITY + 5);
        let left: Vec<_> = queue.leave().concat();
        assert_eq!(left.len(), CAPACITY);
        assert_eq!(left.first().map(String::as_str), Some("0"));
    }

    #[test]
    fn two_hundred_kilobytes_leave_in_bodies_that_a_beacon_can_carry() {
        let mut queue = Queue::default();
        for _ in 0..200 {
            queue.push(format!("\"{}\"", "x".repeat(1022)), 0);
        }
        let batches = queue.leave();
        assert!(batches.iter().all(|batch| body(u64::MAX, batch).len() < BODY_BYTES));
        assert_eq!(batches.concat().len(), 200);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push,
        Send,
        Answer(Answer),
        LeaveAndComeBack,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Push),
            3 => Just(Step::Send),
            1 => Just(Step::Answer(Answer::Taken { again: vec![] })),
            1 => prop::collection::btree_set(0usize..10, 0..10)
                .prop_map(|again| Step::Answer(Answer::Taken { again: again.into_iter().collect() })),
            1 => Just(Step::Answer(Answer::Busy { retry_after: None })),
            1 => Just(Step::LeaveAndComeBack),
        ]
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_reordered(steps in prop::collection::vec(step(), 0..200)) {
            let (mut queue, mut pushed, mut taken, mut flying) = (Queue::default(), 0, Vec::new(), Vec::new());
            for step in steps {
                match step {
                    Step::Push => {
                        queue.push(pushed.to_string(), 0);
                        pushed += 1;
                    }
                    Step::Send => {
                        if let Some(body) = queue.take(u64::MAX / 2) {
                            flying = events_in(&body);
                        }
                    }
                    Step::Answer(answer) if !flying.is_empty() => {
                        if let Answer::Taken { again } = &answer {
                            taken.extend(flying.iter().enumerate().filter(|(n, _)| !again.contains(n)).map(|(_, e)| *e));
                        }
                        flying.clear();
                        queue.settle(answer, 0, 0);
                    }
                    Step::Answer(_) => {}
                    Step::LeaveAndComeBack => {
                        let refused = queue.leave().concat();
                        queue.put_back(refused);
                    }
                }
            }
            let waiting: Vec<u64> = queue.leave().concat().iter().filter_map(|event| event.parse().ok()).collect();
            let unsettled: Vec<u64> = flying.into_iter().chain(waiting).collect();
            prop_assert!(unsettled.is_sorted());
            let mut all: Vec<u64> = taken.into_iter().chain(unsettled).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..pushed).collect::<Vec<_>>());
        }
    }
}
