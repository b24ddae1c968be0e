//! What Polar writes: the bodies of its deliveries and the items of its lists, read as facts.
//!
//! An order repeats the checkout's metadata, a renewal's order that of the subscription. A refund is told three times: by
//! `refund.created` and `refund.updated`, which count it alone and without its tax, and by `order.refunded`, which counts
//! everything that was given back so far.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::Millis;
use crate::domain::money::{Currency, Money, MoneyError};
use crate::provider::{
    Counts, DisputeState, Disputed, Fact, Failed, Metadata, Notice, Paid, PaymentKind, RefundState, Refunded,
    packed, text_of,
};

/// Currencies of which Polar counts whole units; it counts hundredths of all others, of those with three decimals too.
/// Source: polarsource/polar, `server/polar/kit/currency.py`.
const WHOLE: &[&str] = &[
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF",
];

/// Reads a delivery. `test` says that it comes from the sandbox.
pub(super) fn read(body: &[u8], test: bool) -> Notice {
    match serde_json::from_slice::<Envelope>(body) {
        Ok(envelope) => envelope.read(test),
        Err(error) => Notice { message_id: None, event_type: String::new(), facts: Err(error.to_string()) },
    }
}

/// The delivery's id stands in a header only.
#[derive(Deserialize)]
struct Envelope<'a> {
    r#type: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl Envelope<'_> {
    fn read(self, test: bool) -> Notice {
        let event_type: String = self.r#type.chars().take(100).collect();
        let data = self.data.map_or("null", RawValue::get);
        let facts = match event_type.as_str() {
            "order.paid" => parse(data).map(|order: Order<'_>| vec![order.paid(test)]),
            "order.refunded" => parse(data).map(|order: Order<'_>| order.facts(test)),
            "refund.created" | "refund.updated" => listed_refund(data),
            "checkout.updated" | "checkout.expired" => {
                parse(data).map(|checkout: Checkout| checkout.failed().into_iter().collect())
            }
            _ => Ok(Vec::new()),
        };
        Notice { message_id: None, event_type, facts }
    }
}

fn parse<'a, T: Deserialize<'a> + Named>(data: &'a str) -> Result<T, String> {
    match serde_json::from_str::<T>(data) {
        Ok(read) if read.id().is_empty() => Err("data: the id is empty".to_owned()),
        Ok(read) => Ok(read),
        Err(error) => Err(format!("data: {error}")),
    }
}

/// What Polar gives an id to.
trait Named {
    fn id(&self) -> &str;
}

#[derive(Deserialize)]
struct Order<'a> {
    id: String,
    status: Option<String>,
    billing_reason: Option<String>,
    checkout_id: Option<String>,
    subscription_id: Option<String>,
    #[serde(borrow)]
    total_amount: Option<&'a RawValue>,
    #[serde(borrow)]
    refunded_amount: Option<&'a RawValue>,
    #[serde(borrow)]
    refunded_tax_amount: Option<&'a RawValue>,
    currency: Option<String>,
    created_at: Option<String>,
    modified_at: Option<String>,
    #[serde(default)]
    metadata: Value,
}

impl Named for Order<'_> {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Order<'_> {
    /// The time is the order's own: every body that tells of the order tells the same.
    fn paid(&self, test: bool) -> Fact {
        Fact::Paid(Paid {
            payment_id: self.id.clone(),
            also_known_as: self.checkout_id.iter().cloned().collect(),
            subscription_id: self.subscription_id.clone(),
            kind: self.kind(),
            amount: amount(&[self.total_amount], self.currency.as_deref()),
            paid_at: self.created_at.as_deref().and_then(millis),
            test,
            metadata: ids(&self.metadata),
        })
    }

    /// A trial's first order is one of 0: it converts, and the first charge after it is a renewal. A reason that is not
    /// documented is judged by the checkout, which only a first order has.
    fn kind(&self) -> PaymentKind {
        match self.billing_reason.as_deref() {
            None | Some("purchase" | "subscription_create") => PaymentKind::First,
            Some("subscription_cycle" | "subscription_update") => PaymentKind::Renewal,
            Some(_) if self.checkout_id.is_some() => PaymentKind::First,
            Some(_) => PaymentKind::Renewal,
        }
    }

