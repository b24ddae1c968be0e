//! The queries of lists, the same for JSON and screen: what was asked for, as text, and what it means.

use app::aurea::model::{Filter, PaymentsFilter};
use app::event::AnonymousId;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::domain::Millis;
use crate::domain::ledger::{PaymentKind, PaymentState};
use crate::domain::session::State;
use crate::report::{parse_cursor, parse_payment_cursor};
use crate::store::{PaymentCursor, PaymentQuery, SessionCursor, SessionFilter, Visitors};

/// The source that stands for none.
const DIRECT: &str = "(direct)";

/// The state that is asked for to see the bots.
const BOT: &str = "bot";

/// A query; an empty value is as good as none, as forms send all their fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionsQuery {
    anonymous_id: String,
    converted: String,
    state: String,
    source: String,
    event: String,
    from: String,
    to: String,
    /// Where the page goes on.
    cursor: String,
}

/// A query of a list of payments.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PaymentsQuery {
    state: String,
    provider: String,
    session: String,
    from: String,
    to: String,
    /// Where the page goes on.
    cursor: String,
}

/// What is asked for as a state and is none: renewals, and the provider's test mode.
const RENEWAL: &str = "renewal";
const TEST: &str = "test";

impl PaymentsQuery {
    /// What was asked for, as text.
    pub fn asked(self) -> PaymentsFilter {
        let Self { state, provider, session, from, to, .. } = self;
        PaymentsFilter { state, provider, session, from, to }
    }

    /// What it means.
    pub fn parse(&self) -> Result<(PaymentQuery, Option<PaymentCursor>), QueryFault> {
        let state = given(&self.state);
        let query = PaymentQuery {
            state: state.filter(|state| ![RENEWAL, TEST].contains(state)).map(payment_state).transpose()?,
            kind: state.filter(|state| *state == RENEWAL).map(|_| PaymentKind::Renewal),
            tests: state == Some(TEST),
            provider: given(&self.provider).map(str::to_owned),
            attributed: given(&self.session).map(attributed).transpose()?,
            from: given(&self.from).map(|day| midnight("from", day, 0)).transpose()?,
            before: given(&self.to).map(|day| midnight("to", day, 1)).transpose()?,
            in_full: false,
        };
        let cursor = given(&self.cursor)
            .map(|text| parse_payment_cursor(text).ok_or_else(|| fault("cursor", "is not one of ours")));
        Ok((query, cursor.transpose()?))
    }
}

/// What is wrong with a query.
#[derive(Debug, PartialEq, Eq)]
pub struct QueryFault {
    /// Which of its values.
    pub field: &'static str,
    /// What is wrong with it.
    pub message: String,
}

impl SessionsQuery {
    /// What was asked for, as text.
    pub fn asked(self) -> Filter {
        Filter {
            converted: self.converted,
            state: self.state,
            source: self.source,
            event: self.event,
            from: self.from,
            to: self.to,
            anonymous_id: self.anonymous_id,
        }
    }

    /// What it means.
    pub fn parse(&self) -> Result<(SessionFilter, Option<SessionCursor>), QueryFault> {
        let anonymous_id = given(&self.anonymous_id).map(AnonymousId::parse).transpose();
        let filter = SessionFilter {
            visitors: if self.state == BOT { Visitors::Bots } else { Visitors::People },
            anonymous_id: anonymous_id.map_err(|error| fault("anonymousId", error.to_string()))?,
            converted: converted(&self.converted)?,
            state: given(&self.state).filter(|state| *state != BOT).map(state).transpose()?,
            source: given(&self.source).map(|source| (source != DIRECT).then(|| source.to_owned())),
            event: given(&self.event).map(str::to_owned),
            from: given(&self.from).map(|day| midnight("from", day, 0)).transpose()?,
            before: given(&self.to).map(|day| midnight("to", day, 1)).transpose()?,
        };
        let cursor = given(&self.cursor)
            .map(|text| parse_cursor(text).ok_or_else(|| fault("cursor", "is not one of ours")));
        Ok((filter, cursor.transpose()?))
    }
}

