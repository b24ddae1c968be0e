//! Money: an integer of minor units with its ISO currency. Never a float; currencies are never added together.

use std::fmt;
use std::str::FromStr;

use iso_currency::Currency as Iso;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// An ISO 4217 currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Currency(Iso);

impl Currency {
    /// Takes a three-letter code in any case; providers send both.
    pub fn parse(code: &str) -> Result<Self, MoneyError> {
        Iso::from_code(&code.to_ascii_uppercase())
            .map(Self)
            .ok_or_else(|| MoneyError::UnknownCurrency(code.chars().take(12).collect()))
    }

    /// The upper-case code.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// How many digits the minor unit has (USD 2, JPY 0, KWD 3).
    pub fn exponent(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    /// In minor units (cents).
    pub minor: i64,
    /// Its currency.
    pub currency: Currency,
}

/// Why a text is not an amount of money.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MoneyError {
    /// Not an ISO 4217 code.
    #[error("unknown currency {0:?}")]
    UnknownCurrency(String),
    /// Not a decimal number, or too large for one.
    #[error("{0:?} is not an amount")]
    NotANumber(String),
    /// More than anything costs.
    #[error("{0:?} is too large an amount")]
    TooLarge(String),
    /// Less than nothing.
    #[error("an amount must not be negative")]
    Negative,
    /// More digits than the currency has.
    #[error("{0:?} has more digits than the currency")]
    TooPrecise(String),
}

/// The largest amount, minor units (over 900 billion dollars): a hundred thousand of them can be added up.
const LARGEST: i64 = i64::MAX / 100_000;

impl Money {
    /// Parses an amount in major units from the text of a JSON number or string (`99`, `10.43`, `1e2`).
    ///
    /// Providers that compute in floats send noise such as `30.299999999999997`: a difference below a millionth of
    /// the minor unit is noise, anything more is refused rather than rounded.
    pub fn parse_major(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let not_a_number = || MoneyError::NotANumber(text.chars().take(40).collect());
        if !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E')) {
            return Err(not_a_number()); // the decimal parser takes underscores
        }
        let major = Decimal::from_str(text)
            .or_else(|_| Decimal::from_scientific(text))
            .map_err(|_| not_a_number())?;
        Self::of_major(major, text, currency)
    }

    /// Takes a count of the minor units that a provider uses, of which a major unit has ten to the power of `digits`.
    /// Providers have rules of their own: Stripe writes 500 for 5 UGX, though ISO 4217 gives it no minor unit.
    pub fn from_minor(minor: i64, digits: u32, currency: Currency) -> Result<Self, MoneyError> {
        let major = Decimal::new(minor, digits);
        Self::of_major(major, &major.to_string(), currency)
    }

    /// `text` is the amount as it shall stand in an error.
    fn of_major(major: Decimal, text: &str, currency: Currency) -> Result<Self, MoneyError> {
        if major.is_sign_negative() && !major.is_zero() {
            return Err(MoneyError::Negative);
        }
        let scale = Decimal::from(10_i64.pow(currency.exponent()));
        let too_large = || MoneyError::TooLarge(text.chars().take(40).collect());
        let minor = major.checked_mul(scale).ok_or_else(too_large)?;
        let whole = minor.round();
        if (minor - whole).abs() > Decimal::new(1, 6) {
            return Err(MoneyError::TooPrecise(text.chars().take(40).collect()));
        }
        let minor = whole.to_i64().filter(|minor| *minor <= LARGEST).ok_or_else(too_large)?;
        Ok(Self { minor, currency })
    }

    /// The sum, unless the currencies differ or nothing costs that much.
    pub fn plus(self, other: Self) -> Option<Self> {
        let minor = self.minor.checked_add(other.minor).filter(|minor| *minor <= LARGEST)?;
        (self.currency == other.currency).then_some(Self { minor, ..self })
    }

    /// Adds the amount to the sum of its currency, the first of its currency as a sum of its own.
    pub fn add_to(self, sums: &mut Vec<Self>) {
        match sums.iter_mut().find(|sum| sum.currency == self.currency) {
            Some(sum) => sum.minor = sum.minor.saturating_add(self.minor),
            None => sums.push(self),
        }
    }

    /// The amount in major units, as a JSON number: `99`, `10.43`.
    pub fn major_json(self) -> serde_json::Value {
        major_json(self.minor, self.currency)
    }
}