    /// That it was paid, and what was given back of it.
    fn facts(&self, test: bool) -> Vec<Fact> {
        let given_back = amount(&[self.refunded_amount, self.refunded_tax_amount], self.currency.as_deref());
        let refunded = Fact::Refunded(Refunded {
            refund_id: self.id.clone(),
            of: self.id.clone(),
            amount: given_back.clone(),
            counts: Counts::AllSoFar,
            state: RefundState::Succeeded,
            at: self.modified_at.as_deref().and_then(millis),
            metadata: ids(&self.metadata),
        });
        let nothing = given_back.is_ok_and(|money| money.minor == 0);
        std::iter::once(self.paid(test)).chain((!nothing).then_some(refunded)).collect()
    }
}

#[derive(Deserialize)]
struct Refund<'a> {
    id: String,
    order_id: String,
    status: Option<String>,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    #[serde(borrow)]
    tax_amount: Option<&'a RawValue>,
    currency: Option<String>,
    created_at: Option<String>,
    #[serde(borrow)]
    dispute: Option<Dispute<'a>>,
}

impl Named for Refund<'_> {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Refund<'_> {
    /// A refund that prevented a dispute brings that along.
    fn facts(self) -> Vec<Fact> {
        let refunded = Fact::Refunded(Refunded {
            refund_id: self.id,
            of: self.order_id,
            amount: amount(&[self.amount, self.tax_amount], self.currency.as_deref()),
            counts: Counts::One,
            state: match self.status.as_deref() {
                Some("succeeded") => RefundState::Succeeded,
                Some("failed" | "canceled") => RefundState::Failed,
                _ => RefundState::Pending,
            },
            at: self.created_at.as_deref().and_then(millis),
            metadata: Metadata::default(), // what stands there is the refund's own
        });
        std::iter::once(refunded).chain(self.dispute.and_then(Dispute::fact)).collect()
    }
}

#[derive(Deserialize)]
struct Dispute<'a> {
    id: String,
    order_id: String,
    status: String,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    #[serde(borrow)]
    tax_amount: Option<&'a RawValue>,
    currency: Option<String>,
    created_at: Option<String>,
}

impl Named for Dispute<'_> {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Dispute<'_> {
    /// A dispute that was prevented took its money by a refund. A state that is not documented says nothing.
    fn fact(self) -> Option<Fact> {
        let state = match self.status.as_str() {
            "early_warning" | "prevented" => DisputeState::Warning,
            "needs_response" | "under_review" => DisputeState::Open,
            "won" => DisputeState::Won,
            "lost" => DisputeState::Lost,
            _ => return None,
        };
        Some(Fact::Disputed(Disputed {
            dispute_id: self.id,
            of: self.order_id,
            amount: amount(&[self.amount, self.tax_amount], self.currency.as_deref()),
            state,
            at: self.created_at.as_deref().and_then(millis),
        }))
    }
}

#[derive(Deserialize)]
struct Checkout {
    id: String,
    status: String,
    modified_at: Option<String>,
    #[serde(default)]
    metadata: Value,
}

