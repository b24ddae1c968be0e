//! The owner's screens: rendered on the server, without WASM. What they show comes as the types of [`model`].

pub mod model;
