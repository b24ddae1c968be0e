//! The whole life of a payment: whatever is told in whatever order and however often, the ledger ends the same.

use std::sync::Arc;

use app::event::{AnonymousId, SessionId};
use futures::future::join_all;
use proptest::prelude::*;
use serde_json::{Value, json};
use server::clock::now;
use server::domain::commit::Commit;
use server::domain::event::FunnelId;
use server::domain::ledger::{
    Attribution, Counts, Dispute, DisputeState, Entry, Failure, Payment, PaymentKey, PaymentKind, Refund,
    RefundState, failed_event,
};
use server::domain::money::{Currency, Money};
use server::report::Report;
use server::store::{PaymentQuery, SessionFilter, Store};

use crate::store::stores;
use crate::support::{TestApp, metadata, names, payment, stored_event};

fn usd(minor: i64) -> Money {
    Money { minor, currency: Currency::parse("USD").unwrap() }
}

/// Told of one funnel, so that many ledgers fit into one store.
struct Teller(FunnelId);

impl Teller {
    fn new(funnel: &str) -> Self {
        Self(FunnelId::parse(funnel).unwrap())
    }

    fn key(&self, payment_id: &str) -> PaymentKey {
        PaymentKey { funnel: self.0.clone(), provider: "whop".into(), payment_id: payment_id.into() }
    }

    fn first(&self) -> Payment {
        Payment {
            key: self.key("pay_1"),
            also_known_as: vec!["ch_1".into()],
            subscription_id: Some("mem_1".into()),
            kind: PaymentKind::First,
            amount: Ok(usd(9900)),
            paid_at: 60_000,
            test: false,
            reconciled: false,
            attribution: Attribution {
                session_id: SessionId::parse("s1").ok(),
                anonymous_id: AnonymousId::parse("a1").ok(),
                checkout_started_at: Some(50_000),
            },
            received_at: 61_000,
        }
    }

    fn renewal(&self) -> Payment {
        Payment {
            key: self.key("pay_2"),
            also_known_as: vec![],
            kind: PaymentKind::Renewal,
            attribution: Attribution::default(),
            amount: Ok(usd(5000)),
            paid_at: 90_000,
            received_at: 91_000,
            ..self.first()
        }
    }

    fn refund(&self, id: &str, of: &str, minor: i64, state: RefundState) -> Refund {
        Refund {
            refund_id: id.into(),
            of: self.key(of),
            amount: Ok(usd(minor)),
            counts: Counts::One,
            state,
            at: 70_000,
            attribution: Attribution::default(),
            received_at: 71_000,
        }
    }

    fn sum(&self, of: &str, minor: i64) -> Refund {
        Refund { counts: Counts::AllSoFar, ..self.refund(of, of, minor, RefundState::Succeeded) }
    }

    fn dispute(&self, state: DisputeState) -> Dispute {
        Dispute {
            dispute_id: "dspt_1".into(),
            of: self.key("ch_1"),
            amount: Ok(usd(9900)),
            state,
            at: 80_000,
            received_at: 81_000,
        }
    }

    fn entry(entry: Entry) -> Commit {
        Commit { entries: vec![entry], ..Commit::default() }
    }

    fn visit(&self) -> Commit {
        let mut events: Vec<_> = [("page_view", 10_000), ("checkout_started", 50_000), ("page_view", 75_000)]
            .map(|(name, at)| stored_event("s1", &format!("e{at}"), name, at))
            .into();
        for event in &mut events {
            event.funnel = self.0.clone();
        }
        Commit { events, ..Commit::default() }
    }

    /// Everything that can be seen of the ledger.
    async fn seen(&self, store: &Arc<dyn Store>) -> Value {
        let report = Report::new(Arc::clone(store));
        let session_id = SessionId::parse("s1").unwrap();
        let session = report.session(&self.0, &session_id, 0, 100_000).await.unwrap();
        let listed = report.sessions(&self.0, &SessionFilter::default(), None, 100_000).await.unwrap();
        let figures = store.figures(&self.0, 0, 10).await.unwrap();
        json!({
            "session": session, "listed": listed, "figures": format!("{figures:?}"),
            "payments": report.payments(&self.0, &PaymentQuery::default(), None).await.unwrap(),
        })
    }
}

fn permutations(of: usize) -> Vec<Vec<usize>> {
    if of == 0 {
        return vec![vec![]];
    }
    let shorter = permutations(of - 1);
    let inserted = |at: usize| {
        shorter.iter().map(move |order| {
            let mut order = order.clone();
            order.insert(at, of - 1);
            order
        })
    };
    (0..of).flat_map(inserted).collect()
}

