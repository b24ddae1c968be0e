//! Whether the providers' deliveries are taken: the store knows what was refused.

use super::Check;
use crate::config::Config;
use crate::provider::{polar, shopify, stripe, whop};
use crate::quarantine::ALARM;
use crate::store::quarantine::Refusals;
use crate::store::sqlite::examine::Examination;

/// A provider in words.
struct Named {
    id: &'static str,
    secret: &'static str,
    shown_by: &'static str,
}

fn named(provider: &str) -> Option<Named> {
    let named = |id, secret, shown_by| Some(Named { id, secret, shown_by });
    match provider {
        whop::NAME => named("whop.deliveries", "WHOP_WEBHOOK_SECRET", "Whop"),
        stripe::NAME => named("stripe.deliveries", "STRIPE_WEBHOOK_SECRET", "Stripe"),
        polar::NAME => named("polar.deliveries", "POLAR_WEBHOOK_SECRET", "Polar"),
        shopify::NAME => named("shopify.deliveries", "SHOPIFY_WEBHOOK_SECRET", "Shopify"),
        _ => None,
    }
}

/// One check for each provider that is on. Nothing to say about a store that is not there, older or unreadable; what is
/// wrong with it others say.
pub(super) fn checks(config: &Config) -> Vec<Check> {
    let Ok(store) = Examination::open(&config.database) else { return Vec::new() };
    let check = |provider| Some(judge(&named(provider)?, &store.refusals(provider).ok()?));
    config.providers.on().filter_map(check).collect()
}

fn judge(provider: &Named, refusals: &Refusals) -> Check {
    let Named { id, secret, shown_by } = *provider;
    let Refusals { in_a_row, why, kept, .. } = refusals;
    if *in_a_row == 0 {
        return Check::ok(id, "none was refused since the last good one");
    }
    let why = why.as_deref().unwrap_or_default();
    let message = format!("{in_a_row} refused since the last good one: {why}; {kept} kept");
    let mend = format!(
        "let {secret} be the secret that {shown_by} shows for this webhook, and restart: what is kept is recorded then"
    );
    if *in_a_row < ALARM {
        return Check::warn(id, message, format!("nothing, unless it came from {shown_by}: then {mend}"));
    }
    Check::fail(id, message, mend)
}
