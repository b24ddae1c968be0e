//! How far the visitor has scrolled a page.
//!
//! Promises: 25, 50, 75, 90 and 100 % each at most once per page view, ascending, all of them for a jump. Depth is what
//! was scrolled of what can be scrolled, so the first screen alone is 0 %. A page that fits into the window is whole as
//! soon as the visitor tries to scroll it, and not before: depth is something the visitor does.

use crate::event::name;

const DEPTHS: [f64; 5] = [25.0, 50.0, 75.0, 90.0, 100.0];
const NAMES: [&str; 5] = [
    name::SCROLL_DEPTH_25,
    name::SCROLL_DEPTH_50,
    name::SCROLL_DEPTH_75,
    name::SCROLL_DEPTH_90,
    name::SCROLL_DEPTH_100,
];

/// One page view's depth so far.
#[derive(Debug, Default)]
pub struct Depth {
    reached: usize,
}

impl Depth {
    /// The visitor scrolled, or tried to: gives the events of the depths that are new. `top` is how far the page is
    /// scrolled, `window` and `page` are the heights, all in CSS pixels.
    pub fn scrolled(&mut self, top: f64, window: f64, page: f64) -> &'static [&'static str] {
        let way = page - window;
        // Fractional pixels: the end of the page may be reported a pixel early.
        let depth = if way < 1.0 || top + 1.0 >= way { 100.0 } else { top / way * 100.0 };
        let from = self.reached;
        self.reached = from.max(DEPTHS.iter().filter(|at| depth >= **at).count());
        &NAMES[from..self.reached]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn depth_is_what_was_scrolled_of_what_can_be_scrolled() {
        let mut depth = Depth::default();
        assert_eq!(depth.scrolled(0.0, 1000.0, 4000.0), [""; 0]);
        assert_eq!(depth.scrolled(2000.0, 1000.0, 4000.0), ["scroll_depth_25", "scroll_depth_50"]);
        assert_eq!(depth.scrolled(2999.4, 1000.0, 4000.0), &NAMES[2..]);
    }

    #[test]
    fn a_jump_to_the_bottom_passes_every_depth_once() {
        let mut depth = Depth::default();
        assert_eq!(depth.scrolled(3000.0, 1000.0, 4000.0), NAMES);
        assert_eq!(depth.scrolled(0.0, 1000.0, 4000.0), [""; 0]);
        assert_eq!(depth.scrolled(3000.0, 1000.0, 4000.0), [""; 0]);
    }

    #[test]
    fn a_page_that_fits_the_window_is_whole_once_the_visitor_tries_to_scroll() {
        assert_eq!(Depth::default().scrolled(0.0, 1000.0, 600.0), NAMES);
        assert_eq!(Depth::default().scrolled(0.0, 1000.0, 1000.0), NAMES);
    }

    proptest! {
        #[test]
        fn depths_ascend_and_never_repeat(moves in prop::collection::vec((-50.0..5000.0, 1.0..2000.0, 0.0..6000.0), 0..60)) {
            let mut depth = Depth::default();
            let seen: Vec<_> = moves.iter().flat_map(|(top, window, page)| depth.scrolled(*top, *window, *page)).collect();
            prop_assert!(seen.iter().zip(NAMES.iter()).all(|(seen, name)| *seen == name));
            prop_assert!(seen.len() <= NAMES.len());
        }
    }
}
