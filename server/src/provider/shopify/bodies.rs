//! What Shopify writes: the bodies of its deliveries and the items of its lists, read as facts.
//!
//! Amounts are decimal texts in major units. Ids are whole numbers of up to 64 bits, sometimes as a text or at the end of
//! a GID (`gid://shopify/Order/1`): they are kept digit by digit. A refund and a dispute name their order and nothing of
//! ours.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::Millis;
use crate::domain::money::{Currency, Money};
use crate::provider::{
    Counts, DisputeState, Disputed, Fact, Metadata, Paid, PaymentKind, RefundState, Refunded, text_of,
};

/// The order of "Send test notification", always the same.
const SAMPLE_ORDER: &str = "820982911946154508";

/// Reads a delivery. A topic that is not listed here changes nothing in the ledger: `orders/cancelled` among them, because
/// the refund tells of the money.
pub(super) fn read(topic: &str, body: &[u8]) -> Result<Vec<Fact>, String> {
    let text = || std::str::from_utf8(body).map_err(|error| error.to_string());
    match topic {
        "orders/paid" => parse(text()?).and_then(|order: Order<'_>| order.facts()),
        "refunds/create" => {
            let body = text()?;
            parse(body).and_then(|refund: Refund<'_>| refund.facts(only_currency(body).as_deref()))
        }
        "disputes/create" | "disputes/update" => listed_dispute(text()?),
        "" => Err("no topic".to_owned()),
        _ => Ok(Vec::new()),
    }
}

/// An item of the list of orders, with the refunds in it; what was not paid is no fact.
pub(super) fn listed_order(item: &str) -> Result<Vec<Fact>, String> {
    let order: Order<'_> = parse(item)?;
    let mut facts = order.facts()?;
    if !facts.is_empty() {
        for refund in order.refunds.iter().flatten() {
            facts.append(&mut refund.facts(Some(&order.currency))?);
        }
    }
    Ok(facts)
}

/// A dispute, delivered or listed.
pub(super) fn listed_dispute(item: &str) -> Result<Vec<Fact>, String> {
    parse(item).and_then(|dispute: Dispute<'_>| dispute.facts())
}

/// When a dispute began; other items don't say.
pub(super) fn initiated_at(item: &str) -> Option<Millis> {
    #[derive(Deserialize)]
    struct Begun {
        initiated_at: String,
    }
    let Begun { initiated_at } = serde_json::from_str(item).ok()?;
    millis(&initiated_at)
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[derive(Deserialize)]
struct Order<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    financial_status: String,
    #[serde(borrow)]
    total_price: &'a RawValue,
    currency: String,
    #[serde(default)]
    note_attributes: Value,
    processed_at: Option<String>,
    created_at: Option<String>,
    source_name: Option<String>,
    #[serde(default)]
    test: bool,
    #[serde(borrow)]
    refunds: Option<Vec<Refund<'a>>>,
}

impl Order<'_> {
    /// The topic is not signed, so that the order itself must say that it was paid. The sample order says that it is
    /// void; it is kept as a test.
    fn facts(&self) -> Result<Vec<Fact>, String> {
        let payment_id = id(self.id)?;
        let sample = payment_id == SAMPLE_ORDER;
        let paid = matches!(self.financial_status.as_str(), "paid" | "partially_refunded" | "refunded");
        if !paid && !sample {
            return Ok(Vec::new());
        }
        Ok(vec![Fact::Paid(Paid {
            payment_id,
            also_known_as: Vec::new(),
            subscription_id: None,
            kind: self.kind(),
            amount: amount(self.total_price, &self.currency),
            paid_at: self.processed_at.as_deref().or(self.created_at.as_deref()).and_then(millis),
            test: self.test || sample,
            metadata: self.ids(),
        })])
    }

    /// Orders that a subscription makes by itself are said to have this source. Shopify documents no other mark and this
    /// one only in its forums; the first order of a subscription comes from a checkout and has another.
    fn kind(&self) -> PaymentKind {
        match self.source_name.as_deref() {
            Some("subscription_contract") => PaymentKind::Renewal,
            _ => PaymentKind::First,
        }
    }

    fn ids(&self) -> Metadata {
        let attributes = self.note_attributes.as_array().map(Vec::as_slice).unwrap_or_default();
        Metadata::found(|key| {
            attributes
                .iter()
                .filter(|it| it["name"] == key)
                .find_map(|attribute| text_of(&attribute["value"]))
        })
    }
}

#[derive(Deserialize)]
struct Refund<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    order_id: &'a RawValue,
    created_at: Option<String>,
    #[serde(borrow)]
    transactions: Vec<Transaction<'a>>,
}

#[derive(Deserialize)]
struct Transaction<'a> {
    kind: String,
    status: String,
    #[serde(borrow)]
    amount: &'a RawValue,
    currency: Option<String>,
}

