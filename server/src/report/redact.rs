//! What a delivery said, fit to be shown: what is private is masked by its key, and the structure stays, so that amounts,
//! ids, states and our own metadata can be read. Pure.

use app::aurea::model::Body;
use app::event::metadata;
use serde_json::{Map, Value};

/// Stands for what is not shown.
const MASK: &str = "•••";

/// Bytes of a body that are shown, and of one that can't be read.
const SHOWN: usize = 16 * 1024;
const UNREADABLE_SHOWN: usize = 4 * 1024;

/// Words of a key that make what it holds private, whatever the provider calls the rest of it.
const PRIVATE: &[&str] = &[
    // who
    "name",
    "firstname",
    "lastname",
    "fullname",
    "surname",
    "username",
    "nickname",
    "salutation",
    "birth",
    "birthday",
    "dob",
    "gender",
    "avatar",
    "picture",
    "photo",
    "pic",
    "bio",
    "social",
    "discord",
    "telegram",
    "twitter",
    "instagram",
    // where
    "email",
    "emails",
    "mail",
    "phone",
    "phones",
    "mobile",
    "tel",
    "fax",
    "address",
    "addresses",
    "street",
    "city",
    "zip",
    "zipcode",
    "postal",
    "postcode",
    "latitude",
    "longitude",
    "ip",
    "agent",
    "browser",
    "geo",
    "location",
    // with what
    "card",
    "cards",
    "last4",
    "digits",
    "exp",
    "expiry",
    "cvc",
    "cvv",
    "avs",
    "iban",
    "bban",
    "bic",
    "swift",
    "account",
    "routing",
    "sort",
    "fingerprint",
    "wallet",
    "vat",
    "ssn",
    "passport",
    // what they wrote
    "note",
    "notes",
    "message",
    "comment",
    "comments",
    "answer",
    "answers",
    "response",
    "custom",
    // what opens doors
    "secret",
    "token",
    "tokens",
    "password",
    "passcode",
    "signature",
    "key",
    "url",
    "urls",
    "uri",
    "href",
    "link",
    "links",
    "pdf",
    "landing",
    "referring",
];

/// Two words that are private together, and neither alone.
const PRIVATE_TOGETHER: &[(&str, &str)] =
    &[("tax", "id"), ("tax", "ids"), ("government", "id"), ("national", "id")];

/// Keys that hold lists of `{name, value}`; those of the metadata's names are ours.
const LISTS_OF_PAIRS: &[&str] = &["note_attributes", "custom_attributes", "customAttributes"];

/// What the checkout carried.
const OURS: &[&str] = &[metadata::ANONYMOUS_ID, metadata::SESSION_ID, metadata::CHECKOUT_STARTED_AT];

/// A delivery's body as it is shown.
pub(super) fn shown(body: &[u8]) -> Body {
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        return cut(&serde_json::to_string_pretty(&redacted(value)).unwrap_or_default(), SHOWN, true);
    }
    // No more is looked at than is shown, and a bit, so that an address is not cut in two.
    let some = &body[..body.len().min(2 * UNREADABLE_SHOWN)];
    let body_shown = cut(&without_addresses(&String::from_utf8_lossy(some)), UNREADABLE_SHOWN, false);
    Body { cut: body_shown.cut || some.len() < body.len(), ..body_shown }
}

fn cut(text: &str, most: usize, readable: bool) -> Body {
    let shown = &text[..text.floor_char_boundary(most)];
    Body { text: shown.to_owned(), readable, cut: shown.len() < text.len() }
}

/// The same structure without what is private.
fn redacted(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, value)| of_key(key, value)).collect()),
        Value::Array(items) => Value::Array(items.into_iter().map(redacted).collect()),
        Value::String(text) => Value::String(without_addresses(&text)),
        other => other,
    }
}

fn of_key(key: String, value: Value) -> (String, Value) {
    let value = match value {
        Value::Array(items) if LISTS_OF_PAIRS.contains(&key.as_str()) => {
            Value::Array(items.into_iter().map(pair).collect())
        }
        value if OURS.contains(&key.as_str()) && !value.is_object() && !value.is_array() => value,
        value if is_private(&key) => masked(value),
        value => redacted(value),
    };
    (key, value)
}

