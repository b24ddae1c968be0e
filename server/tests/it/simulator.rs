//! The simulator answers as the providers do: who may ask, what an `Idempotency-Key` does, lists of many pages. What it
//! delivers is followed by the browser tests.

use std::path::Path;

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use server::config::Config;
use server::provider::polar::Polar;
use server::provider::shopify::Shopify;
use server::provider::stripe::Stripe;
use server::provider::whop::Whop;
use server::provider::{Checkout, Fact, Provider};
use server::simulator::Simulator;

use crate::support::{environment, leptos_toml};

const SECRET: &str = "whsec_simulated_0123456789abcdef";

/// A played provider, and ttr's own code for it.
struct Played {
    origin: String,
    provider: Box<dyn Provider>,
    /// A browser: it follows redirects.
    client: Client,
}

impl Played {
    async fn start(name: &str) -> Self {
        let mut env = environment(Path::new("not-opened.db"), "127.0.0.1:9".parse().unwrap());
        let more = [
            ("TTR__SIMULATOR__PROVIDER", name),
            ("TTR__SIMULATOR__ADDR", "127.0.0.1:0"),
            ("SIMULATOR_SECRET", SECRET),
        ];
        env.extend(more.map(|(key, value)| (key.to_owned(), value.to_owned())));
        let config = Config::load(leptos_toml(), &env).unwrap();
        let simulator = Simulator::start(&config, config.simulator.as_ref().unwrap()).await.unwrap();
        let providers = simulator.stand_in(config.providers);
        assert_eq!(providers.buy_button, name);
        let http = Client::new();
        let provider: Box<dyn Provider> = match name {
            "whop" => Box::new(Whop::new(providers.whop.unwrap(), http)),
            "stripe" => Box::new(Stripe::new(providers.stripe.unwrap(), http)),
            "polar" => Box::new(Polar::new(providers.polar.unwrap(), http)),
            _ => Box::new(Shopify::new(providers.shopify.unwrap(), http)),
        };
        Self { origin: simulator.origin(), provider, client: Client::new() }
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) {
        let answer = self.client.post(format!("{}{path}", self.origin)).form(form).send().await.unwrap();
        assert!(!answer.status().is_client_error(), "{path}: {}", answer.status());
    }

    /// Begins a checkout and pays there; nothing is delivered.
    async fn pay(&self, number: usize) {
        let checkout = Checkout {
            anonymous_id: Some("a1".into()),
            session_id: format!("s{number}"),
            started_at: 1_703_001_051_000,
            click_id: format!("c{number}"),
            return_url: format!("{}/simulator?token=t", self.origin).parse().unwrap(), // somewhere to come back to
            ip: None,
        };
        let begun = self.provider.begin(&checkout).await;
        let page = self.client.get(begun.url).send().await.unwrap().text().await.unwrap();
        let (_, rest) = page.split_once("action=\"/pay/").unwrap();
        let (id, _) = rest.split_once('"').unwrap();
        self.post(&format!("/pay/{id}"), &[]).await;
    }
}

fn sessions(facts: &[Fact]) -> Vec<&str> {
    let paid = facts.iter().filter_map(|fact| match fact {
        Fact::Paid(paid) => paid.metadata.session_id.as_deref(),
        _ => None,
    });
    let mut sessions: Vec<&str> = paid.collect();
    sessions.sort_unstable_by_key(|session| (session.len(), *session));
    sessions
}

#[tokio::test]
async fn a_list_of_several_pages_is_had_whole() {
    for (name, payments) in [("whop", 101), ("stripe", 101), ("polar", 101), ("shopify", 251)] {
        let played = Played::start(name).await;
        played.post("/simulator/switches/drop", &[("on", "true")]).await;
        for number in 0..payments {
            played.pay(number).await;
        }
        let expected: Vec<String> = (0..payments).map(|number| format!("s{number}")).collect();
        assert_eq!(sessions(&played.provider.list(0).await.unwrap()), expected, "{name}");
        let since = server::clock::now() + 1000;
        let later = played.provider.list(since).await.unwrap();
        let goes_by_creation = ["polar", "whop"].contains(&name);
        assert_eq!(later.is_empty(), !goes_by_creation, "{name} lists what was made up to a month before");
    }
}

#[tokio::test]
async fn an_idempotency_key_gets_its_answer_again_and_takes_no_other_body() {
    let whop = ("whop", "/api/v1/checkout_configurations", "purchase_url");
    let stripe = ("stripe", "/v1/checkout/sessions", "url");
    for (name, path, url) in [whop, stripe] {
        let played = Played::start(name).await;
        let ask = async |session: &str| {
            let request = played.client.post(format!("{}{path}", played.origin)).bearer_auth(SECRET);
            let request = request.header("idempotency-key", "k1");
            let request = if name == "whop" {
                request.json(&json!({"plan_id": "plan_simulated", "metadata": {"aurea_session_id": session}}))
            } else {
                request.form(&[
                    ("mode", "payment"),
                    ("line_items[0][price]", "price_simulated"),
                    ("line_items[0][quantity]", "1"),
                    ("success_url", "https://ttr.example/thank-you?token=t"),
                    ("metadata[aurea_session_id]", session),
                    ("payment_intent_data[metadata][aurea_session_id]", session),
                ])
            };
            let answer = request.send().await.unwrap();
            (answer.status(), answer.json::<Value>().await.unwrap())
        };
        let (status, first) = ask("s1").await;
        assert!(status == StatusCode::OK && first[url].is_string(), "{name}: {first}");
        assert_eq!(ask("s1").await, (StatusCode::OK, first), "{name}");
        let (status, refused) = ask("s2").await;
        assert!(status == StatusCode::BAD_REQUEST && refused["error"].is_object(), "{name}: {refused}");
    }
}

#[tokio::test]
async fn without_its_key_nobody_is_told_anything() {
    for (name, path) in [
        ("whop", "/api/v1/payments?company_id=biz_simulated"),
        ("stripe", "/v1/events"),
        ("polar", "/v1/orders/"),
        ("shopify", "/admin/api/2026-10/orders.json"),
    ] {
        let played = Played::start(name).await;
        let url = format!("{}{path}", played.origin);
        for key in ["", "another"] {
            let request = played.client.get(&url).bearer_auth(key).header("x-shopify-access-token", key);
            assert_eq!(request.send().await.unwrap().status(), StatusCode::UNAUTHORIZED, "{name}");
        }
    }
}
