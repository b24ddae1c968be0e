//! `Leptos.toml` and the environment become one validated [`Config`].
//!
//! Layers, later ones win: `Leptos.toml`, `TTR__SECTION__KEY`, the plain names (`DATABASE_URL`, …). Secrets come from
//! the environment or a `*_FILE` path only. Each fault names its file and line, or its variable, before any port is opened;
//! a wrong form (a key that is unknown or missing) is reported alone, wrong values all at once.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use app::{Product, Words};
use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

use crate::domain::event::FunnelId;
use crate::domain::money::{Currency, Money};
use crate::domain::size::Size;
use crate::outbox::reach::is_own_name;
use crate::outbox::{aurea, webhooks};
use layers::Layers;
use providers::{Providers, providers};
use secrets::Secrets;

mod file;
mod layers;
pub mod providers;
mod secrets;
mod told;

/// Exit code for a configuration that can't be used (sysexits.h, `EX_CONFIG`).
pub const BAD_CONFIGURATION: u8 = 78;

/// Everything that the program was told, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Development or production.
    pub mode: Mode,
    /// The funnel's id and the currency of amounts that name none.
    pub funnel: Funnel,
    /// What is sold.
    pub product: Product,
    /// Its price.
    pub price: Money,
    /// The page's words.
    pub words: Words,
    /// Where the site is.
    pub site: Site,
    /// The SQLite file.
    pub database: PathBuf,
    /// With less disk left, browsers' events are not taken, so that deliveries and checkouts still find some.
    pub reserve: Size,
    /// Whether a visitor must agree before anything is stored.
    pub consent_required: bool,
    /// The providers that are on, and the buy button's.
    pub providers: Providers,
    /// How the providers' own lists are compared with ours.
    pub reconcile: Reconcile,
    /// Plays a provider in development: the buy button's when that is not on, or the one that it is told to.
    pub simulator: Option<Simulator>,
    /// Who may post events with a key.
    pub receive_keys: Vec<ReceiveKey>,
    /// The remote Aurea that events are forwarded to.
    pub aurea: Option<aurea::Settings>,
    /// The owner's endpoint for webhooks.
    pub webhooks: Option<webhooks::Settings>,
    /// Opens the owner's JSON; without one a token is made at start.
    pub admin_token: Option<SecretString>,
}

/// How strict the program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// On a loopback address: the simulator may run, http is allowed, the seed's log lines are printed.
    Development,
    /// Everywhere else.
    Production,
}

/// The funnel.
#[derive(Clone, Debug)]
pub struct Funnel {
    /// `AUREA_FUNNEL_ID`.
    pub id: FunnelId,
    /// Of amounts that name none.
    pub currency: Currency,
}

/// How the providers' own lists are compared with ours while the program serves.
#[derive(Clone, Copy, Debug)]
pub struct Reconcile {
    /// How often; zero is never.
    pub every: Duration,
    /// How far back.
    pub back: Duration,
}

/// Where the site is.
#[derive(Clone, Debug)]
pub struct Site {
    /// What to listen on.
    pub addr: SocketAddr,
    /// The public origin, without a path.
    pub url: Url,
    /// Folder with the built assets.
    pub root: PathBuf,
    /// Proxies that may say in whose name they ask (`X-Forwarded-For`).
    pub trusted_proxies: Vec<IpNet>,
    /// Whether `/metrics` is shown to everybody.
    pub open_metrics: bool,
}

