//! The screens of payments.

use app::aurea::model::{
    Body, Candidate, Compared, DeliveryItem, Done, Frame, Later, LaterItem, PaymentItem, PaymentPage,
    PaymentState, PaymentsFilter, PaymentsPage, SessionItem, State, Touch, UncountedItem, UnjoinedItem,
};
use app::aurea::{payment as draw, payments};

use super::{
    D, H, MIN, NOW, S, Screen, frame, hostile_amount, hostile_frame, hostile_item, hostile_payment, naughty,
    payment, usd, wide,
};

const SESSION: &str = "1703001000000_xyz7k3j9x2q7w1e5";

pub(super) fn screens() -> Vec<Screen> {
    fn screen(name: &'static str, draw: impl Fn() -> String + 'static) -> Screen {
        (name, Box::new(draw))
    }
    let one = |name, page: fn() -> PaymentPage| screen(name, move || draw(&frame(), &page()));
    let all = |name, page: fn() -> PaymentsPage| screen(name, move || payments(&frame(), &page()));
    vec![
        all("payments", page),
        all("payments-filtered", filtered),
        all("payments-none", || PaymentsPage { payments: vec![], next_cursor: None, ..filtered() }),
        all("payments-fault", || PaymentsPage {
            fault: Some("from must be a day such as 2026-01-31.".into()),
            payments: vec![],
            ..filtered()
        }),
        all("payments-uncounted", uncounted),
        all("payments-empty", || PaymentsPage { funnel: "ttr".into(), ..PaymentsPage::default() }),
        screen("payments-hostile", || payments(&hostile_frame(), &hostile_page())),
        one("payment", paid),
        one("payment-refunded", refunded),
        one("payment-disputed", disputed),
        one("payment-subscription", subscription),
        one("payment-test", || PaymentPage {
            item: PaymentItem { test: true, ..paid().item },
            told: vec!["crm.example".into()],
            ..paid()
        }),
        one("payment-unclear", unclear),
        one("payment-lost", lost),
        one("payment-lost-refused", || PaymentPage {
            refused: Some(("s 1".into(), "sessionId: there is no session s1 in this funnel".into())),
            candidates: vec![],
            ..lost()
        }),
        one("payment-joined", joined),
        one("payment-sent", || PaymentPage {
            done: Some(Done::Sent { new: 2, woken: 1, waiting: 0 }),
            told: vec!["crm.example".into()],
            ..paid()
        }),
        screen("payment-hostile", || draw(&hostile(), &hostile_one())),
        screen("payment-lost-hostile", || draw(&hostile(), &hostile_lost())),
    ]
}

fn hostile() -> Frame {
    hostile_frame()
}

fn item(at: i64, state: PaymentState, left: i64) -> PaymentItem {
    PaymentItem {
        payment_id: format!("pay_{:07}Kx2", at * 48_271 % 9_999_991),
        paid_at: NOW - at * at * 37 * MIN - 4 * MIN,
        net: Some(usd(left)),
        state,
        session_id: Some(format!("1703001000000_s{:09}w1e5r8", at * 7_919_113)),
        ..payment(None)
    }
}

fn page() -> PaymentsPage {
    let mut items: Vec<PaymentItem> = (0..24).map(|at| item(at, PaymentState::Paid, 9900)).collect();
    items[1].session_id = None;
    items[2] = item(2, PaymentState::PartlyRefunded, 8900);
    items[3].renewal = true;
    items[5] = item(5, PaymentState::Disputed, 0);
    items[7] = PaymentItem { test: true, ..item(7, PaymentState::Paid, 9900) };
    items[8] = PaymentItem {
        amount: Err("an amount must not be negative".into()),
        net: None,
        ..item(8, PaymentState::Unclear, 0)
    };
    items[9].reconciled = true;
    items[11] = item(11, PaymentState::Refunded, 0);
    items[13] = PaymentItem {
        provider: "stripe".into(),
        payment_id: "pi_3QKx8Z2eZvKYlo2C1gQ0q7Ab".into(),
        joined_at: Some(NOW - H),
        ..item(13, PaymentState::DisputeLost, 0)
    };
    PaymentsPage {
        funnel: "ttr".into(),
        payments: items,
        next_cursor: Some("1703001000000_whop_pay_1".into()),
        providers: vec!["stripe".into(), "whop".into()],
        any: true,
        unjoined: vec![UnjoinedItem {
            provider: "stripe".into(),
            payment_id: "ch_3QKx8Z2eZvKYlo2C".into(),
            later: later(Later::Refund, "re_1", 9900, "succeeded"),
        }],
        compared: vec![
            Compared {
                provider: "stripe".into(),
                at: NOW - 12 * MIN,
                listed: 42,
                found: 3,
                found_lines: vec!["payment pi_9 of 99 USD, no session".into()],
                differs: 1,
                differences: vec!["payment pi_7: 99 USD here, 89 USD there".into()],
                fault: None,
            },
            Compared { provider: "whop".into(), at: NOW - 12 * MIN, listed: 120, ..Compared::default() },
            Compared {
                provider: "polar".into(),
                at: NOW - 2 * H,
                fault: Some("POLAR_ACCESS_TOKEN is not set".into()),
                ..Compared::default()
            },
        ],
        ..PaymentsPage::default()
    }
}

