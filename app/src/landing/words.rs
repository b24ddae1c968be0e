//! The owner's words, as they stand in `Leptos.toml` under `[product]` and `[page]`.
//!
//! Parsing only: an unknown or missing key is an error, so that a misspelt one cannot go unnoticed. Whether the price
//! is a price and the currency a currency is decided where the whole configuration is known. All texts are plain text.

#![cfg(feature = "ssr")]

use serde::Deserialize;

/// `[product]`: what is sold. The only place with a price.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// Names the product in events and at the provider.
    pub id: String,
    /// What visitors read.
    pub name: String,
    /// What `buy_button_clicked` calls it.
    pub label: String,
    /// Decimal in major units, such as `99.00`; text, so that it never is a float.
    pub price: String,
    /// ISO 4217 code, such as `USD`.
    pub currency: String,
    /// What kind of the product it is, such as `lifetime`.
    pub variant: String,
}

impl Product {
    /// The price as visitors read it: `$99`, `€49.50`, `99 CHF`.
    pub fn shown_price(&self) -> String {
        let amount = self.price.strip_suffix(".00").unwrap_or(&self.price);
        match self.currency.as_str() {
            "USD" => format!("${amount}"),
            "EUR" => format!("€{amount}"),
            "GBP" => format!("£{amount}"),
            other => format!("{amount} {other}"),
        }
    }
}

/// `[page]`: everything the page says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// Language of the page, such as `en` (BCP 47).
    pub language: String,
    /// Short name, beside the mark.
    pub brand: String,
    /// Title of the landing page, in tabs and search results.
    pub title: String,
    /// One or two sentences for search results and shared links.
    pub description: String,
    /// E-mail address for questions.
    pub contact: String,
    /// Picture for shared links.
    pub share: Picture,
    /// Top of every page.
    pub header: Header,
    /// First screen.
    pub hero: Hero,
    /// The demo video.
    pub video: Video,
    /// Why to buy.
    pub benefits: Benefits,
    /// What one gets.
    pub inside: Inside,
    /// The pricing card.
    pub pricing: Pricing,
    /// Questions and answers.
    pub faq: Faq,
    /// The last invitation.
    pub call: Call,
    /// Bottom of every page.
    pub footer: Footer,
    /// Asks for consent, where the mode wants it.
    pub consent: Consent,
    /// `/privacy`
    pub privacy: Legal,
    /// `/terms`
    pub terms: Legal,
    /// `/thank-you`
    pub thank_you: ThankYou,
    /// Any other address.
    pub not_found: Notice,
}

/// A link.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// What it says.
    pub label: String,
    /// Where it goes: a path or a `#section`.
    pub href: String,
}

/// A picture in `public/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Picture {
    /// Path from the site's root.
    pub src: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// For those who do not see it.
    pub alt: String,
}

/// `[page.header]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// First thing a keyboard reaches: jumps over the header.
    pub skip: String,
    /// Ways through the page.
    pub links: Vec<Link>,
    /// The quiet button at the end.
    pub call: Link,
}

/// `[page.hero]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hero {
    /// Small line above the title.
    pub eyebrow: String,
    /// The page's one `h1`.
    pub title: String,
    /// What it is, in two sentences.
    pub lead: String,
    /// Primary action; the page adds the price.
    pub call: Link,
    /// Second action.
    pub more: Link,
    /// Small line below the actions.
    pub note: String,
}

/// `[page.video]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Video {
    /// Heading.
    pub title: String,
    /// Below the heading.
    pub lead: String,
    /// What the events call the video.
    pub name: String,
    /// Pixels; keeps the space free until the video is there.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Picture before the video is played.
    pub poster: String,
    /// Best first.
    pub sources: Vec<Source>,
    /// Subtitles, a `.vtt` file.
    pub captions: Captions,
    /// Below the video.
    pub note: String,
}

/// One file of a video.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Path from the site's root.
    pub src: String,
    /// Media type, such as `video/mp4`.
    pub kind: String,
}

/// Subtitles of a video.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Captions {
    /// Path from the site's root.
    pub src: String,
    /// Language, such as `en`.
    pub language: String,
    /// What the player's menu says.
    pub label: String,
}

