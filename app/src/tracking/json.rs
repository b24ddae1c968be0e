//! Writes JSON objects by hand: a general serializer would cost the page more bytes than the rest of the tracker.
//!
//! Promises: what comes out parses, whatever text goes in.

/// A JSON object under construction; keys are ours and need no escaping.
#[derive(Clone, Debug)]
pub struct Object(String);

impl Default for Object {
    fn default() -> Self {
        Self::new()
    }
}

impl Object {
    /// `{}`
    pub fn new() -> Self {
        Self(String::from("{"))
    }

    /// A text.
    #[must_use]
    pub fn text(mut self, key: &str, value: &str) -> Self {
        self.key(key);
        quote(&mut self.0, value);
        self
    }

    /// A whole number.
    #[must_use]
    pub fn number(self, key: &str, value: u64) -> Self {
        self.raw(key, &value.to_string())
    }

    /// A value that is JSON already.
    #[must_use]
    pub fn raw(mut self, key: &str, json: &str) -> Self {
        self.key(key);
        self.0.push_str(json);
        self
    }

    /// The finished text.
    pub fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }

    fn key(&mut self, key: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(key);
        self.0.push_str("\":");
    }
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\0'..='\x1f' => {
                out.push_str("\\u00");
                for half in [c as u8 >> 4, c as u8 & 0x0f] {
                    out.push(char::from(b"0123456789abcdef"[usize::from(half)]));
                }
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn an_object_holds_what_was_put_in() {
        assert_eq!(Object::new().finish(), "{}");
        let object = Object::new().text("a", "b").number("n", u64::MAX).raw("o", r#"{"p":true}"#).finish();
        let value: Value = serde_json::from_str(&object).unwrap_or_default();
        assert_eq!(value, json!({ "a": "b", "n": u64::MAX, "o": { "p": true } }));
    }

    proptest! {
        #[test]
        fn any_text_comes_back_unchanged(text: String) {
            let value: Value = serde_json::from_str(&Object::new().text("t", &text).finish()).unwrap_or_default();
            prop_assert_eq!(value, json!({ "t": text }));
        }
    }
}