impl Site {
    /// The origin as browsers write it, without a slash at the end.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

/// The provider's stand-in.
#[derive(Clone, Debug)]
pub struct Simulator {
    /// Which provider is played.
    pub provider: &'static str,
    /// What it listens on: another port, so another origin.
    pub addr: SocketAddr,
    /// Whether the checkout begins by `api` or by `link`.
    pub api_mode: bool,
    /// Whether what is sold is paid again and again.
    pub subscription: bool,
    /// What deliveries are signed with, and what opens the API; without one it is made at start.
    pub secret: Option<SecretString>,
}

/// A key that may post events of any kind for one funnel.
#[derive(Clone, Debug)]
pub struct ReceiveKey {
    /// The secret.
    pub key: SecretString,
    /// The funnel.
    pub funnel: FunnelId,
}

/// One thing that is wrong, in plain words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// File and line, or the variable, or the key.
    pub place: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl Config {
    /// Reads `path` and the environment.
    pub fn load(path: &Path, env: &HashMap<String, String>) -> Result<Self, Vec<Fault>> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            vec![Fault { place: path.display().to_string(), message: format!("can't be read: {error}") }]
        })?;
        Self::parse(&path.display().to_string(), &text, env)
    }

    /// As [`Self::load`], from a text; `file_name` is for faults.
    pub fn parse(file_name: &str, text: &str, env: &HashMap<String, String>) -> Result<Self, Vec<Fault>> {
        let layers = Layers::new(file_name, text, env)?;
        let file = layers.read()?;
        let mut faults = Faults { layers: &layers, list: Vec::new() };
        let secrets = Secrets::read(env, &mut faults.list);
        let config = validate(file, secrets, &mut faults);
        match config {
            Some(config) if faults.list.is_empty() => Ok(config),
            _ => Err(faults.list),
        }
    }

    /// The path of the return page, on the public origin.
    pub fn return_url(&self) -> Url {
        let mut url = self.site.url.clone();
        url.set_path(app::Page::ThankYou(app::Return::Unknown).path());
        url
    }
}

/// Collects what is wrong; a value that can't be had becomes `None`.
struct Faults<'a> {
    layers: &'a Layers,
    list: Vec<Fault>,
}

impl Faults<'_> {
    fn add(&mut self, key: &str, message: impl Into<String>) {
        self.list.push(Fault { place: self.layers.place(key), message: message.into() });
    }

    fn check<T, E: fmt::Display>(&mut self, key: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(key, error.to_string())).ok()
    }
}

fn validate(file: file::File, secrets: Secrets, faults: &mut Faults<'_>) -> Option<Config> {
    let funnel_id = faults.check("funnel.id", FunnelId::parse(file.funnel.id.clone()));
    let currency = faults.check("funnel.currency", Currency::parse(&file.funnel.currency));
    let product_currency = faults.check("product.currency", Currency::parse(&file.product.currency));
    let price = product_currency.and_then(|currency| {
        faults.check("product.price", Money::parse_major(&file.product.price, currency))
    });
    let site = site(&file.site, faults);
    let mode = site.as_ref().and_then(|site| mode(file.site.mode.as_deref(), site, faults));
    let database = database(&file.store.url, faults);
    let reserve = faults.check("store.reserve", file.store.reserve.parse());
    let consent_required = match file.tracking.consent.as_str() {
        "implied" => Some(false),
        "required" => Some(true),
        _ => {
            faults.add("tracking.consent", "must be \"implied\" or \"required\"");
            None
        }
    };
    let buy_button = providers::named("checkout.provider", &file.checkout.provider, faults);
    let providers = buy_button.map(|name| providers(&file, name, &secrets, mode, faults));
    let missing = buy_button.filter(|name| secrets.of(name).is_none());
    let simulator = simulator(&file.simulator, missing, &secrets, mode, faults);
    let every = duration("reconcile.every", &file.reconcile.every, faults);
    let back = duration("reconcile.back", &file.reconcile.back, faults);
    let receive_keys = receive_keys(&secrets, faults);
    let aurea = told::aurea(&file.aurea, &secrets, mode, site.as_ref(), faults);
    let webhooks = told::webhooks(file.webhooks, &secrets, mode, site.as_ref(), faults);
    Some(Config {
        mode: mode?,
        funnel: Funnel { id: funnel_id?, currency: currency? },
        product: file.product,
        price: price?,
        words: file.page,
        site: site?,
        database: database?,
        reserve: reserve?,
        consent_required: consent_required?,
        providers: providers?,
        reconcile: Reconcile { every: every?, back: back? },
        simulator,
        receive_keys,
        aurea,
        webhooks,
        admin_token: secrets.admin_token,
    })
}

fn duration(key: &str, text: &str, faults: &mut Faults<'_>) -> Option<Duration> {
    let duration = text.parse::<jiff::SignedDuration>().ok().and_then(|duration| duration.try_into().ok());
    faults.check(key, duration.ok_or("must be a time such as \"15m\" or \"72h\""))
}

