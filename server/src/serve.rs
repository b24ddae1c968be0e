//! Start-up and shutdown: puts the rooms together, listens, and leaves nothing unwritten.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use secrecy::SecretString;
use tokio::net::TcpListener;

use crate::accept::{self, Settings};
use crate::aurea::screens::Screens;
use crate::aurea::{Access, Assets, ByHand};
use crate::backend::ServerBackend;
use crate::bookkeeper::Bookkeeper;
use crate::checkout::Checkouts;
use crate::client::Clients;
use crate::clock::{Clock, WallClock};
use crate::config::providers::Providers;
use crate::config::{Config, Mode};
use crate::domain::Millis;
use crate::domain::outbox::Listener;
use crate::ingest::Collector;
use crate::ingest::limit::Limit;
use crate::ingest::sender::Gate;
use crate::metrics::Metrics;
use crate::ops::metrics::{Audience, Board, Scrape};
use crate::ops::reconcile::{self, Job, Reconciler};
use crate::outbox::aurea::Aurea;
use crate::outbox::webhooks::Endpoint;
use crate::outbox::{Carrier, Outbox};
use crate::provider::Provider;
use crate::provider::polar::Polar;
use crate::provider::shopify::Shopify;
use crate::provider::stripe::Stripe;
use crate::provider::whop::Whop;
use crate::quarantine::Quarantine;
use crate::report::Report;
use crate::returning::Returns;
use crate::router::{AppState, Shell, router};
use crate::signals::Signals;
use crate::site::csp::{self, Policy};
use crate::site::{AssetNames, Pages};
use crate::stopping::Stopping;
use crate::store::sqlite::{Limits, SqliteStore};
use crate::store::{Store, StoreError};
use crate::webhook::Webhooks;