/// Minor units as a JSON number of major units: whole amounts without a fraction.
pub fn major_json(minor: i64, currency: Currency) -> serde_json::Value {
    let major = Decimal::new(minor, currency.exponent()).normalize();
    major.to_string().parse::<serde_json::Number>().map_or(serde_json::Value::Null, serde_json::Value::Number)
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exponent = self.currency.exponent();
        write!(f, "{} {}", Decimal::new(self.minor, exponent), self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, code: &str) -> Result<i64, MoneyError> {
        Money::parse_major(text, Currency::parse(code)?).map(|money| money.minor)
    }

    #[test]
    fn an_amount_is_read_by_its_currencys_exponent() {
        assert_eq!(parse("99", "usd"), Ok(9900));
        assert_eq!(parse("99.00", "USD"), Ok(9900));
        assert_eq!(parse("10.43", "EUR"), Ok(1043));
        assert_eq!(parse("1000", "JPY"), Ok(1000));
        assert_eq!(parse("5.124", "KWD"), Ok(5124));
        assert_eq!(parse("1e2", "USD"), Ok(10000));
        assert_eq!(parse("0", "USD"), Ok(0));
    }

    #[test]
    fn float_noise_is_forgiven_and_real_digits_are_not() {
        assert_eq!(parse("30.299999999999997", "USD"), Ok(3030));
        assert_eq!(parse("0.30000000000000004", "USD"), Ok(30));
        assert!(matches!(parse("10.435", "USD"), Err(MoneyError::TooPrecise(_))));
        assert!(matches!(parse("0.5", "JPY"), Err(MoneyError::TooPrecise(_))));
    }

    #[test]
    fn a_providers_minor_units_become_isos() {
        let from = |minor, digits, code| {
            Money::from_minor(minor, digits, Currency::parse(code).unwrap()).map(|money| money.minor)
        };
        assert_eq!(from(9900, 2, "USD"), Ok(9900));
        assert_eq!(from(5124, 2, "KWD"), Ok(51_240));
        assert_eq!(from(500, 2, "UGX"), Ok(5));
        assert_eq!(from(7, 0, "MGA"), Ok(700));
        assert_eq!(from(550, 2, "ISK"), Err(MoneyError::TooPrecise("5.50".into())));
        assert_eq!(from(-1, 2, "USD"), Err(MoneyError::Negative));
        assert!(matches!(from(i64::MAX, 0, "USD"), Err(MoneyError::TooLarge(_))));
    }

    #[test]
    fn nonsense_is_refused_never_guessed() {
        assert_eq!(parse("-1", "USD"), Err(MoneyError::Negative));
        for text in ["1e30", "1e400", "99,00", "", "NaN", "abc", "0x10", "1_000"] {
            assert!(matches!(parse(text, "USD"), Err(MoneyError::NotANumber(_))), "{text}");
        }
        assert!(matches!(parse("1", "btc"), Err(MoneyError::UnknownCurrency(_))));
    }

    #[test]
    fn an_amount_that_would_break_a_sum_is_refused() {
        for (text, code, minor) in [
            ("922337203685.47", "USD", 92_233_720_368_547),
            ("92233720368547", "JPY", 92_233_720_368_547),
            ("92233720368.547", "KWD", 92_233_720_368_547),
        ] {
            assert_eq!(parse(text, code), Ok(minor), "{text} {code}");
        }
        for (text, code) in [
            ("922337203685.48", "USD"),
            ("92233720368548", "JPY"),
            ("92233720368.548", "KWD"),
            ("900000000000000", "USD"),
            ("1e18", "USD"),
            ("1e28", "USD"),
        ] {
            assert_eq!(parse(text, code), Err(MoneyError::TooLarge(text.into())), "{text} {code}");
        }
        let sum = (0..100_000).try_fold(0_i64, |sum, _| sum.checked_add(LARGEST));
        assert!(sum.is_some());
    }

    #[test]
    fn json_shows_major_units_without_a_needless_fraction() {
        let usd = Currency::parse("USD").unwrap();
        assert_eq!(major_json(9900, usd).to_string(), "99");
        assert_eq!(major_json(1043, usd).to_string(), "10.43");
        assert_eq!(major_json(1050, usd).to_string(), "10.5");
        assert_eq!(major_json(-500, usd).to_string(), "-5");
    }

    proptest::proptest! {
        #[test]
        fn every_amount_survives_the_way_to_json_and_back(minor in 0_i64..1_000_000_000_000, code in "USD|JPY|KWD") {
            let money = Money { minor, currency: Currency::parse(&code).unwrap() };
            let text = money.major_json().to_string();
            proptest::prop_assert_eq!(Money::parse_major(&text, money.currency), Ok(money));
        }
    }
}
