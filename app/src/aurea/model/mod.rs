//! What the screens show, as the server's report answers it. Times are ms since 1970; nothing here is formatted yet.

mod money;

pub use money::{
    Body, Candidate, Compared, DeliveryItem, Done, Later, LaterItem, PaymentItem, PaymentPage, PaymentState,
    PaymentsFilter, PaymentsPage, UncountedItem, UnjoinedItem,
};

/// What stands round every screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Path of the screens' stylesheet.
    pub stylesheet: String,
    /// Path of the screens' script: it only refreshes an open timeline.
    pub script: String,
    /// The moment of asking; relative times count from it.
    pub now: i64,
    /// Whether the checkout is the simulator's; the frame says so.
    pub simulated: bool,
    /// Where outgoing events stand, for each destination.
    pub forwarding: Vec<Forwarding>,
    /// Providers whose deliveries are refused one after the other.
    pub refused: Vec<Refused>,
}

/// A provider's deliveries that are refused one after the other: its payments don't arrive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// The provider (`whop`).
    pub provider: String,
    /// How many were refused since the last good one.
    pub in_a_row: u64,
    /// When the first of them was.
    pub since: Option<i64>,
    /// Why the last of them was.
    pub why: String,
    /// How many are kept, to be recorded when the secret is mended.
    pub kept: u64,
}

/// How far a destination has been told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// What the outbox calls it: `aurea`, `webhooks`.
    pub destination: String,
    /// Its host; `None` if the settings name it no more.
    pub host: Option<String>,
    /// Outbox rows that are still to be sent.
    pub waiting: u64,
    /// Outbox rows that were given up for now; a click sends them again.
    pub parked: u64,
    /// When the oldest of them was written.
    pub oldest_at: Option<i64>,
    /// Why the last try failed, while something waits.
    pub last_error: Option<String>,
    /// The newest of those that were given up.
    pub given_up: Vec<ParkedItem>,
}

/// An outbox row that was given up for now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParkedItem {
    /// The events that it tells of, each name once. Untrusted text.
    pub events: Vec<String>,
    /// Their funnel.
    pub funnel: String,
    /// Their session, if they have one in common.
    pub session_id: Option<String>,
    /// Why the other side did not take it. Untrusted text.
    pub why: String,
    /// When it was written.
    pub written_at: i64,
}

/// An amount of money in minor units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amount {
    /// Minor units; negative only in refunds.
    pub minor: i64,
    /// ISO code.
    pub currency: String,
    /// Digits after the point: 2 for USD, 0 for JPY.
    pub digits: u8,
}

/// What sessions led to. Everything counts to the day on which its session began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Sessions that began.
    pub sessions: u64,
    /// Of them, those that went to the checkout.
    pub checkouts: u64,
    /// Of them, those that converted.
    pub conversions: u64,
    /// Revenue of the conversions, one amount for each currency; currencies are never added together.
    pub revenue: Vec<Amount>,
    /// What is left of it after refunds and disputes, by the same currencies.
    pub net: Vec<Amount>,
}

/// One day of a funnel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Day {
    /// Midnight UTC.
    pub at: i64,
    /// What its sessions led to.
    pub figures: Figures,
}

/// One source of a funnel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceItem {
    /// Where they came from; `None` is direct.
    pub source: Option<String>,
    /// What its sessions led to.
    pub figures: Figures,
}

/// One funnel in the list of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunnelItem {
    /// Its id.
    pub funnel: String,
    /// The last 30 days.
    pub figures: Figures,
    /// Each of the last 30 days, oldest first, today last.
    pub days: Vec<Day>,
}

/// `/aurea/funnels/{funnel}`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunnelPage {
    /// The funnel.
    pub item: FunnelItem,
    /// The sources of the last 30 days that brought most sessions.
    pub sources: Vec<SourceItem>,
    /// First payments that no session is known for, newest first.
    pub unattributed: Vec<PaymentItem>,
    /// Whether there may be more of them than these.
    pub more_unattributed: bool,
    /// The newest sessions.
    pub newest: Vec<SessionItem>,
}

/// The state of a session, as design 4.4 has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// The visitor is on the site.
    #[default]
    Active,
    /// The visitor is at the provider.
    Checkout,
    /// It led to money.
    Converted,
    /// The checkout was begun and not finished.
    Abandoned,
    /// It is over, without a checkout.
    Ended,
}