/// A pair stays if it is ours; of any other the buyer may have said anything.
fn pair(value: Value) -> Value {
    let ours = |map: &Map<String, Value>| {
        let name = ["name", "key"].iter().find_map(|key| map.get(*key)?.as_str());
        name.is_some_and(|name| OURS.contains(&name))
    };
    match value {
        Value::Object(map) if ours(&map) => {
            let kept = |(key, value): (String, Value)| {
                let plain = matches!(key.as_str(), "name" | "key" | "value")
                    && !value.is_object()
                    && !value.is_array();
                let value = if plain { value } else { masked(value) };
                (key, value)
            };
            Value::Object(map.into_iter().map(kept).collect())
        }
        other => masked(other),
    }
}

/// The same structure, and nothing of what it said.
fn masked(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(key, value)| (key, masked(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(masked).collect()),
        Value::Null => Value::Null,
        _ => Value::String(MASK.to_owned()),
    }
}

fn is_private(key: &str) -> bool {
    let words = words(key);
    let together = |pair: &[String]| PRIVATE_TOGETHER.contains(&(pair[0].as_str(), pair[1].as_str()));
    words.iter().any(|word| PRIVATE.contains(&word.as_str())) || words.windows(2).any(together)
}

/// `billingAddress`, `billing_address` and `Billing-Address` are the same two words; `customerIPAddress` is three.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before: Option<char> = None;
    let mut chars = key.chars().peekable();
    while let Some(c) = chars.next() {
        let after_small = before.is_some_and(|before| before.is_lowercase() || before.is_numeric());
        let begins_small =
            before.is_some_and(char::is_uppercase) && chars.peek().is_some_and(|c| c.is_lowercase());
        if !c.is_alphanumeric() || (c.is_uppercase() && (after_small || begins_small)) {
            words.push(String::new());
        }
        before = Some(c);
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
    }
    words
}

