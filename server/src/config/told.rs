//! Who is told of what happens: a remote Aurea, the owner's endpoint for webhooks.

use std::collections::BTreeSet;

use secrecy::ExposeSecret as _;
use url::Url;

use super::secrets::Secrets;
use super::{Fault, Faults, Mode, Site, file, is_loopback, web_url};
use crate::outbox::reach::Reach;
use crate::outbox::{aurea, webhooks};

/// Forwarding is on when the remote Aurea's address is set.
pub(super) fn aurea(
    file: &file::Aurea,
    secrets: &Secrets,
    mode: Option<Mode>,
    site: Option<&Site>,
    faults: &mut Faults<'_>,
) -> Option<aurea::Settings> {
    let key = &secrets.aurea_api_key;
    let Some(text) = &file.url else {
        told_to_nobody("AUREA_API_KEY", "AUREA_API_URL", key.is_some(), mode, faults);
        return None;
    };
    let url = remote("aurea.url", text, mode, site, faults)?;
    if url.query().is_some() {
        faults.add("aurea.url", "must be an address such as https://host/api, without a query");
        return None;
    }
    let mut fault_of_the_key = |message: &str| {
        faults.list.push(Fault { place: "AUREA_API_KEY".into(), message: message.into() });
    };
    let Some(key) = key.clone() else {
        fault_of_the_key("is needed with AUREA_API_URL: the remote Aurea takes nothing without it");
        return None;
    };
    if !key.expose_secret().bytes().all(|byte| byte.is_ascii_graphic()) {
        fault_of_the_key("must be visible ASCII characters without spaces");
        return None;
    }
    if secrets.receive_keys.iter().any(|(own, _)| own.expose_secret() == key.expose_secret()) {
        fault_of_the_key(
            "is one of AUREA_RECEIVE_KEYS, which open this site: set one of the remote Aurea's, and give each its own",
        );
        return None;
    }
    Some(aurea::Settings { url, key, reach: reach(mode) })
}

/// Webhooks are on when their address is set.
pub(super) fn webhooks(
    file: file::Webhooks,
    secrets: &Secrets,
    mode: Option<Mode>,
    site: Option<&Site>,
    faults: &mut Faults<'_>,
) -> Option<webhooks::Settings> {
    let texts = &secrets.webhook_secrets;
    let Some(text) = &file.url else {
        told_to_nobody("TTR_WEBHOOK_SECRET", "TTR_WEBHOOK_URL", !texts.is_empty(), mode, faults);
        return None;
    };
    let url = remote("webhooks.url", text, mode, site, faults)?;
    let names: BTreeSet<String> = file.events.into_iter().collect();
    if names.is_empty() || names.contains("") {
        faults.add("webhooks.events", "must be names of events; remove it to be told of the money");
        return None;
    }
    let parsed: Result<Vec<_>, _> = texts.iter().map(|text| webhooks::Secret::parse(text)).collect();
    let secrets = match parsed {
        Ok(secrets) if !secrets.is_empty() => secrets,
        // One that is not there is no secret either.
        _ => {
            let fault = Fault { place: "TTR_WEBHOOK_SECRET".into(), message: webhooks::NoSecret.to_string() };
            faults.list.push(fault);
            return None;
        }
    };
    Some(webhooks::Settings { url, secrets, events: names.into_iter().collect(), reach: reach(mode) })
}

/// While developing a secret may stay when its address is taken out; in production somebody forgot the address.
fn told_to_nobody(secret: &str, address: &str, is_set: bool, mode: Option<Mode>, faults: &mut Faults<'_>) {
    if is_set && mode == Some(Mode::Production) {
        let message =
            format!("is of no use without {address}: nothing would be told; set that too, or remove this");
        faults.list.push(Fault { place: secret.into(), message });
    }
}

fn reach(mode: Option<Mode>) -> Reach {
    if mode == Some(Mode::Production) { Reach::Public } else { Reach::Anywhere }
}

