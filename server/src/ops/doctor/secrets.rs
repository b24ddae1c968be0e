//! The secrets: long enough, real, each for one purpose, and readable by nobody else. They are read, never shown.

use std::collections::HashMap;

use secrecy::{ExposeSecret, SecretString};

use super::Check;
use crate::config::Mode;

const ID: &str = "secrets";

/// Shorter ones can be guessed.
const SHORTEST: usize = 16;

/// A variable, and how its text falls into secrets.
type Kind = (&'static str, fn(&str) -> Vec<&str>);

const KINDS: &[Kind] = &[
    ("AUREA_ADMIN_TOKEN", whole),
    ("AUREA_API_KEY", whole),
    ("AUREA_RECEIVE_KEYS", keys),
    ("POLAR_API_KEY", whole),
    ("POLAR_WEBHOOK_SECRET", parts),
    ("SHOPIFY_API_KEY", whole),
    ("SHOPIFY_WEBHOOK_SECRET", parts),
    ("STRIPE_API_KEY", whole),
    ("STRIPE_WEBHOOK_SECRET", parts),
    ("TTR_WEBHOOK_SECRET", parts),
    ("WHOP_API_KEY", whole),
    ("WHOP_WEBHOOK_SECRET", parts),
];

/// How the secrets begin that providers give out.
const BEGINNINGS: &[(&str, &[&str])] = &[
    ("POLAR_API_KEY", &["polar_oat_", "polar_pat_"]),
    ("SHOPIFY_API_KEY", &["shpat_", "shpss_"]),
    ("STRIPE_API_KEY", &["sk_", "rk_"]),
    ("STRIPE_WEBHOOK_SECRET", &["whsec_"]),
    ("WHOP_WEBHOOK_SECRET", &["ws_", "whsec_"]),
];

/// Who gives secrets out.
const GIVERS: &[(&str, &str)] =
    &[("POLAR_", "Polar"), ("SHOPIFY_", "Shopify"), ("STRIPE_", "Stripe"), ("WHOP_", "Whop")];

/// The secret of a Shopify app signs its deliveries and opens the API.
const OF_ONE_APP: (&str, &str) = ("SHOPIFY_API_KEY", "SHOPIFY_WEBHOOK_SECRET");

/// What people leave in the place of a secret.
const PLACEHOLDERS: &[&str] =
    &["…", "...", "changeme", "change-me", "change_me", "your", "xxxx", "todo", "<", "placeholder"];

fn whole(text: &str) -> Vec<&str> {
    vec![text]
}

fn parts(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// `key:funnel` each.
fn keys(text: &str) -> Vec<&str> {
    parts(text).into_iter().map(|pair| pair.rsplit_once(':').map_or(pair, |(key, _)| key)).collect()
}

/// One secret and the variable that brought it.
struct Secret {
    variable: &'static str,
    value: SecretString,
}

pub(super) fn check(env: &HashMap<String, String>, mode: Option<Mode>) -> Vec<Check> {
    let secrets: Vec<Secret> = KINDS.iter().flat_map(|kind| read(kind, env)).collect();
    let mut faults: Vec<Check> = secrets.iter().filter_map(|secret| of_one(secret, mode)).collect();
    faults.extend(repeated(&secrets));
    faults.extend(KINDS.iter().filter_map(|(variable, _)| of_file(variable, env)));
    if secrets.is_empty() {
        faults.push(Check::skipped(ID, "none is set"));
    } else if faults.is_empty() {
        faults.push(Check::ok(ID, format!("{} set, each for one purpose and long enough", secrets.len())));
    }
    faults.push(admin_token(&secrets));
    faults
}

fn read(&(variable, split): &Kind, env: &HashMap<String, String>) -> Vec<Secret> {
    let from_file = || std::fs::read_to_string(env.get(&format!("{variable}_FILE"))?).ok();
    let text = env.get(variable).cloned().or_else(from_file).unwrap_or_default();
    let text = text.trim();
    if text.is_empty() {
        return Vec::new();
    }
    split(text).into_iter().map(|value| Secret { variable, value: value.to_owned().into() }).collect()
}

fn of_one(secret: &Secret, mode: Option<Mode>) -> Option<Check> {
    let (variable, value) = (secret.variable, secret.value.expose_secret());
    let lower = value.to_ascii_lowercase();
    let given_by = GIVERS.iter().find(|it| variable.starts_with(it.0));
    let copy = match given_by {
        Some((_, giver)) => {
            format!("copy it anew from {giver}'s dashboard into {variable}, whole and without quotes")
        }
        None => format!("set {variable} to 32 random characters: openssl rand -hex 16"),
    };
    if PLACEHOLDERS.iter().any(|word| lower.contains(word)) {
        return Some(Check::fail(ID, format!("{variable} looks like a placeholder"), copy));
    }
    if value.contains(char::is_whitespace) || value.starts_with(['"', '\'']) {
        return Some(Check::fail(ID, format!("{variable} has a space or a quote in it"), copy));
    }
    if value.chars().count() < SHORTEST {
        let message = format!("{variable} has less than {SHORTEST} characters and can be guessed");
        return Some(Check::bad_in(mode, ID, message, copy));
    }
    if let Some((_, beginnings)) = BEGINNINGS.iter().find(|it| it.0 == variable)
        && !beginnings.iter().any(|beginning| value.starts_with(beginning))
    {
        let message = format!("{variable} does not begin with {}, as it should", beginnings.join(" or "));
        return Some(Check::warn(ID, message, copy));
    }
    let of_test_mode = ["sk_test_", "rk_test_"].iter().any(|beginning| value.starts_with(beginning));
    if of_test_mode && mode == Some(Mode::Production) {
        let message = format!("{variable} is of the provider's test mode: no money moves");
        return Some(Check::warn(ID, message, format!("set {variable} to a live key")));
    }
    None
}

/// Whoever learns a shared secret by one way can use it on the other.
fn repeated(secrets: &[Secret]) -> Option<Check> {
    let same = |a: &Secret, b: &Secret| {
        (a.variable, b.variable) != OF_ONE_APP && a.value.expose_secret() == b.value.expose_secret()
    };
    let pair = secrets.iter().enumerate().find_map(|(at, a)| {
        secrets[at + 1..].iter().find(|b| a.variable != b.variable && same(a, b)).map(|b| (a, b))
    });
    pair.map(|(a, b)| {
        let message = format!("{} and {} are the same secret", a.variable, b.variable);
        Check::fail(ID, message, format!("give each its own: set {} anew", a.variable))
    })
}

fn of_file(variable: &str, env: &HashMap<String, String>) -> Option<Check> {
    let name = format!("{variable}_FILE");
    let path = env.get(&name)?;
    if env.contains_key(variable) {
        let message = format!("{variable} and {name} are both set: the file is not read");
        return Some(Check::warn(ID, message, format!("unset one of the two, best {variable}")));
    }
    if !readable_by_others(path) {
        return None;
    }
    let message = format!("{name} points to a file that everybody on this machine can read");
    Some(Check::warn(ID, message, format!("chmod 600 {path}")))
}

#[cfg(unix)]
fn readable_by_others(path: &str) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn readable_by_others(_: &str) -> bool {
    false
}

fn admin_token(secrets: &[Secret]) -> Check {
    let id = "secrets.admin_token";
    if secrets.iter().any(|secret| secret.variable == "AUREA_ADMIN_TOKEN") {
        return Check::ok(id, "the owner's token is set");
    }
    Check::ok(id, "the link from the first start opens the owner's screens; ttr login makes a new one")
}