/// Whatever looks like an e-mail address is masked, wherever it stands.
fn without_addresses(text: &str) -> String {
    let ends = |c: char| c.is_whitespace() || "\"'<>(),;:&={}[]|".contains(c);
    let masked =
        |run: &str| if run.contains('@') || run.contains("%40") { MASK.to_owned() } else { run.to_owned() };
    text.split_inclusive(ends)
        .map(|run| match run.char_indices().next_back().filter(|(_, last)| ends(*last)) {
            Some((at, _)) => masked(&run[..at]) + &run[at..],
            None => masked(run),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Value {
        serde_json::from_str(&shown(value.to_string().as_bytes()).text).unwrap()
    }

    #[test]
    fn what_is_the_buyers_own_is_masked_and_the_money_can_be_read() {
        let seen = read(&json!({
            "id": "evt_1", "type": "checkout.session.completed", "livemode": true,
            "data": {"object": {
                "id": "cs_1", "amount_total": 9900, "currency": "usd", "status": "complete", "customer": "cus_1",
                "customer_details": {"email": "a@b.example", "name": "Ada", "phone": "+1", "address": {"city": "Rome", "line1": "Via 1"}},
                "payment_method_details": {"card": {"brand": "visa", "last4": "4242"}, "type": "card"},
                "client_secret": "cs_secret", "receipt_url": "https://pay.example/r/1", "ip_address": "192.0.2.1",
                "metadata": {"aurea_session_id": "s1", "aurea_anonymous_id": "a1", "checkout_started_at": "1703"},
            }},
        }));
        let object = &seen["data"]["object"];
        assert_eq!((&seen["id"], &seen["type"]), (&json!("evt_1"), &json!("checkout.session.completed")));
        assert_eq!((&object["amount_total"], &object["customer"]), (&json!(9900), &json!("cus_1")));
        assert_eq!(object["metadata"]["aurea_session_id"], "s1");
        assert_eq!(object["metadata"]["checkout_started_at"], "1703");
        assert_eq!(object["customer_details"]["address"], json!({"city": MASK, "line1": MASK}));
        assert_eq!(
            object["payment_method_details"],
            json!({"card": {"brand": MASK, "last4": MASK}, "type": "card"})
        );
        for key in ["client_secret", "receipt_url", "ip_address"] {
            assert_eq!(object[key], MASK, "{key}");
        }
        for key in ["email", "name", "phone"] {
            assert_eq!(object["customer_details"][key], MASK, "{key}");
        }
    }

    #[test]
    fn of_shopifys_pairs_ours_can_be_read_and_no_other() {
        let seen = read(&json!({"note": "ring twice", "total_price": "99.00", "note_attributes": [
            {"name": "aurea_session_id", "value": "s1"}, {"name": "gift for", "value": "Ada"}, "loose",
        ]}));
        assert_eq!(
            seen,
            json!({"note": MASK, "total_price": "99.00", "note_attributes": [
                {"name": "aurea_session_id", "value": "s1"}, {"name": MASK, "value": MASK}, MASK,
            ]})
        );
    }

    #[test]
    fn an_address_is_masked_wherever_it_stands() {
        let seen =
            read(&json!({"description": "sold to Ada <ada@b.example>, again", "items": ["x@y.example"]}));
        assert_eq!(seen, json!({"description": format!("sold to Ada <{MASK}>, again"), "items": [MASK]}));
        let body = shown(b"email=ada%40b.example&x=1 {\"to\":\"a@b\"");
        assert_eq!(body.text, format!("email={MASK}&x=1 {{\"to\":\"{MASK}\""));
        assert!(!body.readable && !body.cut);
    }

    #[test]
    fn keys_are_read_as_words() {
        for key in [
            "billingAddress",
            "billing_address",
            "BILLING-ADDRESS",
            "ip",
            "customerIPAddress",
            "tax_id",
            "cardLast4",
        ] {
            assert!(is_private(key), "{key}");
        }
        for key in [
            "id",
            "amount",
            "status",
            "description",
            "tip",
            "tax_amount",
            "shipping_lines",
            "discardable",
            "country",
        ] {
            assert!(!is_private(key), "{key}");
        }
    }

    #[test]
    fn a_long_body_is_cut_and_one_of_any_bytes_is_text() {
        let long = json!({"a": "x".repeat(SHOWN)}).to_string();
        assert!(shown(long.as_bytes()).cut);
        let odd = shown(&[0xff; 3 * UNREADABLE_SHOWN]);
        assert!(odd.cut && odd.text.len() <= UNREADABLE_SHOWN && !odd.readable);
        assert_eq!(shown(b"").text, "");
    }

    const PLAIN_KEYS: &[&str] = &["id", "amount", "status", "data", "object", "lines", "currency", "kind"];
    const PRIVATE_KEYS: &[&str] =
        &["name", "email", "billing_address", "cardNumber", "phone", "ip", "client_secret"];

    fn any_body() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            "[a-z]{1,8}".prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            Just(Value::Null),
        ];
        leaf.prop_recursive(5, 64, 6, |inner| {
            let key = prop_oneof![prop::sample::select(PLAIN_KEYS), prop::sample::select(PRIVATE_KEYS)];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::vec((key, inner), 0..6).prop_map(|pairs| {
                    Value::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
                }),
            ]
        })
    }

    /// Both have the same structure; what stands under a private key says nothing, all else is as it was.
    fn holds(before: &Value, after: &Value, private: bool) -> bool {
        match (before, after) {
            (Value::Object(before), Value::Object(after)) => {
                before.len() == after.len()
                    && before.iter().all(|(key, value)| {
                        let private = private || PRIVATE_KEYS.contains(&key.as_str());
                        after.get(key).is_some_and(|after| holds(value, after, private))
                    })
            }
            (Value::Array(before), Value::Array(after)) => {
                before.len() == after.len()
                    && before.iter().zip(after).all(|(before, after)| holds(before, after, private))
            }
            (Value::Null, after) => after.is_null(),
            (_, after) if private => *after == MASK,
            (before, after) => before == after,
        }
    }

    proptest! {
        #[test]
        fn nothing_under_a_private_key_is_left_and_everything_else_is(body in any_body()) {
            prop_assert!(holds(&body, &redacted(body.clone()), false), "{body}");
        }

        #[test]
        fn any_bytes_can_be_shown(body in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = shown(&body);
        }
    }
}