/// An address that can be told something.
fn remote(
    key: &str,
    text: &str,
    mode: Option<Mode>,
    site: Option<&Site>,
    faults: &mut Faults<'_>,
) -> Option<Url> {
    let url = web_url(key, text, mode, faults)?;
    let fault = if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        "must be an address such as https://host/path, without user and fragment"
    } else if site.is_some_and(|site| is_itself(&url, site)) {
        "is this site itself: it would tell itself; set the address of somebody else, or remove it"
    } else if !reach(mode).may_allow(&url) {
        "must be a public address in production, not one of this machine or a private network"
    } else {
        return Some(url);
    };
    faults.add(key, fault);
    None
}

/// By its public origin, or by any name that this machine has for itself.
fn is_itself(url: &Url, site: &Site) -> bool {
    let port = url.port_or_known_default();
    let same_machine = is_loopback(url)
        && (port == Some(site.addr.port())
            || is_loopback(&site.url) && port == site.url.port_or_known_default());
    site.url.origin() == url.origin() || same_machine
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn events_are_forwarded_when_the_remote_aurea_has_an_address_and_a_key() {
        let aurea = |env: &[(&str, &str)]| parse(&[], env).map(|config| config.aurea);
        let both = [("AUREA_API_URL", "https://aurea.example/api"), ("AUREA_API_KEY", "k")];
        assert_eq!(aurea(&both).unwrap().unwrap().url.as_str(), "https://aurea.example/api");
        assert!(aurea(&[]).unwrap().is_none());
        assert!(aurea(&both[1..]).unwrap().is_none(), "a key alone does no harm while developing");
        let local = [("AUREA_API_URL", "http://127.0.0.1:4000/api"), ("AUREA_API_KEY", "k")];
        assert!(aurea(&local).unwrap().is_some());
        assert!(aurea(&both[..1]).unwrap_err()[0].starts_with("AUREA_API_KEY: is needed"));
        for (url, fault) in [
            ("aurea.example/api", "relative URL"),
            ("ftp://aurea.example/api", "must be an https address"),
            ("https://me@aurea.example/api", "without user"),
            ("https://aurea.example/api?key=1", "without a query"),
            ("http://127.0.0.1:3000/api", "is this site itself"),
            ("http://localhost:3000/api", "is this site itself"),
            ("http://[::1]:3000/api", "is this site itself"),
            ("https://LOCALHOST:3000/api", "is this site itself"),
        ] {
            let faults = aurea(&[("AUREA_API_URL", url), ("AUREA_API_KEY", "k")]).unwrap_err();
            assert!(
                faults[0].starts_with("AUREA_API_URL: ") && faults[0].contains(fault),
                "{url}: {faults:?}"
            );
        }
        let own = aurea(&[both[0], both[1], ("AUREA_RECEIVE_KEYS", "other:a,k:b")]).unwrap_err();
        assert!(own[0].starts_with("AUREA_API_KEY: is one of AUREA_RECEIVE_KEYS"), "{own:?}");
        let odd = aurea(&[both[0], ("AUREA_API_KEY", "two words")]).unwrap_err();
        assert!(odd[0].starts_with("AUREA_API_KEY: must be visible"), "{odd:?}");
    }

    #[test]
    fn production_forwards_to_a_public_https_address_only() {
        let aurea = |env: &[(&str, &str)]| {
            let production = [
                ("SITE_URL", "https://ttr.example"),
                ("WHOP_WEBHOOK_SECRET", "ws"),
                ("WHOP_PLAN_ID", "plan_1"),
            ];
            parse(&[], &[&production, env].concat()).map(|config| config.aurea.is_some())
        };
        let key = ("AUREA_API_KEY", "k");
        assert_eq!(aurea(&[("AUREA_API_URL", "https://aurea.example/api"), key]), Ok(true));
        assert!(aurea(&[key]).unwrap_err()[0].contains("of no use without AUREA_API_URL"));
        for url in [
            "http://aurea.example/api",
            "https://ttr.example/api",
            "https://localhost/api",
            "https://10.0.0.1/api",
            "https://192.168.1.1/api",
            "https://169.254.169.254/api",
            "https://0x7f.1/api",
            "https://[::1]/api",
            "https://[fd00::1]/api",
            "https://[::ffff:127.0.0.1]/api",
        ] {
            let faults = aurea(&[("AUREA_API_URL", url), key]).unwrap_err();
            assert!(faults.len() == 1 && faults[0].starts_with("AUREA_API_URL: "), "{url}: {faults:?}");
        }
    }

    const OWN: [(&str, &str); 2] =
        [("TTR_WEBHOOK_URL", "https://owner.example/hooks?of=ttr"), ("TTR_WEBHOOK_SECRET", SECRET)];

    #[test]
    fn webhooks_are_on_when_they_have_an_address_and_a_secret() {
        let webhooks = |env: &[(&str, &str)]| parse(&[], env).map(|config| config.webhooks);
        let settings = webhooks(&OWN).unwrap().unwrap();
        assert_eq!(settings.url.as_str(), OWN[0].1);
        assert!(settings.events.iter().any(|name| name == "checkout_completed"));
        assert!(webhooks(&[]).unwrap().is_none());
        assert!(webhooks(&OWN[1..]).unwrap().is_none(), "a secret alone does no harm while developing");
        let two = format!("{SECRET}, {SECRET}");
        assert_eq!(webhooks(&[OWN[0], ("TTR_WEBHOOK_SECRET", &two)]).unwrap().unwrap().secrets.len(), 2);
        for secret in ["", "canary", "whsec_canary", &format!("{SECRET},canary")] {
            let faults = webhooks(&[OWN[0], ("TTR_WEBHOOK_SECRET", secret)]).unwrap_err();
            assert!(faults[0].starts_with("TTR_WEBHOOK_SECRET: must be whsec_"), "{faults:?}");
            assert!(!faults[0].contains("canary"), "{faults:?}");
        }
        for url in ["owner.example", "https://me@owner.example", "http://localhost:3000/hooks"] {
            let faults = webhooks(&[("TTR_WEBHOOK_URL", url), OWN[1]]).unwrap_err();
            assert!(faults[0].starts_with("TTR_WEBHOOK_URL: "), "{url}: {faults:?}");
        }
    }

    #[test]
    fn the_owner_chooses_of_what_they_are_told() {
        let told = |events| parse(&[], &[OWN[0], OWN[1], ("TTR__WEBHOOKS__EVENTS", events)]);
        let settings =
            told("[\"faq_opened\", \"checkout_completed\", \"faq_opened\"]").unwrap().webhooks.unwrap();
        assert_eq!(*settings.events, ["checkout_completed", "faq_opened"]);
        for wrong in ["[]", "[\"\"]"] {
            let faults = told(wrong).unwrap_err();
            assert!(faults[0].starts_with("TTR__WEBHOOKS__EVENTS: must be names"), "{faults:?}");
        }
    }

    #[test]
    fn production_sends_webhooks_to_a_public_https_address_only() {
        let faults = |env: &[(&str, &str)]| {
            let production = [
                ("SITE_URL", "https://ttr.example"),
                ("WHOP_WEBHOOK_SECRET", "ws"),
                ("WHOP_PLAN_ID", "plan_1"),
            ];
            parse(&[], &[&production, env].concat()).err().unwrap_or_default()
        };
        assert_eq!(faults(&OWN), [""; 0]);
        assert!(faults(&OWN[1..])[0].contains("of no use without TTR_WEBHOOK_URL"));
        for url in [
            "http://owner.example/",
            "https://localhost/",
            "https://10.0.0.1/",
            "https://[::ffff:a9fe:a9fe]/",
        ] {
            let faults = faults(&[("TTR_WEBHOOK_URL", url), OWN[1]]);
            assert!(faults.len() == 1 && faults[0].starts_with("TTR_WEBHOOK_URL: "), "{url}: {faults:?}");
        }
    }
}
