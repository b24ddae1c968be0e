//! The providers that are on. One function each makes a provider's settings of the file's words and its secrets.
//!
//! A provider is on when its webhook secret is set. `[checkout] provider` says whose checkout the buy button begins; the
//! others only take deliveries.

use secrecy::{ExposeSecret, SecretString};

use super::secrets::{OfProvider, Secrets};
use super::{Faults, Mode, file, web_url};
use crate::provider::signature::Key;
use crate::provider::{polar, shopify, stripe, whop};

/// Every provider that there is.
pub const NAMES: &[&str] = &[whop::NAME, stripe::NAME, polar::NAME, shopify::NAME];

/// The providers that are on, and the buy button's.
#[derive(Clone, Debug)]
pub struct Providers {
    /// Whose checkout the buy button begins, by name.
    pub buy_button: &'static str,
    /// Whop, when it is on.
    pub whop: Option<whop::Settings>,
    /// Stripe, when it is on.
    pub stripe: Option<stripe::Settings>,
    /// Polar, when it is on.
    pub polar: Option<polar::Settings>,
    /// Shopify, when it is on.
    pub shopify: Option<shopify::Settings>,
}

impl Providers {
    /// Those that are on, by name.
    pub fn on(&self) -> impl Iterator<Item = &'static str> {
        let on = [
            (whop::NAME, self.whop.is_some()),
            (stripe::NAME, self.stripe.is_some()),
            (polar::NAME, self.polar.is_some()),
            (shopify::NAME, self.shopify.is_some()),
        ];
        on.into_iter().filter_map(|(name, is_on)| is_on.then_some(name))
    }
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
        polar: secrets.of(polar::NAME).and_then(|secrets| polar(&file.polar, secrets, &mut room)),
        shopify: secrets.of(shopify::NAME).and_then(|secrets| shopify(&file.shopify, secrets, &mut room)),
    }
}