fn site(file: &file::Site, faults: &mut Faults<'_>) -> Option<Site> {
    let addr = faults.check("site.addr", file.addr.parse::<SocketAddr>());
    let url = match &file.url {
        Some(url) => faults.check("site.url", Url::parse(url)),
        None => addr.and_then(|addr| Url::parse(&format!("http://{addr}")).ok()),
    };
    let url = url.filter(|url| {
        let is_origin =
            matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none();
        if !is_origin {
            faults.add("site.url", "must be an origin such as https://ttr.example, without a path");
        }
        is_origin
    });
    let network = |text: &String| text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let proxies: Result<Vec<IpNet>, _> = file.trusted_proxies.iter().map(network).collect();
    let proxies = proxies.map_err(|_| "must be networks or addresses such as \"10.0.0.0/8\"");
    let trusted_proxies = faults.check("site.trusted_proxies", proxies)?;
    let open_metrics = match file.metrics.as_str() {
        "owner" => Some(false),
        "open" => Some(true),
        _ => {
            faults.add("site.metrics", "must be \"owner\" or \"open\"");
            None
        }
    };
    let root = PathBuf::from(&file.root);
    Some(Site { addr: addr?, url: url?, root, trusted_proxies, open_metrics: open_metrics? })
}

/// Whether only this machine reaches it.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => is_own_name(name),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

fn mode(wanted: Option<&str>, site: &Site, faults: &mut Faults<'_>) -> Option<Mode> {
    let mode = match wanted {
        None if is_loopback(&site.url) => Mode::Development,
        Some("development") => Mode::Development,
        None | Some("production") => Mode::Production,
        Some(_) => {
            faults.add("site.mode", "must be \"development\" or \"production\"");
            return None;
        }
    };
    if mode == Mode::Production && site.url.scheme() != "https" {
        faults.add("site.url", "must be https in production; set SITE_URL to the public origin");
    }
    Some(mode)
}

fn database(url: &str, faults: &mut Faults<'_>) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite://").filter(|path| !path.is_empty() && !path.contains('?'));
    if path.is_none() {
        faults.add("store.url", "must be sqlite://PATH, such as sqlite://data/ttr.db");
    }
    path.map(PathBuf::from)
}

fn web_url(key: &str, text: &str, mode: Option<Mode>, faults: &mut Faults<'_>) -> Option<Url> {
    let url = faults.check(key, Url::parse(text))?;
    let allowed = url.scheme() == "https" || (url.scheme() == "http" && mode == Some(Mode::Development));
    if !allowed {
        faults.add(key, "must be an https address");
    }
    allowed.then_some(url)
}

/// Stands in for the provider that it is told to play, else for the buy button's if that is `missing`.
fn simulator(
    file: &file::Simulator,
    missing: Option<&'static str>,
    secrets: &Secrets,
    mode: Option<Mode>,
    faults: &mut Faults<'_>,
) -> Option<Simulator> {
    let told = match &file.provider {
        Some(name) => Some(providers::named("simulator.provider", name, faults)?),
        None => None,
    };
    if !file.enabled || mode == Some(Mode::Production) {
        if let Some(missing) = missing {
            let prefix = missing.to_ascii_uppercase();
            faults.add(
                "checkout.provider",
                format!(
                    "{missing} is not configured: set {prefix}_WEBHOOK_SECRET and {prefix}_CHECKOUT_URL (the simulator runs in development only)"
                ),
            );
        }
        return None;
    }
    let provider = told.or(missing)?;
    let addr = faults.check("simulator.addr", file.addr.parse::<SocketAddr>());
    let api_mode = match file.mode.as_str() {
        "api" => true,
        "link" => false,
        _ => {
            faults.add("simulator.mode", "must be \"api\" or \"link\"");
            return None;
        }
    };
    let secret = secrets.simulator.clone();
    Some(Simulator { provider, addr: addr?, api_mode, subscription: file.subscription, secret })
}

fn receive_keys(secrets: &Secrets, faults: &mut Faults<'_>) -> Vec<ReceiveKey> {
    let mut keys = Vec::new();
    for (key, funnel) in &secrets.receive_keys {
        match FunnelId::parse(funnel.clone()) {
            Ok(funnel) => keys.push(ReceiveKey { key: key.clone(), funnel }),
            Err(error) => faults.list.push(Fault {
                place: "AUREA_RECEIVE_KEYS".into(),
                message: format!("a funnel {error}; write key:funnel"),
            }),
        }
    }
    keys
}

#[cfg(test)]
mod tests;