/// `[page.benefits]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Benefits {
    /// Heading.
    pub title: String,
    /// Below the heading.
    pub lead: String,
    /// Four look best.
    pub items: Vec<Benefit>,
}

/// One reason.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Benefit {
    /// Small drawing above it.
    pub icon: Icon,
    /// Heading.
    pub title: String,
    /// One or two sentences.
    pub text: String,
}

/// The drawings that a benefit can have.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Icon {
    /// A list with ticks.
    Steps,
    /// A document.
    File,
    /// A speech bubble.
    Reason,
    /// A closed circle with a one in it.
    Once,
}

/// `[page.inside]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inside {
    /// Heading.
    pub title: String,
    /// Below the heading.
    pub lead: String,
    /// In the order shown.
    pub items: Vec<Shelf>,
}

/// One part of what is sold.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shelf {
    /// Heading.
    pub title: String,
    /// One sentence.
    pub text: String,
}

/// `[page.pricing]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pricing {
    /// Heading.
    pub title: String,
    /// Below the heading.
    pub lead: String,
    /// Beside the price.
    pub term: String,
    /// The checklist.
    pub includes: Vec<String>,
    /// On the buy button.
    pub button: String,
    /// Below the buy button.
    pub note: String,
}

/// `[page.faq]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faq {
    /// Heading.
    pub title: String,
    /// Below the heading; the page adds the contact address.
    pub lead: String,
    /// In the order shown.
    pub items: Vec<Question>,
}

/// One question and its answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// As a visitor would ask it; the events carry it.
    pub question: String,
    /// The answer.
    pub answer: String,
}

/// `[page.call]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Heading.
    pub title: String,
    /// Below the heading.
    pub lead: String,
    /// On the buy button.
    pub button: String,
    /// Below the buy button.
    pub note: String,
}

/// `[page.footer]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Footer {
    /// Beside the mark.
    pub line: String,
    /// Legal pages.
    pub links: Vec<Link>,
    /// Said when the checkout is the simulator's.
    pub simulated: String,
}

/// `[page.consent]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// Names the bar to screen readers.
    pub label: String,
    /// The question.
    pub text: String,
    /// Button for yes.
    pub grant: String,
    /// Button for no.
    pub deny: String,
}

/// `[page.privacy]`, `[page.terms]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Legal {
    /// The page's `h1`.
    pub title: String,
    /// For search results.
    pub description: String,
    /// First paragraph.
    pub lead: String,
    /// The rest.
    pub sections: Vec<Clause>,
}

/// One section of a legal page.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clause {
    /// Heading.
    pub title: String,
    /// In order.
    pub paragraphs: Vec<String>,
}

/// `[page.thank_you]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThankYou {
    /// The page's `h1` as long as nothing is known of the payment.
    pub title: String,
    /// For search results.
    pub description: String,
    /// First paragraph as long as nothing is known of the payment.
    pub lead: String,
    /// While the payment is on its way.
    pub waiting: Said,
    /// Once the payment has arrived.
    pub confirmed: Said,
    /// What happens next.
    pub steps: Vec<String>,
    /// The way on.
    pub link: Link,
}

/// How the return page opens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// The page's `h1`.
    pub title: String,
    /// First paragraph.
    pub lead: String,
}

/// `[page.not_found]`: a short page with one way on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// The page's `h1`.
    pub title: String,
    /// For search results.
    pub description: String,
    /// First paragraph.
    pub lead: String,
    /// What happens next; may be empty.
    pub steps: Vec<String>,
    /// The way on.
    pub link: Link,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(price: &str, currency: &str) -> Product {
        let text = |text: &str| text.to_owned();
        Product {
            id: text("id"),
            name: text("name"),
            label: text("label"),
            price: text(price),
            currency: text(currency),
            variant: text("lifetime"),
        }
    }

    #[test]
    fn a_price_is_shown_as_people_write_it() {
        assert_eq!(product("99.00", "USD").shown_price(), "$99");
        assert_eq!(product("49.50", "EUR").shown_price(), "€49.50");
        assert_eq!(product("1200", "GBP").shown_price(), "£1200");
        assert_eq!(product("99.00", "CHF").shown_price(), "99 CHF");
    }
}
