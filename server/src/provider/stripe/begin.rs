//! How a checkout begins: with a Checkout Session that carries the metadata, or by the Payment Link, whose
//! `client_reference_id` holds the three ids.
//!
//! The metadata is set on the Checkout Session and on what it makes (payment intent or subscription): Stripe copies it
//! from neither to the other, and refunds and renewals only show the latter.

use std::time::Duration;

use axum::http::StatusCode;
use secrecy::ExposeSecret;
use serde::Deserialize;
use url::Url;

use super::{Api, Mode, Settings};
use crate::provider::{Begun, Carried, Checkout, in_api, packed};

/// A buyer does not wait longer than this for Stripe's API; the link takes over.
const API_DEADLINE: Duration = Duration::from_secs(3);

/// What the other request of a double click is given to be answered.
const IN_USE: Duration = Duration::from_millis(500);

pub(super) async fn begin(settings: &Settings, http: &reqwest::Client, checkout: &Checkout) -> Begun {
    let Some((api, price_id)) = settings.api.as_ref().and_then(|api| Some((api, api.price_id.as_ref()?)))
    else {
        return Begun { url: by_link(settings, checkout), carried: Carried::Link };
    };
    match create_session(api, price_id, http, checkout).await {
        Ok(url) => Begun { url, carried: Carried::Api },
        Err(error) => {
            tracing::warn!(%error, session_id = checkout.session_id, "Stripe's API failed; the buyer goes by the link");
            Begun { url: by_link(settings, checkout), carried: Carried::Fallback }
        }
    }
}

/// A site that has no Payment Link can only show its own page again, where the button still is.
fn by_link(settings: &Settings, checkout: &Checkout) -> Url {
    link(settings, checkout).unwrap_or_else(|| checkout.front_page())
}

/// The Payment Link with the ids.
pub(super) fn link(settings: &Settings, checkout: &Checkout) -> Option<Url> {
    let mut url = settings.checkout_url.clone()?;
    url.query_pairs_mut().append_pair("client_reference_id", &packed::pack(checkout));
    Some(url)
}

#[derive(Debug, thiserror::Error)]
enum BeginError {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("Stripe answered with a url that is not a web address")]
    BadUrl,
    #[error("Stripe did not answer in time")]
    TooLate,
}

#[derive(Deserialize)]
struct Session {
    url: Url,
}

/// The same click of the same session gets the same Checkout Session. Its key is in use while another request of that
/// click is being answered: then the same is asked once more.
async fn create_session(
    api: &Api,
    price_id: &str,
    http: &reqwest::Client,
    checkout: &Checkout,
) -> Result<Url, BeginError> {
    let fields = fields(api.mode, price_id, checkout);
    let ask = || {
        http.post(in_api(&api.url, "checkout/sessions"))
            .bearer_auth(api.key.expose_secret())
            .header("idempotency-key", checkout.idempotency_key())
            .form(&fields)
            .send()
    };
    let asked = async {
        let mut answer = ask().await?;
        if answer.status() == StatusCode::CONFLICT {
            tokio::time::sleep(IN_USE).await;
            answer = ask().await?;
        }
        answer.error_for_status()?.json().await
    };
    let Session { url } =
        tokio::time::timeout(API_DEADLINE, asked).await.map_err(|_| BeginError::TooLate)??;
    if matches!(url.scheme(), "https" | "http") { Ok(url) } else { Err(BeginError::BadUrl) }
}

fn fields(mode: Mode, price_id: &str, checkout: &Checkout) -> Vec<(String, String)> {
    let what_it_makes = match mode {
        Mode::Payment => "payment_intent_data",
        Mode::Subscription => "subscription_data",
    };
    let mut fields: Vec<(String, String)> = [
        ("mode", mode.as_str()),
        ("line_items[0][price]", price_id),
        ("line_items[0][quantity]", "1"),
        ("success_url", checkout.return_url.as_str()),
        ("cancel_url", checkout.front_page().as_str()),
        ("client_reference_id", &packed::pack(checkout)),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for (key, value) in checkout.metadata() {
        fields.push((format!("metadata[{key}]"), value.clone()));
        fields.push((format!("{what_it_makes}[metadata][{key}]"), value));
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(checkout_url: Option<&str>) -> Settings {
        Settings {
            checkout_url: checkout_url.map(|url| url.parse().unwrap()),
            api: None,
            account: None,
            webhook_keys: Vec::new(),
        }
    }

    fn checkout(anonymous_id: Option<&str>) -> Checkout {
        Checkout {
            anonymous_id: anonymous_id.map(str::to_owned),
            session_id: "s_1".into(),
            started_at: 1_703_001_051_000,
            click_id: "c1".into(),
            return_url: "https://ttr.example/thank-you?token=t".parse().unwrap(),
            ip: None,
        }
    }

    #[tokio::test]
    async fn the_payment_link_carries_the_three_ids_in_its_one_field() {
        let settings = settings(Some("https://buy.stripe.com/abc?prefilled_promo_code=X"));
        let begun = begin(&settings, &reqwest::Client::new(), &checkout(Some("a-1"))).await;
        assert_eq!(
            begun.url.as_str(),
            "https://buy.stripe.com/abc?prefilled_promo_code=X&client_reference_id=aurea1_3_a-1_s_1_1703001051000"
        );
        assert_eq!(begun.carried, Carried::Link);
    }

    #[tokio::test]
    async fn without_a_link_the_buyer_sees_the_page_again() {
        let begun = begin(&settings(None), &reqwest::Client::new(), &checkout(None)).await;
        assert_eq!(begun.url.as_str(), "https://ttr.example/");
    }

    #[test]
    fn what_a_session_makes_has_the_metadata_too() {
        for (mode, prefix) in
            [(Mode::Payment, "payment_intent_data"), (Mode::Subscription, "subscription_data")]
        {
            let fields = fields(mode, "price_1", &checkout(None));
            let value =
                |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
            assert_eq!(value("mode"), Some(mode.as_str()));
            assert_eq!(value("metadata[aurea_session_id]"), Some("s_1"));
            assert_eq!(value(&format!("{prefix}[metadata][aurea_session_id]")), Some("s_1"));
            assert_eq!(value("metadata[aurea_anonymous_id]"), None, "nobody is named without consent");
            assert_eq!(value("success_url"), Some("https://ttr.example/thank-you?token=t"));
            assert_eq!(value("cancel_url"), Some("https://ttr.example/"));
        }
    }
}
