//! What every store promises of the outbox.

use server::domain::commit::Commit;
use server::domain::event::{Event, Source};
use server::domain::outbox::{Destination, Form, Listener};
use server::store::Store;
use server::store::outbox::{Child, Claim, Claimed, Later, OutboxFigures, OutboxStore, Step, Ticket};
use server::store::sqlite::SqliteStore;

use crate::store::stores;
use crate::support::stored_event;

const AUREA: Destination = Destination("aurea");

fn told(events: Vec<Event>) -> Commit {
    let forward_to = vec![Listener { destination: AUREA, form: Form::Events }];
    Commit { events, forward_to, ..Commit::default() }
}

/// One row for each id, the first the oldest.
async fn rows(store: &dyn Store, ids: &[&str]) {
    for (id, at) in ids.iter().zip(1..) {
        store.commit(told(vec![stored_event("s1", id, "page_view", at)])).await.unwrap();
    }
}

async fn claim(store: &dyn Store, claim_id: &str, places: usize, fresh: usize, now: i64) -> Vec<Claimed> {
    let claim_id = claim_id.to_owned();
    let claim = Claim { claim_id, destination: AUREA, places, fresh, now, until: now + 60 };
    store.claim(claim).await.unwrap()
}

async fn settle(store: &dyn Store, ticket: Ticket, step: Step) -> bool {
    store.settle(vec![(ticket, step)]).await.unwrap()[0]
}

fn later(due_at: Option<i64>, tries: u32, why: &str) -> Later {
    Later { due_at, tries, why: why.into(), tried_at: 100 }
}

fn carries(row: &Claimed, id: &str) -> bool {
    String::from_utf8_lossy(&row.body).contains(&format!("\"{id}\""))
}

async fn figures(store: &dyn Store) -> OutboxFigures {
    store.outbox_figures().await.unwrap().remove(AUREA.0).unwrap_or_default()
}

#[tokio::test]
async fn only_events_that_are_new_are_told_and_only_to_whom_the_commit_says() {
    for (store, _folder) in stores() {
        let event = |id| stored_event("s1", id, "page_view", 1000);
        store.commit(Commit { events: vec![event("e0")], ..Commit::default() }).await.unwrap();
        store.commit(told(vec![event("e0"), event("e1")])).await.unwrap();
        store.commit(told(vec![event("e1")])).await.unwrap();
        let mut by_key = event("e2");
        by_key.source = Source::Key;
        store.commit(told(vec![by_key])).await.unwrap();
        let rows = claim(&*store, "c1", 10, 0, 1000).await;
        assert_eq!(rows.len(), 1);
        assert!(carries(&rows[0], "e1") && !carries(&rows[0], "e0"));
        assert_eq!(figures(&*store).await.oldest_at, Some(1000));
        assert_eq!(store.outbox_figures().await.unwrap().len(), 1, "nobody else");
    }
}

#[tokio::test]
async fn a_row_waits_since_its_commit_however_old_what_it_tells_is() {
    for (store, _folder) in stores() {
        let commit = told(vec![stored_event("s1", "e1", "page_view", 5)]);
        store.commit(Commit { at: 1000, ..commit }).await.unwrap();
        assert_eq!(figures(&*store).await.waiting_since, Some(1000));
        let claimed = claim(&*store, "c1", 10, 0, 1000).await;
        assert_eq!((claimed.len(), claimed[0].driven_at), (1, 1000));
    }
}

#[tokio::test]
async fn the_oldest_that_waits_is_found_whether_it_was_tried_or_not() {
    for (store, _folder) in stores() {
        rows(&*store, &["e1", "e2", "e3"]).await;
        let [first, second, third] = &claim(&*store, "c1", 10, 0, 10).await[..] else { panic!("three") };
        settle(&*store, first.ticket.clone(), Step::Stays(later(None, 1, "x"))).await;
        settle(&*store, second.ticket.clone(), Step::Stays(later(Some(5000), 3, "x"))).await;
        let since = async || (figures(&*store).await.oldest_at, figures(&*store).await.waiting_since);
        assert_eq!(since().await, (Some(1), Some(2)), "one that was tried");
        settle(&*store, third.ticket.clone(), Step::Stays(later(Some(5000), 1, "x"))).await;
        rows(&*store, &["e4"]).await; // as old as the first
        assert_eq!(since().await, (Some(1), Some(1)), "one that was not");
    }
}

#[tokio::test]
async fn a_destination_of_which_all_is_parked_still_stands_somewhere() {
    for (store, _folder) in stores() {
        rows(&*store, &["e1"]).await;
        let row = claim(&*store, "c1", 1, 0, 10).await.remove(0);
        settle(&*store, row.ticket, Step::Stays(later(None, 1, "x"))).await;
        let figures = figures(&*store).await;
        assert_eq!((figures.waiting, figures.parked), (0, 1));
        assert_eq!((figures.oldest_at, figures.waiting_since), (Some(1), None));
    }
}

