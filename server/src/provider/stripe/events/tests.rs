use serde_json::{Value, json};

use super::*;
use crate::provider::{
    Counts, DisputeState, Disputed, Failed, Named, Paid, PaymentKind, RefundState, Refunded,
};

fn event(event_type: &str, object: Value) -> Value {
    json!({
        "id": "evt_1", "object": "event", "api_version": "2026-07-29.dahlia", "created": 1_703_001_200, "livemode": true,
        "type": event_type, "pending_webhooks": 1, "request": {"id": null}, "data": {"object": object},
    })
}

fn facts_of(event: &Value) -> Result<Vec<Fact>, String> {
    notice(event.to_string().as_bytes()).facts
}

fn facts(event_type: &str, object: Value) -> Vec<Fact> {
    facts_of(&event(event_type, object)).unwrap()
}

fn paid(event_type: &str, object: Value) -> Paid {
    match &facts(event_type, object)[..] {
        [Fact::Paid(paid)] => paid.clone(),
        other => panic!("{other:?}"),
    }
}

fn failed(event_type: &str, object: Value) -> Failed {
    match &facts(event_type, object)[..] {
        [Fact::Failed(failed)] => failed.clone(),
        other => panic!("{other:?}"),
    }
}

fn refunded(event_type: &str, object: Value) -> Refunded {
    match &facts(event_type, object)[..] {
        [Fact::Refunded(refunded)] => refunded.clone(),
        other => panic!("{other:?}"),
    }
}

fn disputed(event_type: &str, object: Value) -> Disputed {
    match &facts(event_type, object)[..] {
        [Fact::Disputed(disputed)] => disputed.clone(),
        other => panic!("{other:?}"),
    }
}

/// `object` with `more` laid over it.
fn with(mut object: Value, more: Value) -> Value {
    object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object
}

fn session(more: Value) -> Value {
    let session = json!({
        "id": "cs_1", "object": "checkout.session", "mode": "payment", "status": "complete", "payment_status": "paid",
        "amount_total": 9900, "amount_subtotal": 10900, "currency": "usd", "payment_intent": "pi_1", "invoice": null,
        "subscription": null, "client_reference_id": null, "metadata": {}, "livemode": true, "customer": null,
    });
    with(session, more)
}

fn subscription_session(more: Value) -> Value {
    let subscription =
        json!({"mode": "subscription", "payment_intent": null, "invoice": "in_1", "subscription": "sub_1"});
    with(with(session(json!({})), subscription), more)
}

/// As API versions since 2025 write it.
fn invoice(billing_reason: &str) -> Value {
    json!({
        "id": "in_1", "object": "invoice", "billing_reason": billing_reason, "amount_paid": 9900, "currency": "usd",
        "parent": {"type": "subscription_details", "subscription_details":
            {"subscription": "sub_1", "metadata": {"aurea_session_id": "s1"}}},
        "status_transitions": {"paid_at": 1_703_001_199},
    })
}

#[test]
fn a_paid_checkout_is_money() {
    let metadata =
        json!({"aurea_anonymous_id": "a1", "aurea_session_id": "s1", "checkout_started_at": "1703001051000"});
    let read = paid("checkout.session.completed", session(json!({"metadata": metadata, "invoice": "in_9"})));
    assert_eq!(read.payment_id, "pi_1");
    assert_eq!(read.also_known_as, ["in_9", "cs_1"]);
    assert_eq!(read.amount.unwrap().to_string(), "99.00 USD");
    assert_eq!((read.kind, read.paid_at, read.test), (PaymentKind::First, Some(1_703_001_200_000), false));
    assert_eq!(read.metadata.anonymous_id.as_deref(), Some("a1"));
    assert_eq!(read.metadata.session_id.as_deref(), Some("s1"));
    assert_eq!(read.metadata.checkout_started_at, Some(1_703_001_051_000));
}

#[test]
fn a_payment_links_reference_is_read_where_no_metadata_is() {
    let reference = "aurea1_3_a-1_s_1_1703001051000";
    let read = |more: Value| {
        paid("checkout.session.completed", session(more)).metadata.session_id.unwrap_or_default()
    };
    assert_eq!(read(json!({"client_reference_id": reference})), "s_1");
    assert_eq!(read(json!({"client_reference_id": reference, "metadata": {"shelf": "4"}})), "s_1");
    assert_eq!(read(json!({"client_reference_id": reference, "metadata": {"aurea_session_id": "s2"}})), "s2");
    assert_eq!(read(json!({"client_reference_id": "cart_42"})), "");
}