impl Refund<'_> {
    /// What went back to the buyer; a refund without such a transaction only puts articles back. Refunds of the sample
    /// order are none. `currency` is that of transactions that name none.
    fn facts(&self, currency: Option<&str>) -> Result<Vec<Fact>, String> {
        let of = id(self.order_id)?;
        let Some((state, amount)) = self.outcome(currency).filter(|_| of != SAMPLE_ORDER) else {
            return Ok(Vec::new());
        };
        Ok(vec![Fact::Refunded(Refunded {
            refund_id: id(self.id)?,
            of,
            amount,
            counts: Counts::One,
            state,
            at: self.created_at.as_deref().and_then(millis),
            metadata: Metadata::default(),
        })])
    }

    /// The sum of the transactions that succeeded, else of those that are pending, else of those that failed.
    fn outcome(&self, currency: Option<&str>) -> Option<(RefundState, Result<Money, String>)> {
        let state = |transaction: &Transaction<'_>| match transaction.status.as_str() {
            "success" => RefundState::Succeeded,
            "failure" | "error" => RefundState::Failed,
            _ => RefundState::Pending,
        };
        let refunds: Vec<_> =
            self.transactions.iter().filter(|transaction| transaction.kind == "refund").collect();
        [RefundState::Succeeded, RefundState::Pending, RefundState::Failed].into_iter().find_map(|wanted| {
            let amounts = refunds.iter().filter(|transaction| state(transaction) == wanted);
            let sum = amounts
                .map(|transaction| {
                    let currency = transaction.currency.as_deref().or(currency).ok_or("no currency")?;
                    amount(transaction.amount, currency)
                })
                .reduce(|sum, next| {
                    sum?.plus(next?).ok_or_else(|| "in several currencies, or too much".to_owned())
                });
            Some((wanted, sum?))
        })
    }
}

/// The one currency that a body speaks of, if it is one: transactions of a single-currency shop may leave it out (`XXX` is
/// ISO 4217 for none).
fn only_currency(body: &str) -> Option<String> {
    fn collect(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            Value::Object(fields) => {
                found.extend(fields.get("currency_code").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|field| collect(field, found));
            }
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    collect(&serde_json::from_str(body).ok()?, &mut found);
    found.remove("XXX");
    found.pop_first().filter(|_| found.is_empty())
}

#[derive(Deserialize)]
struct Dispute<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    order_id: &'a RawValue,
    r#type: String,
    status: String,
    #[serde(borrow)]
    amount: &'a RawValue,
    currency: String,
    initiated_at: Option<String>,
    finalized_on: Option<String>,
}

impl Dispute<'_> {
    /// An inquiry withholds nothing, and neither does a dispute that was settled by a refund: the refund tells of the
    /// money. A state that is not documented says nothing.
    fn facts(&self) -> Result<Vec<Fact>, String> {
        let of = id(self.order_id)?;
        let state = match (self.r#type.as_str(), self.status.as_str()) {
            ("inquiry", _) => DisputeState::Warning,
            (_, "needs_response" | "under_review") => DisputeState::Open,
            (_, "won" | "charge_refunded") => DisputeState::Won,
            (_, "lost" | "accepted") => DisputeState::Lost,
            _ => return Ok(Vec::new()),
        };
        if of == SAMPLE_ORDER {
            return Ok(Vec::new());
        }
        Ok(vec![Fact::Disputed(Disputed {
            dispute_id: id(self.id)?,
            of,
            amount: amount(self.amount, &self.currency),
            state,
            at: self.finalized_on.as_deref().or(self.initiated_at.as_deref()).and_then(millis),
        })])
    }
}

/// An id's digits, exactly as they are written: no float, and no number that is none.
fn id(raw: &RawValue) -> Result<String, String> {
    let text = raw.get().trim_matches('"');
    let digits =
        text.strip_prefix("gid://shopify/").and_then(|rest| rest.split_once('/')).map_or(text, |(_, id)| id);
    let sound = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    match digits.parse::<u64>() {
        Ok(_) if sound => Ok(digits.to_owned()),
        _ => Err(format!("{:?} is no id", text.chars().take(60).collect::<String>())),
    }
}

