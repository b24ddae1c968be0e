//! The tracker in the visitor's browser (the SDK).
pub mod browser;

/// boot
pub const BOOT: &str = "";
