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
    let own = r#""aurea_anonymous_id":"a1","aurea_session_id":"s1","checkout_started_at":"1703001051000""#;
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
        assert!(paid(&order(&[("10800", count), ("usd", currency)])).amount.is_err(), "{count} {currency}");
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
