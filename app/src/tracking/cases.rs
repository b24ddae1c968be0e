//! Runs `cases.json` against the rules; end2end/boot runs it against the boot script.

use serde::Deserialize;

use super::identity::Wishes;
use super::session::{Checkout, Clock, Found, Session, resume};

const NOW: u64 = 1_700_000_000_000;

#[derive(Deserialize)]
struct Table {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(clippy::struct_excessive_bools)] // a row of the table
struct Case {
    name: String,
    id: String,
    clock: Option<Vec<i64>>,
    open: bool,
    checkout: Option<(String, i64)>,
    #[serde(rename = "return")]
    is_return: bool,
    gpc: bool,
    dnt: String,
    consent_required: bool,
    consent: String,
    ignored: bool,
    private: bool,
    blocked: bool,
    expect: String,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            name: String::new(),
            id: "s".into(),
            clock: None,
            open: false,
            checkout: None,
            is_return: false,
            gpc: false,
            dnt: String::new(),
            consent_required: false,
            consent: String::new(),
            ignored: false,
            private: false,
            blocked: false,
            expect: String::new(),
        }
    }
}

fn at(offset: i64) -> u64 {
    NOW.saturating_add_signed(offset)
}

impl Case {
    fn found(&self) -> Found {
        let clock = self.clock.as_ref().and_then(|parts| {
            let (times, rest) = parts.split_at(2);
            let text: Vec<String> =
                times.iter().map(|t| at(*t).to_string()).chain(rest.iter().map(i64::to_string)).collect();
            Clock::parse(&text.join(","))
        });
        Found {
            session: clock
                .filter(|_| !self.id.is_empty())
                .map(|clock| Session { id: self.id.clone(), clock }),
            copied: self.open,
            checkout: self
                .checkout
                .as_ref()
                .and_then(|(session, started)| Checkout::parse(&format!("a,{session},{}", at(*started)))),
        }
    }
}

#[test]
fn every_start_of_the_table_comes_out_as_it_says() -> Result<(), serde_json::Error> {
    let table: Table = serde_json::from_str(include_str!("cases.json"))?;
    for case in table.cases {
        let wishes = Wishes {
            ignored: case.ignored,
            gpc: case.gpc,
            do_not_track: case.dnt.clone(),
            consent_required: case.consent_required,
            consent: case.consent.clone(),
        };
        assert_eq!(wishes.private(), case.private, "{}", case.name);
        let found = if case.private || case.blocked { Found::default() } else { case.found() };
        let session = resume(found.clone(), case.is_return, NOW, || "made".into());
        let expected = match case.expect.as_str() {
            "kept" => found.session,
            "adopted" => found.checkout.map(|away| Session {
                id: away.session_id,
                clock: Clock { started: away.started_at, last: NOW, index: 0, bought: true },
            }),
            _ => Some(Session::new("made".into(), NOW)),
        };
        assert_eq!(Some(session), expected, "{}", case.name);
    }
    Ok(())
}
