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