#[test]
fn a_delayed_payment_counts_when_it_is_there() {
    let unpaid = session(json!({"payment_status": "unpaid"}));
    assert_eq!(facts("checkout.session.completed", unpaid.clone()), []);
    let there = paid("checkout.session.async_payment_succeeded", session(json!({})));
    assert_eq!(there.payment_id, "pi_1");
    let lost = failed("checkout.session.async_payment_failed", unpaid);
    assert_eq!((&*lost.id, &*lost.reason), ("pi_1", "async_payment_failed"));
}

#[test]
fn a_trial_or_a_code_for_everything_is_a_payment_of_nothing() {
    let free = json!({"payment_status": "no_payment_required", "amount_total": 0, "payment_intent": null});
    let read = paid("checkout.session.completed", session(free));
    assert_eq!((&*read.payment_id, read.amount.unwrap().minor), ("cs_1", 0));
    let trial = subscription_session(json!({"payment_status": "no_payment_required", "amount_total": null}));
    assert_eq!(paid("checkout.session.completed", trial).amount.unwrap().minor, 0);
    let setup = json!({"mode": "setup", "payment_status": "no_payment_required", "currency": null});
    assert_eq!(facts("checkout.session.completed", session(setup)), [], "nothing is sold");
}

#[test]
fn an_expired_checkout_failed() {
    let metadata = json!({"aurea_session_id": "s1"});
    let expired = json!({"payment_status": "unpaid", "payment_intent": null, "metadata": metadata});
    let read = failed("checkout.session.expired", session(expired));
    assert_eq!((&*read.id, &*read.reason), ("cs_1", "expired"));
    assert_eq!(read.metadata.session_id.as_deref(), Some("s1"));
}

#[test]
fn a_declined_try_is_told_if_it_began_here() {
    let error = json!({"code": "card_declined", "decline_code": "insufficient_funds"});
    let intent = json!({"id": "pi_1", "last_payment_error": error, "metadata": {"aurea_session_id": "s1"}});
    let read = failed("payment_intent.payment_failed", intent.clone());
    assert_eq!((&*read.id, &*read.reason), ("pi_1", "insufficient_funds"));
    assert_eq!(facts("payment_intent.payment_failed", with(intent, json!({"metadata": {}}))), []);
}

#[test]
fn a_subscriptions_first_money_has_one_name_in_both_events() {
    let session = paid("checkout.session.completed", subscription_session(json!({})));
    let invoice = paid("invoice.paid", invoice("subscription_create"));
    assert_eq!((&*session.payment_id, &*invoice.payment_id), ("in_1", "in_1"));
    assert_eq!((session.kind, invoice.kind), (PaymentKind::First, PaymentKind::First));
    assert_eq!(session.subscription_id, invoice.subscription_id);
    assert_eq!(session.amount, invoice.amount);
}

#[test]
fn later_invoices_of_a_subscription_renew() {
    for reason in ["subscription_cycle", "subscription_update", "subscription_threshold", "manual"] {
        let read = paid("invoice.paid", with(invoice(reason), json!({"id": "in_2"})));
        assert_eq!((&*read.payment_id, read.kind), ("in_2", PaymentKind::Renewal), "{reason}");
        assert_eq!(read.subscription_id.as_deref(), Some("sub_1"));
        assert_eq!(read.metadata.session_id.as_deref(), Some("s1"));
    }
}

#[test]
fn an_invoice_of_an_older_api_version_is_read() {
    let older = json!({
        "id": "in_1", "billing_reason": "subscription_create", "amount_paid": 9900, "currency": "usd",
        "subscription": "sub_1", "payment_intent": "pi_7", "charge": "ch_7",
    });
    for place in [
        json!({"subscription_details": {"metadata": {"aurea_session_id": "s1"}}}),
        json!({"lines": {"data": [{"metadata": {"aurea_session_id": "s1"}}]}}),
    ] {
        let read = paid("invoice.paid", with(older.clone(), place));
        assert_eq!(read.subscription_id.as_deref(), Some("sub_1"));
        assert_eq!(read.also_known_as, ["pi_7", "ch_7"]);
        assert_eq!(read.metadata.session_id.as_deref(), Some("s1"));
    }
    assert_eq!(paid("invoice.payment_succeeded", older).payment_id, "in_1");
}