impl Named for Checkout {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Checkout {
    /// A declined card leaves a checkout open; one that `succeeded` is no proof that it was paid.
    fn failed(self) -> Option<Fact> {
        matches!(self.status.as_str(), "failed" | "expired").then(|| {
            Fact::Failed(Failed {
                id: self.id,
                reason: self.status,
                at: self.modified_at.as_deref().and_then(millis),
                metadata: ids(&self.metadata),
            })
        })
    }
}

/// An item of the list of orders; what was not paid is no fact.
pub(super) fn listed_order(item: &str, test: bool) -> Result<Vec<Fact>, String> {
    let order: Order<'_> = parse(item)?;
    let paid = matches!(order.status.as_deref(), Some("paid" | "partially_refunded" | "refunded"));
    Ok(if paid { order.facts(test) } else { Vec::new() })
}

/// An item of the list of refunds.
pub(super) fn listed_refund(item: &str) -> Result<Vec<Fact>, String> {
    parse(item).map(Refund::facts)
}

/// An item of the list of disputes, of which no delivery tells.
pub(super) fn listed_dispute(item: &str) -> Result<Vec<Fact>, String> {
    parse(item).map(|dispute: Dispute<'_>| dispute.fact().into_iter().collect())
}

/// When an item was made.
pub(super) fn created_at(item: &str) -> Option<Millis> {
    #[derive(Deserialize)]
    struct Dated {
        created_at: String,
    }
    let Dated { created_at } = serde_json::from_str(item).ok()?;
    millis(&created_at)
}

/// The seed's keys, else what a checkout link's query carried.
fn ids(metadata: &Value) -> Metadata {
    let ids = Metadata::found(|key| text_of(&metadata[key]));
    if ids.session_id.is_some() || ids.anonymous_id.is_some() {
        return ids;
    }
    text_of(&metadata["reference_id"]).and_then(|text| packed::unpack(&text)).unwrap_or_default()
}

/// The sum of counts of Polar's minor units.
fn amount(parts: &[Option<&RawValue>], currency: Option<&str>) -> Result<Money, String> {
    let currency = Currency::parse(currency.ok_or("no currency")?).map_err(|error| error.to_string())?;
    let mut minor: i64 = 0;
    for part in parts {
        let text = part.filter(|raw| raw.get() != "null").ok_or("no amount")?.get();
        let shown = || text.chars().take(40).collect::<String>();
        let count: i64 = text.parse().map_err(|_| format!("{:?} is not an amount", shown()))?;
        if count < 0 {
            return Err(MoneyError::Negative.to_string());
        }
        minor = minor.checked_add(count).ok_or_else(|| format!("{:?} is too large an amount", shown()))?;
    }
    let digits = if WHOLE.contains(&currency.code()) { 0 } else { 2 };
    Money::from_minor(minor, digits, currency).map_err(|error| error.to_string())
}

fn millis(text: &str) -> Option<Millis> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: &str = r#"{"id":"8f0c2c3e-55f4-4b0f-9d5e-0d6a4d0f1a11","status":"paid","total_amount":10800,"tax_amount":800,
        "refunded_amount":0,"refunded_tax_amount":0,"currency":"usd","billing_reason":"purchase","checkout_id":"co_1",
        "subscription_id":null,"created_at":"2023-12-19T15:53:20.123456Z","modified_at":"2023-12-20T00:00:00Z",
        "metadata":{"aurea_anonymous_id":"a1","aurea_session_id":"s1","checkout_started_at":"1703001051000"}}"#;

    fn order(changes: &[(&str, &str)]) -> String {
        changes.iter().fold(ORDER.to_owned(), |order, (from, to)| {
            assert!(order.contains(from), "{from}");
            order.replacen(from, to, 1)
        })
    }