fn given(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

fn fault(field: &'static str, message: impl Into<String>) -> QueryFault {
    QueryFault { field, message: message.into() }
}

fn converted(text: &str) -> Result<Option<bool>, QueryFault> {
    let parsed = given(text).map(str::parse).transpose();
    parsed.map_err(|_| fault("converted", "must be true or false"))
}

fn state(text: &str) -> Result<State, QueryFault> {
    let states = [State::Active, State::Checkout, State::Converted, State::Abandoned, State::Ended];
    let found = states.into_iter().find(|state| state.as_str() == text);
    found.ok_or_else(|| fault("state", "must be active, checkout, converted, abandoned, ended or bot"))
}

fn payment_state(text: &str) -> Result<PaymentState, QueryFault> {
    PaymentState::parse(text).ok_or_else(|| {
        let states = PaymentState::ALL.map(PaymentState::as_str).join(", ");
        fault("state", format!("must be {states}, renewal or test"))
    })
}

fn attributed(text: &str) -> Result<bool, QueryFault> {
    match text {
        "with" => Ok(true),
        "without" => Ok(false),
        _ => Err(fault("session", "must be with or without")),
    }
}

/// The beginning of a day, UTC, so many days later.
fn midnight(field: &'static str, day: &str, later: i32) -> Result<Millis, QueryFault> {
    let wrong = |_| fault(field, "must be a day such as 2026-01-31");
    let date: Date = day.parse().map_err(wrong)?;
    let date = date.checked_add(jiff::Span::new().days(later)).map_err(wrong)?;
    Ok(TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).map_err(wrong)?.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::DAY;

    fn query(field: &str, value: &str) -> SessionsQuery {
        serde_json::from_value(serde_json::json!({ field: value })).unwrap()
    }

    #[test]
    fn empty_values_ask_for_nothing() {
        let (filter, cursor) = query("state", "").parse().unwrap();
        assert!(
            filter.state.is_none()
                && filter.source.is_none()
                && filter.converted.is_none()
                && cursor.is_none()
        );
    }

    #[test]
    fn a_day_is_taken_from_its_first_to_its_last_moment() {
        assert_eq!(query("from", "1970-01-02").parse().unwrap().0.from, Some(DAY));
        assert_eq!(query("to", "1970-01-02").parse().unwrap().0.before, Some(2 * DAY));
    }

    #[test]
    fn direct_is_a_source_of_its_own() {
        assert_eq!(query("source", "(direct)").parse().unwrap().0.source, Some(None));
        assert_eq!(query("source", "news").parse().unwrap().0.source, Some(Some("news".to_owned())));
    }

    #[test]
    fn a_payments_query_says_state_kind_or_test() {
        let parsed = |value: &str| {
            let query: PaymentsQuery = serde_json::from_value(serde_json::json!({"state": value})).unwrap();
            query.parse().map(|(query, _)| (query.state, query.kind, query.tests))
        };
        assert_eq!(parsed(""), Ok((None, None, false)));
        assert_eq!(parsed("renewal"), Ok((None, Some(PaymentKind::Renewal), false)));
        assert_eq!(parsed("test"), Ok((None, None, true)));
        assert_eq!(parsed("refunded"), Ok((Some(PaymentState::Refunded), None, false)));
        assert_eq!(parsed("lent").unwrap_err().field, "state");
        let cursor = PaymentsQuery { cursor: "5_whop_pay_1".into(), ..PaymentsQuery::default() };
        assert_eq!(cursor.parse().unwrap().1, Some((5, "whop".into(), "pay_1".into())));
        for field in ["session", "from", "to", "cursor"] {
            let query: PaymentsQuery = serde_json::from_value(serde_json::json!({field: "x"})).unwrap();
            assert_eq!(query.parse().unwrap_err().field, field);
        }
    }

    #[test]
    fn each_fault_names_its_field() {
        for (field, value) in [
            ("converted", "maybe"),
            ("state", "asleep"),
            ("from", "yesterday"),
            ("to", "2026-02-30"),
            ("to", "9999-12-31"),
            ("anonymousId", "a b"),
            ("cursor", "nonsense"),
        ] {
            assert_eq!(query(field, value).parse().unwrap_err().field, field, "{value}");
        }
    }
}
