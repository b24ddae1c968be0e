//! Places at which a test can end the program, slow it or make it lie: `FAILPOINTS="delivery.verified=return"`.
//!
//! Built with the feature `failpoints` only; without it every call here is nothing. The words of the value are those of the
//! crate `fail`: `return` ends the program as `kill -9` would (or, for [`is_on`], says yes), `3*off->return` on the fourth
//! time, `sleep(20)` waits.

#![cfg_attr(not(feature = "failpoints"), expect(unused_variables))] // the names are then used by nobody

/// Reads `FAILPOINTS`; what it returns keeps the points armed.
pub fn arm() -> fail::FailScenario<'static> {
    fail::FailScenario::setup()
}

/// Ends the program here and now, if a test asked for it.
pub fn reach(name: &'static str) {
    fail::fail_point!(name, |_| std::process::abort());
}

/// Whether a test has switched this on.
pub fn is_on(name: &'static str) -> bool {
    fail::fail_point!(name, |_| true);
    false
}
