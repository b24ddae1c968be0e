//! What somebody outside says to the program, and when.

use app::server_fns::CheckoutForm;

use crate::domain::Millis;

/// One request.
pub(super) struct Moment {
    /// When it arrives, ms.
    pub(super) at: Millis,
    pub(super) said: Said,
}

/// Who says what.
pub(super) enum Said {
    /// A browser sends events.
    Browser(Vec<u8>),
    /// The owner's backend sends events with its key.
    KeyHolder(Vec<u8>),
    /// The buy button is pressed.
    Buyer { form: CheckoutForm, private: bool },
    /// Whop delivers.
    Whop { id: String, body: String },
}