#[tokio::test]
async fn a_commit_that_writes_rows_is_news() {
    for (store, _folder) in stores() {
        let mut news = store.news();
        store
            .commit(Commit { events: vec![stored_event("s1", "e0", "x", 1)], ..Commit::default() })
            .await
            .unwrap();
        assert!(!news.has_changed().unwrap());
        rows(&*store, &["e1"]).await;
        assert!(news.has_changed().unwrap());
        news.mark_unchanged();
        rows(&*store, &["e1"]).await;
        assert!(!news.has_changed().unwrap(), "nothing was new");
    }
}

#[tokio::test]
async fn a_claimed_row_is_nobody_elses_until_the_claim_ends() {
    for (store, _folder) in stores() {
        rows(&*store, &["e1"]).await;
        assert!(claim(&*store, "c1", 10, 0, 0).await.is_empty(), "not due yet");
        let first = claim(&*store, "c1", 10, 0, 10).await.remove(0);
        assert_eq!(store.next_due(AUREA).await.unwrap(), Some(70));
        assert!(claim(&*store, "c2", 10, 10, 69).await.is_empty());
        let second = claim(&*store, "c2", 10, 10, 70).await.remove(0);
        assert_eq!(second.ticket.id, first.ticket.id);
        assert_eq!(second.body, first.body);
        // The late one changes nothing.
        let late = first.ticket;
        assert!(!settle(&*store, late.clone(), Step::Gone).await);
        assert!(!settle(&*store, late.clone(), Step::Stays(later(None, 1, "x"))).await);
        assert!(!store.release(late.clone(), 70).await.unwrap());
        let child = Child { id: "child".into(), body: b"{}".to_vec(), later: later(Some(70), 1, "x") };
        assert!(!settle(&*store, late, Step::Children(vec![child])).await);
        assert_eq!(figures(&*store).await.waiting, 1);
        assert!(settle(&*store, second.ticket.clone(), Step::Gone).await);
        assert!(!settle(&*store, second.ticket, Step::Gone).await);
        assert_eq!(figures(&*store).await, OutboxFigures::default());
    }
}

