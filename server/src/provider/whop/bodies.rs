//! What Whop writes: the bodies of its deliveries and the items of its lists, read as facts.
//!
//! v1 says `type`, nests objects and writes ISO times; v5 and v2 say `action`, are flat and write unix seconds. The
//! dashboard and some older pages write underscores for dots. Money stays text until it is parsed as a decimal.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::Millis;
use crate::domain::money::{Currency, Money};
use crate::provider::{
    Counts, DisputeState, Disputed, Fact, Failed, Metadata, Notice, Paid, PaymentKind, RefundState, Refunded,
    text_of,
};

/// Reads a delivery.
pub(super) fn read(body: &[u8]) -> Notice {
    match serde_json::from_slice::<Envelope>(body) {
        Ok(envelope) => envelope.read(),
        Err(error) => Notice { message_id: None, event_type: String::new(), facts: Err(error.to_string()) },
    }
}

/// The company that a delivery is about.
pub(super) fn company(body: &[u8]) -> Option<String> {
    let company: Company = serde_json::from_slice(body).ok()?;
    text_of(&company.company_id).or_else(|| text_of(&company.data["company"]["id"]))
}

/// Where v1 says whose delivery it is; older versions don't.
#[derive(Deserialize)]
struct Company {
    #[serde(default)]
    company_id: Value,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    id: Option<String>,
    #[serde(alias = "action")]
    r#type: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl Envelope<'_> {
    fn read(self) -> Notice {
        let event_type = dotted(&self.r#type);
        let data = self.data.map_or("null", RawValue::get);
        // An app is told of its companies' payments under a name of its own.
        let facts = match event_type.strip_prefix("app_").unwrap_or(&event_type) {
            "payment.succeeded" => parse::<Payment>(data).map(|payment| vec![payment.paid()]),
            "payment.failed" => parse::<Payment>(data).map(|payment| payment.failed().into_iter().collect()),
            "refund.created" | "refund.updated" => refunded(data).map(|fact| vec![fact]),
            "dispute.created" | "dispute.updated" => disputed(data).map(|fact| fact.into_iter().collect()),
            _ => Ok(Vec::new()),
        };
        Notice { message_id: self.id, event_type, facts }
    }
}

/// `payment_succeeded` is `payment.succeeded`.
fn dotted(event_type: &str) -> String {
    let event_type: String = event_type.chars().take(100).collect();
    let (app, rest) = event_type.split_at(if event_type.starts_with("app_") { 4 } else { 0 });
    match rest.split_once('_') {
        Some((subject, verb)) if !rest.contains('.') => format!("{app}{subject}.{verb}"),
        _ => event_type,
    }
}

fn parse<'a, T: Deserialize<'a> + Named>(data: &'a str) -> Result<T, String> {
    match serde_json::from_str::<T>(data) {
        Ok(read) if read.id().is_empty() => Err("data: the id is empty".to_owned()),
        Ok(read) => Ok(read),
        Err(error) => Err(format!("data: {error}")),
    }
}

/// What Whop gives an id to.
trait Named {
    fn id(&self) -> &str;
}

#[derive(Deserialize)]
struct Payment<'a> {
    id: String,
    status: Option<String>,
    substatus: Option<String>,
    failure_message: Option<String>,
    #[serde(borrow)]
    total: Option<&'a RawValue>,
    #[serde(borrow)]
    final_amount: Option<&'a RawValue>,
    currency: Option<String>,
    paid_at: Option<Value>,
    last_payment_attempt: Option<Value>,
    billing_reason: Option<String>,
    #[serde(default)]
    checkout_session: Value,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    checkout_configuration: Value,
    #[serde(default)]
    membership: Value,
    membership_id: Option<String>,
    #[serde(default)]
    membership_metadata: Value,
}

impl Named for Payment<'_> {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Payment<'_> {
    /// A trial's first payment is one of 0: it converts, and the first charge after it is a renewal.
    fn paid(&self) -> Fact {
        Fact::Paid(Paid {
            payment_id: self.id.clone(),
            also_known_as: Vec::new(), // a checkout configuration can lead to many payments
            subscription_id: id_in(&self.membership).or_else(|| self.membership_id.clone()),
            kind: self.kind(),
            amount: amount(self.total.filter(is_something).or(self.final_amount), self.currency.as_deref()),
            paid_at: self.paid_at.as_ref().and_then(millis),
            test: false, // the sandbox is another host with secrets of its own
            metadata: self.ids(),
        })
    }

    fn kind(&self) -> PaymentKind {
        match self.billing_reason.as_deref() {
            Some("subscription_cycle" | "subscription_update") => PaymentKind::Renewal,
            _ => PaymentKind::First,
        }
    }