#[test]
fn what_paid_an_invoice_is_one_more_name_of_it() {
    let by = |payment: Value| {
        facts("invoice_payment.paid", json!({"id": "inpay_1", "invoice": "in_1", "payment": payment}))
    };
    let named = |name: &str| Fact::Named(Named { payment_id: "in_1".into(), also_known_as: name.into() });
    assert_eq!(by(json!({"type": "payment_intent", "payment_intent": "pi_7"})), [named("pi_7")]);
    assert_eq!(by(json!({"type": "charge", "charge": "ch_7"})), [named("ch_7")]);
    assert_eq!(by(json!({"type": "payment_record", "payment_record": "pr_1"})), []);
    assert_eq!(facts("invoice_payment.paid", json!({"id": "inpay_1"})), []);
}

#[test]
fn an_invoice_outside_subscriptions_is_told_by_its_checkout() {
    let by_hand = json!({"id": "in_1", "billing_reason": "manual", "amount_paid": 9900, "currency": "usd", "parent": null});
    assert_eq!(facts("invoice.paid", by_hand), []);
}

#[test]
fn a_refund_is_read_with_its_state() {
    let refund = json!({
        "id": "re_1", "object": "refund", "amount": 4000, "currency": "usd", "charge": "ch_1", "payment_intent": "pi_1",
        "status": "succeeded", "metadata": {},
    });
    for (event_type, status, state) in [
        ("refund.created", "pending", RefundState::Pending),
        ("refund.updated", "requires_action", RefundState::Pending),
        ("refund.created", "succeeded", RefundState::Succeeded),
        ("charge.refund.updated", "succeeded", RefundState::Succeeded),
        ("refund.failed", "failed", RefundState::Failed),
        ("refund.updated", "canceled", RefundState::Failed),
    ] {
        let read = refunded(event_type, with(refund.clone(), json!({"status": status})));
        assert_eq!((&*read.refund_id, &*read.of, read.state), ("re_1", "pi_1", state), "{status}");
        assert_eq!((read.amount.unwrap().minor, read.counts), (4000, Counts::One));
    }
    let of_a_charge = with(refund, json!({"payment_intent": null}));
    assert_eq!(refunded("refund.created", of_a_charge).of, "ch_1");
}

#[test]
fn a_charge_tells_its_refunds_or_their_sum() {
    let charge = json!({
        "id": "ch_1", "object": "charge", "amount": 9900, "amount_refunded": 5000, "currency": "usd",
        "payment_intent": "pi_1", "metadata": {"aurea_session_id": "s1"},
    });
    let sum = refunded("charge.refunded", charge.clone());
    assert_eq!((&*sum.refund_id, &*sum.of, sum.counts), ("ch_1", "pi_1", Counts::AllSoFar));
    assert_eq!(sum.amount.unwrap().minor, 5000);
    assert_eq!(sum.metadata.session_id.as_deref(), Some("s1"));
    let one = |id, amount| json!({"id": id, "amount": amount, "currency": "usd", "status": "succeeded"});
    let listed = |has_more| json!({"invoice": "in_1", "refunds": {"data": [one("re_2", 1000), one("re_1", 4000)], "has_more": has_more}});
    let both = facts("charge.refunded", with(charge.clone(), listed(false)));
    let [Fact::Refunded(second), Fact::Refunded(first)] = &both[..] else { panic!("{both:?}") };
    assert_eq!((&*first.refund_id, &*second.refund_id), ("re_1", "re_2"));
    assert_eq!((&*first.of, first.counts), ("in_1", Counts::One), "an older version names the invoice");
    let part = refunded("charge.refunded", with(charge, listed(true)));
    assert_eq!(part.counts, Counts::AllSoFar, "a part of the list would be too little");
}

#[test]
fn a_dispute_is_followed_to_its_end() {
    for (event_type, status, state) in [
        ("created", "warning_needs_response", DisputeState::Warning),
        ("updated", "warning_under_review", DisputeState::Warning),
        ("closed", "warning_closed", DisputeState::Won),
        ("funds_withdrawn", "warning_needs_response", DisputeState::Open),
        ("created", "needs_response", DisputeState::Open),
        ("funds_withdrawn", "under_review", DisputeState::Open),
        ("funds_reinstated", "won", DisputeState::Won),
        ("closed", "won", DisputeState::Won),
        ("closed", "lost", DisputeState::Lost),
        ("updated", "appeal_under_review", DisputeState::Lost),
        ("created", "prevented", DisputeState::Warning),
    ] {
        let dispute = json!({
            "id": "dp_1", "object": "dispute", "amount": 9900, "currency": "usd", "charge": "ch_1",
            "payment_intent": "pi_1", "status": status,
        });
        let read = disputed(&format!("charge.dispute.{event_type}"), dispute);
        assert_eq!(
            (&*read.dispute_id, &*read.of, read.state),
            ("dp_1", "pi_1", state),
            "{event_type} {status}"
        );
        assert_eq!(read.amount.unwrap().minor, 9900);
    }
}

