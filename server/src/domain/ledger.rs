//! The ledger: payments and the conversions they make.
//!
//! One conversion per provider payment, for ever, whatever is repeated, reordered or sent under two event types: its
//! key is the payment, and the events that tell of it have ids derived from the payment.

use app::event::{AnonymousId, SessionId, name};
use serde_json::{Map, Value, json};

use super::Millis;
use super::commit::Commit;
use super::event::{Event, FunnelId, Page, Source, derived_id};
use super::money::{Currency, Money};

/// Which payment: the key of everything in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaymentKey {
    /// The funnel.
    pub funnel: FunnelId,
    /// The provider (`whop`), or the `source` of a keyed event.
    pub provider: String,
    /// The provider's id of the payment or order.
    pub payment_id: String,
}

/// What a payment is in the life of a purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentKind {
    /// The first money of a purchase: it converts.
    First,
    /// A later period of a subscription: it never converts.
    Renewal,
}

impl PaymentKind {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Renewal => "renewal",
        }
    }
}

/// What a refund's amount counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// This refund alone.
    One,
    /// Everything that was given back of the payment so far.
    AllSoFar,
}

/// Where a refund stands. A later state is never overtaken by an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefundState {
    /// Not settled: it counts for nothing yet.
    Pending,
    /// The money went back.
    Succeeded,
    /// It did not, after all.
    Failed,
}

/// Where a dispute stands. A later state is never overtaken by an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DisputeState {
    /// A question of the bank's; no money is withheld.
    Warning,
    /// The money is withheld.
    Open,
    /// The money is ours again.
    Won,
    /// The money is gone.
    Lost,
}

/// Whose purchase it was, as far as the checkout's metadata tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attribution {
    /// The session; without it the payment is unattributed.
    pub session_id: Option<SessionId>,
    /// The visitor.
    pub anonymous_id: Option<AnonymousId>,
    /// When the buy button was pressed.
    pub checkout_started_at: Option<Millis>,
}

/// What deliveries tell about one piece of money.
#[derive(Clone, Debug, PartialEq)]
pub struct Payment {
    /// Which one.
    pub key: PaymentKey,
    /// First or renewal.
    pub kind: PaymentKind,
    /// How much; the reason in words when the amount can't be trusted. Such a payment is kept and never converts.
    pub amount: Result<Money, String>,
    /// When it was paid by the provider's clock, else when it was received.
    pub paid_at: Millis,
    /// Whose it was.
    pub attribution: Attribution,
    /// When it was received.
    pub received_at: Millis,
}

/// The one first payment that a checkout led to.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversion {
    /// Which payment.
    pub key: PaymentKey,
    /// `purchase`, or what a keyed event says.
    pub conversion_type: String,
    /// How much; absent when a keyed event does not say.
    pub amount: Option<Money>,
    /// When.
    pub converted_at: Millis,
    /// The session that converted; without it the conversion is unattributed.
    pub session_id: Option<SessionId>,
    /// The visitor.
    pub anonymous_id: Option<AnonymousId>,
}

/// The type of a conversion that says none.
pub const PURCHASE: &str = "purchase";

/// The sums of conversions, one for each currency, in the order in which the currencies came first. The first is what a
/// session is said to be worth; currencies are never added together.
pub fn totals(conversions: &[Conversion]) -> Vec<Money> {
    let mut sums: Vec<Money> = Vec::new();
    conversions.iter().filter_map(|conversion| conversion.amount).for_each(|amount| amount.add_to(&mut sums));
    sums
}

/// Puts conversions into the order in which they count, each once.
pub fn sort(conversions: &mut Vec<Conversion>) {
    conversions.sort_by(|a, b| (a.converted_at, &a.key).cmp(&(b.converted_at, &b.key)));
    conversions.dedup_by(|a, b| a.key == b.key);
}

/// Records a payment: the payment itself and, when it is a first payment of a known amount, the conversion with its two
/// events, `checkout_completed` and `session_end`, in the session that began the checkout.
pub fn record(payment: Payment) -> Commit {
    let mut commit = Commit::default();
    if let (PaymentKind::First, Ok(money)) = (payment.kind, &payment.amount) {
        commit.conversions.push(Conversion {
            key: payment.key.clone(),
            conversion_type: PURCHASE.to_owned(),
            amount: Some(*money),
            converted_at: payment.paid_at,
            session_id: payment.attribution.session_id.clone(),
            anonymous_id: payment.attribution.anonymous_id.clone(),
        });
        if let Some(session_id) = &payment.attribution.session_id {
            commit.events = conversion_events(&payment, *money, session_id);
        }
    }
    commit.payments.push(payment);
    commit
}

/// Whole seconds from the buy button to the payment, never negative.
fn checkout_seconds(payment: &Payment) -> Option<i64> {
    let started = payment.attribution.checkout_started_at?;
    Some((payment.paid_at - started).max(0) / 1000)
}

