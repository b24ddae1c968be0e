//! What the played provider keeps: checkouts, payments, and what happened to their money later.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::deliveries::Delivery;
use crate::domain::money::Money;

/// Everything that it keeps.
#[derive(Default)]
pub(super) struct Books {
    /// By the id in the checkout's address.
    checkouts: HashMap<String, Checkout>,
    /// `Idempotency-Key` to the body that came with it and the answer.
    answers: HashMap<String, (String, Value)>,
    /// Oldest first.
    pub(super) payments: Vec<Payment>,
    /// What happened, in the words of deliveries, whether they were sent or not. Oldest first.
    pub(super) told: Vec<Delivery>,
    /// Deliveries that wait to be sent in the wrong order.
    pub(super) held: Vec<Delivery>,
    /// How deliveries fare.
    pub(super) switches: Switches,
    /// What was asked of the API and of the checkout, for tests and the curious.
    pub(super) requests: Vec<Value>,
}

/// How deliveries fare.
#[derive(Clone, Copy, Default)]
pub(super) struct Switches {
    /// None is sent: only the lists know.
    pub(super) drop: bool,
    /// Each is sent twice.
    pub(super) duplicate: bool,
    /// They are held back, and sent newest first once this is off.
    pub(super) reorder: bool,
}

/// A checkout as its provider knows it.
#[derive(Clone, Default)]
pub(super) struct Checkout {
    /// The id in its address.
    pub(super) id: String,
    /// What the API or the link's query put on board.
    pub(super) metadata: Map<String, Value>,
    /// A link's one field, where it is kept beside the metadata.
    pub(super) reference: Option<String>,
    /// Whether the API made it.
    pub(super) by_api: bool,
    /// Where the buyer goes who paid, if the checkout says so.
    pub(super) back: Option<String>,
    /// Where the buyer goes who leaves, if it says so.
    pub(super) leave: Option<String>,
    /// The payment that it led to.
    pub(super) paid_by: Option<u64>,
}

/// Money that came in. Its ids are made of its number, each provider's in its own form.
#[derive(Clone)]
pub(super) struct Payment {
    pub(super) number: u64,
    pub(super) checkout: Checkout,
    pub(super) amount: Money,
    pub(super) at: Timestamp,
    pub(super) changed_at: Timestamp,
    /// The number of the first payment of its subscription.
    pub(super) subscription: Option<u64>,
    pub(super) renews: bool,
    pub(super) refunds: Vec<Refund>,
    pub(super) dispute: Option<Dispute>,
}

/// Money that went back.
#[derive(Clone)]
pub(super) struct Refund {
    pub(super) number: u64,
    pub(super) amount: Money,
    pub(super) at: Timestamp,
}

/// Money that the buyer's bank asks for.
#[derive(Clone)]
pub(super) struct Dispute {
    pub(super) number: u64,
    pub(super) amount: Money,
    pub(super) at: Timestamp,
    pub(super) ruling: Option<Ruling>,
}

/// How a dispute ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ruling {
    Won,
    Lost,
}

impl Dispute {
    /// The state in the word that all providers use.
    pub(super) fn status(&self) -> &'static str {
        match self.ruling {
            None => "needs_response",
            Some(Ruling::Won) => "won",
            Some(Ruling::Lost) => "lost",
        }
    }
}

/// What the owner or the bank does to a payment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Gives back so many minor units; without a number all that is left.
    Refund(Option<i64>),
    Dispute,
    Rule(Ruling),
    Renew,
}

/// What came of it, to be told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Happened {
    Paid,
    Declined,
    Refunded,
    Disputed,
    Ruled,
}

impl Payment {
    pub(super) fn new(checkout: Checkout, amount: Money, subscription: bool) -> Self {
        let (number, now) = (number(), Timestamp::now());
        Self {
            number,
            checkout,
            amount,
            at: now,
            changed_at: now,
            subscription: subscription.then_some(number),
            renews: false,
            refunds: Vec::new(),
            dispute: None,
        }
    }

    /// What was given back.
    pub(super) fn refunded(&self) -> Money {
        let minor = self.refunds.iter().map(|refund| refund.amount.minor).sum();
        Money { minor, ..self.amount }
    }

