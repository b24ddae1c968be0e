//! What an event says, wherever it is found: in what was sent, in the store, at the remote Aurea.

use serde_json::{Map, Value, json};

use crate::dice::hash;

/// An event without its id.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Content {
    pub(crate) name: String,
    pub(crate) properties: Map<String, Value>,
    pub(crate) session: String,
    pub(crate) visitor: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) referrer: Option<String>,
    pub(crate) index: Option<i64>,
    pub(crate) timestamp: i64,
}

impl Content {
    /// As it is posted.
    pub(crate) fn json(&self, event_id: &str) -> Value {
        json!({
            "eventId": event_id, "eventName": self.name, "properties": self.properties, "timestamp": self.timestamp,
            "context": {
                "user": {"anonymousId": self.visitor},
                "session": {"sessionId": self.session, "index": self.index},
                "page": {"url": self.url, "referrer": self.referrer},
            },
        })
    }

    /// Reads an event that was posted, and its id.
    pub(crate) fn read(event: &Value) -> Option<(String, Self)> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let around = &event["context"];
        let content = Self {
            name: text(&event["eventName"])?,
            properties: event["properties"].as_object()?.clone(),
            session: text(&around["session"]["sessionId"])?,
            visitor: text(&around["user"]["anonymousId"]),
            url: text(&around["page"]["url"]),
            referrer: text(&around["page"]["referrer"]),
            index: around["session"]["index"].as_i64(),
            timestamp: event["timestamp"].as_i64()?,
        };
        Some((text(&event["eventId"])?, content))
    }

    /// Tells it from every other content.
    pub(crate) fn hash(&self) -> u64 {
        let mut text = String::new();
        write(&mut text, &self.json(""));
        hash(&text)
    }
}

/// JSON with its keys in order.
fn write(text: &mut String, value: &Value) {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            for (key, value) in fields {
                text.push_str(key);
                write(text, value);
            }
            text.push('}');
        }
        Value::Array(list) => {
            for value in list {
                write(text, value);
            }
            text.push(']');
        }
        other => text.push_str(&other.to_string()),
    }
    text.push(',');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_posted_reads_back_as_it_was_and_any_change_shows() {
        let content = Content {
            name: "x".into(),
            properties: [("a".to_owned(), json!({"b": [1, "ü"]}))].into_iter().collect(),
            session: "s".into(),
            visitor: Some("v".into()),
            url: Some("https://ttr.example/".into()),
            index: Some(3),
            timestamp: 7,
            ..Content::default()
        };
        assert_eq!(Content::read(&content.json("e")), Some(("e".to_owned(), content.clone())));
        let mut other = content.clone();
        other.properties["a"]["b"][0] = json!(2);
        assert_ne!(content.hash(), other.hash());
        assert_ne!(content.hash(), Content { referrer: Some("https://x.example/".into()), ..content }.hash());
    }
}
