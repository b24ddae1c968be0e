//! Secrets: from the environment, or from the file that `NAME_FILE` points to. Never from `Leptos.toml`.

use std::collections::HashMap;

use secrecy::SecretString;

use super::Fault;
use super::providers::NAMES;

/// What must not show anywhere.
#[derive(Default)]
pub(super) struct Secrets {
    /// By the provider's name.
    providers: HashMap<&'static str, OfProvider>,
    pub(super) admin_token: Option<SecretString>,
    pub(super) aurea_api_key: Option<SecretString>,
    pub(super) webhook_secrets: Vec<String>,
    pub(super) simulator: Option<SecretString>,
    /// Key and funnel.
    pub(super) receive_keys: Vec<(SecretString, String)>,
}

/// A provider's secrets.
#[derive(Clone, Default)]
pub(super) struct OfProvider {
    /// `…_WEBHOOK_SECRET`, several while rotating. The provider is on when there is one.
    pub(super) webhook: Vec<SecretString>,
    /// `…_API_KEY`.
    pub(super) api_key: Option<SecretString>,
}

impl Secrets {
    pub(super) fn read(env: &HashMap<String, String>, faults: &mut Vec<Fault>) -> Self {
        let mut secret = |name: &str| secret(name, env, faults);
        let mut of_provider = |name: &&'static str| {
            let prefix = name.to_ascii_uppercase();
            let webhook = secret(&format!("{prefix}_WEBHOOK_SECRET")).map(|text| list(&text));
            let webhook = webhook.unwrap_or_default().into_iter().map(Into::into).collect();
            let api_key = secret(&format!("{prefix}_API_KEY")).map(Into::into);
            (*name, OfProvider { webhook, api_key })
        };
        let providers = NAMES.iter().map(&mut of_provider).collect();
        let admin_token = secret("AUREA_ADMIN_TOKEN").map(Into::into);
        let aurea_api_key = secret("AUREA_API_KEY").map(Into::into);
        let webhook_secrets = secret("TTR_WEBHOOK_SECRET").map(|text| list(&text)).unwrap_or_default();
        let simulator = secret("SIMULATOR_SECRET").map(Into::into);
        let pairs = secret("AUREA_RECEIVE_KEYS").map(|text| list(&text)).unwrap_or_default();
        let mut receive_keys = Vec::new();
        for pair in pairs {
            match pair.rsplit_once(':') {
                Some((key, funnel)) if !key.is_empty() => {
                    receive_keys.push((key.to_owned().into(), funnel.to_owned()));
                }
                _ => faults.push(Fault {
                    place: "AUREA_RECEIVE_KEYS".into(),
                    message: "must be key:funnel, several of them with commas between".into(),
                }),
            }
        }
        Self { providers, admin_token, aurea_api_key, webhook_secrets, simulator, receive_keys }
    }

    /// The secrets of a provider, if it is on.
    pub(super) fn of(&self, provider: &str) -> Option<&OfProvider> {
        self.providers.get(provider).filter(|secrets| !secrets.webhook.is_empty())
    }
}

fn secret(name: &str, env: &HashMap<String, String>, faults: &mut Vec<Fault>) -> Option<String> {
    let file_name = format!("{name}_FILE");
    let text = match (env.get(name), env.get(&file_name)) {
        (Some(text), _) => text.clone(),
        (None, Some(path)) => match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                faults.push(Fault { place: file_name, message: format!("{path} can't be read: {error}") });
                return None;
            }
        },
        (None, None) => return None,
    };
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}
