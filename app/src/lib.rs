//! Everything a person sees, and the tracker in their browser. No I/O of its own: the server gives the words and a
//! [`server_fns::Backend`], the browser gives the events.

pub mod event;
pub mod landing;
#[cfg(feature = "ssr")]
pub mod server_fns;
pub mod tracking;

/// Starts the tracker; called once by the browser's door before the islands are hydrated.
pub fn start_in_browser() {
    tracking::browser::start();
}