    /// Of a checkout: a renewal that failed is tried again, and is no checkout.
    fn failed(&self) -> Option<Fact> {
        let reason =
            [&self.failure_message, &self.substatus].into_iter().flatten().find(|text| !text.is_empty());
        (self.kind() == PaymentKind::First).then(|| {
            Fact::Failed(Failed {
                id: self.id.clone(),
                reason: reason.map_or("failed", String::as_str).chars().take(200).collect(),
                at: self.last_payment_attempt.as_ref().and_then(millis),
                metadata: self.ids(),
            })
        })
    }

    /// The seed's order first, then Whop's own places.
    fn ids(&self) -> Metadata {
        let places = [
            &self.checkout_session["metadata"],
            &self.metadata,
            &self.checkout_configuration["metadata"],
            &self.membership["metadata"],
            &self.membership_metadata,
        ];
        let ids = Metadata::found(|key| places.iter().find_map(|place| text_of(&place[key])));
        let anonymous_id = ids.anonymous_id.or_else(|| text_of(&self.metadata["aurea_id"]));
        Metadata { anonymous_id, ..ids }
    }
}

#[derive(Deserialize)]
struct Refund<'a> {
    id: String,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    currency: Option<String>,
    status: Option<String>,
    created_at: Option<Value>,
    #[serde(default)]
    payment: Value,
    payment_id: Option<String>,
}

impl Named for Refund<'_> {
    fn id(&self) -> &str {
        &self.id
    }
}

fn refunded(data: &str) -> Result<Fact, String> {
    let refund: Refund<'_> = parse(data)?;
    Ok(Fact::Refunded(Refunded {
        of: payment_of(&refund.payment, refund.payment_id.as_deref())?,
        amount: amount(refund.amount, refund.currency.as_deref()),
        counts: Counts::One,
        state: match refund.status.as_deref() {
            Some("succeeded") => RefundState::Succeeded,
            Some("failed" | "canceled") => RefundState::Failed,
            _ => RefundState::Pending,
        },
        at: refund.created_at.as_ref().and_then(millis),
        metadata: Metadata::found(|key| text_of(&refund.payment["metadata"][key])),
        refund_id: refund.id,
    }))
}

#[derive(Deserialize)]
struct Dispute<'a> {
    id: String,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    currency: Option<String>,
    status: Option<String>,
    #[serde(default)]
    inquiry: bool,
    created_at: Option<Value>,
    #[serde(default)]
    payment: Value,
    payment_id: Option<String>,
}

impl Named for Dispute<'_> {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A dispute that was closed without a ruling says nothing about the money, and neither does a state that is not known.
fn disputed(data: &str) -> Result<Option<Fact>, String> {
    let dispute: Dispute<'_> = parse(data)?;
    let state = match dispute.status.as_deref().unwrap_or_default() {
        "needs_response" | "under_review" if dispute.inquiry => DisputeState::Warning,
        "needs_response" | "under_review" => DisputeState::Open,
        "won" => DisputeState::Won,
        "lost" => DisputeState::Lost,
        warning if warning.starts_with("warning_") => DisputeState::Warning,
        _ => return Ok(None),
    };
    Ok(Some(Fact::Disputed(Disputed {
        of: payment_of(&dispute.payment, dispute.payment_id.as_deref())?,
        amount: amount(dispute.amount, dispute.currency.as_deref()),
        state,
        at: dispute.created_at.as_ref().and_then(millis),
        dispute_id: dispute.id,
    })))
}

/// An item of the list of payments; what was not paid is no fact.
pub(super) fn listed_payment(item: &str) -> Result<Option<Fact>, String> {
    let payment: Payment<'_> = parse(item)?;
    Ok((payment.status.as_deref() == Some("paid")).then(|| payment.paid()))
}

/// An item of the list of refunds.
pub(super) fn listed_refund(item: &str) -> Result<Option<Fact>, String> {
    refunded(item).map(Some)
}

/// An item of the list of disputes.
pub(super) fn listed_dispute(item: &str) -> Result<Option<Fact>, String> {
    disputed(item)
}

/// The payment that a refund or dispute is about; Whop leaves it out when the payment is no more.
fn payment_of(payment: &Value, payment_id: Option<&str>) -> Result<String, String> {
    let named = id_in(payment).or_else(|| payment_id.map(str::to_owned)).filter(|id| !id.is_empty());
    named.ok_or_else(|| "data: no payment is named".to_owned())
}

/// v1 nests an object, v2 writes its id.
fn id_in(value: &Value) -> Option<String> {
    text_of(value).or_else(|| text_of(&value["id"]))
}

fn is_something(raw: &&RawValue) -> bool {
    raw.get() != "null"
}