#[tokio::test]
async fn every_order_of_a_payments_life_ends_in_the_same_ledger() {
    for (store, _folder) in stores() {
        let told = |number: usize, order: Vec<usize>| {
            let store = Arc::clone(&store);
            async move {
                let teller = Teller::new(&format!("order{number}"));
                let commits = [
                    Teller::entry(Entry::Payment(teller.first())),
                    Teller::entry(Entry::Payment(teller.first())),
                    Teller::entry(Entry::Refund(teller.refund("r1", "pay_1", 1000, RefundState::Succeeded))),
                    Teller::entry(Entry::Refund(teller.refund("r2", "ch_1", 2000, RefundState::Succeeded))),
                    Teller::entry(Entry::Dispute(teller.dispute(DisputeState::Lost))),
                    teller.visit(),
                ];
                for place in &order {
                    store.commit(commits[*place].clone()).await.unwrap();
                }
                (order, teller.seen(&store).await)
            }
        };
        let orders = permutations(6).into_iter().enumerate();
        let ended = join_all(orders.map(|(number, order)| told(number, order))).await;
        assert_eq!(ended.len(), 720);
        let (_, expected) = &ended[0];
        let session = &expected["session"];
        assert_eq!(
            names(session),
            [
                "page_view",
                "checkout_started",
                "checkout_completed",
                "session_end",
                "payment_refunded",
                "payment_refunded",
                "page_view",
                "payment_disputed"
            ]
        );
        assert_eq!((&session["conversionValue"], &session["netValue"]), (&json!(99), &json!(0)));
        assert_eq!(session["conversions"][0]["refundedValue"], 30);
        assert_eq!(session["conversions"][0]["disputedValue"], 69, "never below zero");
        assert_eq!(session["totalDuration"], 50);
        for (order, seen) in &ended {
            assert_eq!(seen, expected, "{order:?}");
        }
    }
}

/// What may be told of one purchase.
fn a_life(teller: &Teller) -> Vec<Commit> {
    let first = Teller::entry(Entry::Payment(teller.first()));
    [first, teller.visit()].into_iter().chain(later(teller)).collect()
}

/// What may be told of the money of the tests' payments later.
pub(crate) fn later_of(funnel: &str) -> Vec<Commit> {
    later(&Teller::new(funnel))
}