/// The provider that a key names: `[checkout] provider` is the buy button's.
pub(super) fn named(key: &str, name: &str, faults: &mut Faults<'_>) -> Option<&'static str> {
    let known = NAMES.iter().find(|known| **known == name).copied();
    if known.is_none() {
        let names: Vec<String> = NAMES.iter().map(|name| format!("{name:?}")).collect();
        faults.add(key, format!("must be {}", names.join(" or ")));
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

/// Whop, Stripe and Shopify sign with the bytes of the whole secret.
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
            Some(whop::Api { url, key: key.clone(), plan_id })
        }
    };
    let company_id = file.company_id.clone();
    Some(whop::Settings { checkout_url, api, webhook_keys: raw_keys(secrets), company_id })
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

fn polar(file: &file::Polar, secrets: &OfProvider, room: &mut Room<'_, '_>) -> Option<polar::Settings> {
    let checkout_url = match &file.checkout_url {
        Some(link) => Some(room.web_url("polar.checkout_url", link)?),
        None => None,
    };
    if room.buy_button == polar::NAME && checkout_url.is_none() {
        room.faults.add(
            "polar.checkout_url",
            "is needed for the buy button: set POLAR_CHECKOUT_URL to a checkout link (with an API key it is the way out when the API fails)",
        );
        return None;
    }
    let api = match &secrets.api_key {
        Some(key) => {
            let url = room.web_url("polar.api_url", &file.api_url)?;
            Some(polar::Api { url, key: key.clone(), product_id: file.product_id.clone() })
        }
        None => None,
    };
    let webhook_keys =
        secrets.webhook.iter().flat_map(|secret| polar::keys(secret.expose_secret())).collect();
    Some(polar::Settings { checkout_url, api, webhook_keys })
}

fn shopify(file: &file::Shopify, secrets: &OfProvider, room: &mut Room<'_, '_>) -> Option<shopify::Settings> {
    let link = match (&file.checkout_url, &file.shop, &file.variant_id) {
        (Some(link), ..) => Some(link.clone()),
        (None, Some(shop), Some(variant)) => Some(format!("https://{shop}/cart/{variant}:1")),
        _ => None,
    };
    let checkout_url = match link {
        Some(link) => Some(room.web_url("shopify.checkout_url", &link)?),
        None => None,
    };
    match &checkout_url {
        Some(url) if !url.path().contains("/cart/") => {
            room.faults.add(
                "shopify.checkout_url",
                "must be a cart permalink such as https://shop.myshopify.com/cart/VARIANT:1: other pages carry no ids",
            );
            return None;
        }
        None if room.buy_button == shopify::NAME => {
            room.faults.add(
                "shopify.checkout_url",
                "is needed for the buy button: set SHOPIFY_CHECKOUT_URL to a cart permalink, or SHOPIFY_SHOP and SHOPIFY_VARIANT_ID",
            );
            return None;
        }
        _ => {}
    }
    let of_the_link = checkout_url.as_ref().and_then(url::Url::host_str);
    let of_the_link = of_the_link.filter(|host| host.ends_with(".myshopify.com")).map(str::to_owned);
    let shop = file.shop.clone().or(of_the_link);
    let api = match &secrets.api_key {
        Some(key) => Some(shopify_api(file, shop.as_deref(), key, room)?),
        None => None,
    };
    Some(shopify::Settings { checkout_url, shop, api, webhook_keys: raw_keys(secrets) })
}

fn shopify_api(
    file: &file::Shopify,
    shop: Option<&str>,
    key: &SecretString,
    room: &mut Room<'_, '_>,
) -> Option<shopify::Api> {
    let url = file
        .api_url
        .clone()
        .or_else(|| Some(format!("https://{}/admin/api/{}", shop?, shopify::API_VERSION)));
    let Some(url) = url else {
        room.faults.add("shopify.shop", "is needed with an API key: set SHOPIFY_SHOP to shop.myshopify.com");
        return None;
    };
    let access = match &file.client_id {
        Some(client_id) => shopify::Access::App { client_id: client_id.clone(), secret: key.clone() },
        None => shopify::Access::Token(key.clone()),
    };
    Some(shopify::Api { url: room.web_url("shopify.api_url", &url)?, access })
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    #[test]
    fn whop_is_on_when_its_webhook_secret_is_set() {
        let config = parse(
            &[],
            &[
                ("SITE_URL", "https://ttr.example"),
                ("WHOP_WEBHOOK_SECRET", "ws_old, ws_new"),
                ("WHOP_PLAN_ID", "plan_1"),
                ("WHOP_API_KEY", "key"),
            ],
        )
        .unwrap();
        let whop = config.providers.whop.unwrap();
        assert_eq!(whop.webhook_keys.len(), 2);
        assert_eq!(whop.checkout_url.as_str(), "https://whop.com/checkout/plan_1");
        assert_eq!(whop.api.unwrap().url.as_str(), "https://api.whop.com/api/v1");
        assert_eq!(config.mode, Mode::Production);
        assert!(config.simulator.is_none());
    }

    const STRIPE_SELLS: (&str, &str) = ("TTR__CHECKOUT__PROVIDER", "stripe");
    const STRIPE_SECRET: (&str, &str) = ("STRIPE_WEBHOOK_SECRET", "whsec_old,whsec_new");
    const PAYMENT_LINK: (&str, &str) = ("STRIPE_CHECKOUT_URL", "https://buy.stripe.com/abc");

    #[test]
    fn stripe_sells_by_a_payment_link_or_through_the_api() {
        let stripe = |env: &[(&str, &str)]| {
            let config = parse(&[], &[&[STRIPE_SELLS, STRIPE_SECRET], env].concat()).unwrap();
            assert!(config.simulator.is_none() && config.providers.whop.is_none());
            assert_eq!(config.providers.buy_button, "stripe");
            config.providers.stripe.unwrap()
        };
        let link = stripe(&[PAYMENT_LINK]);
        assert_eq!((link.webhook_keys.len(), link.api.is_none()), (2, true));
        assert_eq!(link.checkout_url.unwrap().as_str(), "https://buy.stripe.com/abc");
        let api = stripe(&[
            ("STRIPE_API_KEY", "sk_1"),
            ("STRIPE_PRICE_ID", "price_1"),
            ("TTR__STRIPE__MODE", "subscription"),
            ("TTR__STRIPE__ACCOUNT", "acct_1"),
        ]);
        assert_eq!(api.account.as_deref(), Some("acct_1"));
        let api = api.api.unwrap();
        assert_eq!(api.url.as_str(), "https://api.stripe.com/v1");
        assert_eq!((api.price_id.as_deref(), api.mode), (Some("price_1"), stripe::Mode::Subscription));
    }

    #[test]
    fn a_buy_button_that_leads_nowhere_is_a_fault() {
        for more in [&[][..], &[("STRIPE_API_KEY", "sk_1")], &[("STRIPE_PRICE_ID", "price_1")]] {
            let faults = parse(&[], &[&[STRIPE_SELLS, STRIPE_SECRET], more].concat()).unwrap_err();
            assert!(faults.len() == 1 && faults[0].contains("stripe.checkout_url: is needed"), "{faults:?}");
        }
        let odd = [STRIPE_SELLS, STRIPE_SECRET, PAYMENT_LINK, ("TTR__STRIPE__MODE", "gift")];
        assert_eq!(
            parse(&[], &odd).unwrap_err(),
            ["TTR__STRIPE__MODE: must be \"payment\" or \"subscription\""]
        );
    }

    #[test]
    fn another_provider_than_the_buy_buttons_only_takes_deliveries() {
        let whop = [("WHOP_WEBHOOK_SECRET", "ws"), ("WHOP_PLAN_ID", "plan_1")];
        let config = parse(&[], &[&whop[..], &[STRIPE_SECRET]].concat()).unwrap();
        assert_eq!(config.providers.buy_button, "whop");
        assert!(config.providers.whop.is_some() && config.providers.stripe.is_some());
        let config = parse(&[], &[STRIPE_SECRET]).unwrap();
        assert!(config.simulator.is_some(), "the simulator stands in for the buy button's");
        let production = parse(&[], &[STRIPE_SECRET, ("SITE_URL", "https://ttr.example")]).unwrap_err();
        assert!(production[0].contains("whop is not configured: set WHOP_WEBHOOK_SECRET"), "{production:?}");
    }

    #[test]
    fn the_buy_button_needs_a_provider_that_there_is() {
        let faults = parse(&[], &[("TTR__CHECKOUT__PROVIDER", "paypal")]).unwrap_err();
        let expected = r#"TTR__CHECKOUT__PROVIDER: must be "whop" or "stripe" or "polar" or "shopify""#;
        assert_eq!(faults, [expected]);
    }

    #[test]
    fn polar_sells_by_its_checkout_link_and_both_generations_of_secrets_are_keys() {
        let sells = ("TTR__CHECKOUT__PROVIDER", "polar");
        let secret = ("POLAR_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw,my own secret");
        let link = ("POLAR_CHECKOUT_URL", "https://buy.polar.sh/polar_cl_1");
        let api = [("POLAR_API_KEY", "polar_oat_1"), ("POLAR_PRODUCT_ID", "prod_1")];
        let polar =
            parse(&[], &[&[sells, secret, link], &api[..]].concat()).unwrap().providers.polar.unwrap();
        assert_eq!(polar.webhook_keys.len(), 3, "the first secret does not tell its age");
        let api = polar.api.unwrap();
        assert_eq!(
            (api.url.as_str(), api.product_id.as_deref()),
            ("https://api.polar.sh/v1", Some("prod_1"))
        );
        let faults = parse(&[], &[sells, secret, ("POLAR_API_KEY", "polar_oat_1")]).unwrap_err();
        assert!(faults.len() == 1 && faults[0].contains("polar.checkout_url: is needed"), "{faults:?}");
        let only_takes_deliveries = parse(&[], &[secret]).unwrap().providers;
        assert!(only_takes_deliveries.polar.is_some() && only_takes_deliveries.buy_button == "whop");
    }

    const SHOPIFY_SELLS: (&str, &str) = ("TTR__CHECKOUT__PROVIDER", "shopify");
    const SHOPIFY_SECRET: (&str, &str) = ("SHOPIFY_WEBHOOK_SECRET", "shpss_1,shop_secret");

    #[test]
    fn shopify_sells_by_a_cart_permalink_that_is_given_or_made() {
        let shopify = |env: &[(&str, &str)]| {
            let config = parse(&[], &[&[SHOPIFY_SELLS, SHOPIFY_SECRET], env].concat()).unwrap();
            config.providers.shopify.unwrap()
        };
        let made = shopify(&[("SHOPIFY_SHOP", "ttr.myshopify.com"), ("SHOPIFY_VARIANT_ID", "808950810")]);
        assert_eq!(made.checkout_url.unwrap().as_str(), "https://ttr.myshopify.com/cart/808950810:1");
        assert_eq!((made.webhook_keys.len(), made.shop.as_deref()), (2, Some("ttr.myshopify.com")));
        let given = shopify(&[
            ("SHOPIFY_CHECKOUT_URL", "https://ttr.myshopify.com/cart/1:1"),
            ("SHOPIFY_API_KEY", "shpat_1"),
        ]);
        assert_eq!(given.shop.as_deref(), Some("ttr.myshopify.com"));
        let api = given.api.unwrap();
        assert_eq!(api.url.as_str(), "https://ttr.myshopify.com/admin/api/2026-10");
        assert!(matches!(api.access, shopify::Access::Token(_)));
        let own_domain = [
            ("SHOPIFY_CHECKOUT_URL", "https://shop.example/cart/1:1"),
            ("SHOPIFY_SHOP", "ttr.myshopify.com"),
        ];
        let own_domain = shopify(
            &[&own_domain[..], &[("SHOPIFY_API_KEY", "shpss_1"), ("SHOPIFY_CLIENT_ID", "c")]].concat(),
        );
        assert_eq!(own_domain.shop.as_deref(), Some("ttr.myshopify.com"));
        assert!(
            matches!(own_domain.api.unwrap().access, shopify::Access::App { client_id, .. } if client_id == "c")
        );
    }

    #[test]
    fn a_shop_that_can_not_sell_or_not_be_asked_is_a_fault() {
        for (more, expected) in [
            (&[][..], "shopify.checkout_url: is needed"),
            (&[("SHOPIFY_VARIANT_ID", "1")], "shopify.checkout_url: is needed"),
            (
                &[("SHOPIFY_CHECKOUT_URL", "https://shop.example/products/ttr")],
                "SHOPIFY_CHECKOUT_URL: must be a cart permalink",
            ),
            (
                &[("SHOPIFY_CHECKOUT_URL", "https://shop.example/cart/1:1"), ("SHOPIFY_API_KEY", "k")],
                "shopify.shop: is needed",
            ),
        ] {
            let faults = parse(&[], &[&[SHOPIFY_SELLS, SHOPIFY_SECRET], more].concat()).unwrap_err();
            assert!(faults.len() == 1 && faults[0].contains(expected), "{faults:?}");
        }
    }
}