#[tokio::test]
async fn many_that_claim_at_once_never_get_the_same_row() {
    for (store, _folder) in stores() {
        let ids: Vec<String> = (0..200).map(|number| format!("e{number}")).collect();
        rows(&*store, &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let claims = (0..40).map(|number| {
            let store = store.clone();
            async move { claim(&*store, &format!("c{number}"), 7, 2, 1000).await }
        });
        let claimed = futures::future::join_all(claims).await.concat();
        let mut ids: Vec<&str> = claimed.iter().map(|row| row.ticket.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((claimed.len(), ids.len()), (200, 200));
    }
}

#[tokio::test]
async fn the_newest_untried_rows_have_places_of_their_own() {
    for (store, _folder) in stores() {
        rows(&*store, &["e1", "e2", "e3", "e4"]).await;
        let claimed = claim(&*store, "c1", 2, 1, 1000).await;
        assert!(carries(&claimed[0], "e4") && carries(&claimed[1], "e1"));
        for row in claimed {
            settle(&*store, row.ticket, Step::Stays(later(Some(5), 1, "x"))).await;
        }
        let claimed = claim(&*store, "c2", 1, 1, 1000).await;
        assert!(carries(&claimed[0], "e3"), "a row that was tried is no new one");
    }
}

#[tokio::test]
async fn a_row_that_was_put_back_waits_and_one_that_was_parked_waits_for_a_person() {
    for (store, _folder) in stores() {
        rows(&*store, &["e1", "e2"]).await;
        let [first, second] = &claim(&*store, "c1", 10, 0, 10).await[..] else { panic!("two") };
        settle(&*store, first.ticket.clone(), Step::Stays(later(Some(5000), 3, "later"))).await;
        let parked = Later { tried_at: 200, ..later(None, 4, "parked") };
        settle(&*store, second.ticket.clone(), Step::Stays(parked)).await;
        let stands = figures(&*store).await;
        assert_eq!((stands.waiting, stands.parked, stands.oldest_at), (1, 1, Some(1)));
        assert_eq!(stands.last_error.as_deref(), Some("parked"), "of the last try");
        assert_eq!(store.next_due(AUREA).await.unwrap(), Some(5000));

        assert_eq!(store.hasten(AUREA, 20, 10).await.unwrap(), 1);
        let hastened = claim(&*store, "c2", 10, 0, 20).await;
        assert_eq!((hastened.len(), hastened[0].tries, hastened[0].driven_at), (1, 3, 1));
        assert_eq!(store.hasten(AUREA, 21, 10).await.unwrap(), 0, "a claim is not hastened");

        assert_eq!(store.unpark(AUREA, 30, 10).await.unwrap(), 1);
        let unparked = claim(&*store, "c3", 10, 0, 30).await;
        assert_eq!((unparked.len(), unparked[0].tries, unparked[0].driven_at), (1, 0, 30));
    }
}

#[tokio::test]
async fn parked_rows_are_driven_in_pieces() {
    for (store, _folder) in stores() {
        rows(&*store, &["e1", "e2", "e3"]).await;
        for row in claim(&*store, "c1", 10, 0, 10).await {
            settle(&*store, row.ticket, Step::Stays(later(None, 1, "x"))).await;
        }
        let parked = store.parked(AUREA.0, 2).await.unwrap();
        let carried: Vec<bool> = parked
            .iter()
            .zip(["e3", "e2"])
            .map(|(row, id)| String::from_utf8_lossy(&row.body).contains(id))
            .collect();
        assert_eq!(carried, [true, true], "the newest first");
        assert_eq!(
            (parked[0].created_at, parked[0].why.as_str(), parked[0].funnel.as_str()),
            (3, "x", "ttr")
        );
        assert_eq!(store.unpark(AUREA, 20, 2).await.unwrap(), 2);
        assert_eq!(store.unpark(AUREA, 20, 2).await.unwrap(), 1);
        assert_eq!((figures(&*store).await.waiting, figures(&*store).await.parked), (3, 0));
    }
}

#[tokio::test]
async fn what_waits_for_another_try_is_hastened_in_pieces() {
    for (store, _folder) in stores() {
        rows(&*store, &["e1", "e2", "e3"]).await;
        for row in claim(&*store, "c1", 10, 0, 10).await {
            settle(&*store, row.ticket, Step::Stays(later(Some(5000), 1, "x"))).await;
        }
        assert_eq!(store.hasten(AUREA, 20, 2).await.unwrap(), 2);
        assert_eq!(store.hasten(AUREA, 20, 2).await.unwrap(), 1);
        assert_eq!(store.hasten(AUREA, 20, 2).await.unwrap(), 0);
        assert_eq!(claim(&*store, "c2", 10, 0, 20).await.len(), 3);
    }
}

#[tokio::test]
async fn children_take_their_parents_place_in_one_step() {
    for (store, _folder) in stores() {
        rows(&*store, &["e1"]).await;
        let parent = claim(&*store, "c1", 10, 0, 10).await.remove(0);
        let child = |id: &str, due_at| Child {
            id: id.into(),
            body: id.as_bytes().to_vec(),
            later: later(due_at, 1, "halved"),
        };
        let children = vec![child("one", Some(10)), child("two", None)];
        assert!(settle(&*store, parent.ticket.clone(), Step::Children(children)).await);
        assert!(!settle(&*store, parent.ticket, Step::Gone).await);
        let stands = figures(&*store).await;
        assert_eq!((stands.waiting, stands.parked, stands.oldest_at), (1, 1, Some(1)));
        let one = claim(&*store, "c2", 10, 0, 10).await.remove(0);
        assert_eq!((one.body.as_slice(), one.driven_at), (&b"one"[..], parent.driven_at));
        assert_eq!(one.funnel, parent.funnel);
    }
}

#[tokio::test]
async fn of_rows_that_are_settled_together_each_is_by_its_own_claim() {
    for (store, _folder) in stores() {
        rows(&*store, &["e1", "e2", "e3", "e4"]).await;
        let [first, second, third, late] = &claim(&*store, "c1", 4, 0, 10).await[..] else { panic!("four") };
        let [late, first, second, third] = [late, first, second, third].map(|row| row.ticket.clone());
        assert!(store.release(late.clone(), 10).await.unwrap());
        let child = Child { id: "child".into(), body: b"{}".to_vec(), later: later(Some(500), 1, "x") };
        let steps = vec![
            (first, Step::Gone),
            (late, Step::Gone),
            (second, Step::Stays(later(None, 1, "x"))),
            (third, Step::Children(vec![child])),
        ];
        assert_eq!(store.settle(steps).await.unwrap(), [true, false, true, true]);
        let stands = figures(&*store).await;
        assert_eq!((stands.waiting, stands.parked), (2, 1));
        assert_eq!(claim(&*store, "c2", 10, 0, 10).await.len(), 1, "whose claim was another's is there");
    }
}

#[tokio::test]
async fn a_released_row_is_due_at_once() {
    for (store, _folder) in stores() {
        rows(&*store, &["e1", "e2"]).await;
        let claimed = claim(&*store, "c1", 10, 0, 10).await;
        let Ticket { id, .. } = claimed[0].ticket.clone();
        assert!(store.release(claimed[0].ticket.clone(), 11).await.unwrap());
        let again = claim(&*store, "c2", 10, 0, 11).await;
        assert_eq!((again.len(), again[0].ticket.id.clone(), again[0].tries), (1, id, 0));
    }
}

#[tokio::test]
async fn in_one_programs_own_file_a_claim_ends_with_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ttr.db");
    let store = SqliteStore::open(&path).unwrap();
    rows(&store, &["e1", "e2"]).await;
    let claimed = claim(&store, "c1", 1, 0, 10).await;
    store.close().await;
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.recover(AUREA, 12).await.unwrap(), 1);
    assert_eq!(claim(&store, "c2", 10, 0, 12).await.len(), 2);
    assert!(!settle(&store, claimed[0].ticket.clone(), Step::Gone).await);
}
