//! Every fault of `Leptos.toml` and the environment, each with its way out.

use std::ffi::OsString;

use super::Check;
use crate::config::{Config, Fault, Mode};

pub(super) fn check(config: &Result<Config, Vec<Fault>>) -> Vec<Check> {
    match config {
        Ok(config) => {
            let mode = match config.mode {
                Mode::Development => "development",
                Mode::Production => "production",
            };
            let message = format!("it can be used: {mode}, funnel {}", config.funnel.id);
            vec![Check::ok("configuration", message)]
        }
        Err(faults) => faults
            .iter()
            .map(|fault| Check::fail("configuration", fault.to_string(), mend(&fault.place)))
            .collect(),
    }
}

/// Variables of ours that are not text: the program starts as if they were not set.
pub(super) fn unreadable(environment: impl Iterator<Item = (OsString, OsString)>) -> Vec<Check> {
    let ours = |name: &str| {
        ["AUREA_", "DATABASE_URL", "LEPTOS_", "POLAR_", "SHOPIFY_", "SITE_URL", "STRIPE_", "TTR_", "WHOP_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    environment
        .filter(|(_, value)| value.to_str().is_none())
        .filter_map(|(name, _)| name.into_string().ok().filter(|name| ours(name)))
        .map(|name| {
            let message = format!("{name} is not text (UTF-8) and is not read");
            Check::warn(
                "configuration",
                message,
                format!("set {name} anew; something broke it on its way here"),
            )
        })
        .collect()
}

/// `place` is a variable, or `FILE:LINE: key`, or a file.
fn mend(place: &str) -> String {
    let Some((file, key)) = place.split_once(": ") else {
        return if place.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') {
            format!("change {place} in the environment (.env, if you use make run)")
        } else if let Some((file, line)) = place.rsplit_once(':') {
            format!("correct line {line} of {file}")
        } else {
            "run ttr in the folder that holds Leptos.toml, or name the file: --config PATH".into()
        };
    };
    match key {
        "checkout.provider" => {
            "copy the webhook secret and the plan's link from Whop's dashboard into WHOP_WEBHOOK_SECRET and \
             WHOP_CHECKOUT_URL; or leave SITE_URL unset to try the site with the simulator"
                .into()
        }
        "whop.checkout_url" => "copy the plan's link from Whop's dashboard into WHOP_CHECKOUT_URL".into(),
        "whop.plan_id" => "copy the plan's id (plan_…) from Whop's dashboard into WHOP_PLAN_ID".into(),
        "stripe.checkout_url" => {
            "copy a Payment Link from Stripe's dashboard into STRIPE_CHECKOUT_URL, or set STRIPE_API_KEY and \
             STRIPE_PRICE_ID"
                .into()
        }
        "polar.checkout_url" => "copy a checkout link from Polar's dashboard into POLAR_CHECKOUT_URL".into(),
        "shopify.checkout_url" => {
            "set SHOPIFY_SHOP and the product's SHOPIFY_VARIANT_ID from Shopify's admin, or SHOPIFY_CHECKOUT_URL to a cart \
             permalink"
                .into()
        }
        "shopify.shop" => "set SHOPIFY_SHOP to the shop's own domain, such as ttr.myshopify.com".into(),
        "site.url" => "set SITE_URL to the site's public origin, such as https://ttr.example".into(),
        key if key.ends_with("_key") || key.ends_with("_secret") || key.ends_with("_token") => {
            format!(
                "take it out of {}, and give it to ttr by the environment or a file of its own",
                file_of(file)
            )
        }
        key => {
            let variable = key.to_ascii_uppercase().replace('.', "__");
            match file.rsplit_once(':') {
                Some((file, line)) => format!("correct line {line} of {file}, or set TTR__{variable}"),
                None => format!("add it to {file}, or set TTR__{variable}"),
            }
        }
    }
}

fn file_of(place: &str) -> &str {
    place.rsplit_once(':').map_or(place, |(file, _)| file)
}
