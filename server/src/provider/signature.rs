//! Verifies that a delivery is authentic: HMAC-SHA256 over the raw body, compared in constant time.
//!
//! One verifier for every scheme: a scheme only says which text was signed and how the signatures are written. Several
//! keys are tried, so that a secret can be rotated without refusing anything.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

use crate::domain::Millis;

/// How far a signed time may lie from ours, both ways, in seconds (Standard Webhooks, Stripe, Whop).
const TOLERANCE_SECONDS: i64 = 300;

/// How secrets are decoded: with or without padding, as the libraries of Standard Webhooks do.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A shorter key could be found by trying, bytes.
const SHORTEST_KEY: usize = 16;
/// Bytes of a signature.
const LENGTH: usize = 32;

/// A key that deliveries may be signed with.
#[derive(Clone, Debug)]
pub struct Key(SecretSlice<u8>);

impl Key {
    /// The UTF-8 bytes of the whole secret, prefix included: how Whop and Stripe sign.
    pub fn raw(secret: &str) -> Self {
        Self(secret.trim().as_bytes().to_vec().into())
    }

    /// The bytes that stand in base64 behind `prefix`: how Standard Webhooks signs. None if what stands there is no sound
    /// key.
    pub fn encoded(secret: &str, prefix: &str) -> Option<Self> {
        let bytes = LENIENT.decode(secret.trim().strip_prefix(prefix)?).ok()?;
        (bytes.len() >= SHORTEST_KEY).then(|| Self(bytes.into()))
    }

    fn signed(&self, signed_text: &[&[u8]], signature: &[u8]) -> bool {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()) else {
            return false;
        };
        for part in signed_text {
            mac.update(part);
        }
        mac.verify_slice(signature).is_ok()
    }
}

/// Why a delivery is not authentic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A header that the scheme needs is not there.
    #[error("the signature headers are missing")]
    Missing,
    /// A header is not of the scheme's form, or there twice.
    #[error("the signature headers are malformed")]
    Malformed,
    /// Signed too long ago, or in the future.
    #[error("the signature is older or newer than five minutes")]
    Stale,
    /// No key made it.
    #[error("the signature does not match")]
    Wrong,
}

/// Takes a header that is there once: of two, somebody else may have read the other.
fn header<'a>(headers: &'a HeaderMap, header_name: &str) -> Result<&'a str, Rejection> {
    let mut values = headers.get_all(header_name).iter();
    let value = values.next().ok_or(Rejection::Missing)?;
    if values.next().is_some() {
        return Err(Rejection::Malformed);
    }
    value.to_str().map_err(|_| Rejection::Malformed)
}

/// Takes digits only, the first of them no zero: a sign, a space or a zero would let two texts stand for one time.
fn seconds(text: &str, now: Millis) -> Result<i64, Rejection> {
    let digits = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    let signed_at: i64 = digits.then(|| text.parse().ok()).flatten().ok_or(Rejection::Malformed)?;
    if (now / 1000).abs_diff(signed_at) > TOLERANCE_SECONDS.unsigned_abs() {
        return Err(Rejection::Stale);
    }
    Ok(signed_at)
}

/// Signatures of a length that no key makes are none.
fn any_matches(keys: &[Key], signed_text: &[&[u8]], signatures: &[Vec<u8>]) -> Result<(), Rejection> {
    if !signatures.iter().any(|signature| signature.len() == LENGTH) {
        return Err(Rejection::Malformed);
    }
    let matches = |key: &Key| signatures.iter().any(|signature| key.signed(signed_text, signature));
    if keys.iter().any(matches) { Ok(()) } else { Err(Rejection::Wrong) }
}

/// Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,<base64> …`; signed is
/// `{id}.{timestamp}.{body}`. Gives the delivery's id. Unknown signature versions are skipped.
pub fn standard_webhooks(
    headers: &HeaderMap,
    body: &[u8],
    keys: &[Key],
    now: Millis,
) -> Result<String, Rejection> {
    let id = header(headers, "webhook-id")?;
    let signed_at = seconds(header(headers, "webhook-timestamp")?, now)?.to_string();
    let signatures: Vec<Vec<u8>> = header(headers, "webhook-signature")?
        .split(' ')
        .filter_map(|entry| entry.strip_prefix("v1,"))
        .filter_map(|signature| STANDARD.decode(signature).ok())
        .collect();
    any_matches(keys, &[id.as_bytes(), b".", signed_at.as_bytes(), b".", body], &signatures)?;
    Ok(id.to_owned())
}

