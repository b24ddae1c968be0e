//! The buy button's provider: how buyers get there, and whether their ids come back.

use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::Check;
use super::network::{Findings, Network, Silence};
use crate::config::Config;
use crate::provider::{stripe, whop};

pub(super) async fn check(config: &Config, network: &Network) -> Findings {
    let providers = &config.providers;
    match (providers.buy_button, &providers.whop, &providers.stripe) {
        (whop::NAME, Some(whop), _) => of_whop(whop, config, network).await,
        (stripe::NAME, _, Some(stripe)) => of_stripe(stripe, network).await,
        (stripe::NAME, ..) => simulated(
            "stripe.mode",
            "to sell, set STRIPE_WEBHOOK_SECRET and STRIPE_CHECKOUT_URL from Stripe's dashboard",
        ),
        _ => simulated(
            "whop.mode",
            "to sell, set WHOP_WEBHOOK_SECRET, WHOP_PLAN_ID and WHOP_API_KEY from Whop's dashboard",
        ),
    }
}

fn simulated(id: &'static str, mend: &str) -> Findings {
    let message = "no provider is set up: the simulator stands in, no money moves";
    Findings { checks: vec![Check::warn(id, message, mend)], offset: None }
}

async fn of_whop(whop: &whop::Settings, config: &Config, network: &Network) -> Findings {
    let Some(api) = &whop.api else {
        let message = "buyers go by the plan's link: Whop may not hand the session's ids back, so that payments \
                       may come unattributed";
        let mend = "set WHOP_API_KEY and WHOP_PLAN_ID: a checkout made through the API returns the ids";
        return Findings { checks: vec![Check::warn("whop.mode", message, mend)], offset: None };
    };
    let asked = Asked {
        id: "whop.api",
        api: &api.url,
        path: "checkout_configurations", // changes nothing, and needs a permission that the key needs anyway
        key: &api.key,
        silent: "see that this machine may reach it (firewall, proxy, WHOP_API_URL); until then buyers go by the \
                 link and their ids may be lost",
        refused: "make a company API key in Whop's dashboard and set WHOP_API_KEY to it; the sandbox has keys of its own",
        lacking: "give the key checkout_configuration:create and checkout_configuration:basic:read in Whop's dashboard",
    };
    let mut findings = key(&asked, network).await;
    findings.checks.insert(0, Check::ok("whop.mode", "checkouts are made through the API and carry the ids"));
    findings.checks.push(redirect(config));
    findings
}

async fn of_stripe(stripe: &stripe::Settings, network: &Network) -> Findings {
    let mode = stripe_mode(stripe);
    let Some(api) = &stripe.api else {
        let message = "without a key Stripe can't be asked for payments of which no delivery came";
        let mend = "set STRIPE_API_KEY to a restricted key that may read events (and write Checkout Sessions)";
        return Findings { checks: vec![mode, Check::warn("stripe.api", message, mend)], offset: None };
    };
    let asked = Asked {
        id: "stripe.api",
        api: &api.url,
        path: "events",
        key: &api.key,
        silent: "see that this machine may reach it (firewall, proxy, STRIPE_API_URL); until then buyers go by the \
                 Payment Link",
        refused: "copy a secret or restricted key from Stripe's dashboard into STRIPE_API_KEY",
        lacking: "let the key read events and write Checkout Sessions in Stripe's dashboard",
    };
    let mut findings = key(&asked, network).await;
    findings.checks.insert(0, mode);
    findings
}

fn stripe_mode(stripe: &stripe::Settings) -> Check {
    let id = "stripe.mode";
    let through_api = stripe.api.as_ref().is_some_and(|api| api.price_id.is_some());
    match (through_api, &stripe.checkout_url) {
        (true, Some(_)) => Check::ok(id, "checkouts are made through the API and carry the ids"),
        (true, None) => Check::warn(
            id,
            "checkouts are made through the API, and there is no way to buy when it does not answer",
            "set STRIPE_CHECKOUT_URL to a Payment Link for the same price",
        ),
        (false, _) => Check::ok(id, "buyers go by the Payment Link, which carries the ids"),
    }
}

/// Which list is asked for with which key, and how to mend what may be wrong.
struct Asked<'a> {
    id: &'static str,
    api: &'a Url,
    path: &'static str,
    key: &'a SecretString,
    silent: &'static str,
    refused: &'static str,
    lacking: &'static str,
}

async fn key(asked: &Asked<'_>, network: &Network) -> Findings {
    let id = asked.id;
    let url = format!("{}/{}", asked.api.as_str().trim_end_matches('/'), asked.path);
    let ask = network.ask(|client| client.get(url).bearer_auth(asked.key.expose_secret())).await;
    let origin = asked.api.origin().ascii_serialization();
    let answer = match ask {
        Ok(answer) => answer,
        Err(Silence::Offline) => {
            return Findings {
                checks: vec![Check::skipped(id, format!("{origin} was not asked"))],
                offset: None,
            };
        }
        Err(Silence::Because(why)) => {
            let check = Check::fail(id, format!("{origin} does not answer: {why}"), asked.silent);
            return Findings { checks: vec![check], offset: None };
        }
    };
    let check = match answer.status {
        StatusCode::UNAUTHORIZED => Check::fail(id, format!("{origin} refuses the key"), asked.refused),
        StatusCode::FORBIDDEN => {
            Check::warn(id, format!("{origin} knows the key, but it lacks a permission"), asked.lacking)
        }
        status if status.is_server_error() => Check::warn(
            id,
            format!("{origin} answers {}", status.as_u16()),
            "wait and look again; until then buyers go by the link",
        ),
        status if status.is_success() => Check::ok(id, format!("{origin} accepts the key")),
        status => {
            Check::ok(id, format!("{origin} answers ({}) and does not refuse the key", status.as_u16()))
        }
    };
    Findings { checks: vec![check], offset: answer.offset }
}

/// Whop refuses a checkout whose `redirect_url` is not https.
fn redirect(config: &Config) -> Check {
    let id = "whop.redirect_url";
    if config.site.url.scheme() == "https" {
        return Check::ok(id, format!("buyers come back to {}", config.return_url()));
    }
    Check::fail(
        id,
        format!("Whop sends buyers back to https only, and {} is not", config.return_url()),
        "set SITE_URL to an https origin (a tunnel, in development), or unset WHOP_WEBHOOK_SECRET to use the simulator",
    )
}
