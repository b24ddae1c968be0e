//! Stripe's amounts: whole numbers of a currency's smallest unit as Stripe counts it, which is not always as ISO 4217
//! does. Source: docs.stripe.com/currencies.

use serde_json::value::RawValue;

use crate::domain::money::{Currency, Money};

/// Currencies of which Stripe counts whole units.
const WHOLE: &[&str] = &[
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF",
];

/// Currencies of which Stripe counts thousandths.
const THOUSANDTHS: &[&str] = &["BHD", "JOD", "KWD", "OMR", "TND"];

/// How many digits Stripe's unit has. All others are counted in hundredths: ISK and UGX too, which have no smaller unit
/// any more ("to charge 5 UGX, provide an amount value of 500").
fn digits(currency: Currency) -> u32 {
    match currency.code() {
        code if WHOLE.contains(&code) => 0,
        code if THOUSANDTHS.contains(&code) => 3,
        _ => 2,
    }
}

/// An amount from the JSON's own text: digits only, so that nothing passes through a float.
pub(super) fn amount(number: Option<&RawValue>, currency: Option<&str>) -> Result<Money, String> {
    let text = number.map(RawValue::get).filter(|text| *text != "null").ok_or("no amount")?;
    let currency = currency.ok_or("no currency")?;
    let currency = Currency::parse(currency).map_err(|error| error.to_string())?;
    let digits_only = text.bytes().all(|byte| byte.is_ascii_digit());
    let minor: Option<i64> = digits_only.then(|| text.parse().ok()).flatten();
    let minor = minor.ok_or_else(|| {
        let text: String = text.chars().take(40).collect();
        format!("{text} is not a whole number of the currency's smallest unit")
    })?;
    Money::from_minor(minor, digits(currency), currency).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, currency: &str) -> Result<String, String> {
        let number = RawValue::from_string(json.to_owned()).unwrap();
        amount(Some(&number), Some(currency)).map(|money| money.to_string())
    }

    #[test]
    fn amounts_are_read_as_stripe_counts_them() {
        for (json, currency, expected) in [
            ("9900", "usd", "99.00 USD"),
            ("1043", "EUR", "10.43 EUR"),
            ("0", "usd", "0.00 USD"),
            ("30", "usd", "0.30 USD"),
            ("1000", "jpy", "1000 JPY"),
            ("5120", "kwd", "5.120 KWD"),
            ("500", "isk", "5 ISK"),
            ("500", "ugx", "5 UGX"),
            ("5", "mga", "5.00 MGA"),
            ("1000", "krw", "1000 KRW"),
            ("1000", "clp", "1000 CLP"),
            ("100000", "huf", "1000.00 HUF"),
            ("100000", "twd", "1000.00 TWD"),
            ("92233720368547", "usd", "922337203685.47 USD"),
        ] {
            assert_eq!(read(json, currency), Ok(expected.to_owned()), "{json} {currency}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused_with_a_reason() {
        for (json, currency, fault) in [
            ("-1", "usd", "-1 is not a whole number"),
            ("99.0", "usd", "99.0 is not a whole number"),
            ("0.30000000000000004", "usd", "is not a whole number"),
            ("1e30", "usd", "1e30 is not a whole number"),
            ("1e400", "usd", "1e400 is not a whole number"),
            ("\"9900\"", "usd", "is not a whole number"),
            ("\"99,00\"", "usd", "is not a whole number"),
            ("true", "usd", "is not a whole number"),
            ("99999999999999999999", "usd", "is not a whole number"),
            ("92233720368548", "usd", "too large"),
            ("550", "isk", "more digits than the currency"),
            ("550", "ugx", "more digits than the currency"),
            ("9900", "btc", "unknown currency"),
            ("9900", "", "unknown currency"),
            ("null", "usd", "no amount"),
        ] {
            let refused = read(json, currency).unwrap_err();
            assert!(refused.contains(fault), "{json} {currency}: {refused}");
        }
        assert_eq!(amount(None, Some("usd")), Err("no amount".to_owned()));
        let number = RawValue::from_string("1".to_owned()).unwrap();
        assert_eq!(amount(Some(&number), None), Err("no currency".to_owned()));
    }

    #[test]
    fn every_currency_of_stripes_lists_is_one_of_ours() {
        for code in WHOLE.iter().chain(THOUSANDTHS) {
            assert!(Currency::parse(code).is_ok(), "{code}");
        }
    }
}