    fn facts(event_type: &str, data: &str) -> Result<Vec<Fact>, String> {
        let body = format!(r#"{{"type":"{event_type}","timestamp":"2023-12-19T15:53:25Z","data":{data}}}"#);
        read(body.as_bytes(), false).facts
    }

    fn paid(data: &str) -> Paid {
        let facts = facts("order.paid", data).unwrap();
        let [Fact::Paid(paid)] = &facts[..] else { panic!("{facts:?}") };
        paid.clone()
    }

    #[test]
    fn a_paid_order_is_read_with_what_the_checkout_carried() {
        let read = paid(ORDER);
        assert_eq!(read.payment_id, "8f0c2c3e-55f4-4b0f-9d5e-0d6a4d0f1a11");
        assert_eq!(read.also_known_as, ["co_1"]);
        assert_eq!((read.kind, read.test), (PaymentKind::First, false));
        assert_eq!(read.amount.unwrap().to_string(), "108.00 USD");
        assert_eq!(read.paid_at, Some(1_703_001_200_123));
        assert_eq!(read.metadata.anonymous_id.as_deref(), Some("a1"));
        assert_eq!(read.metadata.session_id.as_deref(), Some("s1"));
        assert_eq!(read.metadata.checkout_started_at, Some(1_703_001_051_000));
    }

    #[test]
    fn what_a_checkout_link_carried_is_unpacked() {
        let own =
            r#""aurea_anonymous_id":"a1","aurea_session_id":"s1","checkout_started_at":"1703001051000""#;
        let linked = order(&[(own, r#""reference_id":"aurea1_3_a_1_s-1_1703001051000","utm_source":"x""#)]);
        let read = paid(&linked).metadata;
        assert_eq!((read.anonymous_id.as_deref(), read.session_id.as_deref()), (Some("a_1"), Some("s-1")));
        let foreign = order(&[(own, r#""reference_id":"order-42""#)]);
        assert_eq!(paid(&foreign).metadata, Metadata::default());
    }

    #[test]
    fn a_renewal_repeats_the_metadata_and_is_told_by_its_reason() {
        for (reason, kind) in [
            (r#""purchase""#, PaymentKind::First),
            (r#""subscription_create""#, PaymentKind::First),
            (r#""subscription_cycle""#, PaymentKind::Renewal),
            (r#""subscription_update""#, PaymentKind::Renewal),
            (r#""something_new""#, PaymentKind::First),
            ("null", PaymentKind::First),
        ] {
            let read = paid(&order(&[
                (r#""purchase""#, reason),
                (r#""subscription_id":null"#, r#""subscription_id":"sub_1""#),
            ]));
            assert_eq!(read.kind, kind, "{reason}");
            assert_eq!(read.subscription_id.as_deref(), Some("sub_1"));
        }
        let without_a_checkout = order(&[
            (r#""purchase""#, r#""subscription_meter_cycle""#),
            (r#""checkout_id":"co_1""#, r#""checkout_id":null"#),
        ]);
        assert_eq!(paid(&without_a_checkout).kind, PaymentKind::Renewal);
    }

    #[test]
    fn an_order_tells_everything_that_was_given_back_with_its_tax() {
        let partly = order(&[
            (r#""refunded_amount":0"#, r#""refunded_amount":5000"#),
            (r#""refunded_tax_amount":0"#, r#""refunded_tax_amount":400"#),
        ]);
        let read = facts("order.refunded", &partly).unwrap();
        let [Fact::Paid(payment), Fact::Refunded(refund)] = &read[..] else { panic!("{read:?}") };
        assert_eq!(payment, &paid(ORDER), "what was paid is told again, and alike");
        assert_eq!((&refund.refund_id, &refund.of), (&payment.payment_id, &payment.payment_id));
        assert_eq!(refund.amount.as_ref().unwrap().minor, 5400);
        assert_eq!((refund.counts, refund.state), (Counts::AllSoFar, RefundState::Succeeded));
        assert_eq!(refund.metadata.session_id.as_deref(), Some("s1"));
    }

    #[test]
    fn a_refund_counts_with_its_tax_and_only_when_it_succeeded() {
        for (status, state) in [
            ("pending", RefundState::Pending),
            ("succeeded", RefundState::Succeeded),
            ("failed", RefundState::Failed),
            ("canceled", RefundState::Failed),
            ("something_new", RefundState::Pending),
        ] {
            let data = format!(
                r#"{{"id":"re_1","order_id":"or_1","status":"{status}","reason":"customer_request","amount":5000,"tax_amount":400,
                    "currency":"usd","created_at":"2023-12-19T15:53:20Z","metadata":{{"aurea_session_id":"not_ours"}}}}"#
            );
            let read = facts("refund.updated", &data).unwrap();
            let [Fact::Refunded(refund)] = &read[..] else { panic!("{read:?}") };
            assert_eq!((refund.refund_id.as_str(), refund.of.as_str()), ("re_1", "or_1"));
            assert_eq!((refund.amount.as_ref().unwrap().minor, refund.counts), (5400, Counts::One));
            assert_eq!(refund.state, state, "{status}");
            assert_eq!(refund.metadata, Metadata::default());
        }
    }

    fn dispute(status: &str) -> String {
        format!(
            r#"{{"id":"dp_1","order_id":"or_1","status":"{status}","amount":10000,"tax_amount":800,"currency":"usd",
                "created_at":"2023-12-21T00:00:00Z"}}"#
        )
    }

    #[test]
    fn a_refund_that_prevented_a_dispute_warns_and_takes_the_money_once() {
        let data = format!(
            r#"{{"id":"re_1","order_id":"or_1","status":"succeeded","reason":"dispute_prevention","amount":10000,
                "tax_amount":800,"currency":"usd","dispute":{}}}"#,
            dispute("prevented")
        );
        let read = facts("refund.created", &data).unwrap();
        let [Fact::Refunded(refund), Fact::Disputed(warning)] = &read[..] else { panic!("{read:?}") };
        assert_eq!(refund.state, RefundState::Succeeded);
        assert_eq!((warning.dispute_id.as_str(), warning.of.as_str()), ("dp_1", "or_1"));
        assert_eq!(warning.state, DisputeState::Warning);
    }

    #[test]
    fn a_listed_dispute_is_read_by_its_status() {
        for (status, state) in [
            ("early_warning", Some(DisputeState::Warning)),
            ("needs_response", Some(DisputeState::Open)),
            ("under_review", Some(DisputeState::Open)),
            ("won", Some(DisputeState::Won)),
            ("lost", Some(DisputeState::Lost)),
            ("something_new", None),
        ] {
            let facts = listed_dispute(&dispute(status)).unwrap();
            let read = facts.first().map(|fact| match fact {
                Fact::Disputed(dispute) => (dispute.state, dispute.amount.as_ref().unwrap().minor),
                other => panic!("{other:?}"),
            });
            assert_eq!(read, state.map(|state| (state, 10_800)), "{status}");
        }
    }

    #[test]
    fn only_a_checkout_that_ended_without_money_failed() {
        let checkout = |status: &str| {
            format!(
                r#"{{"id":"co_1","status":"{status}","modified_at":"2023-12-19T15:53:20Z","metadata":{{"aurea_session_id":"s1"}}}}"#
            )
        };
        for status in ["failed", "expired"] {
            let read = facts("checkout.updated", &checkout(status)).unwrap();
            let [Fact::Failed(failed)] = &read[..] else { panic!("{read:?}") };
            assert_eq!((failed.id.as_str(), failed.reason.as_str()), ("co_1", status));
            assert_eq!(failed.at, Some(1_703_001_200_000));
            assert_eq!(failed.metadata.session_id.as_deref(), Some("s1"));
        }
        for status in ["open", "confirmed", "succeeded"] {
            assert_eq!(facts("checkout.updated", &checkout(status)), Ok(vec![]), "{status}");
        }
        assert_eq!(facts("checkout.expired", &checkout("expired")).unwrap().len(), 1);
    }

    #[test]
    fn the_events_that_repeat_it_count_for_nothing() {
        for event_type in ["order.created", "order.updated", "subscription.active", "customer.created"] {
            assert_eq!(facts(event_type, ORDER), Ok(vec![]), "{event_type}");
        }
    }

    #[test]
    fn amounts_are_polars_minor_units() {
        for (count, currency, minor) in [
            ("9900", "usd", 9900),
            ("1000", "jpy", 1000),
            ("5124", "kwd", 51_240),
            ("500", "isk", 5),
            ("500", "ugx", 5),
            ("7", "mga", 700),
            ("0", "usd", 0),
        ] {
            let read = paid(&order(&[("10800", count), ("usd", currency)]));
            assert_eq!(read.amount.unwrap().minor, minor, "{count} {currency}");
        }
    }

    #[test]
    fn an_amount_is_never_guessed() {
        for (count, currency) in [
            ("-1", "usd"),
            ("99.5", "usd"),
            ("1e30", "usd"),
            ("1e400", "usd"),
            (r#""99,00""#, "usd"),
            (r#""9900""#, "usd"),
            ("null", "usd"),
            ("9900", "btc"),
            ("550", "isk"),
            ("9223372036854775807", "usd"),
            ("99999999999999999999", "usd"),
        ] {
            assert!(
                paid(&order(&[("10800", count), ("usd", currency)])).amount.is_err(),
                "{count} {currency}"
            );
        }
        let negative = order(&[
            (r#""refunded_amount":0"#, r#""refunded_amount":-800"#),
            (r#""refunded_tax_amount":0"#, r#""refunded_tax_amount":800"#),
        ]);
        let read = facts("order.refunded", &negative).unwrap();
        assert!(matches!(&read[1], Fact::Refunded(refund) if refund.amount.is_err()), "{read:?}");
    }

    #[test]
    fn what_is_not_documented_is_told_in_words() {
        for body in
            ["\u{ff}", "{}", "[]", r#"{"type":"order.paid"}"#, r#"{"type":"order.paid","data":{"id":""}}"#]
        {
            assert!(read(body.as_bytes(), false).facts.is_err(), "{body}");
        }
        assert!(facts("refund.created", r#"{"id":"re_1"}"#).is_err());
    }

    #[test]
    fn a_list_tells_of_what_was_paid_and_given_back() {
        assert_eq!(listed_order(ORDER, true).unwrap(), [Fact::Paid(Paid { test: true, ..paid(ORDER) })]);
        let refunded = order(&[
            (r#""status":"paid""#, r#""status":"refunded""#),
            (r#""refunded_amount":0"#, r#""refunded_amount":10000"#),
        ]);
        assert_eq!(listed_order(&refunded, false).unwrap().len(), 2);
        for status in ["pending", "draft", "void"] {
            let unpaid = order(&[(r#""status":"paid""#, &format!(r#""status":"{status}""#))]);
            assert_eq!(listed_order(&unpaid, false), Ok(vec![]), "{status}");
        }
    }
}
