//! The buy button: records the click and sends the buyer to the provider. A sale is never lost to tracking.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use app::Product;
use app::event::{AnonymousId, EventId, SessionId, name};
use app::server_fns::CheckoutForm;
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;
use url::Url;
use uuid::Uuid;

use crate::domain::Millis;
use crate::domain::attribution::scrub;
use crate::domain::checkout::{BegunCheckout, Carried};
use crate::domain::commit::Commit;
use crate::domain::event::{BOT, Event, FunnelId, Page, Source, derived_id};
use crate::domain::money::Money;
use crate::domain::outbox::Listener;
use crate::provider::{Begun, Checkout, Provider};
use crate::returning::ReturnToken;
use crate::store::Store;

/// The redirect waits no longer than this for the commit, which goes on by itself.
const COMMIT_PATIENCE: Duration = Duration::from_millis(500);

/// A click this old or new by the visitor's clock is dated by ours.
const BELIEVABLE: u64 = 2000;

/// Begins checkouts.
pub struct Checkouts {
    /// Where clicks are recorded.
    pub store: Arc<dyn Store>,
    /// Where buyers go.
    pub provider: Arc<dyn Provider>,
    /// The funnel.
    pub funnel: FunnelId,
    /// What is sold.
    pub product: Product,
    /// Its price.
    pub price: Money,
    /// Where buyers come back to.
    pub return_url: Url,
    /// The store's own name: return tokens are made with it.
    pub identity: String,
    /// Who is told of checkouts.
    pub forward_to: Vec<Listener>,
}

/// What a buyer's request says besides its form.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The browser asked not to be followed, so that none of the ids it withheld is made up.
    pub private: bool,
    /// The buyer's address, if it is one of the Internet's.
    pub ip: Option<IpAddr>,
    /// Why the sender is taken for a program. It is kept apart, and no provider is asked for it where there is a link.
    pub bot: Option<String>,
    /// So many checkouts have begun from this address that this one is not recorded, and no provider asked for it.
    pub too_often: bool,
}

/// One press of the buy button, made whole.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Click {
    anonymous_id: Option<AnonymousId>,
    session_id: SessionId,
    click_id: EventId,
    at: Millis,
    location: String,
    page: Page,
}

impl Checkouts {
    /// Records the click and gives the address to send the buyer to: none, if they come too often and there is no link.
    pub async fn begin(&self, form: CheckoutForm, asked: Asked, now: Millis) -> Option<Url> {
        let click = Click::read(form, asked.private, now);
        let token = ReturnToken::of_click(&self.identity, click.session_id.as_str(), click.click_id.as_str());
        let checkout = Checkout {
            anonymous_id: click.anonymous_id.as_ref().map(ToString::to_string),
            session_id: click.session_id.to_string(),
            started_at: click.at,
            click_id: click.click_id.to_string(),
            return_url: token.on(&self.return_url),
            ip: asked.ip,
        };
        if asked.too_often {
            tracing::debug!(session_id = checkout.session_id, "a checkout is not recorded: one of very many");
            return self.provider.link(&checkout);
        }
        let bot = asked.bot.as_deref();
        let commit = Commit {
            events: self.events(&click, bot, now),
            forward_to: self.forward_to.clone(),
            at: now,
            ..Commit::default()
        };
        let recording = tokio::time::timeout(COMMIT_PATIENCE, self.record(commit, &click));
        let (begun, _) = tokio::join!(self.send(&checkout, bot), recording);
        let kept = self.kept(&begun, &click, &token);
        drop(self.record(Commit { begun: Some(kept), ..Commit::default() }, &click)); // it goes on by itself
        tracing::info!(
            funnel = self.funnel.as_str(),
            session_id = checkout.session_id,
            provider = self.provider.name(),
            carried = begun.carried.as_str(),
            "checkout began"
        );
        Some(begun.url)
    }

    /// A program hardly buys. If it is none after all, it still gets to the provider.
    async fn send(&self, checkout: &Checkout, bot: Option<&str>) -> Begun {
        match bot.and_then(|_| self.provider.link(checkout)) {
            Some(url) => Begun { url, carried: Carried::Link },
            None => self.provider.begin(checkout).await,
        }
    }

    /// In a task of its own: the commit outlives a buyer who hangs up and a redirect that does not wait.
    fn record(&self, commit: Commit, click: &Click) -> JoinHandle<()> {
        let store = Arc::clone(&self.store);
        let (funnel, session_id) = (self.funnel.clone(), click.session_id.clone());
        tokio::spawn(async move {
            if let Err(error) = store.commit(commit).await {
                tracing::debug!(%error, funnel = funnel.as_str(), %session_id, "a checkout began that could not be recorded");
            }
        })
    }

    fn kept(&self, begun: &Begun, click: &Click, token: &ReturnToken) -> BegunCheckout {
        BegunCheckout {
            funnel: self.funnel.clone(),
            session_id: click.session_id.clone(),
            click_id: click.click_id.clone(),
            provider: self.provider.name().to_owned(),
            carried: begun.carried,
            return_hash: token.hash(),
            started_at: click.at,
        }
    }

