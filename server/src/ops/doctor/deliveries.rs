//! Whether the provider's deliveries are taken: the store knows what was refused.

use super::Check;
use crate::config::Config;
use crate::quarantine::ALARM;
use crate::store::quarantine::Refusals;
use crate::store::sqlite::examine::Examination;

const ID: &str = "whop.deliveries";

/// Nothing to say about a store that is not there, older or unreadable; what is wrong with it others say.
pub(super) fn check(config: &Config) -> Option<Check> {
    config.whop.as_ref()?;
    let refusals = Examination::open(&config.database).ok()?.refusals("whop").ok()?;
    Some(judge(&refusals))
}

fn judge(refusals: &Refusals) -> Check {
    let Refusals { in_a_row, why, kept, .. } = refusals;
    if *in_a_row == 0 {
        return Check::ok(ID, "none was refused since the last good one");
    }
    let why = why.as_deref().unwrap_or_default();
    let message = format!("{in_a_row} refused since the last good one: {why}; {kept} kept");
    let mend = "let WHOP_WEBHOOK_SECRET be the secret that Whop shows for this webhook, and restart: what is kept is \
                recorded then";
    if *in_a_row < ALARM {
        return Check::warn(ID, message, format!("nothing, unless it came from Whop: then {mend}"));
    }
    Check::fail(ID, message, mend)
}
