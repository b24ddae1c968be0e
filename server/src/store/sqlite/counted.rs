//! What a commit brought, for the metrics.

use crate::domain::commit::{Commit, Committed, DeliveryState};
use crate::domain::event::Source;
use crate::metrics::Metrics;

/// What is remembered of a commit until it is known what became of it.
#[derive(Clone)]
pub(super) struct Brought {
    events: Vec<Source>,
    delivery: Option<(&'static str, DeliveryState)>,
}

impl Brought {
    pub(super) fn by(commit: &Commit) -> Self {
        Self {
            events: commit.events.iter().map(|event| event.source).collect(),
            delivery: commit.delivery.as_ref().map(|delivery| (delivery.provider, delivery.state)),
        }
    }

    /// `None` if nothing of it is on disk.
    pub(super) fn count(self, committed: Option<&Committed>, metrics: &Metrics) {
        let Some(committed) = committed else {
            for source in self.events {
                metrics.events(source.as_str(), "retry", 1);
            }
            return;
        };
        for (source, new) in self.events.iter().zip(&committed.new_events) {
            metrics.events(source.as_str(), if *new { "ok" } else { "duplicate" }, 1);
        }
        for event in &committed.settled {
            metrics.events(event.source.as_str(), "ok", 1);
        }
        if let Some((provider, state)) = self.delivery {
            metrics.delivery(provider, if committed.new_delivery { state.as_str() } else { "duplicate" });
        }
    }
}