/// Why the program can't run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The port is taken, or the like.
    #[error("{addr} can't be listened on: {error}")]
    Listen {
        /// What was to be listened on.
        addr: SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
    /// Nobody would begin the buy button's checkout.
    #[error("the buy button's provider is not on")]
    NoProvider,
    /// The HTTP client can't be made.
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    /// The server broke.
    #[error("the server stopped: {0}")]
    Io(#[from] std::io::Error),
}

/// The program, put together and not yet listening: what tests drive.
pub struct Application {
    /// Every route.
    pub router: Router,
    /// Knows who connects.
    pub clients: Clients,
    /// The store, to be closed at the end.
    pub store: Arc<SqliteStore>,
    /// Tells others; to be stopped before the store is closed.
    pub outbox: Arc<Outbox>,
    /// Compares the providers' lists with the ledger, again and again.
    pub job: Option<Job>,
    /// Keeps what is refused; to be stopped before the store is closed.
    pub quarantine: Arc<Quarantine>,
    /// The owner's token, the first time that the store is used and none is configured: to be shown this once.
    pub new_token: Option<SecretString>,
    /// To be told when the program stops.
    pub stopping: Stopping,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// Puts the program together. `providers` are the configured ones, or the simulator in the place of the buy button's.
pub async fn build(
    config: &Config,
    providers: &Providers,
    simulated: bool,
) -> Result<Application, ServeError> {
    let metrics = Arc::new(Metrics::default());
    let store = Arc::new(SqliteStore::open_to_serve(&config.database, limits(config), Arc::clone(&metrics))?);
    let new_token = Access::prepare(store.as_ref(), config.admin_token.as_ref()).await?;
    let providers_on = providers_on(providers)?;
    let buy_button = providers_on.iter().find(|provider| provider.name() == providers.buy_button);
    let buy_button = Arc::clone(buy_button.ok_or(ServeError::NoProvider)?);
    let reload_port = reload_port();
    let stopping = Stopping::default();
    let clients = Clients::new(config.site.trusted_proxies.clone());
    let assets = assets(config, reload_port);
    let site = Arc::new(site(config, &assets, simulated, reload_port));
    let csp = csp::header(&Policy {
        scripts: &[Some(site.boot.clone()), app::reload_script(&site)]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>(),
        form_origins: &buy_button.redirect_origins(),
        reload_port: site.reload_port,
    });
    let identity = store.identity().await?;
    let outbox = outbox(config, &(Arc::clone(&store) as Arc<dyn Store>), &identity)?;
    let webhooks = Arc::new(Webhooks {
        store: Arc::clone(&store) as Arc<dyn Store>,
        bookkeeper: bookkeeper(config, &(Arc::clone(&store) as Arc<dyn Store>)),
        development: config.mode == Mode::Development,
        forward_to: outbox.listeners(),
    });
    let every = config.reconcile.every;
    let job = (!every.is_zero()).then(|| Job {
        reconciler: reconciler(config, &(Arc::clone(&store) as Arc<dyn Store>), outbox.listeners()),
        providers: providers_on.clone(),
        every,
        back: Millis::try_from(config.reconcile.back.as_millis()).unwrap_or(Millis::MAX),
    });
    let quarantine =
        Arc::new(Quarantine::start(Arc::clone(&webhooks), providers_on.clone(), clients.clone()));
    let rooms = Rooms {
        store: Arc::clone(&store) as Arc<dyn Store>,
        buy_button,
        providers: providers_on,
        webhooks,
        quarantine: Arc::clone(&quarantine),
        pages: Pages::render(&site),
        simulated,
        identity,
        outbox: Arc::clone(&outbox),
        stopping: stopping.clone(),
        clients: clients.clone(),
        metrics: Arc::clone(&metrics),
    };
    let state = state(config, rooms);
    let shell = Shell {
        site_root: &config.site.root,
        hashed: assets.hashed,
        csp,
        https: config.site.url.scheme() == "https",
    };
    Ok(Application {
        router: router(state, &shell),
        clients,
        store,
        outbox,
        job,
        quarantine,
        new_token,
        stopping,
        metrics,
    })
}

fn limits(config: &Config) -> Limits {
    Limits { reserve: config.reserve, ..Limits::default() }
}

/// Every provider that is on: deliveries of these are taken.
fn providers_on(settings: &Providers) -> Result<Vec<Arc<dyn Provider>>, reqwest::Error> {
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(3))
        .timeout(Duration::from_secs(20))
        .build()?;
    let whop = settings.whop.clone().map(|it| Arc::new(Whop::new(it, http.clone())) as Arc<dyn Provider>);
    let stripe =
        settings.stripe.clone().map(|it| Arc::new(Stripe::new(it, http.clone())) as Arc<dyn Provider>);
    let polar = settings.polar.clone().map(|it| Arc::new(Polar::new(it, http.clone())) as Arc<dyn Provider>);
    let shopify =
        settings.shopify.clone().map(|it| Arc::new(Shopify::new(it, http.clone())) as Arc<dyn Provider>);
    Ok([whop, stripe, polar, shopify].into_iter().flatten().collect())
}

fn bookkeeper(config: &Config, store: &Arc<dyn Store>) -> Bookkeeper {
    Bookkeeper { store: Arc::clone(store), funnel: config.funnel.id.clone() }
}

/// What compares the providers' lists with the ledger.
fn reconciler(config: &Config, store: &Arc<dyn Store>, forward_to: Vec<Listener>) -> Reconciler {
    Reconciler { store: Arc::clone(store), bookkeeper: bookkeeper(config, store), forward_to }
}

/// `ttr reconcile`: compares once. What was found is told by the program that serves: two that send the same rows would take
/// each other's claims.
pub async fn reconcile(config: &Config, args: &reconcile::Args) -> Result<ExitCode, ServeError> {
    let sqlite = Arc::new(SqliteStore::open_with(&config.database, limits(config), Arc::default())?);
    let store: Arc<dyn Store> = Arc::clone(&sqlite) as _;
    let forward_to = carriers(config, &store.identity().await?)?;
    let forward_to = forward_to.iter().map(|carrier| carrier.listener()).collect();
    let providers = providers_on(&config.providers)?;
    let code = reconcile::run(&reconciler(config, &store, forward_to), &providers, args).await;
    sqlite.close().await;
    Ok(code)
}

/// The worker, with a lane for each destination that is configured.
fn outbox(config: &Config, store: &Arc<dyn Store>, identity: &str) -> Result<Arc<Outbox>, ServeError> {
    let carriers = carriers(config, identity)?;
    for carrier in &carriers {
        tracing::info!("what happens is told to {} ({})", carrier.host(), carrier.listener().destination.0);
    }
    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    Ok(Arc::new(Outbox::start(store, carriers, &clock)))
}

/// Who is told what happens.
fn carriers(config: &Config, identity: &str) -> Result<Vec<Arc<dyn Carrier>>, ServeError> {
    let mut carriers: Vec<Arc<dyn Carrier>> = Vec::new();
    if let Some(settings) = &config.aurea {
        carriers.push(Arc::new(Aurea::new(settings, identity)?));
    }
    if let Some(settings) = &config.webhooks {
        carriers.push(Arc::new(Endpoint::new(settings)?));
    }
    Ok(carriers)
}

/// The built files' names; says so when they are not there.
fn assets(config: &Config, reload_port: Option<u16>) -> AssetNames {
    let assets = match reload_port {
        Some(_) => AssetNames::plain(),
        None => AssetNames::beside_the_program(),
    };
    let stylesheet = config.site.root.join(assets.css.trim_start_matches('/'));
    if !stylesheet.is_file() {
        tracing::warn!(
            "{} is not there: the page has no style and no islands; is LEPTOS_SITE_ROOT right?",
            stylesheet.display()
        );
    }
    assets
}

fn site(config: &Config, assets: &AssetNames, simulated: bool, reload_port: Option<u16>) -> app::Site {
    app::Site {
        words: config.words.clone(),
        product: config.product.clone(),
        origin: config.site.origin(),
        stylesheet: assets.css.clone(),
        module: assets.js.clone(),
        wasm: assets.wasm.clone(),
        boot: app::tracking::boot(config.mode == Mode::Development),
        simulated,
        development: config.mode == Mode::Development,
        consent_required: config.consent_required,
        reload_port,
    }
}

/// Set by `cargo leptos watch` for the program that it runs.
fn reload_port() -> Option<u16> {
    // It restarts only a program that changed: so that a word is enough, the debug program carries the words.
    #[cfg(debug_assertions)]
    std::hint::black_box(include_bytes!("../../Leptos.toml"));
    std::env::var_os("LEPTOS_WATCH")?;
    std::env::var("LEPTOS_RELOAD_PORT").ok()?.parse().ok()
}

/// What the handlers' rooms are made of.
struct Rooms {
    store: Arc<dyn Store>,
    buy_button: Arc<dyn Provider>,
    providers: Vec<Arc<dyn Provider>>,
    webhooks: Arc<Webhooks>,
    quarantine: Arc<Quarantine>,
    pages: Pages,
    simulated: bool,
    identity: String,
    outbox: Arc<Outbox>,
    stopping: Stopping,
    clients: Clients,
    metrics: Arc<Metrics>,
}

fn state(config: &Config, rooms: Rooms) -> AppState {
    let Rooms {
        store,
        buy_button,
        providers,
        webhooks,
        quarantine,
        pages,
        simulated,
        identity,
        outbox,
        stopping,
        clients,
        metrics,
    } = rooms;
    let funnel = config.funnel.id.clone();
    let forward_to = outbox.listeners();
    let checkouts = Checkouts {
        store: Arc::clone(&store),
        provider: buy_button,
        funnel: funnel.clone(),
        product: config.product.clone(),
        price: config.price,
        return_url: config.return_url(),
        identity: identity.clone(),
        forward_to: forward_to.clone(),
    };
    let origin = config.site.origin();
    let report = Report::new(Arc::clone(&store)).with_deliveries_of(funnel.clone());
    let assets = Arc::new(Assets::default());
    let access = Arc::new(Access::new(Arc::clone(&store), origin.clone(), clients.clone()));
    let gate = Arc::new(Gate {
        funnel: funnel.clone(),
        origin,
        identity,
        keys: config.receive_keys.clone(),
        programs_apart: config.mode == Mode::Production,
    });
    for provider in &providers {
        metrics.expect_deliveries(provider.name());
    }
    let scrape = Scrape {
        audience: audience(config),
        access: Arc::clone(&access),
        store: Arc::clone(&store),
        outbox: Arc::clone(&outbox),
        quarantine: Arc::clone(&quarantine),
        database: config.database.clone(),
        board: Board::new(&metrics),
    };
    AppState {
        pages,
        access,
        screens: Arc::new(Screens {
            report: report.clone(),
            assets: Arc::clone(&assets),
            own: funnel.clone(),
            simulated,
            outbox: Arc::clone(&outbox),
            quarantine: Arc::clone(&quarantine),
            by_hand: ByHand { store: Arc::clone(&store), outbox: Arc::clone(&outbox) },
        }),
        assets,
        gate: Arc::clone(&gate),
        limit: Arc::new(Limit::of_events(clients.clone())),
        collector: Arc::new(Collector::new(Arc::clone(&store), config.funnel.currency, forward_to)),
        returns: Arc::new(Returns { store: Arc::clone(&store), funnel: config.funnel.id.clone() }),
        backend: Arc::new(ServerBackend {
            checkouts,
            webhooks,
            quarantine,
            providers,
            limit: Limit::of_checkouts(clients.clone()),
            clients,
            gate,
            outbox,
            metrics: Arc::clone(&metrics),
        }),
        report,
        store,
        stopping,
        metrics,
        scrape: Arc::new(scrape),
    }
}

fn audience(config: &Config) -> Audience {
    match (config.site.open_metrics, config.mode) {
        (true, _) => Audience::Everybody,
        (false, Mode::Development) => Audience::ThisMachine,
        (false, Mode::Production) => Audience::Owner,
    }
}

/// Answers until a signal says stop. Then, in this order: no connection is accepted, streams end, open requests are
/// answered, the outbox releases what it has claimed, the store writes what waits and is closed. A second signal ends the
/// program at once, and so does a store that has given up.
pub async fn serve(application: Application, listener: TcpListener) -> Result<(), ServeError> {
    let mut signals = Signals::listen()?;
    let stopping = application.stopping.clone();
    let settings = Settings::default().within_file_limit();
    let store = Arc::clone(&application.store);
    let work = async {
        let Application { router, clients, metrics, job, .. } = application;
        let job = job.map(|job| tokio::spawn(job.run()));
        accept::serve(listener, router, settings, clients, stopping.clone(), metrics).await;
        if let Some(job) = job {
            job.abort(); // what it was writing is written whole or not at all
        }
        application.outbox.stop().await;
        application.quarantine.stop().await;
        application.store.close().await;
        tracing::info!("stopped; everything is on disk");
    };
    let told = async {
        signals.next().await;
        tracing::info!("stopping");
        stopping.begin();
        signals.next().await;
    };
    tokio::select! {
        () = work => Ok(()),
        why = store.given_up() => Err(why.into()),
        () = told => {
            tracing::warn!("stopped at once by a second signal");
            std::process::exit(1) // like a kill: whatever was answered is on disk
        }
    }
}

/// Takes the port, naming it if it can't be had.
pub async fn listen(addr: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(addr).await.map_err(|error| ServeError::Listen { addr, error })
}
