//! A refund in the shop's currency.
//!
//! Where a shop sells in several currencies (Shopify Markets), an order's price is told in the shop's and what goes back in
//! the buyer's. What the refund consists of is told in both (`subtotal_set`, `amount_set` and so on), by the order's own
//! rate.

use std::ops::{Add, Sub};

use serde_json::Value;

use super::{NO_CURRENCY, Refund};
use crate::domain::money::{Currency, Money};
use crate::provider::text_of;

/// The same money in the shop's and in the buyer's currency, minor units.
#[derive(Clone, Copy, Default)]
struct Both {
    shop: i128,
    buyer: i128,
}

impl Add for Both {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { shop: self.shop + other.shop, buyer: self.buyer + other.buyer }
    }
}

impl Sub for Both {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { shop: self.shop - other.shop, buyer: self.buyer - other.buyer }
    }
}

impl Both {
    /// What an amount set says, if it is one of these currencies.
    fn read(set: &Value, shop: Currency, buyer: Currency) -> Self {
        let both = || {
            let shop = signed(&set["shop_money"], shop)?;
            Some(Self { shop, buyer: signed(&set["presentment_money"], buyer)? })
        };
        both().unwrap_or_default()
    }

    fn size(self) -> Self {
        Self { shop: self.shop.abs(), buyer: self.buyer.abs() }
    }

    /// `minor` of the buyer's currency in the shop's, rounded to the minor unit, half up.
    fn at_this_rate(self, minor: i128) -> Option<i128> {
        let Self { shop, buyer } = self.size();
        (shop > 0 && buyer > 0).then(|| (2 * minor * shop + buyer) / (2 * buyer))
    }
}

/// An amount that may be less than nothing.
fn signed(money: &Value, currency: Currency) -> Option<i128> {
    let named = Currency::parse(money["currency_code"].as_str()?).ok()?;
    let text = text_of(&money["amount"])?;
    let (sign, digits) = text.strip_prefix('-').map_or((1, text.as_str()), |digits| (-1, digits));
    let amount = Money::parse_major(digits, currency).ok().filter(|_| named == currency)?;
    Some(sign * i128::from(amount.minor))
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

impl Refund<'_> {
    /// `back` in the shop's currency: `shop`, or the one that the refund itself names so. Where the refund consists of
    /// exactly this much, it is what that is in the shop's money; else it is exchanged at the rate of everything that is
    /// told in both currencies, and rounded.
    pub(super) fn in_shop_money(&self, back: Money, shop: Option<&str>) -> Result<Money, String> {
        let shop = shop.or_else(|| self.shop_currency()).and_then(|code| Currency::parse(code).ok());
        let Some(shop) = shop.filter(|shop| *shop != back.currency) else { return Ok(back) };
        let minor = i128::from(back.minor);
        let [goods, taxes, adjustments] = self.parts(shop, back.currency);
        // Prices may hold their taxes, and while a refund is pending an adjustment takes all of it back.
        let sums = [goods + taxes, goods + taxes - adjustments, goods, goods - adjustments];
        let exactly = sums.into_iter().find(|sum| sum.buyer == minor && sum.shop > 0).map(|sum| sum.shop);
        let all = [goods, taxes, adjustments].map(Both::size).into_iter().fold(Both::default(), Add::add);
        exactly
            .or_else(|| all.at_this_rate(minor))
            .and_then(|minor| i64::try_from(minor).ok())
            .ok_or_else(|| format!("{back} went back, and nothing says how much that is in {shop}"))
            .and_then(|minor| {
                Money::from_minor(minor, shop.exponent(), shop).map_err(|error| error.to_string())
            })
    }

    /// What it consists of: goods, shipping and duties; their taxes; and what was adjusted, which is less than nothing where
    /// more goes back than the others say.
    fn parts(&self, shop: Currency, buyer: Currency) -> [Both; 3] {
        let sum = |list: &Value, name: &str| {
            items(list).map(|item| Both::read(&item[name], shop, buyer)).fold(Both::default(), Add::add)
        };
        let goods = sum(&self.refund_line_items, "subtotal_set")
            + sum(&self.refund_shipping_lines, "subtotal_amount_set")
            + Both::read(&self.total_duties_set, shop, buyer);
        let taxes = sum(&self.refund_line_items, "total_tax_set")
            + sum(&self.refund_shipping_lines, "tax_amount_set");
        let adjustments =
            sum(&self.order_adjustments, "amount_set") + sum(&self.order_adjustments, "tax_amount_set");
        [goods, taxes, adjustments]
    }

    /// As its amounts name it; some are nought and name it all the same.
    fn shop_currency(&self) -> Option<&str> {
        let goods = items(&self.refund_line_items).map(|item| &item["subtotal_set"]);
        let shipping = items(&self.refund_shipping_lines).map(|item| &item["subtotal_amount_set"]);
        let adjustments = items(&self.order_adjustments).map(|item| &item["amount_set"]);
        let mut sets = goods.chain(shipping).chain(adjustments).chain([&self.total_duties_set]);
        sets.find_map(|set| set["shop_money"]["currency_code"].as_str().filter(|code| *code != NO_CURRENCY))
    }
}