/// In major units.
fn amount(raw: &RawValue, currency: &str) -> Result<Money, String> {
    let currency = Currency::parse(currency).map_err(|error| error.to_string())?;
    Money::parse_major(raw.get().trim_matches('"'), currency).map_err(|error| error.to_string())
}

fn millis(text: &str) -> Option<Millis> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: &str = r##"{"id":450789469999990001,"admin_graphql_api_id":"gid://shopify/Order/450789469999990001","name":"#1001",
        "financial_status":"paid","total_price":"99.00","currency":"USD","created_at":"2023-12-19T10:53:19-05:00",
        "processed_at":"2023-12-19T10:53:20-05:00","source_name":"web","test":false,"refunds":[],
        "note_attributes":[{"name":"gift","value":null},{"name":"aurea_anonymous_id","value":"a1"},
            {"name":"aurea_session_id","value":"s1"},{"name":"checkout_started_at","value":"1703001051000"}]}"##;

    const REFUND: &str = r#"{"id":890088186047892319,"order_id":450789469999990001,"created_at":"2023-12-20T10:00:00+01:00",
        "refund_line_items":[{"subtotal":99.0,"subtotal_set":{"shop_money":{"amount":"99.00","currency_code":"USD"},
            "presentment_money":{"amount":"99.00","currency_code":"USD"}}}],
        "transactions":[{"id":1,"kind":"refund","status":"success","amount":"40.10","currency":"USD"},
            {"id":2,"kind":"refund","status":"success","amount":"9.90","currency":"USD"},
            {"id":3,"kind":"sale","status":"success","amount":"99.00","currency":"USD"},
            {"id":4,"kind":"refund","status":"failure","amount":"1.00","currency":"USD"}]}"#;

    const DISPUTE: &str = r#"{"id":285332461850802063,"order_id":450789469999990001,"type":"chargeback","amount":"11.50",
        "currency":"USD","reason":"fraudulent","network_reason_code":"4837","status":"needs_response",
        "finalized_on":null,"initiated_at":"2023-12-21T00:00:00Z"}"#;

    fn changed(body: &str, changes: &[(&str, &str)]) -> String {
        changes.iter().fold(body.to_owned(), |body, (from, to)| {
            assert!(body.contains(from), "{from}");
            body.replacen(from, to, 1)
        })
    }

    fn paid(order: &str) -> Paid {
        let facts = read("orders/paid", order.as_bytes()).unwrap();
        let [Fact::Paid(paid)] = &facts[..] else { panic!("{facts:?}") };
        paid.clone()
    }

    fn refunded(refund: &str) -> Refunded {
        let facts = read("refunds/create", refund.as_bytes()).unwrap();
        let [Fact::Refunded(refunded)] = &facts[..] else { panic!("{facts:?}") };
        refunded.clone()
    }

    #[test]
    fn a_paid_order_is_read_with_what_the_permalink_carried() {
        let read = paid(ORDER);
        assert_eq!(read.payment_id, "450789469999990001");
        assert_eq!((read.kind, read.test), (PaymentKind::First, false));
        assert_eq!(read.amount.unwrap().to_string(), "99.00 USD");
        assert_eq!(read.paid_at, Some(1_703_001_200_000));
        assert_eq!(read.metadata.anonymous_id.as_deref(), Some("a1"));
        assert_eq!(read.metadata.session_id.as_deref(), Some("s1"));
        assert_eq!(read.metadata.checkout_started_at, Some(1_703_001_051_000));
    }

    #[test]
    fn an_id_is_kept_digit_by_digit_and_nothing_else_is_one() {
        for id in
            ["18446744073709551615", r#""450789469999990001""#, r#""gid://shopify/Order/450789469999990001""#]
        {
            let digits = id.trim_matches('"').rsplit('/').next().unwrap();
            assert_eq!(paid(&changed(ORDER, &[("450789469999990001", id)])).payment_id, digits);
        }
        for id in [
            "4.5e17",
            "-1",
            "0",
            "01",
            r#""""#,
            r#""x""#,
            "null",
            "18446744073709551616",
            r#""gid://shopify/Order/""#,
        ] {
            assert!(
                read("orders/paid", changed(ORDER, &[("450789469999990001", id)]).as_bytes()).is_err(),
                "{id}"
            );
        }
    }

    #[test]
    fn a_topic_is_not_signed_so_that_the_order_itself_must_say_that_it_was_paid() {
        for status in ["pending", "authorized", "partially_paid", "voided", "expired"] {
            let order = changed(
                ORDER,
                &[(r#""financial_status":"paid""#, &format!(r#""financial_status":"{status}""#))],
            );
            assert_eq!(read("orders/paid", order.as_bytes()), Ok(vec![]), "{status}");
        }
    }

    #[test]
    fn a_body_under_another_topic_does_no_harm() {
        let topics = ["orders/paid", "refunds/create", "disputes/create", "disputes/update"];
        for (own, body) in [("orders/", ORDER), ("refunds/", REFUND), ("disputes/", DISPUTE)] {
            for topic in topics.into_iter().filter(|topic| !topic.starts_with(own)) {
                assert!(read(topic, body.as_bytes()).is_err(), "{own} as {topic}");
            }
            for topic in ["orders/create", "orders/updated", "orders/cancelled", "products/update"] {
                assert_eq!(read(topic, body.as_bytes()), Ok(vec![]), "{own} as {topic}");
            }
            assert!(read("", body.as_bytes()).is_err());
        }
    }

    #[test]
    fn an_order_of_a_subscription_is_a_renewal_and_its_first_is_not() {
        let kind = |source: &str| paid(&changed(ORDER, &[(r#""web""#, source)])).kind;
        assert_eq!(kind(r#""subscription_contract""#), PaymentKind::Renewal);
        assert_eq!(kind(r#""subscription_contract_checkout_one""#), PaymentKind::First);
        assert_eq!(kind("null"), PaymentKind::First);
    }

    #[test]
    fn a_test_order_and_the_sample_of_a_test_notification_are_tests() {
        assert!(paid(&changed(ORDER, &[(r#""test":false"#, r#""test":true"#)])).test);
        let sample = changed(
            ORDER,
            &[
                ("450789469999990001", SAMPLE_ORDER),
                (r#""financial_status":"paid""#, r#""financial_status":"voided""#),
            ],
        );
        assert!(paid(&sample).test);
        for (topic, body) in [("refunds/create", REFUND), ("disputes/create", DISPUTE)] {
            let of_the_sample = changed(body, &[("450789469999990001", SAMPLE_ORDER)]);
            assert_eq!(read(topic, of_the_sample.as_bytes()), Ok(vec![]), "{topic}");
        }
    }

    #[test]
    fn attributes_of_others_and_none_at_all_are_no_hindrance() {
        let attributes = &ORDER[ORDER.find("[{\"name\":\"gift\"").unwrap()..ORDER.len() - 1];
        for other in
            ["[]", "null", "{}", r#"[1,{"name":"x"},{"value":"y"},{"name":"aurea_session_id","value":""}]"#]
        {
            assert_eq!(
                paid(&changed(ORDER, &[(attributes, other)])).metadata,
                Metadata::default(),
                "{other}"
            );
        }
    }

    #[test]
    fn amounts_are_decimals_of_any_currency() {
        for (price, currency, minor) in [
            ("1000", "JPY", 1000),
            ("1000.00", "JPY", 1000),
            ("5.124", "KWD", 5124),
            ("500.00", "ISK", 500),
            ("500", "UGX", 500),
            ("0.00", "USD", 0),
        ] {
            let read = paid(&changed(ORDER, &[("99.00", price), ("USD", currency)]));
            assert_eq!(read.amount.unwrap().minor, minor, "{price} {currency}");
        }
    }

    #[test]
    fn an_amount_is_never_guessed() {
        for (price, currency) in [
            ("-1.00", "USD"),
            ("99,00", "USD"),
            ("1e30", "USD"),
            ("1e400", "USD"),
            ("", "USD"),
            ("9.999", "USD"),
            ("1.5", "JPY"),
            ("1.00", "XYZ"),
        ] {
            assert!(
                paid(&changed(ORDER, &[("99.00", price), ("USD", currency)])).amount.is_err(),
                "{price} {currency}"
            );
        }
    }

    #[test]
    fn a_refund_is_the_sum_of_what_went_back() {
        let read = refunded(REFUND);
        assert_eq!((read.refund_id.as_str(), read.of.as_str()), ("890088186047892319", "450789469999990001"));
        assert_eq!(read.amount.unwrap().minor, 5000);
        assert_eq!((read.state, read.counts), (RefundState::Succeeded, Counts::One));
        assert_eq!(read.at, Some(1_703_062_800_000));
    }

    #[test]
    fn a_refund_that_is_pending_or_failed_says_so_and_one_without_money_is_none() {
        let only = |status: &str, kind: &str| {
            let start = REFUND.find("[{\"id\":1").unwrap();
            let transactions = &REFUND[start..REFUND.len() - 1];
            changed(
                REFUND,
                &[(
                    transactions,
                    &format!(r#"[{{"kind":"{kind}","status":"{status}","amount":"7.00","currency":"USD"}}]"#),
                )],
            )
        };
        assert_eq!(refunded(&only("pending", "refund")).state, RefundState::Pending);
        assert_eq!(refunded(&only("failure", "refund")).state, RefundState::Failed);
        assert_eq!(refunded(&only("error", "refund")).state, RefundState::Failed);
        assert_eq!(read("refunds/create", only("success", "void").as_bytes()), Ok(vec![]));
    }

    #[test]
    fn a_currency_that_is_left_out_is_the_bodys_if_that_speaks_of_one() {
        let none = REFUND.replace(r#""currency":"USD""#, r#""currency":null"#);
        assert_eq!(refunded(&none).amount.unwrap().to_string(), "50.00 USD");
        let none_and_two = changed(&none, &[(r#""currency_code":"USD""#, r#""currency_code":"CAD""#)]);
        assert_eq!(refunded(&none_and_two).amount, Err("no currency".to_owned()));
        let unknown = none.replace(r#""currency_code":"USD""#, r#""currency_code":"XXX""#);
        assert_eq!(refunded(&unknown).amount, Err("no currency".to_owned()));
        let mixed = changed(
            REFUND,
            &[(r#""amount":"9.90","currency":"USD""#, r#""amount":"9.90","currency":"CAD""#)],
        );
        assert!(refunded(&mixed).amount.is_err());
    }

    #[test]
    fn a_dispute_is_read_by_its_type_and_status() {
        for (kind, status, state) in [
            ("inquiry", "needs_response", Some(DisputeState::Warning)),
            ("inquiry", "lost", Some(DisputeState::Warning)),
            ("chargeback", "needs_response", Some(DisputeState::Open)),
            ("chargeback", "under_review", Some(DisputeState::Open)),
            ("chargeback", "won", Some(DisputeState::Won)),
            ("chargeback", "charge_refunded", Some(DisputeState::Won)),
            ("chargeback", "lost", Some(DisputeState::Lost)),
            ("chargeback", "accepted", Some(DisputeState::Lost)),
            ("chargeback", "something_new", None),
        ] {
            let body = changed(DISPUTE, &[("chargeback", kind), ("needs_response", status)]);
            let facts = read("disputes/update", body.as_bytes()).unwrap();
            let read = facts.first().map(|fact| match fact {
                Fact::Disputed(dispute) => dispute,
                other => panic!("{other:?}"),
            });
            assert_eq!(read.map(|dispute| dispute.state), state, "{kind} {status}");
            if let Some(dispute) = read {
                assert_eq!(
                    (dispute.dispute_id.as_str(), dispute.of.as_str()),
                    ("285332461850802063", "450789469999990001")
                );
                assert_eq!(dispute.amount.as_ref().unwrap().minor, 1150);
            }
        }
        assert!(
            read("disputes/create", changed(DISPUTE, &[("450789469999990001", "null")]).as_bytes()).is_err()
        );
    }

    #[test]
    fn an_order_of_the_list_tells_its_refunds_too() {
        let order = changed(ORDER, &[(r#""refunds":[]"#, &format!(r#""refunds":[{REFUND}]"#))]);
        let facts = listed_order(&order).unwrap();
        assert_eq!(facts, [Fact::Paid(paid(ORDER)), Fact::Refunded(refunded(REFUND))]);
        let unpaid = changed(&order, &[(r#""financial_status":"paid""#, r#""financial_status":"pending""#)]);
        assert_eq!(listed_order(&unpaid), Ok(vec![]));
    }

    #[test]
    fn what_is_not_documented_is_told_in_words() {
        for body in [&b"\xff"[..], b"", b"{}", b"[]", b"null"] {
            assert!(read("orders/paid", body).is_err());
        }
    }
}
