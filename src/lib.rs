//! The browser's door: hydrates the islands of the landing page. Nothing else lives here.
//!
//! Empty on every other target, so that the workspace builds on a host without the browser's toolchain.
#![cfg(target_arch = "wasm32")]

use wasm_bindgen::prelude::wasm_bindgen;

/// Called once by the loader as soon as the module is there: starts the tracker, then the loader walks the islands.
#[wasm_bindgen]
pub fn hydrate() {
    app::start_in_browser();
    leptos::mount::hydrate_islands();
}
