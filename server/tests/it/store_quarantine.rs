//! What every store promises about deliveries that were refused, those that came again with another body, and those that are
//! authentic and count for nothing.

use server::domain::commit::{Commit, Delivery, DeliveryState, Digest};
use server::domain::event::FunnelId;
use server::domain::{DAY, Millis};
use server::store::quarantine::{Evidence, KEPT_FOR, Kept, PLACES, Refusals, Refused};
use server::store::{Store, ToldBy, Uncounted};
use sha2::{Digest as _, Sha256};

use crate::store::{ALL_PAYMENTS, paid, stores};

fn digest(body: &str) -> Digest {
    Sha256::digest(body).into()
}

fn refused(sender: i64, body: &str, received_at: Millis) -> Refused {
    let evidence = Evidence {
        sender,
        headers: vec![("webhook-id".into(), format!("id of {body}"))],
        body: body.into(),
        digest: digest(body),
    };
    Refused { provider: "whop", why: "wrong".into(), received_at, evidence: Some(evidence) }
}

fn delivery(id: &str, body: &str) -> Commit {
    let delivery = Delivery {
        provider: "whop",
        delivery_id: id.into(),
        event_type: "payment.succeeded".into(),
        state: DeliveryState::Recorded,
        why: None,
        body: body.into(),
        digest: digest(body),
        received_at: 1000,
        payment_id: None,
    };
    Commit { delivery: Some(delivery), ..Commit::default() }
}

async fn kept(store: &dyn Store) -> Vec<Kept> {
    store.kept("whop", 0, usize::MAX).await.unwrap()
}

async fn bodies(store: &dyn Store) -> Vec<String> {
    kept(store).await.into_iter().map(|kept| String::from_utf8(kept.body).unwrap()).collect()
}

#[tokio::test]
async fn what_was_refused_is_read_back_as_it_came_and_each_body_once() {
    for (store, _folder) in stores() {
        store.refuse(vec![refused(1, "a", 100), refused(1, "b", 200)]).await.unwrap();
        store.refuse(vec![refused(2, "a", 300)]).await.unwrap();
        let all = kept(&*store).await;
        let [a, b] = &all[..] else { panic!("{all:?}") };
        assert_eq!((a.body.as_slice(), a.received_at), (&b"a"[..], 100));
        assert_eq!(a.headers, [("webhook-id".to_owned(), "id of a".to_owned())]);
        assert_eq!(store.kept("whop", a.place, 10).await.unwrap(), std::slice::from_ref(b));
        assert_eq!(store.kept("whop", 0, 1).await.unwrap(), std::slice::from_ref(a));
        assert_eq!(store.kept("stripe", 0, 10).await.unwrap(), []);
        let refusals = store.refusals("whop").await.unwrap();
        let why = Some("wrong".to_owned());
        assert_eq!(refusals, Refusals { in_a_row: 3, since: Some(100), why, kept: 2 });
        assert_eq!(store.refusals("stripe").await.unwrap(), Refusals::default());
    }
}

#[tokio::test]
async fn what_no_key_could_have_signed_is_counted_and_not_kept() {
    for (store, _folder) in stores() {
        store.refuse(vec![Refused { evidence: None, ..refused(1, "a", 100) }]).await.unwrap();
        let refusals = store.refusals("whop").await.unwrap();
        assert_eq!((refusals.in_a_row, refusals.kept), (1, 0));
    }
}

#[tokio::test]
async fn who_floods_the_quarantine_pushes_out_only_themselves() {
    for (store, _folder) in stores() {
        let honest: Vec<Refused> = (0..40).map(|n| refused(1, &format!("honest {n}"), n)).collect();
        store.refuse(honest).await.unwrap();
        let flood: Vec<Refused> = (0..2 * PLACES).map(|n| refused(2, &format!("flood {n}"), 100)).collect();
        for some in flood.chunks(64) {
            store.refuse(some.to_vec()).await.unwrap();
        }
        let late: Vec<Refused> = (0..40).map(|n| refused(3, &format!("late {n}"), 200)).collect();
        store.refuse(late).await.unwrap();
        let bodies = bodies(&*store).await;
        let of = |who: &str| bodies.iter().filter(|body| body.starts_with(who)).count();
        assert_eq!((of("honest"), of("flood"), of("late")), (40, PLACES - 80, 40));
        assert!(bodies.contains(&format!("flood {}", 2 * PLACES - 1)), "the newest stay");
    }
}

#[tokio::test]
async fn what_is_kept_long_enough_is_forgotten() {
    for (store, _folder) in stores() {
        store.refuse(vec![refused(1, "old", DAY), refused(1, "newer", 2 * DAY)]).await.unwrap();
        store.refuse(vec![refused(1, "new", DAY + KEPT_FOR + 1)]).await.unwrap();
        assert_eq!(bodies(&*store).await, ["newer", "new"]);
    }
}

