//! Money as each provider writes it: one table of amounts, and what becomes of them.

use axum::http::HeaderMap;
use server::provider::polar::{self, Polar};
use server::provider::shopify::{self, Shopify};
use server::provider::stripe::{self, Stripe};
use server::provider::whop::{self, Whop};
use server::provider::{Fact, Provider};

/// What an amount is read as: ISO 4217's minor units, or a fault.
type Read = Option<i64>;

/// An amount as it stands in the JSON of Whop (a number of major units), Stripe, Polar (an integer of their own minor
/// units) and Shopify (a text of major units), and what it is.
struct Row {
    what: &'static str,
    currency: &'static str,
    whop: (&'static str, Read),
    stripe: (&'static str, Read),
    polar: (&'static str, Read),
    shopify: (&'static str, Read),
}

const ROWS: &[Row] = &[
    Row {
        what: "dollars",
        currency: "USD",
        whop: ("99.0", Some(9900)),
        stripe: ("9900", Some(9900)),
        polar: ("9900", Some(9900)),
        shopify: (r#""99.00""#, Some(9900)),
    },
    Row {
        what: "no decimals",
        currency: "JPY",
        whop: ("1000", Some(1000)),
        stripe: ("1000", Some(1000)),
        polar: ("1000", Some(1000)),
        shopify: (r#""1000.00""#, Some(1000)),
    },
    Row {
        what: "three decimals, of which Polar knows two",
        currency: "KWD",
        whop: ("5.12", Some(5120)),
        stripe: ("5120", Some(5120)),
        polar: ("512", Some(5120)),
        shopify: (r#""5.120""#, Some(5120)),
    },
    Row {
        what: "no decimals, of which Stripe and Polar count two",
        currency: "ISK",
        whop: ("500", Some(500)),
        stripe: ("50000", Some(500)),
        polar: ("50000", Some(500)),
        shopify: (r#""500""#, Some(500)),
    },
    Row {
        what: "the same of Uganda",
        currency: "UGX",
        whop: ("500", Some(500)),
        stripe: ("50000", Some(500)),
        polar: ("50000", Some(500)),
        shopify: (r#""500.00""#, Some(500)),
    },
    Row {
        what: "fifths, which Stripe and Polar don't count",
        currency: "MGA",
        whop: ("500.20", Some(50020)),
        stripe: ("500", Some(50000)),
        polar: ("500", Some(50000)),
        shopify: (r#""500.20""#, Some(50020)),
    },
    Row {
        what: "a part of what can't be parted",
        currency: "ISK",
        whop: ("500.5", None),
        stripe: ("50050", None),
        polar: ("50050", None),
        shopify: (r#""500.50""#, None),
    },
    Row {
        what: "0.1 + 0.2, a float's noise where a float is documented",
        currency: "USD",
        whop: ("0.30000000000000004", Some(30)),
        stripe: ("0.30000000000000004", None),
        polar: ("0.30000000000000004", None),
        shopify: (r#""0.30000000000000004""#, Some(30)),
    },
    Row {
        what: "nothing, as for a trial",
        currency: "USD",
        whop: ("0", Some(0)),
        stripe: ("0", Some(0)),
        polar: ("0", Some(0)),
        shopify: (r#""0.00""#, Some(0)),
    },
    everywhere("more than there is", "1e30", r#""1e30""#),
    everywhere("more than a float holds", "1e400", r#""1e400""#),
    everywhere("less than nothing", "-1", r#""-1""#),
    everywhere("a comma", r#""99,00""#, r#""99,00""#),
    everywhere("nothing said", "null", "null"),
    everywhere("more than can be summed up", "9223372036854775807", r#""9223372036854775807""#),
    Row { currency: "BTC", ..everywhere("no currency of ISO 4217", "1", r#""1""#) },
];

/// A row that is a fault everywhere.
const fn everywhere(what: &'static str, number: &'static str, text: &'static str) -> Row {
    let (number, text) = ((number, None), (text, None));
    Row { what, currency: "USD", whop: number, stripe: number, polar: number, shopify: text }
}

/// What the one payment in a delivery amounts to. One whose amount is a fault is a payment all the same.
fn amount(provider: &dyn Provider, headers: &HeaderMap, body: &str) -> Read {
    let facts = provider.parse(headers, body.as_bytes()).facts.unwrap_or_else(|why| panic!("{why}: {body}"));
    let [Fact::Paid(paid)] = &facts[..] else { panic!("{facts:?}: {body}") };
    paid.amount.as_ref().ok().map(|money| money.minor)
}

fn whop() -> Whop {
    let checkout_url = "https://whop.com/checkout/plan_1".parse().unwrap();
    let settings = whop::Settings { checkout_url, api: None, webhook_keys: vec![], company_id: None };
    Whop::new(settings, reqwest::Client::new())
}

fn stripe() -> Stripe {
    let settings = stripe::Settings { checkout_url: None, api: None, account: None, webhook_keys: vec![] };
    Stripe::new(settings, reqwest::Client::new())
}

fn polar() -> Polar {
    let settings = polar::Settings { checkout_url: None, api: None, webhook_keys: vec![] };
    Polar::new(settings, reqwest::Client::new())
}

fn shopify() -> Shopify {
    let settings = shopify::Settings { checkout_url: None, shop: None, api: None, webhook_keys: vec![] };
    Shopify::new(settings, reqwest::Client::new())
}

#[test]
fn every_provider_writes_money_by_rules_of_its_own() {
    let topic: HeaderMap =
        [(axum::http::HeaderName::from_static("x-shopify-topic"), "orders/paid".parse().unwrap())]
            .into_iter()
            .collect();
    let none = HeaderMap::new();
    for Row { what, currency, whop: by_whop, stripe: by_stripe, polar: by_polar, shopify: by_shopify } in ROWS
    {
        let lower = currency.to_ascii_lowercase();
        let body = format!(
            r#"{{"id":"msg_1","type":"payment.succeeded","data":{{"id":"pay_1","total":{},"currency":"{lower}"}}}}"#,
            by_whop.0
        );
        assert_eq!(amount(&whop(), &none, &body), by_whop.1, "{what}: {body}");
        let body = format!(
            r#"{{"id":"evt_1","type":"checkout.session.completed","livemode":true,"data":{{"object":{{"id":"cs_1","mode":"payment",
                "payment_status":"paid","payment_intent":"pi_1","amount_total":{},"currency":"{lower}"}}}}}}"#,
            by_stripe.0
        );
        assert_eq!(amount(&stripe(), &none, &body), by_stripe.1, "{what}: {body}");
        let body = format!(
            r#"{{"type":"order.paid","data":{{"id":"or_1","status":"paid","total_amount":{},"currency":"{lower}"}}}}"#,
            by_polar.0
        );
        assert_eq!(amount(&polar(), &none, &body), by_polar.1, "{what}: {body}");
        let body = format!(
            r#"{{"id":1,"financial_status":"paid","total_price":{},"currency":"{currency}"}}"#,
            by_shopify.0
        );
        assert_eq!(amount(&shopify(), &topic, &body), by_shopify.1, "{what}: {body}");
    }
}
