//! What the screens show, as the server's report answers it. Times are ms since 1970; nothing here is formatted yet.

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

/// How the money of a payment stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PaymentState {
    /// All of it is ours.
    #[default]
    Paid,
    /// Some of it went back.
    PartlyRefunded,
    /// All of it went back.
    Refunded,
    /// The buyer's bank asks for it.
    Disputed,
    /// The bank has it.
    DisputeLost,
    /// Nobody knows how much it was.
    Unclear,
}

/// One payment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // each is a mark of its own, and any may stand beside any
pub struct PaymentItem {
    /// Who took it.
    pub provider: String,
    /// The provider's id.
    pub payment_id: String,
    /// Whether it is a later period of a subscription.
    pub renewal: bool,
    /// How much; `Err` says why the amount can't be trusted. `Ok(None)`: not said.
    pub amount: Result<Option<Amount>, String>,
    /// What is left of it after refunds and disputes.
    pub net: Option<Amount>,
    /// How its money stands.
    pub state: PaymentState,
    /// Whether it is the provider's test mode's: no money moved.
    pub test: bool,
    /// Whether it was found in the provider's own list, and no delivery brought it.
    pub reconciled: bool,
    /// When the owner said by hand whose it is.
    pub joined_at: Option<i64>,
    /// When it was paid.
    pub paid_at: i64,
    /// Its session, if one is known.
    pub session_id: Option<String>,
    /// The deliveries that told of it, oldest first.
    pub deliveries: Vec<DeliveryItem>,
    /// Whether somebody with a key told of it: their ledger keeps its payment, and there is no page for it here.
    pub elsewhere: bool,
}

/// One delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryItem {
    /// The provider's id of it.
    pub delivery_id: String,
    /// What it says it is about. Untrusted text.
    pub event_type: String,
    /// `recorded`, `ignored` or `unparsable`.
    pub state: String,
    /// When it arrived.
    pub received_at: i64,
    /// What it said, where that is shown.
    pub body: Option<Body>,
}

/// What a delivery said, without what is nobody's business. Untrusted text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// As it is shown.
    pub text: String,
    /// Whether it could be read as JSON, so that what is private could be left out.
    pub readable: bool,
    /// Whether there is more of it.
    pub cut: bool,
}

/// What the owner asks the list of payments for, as it stands in the URL's query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaymentsFilter {
    /// `state`: a state, `renewal`, `test`, or empty.
    pub state: String,
    /// `provider`: its name; empty for all.
    pub provider: String,
    /// `session`: `with`, `without` or empty.
    pub session: String,
    /// `from`: `YYYY-MM-DD`, UTC; payments that are not older.
    pub from: String,
    /// `to`: `YYYY-MM-DD`, UTC, that day included.
    pub to: String,
}

/// `/aurea/funnels/{funnel}/payments`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaymentsPage {
    /// The funnel.
    pub funnel: String,
    /// What was asked for.
    pub filter: PaymentsFilter,
    /// What is wrong with it, in words; then nothing is listed.
    pub fault: Option<String>,
    /// The payments, newest first.
    pub payments: Vec<PaymentItem>,
    /// The cursor of the next page, for the URL's `cursor`.
    pub next_cursor: Option<String>,
    /// Whether this is not the first page.
    pub continued: bool,
    /// Providers to choose from.
    pub providers: Vec<String>,
    /// Whether the funnel has any payment at all.
    pub any: bool,
    /// Refunds and disputes whose payment is not known.
    pub unjoined: Vec<UnjoinedItem>,
    /// What came of the last comparison with each provider's own list.
    pub compared: Vec<Compared>,
}

/// What came of comparing the ledger with a provider's own list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Whose list.
    pub provider: String,
    /// When.
    pub at: i64,
    /// How many payments, refunds and disputes it had.
    pub listed: u64,
    /// How much was found that no delivery had brought.
    pub found: u64,
    /// What that was, a line each, the first of them. Untrusted text.
    pub found_lines: Vec<String>,
    /// How much differs.
    pub differs: u64,
    /// What that is, a line each, the first of them. Untrusted text.
    pub differences: Vec<String>,
    /// Why there was nothing to compare.
    pub fault: Option<String>,
}

/// What happened to money later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Later {
    /// A refund.
    #[default]
    Refund,
    /// All that was refunded so far.
    Refunds,
    /// A dispute.
    Dispute,
}

/// A refund or dispute as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaterItem {
    /// Which of them.
    pub what: Later,
    /// The provider's id of it.
    pub id: String,
    /// How much, or why that is not known.
    pub amount: Result<Amount, String>,
    /// `pending`, `succeeded`, `failed`; `warning`, `open`, `won`, `lost`.
    pub state: String,
    /// When that was told.
    pub at: i64,
}

/// A refund or dispute whose payment is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnjoinedItem {
    /// Who told of it.
    pub provider: String,
    /// The payment that it names.
    pub payment_id: String,
    /// What it is.
    pub later: LaterItem,
}

/// A session that may have led to a payment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// The session in short.
    pub item: SessionItem,
    /// When it went to the checkout.
    pub checkout_at: i64,
}

/// What a click on a payment's page did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It was joined to its session.
    Joined,
    /// Its events are told once more.
    Sent {
        /// Requests that were written.
        new: u32,
        /// Requests that had been given up and are tried again.
        woken: u32,
        /// Requests that wait anyhow.
        waiting: u32,
    },
}

/// `/aurea/funnels/{funnel}/payments/{provider}/{paymentId}`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentPage {
    /// The funnel.
    pub funnel: String,
    /// The payment in short.
    pub item: PaymentItem,
    /// What went back, of what it was.
    pub refunded: Option<Amount>,
    /// What disputes hold back.
    pub disputed: Option<Amount>,
    /// Refunds and disputes, each as it stands last, oldest first.
    pub later: Vec<LaterItem>,
    /// Other ids by which it is known.
    pub names: Vec<String>,
    /// Its subscription.
    pub subscription_id: Option<String>,
    /// The other payments of its subscription, oldest first.
    pub siblings: Vec<PaymentItem>,
    /// Its session, and how that came.
    pub session: Option<(SessionItem, Touch)>,
    /// Sessions that may have led to it, the newest checkout first.
    pub candidates: Vec<Candidate>,
    /// Hosts that are told of what happens.
    pub told: Vec<String>,
    /// What the click did that led here.
    pub done: Option<Done>,
    /// What was asked for by hand and refused: what was typed, and why.
    pub refused: Option<(String, String)>,
}
