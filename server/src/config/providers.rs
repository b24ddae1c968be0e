//! The providers that are on. One function each makes a provider's settings of the file's words and its secrets.
//!
//! A provider is on when its webhook secret is set. `[checkout] provider` says whose checkout the buy button begins; the
//! others only take deliveries.

use secrecy::ExposeSecret;

use super::secrets::{OfProvider, Secrets};
use super::{Faults, Mode, file, web_url};
use crate::provider::signature::Key;
use crate::provider::{stripe, whop};

/// Every provider that there is.
pub const NAMES: &[&str] = &[whop::NAME, stripe::NAME];

/// The providers that are on, and the buy button's.
#[derive(Clone, Debug)]
pub struct Providers {
    /// Whose checkout the buy button begins, by name.
    pub buy_button: &'static str,
    /// Whop, when it is on.
    pub whop: Option<whop::Settings>,
    /// Stripe, when it is on.
    pub stripe: Option<stripe::Settings>,
}

/// `buy_button` is the one of [`NAMES`] that the buy button leads to.
pub(super) fn providers(
    file: &file::File,
    buy_button: &'static str,
    secrets: &Secrets,
    mode: Option<Mode>,
    faults: &mut Faults<'_>,
) -> Providers {
    let mut room = Room { buy_button, mode, faults };
    Providers {
        buy_button,
        whop: secrets.of(whop::NAME).and_then(|secrets| whop(&file.whop, secrets, &mut room)),
        stripe: secrets.of(stripe::NAME).and_then(|secrets| stripe(&file.stripe, secrets, &mut room)),
    }
}

/// The name in `[checkout] provider`.
pub(super) fn buy_button(file: &file::Checkout, faults: &mut Faults<'_>) -> Option<&'static str> {
    let known = NAMES.iter().find(|name| **name == file.provider).copied();
    if known.is_none() {
        let names: Vec<String> = NAMES.iter().map(|name| format!("{name:?}")).collect();
        faults.add("checkout.provider", format!("must be {}", names.join(" or ")));
    }
    known
}

/// What all of them need.
struct Room<'a, 'f> {
    buy_button: &'static str,
    mode: Option<Mode>,
    faults: &'a mut Faults<'f>,
}

impl Room<'_, '_> {
    fn web_url(&mut self, key: &str, text: &str) -> Option<url::Url> {
        web_url(key, text, self.mode, self.faults)
    }
}

/// Whop and Stripe sign with the bytes of the whole secret.
fn raw_keys(secrets: &OfProvider) -> Vec<Key> {
    secrets.webhook.iter().map(|secret| Key::raw(secret.expose_secret())).collect()
}

fn whop(file: &file::Whop, secrets: &OfProvider, room: &mut Room<'_, '_>) -> Option<whop::Settings> {
    let link = file
        .checkout_url
        .clone()
        .or_else(|| Some(format!("https://whop.com/checkout/{}", file.plan_id.as_ref()?)));
    let Some(link) = link else {
        room.faults.add(
            "whop.checkout_url",
            "is needed with a webhook secret: set WHOP_CHECKOUT_URL or WHOP_PLAN_ID",
        );
        return None;
    };
    let checkout_url = room.web_url("whop.checkout_url", &link)?;
    let api = match &secrets.api_key {
        None => None,
        Some(key) => {
            let url = room.web_url("whop.api_url", &file.api_url)?;
            let Some(plan_id) = file.plan_id.clone() else {
                room.faults.add("whop.plan_id", "is needed with an API key: set WHOP_PLAN_ID");
                return None;
            };
            Some(whop::Api { url, key: key.clone(), plan_id, company_id: file.company_id.clone() })
        }
    };
    Some(whop::Settings { checkout_url, api, webhook_keys: raw_keys(secrets) })
}

fn stripe(file: &file::Stripe, secrets: &OfProvider, room: &mut Room<'_, '_>) -> Option<stripe::Settings> {
    let mode = match file.mode.as_str() {
        "payment" => stripe::Mode::Payment,
        "subscription" => stripe::Mode::Subscription,
        _ => {
            room.faults.add("stripe.mode", "must be \"payment\" or \"subscription\"");
            return None;
        }
    };
    let checkout_url = match &file.checkout_url {
        Some(link) => Some(room.web_url("stripe.checkout_url", link)?),
        None => None,
    };
    let api = match &secrets.api_key {
        Some(key) => {
            let url = room.web_url("stripe.api_url", &file.api_url)?;
            Some(stripe::Api { url, key: key.clone(), price_id: file.price_id.clone(), mode })
        }
        None => None,
    };
    let leads_somewhere = checkout_url.is_some() || (api.is_some() && file.price_id.is_some());
    if room.buy_button == stripe::NAME && !leads_somewhere {
        room.faults.add(
            "stripe.checkout_url",
            "is needed for the buy button: set STRIPE_CHECKOUT_URL to a Payment Link, or STRIPE_API_KEY and STRIPE_PRICE_ID",
        );
        return None;
    }
    let account = file.account.clone();
    Some(stripe::Settings { checkout_url, api, account, webhook_keys: raw_keys(secrets) })
}
