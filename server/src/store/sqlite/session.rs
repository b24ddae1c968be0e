//! One session, read within bounds: anybody may post events under an id of their own, without end.

use std::collections::HashSet;

use app::event::{CATALOGUE, EventId, Sender, SessionId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::ledger::conversions_of;
use super::rows::{Result, unreadable, visitor};
use super::{checkouts, summaries};
use crate::domain::event::{Event, FunnelId, Page, Source};
use crate::domain::ledger::{Conversion, id_of_end};
use crate::domain::summary::Summary;
use crate::store::SessionRecord;

/// What is read of one session at most.
struct Most {
    /// Events.
    events: u32,
    /// Bytes that they take in memory, about.
    memory: usize,
    /// Events of which the first are looked for.
    looked_at: u32,
}

const MOST: Most = Most { events: 20_000, memory: 32 * 1024 * 1024, looked_at: 1_000_000 };

/// What [`event_of`] reads, in its order.
const COLUMNS: &str = "source, event_id, anonymous_id, name, properties, page_url, referrer, event_index, timestamp, received_at";

/// Places of events in their order of arrival. The index has them by name; it alone is read.
const PLACES: &str = "SELECT seq FROM (SELECT seq FROM event INDEXED BY event_of_session
                                       WHERE funnel = ?1 AND session_id = ?2 LIMIT ?3)
                      ORDER BY seq LIMIT ?4";

/// Everything of one session. Of a session with more events than anybody reads only the first are read, in their order of
/// arrival, and what tells of money: events that no browser may send, and the ends that the session's conversions brought.
/// Left out are all others, whoever sent them; they are counted.
pub(super) fn session(
    connection: &Connection,
    funnel: &FunnelId,
    session_id: &SessionId,
) -> Result<SessionRecord> {
    read(connection, &Key { funnel, session_id }, &MOST)
}

/// All events of one session, however many.
pub(super) fn events(
    connection: &Connection,
    funnel: &FunnelId,
    session_id: &SessionId,
) -> Result<Vec<Event>> {
    let key = Key { funnel, session_id };
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM event WHERE funnel = ?1 AND session_id = ?2"))?
        .query_map(params![funnel.as_str(), session_id.as_str()], |row| event_of(row, &key))?
        .collect()
}

struct Key<'a> {
    funnel: &'a FunnelId,
    session_id: &'a SessionId,
}

fn read(connection: &Connection, key: &Key<'_>, most: &Most) -> Result<SessionRecord> {
    let conversions = conversions_of(connection, key.funnel, key.session_id)?;
    let (mut events, whole) = first_ones(connection, key, most)?;
    let mut events_in_all = None;
    if !whole {
        let known: HashSet<(Source, EventId)> =
            events.iter().map(|event| (event.source, event.event_id.clone())).collect();
        let more = about_money(connection, key, &conversions)?.into_iter();
        events.extend(more.filter(|event| !known.contains(&(event.source, event.event_id.clone()))));
        let summary = summaries::read(connection, key.funnel, key.session_id)?;
        events_in_all = summary.as_ref().map(Summary::events_shown);
    }
    let checkouts = checkouts::of_session(connection, key.funnel, key.session_id)?;
    Ok(SessionRecord { events, events_in_all, conversions, checkouts })
}

/// The events that arrived first, and whether these are all.
fn first_ones(connection: &Connection, key: &Key<'_>, most: &Most) -> Result<(Vec<Event>, bool)> {
    let (funnel, session_id) = (key.funnel.as_str(), key.session_id.as_str());
    let places: Vec<i64> = connection
        .prepare_cached(PLACES)?
        .query_map(params![funnel, session_id, most.looked_at, most.events + 1], |row| row.get(0))?
        .collect::<Result<_>>()?;
    let mut one = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM event WHERE seq = ?1"))?;
    let (mut events, mut memory) = (Vec::new(), 0);
    for place in places {
        let read = one.query_row([place], |row| {
            memory += weight(row)?;
            if events.len() == most.events as usize || memory > most.memory {
                Ok(None)
            } else {
                event_of(row, key).map(Some)
            }
        });
        match read.optional()? {
            Some(Some(event)) => events.push(event),
            Some(None) => return Ok((events, false)),
            None => {}
        }
    }
    Ok((events, true))
}

