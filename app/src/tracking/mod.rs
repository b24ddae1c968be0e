//! The tracker in the visitor's browser (the SDK).
//!
//! `boot.js` starts it in `<head>`; the WASM takes over at [`browser::start`]. The rules are pure Rust with native tests
//! ([`identity`], [`session`], [`scroll`], [`video`], [`queue`], [`json`]); [`browser`] alone touches the browser.
//! `cases.json` is the table of starts that boot script and Rust must agree on.

pub mod browser;
pub mod identity;
pub mod json;
pub mod queue;
pub mod scroll;
pub mod session;
pub mod video;

/// The boot script as pages inline it: verbatim, so that one hash in the CSP allows it. It is made by
/// `cat boot.js loader.js | npx esbuild --minify --target=es2020 > boot.min.js`; a test in end2end/boot watches that.
#[cfg(feature = "ssr")]
pub const BOOT: &str = include_str!("boot.min.js");

#[cfg(test)]
mod cases;