fn filtered() -> PaymentsPage {
    let filter = PaymentsFilter {
        state: "partly_refunded".into(),
        provider: "whop".into(),
        session: "with".into(),
        from: "2026-11-01".into(),
        ..PaymentsFilter::default()
    };
    let payments = vec![item(2, PaymentState::PartlyRefunded, 8900)];
    PaymentsPage { filter, payments, continued: true, unjoined: vec![], compared: vec![], ..page() }
}

/// A provider that has changed its form, and a webhook that several companies share.
fn uncounted() -> PaymentsPage {
    let from = |provider: &str, why: Option<&str>, days: i64, delivery: DeliveryItem| UncountedItem {
        provider: provider.into(),
        why: why.map(str::to_owned),
        delivery: DeliveryItem { received_at: delivery.received_at - days * D, ..delivery },
    };
    let company =
        |days| from("whop", Some("biz_9sQx2"), days, delivery("payment.succeeded", "foreign", BODY, true));
    let lines = vec![
        from("whop", Some("missing field `id`"), 0, delivery("payment.succeeded", "unparsable", BODY, true)),
        from("shopify", None, 3, delivery("", "unparsable", "id=1&email=•••", false)),
        company(0),
        company(1),
    ];
    PaymentsPage { uncounted: lines, compared: vec![], ..page() }
}

fn later(what: Later, id: &str, minor: i64, state: &str) -> LaterItem {
    LaterItem { what, id: id.into(), amount: Ok(usd(minor)), state: state.into(), at: NOW - 3 * H }
}

const BODY: &str = "{\n  \"data\": {\n    \"id\": \"pay_9vQn2Xw\",\n    \"total\": 99,\n    \"user\": {\n      \"email\": \"•••\"\n    }\n  }\n}";

fn delivery(event_type: &str, state: &str, body: &str, readable: bool) -> DeliveryItem {
    DeliveryItem {
        delivery_id: "msg_2Lml5ZQ0mVxkYw".into(),
        event_type: event_type.into(),
        state: state.into(),
        received_at: NOW - 5 * MIN,
        body: Some(Body { text: body.into(), readable, cut: !readable }),
    }
}

fn session() -> SessionItem {
    SessionItem {
        session_id: SESSION.into(),
        anonymous_id: Some("1703001000000_k3j9x2q7w1e5r8t4".into()),
        started_at: NOW - 22 * MIN,
        last_at: NOW - 5 * MIN,
        events: 18,
        state: State::Converted,
        source: Some("google".into()),
        campaign: Some("black-friday".into()),
        value: Some(usd(9900)),
        net: Some(usd(9900)),
        ..SessionItem::default()
    }
}

fn paid() -> PaymentPage {
    let touch = Touch {
        source: Some("google".into()),
        medium: Some("cpc".into()),
        campaign: Some("black-friday".into()),
        click_id: Some("EAIaIQobChMI".into()),
        ..Touch::default()
    };
    let mut item = payment(Some(SESSION));
    item.deliveries = vec![
        delivery("payment.succeeded", "recorded", BODY, true),
        delivery("membership.went_valid", "ignored", BODY, true),
    ];
    PaymentPage {
        funnel: "ttr".into(),
        item,
        refunded: Some(usd(0)),
        disputed: Some(usd(0)),
        later: vec![],
        names: vec!["ch_3QKx8Z2eZvKYlo2C".into()],
        subscription_id: None,
        siblings: vec![],
        session: Some((session(), touch)),
        candidates: vec![],
        told: vec![],
        done: None,
        refused: None,
    }
}

fn refunded() -> PaymentPage {
    let mut page = paid();
    page.item.state = PaymentState::PartlyRefunded;
    page.item.net = Some(usd(8900));
    page.refunded = Some(usd(1000));
    page.later = vec![
        later(Later::Refund, "re_3QKx8Z2eZvKYlo2C", 1000, "succeeded"),
        later(Later::Refund, "re_9", 2000, "pending"),
    ];
    page
}

fn disputed() -> PaymentPage {
    let mut page = paid();
    page.item.state = PaymentState::Disputed;
    page.item.net = Some(usd(0));
    page.disputed = Some(usd(9900));
    page.later = vec![later(Later::Dispute, "dspt_1", 9900, "open")];
    page
}