/// What an event takes in memory, about. JSON of few bytes may take very much: each object is a tree of its own.
fn weight(row: &Row<'_>) -> Result<usize> {
    const EVENT: usize = 512;
    let of_json = |byte: &u8| match byte {
        b'{' => 640,
        b'[' | b',' => 64,
        _ => 1,
    };
    Ok(EVENT + row.get_ref(4)?.as_bytes()?.iter().map(of_json).sum::<usize>())
}

/// Events that no browser may send, and the ends that these conversions brought: those are found by their ids, since
/// browsers send ends, too.
fn about_money(connection: &Connection, key: &Key<'_>, conversions: &[Conversion]) -> Result<Vec<Event>> {
    let mut named = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM event INDEXED BY event_of_session
         WHERE funnel = ?1 AND session_id = ?2 AND name = ?3"
    ))?;
    let mut ends = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM event WHERE funnel = ?1 AND source = 'server' AND event_id = ?2 AND session_id = ?3"
    ))?;
    let (funnel, session_id) = (key.funnel.as_str(), key.session_id.as_str());
    let mut events = Vec::new();
    for (name, _) in CATALOGUE.iter().filter(|(_, sender)| *sender == Sender::Server) {
        for event in named.query_map(params![funnel, session_id, name], |row| event_of(row, key))? {
            events.push(event?);
        }
    }
    for conversion in conversions {
        let end = id_of_end(&conversion.key);
        let end = ends.query_row(params![funnel, end.as_str(), session_id], |row| event_of(row, key));
        events.extend(end.optional()?);
    }
    Ok(events)
}

fn event_of(row: &Row<'_>, key: &Key<'_>) -> Result<Event> {
    let source: String = row.get(0)?;
    let properties: String = row.get(4)?;
    Ok(Event {
        funnel: key.funnel.clone(),
        source: Source::parse(&source).ok_or_else(|| unreadable(0, "source"))?,
        event_id: EventId::parse(row.get::<_, String>(1)?).map_err(|_| unreadable(1, "event_id"))?,
        session_id: key.session_id.clone(),
        anonymous_id: visitor(row, 2)?,
        name: row.get(3)?,
        properties: serde_json::from_str(&properties).map_err(|_| unreadable(4, "properties"))?,
        page: Page { url: row.get(5)?, referrer: row.get(6)? },
        index: row.get(7)?,
        timestamp: row.get(8)?,
        received_at: row.get(9)?,
    })
}

#[cfg(test)]
mod tests {
    use app::event::{AnonymousId, name};
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::domain::commit::Commit;
    use crate::domain::ledger::{Attribution, Entry, Payment, PaymentKey, PaymentKind};
    use crate::domain::money::{Currency, Money};
    use crate::store::sqlite::plan::plan;
    use crate::store::sqlite::{migrations, rows};

    fn funnel() -> FunnelId {
        FunnelId::parse("ttr").unwrap()
    }

    fn session_id() -> SessionId {
        SessionId::parse("s1").unwrap()
    }