    /// Their ids come from the click, so that a double click or a repeated request counts once.
    fn events(&self, click: &Click, bot: Option<&str>, now: Millis) -> Vec<Event> {
        let clicked = json!({
            "location": click.location, "product": self.product.label,
            "sessionId": click.session_id.as_str(), "anonymousId": click.anonymous_id.as_ref().map(AnonymousId::as_str),
        });
        let started = json!({
            "productId": self.product.id, "productName": self.product.name, "price": self.price.major_json(),
            "currency": self.price.currency.code(), "variant": self.product.variant,
        });
        let marked = |properties: Value| {
            let mut properties = object(properties);
            properties.extend(bot.map(|why| (BOT.to_owned(), why.into())));
            properties
        };
        [(name::BUY_BUTTON_CLICKED, clicked), (name::CHECKOUT_STARTED, started)]
            .into_iter()
            .map(|(event_name, properties)| Event {
                funnel: self.funnel.clone(),
                source: Source::Server,
                event_id: derived_id(&[
                    "click",
                    click.session_id.as_str(),
                    click.click_id.as_str(),
                    event_name,
                ]),
                session_id: click.session_id.clone(),
                anonymous_id: click.anonymous_id.clone(),
                name: event_name.to_owned(),
                properties: marked(properties),
                page: click.page.clone(),
                index: None,
                timestamp: click.at,
                received_at: now,
            })
            .collect()
    }
}

fn object(value: Value) -> Map<String, Value> {
    if let Value::Object(map) = value {
        map.into_iter().filter(|(_, value)| !value.is_null()).collect()
    } else {
        Map::new()
    }
}

impl Click {
    /// Whatever is missing or no id is made anew: without JavaScript all of it.
    fn read(form: CheckoutForm, private: bool, now: Millis) -> Self {
        let brought_session = SessionId::parse(form.session_id).ok();
        let brought_visitor = AnonymousId::parse(form.anonymous_id).ok();
        // A browser that runs our script and names no visitor has its reasons.
        let withheld = private || brought_session.is_some();
        let made_visitor = || AnonymousId::parse(new_id(now)).ok().filter(|_| !withheld);
        let started_at: Option<Millis> = form.started_at.parse().ok();
        Self {
            anonymous_id: brought_visitor.or_else(made_visitor),
            session_id: brought_session.unwrap_or_else(|| new_session(now)),
            click_id: EventId::parse(form.click_id)
                .unwrap_or_else(|_| derived_id(&["click", &Uuid::now_v7().to_string()])),
            at: started_at.filter(|at| now.abs_diff(*at) <= BELIEVABLE).unwrap_or(now),
            location: form.location.chars().take(200).collect(),
            page: Page { url: scrub(&form.page_url), referrer: scrub(&form.referrer) },
        }
    }
}

fn new_session(now: Millis) -> SessionId {
    SessionId::parse(new_id(now)).unwrap_or_else(|_| unreachable!("a made id is an id"))
}

/// `{ms}_{16 base36}`, as the browser makes them.
fn new_id(now: Millis) -> String {
    const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let random = (0..16).map(|_| char::from(BASE36[rand::random_range(0..BASE36.len())]));
    format!("{now}_{}", random.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_703_001_051_000;

    fn form(anonymous_id: &str, session_id: &str, started_at: &str) -> CheckoutForm {
        CheckoutForm {
            anonymous_id: anonymous_id.into(),
            session_id: session_id.into(),
            started_at: started_at.into(),
            click_id: "c1".into(),
            ..CheckoutForm::default()
        }
    }

    #[test]
    fn the_browsers_ids_and_time_are_kept() {
        let click = Click::read(form("a1", "s1", "1703001050900"), false, NOW);
        assert_eq!(click.anonymous_id.unwrap().as_str(), "a1");
        assert_eq!((click.session_id.as_str(), click.click_id.as_str()), ("s1", "c1"));
        assert_eq!(click.at, 1_703_001_050_900);
    }

    #[test]
    fn without_javascript_the_missing_ids_are_made() {
        let click = Click::read(form("", "", ""), false, NOW);
        assert!(click.anonymous_id.unwrap().as_str().starts_with("1703001051000_"));
        assert_eq!(click.session_id.as_str().len(), "1703001051000_".len() + 16);
        assert_eq!(click.at, NOW);
    }

    #[test]
    fn no_visitor_is_made_up_for_one_who_does_not_want_to_be_followed() {
        assert_eq!(Click::read(form("", "s1", ""), false, NOW).anonymous_id, None);
        assert_eq!(Click::read(form("", "", ""), true, NOW).anonymous_id, None);
    }

    #[test]
    fn nonsense_in_the_form_is_as_good_as_nothing() {
        let click = Click::read(form("a b", "<script>", "yesterday"), false, NOW);
        assert!(click.anonymous_id.unwrap().as_str().starts_with("1703001051000_"));
        assert!(click.session_id.as_str().starts_with("1703001051000_"));
        assert_eq!(
            Click::read(form("a", "s", "1"), false, NOW).at,
            NOW,
            "a clock that is far off is not believed"
        );
    }
}