fn subscription() -> PaymentPage {
    let mut page = paid();
    page.subscription_id = Some("mem_7hGw2".into());
    page.siblings = vec![
        PaymentItem { renewal: true, paid_at: NOW - 30 * D, ..item(1, PaymentState::Paid, 9900) },
        PaymentItem { renewal: true, ..item(2, PaymentState::PartlyRefunded, 8900) },
    ];
    page
}

fn unclear() -> PaymentPage {
    let mut page = paid();
    page.item.amount = Err("\"10.435\" has more digits than the currency".into());
    page.item.net = None;
    page.item.state = PaymentState::Unclear;
    page.item.reconciled = true;
    page.item.deliveries = vec![];
    (page.refunded, page.disputed) = (None, None);
    page
}

fn lost() -> PaymentPage {
    let mut page = paid();
    page.item.session_id = None;
    page.session = None;
    page.item.deliveries.push(delivery("", "unparsable", "id=1&email=•••", false));
    let candidate = |minutes, source: Option<&str>| Candidate {
        item: SessionItem {
            session_id: format!("1703001000000_c{minutes}q7w1e5r8t4"),
            source: source.map(str::to_owned),
            state: State::Checkout,
            ..session()
        },
        checkout_at: NOW - 5 * MIN - minutes * MIN - 40 * S,
    };
    page.candidates =
        vec![candidate(2, Some("google")), candidate(45, None), candidate(190, Some("youtube"))];
    page
}

fn joined() -> PaymentPage {
    let mut page = paid();
    page.item.joined_at = Some(NOW - 2 * S);
    PaymentPage { done: Some(Done::Joined), ..page }
}

fn hostile_page() -> PaymentsPage {
    let filter = PaymentsFilter {
        state: naughty(),
        provider: naughty(),
        session: naughty(),
        from: naughty(),
        to: naughty(),
    };
    let strange = LaterItem {
        what: Later::Dispute,
        id: naughty(),
        amount: Err(naughty()),
        state: naughty(),
        at: i64::MIN,
    };
    let odd = PaymentItem {
        amount: Ok(Some(hostile_amount())),
        provider: wide(),
        payment_id: wide(),
        ..hostile_payment()
    };
    let compared = Compared {
        provider: naughty(),
        at: i64::MAX,
        listed: u64::MAX,
        found: u64::MAX,
        found_lines: vec![naughty()],
        differs: u64::MAX,
        differences: vec![wide()],
        fault: None,
    };
    PaymentsPage {
        funnel: naughty(),
        filter,
        fault: None,
        payments: vec![hostile_payment(), odd, item(1, PaymentState::Paid, i64::MIN)],
        next_cursor: Some(naughty()),
        continued: true,
        providers: vec![naughty(), wide()],
        any: true,
        unjoined: vec![UnjoinedItem { provider: naughty(), payment_id: wide(), later: strange }],
        uncounted: vec![hostile_uncounted("unparsable", naughty()), hostile_uncounted(&naughty(), wide())],
        compared: vec![
            compared.clone(),
            Compared { fault: Some(naughty()), differences: vec![], ..compared },
        ],
    }
}

fn hostile_uncounted(state: &str, text: String) -> UncountedItem {
    let body = Some(Body { text: text.clone(), readable: false, cut: true });
    let (delivery_id, event_type) = (text.clone(), text.clone());
    UncountedItem {
        provider: text.clone(),
        why: Some(text),
        delivery: DeliveryItem { delivery_id, event_type, state: state.into(), received_at: i64::MAX, body },
    }
}

fn hostile_one() -> PaymentPage {
    let mut item = hostile_payment();
    item.deliveries[0].body = Some(Body { text: naughty(), readable: false, cut: true });
    let strange = LaterItem {
        what: Later::Refund,
        id: naughty(),
        amount: Ok(hostile_amount()),
        state: naughty(),
        at: i64::MAX,
    };
    let touch = Touch {
        source: Some(naughty()),
        medium: Some(wide()),
        campaign: Some(naughty()),
        referrer: Some(naughty()),
        click_id: Some(wide()),
    };
    PaymentPage {
        funnel: naughty(),
        item,
        refunded: Some(hostile_amount()),
        disputed: Some(hostile_amount()),
        later: vec![strange.clone(), LaterItem { amount: Err(wide()), ..strange }],
        names: vec![naughty(), wide()],
        subscription_id: Some(naughty()),
        siblings: vec![hostile_payment()],
        session: Some((hostile_item(), touch)),
        candidates: vec![],
        told: vec![naughty(), wide()],
        done: Some(Done::Sent { new: u32::MAX, woken: u32::MAX, waiting: u32::MAX }),
        refused: None,
    }
}

fn hostile_lost() -> PaymentPage {
    let mut page = hostile_one();
    page.session = None;
    page.item.session_id = None;
    page.item.renewal = false;
    page.candidates = vec![Candidate { item: hostile_item(), checkout_at: i64::MIN }];
    page.refused = Some((naughty(), naughty()));
    page
}
