//! What a visitor has watched of a video.
//!
//! Promises: started once per load; 25, 50 and 75 % each at most once per load and only when playing carries the video
//! across them (seeking past them does not count, and a video of unknown length has none); paused not at the end and not
//! while seeking; completed once per play-through, if its end was reached by playing.

use crate::event::name;

const MARKS: [(f64, &str); 3] =
    [(0.25, name::VIDEO_PROGRESS_25), (0.50, name::VIDEO_PROGRESS_50), (0.75, name::VIDEO_PROGRESS_75)];

/// One load of one video.
#[derive(Debug, Default)]
pub struct Watch {
    started: bool,
    passed: [bool; 3],
    /// Where playing last carried the video, seconds; `None` after a jump.
    at: Option<f64>,
    /// The video has moved by playing since the last jump.
    moved: bool,
}

impl Watch {
    /// Playing began or went on at `position` (seconds).
    pub fn playing(&mut self, position: f64) -> Option<&'static str> {
        self.at = Some(position);
        self.moved = false;
        (!std::mem::replace(&mut self.started, true)).then_some(name::VIDEO_STARTED)
    }

    /// The visitor jumps: what lies between is not watched.
    pub fn seeking(&mut self) {
        self.at = None;
        self.moved = false;
    }

    /// The video plays and is now at `position` of `duration` (seconds, NaN or infinite when unknown).
    pub fn progressed(&mut self, position: f64, duration: f64) -> Vec<&'static str> {
        let Some(before) = self.at.replace(position) else {
            return Vec::new();
        };
        self.moved |= position > before;
        if !duration.is_finite() || duration <= 0.0 {
            return Vec::new();
        }
        let mut crossed = Vec::new();
        for ((mark, name), passed) in MARKS.iter().zip(&mut self.passed) {
            let mark = mark * duration;
            if !*passed && before < mark && mark <= position {
                *passed = true;
                crossed.push(*name);
            }
        }
        crossed
    }

    /// The video stopped; `at_end` because it is over, `jumping` because the visitor moves its slider.
    pub fn paused(&mut self, at_end: bool, jumping: bool) -> Option<&'static str> {
        (self.started && !at_end && !jumping).then_some(name::VIDEO_PAUSED)
    }

    /// The video is over.
    pub fn ended(&mut self) -> Option<&'static str> {
        self.at = None;
        std::mem::take(&mut self.moved).then_some(name::VIDEO_COMPLETED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn play(watch: &mut Watch, from: u32, to: u32) -> Vec<&'static str> {
        let started = watch.playing(f64::from(from));
        let mut events: Vec<_> = started.into_iter().collect();
        events.extend((from..=to).flat_map(|at| watch.progressed(f64::from(at), 100.0)));
        events
    }

    #[test]
    fn a_whole_play_through_tells_everything_once_and_in_order() {
        let mut watch = Watch::default();
        let progress = ["video_progress_25", "video_progress_50", "video_progress_75"];
        assert_eq!(play(&mut watch, 0, 100), [&["video_started"][..], &progress].concat());
        assert_eq!(watch.paused(true, false), None);
        assert_eq!(watch.ended(), Some("video_completed"));
        assert_eq!(watch.ended(), None);
        assert_eq!(play(&mut watch, 0, 100), [""; 0]);
        assert_eq!(watch.ended(), Some("video_completed"), "a second play-through counts again");
    }

    #[test]
    fn seeking_watches_nothing() {
        let mut watch = Watch::default();
        play(&mut watch, 0, 10);
        watch.seeking();
        assert_eq!(watch.progressed(80.0, 100.0), [""; 0]);
        assert_eq!(watch.progressed(81.0, 100.0), [""; 0]);
        watch.seeking();
        watch.progressed(100.0, 100.0);
        assert_eq!(watch.ended(), None);
    }

    #[test]
    fn seeking_back_repeats_nothing() {
        let mut watch = Watch::default();
        play(&mut watch, 0, 60);
        watch.seeking();
        assert_eq!(play(&mut watch, 0, 60), [""; 0]);
    }

    #[test]
    fn an_unknown_length_has_no_progress_but_an_end() {
        for unknown in [0.0, f64::NAN, f64::INFINITY] {
            let mut watch = Watch::default();
            watch.playing(0.0);
            assert_eq!(watch.progressed(50.0, unknown), [""; 0]);
            assert_eq!(watch.ended(), Some("video_completed"));
        }
    }

    #[test]
    fn a_pause_counts_when_the_visitor_pauses_what_they_watch() {
        let mut watch = Watch::default();
        assert_eq!(watch.paused(false, false), None, "nothing has started");
        watch.playing(0.0);
        assert_eq!(watch.paused(false, true), None, "the slider is moved");
        assert_eq!(watch.paused(false, false), Some("video_paused"));
    }

    proptest! {
        #[test]
        fn progress_is_told_at_most_once_whatever_the_visitor_does(moves in prop::collection::vec((0..4u8, 0.0..100.0), 0..80)) {
            let mut watch = Watch::default();
            let mut told: Vec<&str> = Vec::new();
            for (kind, at) in moves {
                match kind {
                    0 => told.extend(watch.playing(at)),
                    1 => watch.seeking(),
                    _ => told.extend(watch.progressed(at, 100.0)),
                }
            }
            let mut once = told.clone();
            once.sort_unstable();
            once.dedup();
            prop_assert_eq!(once.len(), told.len());
        }
    }
}
