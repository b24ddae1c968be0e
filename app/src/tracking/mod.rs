//! The tracker in the visitor's browser (the SDK).
//!
//! `boot.js` starts it in `<head>`; the WASM takes over at [`browser::start`]. The rules are pure Rust with native tests
//! ([`identity`], [`session`], [`scroll`], [`sections`], [`video`], [`queue`], [`unsent`], [`limit`], [`json`]); [`browser`]
//! alone touches the browser. `cases.json` is the table of starts that boot script and Rust must agree on. Two small
//! scripts say what any script could, by the SDK: `clicks.js` and `vitals.js`.

pub mod browser;
pub mod identity;
pub mod json;
pub mod limit;
pub mod queue;
pub mod scroll;
pub mod sections;
pub mod session;
pub mod unsent;
pub mod video;

/// The script that pages inline, verbatim, so that one hash in the CSP allows it. `boot.min.js` is made by
/// `cat vitals.js clicks.js boot.js loader.js | npx esbuild --minify --target=es2020 > boot.min.js`; a test in end2end/boot
/// watches that. In development it also says in the console what a press of a buy button does.
#[cfg(feature = "ssr")]
pub fn boot(development: bool) -> String {
    let development = if development { include_str!("development.js") } else { "" };
    [include_str!("boot.min.js"), development].concat()
}

#[cfg(test)]
mod cases;
