//! The three ids in one text, for a provider whose link carries a single field to the checkout and back: Stripe's
//! `client_reference_id`, Polar's `reference_id`.
//!
//! Stripe takes letters, digits, `-` and `_`, 200 of them at most, and silently drops anything else
//! (docs.stripe.com/payment-links/url-parameters); Polar takes 500 of any. Our ids may hold `-` and `_` themselves, so
//! that no sign can part them; a length does: `aurea1_{length of the visitor's id}_{visitor}_{session}_{checkout_started_at}`.
//! The visitor's length is 0 where there is none. What follows the last `_` is the time, and what stands between is the
//! session. With ids of 64 characters it is 153 long.

use super::{Checkout, Metadata};

/// Names this form, so that a reference of somebody else's is not taken for one.
const FORM: &str = "aurea1_";

/// The three ids in one text.
pub fn pack(checkout: &Checkout) -> String {
    let visitor = checkout.anonymous_id.as_deref().unwrap_or_default();
    format!("{FORM}{}_{visitor}_{}_{}", visitor.len(), checkout.session_id, checkout.started_at)
}

/// The ids as they were packed; nothing, if the text is none of ours.
pub fn unpack(text: &str) -> Option<Metadata> {
    let (length, rest) = text.strip_prefix(FORM)?.split_once('_')?;
    let (visitor, rest) = rest.split_at_checked(length.parse().ok()?)?;
    let (session, started_at) = rest.strip_prefix('_')?.rsplit_once('_')?;
    Some(Metadata {
        anonymous_id: Some(visitor.to_owned()).filter(|visitor| !visitor.is_empty()),
        session_id: Some(session.to_owned()).filter(|session| !session.is_empty()),
        checkout_started_at: Some(started_at.parse().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn checkout(anonymous_id: Option<&str>, session_id: &str, started_at: i64) -> Checkout {
        Checkout {
            anonymous_id: anonymous_id.map(str::to_owned),
            session_id: session_id.to_owned(),
            started_at,
            click_id: "c1".into(),
            return_url: "https://ttr.example/thank-you".parse().unwrap(),
            ip: None,
        }
    }

    #[test]
    fn the_form_is_the_documented_one() {
        let packed = pack(&checkout(Some("1703001000000_k3j9"), "s-1", 1_703_001_051_000));
        assert_eq!(packed, "aurea1_18_1703001000000_k3j9_s-1_1703001051000");
        assert_eq!(pack(&checkout(None, "s_1", 5)), "aurea1_0__s_1_5");
    }

    #[test]
    fn ids_of_the_longest_legal_length_fit() {
        let longest = "_-".repeat(32);
        let packed = pack(&checkout(Some(&longest), &longest, 9_999_999_999_999));
        assert_eq!(packed.len(), 153);
        let unpacked = unpack(&packed).unwrap();
        assert_eq!(unpacked.anonymous_id.as_deref(), Some(&*longest));
        assert_eq!(unpacked.session_id, Some(longest));
        assert_eq!(unpacked.checkout_started_at, Some(9_999_999_999_999));
    }

    #[test]
    fn a_reference_of_somebody_elses_is_none_of_ours() {
        for text in [
            "",
            "cart_42",
            "aurea1_",
            "aurea1_2_a1",
            "aurea1_9_a1_s1_5",
            "aurea1_-1_a1_s1_5",
            "aurea1_2_a1s1_5",
            "aurea1_2_a1_s1_now",
            "aurea1_1_é_s1_5",
        ] {
            assert_eq!(unpack(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_legal_id_comes_back_as_it_went(
            visitor in proptest::option::of("[A-Za-z0-9_-]{1,64}"),
            session in "[A-Za-z0-9_-]{1,64}",
            started_at in 0_i64..10_000_000_000_000,
        ) {
            let packed = pack(&checkout(visitor.as_deref(), &session, started_at));
            prop_assert!(packed.len() <= 200);
            prop_assert!(packed.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
            let expected = Metadata {
                anonymous_id: visitor,
                session_id: Some(session),
                checkout_started_at: Some(started_at),
            };
            prop_assert_eq!(unpack(&packed), Some(expected));
        }

        #[test]
        fn any_text_is_read_without_harm(text in "(aurea1_)?[0-9]{0,3}_?\\PC{0,80}") {
            let _ = unpack(&text);
        }
    }
}
