//! The file with the environment laid over it, and where each value came from.

use std::collections::HashMap;

use serde_path_to_error as path_error;
use toml_edit::{Document, DocumentMut, Item, TableLike, Value};

use super::Fault;
use super::file::File;

/// The usual names of the environment and the keys they set.
const PLAIN_NAMES: &[(&str, &str)] = &[
    ("DATABASE_URL", "store.url"),
    ("LEPTOS_SITE_ADDR", "site.addr"),
    ("LEPTOS_SITE_ROOT", "site.root"),
    ("SITE_URL", "site.url"),
    ("TTR_MODE", "site.mode"),
    ("AUREA_FUNNEL_ID", "funnel.id"),
    ("AUREA_API_URL", "aurea.url"),
    ("TTR_WEBHOOK_URL", "webhooks.url"),
    ("WHOP_CHECKOUT_URL", "whop.checkout_url"),
    ("WHOP_PLAN_ID", "whop.plan_id"),
    ("WHOP_COMPANY_ID", "whop.company_id"),
    ("WHOP_API_URL", "whop.api_url"),
    ("STRIPE_CHECKOUT_URL", "stripe.checkout_url"),
    ("STRIPE_PRICE_ID", "stripe.price_id"),
    ("STRIPE_API_URL", "stripe.api_url"),
    ("POLAR_CHECKOUT_URL", "polar.checkout_url"),
    ("POLAR_PRODUCT_ID", "polar.product_id"),
    ("POLAR_API_URL", "polar.api_url"),
    ("SHOPIFY_CHECKOUT_URL", "shopify.checkout_url"),
    ("SHOPIFY_SHOP", "shopify.shop"),
    ("SHOPIFY_VARIANT_ID", "shopify.variant_id"),
    ("SHOPIFY_CLIENT_ID", "shopify.client_id"),
    ("SHOPIFY_API_URL", "shopify.api_url"),
];

/// Keys that somebody may write into the file by mistake, and where they belong.
const SECRET_KEYS: &[(&str, &str)] = &[
    ("whop.api_key", "WHOP_API_KEY"),
    ("whop.webhook_secret", "WHOP_WEBHOOK_SECRET"),
    ("stripe.api_key", "STRIPE_API_KEY"),
    ("stripe.webhook_secret", "STRIPE_WEBHOOK_SECRET"),
    ("polar.api_key", "POLAR_API_KEY"),
    ("polar.webhook_secret", "POLAR_WEBHOOK_SECRET"),
    ("shopify.api_key", "SHOPIFY_API_KEY"),
    ("shopify.webhook_secret", "SHOPIFY_WEBHOOK_SECRET"),
    ("aurea.api_key", "AUREA_API_KEY"),
    ("aurea.admin_token", "AUREA_ADMIN_TOKEN"),
    ("aurea.receive_keys", "AUREA_RECEIVE_KEYS"),
    ("webhooks.secret", "TTR_WEBHOOK_SECRET"),
    ("simulator.secret", "SIMULATOR_SECRET"),
];

/// File and environment.
pub(super) struct Layers {
    file_name: String,
    text: String,
    document: Document<String>,
    /// Key to variable, for what the environment set.
    from_env: HashMap<String, String>,
    merged: DocumentMut,
}

impl Layers {
    pub(super) fn new(
        file_name: &str,
        text: &str,
        env: &HashMap<String, String>,
    ) -> Result<Self, Vec<Fault>> {
        let document = Document::parse(text.to_owned()).map_err(|error| {
            let line = error.span().map_or(1, |span| line_at(text, span.start));
            vec![Fault { place: format!("{file_name}:{line}"), message: error.message().trim().to_owned() }]
        })?;
        let mut layers = Self {
            file_name: file_name.to_owned(),
            text: text.to_owned(),
            merged: document.clone().into_mut(),
            document,
            from_env: HashMap::new(),
        };
        let faults = layers.secrets_in_the_file();
        if !faults.is_empty() {
            return Err(faults);
        }
        for (variable, key, value) in overrides(env) {
            if !set(&mut layers.merged, &key, &value) {
                let message = format!("{key} is no key that can be set");
                return Err(vec![Fault { place: variable, message }]);
            }
            layers.from_env.insert(key, variable);
        }
        Ok(layers)
    }

    fn secrets_in_the_file(&self) -> Vec<Fault> {
        let found = SECRET_KEYS.iter().filter(|(key, _)| item(&self.document, key).is_some());
        found
            .map(|(key, variable)| Fault {
                place: self.place(key),
                message: format!(
                    "a secret does not belong into a file that is shared; set {variable} or {variable}_FILE"
                ),
            })
            .collect()
    }

    /// Reads the merged file; the first fault ends it, as what follows can't be told apart from its consequences.
    pub(super) fn read(&self) -> Result<File, Vec<Fault>> {
        let deserializer = toml_edit::de::Deserializer::from(self.merged.clone());
        path_error::deserialize(deserializer).map_err(|error| {
            let key = error.path().to_string();
            let message = error.inner().message().trim().to_owned();
            vec![Fault { place: self.place(&key), message }]
        })
    }

    /// Where a key's value came from: the variable, else file, line and key.
    pub(super) fn place(&self, key: &str) -> String {
        if let Some(variable) = self.from_env.get(key) {
            return variable.clone();
        }
        // A key that is missing is looked for in the table it should stand in.
        let mut known = key;
        loop {
            if let Some(span) = item(&self.document, known).and_then(Item::span) {
                return format!("{}:{}: {key}", self.file_name, line_at(&self.text, span.start));
            }
            match known.rsplit_once('.') {
                Some((parent, _)) => known = parent,
                None => return format!("{}: {key}", self.file_name),
            }
        }
    }
}

/// Variable, key and value; plain names come last and win.
fn overrides(env: &HashMap<String, String>) -> Vec<(String, String, String)> {
    let mut general: Vec<_> = env
        .iter()
        .filter_map(|(variable, value)| {
            let key = variable.strip_prefix("TTR__")?.to_ascii_lowercase().replace("__", ".");
            Some((variable.clone(), key, value.clone()))
        })
        .collect();
    general.sort();
    let plain = PLAIN_NAMES.iter().filter_map(|(variable, key)| {
        let value = env.get(*variable).filter(|value| !value.is_empty())?;
        Some(((*variable).to_owned(), (*key).to_owned(), value.clone()))
    });
    general.into_iter().chain(plain).collect()
}

/// A value keeps the type it has in the file; a new one is text unless it is a boolean or a list. False if there is no such place.
fn set(document: &mut DocumentMut, key: &str, text: &str) -> bool {
    let mut parts: Vec<&str> = key.split('.').collect();
    let Some(last) = parts.pop() else { return false };
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for part in parts {
        let item = table.entry(part).or_insert_with(toml_edit::table);
        match item.as_table_like_mut() {
            Some(inner) => table = inner,
            None => return false,
        }
    }
    let is_text = table.get(last).is_none_or(Item::is_str);
    let value = match text.parse::<Value>() {
        Ok(value) if !is_text || value.is_bool() || value.is_array() => value,
        _ => Value::from(text),
    };
    table.insert(last, Item::Value(value));
    true
}

fn item<'a>(document: &'a Document<String>, key: &str) -> Option<&'a Item> {
    let mut parts = key.split(['.', '[']).map(|part| part.trim_end_matches(']'));
    let mut item = document.as_table().get(parts.next()?)?;
    for part in parts {
        item = match part.parse::<usize>() {
            Ok(index) => item.get(index)?,
            Err(_) => item.get(part)?,
        };
    }
    Some(item)
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
