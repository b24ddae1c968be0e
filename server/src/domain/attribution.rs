//! How a visitor arrived. UTM beats click id beats referrer; the payment provider is never a source.

use url::Url;

use super::event::{Event, Page};

/// Query parameters that attribution needs; everything else is cut from stored URLs.
const KEPT_PARAMETERS: &[&str] = &[
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_term",
    "utm_content",
    "utm_id",
    "ref",
    "source",
    "gclid",
    "gbraid",
    "wbraid",
    "fbclid",
    "msclkid",
    "ttclid",
    "twclid",
    "li_fat_id",
];

/// Click ids and who sets them.
const CLICK_IDS: &[(&str, &str)] = &[
    ("gclid", "google"),
    ("gbraid", "google"),
    ("wbraid", "google"),
    ("fbclid", "facebook"),
    ("msclkid", "bing"),
    ("ttclid", "tiktok"),
    ("twclid", "x"),
    ("li_fat_id", "linkedin"),
];

/// Hosts a visitor only ever comes back from: the checkout is part of the visit, not its source.
const PROVIDER_HOSTS: &[&str] =
    &["whop.com", "stripe.com", "polar.sh", "shopify.com", "myshopify.com", "paypal.com"];

/// How others write that there is no source.
const DIRECT: &str = "(direct)";

const MAX_URL: usize = 2048;

/// One way a visitor arrived. All absent means direct.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Touch {
    /// `utm_source`, else who set the click id, else the referrer's host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// `utm_medium`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium: Option<String>,
    /// `utm_campaign`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign: Option<String>,
    /// The referrer, scrubbed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrer: Option<String>,
    /// The click id's parameter and value, as `gclid=…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub click_id: Option<String>,
}

/// Cuts a URL to origin, path and the parameters that attribution needs: no fragment, no user, no tokens.
/// What is not an http(s) URL is dropped.
pub fn scrub(text: &str) -> Option<String> {
    let mut url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    url.set_fragment(None);
    // Both fail only for URLs without a host, which http(s) URLs always have.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(key, _)| KEPT_PARAMETERS.contains(&key.as_ref()))
        .map(|(key, value)| (key.into_owned(), value.chars().take(200).collect()))
        .collect();
    url.set_query(None);
    if !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(kept);
    }
    Some(url.into()).filter(|url: &String| url.len() <= MAX_URL)
}

/// The touch of a page: how its visitor got there.
pub fn touch_of(page: &Page) -> Touch {
    let url = page.url.as_deref().and_then(|url| Url::parse(url).ok());
    let parameter = |wanted: &str| {
        let url = url.as_ref()?;
        let (_, value) = url.query_pairs().find(|(key, value)| key == wanted && !value.trim().is_empty())?;
        Some(value.trim().to_owned()).filter(|value| value != DIRECT)
    };
    let click = CLICK_IDS.iter().find_map(|(key, who)| Some((*key, *who, parameter(key)?)));
    let referrer = page.referrer.as_deref().and_then(|text| Url::parse(text).ok()).filter(|referrer| {
        let host = referrer.host_str().unwrap_or_default();
        Some(host) != url.as_ref().and_then(Url::host_str) && !is_provider(host)
    });
    Touch {
        source: parameter("utm_source")
            .or_else(|| click.as_ref().map(|(_, who, _)| (*who).to_owned()))
            .or_else(|| Some(referrer.as_ref()?.host_str()?.trim_start_matches("www.").to_owned())),
        medium: parameter("utm_medium"),
        campaign: parameter("utm_campaign"),
        referrer: referrer.map(String::from),
        click_id: click.map(|(key, _, value)| format!("{key}={value}")),
    }
}

fn is_provider(host: &str) -> bool {
    PROVIDER_HOSTS.iter().any(|known| host == *known || host.ends_with(&format!(".{known}")))
}

/// The touch that began a session: that of its first event with a page.
pub fn first_touch<'a>(events: impl IntoIterator<Item = &'a Event>) -> Touch {
    events
        .into_iter()
        .map(|event| &event.page)
        .find(|page| page.url.is_some())
        .map(touch_of)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(url: &str, referrer: &str) -> Touch {
        touch_of(&Page { url: scrub(url), referrer: scrub(referrer) })
    }

    #[test]
    fn utm_beats_click_id_beats_referrer() {
        let all =
            touch("https://ttr.example/?utm_source=news&utm_medium=email&gclid=1", "https://www.google.com/");
        assert_eq!((all.source.as_deref(), all.medium.as_deref()), (Some("news"), Some("email")));
        assert_eq!(touch("https://ttr.example/?gclid=1", "https://t.co/").source.as_deref(), Some("google"));
        assert_eq!(
            touch("https://ttr.example/", "https://www.google.com/").source.as_deref(),
            Some("google.com")
        );
        assert_eq!(touch("https://ttr.example/", ""), Touch::default());
        assert_eq!(touch("https://ttr.example/?utm_source=news%20", "").source.as_deref(), Some("news"));
        assert_eq!(touch("https://ttr.example/?utm_source=%20&utm_medium=(direct)", ""), Touch::default());
    }

    #[test]
    fn neither_the_provider_nor_the_site_itself_is_a_source() {
        assert_eq!(touch("https://ttr.example/thank-you", "https://whop.com/checkout/x").source, None);
        assert_eq!(touch("https://ttr.example/thank-you", "https://checkout.stripe.com/x").source, None);
        assert_eq!(touch("https://ttr.example/b", "https://ttr.example/a").source, None);
        assert!(touch("https://ttr.example/", "https://notwhop.com/").source.is_some());
    }

    #[test]
    fn a_stored_url_keeps_nothing_that_could_name_a_person() {
        let url = scrub("https://me:pw@ttr.example/a?email=x@y.z&utm_source=n&token=1#frag").unwrap();
        assert_eq!(url, "https://ttr.example/a?utm_source=n");
        assert_eq!(scrub("javascript:alert(1)"), None);
        assert_eq!(scrub("not a url"), None);
    }
}
