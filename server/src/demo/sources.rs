//! Where visitors come from, how many, and how much they mean it.

use rand::Rng;

/// One way to the landing page.
pub(super) struct Source {
    /// Of a hundred visitors.
    share: u32,
    /// How many leave after a glance.
    pub(super) bounce: f64,
    /// How many of the others press the buy button.
    pub(super) buy: f64,
    /// The landing page's query, one of these.
    queries: &'static [&'static str],
    /// The page before, one of these.
    referrers: &'static [&'static str],
}

pub(super) const SOURCES: &[Source] = &[
    Source { share: 21, bounce: 0.44, buy: 0.18, queries: &[""], referrers: &[""] },
    Source { share: 23, bounce: 0.47, buy: 0.15, queries: &[""], referrers: &["https://www.google.com/"] },
    Source {
        share: 8,
        bounce: 0.52,
        buy: 0.17,
        queries: &[
            "?utm_source=google&utm_medium=cpc&utm_campaign=sell-what-you-make&gclid=CjwKCAdemo",
            "?utm_source=google&utm_medium=cpc&utm_campaign=brand&gclid=CjwKCAdemo",
        ],
        referrers: &["https://www.google.com/"],
    },
    Source {
        share: 14,
        bounce: 0.34,
        buy: 0.26,
        queries: &[
            "?utm_source=newsletter&utm_medium=email&utm_campaign=spring-launch",
            "?utm_source=newsletter&utm_medium=email&utm_campaign=friday-notes",
            "?utm_source=newsletter&utm_medium=email&utm_campaign=last-call",
        ],
        referrers: &[""],
    },
    Source {
        share: 15,
        bounce: 0.60,
        buy: 0.07,
        queries: &[
            "?utm_source=instagram&utm_medium=social",
            "?utm_source=instagram&utm_medium=social&utm_campaign=bio",
        ],
        referrers: &["https://l.instagram.com/", "https://www.instagram.com/"],
    },
    Source {
        share: 10,
        bounce: 0.40,
        buy: 0.21,
        queries: &["?utm_source=youtube&utm_medium=video&utm_campaign=library-tour"],
        referrers: &["https://www.youtube.com/"],
    },
    Source {
        share: 9,
        bounce: 0.36,
        buy: 0.24,
        queries: &["", "?ref=partner"],
        referrers: &[
            "https://makers-journal.example/best-libraries",
            "https://indie-craft.example/tools",
            "https://sidestreet.example/episodes/41",
        ],
    },
];

impl Source {
    /// One of the sources, by their shares.
    pub(super) fn pick(rng: &mut impl Rng) -> &'static Self {
        let mut place = rng.random_range(0..SOURCES.iter().map(|source| source.share).sum());
        for source in SOURCES {
            if place < source.share {
                return source;
            }
            place -= source.share;
        }
        &SOURCES[0]
    }

    pub(super) fn query(&self, rng: &mut impl Rng) -> &'static str {
        self.queries[rng.random_range(0..self.queries.len())]
    }

    pub(super) fn referrer(&self, rng: &mut impl Rng) -> &'static str {
        self.referrers[rng.random_range(0..self.referrers.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_of_a_hundred() {
        assert_eq!(SOURCES.iter().map(|source| source.share).sum::<u32>(), 100);
    }
}
