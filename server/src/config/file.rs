//! The form of `Leptos.toml`. Unknown keys are faults, so that a typing error can't pass for a default.

use app::{Product, Words};
use serde::Deserialize;

use crate::outbox::webhooks::MONEY;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) funnel: Funnel,
    pub(super) product: Product,
    pub(super) page: Words,
    pub(super) checkout: Checkout,
    #[serde(default)]
    pub(super) reconcile: Reconcile,
    #[serde(default)]
    pub(super) tracking: Tracking,
    #[serde(default)]
    pub(super) site: Site,
    #[serde(default)]
    pub(super) store: Store,
    #[serde(default)]
    pub(super) whop: Whop,
    #[serde(default)]
    pub(super) stripe: Stripe,
    #[serde(default)]
    pub(super) polar: Polar,
    #[serde(default)]
    pub(super) shopify: Shopify,
    #[serde(default)]
    pub(super) aurea: Aurea,
    #[serde(default)]
    pub(super) webhooks: Webhooks,
    #[serde(default)]
    pub(super) simulator: Simulator,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Funnel {
    pub(super) id: String,
    pub(super) currency: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Checkout {
    pub(super) provider: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tracking {
    pub(super) consent: String,
}

impl Default for Tracking {
    fn default() -> Self {
        Self { consent: "implied".into() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Reconcile {
    pub(super) every: String,
    pub(super) back: String,
}

impl Default for Reconcile {
    fn default() -> Self {
        Self { every: "15m".into(), back: "72h".into() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Site {
    pub(super) addr: String,
    pub(super) url: Option<String>,
    pub(super) mode: Option<String>,
    pub(super) root: String,
    pub(super) trusted_proxies: Vec<String>,
    pub(super) metrics: String,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            addr: "127.0.0.1:3000".into(),
            url: None,
            mode: None,
            root: "target/site".into(),
            trusted_proxies: Vec::new(),
            metrics: "owner".into(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Store {
    pub(super) url: String,
    pub(super) reserve: String,
}

impl Default for Store {
    fn default() -> Self {
        Self { url: "sqlite://data/ttr.db".into(), reserve: "256 MiB".into() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Whop {
    pub(super) checkout_url: Option<String>,
    pub(super) plan_id: Option<String>,
    pub(super) company_id: Option<String>,
    pub(super) api_url: String,
}

impl Default for Whop {
    fn default() -> Self {
        Self {
            checkout_url: None,
            plan_id: None,
            company_id: None,
            api_url: "https://api.whop.com/api/v1".into(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Stripe {
    pub(super) checkout_url: Option<String>,
    pub(super) price_id: Option<String>,
    pub(super) mode: String,
    pub(super) account: Option<String>,
    pub(super) api_url: String,
}

impl Default for Stripe {
    fn default() -> Self {
        Self {
            checkout_url: None,
            price_id: None,
            mode: "payment".into(),
            account: None,
            api_url: "https://api.stripe.com/v1".into(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Polar {
    pub(super) checkout_url: Option<String>,
    pub(super) product_id: Option<String>,
    pub(super) api_url: String,
}

impl Default for Polar {
    fn default() -> Self {
        Self { checkout_url: None, product_id: None, api_url: "https://api.polar.sh/v1".into() }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Shopify {
    pub(super) checkout_url: Option<String>,
    pub(super) shop: Option<String>,
    pub(super) variant_id: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) api_url: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Aurea {
    pub(super) url: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Webhooks {
    pub(super) url: Option<String>,
    pub(super) events: Vec<String>,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self { url: None, events: MONEY.map(str::to_owned).into() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Simulator {
    pub(super) enabled: bool,
    pub(super) provider: Option<String>,
    pub(super) addr: String,
    pub(super) mode: String,
    pub(super) subscription: bool,
}

impl Default for Simulator {
    fn default() -> Self {
        Self {
            enabled: true,
            provider: None,
            addr: "127.0.0.1:3002".into(),
            mode: "api".into(),
            subscription: false,
        }
    }
}