/// What the owner asks the list of sessions for, as it stands in the URL's query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// `converted`: `true`, `false` or empty.
    pub converted: String,
    /// `state`: a state, `bot` for the sessions of bots, or empty.
    pub state: String,
    /// `source`: exactly this source; `(direct)` for none; empty for all.
    pub source: String,
    /// `event`: the name of an event that was seen; empty for all.
    pub event: String,
    /// `from`: `YYYY-MM-DD`, UTC; sessions whose last event is not older.
    pub from: String,
    /// `to`: `YYYY-MM-DD`, UTC, that day included.
    pub to: String,
    /// `anonymousId`: of this visitor only.
    pub anonymous_id: String,
}

/// `/aurea/funnels/{funnel}/sessions`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionsPage {
    /// The funnel.
    pub funnel: String,
    /// What was asked for.
    pub filter: Filter,
    /// What is wrong with it, in words; then nothing is listed.
    pub fault: Option<String>,
    /// The sessions, newest first.
    pub sessions: Vec<SessionItem>,
    /// The cursor of the next page, for the URL's `cursor`.
    pub next_cursor: Option<String>,
    /// Whether this is not the first page.
    pub continued: bool,
    /// Sources to choose from, the biggest first.
    pub sources: Vec<String>,
    /// Whether the funnel has any session at all.
    pub any: bool,
}

/// One session in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionItem {
    /// Its id.
    pub session_id: String,
    /// Its visitor.
    pub anonymous_id: Option<String>,
    /// When its first event happened.
    pub started_at: i64,
    /// When its last event happened.
    pub last_at: i64,
    /// How many events there are.
    pub events: u64,
    /// Where it stands.
    pub state: State,
    /// Where its visitor came from; `None` is direct.
    pub source: Option<String>,
    /// The campaign, if one is named.
    pub campaign: Option<String>,
    /// What it brought, renewals included.
    pub value: Option<Amount>,
    /// What is left of that after refunds and disputes.
    pub net: Option<Amount>,
    /// Whether nothing but a provider's test mode converted it: no money moved.
    pub test: bool,
    /// Why its visitor is taken for a bot. Such a session is kept apart and counted nowhere.
    pub bot: Option<String>,
}

/// `/aurea/funnels/{funnel}/sessions/{sessionId}`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionPage {
    /// The funnel.
    pub funnel: String,
    /// The session in short.
    pub item: SessionItem,
    /// Why it is over: `converted`, `checkout_expired`, `tab_closed`, `inactive`.
    pub end_reason: Option<String>,
    /// Whole seconds from the first event to the end.
    pub total_seconds: i64,
    /// Whole seconds from the first event to the first conversion.
    pub seconds_to_convert: Option<i64>,
    /// How the visitor arrived.
    pub touch: Touch,
    /// How the ids of its checkouts went to the provider, oldest first.
    pub checkouts: Vec<CheckoutItem>,
    /// The timeline, in order, from the `skipped`-th event on.
    pub moments: Vec<Moment>,
    /// Events before the first one shown.
    pub skipped: u64,
    /// Where a long timeline goes on, for the URL's `cursor`.
    pub next_cursor: Option<String>,
    /// The money, oldest first.
    pub payments: Vec<PaymentItem>,
    /// The visitor's other sessions, newest first.
    pub others: Vec<SessionItem>,
    /// The session's JSON, as the JSON route answers it, indented; empty if it is too long to be shown.
    pub json: String,
}

/// How the ids of one checkout went to the provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckoutItem {
    /// Where the buyer was sent (`whop`).
    pub provider: String,
    /// How the ids travelled.
    pub carried: Carried,
    /// When the buy button was pressed.
    pub at: i64,
}

/// How the ids travel to the provider and back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carried {
    /// With a checkout that the provider's API made.
    #[default]
    Api,
    /// In the link.
    Link,
    /// In the link, because the API failed.
    Fallback,
}

/// How a visitor arrived; all absent is direct.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touch {
    /// Source.
    pub source: Option<String>,
    /// Medium.
    pub medium: Option<String>,
    /// Campaign.
    pub campaign: Option<String>,
    /// Referrer.
    pub referrer: Option<String>,
    /// Click id.
    pub click_id: Option<String>,
}

/// One event in a timeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Unique in the session.
    pub event_id: String,
    /// The event's name, untrusted text.
    pub name: String,
    /// When it happened.
    pub at: i64,
    /// Its properties as indented JSON, cut if they are long; empty if there are none. Untrusted text.
    pub properties: String,
    /// Names and values of the properties, values as text, cut if they are long. Untrusted text.
    pub facts: Vec<(String, String)>,
    /// The page it happened on. Untrusted text.
    pub page_url: Option<String>,
    /// Who said so: `browser`, `key` or `server`.
    pub source: String,
    /// The money it speaks of, if its properties name an amount and a currency that can be read.
    pub amount: Option<Amount>,
    /// True when the conversion had already closed the session.
    pub after_end: bool,
}
