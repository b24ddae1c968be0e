//! What a step of the timeline says, and its drawing. Pure; the quoted part is untrusted text and is shown as such.

use super::icons::Icon;
use super::model::{Amount, Moment};
use super::timeline::{Step, fact, is_scroll, is_video, subject};
use super::{format, text};
use crate::event::name;

/// How strongly a step is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// It is there to be looked up.
    Quiet,
    /// The visitor did something.
    Plain,
    /// It leads to the checkout.
    Strong,
    /// Money came in.
    Money,
    /// Money did not come in, or went back.
    Loss,
}

/// A step in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sentence {
    /// Its drawing.
    pub(super) icon: Icon,
    /// How strongly it is drawn.
    pub(super) weight: Weight,
    /// What happened.
    pub(super) says: String,
    /// What it happened to: text from outside.
    pub(super) quote: Option<String>,
    /// What else is to be said, such as the money.
    pub(super) rest: Option<String>,
}

/// What `step` says.
pub(super) fn sentence(step: &Step<'_>) -> Sentence {
    let moment = step.last();
    let event_name = moment.name.as_str();
    let known = |icon, weight, says: &str| plain(icon, weight, says.to_owned(), subject(moment));
    if is_scroll(event_name) {
        return known(Icon::Scroll, Weight::Quiet, &format!("Scrolled to {} %", deepest(step)));
    }
    if is_video(event_name) {
        return known(Icon::Video, Weight::Plain, watched(step));
    }
    match event_name {
        name::PAGE_VIEW => known(Icon::Page, Weight::Plain, "Looked at"),
        name::FAQ_OPENED => known(Icon::Question, Weight::Plain, "Opened the question"),
        name::FAQ_CLOSED => known(Icon::Question, Weight::Quiet, "Closed the question"),
        name::CTA_CLICKED => known(Icon::Press, Weight::Plain, "Pressed"),
        name::SECTION_VIEWED => known(Icon::Section, Weight::Quiet, "Saw the section"),
        name::OUTBOUND_CLICKED => known(Icon::Outbound, Weight::Plain, "Followed a link to"),
        name::WEB_VITALS => known(Icon::Gauge, Weight::Quiet, "Page speed measured"),
        name::BUY_BUTTON_CLICKED => known(Icon::Buy, Weight::Strong, "Pressed Buy"),
        name::CHECKOUT_STARTED => {
            money(Icon::Checkout, Weight::Strong, "Went to the checkout", moment, &["price"])
        }
        name::CHECKOUT_RETURNED => known(Icon::Return, Weight::Plain, "Came back from the checkout"),
        name::CHECKOUT_COMPLETED if fact(moment, &["test"]) == Some("true") => {
            money(Icon::Paid, Weight::Plain, "Paid in the provider's test mode", moment, &["revenue"])
        }
        name::CHECKOUT_COMPLETED => money(Icon::Paid, Weight::Money, "Paid", moment, &["revenue"]),
        name::CHECKOUT_FAILED => failed(moment),
        name::PAYMENT_REFUNDED => {
            let (weight, says) = match (fact(moment, &["status"]), fact(moment, &["allSoFar"])) {
                (Some("failed"), _) => (Weight::Plain, "The refund did not go through"),
                (_, Some("true")) => (Weight::Loss, "Refunded so far"),
                _ => (Weight::Loss, "Refunded"),
            };
            money(Icon::Refund, weight, says, moment, &["amount", "revenue"])
        }
        name::PAYMENT_DISPUTED => {
            let (weight, says) = match fact(moment, &["status"]) {
                Some("warning") => (Weight::Loss, "The buyer's bank asks about the payment"),
                Some("won") => (Weight::Money, "The dispute was won"),
                Some("lost") => (Weight::Loss, "The dispute was lost"),
                _ => (Weight::Loss, "The buyer disputes the payment"),
            };
            money(Icon::Dispute, weight, says, moment, &["amount", "revenue"])
        }
        name::SUBSCRIPTION_RENEWED => money(
            Icon::Renewal,
            Weight::Money,
            "The subscription was renewed",
            moment,
            &["amount", "revenue"],
        ),
        name::SESSION_END if fact(moment, &["converted"]) == Some("true") => {
            known(Icon::Closed, Weight::Plain, "The session ended with the conversion")
        }
        name::SESSION_END => known(Icon::Leave, Weight::Plain, "Left the page"),
        custom => plain(Icon::Custom, Weight::Plain, String::new(), Some(custom)),
    }
}

fn plain(icon: Icon, weight: Weight, says: String, quote: Option<&str>) -> Sentence {
    Sentence { icon, weight, says, quote: quote.map(str::to_owned), rest: None }
}

/// A try to pay that came to nothing, with the provider's reason.
fn failed(moment: &Moment) -> Sentence {
    let reason = fact(moment, &["reason"]).filter(|reason| !reason.is_empty());
    let (says, quote) = match reason {
        Some("expired") => ("The checkout expired", None),
        Some(reason) => ("The payment failed:", Some(reason.replace('_', " "))),
        None => ("The payment failed", None),
    };
    Sentence { quote, ..money(Icon::Failed, Weight::Loss, says, moment, &["revenue"]) }
}

