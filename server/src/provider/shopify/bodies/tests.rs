use serde_json::json;

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

fn all_refunded(refund: &str) -> Vec<Refunded> {
    let refunded = |fact| match fact {
        Fact::Refunded(refunded) => refunded,
        other => panic!("{other:?}"),
    };
    read("refunds/create", refund.as_bytes()).unwrap().into_iter().map(refunded).collect()
}

/// By its first transaction.
fn refunded(refund: &str) -> Refunded {
    all_refunded(refund).remove(0)
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
        let order =
            changed(ORDER, &[(r#""financial_status":"paid""#, &format!(r#""financial_status":"{status}""#))]);
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
        assert_eq!(paid(&changed(ORDER, &[(attributes, other)])).metadata, Metadata::default(), "{other}");
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
fn each_of_several_transactions_is_a_refund_that_settles_by_itself() {
    use RefundState::{Failed, Pending, Succeeded};
    let told = |body: &str| {
        let told = all_refunded(body).into_iter();
        told.map(|one| (one.refund_id, one.amount.unwrap().minor, one.state)).collect::<Vec<_>>()
    };
    let one = |id: &str, minor, state| (id.to_owned(), minor, state);
    let settled = [one("1", 4010, Succeeded), one("2", 990, Succeeded), one("4", 100, Failed)];
    assert_eq!(told(REFUND), settled);
    let pending = changed(
        REFUND,
        &[(r#""id":2,"kind":"refund","status":"success""#, r#""id":2,"kind":"refund","status":"pending""#)],
    );
    assert_eq!(told(&pending)[..2], [one("1", 4010, Succeeded), one("2", 990, Pending)]);
    assert!(read("refunds/create", changed(REFUND, &[(r#""id":2,"#, "")]).as_bytes()).is_err());
}

#[test]
fn a_refund_of_one_transaction_goes_by_its_own_id() {
    let failed = r#",
        {"id":4,"kind":"refund","status":"failure","amount":"1.00","currency":"USD"}"#;
    let second = r#",
        {"id":2,"kind":"refund","status":"success","amount":"9.90","currency":"USD"}"#;
    let [read] = &all_refunded(&changed(REFUND, &[(failed, ""), (second, "")]))[..] else { panic!("one") };
    assert_eq!((read.refund_id.as_str(), read.of.as_str()), ("890088186047892319", "450789469999990001"));
    assert_eq!(read.amount.as_ref().unwrap().minor, 4010);
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
    assert_eq!(refunded(&none).amount.unwrap().to_string(), "40.10 USD");
    let none_and_two = changed(&none, &[(r#""currency_code":"USD""#, r#""currency_code":"CAD""#)]);
    assert_eq!(refunded(&none_and_two).amount, Err("no currency".to_owned()));
    let unknown = none.replace(r#""currency_code":"USD""#, r#""currency_code":"XXX""#);
    assert_eq!(refunded(&unknown).amount, Err("no currency".to_owned()));
}

/// An amount in the shop's dollars and in the buyer's currency.
fn both(usd: &str, other: &str, currency: &str) -> Value {
    json!({"shop_money": {"amount": usd, "currency_code": "USD"},
        "presentment_money": {"amount": other, "currency_code": currency}})
}

/// A refund of so much in the buyer's currency, and what it consists of.
fn abroad(back: &str, currency: &str, parts: &Value) -> String {
    let mut refund = json!({"id": 7, "order_id": 1, "total_duties_set": both("0.00", "0.00", currency),
        "refund_line_items": [], "refund_shipping_lines": [], "order_adjustments": [],
        "transactions": [{"kind": "refund", "status": "success", "amount": back, "currency": currency}]});
    refund.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
    refund.to_string()
}

#[test]
fn what_goes_back_in_the_buyers_currency_counts_in_the_shops() {
    let goods = |usd, cad| json!({"refund_line_items": [{"subtotal_set": both(usd, cad, "CAD")}]});
    let with = |mut parts: Value, name: &str, items: Value| {
        parts[name] = items;
        parts
    };
    let taxed = |usd, cad| {
        let tax = both("9.00", "12.27", "CAD");
        json!({"refund_line_items": [{"subtotal_set": both(usd, cad, "CAD"), "total_tax_set": tax}]})
    };
    let adjusted =
        |usd, cad| json!([{"amount_set": both(usd, cad, "CAD"), "tax_amount_set": both("0", "0", "CAD")}]);
    let shipped = json!([{"subtotal_amount_set": both("9.00", "15.00", "CAD")}]);
    for (back, parts, shop) in [
        ("135.00", goods("99.00", "135.00"), "99.00 USD"),
        ("135.00", taxed("90.00", "122.73"), "99.00 USD"),
        ("135.00", taxed("99.00", "135.00"), "99.00 USD"), // the price holds its tax
        ("135.00", with(goods("90.00", "120.00"), "refund_shipping_lines", shipped), "99.00 USD"),
        ("135.00", with(json!({}), "order_adjustments", adjusted("-99.00", "-135.00")), "99.00 USD"),
        (
            "100.00",
            with(goods("99.00", "135.00"), "order_adjustments", adjusted("25.66", "35.00")),
            "73.34 USD",
        ),
        (
            "135.00",
            with(goods("99.00", "135.00"), "order_adjustments", adjusted("99.00", "135.00")),
            "99.00 USD",
        ),
        ("45.00", goods("99.00", "135.00"), "33.00 USD"),
        ("10.00", goods("99.00", "135.00"), "7.33 USD"),
        ("0.01", goods("0.50", "1.00"), "0.01 USD"), // half a cent
    ] {
        let read = refunded(&abroad(back, "CAD", &parts)).amount.map(|amount| amount.to_string());
        assert_eq!(read.as_deref(), Ok(shop), "{back} of {parts}");
    }
    let yen = json!({"refund_line_items": [{"subtotal_set": both("99.00", "14850", "JPY")}]});
    assert_eq!(refunded(&abroad("7425", "JPY", &yen)).amount.unwrap().to_string(), "49.50 USD");
    let own = json!({"transactions": [{"kind": "refund", "status": "success", "amount": "99.00", "currency": "USD"}],
        "refund_line_items": [{"subtotal_set": both("99.00", "135.00", "CAD")}]});
    assert_eq!(refunded(&abroad("", "CAD", &own)).amount.unwrap().to_string(), "99.00 USD");
}

#[test]
fn what_goes_back_in_another_currency_is_never_guessed() {
    let unknown = Err("135.00 CAD went back, and nothing says how much that is in USD".to_owned());
    for parts in [
        json!({}),
        json!({"refund_line_items": [{"subtotal_set": both("99.00", "90.00", "EUR")}]}),
        json!({"refund_line_items": [{"subtotal_set": both("99.00", "1e400", "CAD")}]}),
        json!({"refund_line_items": [{"subtotal_set": both("0.00", "135.00", "CAD")}]}),
        json!({"refund_line_items": "none", "order_adjustments": [null, 1], "refund_shipping_lines": null}),
    ] {
        assert_eq!(refunded(&abroad("135.00", "CAD", &parts)).amount, unknown, "{parts}");
    }
    let silent = changed(REFUND, &[(r#""subtotal_set""#, r#""other""#)]);
    let silent = silent.replace(r#""currency":"USD""#, r#""currency":"CAD""#);
    let listed =
        listed_order(&changed(ORDER, &[(r#""refunds":[]"#, &format!(r#""refunds":[{silent}]"#))])).unwrap();
    let [Fact::Paid(_), Fact::Refunded(refund), ..] = &listed[..] else { panic!("{listed:?}") };
    assert!(refund.amount.is_err(), "the order names the shop's currency");
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
    assert!(read("disputes/create", changed(DISPUTE, &[("450789469999990001", "null")]).as_bytes()).is_err());
}

#[test]
fn an_order_of_the_list_tells_its_refunds_too() {
    let order = changed(ORDER, &[(r#""refunds":[]"#, &format!(r#""refunds":[{REFUND}]"#))]);
    let facts = listed_order(&order).unwrap();
    let refunds = read("refunds/create", REFUND.as_bytes()).unwrap();
    assert_eq!(facts, [vec![Fact::Paid(paid(ORDER))], refunds].concat());
    let unpaid = changed(&order, &[(r#""financial_status":"paid""#, r#""financial_status":"pending""#)]);
    assert_eq!(listed_order(&unpaid), Ok(vec![]));
}

#[test]
fn what_is_not_documented_is_told_in_words() {
    for body in [&b"\xff"[..], b"", b"{}", b"[]", b"null"] {
        assert!(read("orders/paid", body).is_err());
    }
}
