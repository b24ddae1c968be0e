//! Addresses of the screens. Whatever stands in them is percent-encoded.

use std::fmt::Write as _;

use super::model::{Filter, PaymentsFilter};

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

/// All payments of a funnel.
pub(super) fn payments(funnel: &str) -> String {
    format!("/aurea/funnels/{}/payments", encoded(funnel))
}

/// The payments of a funnel that pass `filter`, from `cursor` on.
pub(super) fn filtered_payments(funnel: &str, filter: &PaymentsFilter, cursor: Option<&str>) -> String {
    let fields = payment_fields(filter).map(|(name, _, value)| (name, value));
    with_query(payments(funnel), fields.into_iter().chain([("cursor", cursor.unwrap_or_default())]))
}

/// One payment.
pub fn payment(funnel: &str, provider: &str, payment_id: &str) -> String {
    format!("/aurea/funnels/{}/payments/{}/{}", encoded(funnel), encoded(provider), encoded(payment_id))
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

/// The fields of the payments' filter: name in the query, label, value.
pub(super) fn payment_fields(filter: &PaymentsFilter) -> [(&'static str, &'static str, &str); 5] {
    [
        ("state", "State", &filter.state),
        ("provider", "Provider", &filter.provider),
        ("session", "Session", &filter.session),
        ("from", "Paid from", &filter.from),
        ("to", "Paid to", &filter.to),
    ]
}

/// `filter` without the field that the query calls `name`.
pub(super) fn payments_without(filter: &PaymentsFilter, name: &str) -> PaymentsFilter {
    let mut filter = filter.clone();
    match name {
        "state" => filter.state.clear(),
        "provider" => filter.provider.clear(),
        "session" => filter.session.clear(),
        "from" => filter.from.clear(),
        _ => filter.to.clear(),
    }
    filter
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
    fn an_id_of_a_providers_is_one_step_of_the_path() {
        assert_eq!(
            payment("ttr", "shopify", "gid://shopify/Order/1?x=#y"),
            "/aurea/funnels/ttr/payments/shopify/gid%3A%2F%2Fshopify%2FOrder%2F1%3Fx%3D%23y"
        );
    }

    #[test]
    fn each_field_of_the_payments_filter_can_be_taken_away() {
        let all = PaymentsFilter {
            state: "paid".into(),
            provider: "whop".into(),
            session: "with".into(),
            from: "f".into(),
            to: "t".into(),
        };
        for (name, ..) in payment_fields(&all) {
            let rest = payments_without(&all, name);
            assert_eq!(payment_fields(&rest).iter().filter(|(_, _, value)| value.is_empty()).count(), 1);
            assert!(payment_fields(&rest).iter().any(|(other, _, value)| *other == name && value.is_empty()));
        }
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
