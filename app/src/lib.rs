//! Everything a person sees, and the tracker in their browser. No I/O of its own: the server gives the words and a
//! [`server_fns::Backend`], the browser gives the events.
//!
//! The server calls [`render`] once for each [`Page`] and keeps the HTML; the browser hydrates the islands in it.

#[cfg(feature = "ssr")]
pub mod aurea;
pub mod event;
pub mod landing;
#[cfg(feature = "ssr")]
pub mod server_fns;
#[cfg(feature = "ssr")]
mod shell;
pub mod tracking;

#[cfg(feature = "ssr")]
pub use landing::thank_you::RETURNED_SCRIPT;
#[cfg(feature = "ssr")]
pub use landing::words::{Product, Words};
#[cfg(feature = "ssr")]
pub use shell::{Page, RETURNED_PATH, Return, Site, reload_script, render, robots, sitemap};

/// Starts the tracker; called once by the browser's door before the islands are hydrated.
pub fn start_in_browser() {
    tracking::browser::start();
}
