//! The owner's side: who is let in ([`access`]), the login, the screens, the timeline that follows along, and the JSON.

mod access;
pub mod api;
mod assets;
mod by_hand;
mod filter;
pub mod live;
pub mod login;
pub mod payments;
pub mod screens;
mod throttle;

pub use access::{Access, Owner, Refusal};
pub use assets::{Assets, asset};
pub use by_hand::ByHand;