    fn store() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        migrations().to_latest(&mut connection).unwrap();
        connection
    }

    /// The browser's so many events of a name, each later by its own clock than the next.
    fn posted(connection: &Connection, name: &str, count: i64, properties: &Value) {
        let event = |number| Event {
            funnel: funnel(),
            source: Source::Browser,
            event_id: EventId::parse(format!("{name}-{number}")).unwrap(),
            session_id: session_id(),
            anonymous_id: None,
            name: name.to_owned(),
            properties: Map::from_iter([("it".to_owned(), properties.clone())]),
            page: Page::default(),
            index: None,
            timestamp: 1000 - number,
            received_at: 1000 + number,
        };
        let commit = Commit { events: (0..count).map(event).collect(), ..Commit::default() };
        rows::insert(connection, &commit).unwrap();
    }

    fn paid(connection: &Connection) {
        let attribution = Attribution {
            session_id: Some(session_id()),
            anonymous_id: AnonymousId::parse("a1").ok(),
            checkout_started_at: Some(1000),
        };
        let payment = Payment {
            key: PaymentKey { funnel: funnel(), provider: "whop".into(), payment_id: "pay_1".into() },
            also_known_as: Vec::new(),
            subscription_id: None,
            kind: PaymentKind::First,
            amount: Ok(Money { minor: 9900, currency: Currency::parse("USD").unwrap() }),
            paid_at: 5000,
            test: false,
            reconciled: false,
            attribution,
            received_at: 5000,
        };
        let commit = Commit { entries: vec![Entry::Payment(payment)], ..Commit::default() };
        rows::insert(connection, &commit).unwrap();
    }

    fn read_of(connection: &Connection, most: &Most) -> SessionRecord {
        read(connection, &Key { funnel: &funnel(), session_id: &session_id() }, most).unwrap()
    }

    fn ids(record: &SessionRecord) -> Vec<&str> {
        record.events.iter().map(|event| event.event_id.as_str()).collect()
    }

    const FEW: Most = Most { events: 3, memory: 1024 * 1024, looked_at: 100 };

    #[test]
    fn of_very_many_events_the_first_are_read_and_what_tells_of_money() {
        let connection = store();
        posted(&connection, "page_view", 2, &json!(1));
        posted(&connection, "a_custom_one", 10, &json!(1));
        posted(&connection, name::SESSION_END, 10, &json!(1));
        paid(&connection);
        let record = read_of(&connection, &FEW);
        assert_eq!(ids(&record)[..3], ["page_view-0", "page_view-1", "a_custom_one-0"]);
        let money: Vec<_> = record.events[3..].iter().map(|event| (event.source, &*event.name)).collect();
        assert_eq!(money, [name::CHECKOUT_COMPLETED, name::SESSION_END].map(|name| (Source::Server, name)));
        assert_eq!(record.conversions.len(), 1);
        assert_eq!(record.events_in_all, Some(14), "ends that were overtaken are not shown");
    }

    #[test]
    fn a_session_within_bounds_is_read_whole_and_nothing_twice() {
        let connection = store();
        posted(&connection, "page_view", 1, &json!(1));
        paid(&connection);
        let record = read_of(&connection, &FEW);
        assert_eq!((record.events.len(), record.events_in_all), (3, None));
        posted(&connection, "faq_opened", 1, &json!(1));
        let record = read_of(&connection, &FEW);
        assert_eq!((record.events.len(), record.events_in_all), (3, Some(4)));
    }

    #[test]
    fn events_that_take_much_memory_are_read_as_far_as_it_goes() {
        let connection = store();
        posted(&connection, "page_view", 1, &json!(1));
        posted(&connection, "of_many_objects", 5, &json!(vec![json!({"": 0}); 1000]));
        let record = read_of(&connection, &Most { events: 100, ..FEW });
        assert_eq!(ids(&record), ["page_view-0", "of_many_objects-0"]);
        assert_eq!(record.events_in_all, Some(6));
    }

    #[test]
    fn a_session_without_end_is_not_looked_through() {
        let connection = store();
        posted(&connection, "page_view", 200, &json!(1));
        let places = |looked_at: u32| {
            let key = params!["ttr", "s1", looked_at, 3];
            let mut statement = connection.prepare(PLACES).unwrap();
            let places = statement.query_map(key, |row| row.get::<_, i64>(0)).unwrap();
            places.collect::<Result<Vec<_>>>().unwrap()
        };
        assert_eq!((places(2), places(100)), (vec![1, 2], vec![1, 2, 3]));
        let plan = plan(&connection, PLACES);
        let index = "SEARCH event USING COVERING INDEX event_of_session (funnel=? AND session_id=?)";
        assert!(plan.iter().any(|step| step == index), "{plan:?}");
        assert!(!plan.iter().any(|step| step.starts_with("SCAN event")), "{plan:?}");
    }
}