/// In the one way of writing it: a signature with a letter changed to its capital is another text.
fn lower_hex(text: &str) -> Option<Vec<u8>> {
    let lower = text.bytes().all(|byte| !byte.is_ascii_uppercase());
    lower.then(|| hex::decode(text).ok()).flatten()
}

/// `t=<seconds>,v1=<hex>[,v1=<hex>]` in one header; signed is `{t}.{body}`. Schemes other than `v1` are ignored.
pub fn timestamped_hex(
    headers: &HeaderMap,
    header_name: &str,
    body: &[u8],
    keys: &[Key],
    now: Millis,
) -> Result<(), Rejection> {
    let pairs: Vec<(&str, &str)> =
        header(headers, header_name)?.split(',').filter_map(|pair| pair.trim().split_once('=')).collect();
    let (_, time) = pairs.iter().find(|(key, _)| *key == "t").ok_or(Rejection::Malformed)?;
    let signed_at = seconds(time, now)?.to_string();
    let signatures: Vec<Vec<u8>> =
        pairs.iter().filter(|(key, _)| *key == "v1").filter_map(|(_, text)| lower_hex(text)).collect();
    any_matches(keys, &[signed_at.as_bytes(), b".", body], &signatures)
}

/// The base64 of the body's own HMAC in one header (Shopify). No time is signed, so that a copy is as authentic as the
/// first.
pub fn base64_of_body(
    headers: &HeaderMap,
    header_name: &str,
    body: &[u8],
    keys: &[Key],
) -> Result<(), Rejection> {
    let signature = STANDARD.decode(header(headers, header_name)?).map_err(|_| Rejection::Malformed)?;
    any_matches(keys, &[body], &[signature])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Millis = 1_703_001_200_000;
    const BODY: &[u8] = br#"{"type":"payment.succeeded"}"#;

    /// Signed by the official Rust library, keyed as Whop documents: the bytes of the whole secret.
    fn signed_by_the_library(secret: &str, seconds: i64) -> HeaderMap {
        let library = standardwebhooks::Webhook::from_bytes(secret.as_bytes().to_vec()).unwrap();
        let signature = library.sign("msg_1", seconds, BODY).unwrap();
        headers(&[
            ("webhook-id", "msg_1"),
            ("webhook-timestamp", &seconds.to_string()),
            ("webhook-signature", &signature),
        ])
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(key, value)| (key.parse::<axum::http::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn what_the_official_library_signs_is_authentic() {
        let headers = signed_by_the_library("ws_secret", NOW / 1000);
        assert_eq!(standard_webhooks(&headers, BODY, &[Key::raw("ws_secret")], NOW), Ok("msg_1".into()));
        let rotating = [Key::raw("ws_new"), Key::raw(" ws_secret\n")];
        assert_eq!(standard_webhooks(&headers, BODY, &rotating, NOW), Ok("msg_1".into()));
    }

    #[test]
    fn another_key_body_id_or_time_is_refused() {
        let keys = [Key::raw("ws_secret")];
        let good = signed_by_the_library("ws_secret", NOW / 1000);
        assert_eq!(standard_webhooks(&good, BODY, &[Key::raw("ws_other")], NOW), Err(Rejection::Wrong));
        assert_eq!(standard_webhooks(&good, b"{}", &keys, NOW), Err(Rejection::Wrong));
        assert_eq!(standard_webhooks(&good, BODY, &[], NOW), Err(Rejection::Wrong));
        let others = signed_by_the_library("ws_other", NOW / 1000)["webhook-signature"].clone();
        for (field, value) in [
            ("webhook-id", "msg_2"),
            ("webhook-timestamp", "1703001201"),
            ("webhook-signature", others.to_str().unwrap()),
        ] {
            let mut changed = good.clone();
            changed.insert(field, value.parse().unwrap());
            assert_eq!(standard_webhooks(&changed, BODY, &keys, NOW), Err(Rejection::Wrong), "{field}");
        }
        for field in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            let mut missing = good.clone();
            missing.remove(field);
            assert_eq!(standard_webhooks(&missing, BODY, &keys, NOW), Err(Rejection::Missing), "{field}");
        }
    }

    #[test]
    fn what_can_be_no_signature_or_stands_there_twice_is_malformed() {
        let keys = [Key::raw("ws_secret")];
        let good = signed_by_the_library("ws_secret", NOW / 1000);
        let signature = good["webhook-signature"].to_str().unwrap();
        for odd in ["", "v1,", "v1,AAAA", &signature[..signature.len() - 4], &signature.replace("v1,", "v2,")]
        {
            let mut changed = good.clone();
            changed.insert("webhook-signature", odd.parse().unwrap());
            assert_eq!(standard_webhooks(&changed, BODY, &keys, NOW), Err(Rejection::Malformed), "{odd}");
        }
        for field in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            let mut twice = good.clone();
            twice.append(field, good[field].clone());
            assert_eq!(standard_webhooks(&twice, BODY, &keys, NOW), Err(Rejection::Malformed), "{field}");
        }
    }

    #[test]
    fn five_minutes_are_the_limit_both_ways() {
        for (offset, expected) in [
            (300, Ok("msg_1".to_owned())),
            (-300, Ok("msg_1".to_owned())),
            (301, Err(Rejection::Stale)),
            (-301, Err(Rejection::Stale)),
        ] {
            let headers = signed_by_the_library("ws_secret", NOW / 1000 + offset);
            assert_eq!(
                standard_webhooks(&headers, BODY, &[Key::raw("ws_secret")], NOW),
                expected,
                "{offset}"
            );
        }
    }

    #[test]
    fn a_time_that_is_not_digits_is_malformed() {
        for time in [
            "",
            "abc",
            "-1",
            "+1703001200",
            " 1703001200",
            "01703001200",
            "1703001200.5",
            "99999999999999999999",
        ] {
            let mut changed = signed_by_the_library("ws_secret", NOW / 1000);
            changed.insert("webhook-timestamp", time.parse().unwrap());
            assert_eq!(
                standard_webhooks(&changed, BODY, &[Key::raw("ws_secret")], NOW),
                Err(Rejection::Malformed),
                "{time}"
            );
        }
    }

    #[test]
    fn the_one_header_scheme_takes_any_v1_and_ignores_the_rest() {
        // HMAC-SHA256("ws_secret", "1703001200." + BODY), computed with OpenSSL.
        let hex = "d998ba967363562190bbba86567b2f7a0b70bcd83d9982e91b86c28e14e25ef8";
        let check = |value: &str| {
            timestamped_hex(
                &headers(&[("x-whop-signature", value)]),
                "x-whop-signature",
                BODY,
                &[Key::raw("ws_secret")],
                NOW,
            )
        };
        assert_eq!(check(&format!("t=1703001200,v1={hex}")), Ok(()));
        assert_eq!(check(&format!("t=1703001200,v1=00,v1={hex},v0=ff")), Ok(()));
        assert_eq!(check(&format!("t=1703001200,v1={}", hex.replace('d', "c"))), Err(Rejection::Wrong));
        assert_eq!(check(&format!("t=1703001200,v0={hex}")), Err(Rejection::Malformed));
        assert_eq!(check(&format!("t=1703001200,v1={}", &hex[..62])), Err(Rejection::Malformed));
        assert_eq!(check(&format!("t=1703001200,v1={}", hex.to_uppercase())), Err(Rejection::Malformed));
        assert_eq!(check(&format!("v1={hex}")), Err(Rejection::Malformed));
        assert_eq!(check(&format!("t=01703001200,v1={hex}")), Err(Rejection::Malformed));
        assert_eq!(check(&format!("t=1703000000,v1={hex}")), Err(Rejection::Stale));
    }

    #[test]
    fn a_key_in_base64_is_decoded_if_it_is_a_sound_one() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let library = standardwebhooks::Webhook::new(secret).unwrap();
        let seconds = NOW / 1000;
        let good = headers(&[
            ("webhook-id", "msg_1"),
            ("webhook-timestamp", &seconds.to_string()),
            ("webhook-signature", &library.sign("msg_1", seconds, BODY).unwrap()),
        ]);
        let key = Key::encoded(&format!(" {secret}\n"), "whsec_").unwrap();
        assert_eq!(standard_webhooks(&good, BODY, &[key], NOW), Ok("msg_1".into()));
        assert_eq!(standard_webhooks(&good, BODY, &[Key::raw(secret)], NOW), Err(Rejection::Wrong));
        let unpadded = Key::encoded("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "whsec_");
        assert!(unpadded.is_some());
        for no_key in
            ["whsec_", "whsec_AAAA", "whsec_not base64 at all, but long", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
        {
            assert!(Key::encoded(no_key, "whsec_").is_none(), "{no_key}");
        }
    }

    #[test]
    fn a_body_is_signed_by_its_own_hmac() {
        // printf '%s' "$BODY" | openssl dgst -sha256 -hmac hush -binary | base64
        let signature = "3FLy21zDuX2zapT/FkOv1LIVV7c8WHGDNq5TkXY7x4g=";
        let check = |value: &str, body: &[u8], secrets: &[&str]| {
            let keys: Vec<Key> = secrets.iter().map(|secret| Key::raw(secret)).collect();
            base64_of_body(&headers(&[("x-signature", value)]), "x-signature", body, &keys)
        };
        assert_eq!(check(signature, BODY, &["new", "hush"]), Ok(()));
        assert_eq!(check(signature, BODY, &["other"]), Err(Rejection::Wrong));
        assert_eq!(check(signature, b"{}", &["hush"]), Err(Rejection::Wrong));
        assert_eq!(check(&signature[4..], BODY, &["hush"]), Err(Rejection::Malformed));
        assert_eq!(check("no base64", BODY, &["hush"]), Err(Rejection::Malformed));
        let missing = base64_of_body(&HeaderMap::new(), "x-signature", BODY, &[Key::raw("hush")]);
        assert_eq!(missing, Err(Rejection::Missing));
    }

    fn hmac(secret: &str, parts: &[&[u8]]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().to_vec()
    }

    /// A scheme: the headers that make a body authentic, and whether it takes headers and a body.
    type Scheme = (fn(&[u8]) -> Vec<(&'static str, String)>, fn(&HeaderMap, &[u8], &[Key]) -> bool);

    const SCHEMES: [Scheme; 3] = [
        (
            |body| {
                let signature = hmac("ws_secret", &[b"msg_1.1703001200.", body]);
                vec![
                    ("webhook-id", "msg_1".to_owned()),
                    ("webhook-timestamp", "1703001200".to_owned()),
                    ("webhook-signature", format!("v1,{}", STANDARD.encode(signature))),
                ]
            },
            |headers, body, keys| standard_webhooks(headers, body, keys, NOW).is_ok(),
        ),
        (
            |body| {
                let signature = hex::encode(hmac("ws_secret", &[b"1703001200.", body]));
                vec![("x-signature", format!("t=1703001200,v1={signature}"))]
            },
            |headers, body, keys| timestamped_hex(headers, "x-signature", body, keys, NOW).is_ok(),
        ),
        (
            |body| vec![("x-signature", STANDARD.encode(hmac("ws_secret", &[body])))],
            |headers, body, keys| base64_of_body(headers, "x-signature", body, keys).is_ok(),
        ),
    ];

    /// Another byte that a header may hold.
    fn other(byte: u8, by: u8) -> u8 {
        0x21 + (byte - 0x21 + 1 + by % 93) % 94
    }

    proptest! {
        /// Of any bytes, text or not, and at every place of body and headers.
        #[test]
        fn a_byte_changed_anywhere_is_refused(
            body in proptest::collection::vec(any::<u8>(), 0..200),
            by in any::<u8>(),
        ) {
            let keys = [Key::raw("ws_secret")];
            for (sign, takes) in SCHEMES {
                let signed = sign(&body);
                let written = |pairs: &[(&'static str, String)]| {
                    headers(&pairs.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>())
                };
                prop_assert!(takes(&written(&signed), &body, &keys));
                for at in 0..body.len() {
                    let mut changed = body.clone();
                    changed[at] ^= by.max(1);
                    prop_assert!(!takes(&written(&signed), &changed, &keys), "the body at {}", at);
                }
                for (field, (name, value)) in signed.iter().enumerate() {
                    for (at, byte) in value.bytes().enumerate() {
                        let mut changed = signed.clone();
                        changed[field].1.replace_range(at..=at, &char::from(other(byte, by)).to_string());
                        prop_assert!(!takes(&written(&changed), &body, &keys), "{} at {}", name, at);
                    }
                }
            }
        }
    }
}
