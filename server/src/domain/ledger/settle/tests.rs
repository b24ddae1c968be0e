use app::event::AnonymousId;

use super::*;
use crate::domain::event::FunnelId;
use crate::domain::money::Currency;

const STARTED: Millis = 1_703_001_051_000;

fn usd(minor: i64) -> Money {
    Money { minor, currency: Currency::parse("usd").unwrap() }
}

fn payment(kind: PaymentKind, started: Option<Millis>) -> Payment {
    Payment {
        key: PaymentKey {
            funnel: FunnelId::parse("ttr").unwrap(),
            provider: "whop".into(),
            payment_id: "pay_1".into(),
        },
        also_known_as: vec!["ch_1".into()],
        subscription_id: None,
        kind,
        amount: Ok(usd(9900)),
        paid_at: 1_703_001_200_000,
        test: false,
        reconciled: false,
        attribution: Attribution {
            session_id: Some(SessionId::parse("s1").unwrap()),
            anonymous_id: Some(AnonymousId::parse("a1").unwrap()),
            checkout_started_at: started,
        },
        received_at: 1_703_001_200_500,
    }
}

fn of(payment: Payment) -> Settled {
    settle(Purchase { payments: vec![payment], ..Purchase::default() })
}

fn refund(id: &str, minor: i64, counts: Counts, state: RefundState) -> Refund {
    Refund {
        refund_id: id.into(),
        of: PaymentKey { payment_id: "ch_1".into(), ..payment(PaymentKind::First, None).key },
        amount: Ok(usd(minor)),
        counts,
        state,
        at: 0,
        attribution: Attribution::default(),
        received_at: 0,
    }
}

#[test]
fn a_first_payment_converts_its_session_with_two_events() {
    let settled = of(payment(PaymentKind::First, Some(STARTED)));
    assert_eq!(settled.conversions.len(), 1);
    let [completed, ended] = &settled.events[..] else { panic!("two events") };
    assert_eq!(completed.name, "checkout_completed");
    assert_eq!(completed.properties["revenue"], json!(99));
    assert_eq!(completed.properties["checkoutDuration"], json!(149));
    assert_eq!(completed.properties["sessionEnd"], json!(true));
    assert_eq!(completed.properties["source"], json!("whop_webhook"));
    assert_eq!(ended.name, "session_end");
    assert_eq!(ended.properties["duration"], json!(149));
    assert_eq!(ended.properties["converted"], json!(true));
}

#[test]
fn a_renewal_alone_converts_nothing() {
    let settled = of(payment(PaymentKind::Renewal, None));
    assert!(settled.conversions.is_empty() && settled.events.is_empty());
}

#[test]
fn a_payment_without_a_session_converts_nobody_yet() {
    let lost = Payment { attribution: Attribution::default(), ..payment(PaymentKind::First, None) };
    let settled = of(lost);
    assert_eq!(settled.conversions[0].session_id, None);
    assert!(settled.events.is_empty());
}

#[test]
fn an_amount_that_is_none_never_converts() {
    let mut odd = payment(PaymentKind::First, None);
    odd.amount = Err("an amount must not be negative".into());
    let settled = of(odd);
    assert!(settled.conversions.is_empty() && settled.events.is_empty());
}

#[test]
fn a_checkout_never_lasts_less_than_nothing() {
    let settled = of(payment(PaymentKind::First, Some(1_703_001_200_999)));
    assert_eq!(settled.events[0].properties["checkoutDuration"], json!(0));
    assert_eq!(settled.events[0].timestamp, 1_703_001_200_999, "it stands after the click that led to it");
}

/// Every order in which things may come.
fn orders<T: Clone>(of: &[T]) -> Vec<Vec<T>> {
    let Some((first, rest)) = of.split_first() else { return vec![Vec::new()] };
    let with_first = |order: Vec<T>| {
        (0..=order.len())
            .map(move |place| [&order[..place], std::slice::from_ref(first), &order[place..]].concat())
    };
    orders(rest).into_iter().flat_map(with_first).collect()
}

