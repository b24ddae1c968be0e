//! Which sections of the page the visitor has had in view.
//!
//! Promises: a section is told once in a page view, when half of it, or half of the window with it, was in view for a
//! second on end. Scrolling past is no view, and neither is a hidden tab.

/// How long a section must be in view, ms.
pub const LONG_ENOUGH_MS: u64 = 1000;

/// Whether so much of a section is seen that it is in view. All are heights in CSS pixels: of the part that is seen, of
/// the section, of the window.
pub fn in_view(seen: f64, section: f64, window: f64) -> bool {
    seen > 0.0 && (seen * 2.0 >= section || seen * 2.0 >= window)
}

/// One page view's sections, by their place in the page.
#[derive(Debug, Default)]
pub struct Sections(Vec<Section>);

#[derive(Clone, Copy, Debug, Default)]
struct Section {
    /// In view since then, ms.
    since: Option<u64>,
    told: bool,
}

impl Sections {
    /// So many sections, none of them in view.
    pub fn new(count: usize) -> Self {
        Self(vec![Section::default(); count])
    }

    /// The section came into view or left it.
    pub fn look(&mut self, place: usize, in_view: bool, now: u64) {
        if let Some(section) = self.0.get_mut(place) {
            section.since = in_view.then(|| section.since.unwrap_or(now));
        }
    }

    /// The visitor looks at the page again: what is in view is so from now on.
    pub fn look_again(&mut self, now: u64) {
        for section in &mut self.0 {
            section.since = section.since.map(|_| now);
        }
    }

    /// A new page view begins: everything counts anew.
    pub fn view_again(&mut self, now: u64) {
        for section in &mut self.0 {
            section.told = false;
        }
        self.look_again(now);
    }

    /// When [`Sections::take`] will give something if nothing moves, ms.
    pub fn due(&self) -> Option<u64> {
        (self.0.iter().filter(|section| !section.told))
            .filter_map(|section| section.since)
            .min()
            .map(|since| since + LONG_ENOUGH_MS)
    }

    /// The sections to tell now.
    pub fn take(&mut self, now: u64) -> Vec<usize> {
        let mut places = Vec::new();
        for (place, section) in self.0.iter_mut().enumerate() {
            let long_enough = section.since.is_some_and(|since| now.saturating_sub(since) >= LONG_ENOUGH_MS);
            if long_enough && !section.told {
                section.told = true;
                places.push(place);
            }
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_of_the_section_or_half_of_the_window_is_a_view() {
        assert!(in_view(200.0, 400.0, 800.0));
        assert!(!in_view(199.0, 400.0, 800.0));
        assert!(in_view(400.0, 4000.0, 800.0), "a section taller than the window");
        assert!(!in_view(399.0, 4000.0, 800.0));
        assert!(!in_view(0.0, 0.0, 0.0), "a section that is not shown");
    }

    #[test]
    fn a_section_is_told_after_a_second_in_view_and_once() {
        let mut sections = Sections::new(2);
        sections.look(1, true, 0);
        sections.look(1, true, 500); // scrolled a little
        assert_eq!(sections.due(), Some(1000));
        assert_eq!(sections.take(999), [0; 0]);
        assert_eq!(sections.take(1000), [1]);
        assert_eq!(sections.due(), None);
        sections.look(1, false, 2000);
        sections.look(1, true, 3000);
        assert_eq!(sections.take(9000), [0; 0]);
    }

    #[test]
    fn scrolling_past_is_no_view() {
        let mut sections = Sections::new(1);
        sections.look(0, true, 0);
        sections.look(0, false, 600);
        sections.look(0, true, 900);
        assert_eq!(sections.take(1500), [0; 0]);
        assert_eq!(sections.take(1900), [0]);
    }

    #[test]
    fn time_in_a_hidden_tab_does_not_count() {
        let mut sections = Sections::new(1);
        sections.look(0, true, 0);
        sections.look_again(60_000);
        assert_eq!(sections.take(60_500), [0; 0]);
        assert_eq!(sections.take(61_000), [0]);
    }

    #[test]
    fn a_new_page_view_tells_what_is_in_view_again() {
        let mut sections = Sections::new(2);
        sections.look(0, true, 0);
        assert_eq!(sections.take(1000), [0]);
        sections.view_again(5000);
        assert_eq!(sections.take(5999), [0; 0]);
        assert_eq!(sections.take(6000), [0]);
    }

    proptest! {
        #[test]
        fn each_section_is_told_at_most_once(looks in prop::collection::vec((0usize..4, any::<bool>(), 0u64..2000), 0..80)) {
            let (mut sections, mut now, mut told) = (Sections::new(3), 0, Vec::new());
            for (place, in_view, pause) in looks {
                now += pause;
                sections.look(place, in_view, now);
                told.extend(sections.take(now));
            }
            let count = told.len();
            told.sort_unstable();
            told.dedup();
            prop_assert_eq!(told.len(), count);
        }
    }
}