/// In major units.
fn amount(number: Option<&RawValue>, currency: Option<&str>) -> Result<Money, String> {
    let text = number.filter(is_something).ok_or("no amount")?.get().trim_matches('"');
    let currency = Currency::parse(currency.ok_or("no currency")?).map_err(|error| error.to_string())?;
    Money::parse_major(text, currency).map_err(|error| error.to_string())
}

fn millis(value: &Value) -> Option<Millis> {
    match value {
        Value::String(text) => text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond),
        Value::Number(number) => number.as_i64().and_then(|seconds| seconds.checked_mul(1000)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The one fact of a delivery.
    fn fact(body: &str) -> Fact {
        let facts = read(body.as_bytes()).facts.unwrap();
        let [fact] = &facts[..] else { panic!("{facts:?}") };
        fact.clone()
    }

    fn paid(body: &str) -> Paid {
        match fact(body) {
            Fact::Paid(paid) => paid,
            other => panic!("{other:?}"),
        }
    }

    fn facts(event_type: &str, data: &str) -> Result<Vec<Fact>, String> {
        read(format!(r#"{{"type":"{event_type}","data":{data}}}"#).as_bytes()).facts
    }

    #[test]
    fn a_v1_payment_is_read() {
        let read = paid(
            r#"{"id":"msg_1","type":"payment.succeeded","data":{"id":"pay_1","total":99.0,"currency":"usd",
                "paid_at":"2023-12-19T15:53:20.000Z","billing_reason":"one_time","membership":{"id":"mem_1"},
                "metadata":{"aurea_anonymous_id":"a1","aurea_session_id":"s1","checkout_started_at":"1703001051000"}}}"#,
        );
        assert_eq!(read.amount.unwrap().minor, 9900);
        assert_eq!(read.paid_at, Some(1_703_001_200_000));
        assert_eq!(read.kind, PaymentKind::First);
        assert_eq!(read.subscription_id.as_deref(), Some("mem_1"));
        assert_eq!(read.metadata.session_id.as_deref(), Some("s1"));
        assert_eq!(read.metadata.checkout_started_at, Some(1_703_001_051_000));
    }

    #[test]
    fn an_older_body_is_read() {
        let read = paid(
            r#"{"action":"payment.succeeded","api_version":"v5","data":{"id":"pay_2","final_amount":10.43,
                "currency":"eur","paid_at":1703001200,"membership_id":"mem_2","membership_metadata":{"aurea_session_id":"s2"}}}"#,
        );
        assert_eq!(read.amount.unwrap().minor, 1043);
        assert_eq!(read.paid_at, Some(1_703_001_200_000));
        assert_eq!(read.metadata.session_id.as_deref(), Some("s2"));
        assert_eq!(read.subscription_id.as_deref(), Some("mem_2"));
        let v2 = r#"{"action":"app_payment.succeeded","data":{"id":"p","final_amount":1,"currency":"usd","membership":"mem_3"}}"#;
        assert_eq!(paid(v2).subscription_id.as_deref(), Some("mem_3"));
    }

    #[test]
    fn the_checkouts_own_metadata_comes_before_the_payments() {
        let read = paid(
            r#"{"type":"payment_succeeded","data":{"id":"p","total":"1","currency":"usd",
                "checkout_session":{"metadata":{"aurea_session_id":"first"}},
                "metadata":{"aurea_session_id":"second","aurea_id":"a9"}}}"#,
        );
        assert_eq!(read.metadata.session_id.as_deref(), Some("first"));
        assert_eq!(read.metadata.anonymous_id.as_deref(), Some("a9"));
    }

    #[test]
    fn a_renewal_is_told_by_its_billing_reason() {
        for (reason, kind) in [
            ("subscription_create", PaymentKind::First),
            ("one_time", PaymentKind::First),
            ("subscription_cycle", PaymentKind::Renewal),
            ("subscription_update", PaymentKind::Renewal),
        ] {
            let body = format!(
                r#"{{"type":"payment.succeeded","data":{{"id":"p","total":0,"currency":"usd","billing_reason":"{reason}"}}}}"#
            );
            assert_eq!(paid(&body).kind, kind, "{reason}");
        }
    }

    #[test]
    fn an_amount_is_never_guessed() {
        for (total, currency) in [
            ("-1", "usd"),
            ("1e30", "usd"),
            ("1e400", "usd"),
            ("99", "btc"),
            ("\"99,00\"", "usd"),
            ("null", "usd"),
            ("0.5", "jpy"),
        ] {
            let read = paid(&format!(
                r#"{{"type":"payment.succeeded","data":{{"id":"p","total":{total},"currency":"{currency}"}}}}"#
            ));
            assert!(read.amount.is_err(), "{total} {currency}");
        }
    }

    #[test]
    fn amounts_are_major_units_of_any_currency() {
        for (total, currency, minor) in [
            ("1000", "jpy", 1000),
            ("5.124", "kwd", 5124),
            ("500", "isk", 500),
            ("500", "ugx", 500),
            ("0.30000000000000004", "usd", 30),
        ] {
            let read = paid(&format!(
                r#"{{"type":"payment.succeeded","data":{{"id":"p","total":{total},"currency":"{currency}"}}}}"#
            ));
            assert_eq!(read.amount.unwrap().minor, minor, "{total} {currency}");
        }
    }

    #[test]
    fn a_refund_counts_by_its_state_and_names_its_payment() {
        let data = |status: &str| {
            format!(
                r#"{{"id":"rfd_1","amount":10.5,"currency":"usd","status":"{status}","created_at":"2023-12-19T15:53:20Z",
                    "payment":{{"id":"pay_1","metadata":{{"aurea_session_id":"s1"}}}}}}"#
            )
        };
        for (status, state) in [
            ("pending", RefundState::Pending),
            ("requires_action", RefundState::Pending),
            ("succeeded", RefundState::Succeeded),
            ("failed", RefundState::Failed),
            ("canceled", RefundState::Failed),
        ] {
            let read = facts("refund.updated", &data(status)).unwrap();
            let [Fact::Refunded(refund)] = &read[..] else { panic!("{read:?}") };
            assert_eq!((refund.refund_id.as_str(), refund.of.as_str()), ("rfd_1", "pay_1"));
            assert_eq!(refund.amount.as_ref().unwrap().minor, 1050);
            assert_eq!((refund.state, refund.counts), (state, Counts::One), "{status}");
            assert_eq!(refund.metadata.session_id.as_deref(), Some("s1"));
        }
        assert!(facts("refund_created", r#"{"id":"rfd_1","payment":null}"#).is_err());
    }

    #[test]
    fn a_dispute_is_read_by_its_status_and_one_without_a_ruling_says_nothing() {
        for (status, inquiry, state) in [
            ("warning_needs_response", false, Some(DisputeState::Warning)),
            ("warning_closed", false, Some(DisputeState::Warning)),
            ("needs_response", true, Some(DisputeState::Warning)),
            ("needs_response", false, Some(DisputeState::Open)),
            ("under_review", false, Some(DisputeState::Open)),
            ("won", false, Some(DisputeState::Won)),
            ("lost", false, Some(DisputeState::Lost)),
            ("closed", false, None),
            ("other", false, None),
        ] {
            let data = format!(
                r#"{{"id":"dspt_1","amount":99,"currency":"usd","status":"{status}","inquiry":{inquiry},"payment":{{"id":"pay_1"}}}}"#
            );
            let read = facts("dispute.updated", &data).unwrap();
            let states: Vec<_> = read
                .iter()
                .map(|fact| match fact {
                    Fact::Disputed(dispute) => dispute.state,
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(states, state.into_iter().collect::<Vec<_>>(), "{status}");
        }
    }

    #[test]
    fn a_failed_payment_says_why() {
        let data = r#"{"id":"pay_1","status":"open","failure_message":"Your card was declined."}"#;
        let read = facts("payment.failed", data).unwrap();
        let [Fact::Failed(failed)] = &read[..] else { panic!("{read:?}") };
        assert_eq!((failed.id.as_str(), failed.reason.as_str()), ("pay_1", "Your card was declined."));
        let renewal = r#"{"id":"pay_2","billing_reason":"subscription_cycle"}"#;
        assert_eq!(facts("payment.failed", renewal), Ok(vec![]));
    }

    #[test]
    fn what_changes_nothing_in_the_ledger_has_no_facts() {
        for event_type in [
            "payment.pending",
            "payment.created",
            "membership.activated",
            "membership_deactivated",
            "entry.created",
        ] {
            assert_eq!(facts(event_type, "{}"), Ok(vec![]), "{event_type}");
        }
        assert_eq!(read(br#"{"action":"membership_went_valid"}"#).event_type, "membership.went_valid");
    }

    #[test]
    fn what_is_not_documented_is_told_in_words() {
        for body in ["\u{ff}", "{}", r#"{"type":"payment.succeeded"}"#] {
            assert!(read(body.as_bytes()).facts.is_err(), "{body}");
        }
        assert!(facts("payment.succeeded", "{}").is_err());
        assert!(facts("payment.succeeded", r#"{"id":""}"#).is_err());
        assert!(facts("dispute.created", r#"{"id":"dspt_1","status":"lost"}"#).is_err());
    }

    #[test]
    fn a_list_tells_of_what_was_paid() {
        let listed = |status: &str| {
            listed_payment(&format!(r#"{{"id":"pay_1","status":"{status}","total":99,"currency":"usd"}}"#))
                .unwrap()
        };
        assert!(matches!(listed("paid"), Some(Fact::Paid(_))));
        assert_eq!(listed("open"), None);
    }
}