fn conversion_events(payment: &Payment, money: Money, session_id: &SessionId) -> Vec<Event> {
    let source = format!("{}_webhook", payment.key.provider);
    let duration = checkout_seconds(payment);
    let revenue = money.major_json();
    let completed = json!({
        "conversionType": PURCHASE, "revenue": revenue, "currency": money.currency.code(),
        "orderId": payment.key.payment_id, "checkoutDuration": duration, "source": source, "sessionEnd": true,
    });
    let ended = json!({
        "converted": true, "conversionType": PURCHASE, "revenue": revenue, "currency": money.currency.code(),
        "orderId": payment.key.payment_id, "duration": duration.unwrap_or(0), "source": source,
    });
    // A provider's clock may cut to seconds or lag: the payment still stands after the click that led to it.
    let timestamp = payment.paid_at.max(payment.attribution.checkout_started_at.unwrap_or(payment.paid_at));
    [(name::CHECKOUT_COMPLETED, completed), (name::SESSION_END, ended)]
        .into_iter()
        .map(|(event_name, properties)| Event {
            funnel: payment.key.funnel.clone(),
            source: Source::Server,
            event_id: derived_id(&[&payment.key.provider, &payment.key.payment_id, event_name]),
            session_id: session_id.clone(),
            anonymous_id: payment.attribution.anonymous_id.clone(),
            name: event_name.to_owned(),
            properties: without_nulls(properties),
            page: Page::default(),
            index: None,
            timestamp,
            received_at: payment.received_at,
        })
        .collect()
}

fn without_nulls(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Map::new(),
    }
}

fn text_in<'a>(properties: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    properties.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The money under `key`, in the `currency` beside it or in `otherwise`. What is no amount of money is none.
pub fn amount_in(properties: &Map<String, Value>, key: &str, otherwise: Option<Currency>) -> Option<Money> {
    let currency = match text_in(properties, "currency") {
        Some(code) => Currency::parse(code).ok()?,
        None => otherwise?,
    };
    let text = match properties.get(key)? {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    Money::parse_major(&text, currency).ok()
}

/// The conversion that a `checkout_completed` posted with a key tells of; its key is (funnel, source, orderId).
///
/// A missing currency is the funnel's, a missing type is `purchase`. A revenue that is no amount of money gives a
/// conversion without an amount rather than a guessed one.
pub fn conversion_of_keyed_event(event: &Event, funnel_currency: Currency) -> Option<Conversion> {
    if event.name != name::CHECKOUT_COMPLETED || event.source != Source::Key {
        return None;
    }
    let text = |key: &str| text_in(&event.properties, key);
    let amount = amount_in(&event.properties, "revenue", Some(funnel_currency));
    Some(Conversion {
        key: PaymentKey {
            funnel: event.funnel.clone(),
            provider: text("source").unwrap_or("key").to_owned(),
            payment_id: text("orderId").unwrap_or(event.event_id.as_str()).to_owned(),
        },
        conversion_type: text("conversionType").unwrap_or(PURCHASE).to_owned(),
        amount,
        converted_at: event.timestamp,
        session_id: Some(event.session_id.clone()),
        anonymous_id: event.anonymous_id.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payment(kind: PaymentKind, started: Option<Millis>) -> Payment {
        Payment {
            key: PaymentKey {
                funnel: FunnelId::parse("ttr").unwrap(),
                provider: "whop".into(),
                payment_id: "pay_1".into(),
            },
            kind,
            amount: Ok(Money { minor: 9900, currency: Currency::parse("usd").unwrap() }),
            paid_at: 1_703_001_200_000,
            attribution: Attribution {
                session_id: Some(SessionId::parse("s1").unwrap()),
                anonymous_id: Some(AnonymousId::parse("a1").unwrap()),
                checkout_started_at: started,
            },
            received_at: 1_703_001_200_500,
        }
    }

    #[test]
    fn a_first_payment_converts_its_session_with_two_events() {
        let commit = record(payment(PaymentKind::First, Some(1_703_001_051_000)));
        assert_eq!(commit.conversions.len(), 1);
        let [completed, ended] = &commit.events[..] else { panic!("two events") };
        assert_eq!(completed.name, "checkout_completed");
        assert_eq!(completed.properties["revenue"], json!(99));
        assert_eq!(completed.properties["checkoutDuration"], json!(149));
        assert_eq!(completed.properties["sessionEnd"], json!(true));
        assert_eq!(ended.name, "session_end");
        assert_eq!(ended.properties["duration"], json!(149));
        assert_eq!(ended.properties["converted"], json!(true));
    }

    #[test]
    fn the_same_payment_makes_the_same_commit() {
        let started = Some(1_703_001_051_000);
        assert_eq!(
            record(payment(PaymentKind::First, started)),
            record(payment(PaymentKind::First, started))
        );
    }

    #[test]
    fn a_renewal_never_converts() {
        let commit = record(payment(PaymentKind::Renewal, None));
        assert!(commit.conversions.is_empty() && commit.events.is_empty());
        assert_eq!(commit.payments.len(), 1);
    }

    #[test]
    fn a_payment_without_a_session_is_kept_unattributed() {
        let mut lost = payment(PaymentKind::First, None);
        lost.attribution = Attribution::default();
        let commit = record(lost);
        assert_eq!(commit.conversions[0].session_id, None);
        assert!(commit.events.is_empty());
    }

    #[test]
    fn an_amount_that_is_none_is_kept_and_never_converts() {
        let mut odd = payment(PaymentKind::First, None);
        odd.amount = Err("an amount must not be negative".into());
        let commit = record(odd);
        assert!(commit.conversions.is_empty() && commit.events.is_empty());
        assert_eq!(commit.payments.len(), 1);
    }

    #[test]
    fn a_checkout_never_lasts_less_than_nothing() {
        let commit = record(payment(PaymentKind::First, Some(1_703_001_200_999)));
        assert_eq!(commit.events[0].properties["checkoutDuration"], json!(0));
        assert_eq!(commit.events[0].timestamp, 1_703_001_200_999, "it stands after the click that led to it");
    }
}