#[tokio::test]
async fn a_good_delivery_ends_the_row_and_takes_its_copy_out() {
    for (store, _folder) in stores() {
        store.refuse(vec![refused(1, "a", 100), refused(1, "b", 200)]).await.unwrap();
        let first = store.commit(delivery("1", "a")).await.unwrap();
        assert!(first.after_refusals && first.new_delivery);
        assert_eq!(bodies(&*store).await, ["b"]);
        assert_eq!(store.refusals("whop").await.unwrap().in_a_row, 0);
        assert!(!store.commit(delivery("2", "c")).await.unwrap().after_refusals);
        store.refuse(vec![refused(1, "d", 300)]).await.unwrap();
        assert_eq!(store.refusals("whop").await.unwrap().since, Some(300), "another row");
        assert!(
            store.commit(delivery("2", "c")).await.unwrap().after_refusals,
            "one that is known is good, too"
        );
    }
}

#[tokio::test]
async fn a_known_delivery_with_another_body_is_kept_beside_the_first_and_changes_nothing() {
    for (store, _folder) in stores() {
        let first = store.commit(delivery("1", "a")).await.unwrap();
        let again = store.commit(delivery("1", "a")).await.unwrap();
        assert_eq!((first.conflict, again.conflict, again.new_delivery), (false, false, false));
        let other = Commit { delivery: delivery("1", "b").delivery, ..paid("pay_1", 5000) };
        let committed = store.commit(other).await.unwrap();
        assert!(committed.conflict && !committed.new_delivery && committed.changed.is_empty());
        let funnel = FunnelId::parse("ttr").unwrap();
        let payments = store.payments(&funnel, ALL_PAYMENTS, 10).await.unwrap();
        assert_eq!(payments, []);
    }
}

/// A delivery that stands so, with why, which arrived at `received_at`.
fn standing(id: &str, state: DeliveryState, received_at: Millis) -> Commit {
    let delivery = delivery(id, &format!("body of {id}")).delivery.unwrap();
    let why = DeliveryState::UNCOUNTED.contains(&state).then(|| format!("why {id}"));
    Commit { delivery: Some(Delivery { state, why, received_at, ..delivery }), ..Commit::default() }
}

async fn uncounted(store: &dyn Store, limit: usize) -> Vec<String> {
    let found = store.uncounted(limit).await.unwrap();
    found.into_iter().map(|delivery| delivery.told.delivery_id).collect()
}

#[tokio::test]
async fn what_counts_for_nothing_is_listed_with_its_reason_each_kind_newest_first() {
    use DeliveryState::{Foreign, Ignored, Recorded, Unparsable};
    for (store, _folder) in stores() {
        assert_eq!(store.uncounted(10).await.unwrap(), []);
        for (id, state, at) in [
            ("old", Unparsable, 10),
            ("paid", Recorded, 20),
            ("strange", Foreign, 50),
            ("dull", Ignored, 40),
            ("new", Unparsable, 30),
            ("stranger", Foreign, 60),
        ] {
            store.commit(standing(id, state, at)).await.unwrap();
        }
        assert_eq!(uncounted(&*store, 10).await, ["new", "old", "stranger", "strange"]);
        assert_eq!(uncounted(&*store, 1).await, ["new", "stranger"], "many of one hide none of the other");
        let expected = Uncounted {
            provider: "whop".into(),
            told: ToldBy {
                delivery_id: "new".into(),
                event_type: "payment.succeeded".into(),
                state: "unparsable".into(),
                received_at: 30,
            },
            why: Some("why new".into()),
            body: b"body of new".to_vec(),
        };
        assert_eq!(store.uncounted(10).await.unwrap()[0], expected);
    }
}

#[tokio::test]
async fn what_counted_for_nothing_counts_when_it_comes_again_and_is_understood() {
    use DeliveryState::{Foreign, Ignored, Recorded, Unparsable};
    for (before, after, left) in [
        (Unparsable, Recorded, 0),
        (Foreign, Recorded, 0),
        (Unparsable, Ignored, 0),
        (Foreign, Unparsable, 1),
        (Recorded, Unparsable, 0),
        (Ignored, Foreign, 0),
    ] {
        for (store, _folder) in stores() {
            store.commit(standing("1", before, 10)).await.unwrap();
            let again = store.commit(standing("1", after, 20)).await.unwrap();
            assert!(!again.new_delivery && !again.conflict);
            let listed = store.uncounted(10).await.unwrap();
            assert_eq!(listed.len(), left, "{before:?}, then {after:?}");
            assert!(
                listed.iter().all(|one| (&*one.told.state, one.told.received_at) == (before.as_str(), 10))
            );
        }
    }
    for (store, _folder) in stores() {
        store.commit(standing("1", Unparsable, 10)).await.unwrap();
        let mut other = standing("1", Unparsable, 20);
        other.delivery.as_mut().unwrap().body = b"nor is this understood".to_vec();
        assert!(store.commit(other).await.unwrap().conflict);
        assert_eq!(uncounted(&*store, 10).await, ["1"], "the first stands as it stood");
    }
}
