//! The buy button's provider: how buyers get there, and whether their ids come back.

use reqwest::{Client, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::Check;
use super::network::{Findings, Network, Silence};
use crate::config::Config;
use crate::provider::{polar, shopify, stripe, whop};

pub(super) async fn check(config: &Config, network: &Network) -> Findings {
    let providers = &config.providers;
    let name = providers.buy_button;
    let is_on = providers.on().any(|on| on == name);
    if let Some(simulator) = config.simulator.as_ref().filter(|_| is_on) {
        let message =
            format!("the simulator plays {} in the place of {name}: no money moves", simulator.provider);
        let check = Check::warn("simulator", message, "unset TTR__SIMULATOR__PROVIDER to sell");
        return Findings { checks: vec![check], offset: None };
    }
    if let (whop::NAME, Some(whop)) = (name, &providers.whop) {
        of_whop(whop, config, network).await
    } else if let (stripe::NAME, Some(stripe)) = (name, &providers.stripe) {
        of_stripe(stripe, network).await
    } else if let (polar::NAME, Some(polar)) = (name, &providers.polar) {
        of_polar(polar, network).await
    } else if let (shopify::NAME, Some(shopify)) = (name, &providers.shopify) {
        of_shopify(shopify, network).await
    } else {
        match name {
            stripe::NAME => simulated(
                "stripe.mode",
                "to sell, set STRIPE_WEBHOOK_SECRET and STRIPE_CHECKOUT_URL from Stripe's dashboard",
            ),
            polar::NAME => simulated(
                "polar.mode",
                "to sell, set POLAR_WEBHOOK_SECRET and POLAR_CHECKOUT_URL from Polar's dashboard",
            ),
            shopify::NAME => simulated(
                "shopify.mode",
                "to sell, set SHOPIFY_WEBHOOK_SECRET, SHOPIFY_SHOP and SHOPIFY_VARIANT_ID from Shopify's admin",
            ),
            _ => simulated(
                "whop.mode",
                "to sell, set WHOP_WEBHOOK_SECRET, WHOP_PLAN_ID and WHOP_API_KEY from Whop's dashboard",
            ),
        }
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
        refusals: &[StatusCode::UNAUTHORIZED],
        silent: "see that this machine may reach it (firewall, proxy, WHOP_API_URL); until then buyers go by the \
                 link and their ids may be lost",
        refused: "make a company API key in Whop's dashboard and set WHOP_API_KEY to it; the sandbox has keys of its own",
        lacking: "give the key checkout_configuration:create and checkout_configuration:basic:read in Whop's dashboard",
    };
    // The list changes nothing, and needs a permission that the key needs anyway.
    let mut findings = list(&asked, "checkout_configurations", &api.key, network).await;
    findings.checks.insert(0, Check::ok("whop.mode", "checkouts are made through the API and carry the ids"));
    findings.checks.push(redirect(config));
    findings
}

async fn of_stripe(stripe: &stripe::Settings, network: &Network) -> Findings {
    let mode = stripe_mode(stripe);
    let Some(api) = &stripe.api else {
        let message = "without a key Stripe can't be asked for payments of which no delivery came";
        let mend =
            "set STRIPE_API_KEY to a restricted key that may read events (and write Checkout Sessions)";
        return Findings { checks: vec![mode, Check::warn("stripe.api", message, mend)], offset: None };
    };
    let asked = Asked {
        id: "stripe.api",
        api: &api.url,
        refusals: &[StatusCode::UNAUTHORIZED],
        silent: "see that this machine may reach it (firewall, proxy, STRIPE_API_URL); until then buyers go by the \
                 Payment Link",
        refused: "copy a secret or restricted key from Stripe's dashboard into STRIPE_API_KEY",
        lacking: "let the key read events and write Checkout Sessions in Stripe's dashboard",
    };
    let mut findings = list(&asked, "events", &api.key, network).await;
    findings.checks.insert(0, mode);
    findings
}

async fn of_polar(polar: &polar::Settings, network: &Network) -> Findings {
    let through_api = polar.api.as_ref().is_some_and(|api| api.product_id.is_some());
    let way =
        if through_api { "checkouts are made through the API" } else { "buyers go by the checkout link" };
    let mode = Check::ok("polar.mode", format!("{way} and carry the ids"));
    let Some(api) = &polar.api else {
        let message = "without a token Polar can't be asked for payments of which no delivery came";
        let mend = "set POLAR_API_KEY to an organization access token with orders:read, refunds:read, disputes:read and \
                    checkouts:write";
        return Findings { checks: vec![mode, Check::warn("polar.api", message, mend)], offset: None };
    };
    let asked = Asked {
        id: "polar.api",
        api: &api.url,
        refusals: &[StatusCode::UNAUTHORIZED],
        silent: "see that this machine may reach it (firewall, proxy, POLAR_API_URL); until then buyers go by the \
                 checkout link",
        refused: "make an organization access token in Polar's dashboard and set POLAR_API_KEY to it; the sandbox has \
                  tokens of its own",
        lacking: "give the token orders:read, refunds:read, disputes:read and checkouts:write in Polar's dashboard",
    };
    let mut findings = list(&asked, "orders/", &api.key, network).await;
    findings.checks.insert(0, mode);
    findings
}

async fn of_shopify(shopify: &shopify::Settings, network: &Network) -> Findings {
    let mut checks =
        vec![Check::ok("shopify.mode", "buyers go by the cart permalink, which carries the ids")];
    if shopify.shop.is_none() {
        let message = "deliveries of any shop that knows the secret count";
        checks.push(Check::warn(
            "shopify.shop",
            message,
            "set SHOPIFY_SHOP to the shop's own domain, shop.myshopify.com",
        ));
    }
    let Some(api) = &shopify.api else {
        let message = "without a token Shopify can't be asked for payments of which no delivery came";
        let mend =
            "set SHOPIFY_CLIENT_ID and SHOPIFY_API_KEY to the id and secret of an app with read_orders";
        checks.push(Check::warn("shopify.api", message, mend));
        return Findings { checks, offset: None };
    };
    let asked = Asked {
        id: "shopify.api",
        api: &api.url,
        refusals: &[StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED], // an app that is not known, a token
        silent: "see that this machine may reach it (firewall, proxy, SHOPIFY_API_URL); buyers are not concerned",
        refused: "copy the app's client id and secret into SHOPIFY_CLIENT_ID and SHOPIFY_API_KEY, and see that the app \
                  is installed in the shop",
        lacking: "give the app read_orders (and read_shopify_payments_disputes) and install it anew",
    };
    let mut findings = key(&asked, network, |client| api.probe(client)).await;
    checks.append(&mut findings.checks);
    Findings { checks, ..findings }
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

/// Who is asked, and how to mend what may be wrong.
struct Asked<'a> {
    id: &'static str,
    api: &'a Url,
    /// How it answers whom it does not know.
    refusals: &'static [StatusCode],
    silent: &'static str,
    refused: &'static str,
    lacking: &'static str,
}

/// Asks for one of the API's lists.
async fn list(asked: &Asked<'_>, path: &str, token: &SecretString, network: &Network) -> Findings {
    let url = format!("{}/{path}", asked.api.as_str().trim_end_matches('/'));
    key(asked, network, |client| client.get(url).bearer_auth(token.expose_secret())).await
}

async fn key(
    asked: &Asked<'_>,
    network: &Network,
    request: impl FnOnce(&Client) -> RequestBuilder,
) -> Findings {
    let id = asked.id;
    let ask = network.ask(request).await;
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
        status if asked.refusals.contains(&status) => {
            Check::fail(id, format!("{origin} refuses the key"), asked.refused)
        }
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