fn later(teller: &Teller) -> Vec<Commit> {
    let mut entries = vec![Entry::Payment(teller.renewal())];
    entries.extend(
        [
            teller.refund("r1", "pay_1", 1000, RefundState::Pending),
            teller.refund("r1", "pay_1", 1000, RefundState::Succeeded),
            teller.refund("r2", "ch_1", 2000, RefundState::Succeeded),
            teller.refund("r2", "ch_1", 2000, RefundState::Failed),
            teller.refund("r3", "pay_2", 700, RefundState::Succeeded),
            teller.refund("r4", "pay_2", 100, RefundState::Failed),
            teller.sum("pay_1", 1000),
            teller.sum("ch_1", 3000),
        ]
        .map(Entry::Refund),
    );
    let states = [DisputeState::Warning, DisputeState::Open, DisputeState::Won];
    entries.extend(states.map(|state| Entry::Dispute(teller.dispute(state))));
    entries.into_iter().map(Teller::entry).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_order_and_repetition_of_what_is_told_ends_in_the_same_ledger(
        order in Just((0..28).map(|place| place % 14).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (there, expected) = runtime.block_on(async {
            let (store, _folder) = stores().remove(0);
            let (straight, shuffled) = (Teller::new("straight"), Teller::new("shuffled"));
            for commit in a_life(&straight) {
                store.commit(commit).await.unwrap();
            }
            let life = a_life(&shuffled);
            for place in order {
                store.commit(life[place].clone()).await.unwrap();
            }
            (shuffled.seen(&store).await, straight.seen(&store).await)
        });
        let conversion = &expected["session"]["conversions"][0];
        prop_assert_eq!(&conversion["renewals"], 1);
        prop_assert_eq!(&conversion["renewalValue"], 50);
        prop_assert_eq!(&conversion["refundedValue"], 17, "10 of the first payment, 7 of the renewal");
        prop_assert_eq!(&conversion["netValue"], 132);
        prop_assert_eq!(there, expected);
    }
}

#[tokio::test]
async fn whoever_repeats_the_ids_tells_whose_the_payment_was() {
    for (store, _folder) in stores() {
        let teller = Teller::new("ttr");
        let lost = Payment { attribution: Attribution::default(), ..teller.first() };
        store.commit(Teller::entry(Entry::Payment(lost))).await.unwrap();
        let mut refund = teller.refund("r1", "pay_1", 9900, RefundState::Succeeded);
        refund.attribution = teller.first().attribution;
        let committed = store.commit(Teller::entry(Entry::Refund(refund))).await.unwrap();
        let told: Vec<&str> = committed.settled.iter().map(|event| event.name.as_str()).collect();
        assert_eq!(told, ["checkout_completed", "session_end", "payment_refunded"]);
        let unattributed = PaymentQuery { attributed: Some(false), ..PaymentQuery::default() };
        assert!(store.payments_page(&teller.0, &unattributed, None, 10).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_sum_is_told_until_single_refunds_explain_it() {
    for (store, _folder) in stores() {
        let teller = Teller::new("ttr");
        for entry in [
            Entry::Payment(teller.first()),
            Entry::Refund(teller.sum("pay_1", 1000)),
            Entry::Refund(teller.sum("pay_1", 3000)),
        ] {
            store.commit(Teller::entry(entry)).await.unwrap();
        }
        let refunds = |seen: &Value| {
            let amounts = seen["session"]["events"].as_array().unwrap().iter();
            let amounts = amounts.filter(|event| event["eventName"] == "payment_refunded");
            amounts.map(|event| event["properties"]["amount"].as_i64().unwrap()).collect::<Vec<_>>()
        };
        let seen = teller.seen(&store).await;
        assert_eq!((refunds(&seen), &seen["session"]["netValue"]), (vec![10, 30], &json!(69)));
        for (id, minor) in [("r1", 1000), ("r2", 2000)] {
            let refund = teller.refund(id, "pay_1", minor, RefundState::Succeeded);
            store.commit(Teller::entry(Entry::Refund(refund))).await.unwrap();
        }
        let seen = teller.seen(&store).await;
        assert_eq!((refunds(&seen), &seen["session"]["netValue"]), (vec![10, 20], &json!(69)));
    }
}

#[tokio::test]
async fn what_is_told_in_another_currency_or_without_an_amount_is_kept_and_counts_for_nothing() {
    for (store, _folder) in stores() {
        let teller = Teller::new("ttr");
        let yen = |minor| Ok(Money { minor, currency: Currency::parse("JPY").unwrap() });
        let mut foreign = teller.refund("r1", "pay_1", 9900, RefundState::Succeeded);
        foreign.amount = yen(9900);
        let renewal = Payment { amount: yen(5000), ..teller.renewal() };
        let mut odd = teller.refund("r2", "pay_1", 0, RefundState::Succeeded);
        odd.amount = Err("an amount must not be negative".into());
        let told = [
            Entry::Payment(teller.first()),
            Entry::Refund(foreign),
            Entry::Refund(odd),
            Entry::Payment(renewal),
        ];
        for entry in told {
            store.commit(Teller::entry(entry)).await.unwrap();
        }
        let seen = teller.seen(&store).await;
        assert_eq!(seen["session"]["netValue"], 99);
        let payments = seen["payments"]["payments"].as_array().unwrap();
        let kept = &payments.iter().find(|payment| payment["paymentId"] == "pay_1").unwrap()["refunds"];
        assert_eq!(kept[0]["currency"], "JPY");
        assert_eq!(kept[1]["amountFault"], "an amount must not be negative");
    }
}

#[tokio::test]
async fn an_amount_that_was_unknown_is_filled_in_by_whoever_knows_it() {
    for (store, _folder) in stores() {
        let teller = Teller::new("ttr");
        store.commit(Teller::entry(Entry::Payment(teller.first()))).await.unwrap();
        store.commit(teller.visit()).await.unwrap();
        let refund = teller.refund("r1", "pay_1", 3000, RefundState::Succeeded);
        let dispute = Dispute { amount: Ok(usd(2000)), ..teller.dispute(DisputeState::Open) };
        let unknown = || Err("no currency".to_owned());
        let told = [
            (Entry::Refund(Refund { amount: unknown(), ..refund.clone() }), Entry::Refund(refund), [99, 69]),
            (
                Entry::Dispute(Dispute { amount: unknown(), ..dispute.clone() }),
                Entry::Dispute(dispute),
                [69, 49],
            ),
        ];
        let purchase = async || store.purchase(&teller.key("pay_1")).await.unwrap();
        let net = async || teller.seen(&store).await["session"]["netValue"].clone();
        for (odd, whole, [before, after]) in told {
            store.commit(Teller::entry(odd.clone())).await.unwrap();
            assert!(purchase().await.knows(&odd) && !purchase().await.knows(&whole), "{whole:?}");
            assert_eq!(net().await, before);
            for entry in [&whole, &odd] {
                store.commit(Teller::entry(entry.clone())).await.unwrap();
                assert!(purchase().await.knows(&odd) && purchase().await.knows(&whole), "{entry:?}");
                assert_eq!(net().await, after, "{entry:?}");
            }
        }
        let seen = teller.seen(&store).await;
        let [refund] = &seen["payments"]["payments"][0]["refunds"].as_array().unwrap()[..] else {
            panic!("{seen}")
        };
        assert_eq!((&refund["currency"], &refund["amountFault"]), (&json!("USD"), &json!(null)));
    }
}

#[tokio::test]
async fn a_refund_of_an_unknown_payment_is_shown_until_the_payment_is_known() {
    for (store, _folder) in stores() {
        let teller = Teller::new("ttr");
        let refund = teller.refund("r1", "ch_1", 1000, RefundState::Succeeded);
        store.commit(Teller::entry(Entry::Refund(refund))).await.unwrap();
        let unjoined = teller.seen(&store).await["payments"]["unjoined"].clone();
        assert_eq!((&unjoined[0]["refundId"], &unjoined[0]["paymentId"]), (&json!("r1"), &json!("ch_1")));
        store.commit(Teller::entry(Entry::Payment(teller.first()))).await.unwrap();
        let seen = teller.seen(&store).await;
        assert_eq!(seen["payments"]["unjoined"], json!([]));
        assert_eq!(seen["payments"]["payments"][0]["refunds"][0]["refundId"], "r1");
    }
}

#[tokio::test]
async fn a_test_converts_and_is_neither_revenue_nor_told_to_anybody() {
    for (store, _folder) in stores() {
        let teller = Teller::new("ttr");
        store.commit(teller.visit()).await.unwrap();
        let test = Payment { test: true, ..teller.first() };
        let mut commit = Teller::entry(Entry::Payment(test));
        commit.forward_to = vec![server::outbox::aurea::Aurea::listener()];
        store.commit(commit).await.unwrap();
        let seen = teller.seen(&store).await;
        let session = &seen["session"];
        assert_eq!((&session["converted"], &session["conversionValue"]), (&json!(true), &json!(0)));
        assert_eq!(session["conversions"][0]["test"], true);
        assert_eq!(session["events"][2]["properties"]["test"], true);
        let days = store.figures(&teller.0, 0, 10).await.unwrap().days;
        let figures = &days[&0];
        assert_eq!((figures.sessions, figures.conversions), (1, 0));
        assert!(figures.revenue.iter().all(|money| money.minor == 0));
        let due = store.next_due(server::outbox::aurea::Aurea::DESTINATION).await.unwrap();
        assert_eq!(due, None);
    }
}

#[tokio::test]
async fn a_try_that_failed_in_test_mode_is_marked_and_told_to_nobody() {
    for (store, _folder) in stores() {
        let teller = Teller::new("ttr");
        let due = async || store.next_due(server::outbox::aurea::Aurea::DESTINATION).await.unwrap();
        for test in [true, false] {
            let failure = Failure {
                key: teller.key(if test { "cs_test" } else { "cs_live" }),
                reason: "expired".into(),
                at: 70_000,
                test,
                attribution: teller.first().attribution,
                received_at: 71_000,
            };
            let events = Vec::from_iter(failed_event(&failure));
            assert_eq!(events[0].properties.get("test"), test.then_some(&json!(true)));
            let forward_to = vec![server::outbox::aurea::Aurea::listener()];
            store.commit(Commit { events, forward_to, ..Commit::default() }).await.unwrap();
            assert_eq!(due().await.is_none(), test);
        }
    }
}

/// A refund as Whop tells it.
fn refund(id: &str, status: &str, amount: &str, payment_id: &str) -> String {
    json!({
        "type": "refund.updated", "data": {
            "id": id, "status": status, "amount": amount, "currency": "usd", "payment": {"id": payment_id},
        },
    })
    .to_string()
}

fn dispute(status: &str, payment_id: &str) -> String {
    json!({
        "type": "dispute.updated", "data": {
            "id": "dspt_1", "status": status, "amount": 99, "currency": "usd", "payment": {"id": payment_id},
        },
    })
    .to_string()
}

#[tokio::test]
async fn a_payment_is_followed_through_refund_and_dispute() {
    let app = TestApp::start().await;
    let at = now() - 60_000;
    let net = async |id: &str, body: String| {
        assert_eq!(app.whop_delivers(id, &body).await.status(), 200, "{id}");
        app.session("s1").await["netValue"].clone()
    };
    app.whop_delivers("m0", &refund("rfd_1", "succeeded", "10", "pay_1")).await;
    assert_eq!(app.owner("ttr/payments").await["unjoined"][0]["refundId"], "rfd_1", "it waits");
    assert_eq!(net("m1", payment("pay_1", &metadata(at))).await, 89);
    assert_eq!(net("m2", refund("rfd_2", "pending", "20.5", "pay_1")).await, 89);
    assert_eq!(net("m3", refund("rfd_2", "succeeded", "20.5", "pay_1")).await, 68.5);
    assert_eq!(net("m4", dispute("warning_needs_response", "pay_1")).await, 68.5);
    assert_eq!(net("m5", dispute("needs_response", "pay_1")).await, 0);
    assert_eq!(net("m6", dispute("won", "pay_1")).await, 68.5);
    let session = app.session("s1").await;
    assert_eq!(session["conversionValue"], 99);
    let told = |name: &str| {
        let events = session["events"].as_array().unwrap().iter();
        events.filter(|event| event["eventName"] == name).cloned().collect::<Vec<_>>()
    };
    let [first, second] = &told("payment_refunded")[..] else { panic!("{session}") };
    assert_eq!((&first["properties"]["amount"], &second["properties"]["amount"]), (&json!(10), &json!(20.5)));
    assert_eq!(second["properties"]["orderId"], "pay_1");
    assert_eq!(second["properties"]["source"], "whop_webhook");
    assert!(first["afterEnd"] == true && second["afterEnd"] == true, "they re-open nothing");
    let states: Vec<Value> =
        told("payment_disputed").iter().map(|event| event["properties"]["status"].clone()).collect();
    assert_eq!(states, ["warning", "open", "won"]);
    let payments = app.owner("ttr/payments").await;
    assert_eq!(payments["payments"][0]["deliveries"].as_array().unwrap().len(), 7);
}

#[tokio::test]
async fn a_renewal_adds_to_the_conversion_and_a_trial_converts_with_nothing() {
    let app = TestApp::start().await;
    let paid = |id: &str, reason: &str, total: i64, metadata: Value| {
        json!({
            "type": "payment.succeeded", "data": {
                "id": id, "total": total, "currency": "usd", "billing_reason": reason, "membership": {"id": "mem_1"},
                "metadata": metadata,
            },
        })
        .to_string()
    };
    app.whop_delivers("m1", &paid("pay_2", "subscription_cycle", 99, json!(null))).await;
    assert_eq!(app.owner("ttr/sessions").await["sessions"], json!([]));
    app.whop_delivers("m2", &paid("pay_1", "subscription_create", 0, metadata(now() - 60_000))).await;
    let session = app.session("s1").await;
    assert_eq!(names(&session), ["checkout_completed", "session_end", "subscription_renewed"]);
    assert_eq!((&session["conversionValue"], &session["netValue"]), (&json!(0), &json!(99)));
    let [conversion] = &session["conversions"].as_array().unwrap()[..] else { panic!("{session}") };
    assert_eq!((&conversion["renewals"], &conversion["renewalValue"]), (&json!(1), &json!(99)));
    let unattributed = app.owner("ttr/payments").await;
    let payments = unattributed["payments"].as_array().unwrap();
    assert!(payments.iter().all(|payment| payment["sessionId"] == "s1"));
}

#[tokio::test]
async fn a_payment_that_failed_is_told_in_the_session_of_its_checkout() {
    let app = TestApp::start().await;
    let body = json!({
        "type": "payment.failed",
        "data": {"id": "pay_1", "failure_message": "Your card was declined.", "metadata": metadata(now() - 1000)},
    });
    for id in ["m1", "m2"] {
        app.whop_delivers(id, &body.to_string()).await;
    }
    let session = app.session("s1").await;
    assert_eq!(names(&session), ["checkout_failed"]);
    assert_eq!(session["events"][0]["properties"]["reason"], "Your card was declined.");
    assert_eq!(session["converted"], false);
}