#[test]
fn an_amount_is_never_guessed_and_the_payment_still_kept() {
    for (amount, currency) in [
        ("-1", "\"usd\""),
        ("1e400", "\"usd\""),
        ("1e30", "\"usd\""),
        ("99.0", "\"usd\""),
        ("\"99,00\"", "\"usd\""),
        ("null", "\"usd\""),
        ("9900", "\"xxq\""),
        ("9900", "null"),
    ] {
        let body = format!(
            r#"{{"id":"evt_1","type":"checkout.session.completed","data":{{"object":{{"id":"cs_1","payment_status":"paid",
                "amount_total":{amount},"currency":{currency}}}}}}}"#
        );
        let read = notice(body.as_bytes());
        let [Fact::Paid(paid)] = &read.facts.unwrap()[..] else { panic!("{amount} {currency}") };
        assert!(paid.amount.is_err() && paid.payment_id == "cs_1", "{amount} {currency}");
    }
}

#[test]
fn test_mode_is_marked() {
    let mut event = event("checkout.session.completed", session(json!({})));
    event["livemode"] = json!(false);
    assert!(matches!(&facts_of(&event).unwrap()[..], [Fact::Paid(Paid { test: true, .. })]));
    event["type"] = json!("checkout.session.expired");
    assert!(matches!(&facts_of(&event).unwrap()[..], [Fact::Failed(Failed { test: true, .. })]));
    event["type"] = json!("payment_intent.payment_failed");
    event["data"]["object"]["metadata"] = json!({"aurea_session_id": "s1"});
    assert!(matches!(&facts_of(&event).unwrap()[..], [Fact::Failed(Failed { test: true, .. })]));
}

#[test]
fn what_is_unknown_says_nothing() {
    for event_type in ["customer.created", "charge.succeeded", "payment_intent.succeeded", "made.up"] {
        let read = notice(event(event_type, json!({"id": "x_1"})).to_string().as_bytes());
        assert_eq!((read.message_id.as_deref(), &*read.event_type), (Some("evt_1"), event_type));
        assert_eq!(read.facts, Ok(vec![]));
    }
    let thin = json!({
        "id": "evt_2", "object": "v2.core.event", "type": "charge.refunded", "created": "2026-01-01T00:00:00.000Z",
        "related_object": {"id": "ch_1", "type": "charge"},
    });
    assert_eq!(facts_of(&thin), Ok(vec![]));
}

#[test]
fn what_is_not_of_the_documented_form_is_a_fault_in_words() {
    for body in ["", "no json", "[]", "{}", "{\"type\":7}", "\u{0}"] {
        let read = notice(body.as_bytes());
        assert!(read.facts.is_err() && read.event_type.is_empty(), "{body}");
    }
    let deep = "[".repeat(100_000);
    assert!(notice(deep.as_bytes()).facts.is_err());
    for (event_type, object, fault) in [
        ("checkout.session.completed", json!({"payment_status": "paid"}), "missing field `id`"),
        ("checkout.session.completed", json!({"id": ""}), "the id is empty"),
        ("checkout.session.completed", json!({"id": "cs_1"}), "no payment_status"),
        ("checkout.session.completed", session(json!({"payment_status": "half"})), "unknown payment_status"),
        ("invoice.paid", json!({"id": 7}), "invalid type"),
        (
            "refund.created",
            json!({"id": "re_1", "payment_intent": "pi_1", "status": "lost"}),
            "unknown refund status",
        ),
        ("refund.created", json!({"id": "re_1", "status": "succeeded"}), "a refund of no payment"),
        ("charge.dispute.closed", json!({"id": "dp_1", "charge": "ch_1"}), "unknown dispute status"),
        ("charge.dispute.closed", json!({"id": "dp_1", "status": "won"}), "a dispute of no payment"),
        ("charge.refunded", json!(null), "invalid type"),
    ] {
        let refused = facts_of(&event(event_type, object)).unwrap_err();
        assert!(refused.contains(fault), "{event_type}: {refused}");
    }
    let no_data = json!({"id": "evt_1", "type": "invoice.paid"});
    assert_eq!(facts_of(&no_data), Err("no data".to_owned()));
}