#[test]
fn what_went_back_is_counted_once_however_it_is_told() {
    use Counts::{AllSoFar, One};
    use RefundState::{Failed, Pending, Succeeded};
    for (refunds, left) in [
        (vec![("r1", 1000, One, Succeeded), ("r2", 2000, One, Succeeded)], 6900),
        (vec![("r1", 1000, One, Succeeded), ("p", 1000, AllSoFar, Succeeded)], 8900),
        (vec![("r1", 1000, One, Succeeded), ("p", 3000, AllSoFar, Succeeded)], 6900),
        (vec![("p", 1000, AllSoFar, Succeeded), ("p", 3000, AllSoFar, Succeeded)], 6900),
        (vec![("r1", 1000, One, Pending)], 9900),
        (vec![("r1", 1000, One, Pending), ("r1", 1000, One, Failed)], 9900),
        (vec![("r1", 1000, One, Succeeded), ("r1", 1000, One, Failed)], 9900),
        (vec![("r1", 9000, One, Succeeded), ("r2", 9000, One, Succeeded)], 0),
        (
            vec![
                ("p", 3000, AllSoFar, Succeeded),
                ("r1", 1000, One, Succeeded),
                ("r2", 2000, One, Succeeded),
                ("r2", 2000, One, Failed),
            ],
            8900,
        ),
        // A charge's sum counts what is pending …
        (vec![("r1", 4000, One, Pending), ("p", 4000, AllSoFar, Succeeded)], 5900),
        (vec![("r1", 4000, One, Pending), ("p", 4000, AllSoFar, Succeeded), ("r1", 4000, One, Failed)], 9900),
        (vec![("p", 4000, AllSoFar, Succeeded), ("r1", 4000, One, Failed)], 9900),
        (
            vec![
                ("p", 1000, AllSoFar, Succeeded),
                ("r2", 3000, One, Pending),
                ("p", 4000, AllSoFar, Succeeded),
                ("r2", 3000, One, Failed),
            ],
            8900,
        ),
        // … and nothing that began later or had failed before.
        (vec![("p", 4000, AllSoFar, Succeeded), ("r1", 4000, One, Pending), ("r1", 4000, One, Failed)], 5900),
        (vec![("r1", 4000, One, Pending), ("r1", 4000, One, Failed), ("p", 4000, AllSoFar, Succeeded)], 5900),
        // An order's sum, which goes by the payment's own name, counts only what has settled.
        (
            vec![("r1", 3000, One, Pending), ("ch_1", 4000, AllSoFar, Succeeded), ("r1", 3000, One, Failed)],
            5900,
        ),
    ] {
        let told = refunds
            .iter()
            .zip(1..)
            .map(|((id, minor, counts, state), at)| Refund { at, ..refund(id, *minor, *counts, *state) });
        for told in orders(&told.collect::<Vec<_>>()) {
            let purchase = Purchase {
                payments: vec![payment(PaymentKind::First, Some(STARTED))],
                refunds: told,
                ..Purchase::default()
            };
            assert_eq!(settle(purchase).conversions[0].net(), Some(usd(left)), "{refunds:?}");
        }
    }
}

#[test]
fn a_refund_that_failed_is_told_if_a_sum_had_counted_it() {
    let told = |sum: &str| {
        let sum = refund(sum, 4000, Counts::AllSoFar, RefundState::Succeeded);
        let failed = Refund { at: 1, ..refund("r1", 4000, Counts::One, RefundState::Failed) };
        let purchase = Purchase {
            payments: vec![payment(PaymentKind::First, Some(STARTED))],
            refunds: vec![sum, failed],
            ..Purchase::default()
        };
        let events = settle(purchase).events.into_iter().skip(2);
        events.map(|event| event.properties.get("status").cloned()).collect::<Vec<_>>()
    };
    assert_eq!(told("p"), [None, Some(json!("failed"))]);
    assert_eq!(told("ch_1"), [None], "an order's sum had not");
}

#[test]
fn a_refund_is_told_when_the_money_went_back_and_when_it_came_again() {
    let told = |states: &[RefundState]| {
        let refunds = states.iter().map(|state| refund("r1", 1000, Counts::One, *state));
        let purchase = Purchase {
            payments: vec![payment(PaymentKind::First, Some(STARTED))],
            refunds: refunds.collect(),
            ..Purchase::default()
        };
        let events = settle(purchase).events.into_iter().skip(2);
        events.map(|event| event.properties.get("status").cloned()).collect::<Vec<_>>()
    };
    assert_eq!(told(&[RefundState::Pending]), []);
    assert_eq!(told(&[RefundState::Failed]), []);
    assert_eq!(told(&[RefundState::Succeeded]), [None]);
    assert_eq!(told(&[RefundState::Failed, RefundState::Succeeded]), [None, Some(json!("failed"))]);
}