fn money(icon: Icon, weight: Weight, says: &str, moment: &Moment, names: &[&str]) -> Sentence {
    let said = || {
        let amount = fact(moment, names)?;
        Some(format!(
            "{} {}",
            text::cut(amount, 40),
            text::cut(fact(moment, &["currency"]).unwrap_or(""), 10)
        ))
    };
    let rest = moment.amount.as_ref().map(|amount: &Amount| text::line(&format::money(amount))).or_else(said);
    Sentence { rest, ..plain(icon, weight, says.to_owned(), None) }
}

/// The greatest depth in the step; the names say it.
fn deepest<'a>(step: &Step<'a>) -> &'a str {
    let depth = |moment: &'a Moment| moment.name.rsplit('_').next().unwrap_or("0");
    step.moments.iter().map(depth).max_by_key(|depth| depth.parse::<u32>().unwrap_or(0)).unwrap_or("0")
}

/// How far the step's video was seen.
fn watched(step: &Step<'_>) -> &'static str {
    let seen = |event_name: &str| step.moments.iter().any(|moment| moment.name == event_name);
    match () {
        () if seen(name::VIDEO_COMPLETED) => "Watched to the end",
        () if seen(name::VIDEO_PROGRESS_75) => "Watched 75 % of",
        () if seen(name::VIDEO_PROGRESS_50) => "Watched 50 % of",
        () if seen(name::VIDEO_PROGRESS_25) => "Watched 25 % of",
        () if seen(name::VIDEO_STARTED) => "Began to watch",
        () => "Paused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(events: &[(&str, &[(&str, &str)])]) -> String {
        let moments: Vec<Moment> = events
            .iter()
            .map(|(name, facts)| Moment {
                name: (*name).to_owned(),
                facts: facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
                page_url: Some("https://ttr.example/thank-you?utm_source=x#top".to_owned()),
                ..Moment::default()
            })
            .collect();
        let Sentence { says, quote, rest, .. } = sentence(&Step { moments: &moments });
        [Some(says), quote, rest]
            .into_iter()
            .flatten()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn a_person_understands_what_happened() {
        assert_eq!(said(&[("page_view", &[])]), "Looked at /thank-you");
        assert_eq!(said(&[("scroll_depth_25", &[]), ("scroll_depth_75", &[])]), "Scrolled to 75 %");
        assert_eq!(said(&[("faq_opened", &[("question", "Why?")])]), "Opened the question Why?");
        assert_eq!(
            said(&[("video_started", &[("video", "Tour")]), ("video_paused", &[("video", "Tour")])]),
            "Began to watch Tour"
        );
        assert_eq!(
            said(&[("session_end", &[("converted", "true")])]),
            "The session ended with the conversion"
        );
        assert_eq!(said(&[("session_end", &[])]), "Left the page");
        assert_eq!(said(&[("my_event", &[])]), "my_event");
        for custom in ["video_muted", "scroll_depth_foo"] {
            assert_eq!(said(&[(custom, &[])]), custom, "only looks like one of ours");
        }
    }

    #[test]
    fn what_happens_to_money_later_is_said_with_its_amount() {
        let usd = |name: &'static str, facts: &[(&'static str, &'static str)]| {
            said(&[(name, &[&[("amount", "10"), ("currency", "USD")], facts].concat())])
        };
        assert_eq!(usd("payment_refunded", &[]), "Refunded 10 USD");
        assert_eq!(usd("payment_refunded", &[("allSoFar", "true")]), "Refunded so far 10 USD");
        assert_eq!(usd("payment_refunded", &[("status", "failed")]), "The refund did not go through 10 USD");
        for (status, says) in [
            ("warning", "The buyer's bank asks about the payment"),
            ("open", "The buyer disputes the payment"),
            ("won", "The dispute was won"),
            ("lost", "The dispute was lost"),
        ] {
            assert_eq!(usd("payment_disputed", &[("status", status)]), format!("{says} 10 USD"));
        }
        assert_eq!(usd("subscription_renewed", &[]), "The subscription was renewed 10 USD");
        let why = |reason| said(&[("checkout_failed", &[("reason", reason)])]);
        assert_eq!(why("card_declined"), "The payment failed: card declined");
        assert_eq!(why("expired"), "The checkout expired");
        assert_eq!(said(&[("checkout_failed", &[])]), "The payment failed");
        let test = [("revenue", "99"), ("currency", "USD"), ("test", "true")];
        assert_eq!(said(&[("checkout_completed", &test)]), "Paid in the provider's test mode 99 USD");
    }

    #[test]
    fn money_is_said_as_it_came_unless_the_amount_is_known() {
        assert_eq!(said(&[("checkout_completed", &[("revenue", "99"), ("currency", "USD")])]), "Paid 99 USD");
        let amount = Some(Amount { minor: 9900, currency: "USD".to_owned(), digits: 2 });
        let moments = [Moment { name: "checkout_started".to_owned(), amount, ..Moment::default() }];
        assert_eq!(sentence(&Step { moments: &moments }).rest.as_deref(), Some("99.00 USD"));
    }

    #[test]
    fn every_event_of_the_catalogue_has_a_sentence() {
        for (event_name, _) in crate::event::CATALOGUE {
            let moments = [Moment { name: (*event_name).to_owned(), ..Moment::default() }];
            let sentence = sentence(&Step { moments: &moments });
            assert!(!sentence.says.is_empty() && sentence.icon != Icon::Custom, "{event_name}");
        }
    }
}
