//! Addresses of the screens. Whatever stands in them is percent-encoded.

use std::fmt::Write as _;

use super::model::Filter;

/// All funnels.
pub(super) const FUNNELS: &str = "/aurea";

/// One funnel.
pub(super) fn funnel(funnel: &str) -> String {
    format!("/aurea/funnels/{}", encoded(funnel))
}

/// All sessions of a funnel.
pub(super) fn sessions(funnel: &str) -> String {
    format!("/aurea/funnels/{}/sessions", encoded(funnel))
}

/// The sessions of a funnel that pass `filter`, from `cursor` on.
pub(super) fn filtered(funnel: &str, filter: &Filter, cursor: Option<&str>) -> String {
    let fields = fields(filter).map(|(name, _, value)| (name, value));
    with_query(sessions(funnel), fields.into_iter().chain([("cursor", cursor.unwrap_or_default())]))
}

/// One session.
pub(super) fn session(funnel: &str, session: &str) -> String {
    format!("/aurea/funnels/{}/sessions/{}", encoded(funnel), encoded(session))
}

/// One session from `cursor` on.
pub(super) fn session_from(funnel: &str, id: &str, cursor: &str) -> String {
    with_query(session(funnel, id), [("cursor", cursor)])
}

/// One session as JSON.
pub(super) fn session_json(funnel: &str, session: &str) -> String {
    format!("/api/aurea/funnels/{}/sessions/{}", encoded(funnel), encoded(session))
}

/// The fields of a filter: name in the query, label, value.
pub(super) fn fields(filter: &Filter) -> [(&'static str, &'static str, &str); 7] {
    [
        ("state", "State", &filter.state),
        ("converted", "Converted", &filter.converted),
        ("source", "Source", &filter.source),
        ("event", "Event seen", &filter.event),
        ("from", "Active from", &filter.from),
        ("to", "Active to", &filter.to),
        ("anonymousId", "Visitor", &filter.anonymous_id),
    ]
}

/// `filter` without the field that the query calls `name`.
pub(super) fn without(filter: &Filter, name: &str) -> Filter {
    let mut filter = filter.clone();
    match name {
        "state" => filter.state.clear(),
        "converted" => filter.converted.clear(),
        "source" => filter.source.clear(),
        "event" => filter.event.clear(),
        "from" => filter.from.clear(),
        "to" => filter.to.clear(),
        _ => filter.anonymous_id.clear(),
    }
    filter
}

fn with_query<'a>(mut path: String, fields: impl IntoIterator<Item = (&'static str, &'a str)>) -> String {
    let mut mark = '?';
    for (name, value) in fields {
        if !value.is_empty() {
            path.push(mark);
            path.push_str(name);
            path.push('=');
            path.push_str(&encoded(value));
            mark = '&';
        }
    }
    path
}

fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_for_stands_in_the_query() {
        let filter = Filter { source: "a&b c".into(), converted: "true".into(), ..Filter::default() };
        assert_eq!(
            filtered("ttr", &filter, None),
            "/aurea/funnels/ttr/sessions?converted=true&source=a%26b%20c"
        );
        assert_eq!(
            filtered("t/r", &Filter::default(), Some("x=")),
            "/aurea/funnels/t%2Fr/sessions?cursor=x%3D"
        );
    }

    #[test]
    fn each_field_can_be_taken_away() {
        let all = Filter {
            converted: "true".into(),
            state: "ended".into(),
            source: "s".into(),
            event: "e".into(),
            from: "f".into(),
            to: "t".into(),
            anonymous_id: "a".into(),
        };
        for (name, ..) in fields(&all) {
            let rest = without(&all, name);
            assert_eq!(fields(&rest).iter().filter(|(_, _, value)| value.is_empty()).count(), 1);
            assert!(fields(&rest).iter().any(|(other, _, value)| *other == name && value.is_empty()));
        }
    }
}
