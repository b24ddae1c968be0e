//! The provider: how buyers get there, and whether their ids come back.

use reqwest::StatusCode;
use secrecy::ExposeSecret;

use super::Check;
use super::network::{Findings, Network, Silence};
use crate::config::Config;
use crate::provider::whop::Api;

pub(super) async fn check(config: &Config, network: &Network) -> Findings {
    let Some(whop) = &config.providers.whop else {
        let message = "no provider is set up: the simulator stands in, no money moves";
        let mend = "to sell, set WHOP_WEBHOOK_SECRET, WHOP_PLAN_ID and WHOP_API_KEY from Whop's dashboard";
        return Findings { checks: vec![Check::warn("whop.mode", message, mend)], offset: None };
    };
    let Some(api) = &whop.api else {
        let message = "buyers go by the plan's link: Whop may not hand the session's ids back, so that payments \
                       may come unattributed";
        let mend = "set WHOP_API_KEY and WHOP_PLAN_ID: a checkout made through the API returns the ids";
        return Findings { checks: vec![Check::warn("whop.mode", message, mend)], offset: None };
    };
    let mut findings = key(api, network).await;
    findings.checks.insert(0, Check::ok("whop.mode", "checkouts are made through the API and carry the ids"));
    findings.checks.push(redirect(config));
    findings
}

/// Lists checkout configurations: changes nothing, and needs a permission that the key needs anyway.
async fn key(api: &Api, network: &Network) -> Findings {
    let id = "whop.api";
    let url = format!("{}/checkout_configurations", api.url.as_str().trim_end_matches('/'));
    let ask = network.ask(|client| client.get(url).bearer_auth(api.key.expose_secret())).await;
    let origin = api.url.origin().ascii_serialization();
    let answer = match ask {
        Ok(answer) => answer,
        Err(Silence::Offline) => {
            return Findings {
                checks: vec![Check::skipped(id, format!("{origin} was not asked"))],
                offset: None,
            };
        }
        Err(Silence::Because(why)) => {
            let mend = "see that this machine may reach it (firewall, proxy, WHOP_API_URL); until then buyers go by \
                        the link and their ids may be lost";
            let check = Check::fail(id, format!("{origin} does not answer: {why}"), mend);
            return Findings { checks: vec![check], offset: None };
        }
    };
    let check = match answer.status {
        StatusCode::UNAUTHORIZED => Check::fail(
            id,
            format!("{origin} refuses the key"),
            "make a company API key in Whop's dashboard and set WHOP_API_KEY to it; the sandbox has keys of its own",
        ),
        StatusCode::FORBIDDEN => Check::warn(
            id,
            format!("{origin} knows the key, but it lacks a permission"),
            "give the key checkout_configuration:create and checkout_configuration:basic:read in Whop's dashboard",
        ),
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
