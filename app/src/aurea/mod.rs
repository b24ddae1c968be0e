//! The owner's screens: pure functions from what the server's report answers, the types of [`model`], to whole HTML
//! documents. Rendered on the server, without WASM.
//!
//! What they promise: everything that came from outside is shown as text and cannot break the layout; there are no
//! inline scripts, styles or handlers, so that a CSP of `'self'` holds; they read without JavaScript. One file for each
//! screen; `timeline` decides what stands on a session's line, `words` says it.

mod chart;
mod deliveries;
mod filters;
mod format;
mod frame;
mod funnel;
mod funnels;
mod icons;
mod joining;
mod later;
mod login;
pub mod model;
mod moments;
mod money;
mod notice;
mod paths;
mod payment;
mod payments;
mod refused;
mod session;
mod sessions;
mod table;
mod text;
mod timeline;
mod told;
mod words;

pub use self::funnel::funnel;
pub use self::funnels::funnels;
pub use self::login::login;
pub use self::notice::{failed, not_found};
pub use self::paths::payment as payment_path;
pub use self::payment::payment;
pub use self::payments::payments;
pub use self::session::session;
pub use self::sessions::sessions;

/// The screens' script, served under [`model::Frame::script`]: it keeps an open timeline up to date.
pub const LIVE_SCRIPT: &str = include_str!("live.js");