    /// What was not given back.
    pub(super) fn left(&self) -> Money {
        Money { minor: self.amount.minor - self.refunded().minor, ..self.amount }
    }

    fn refund(&mut self, minor: Option<i64>) -> Result<Happened, &'static str> {
        let amount = Money { minor: minor.unwrap_or(self.left().minor), ..self.amount };
        if self.dispute.is_some() {
            return Err("a payment that is disputed can't be given back");
        }
        if !(1..=self.left().minor).contains(&amount.minor) {
            return Err("that much is not left");
        }
        self.refunds.push(Refund { number: number(), amount, at: Timestamp::now() });
        Ok(Happened::Refunded)
    }

    fn disputed(&mut self) -> Result<Happened, &'static str> {
        if self.dispute.is_some() || self.left().minor == 0 {
            return Err("it is disputed already, or nothing is left of it");
        }
        self.dispute =
            Some(Dispute { number: number(), amount: self.left(), at: Timestamp::now(), ruling: None });
        Ok(Happened::Disputed)
    }

    fn ruled(&mut self, ruling: Ruling) -> Result<Happened, &'static str> {
        match &mut self.dispute {
            Some(dispute) if dispute.ruling.is_none() => {
                dispute.ruling = Some(ruling);
                Ok(Happened::Ruled)
            }
            _ => Err("there is no open dispute"),
        }
    }
}

impl Books {
    /// Keeps a checkout that begins, and notes what came on board.
    pub(super) fn open(&mut self, kind: &str, checkout: Checkout) {
        self.requests.push(json!({
            "kind": kind, "id": checkout.id, "metadata": checkout.metadata, "reference": checkout.reference,
        }));
        self.checkouts.insert(checkout.id.clone(), checkout);
    }

    pub(super) fn checkout(&self, id: &str) -> Option<&Checkout> {
        self.checkouts.get(id)
    }

    /// A payment for that checkout.
    pub(super) fn pay(&mut self, payment: &Payment) {
        if let Some(checkout) = self.checkouts.get_mut(&payment.checkout.id) {
            checkout.paid_by = Some(payment.number);
        }
        self.payments.push(payment.clone());
    }

    pub(super) fn payment(&self, number: u64) -> Option<&Payment> {
        self.payments.iter().find(|payment| payment.number == number)
    }

    /// Does something to a payment: what happened, and to which, as it is now. A renewal is a payment of its own.
    pub(super) fn act(&mut self, number: u64, act: Act) -> Result<(Payment, Happened), &'static str> {
        let payment = self.payments.iter_mut().find(|payment| payment.number == number);
        let payment = payment.ok_or("there is no such payment")?;
        let happened = match act {
            Act::Refund(minor) => payment.refund(minor)?,
            Act::Dispute => payment.disputed()?,
            Act::Rule(ruling) => payment.ruled(ruling)?,
            Act::Renew => {
                let subscription = payment.subscription.ok_or("it is no subscription's")?;
                let new = Payment::new(payment.checkout.clone(), payment.amount, true);
                let renewal = Payment { subscription: Some(subscription), renews: true, ..new };
                self.payments.push(renewal.clone());
                return Ok((renewal, Happened::Paid));
            }
        };
        payment.changed_at = Timestamp::now();
        Ok((payment.clone(), happened))
    }

    /// Does what a request asks for, once for an `Idempotency-Key`: it gets the same answer again.
    pub(super) fn once(
        &mut self,
        key: Option<&str>,
        body: &str,
        act: impl FnOnce(&mut Self) -> Value,
    ) -> Result<Value, OtherBody> {
        match key.and_then(|key| self.answers.get(key)) {
            Some((known, answer)) if known == body => return Ok(answer.clone()),
            Some(_) => return Err(OtherBody),
            None => {}
        }
        let answer = act(self);
        if let Some(key) = key {
            self.answers.insert(key.to_owned(), (body.to_owned(), answer.clone()));
        }
        Ok(answer)
    }
}

/// An `Idempotency-Key` came again with another body.
pub(super) struct OtherBody;

/// A number that nothing else has; below 2^62, so that it may stand in any JSON as an integer.
pub(super) fn number() -> u64 {
    rand::random::<u64>() >> 2 | 1 << 60
}
