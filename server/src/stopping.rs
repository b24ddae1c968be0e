//! The word that the program is to stop, for whatever would go on for ever.

use tokio::sync::watch;

/// Says it, and hears it.
#[derive(Clone, Debug)]
pub struct Stopping(watch::Sender<bool>);

impl Default for Stopping {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Stopping {
    /// From now on.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }

    /// Whether it is time.
    pub fn begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when it is time.
    pub async fn wait(&self) {
        let _ = self.0.subscribe().wait_for(|stopping| *stopping).await; // the sender lives as long as `self`
    }
}
