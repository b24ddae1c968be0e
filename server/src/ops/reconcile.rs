//! Compares a provider's own list with the ledger: keeps what no delivery brought, by the way that deliveries take, and
//! says what differs. `ttr reconcile` does it once; [`Job`] does it while the program serves.

use std::collections::BTreeSet;
use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::bookkeeper::{Bookkeeper, Heard};
use crate::clock::now;
use crate::domain::commit::Commit;
use crate::domain::ledger::{Entry, Payment, Purchase};
use crate::domain::money::Money;
use crate::domain::outbox::Listener;
use crate::domain::{DAY, Millis};
use crate::provider::{ListError, Provider};
use crate::store::{Compared, PaymentFilter, Store, StoreError};

/// Payments of ours that are looked for in the provider's list.
const LOOKED_FOR: usize = 10_000;

/// How far back, and of whom.
#[derive(clap::Args)]
pub struct Args {
    /// How far back: so many days (7d), or since a day (2026-11-01)
    #[arg(long, default_value = "7d", value_parser = since)]
    since: Millis,
}

/// Reads `7d` or a day.
fn since(text: &str) -> Result<Millis, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
    if let Some(days) = days {
        return Ok(now() - Millis::from(days) * DAY);
    }
    let start: Timestamp = format!("{text}T00:00:00Z")
        .parse()
        .map_err(|_| "write 7d for seven days, or a day such as 2026-11-01")?;
    Ok(start.as_millisecond())
}

/// Why there is nothing to compare.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The provider gave no list.
    #[error(transparent)]
    List(#[from] ListError),
    /// The store does not work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What came of a comparison.
#[derive(Debug, Default)]
pub struct Comparison {
    /// How many payments, refunds and disputes the provider listed.
    pub listed: usize,
    /// What no delivery had brought; it is kept now.
    pub found: Vec<Entry>,
    /// What differs, and stays as it is until somebody has looked at it.
    pub differences: Vec<Difference>,
}

/// A payment that the provider and the ledger don't tell alike.
#[derive(Debug, PartialEq, Eq)]
pub enum Difference {
    /// Not the same money.
    Amount {
        /// Which payment.
        payment_id: String,
        /// What the ledger says.
        here: String,
        /// What the provider says.
        there: String,
    },
    /// The provider does not list it: it may be another account's.
    OnlyHere {
        /// Which payment.
        payment_id: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Amount { payment_id, here, there } => {
                write!(f, "payment {payment_id}: {here} here, {there} there")
            }
            Self::OnlyHere { payment_id } => {
                write!(f, "payment {payment_id} is here and not in the provider's list")
            }
        }
    }
}

/// Compares, and keeps what is missing.
pub struct Reconciler {
    /// Where the ledger is.
    pub store: Arc<dyn Store>,
    /// Reads facts for the ledger.
    pub bookkeeper: Bookkeeper,
    /// Who is told of what is found.
    pub forward_to: Vec<Listener>,
}

impl Reconciler {
    /// Compares everything since `since`, and remembers for the owner's screens what came of it.
    pub async fn reconcile(
        &self,
        provider: &dyn Provider,
        since: Millis,
        now: Millis,
    ) -> Result<Comparison, ReconcileError> {
        let compared = self.compare_all(provider, since, now).await;
        let mut kept = Compared { provider: provider.name().to_owned(), at: now, ..Compared::default() };
        match &compared {
            Ok(comparison) => {
                kept.listed = comparison.listed as u64;
                kept.found = comparison.found.iter().map(line).collect();
                kept.differences = comparison.differences.iter().map(ToString::to_string).collect();
            }
            Err(ReconcileError::List(error)) => kept.fault = Some(error.to_string()),
            Err(ReconcileError::Store(_)) => return compared,
        }
        self.store.set_compared(kept).await?;
        compared
    }

    async fn compare_all(
        &self,
        provider: &dyn Provider,
        since: Millis,
        now: Millis,
    ) -> Result<Comparison, ReconcileError> {
        let facts = provider.list(since).await?;
        let heard = Heard { provider: provider.name(), reconciled: true, at: now };
        let mut comparison = Comparison { listed: facts.len(), ..Comparison::default() };
        let mut listed = BTreeSet::new();
        for fact in facts {
            let told = self.bookkeeper.commit(vec![fact], heard).await?; // a try that failed is no money
            for entry in told.entries {
                listed.insert(entry.about().payment_id.clone());
                self.compare(entry, now, &mut comparison).await?;
            }
        }
        // What was begun before `since` and paid later is not in the list.
        let known = PaymentFilter::PaidSince { provider: provider.name(), since: since + DAY };
        let known = self.store.payments(&self.bookkeeper.funnel, known, LOOKED_FOR).await?;
        let only_here = known.into_iter().map(|record| record.payment);
        let only_here =
            only_here.filter(|payment| !payment.test && !listed.contains(&payment.key.payment_id));
        comparison
            .differences
            .extend(only_here.map(|payment| Difference::OnlyHere { payment_id: payment.key.payment_id }));
        Ok(comparison)
    }

    async fn compare(
        &self,
        entry: Entry,
        now: Millis,
        comparison: &mut Comparison,
    ) -> Result<(), StoreError> {
        let purchase = self.store.purchase(entry.about()).await?;
        if let Entry::Payment(there) = &entry {
            comparison.differences.extend(difference(&purchase, there));
        }
        if purchase.knows(&entry) {
            return Ok(());
        }
        let forward_to = self.forward_to.clone();
        let commit = Commit { entries: vec![entry.clone()], forward_to, at: now, ..Commit::default() };
        self.store.commit(commit).await?;
        if !matches!(entry, Entry::Name(_)) {
            comparison.found.push(entry); // one more name of a payment is nothing that was lost
        }
        Ok(())
    }
}

fn difference(purchase: &Purchase, there: &Payment) -> Option<Difference> {
    let here = purchase.payments.iter().find(|here| here.key == there.key)?;
    match (&here.amount, &there.amount) {
        (Ok(here), Ok(there_amount)) if here != there_amount => Some(Difference::Amount {
            payment_id: there.key.payment_id.clone(),
            here: here.to_string(),
            there: there_amount.to_string(),
        }),
        _ => None,
    }
}

/// In a line what was found.
fn line(entry: &Entry) -> String {
    let money = |amount: &Result<Money, String>| match amount {
        Ok(money) => money.to_string(),
        Err(why) => format!("an unknown amount ({why})"),
    };
    match entry {
        Entry::Payment(payment) => {
            let session = payment.attribution.session_id.as_ref();
            let session =
                session.map_or_else(|| "no session".to_owned(), |session| format!("session {session}"));
            format!("payment {} of {}, {session}", payment.key.payment_id, money(&payment.amount))
        }
        Entry::Refund(refund) => {
            format!(
                "refund {} of {}, payment {}",
                refund.refund_id,
                money(&refund.amount),
                refund.of.payment_id
            )
        }
        Entry::Dispute(dispute) => {
            let state = dispute.state.as_str();
            format!("dispute {} ({state}), payment {}", dispute.dispute_id, dispute.of.payment_id)
        }
        Entry::Conversion(_) | Entry::Name(_) | Entry::Joined(_) => entry.about().payment_id.clone(),
    }
}

/// `ttr reconcile`: compares once and shows what was found and what differs.
pub async fn run(reconciler: &Reconciler, providers: &[Arc<dyn Provider>], args: &Args) -> ExitCode {
    let (mut code, mut found) = (ExitCode::SUCCESS, false);
    for provider in providers {
        match reconciler.reconcile(provider.as_ref(), args.since, now()).await {
            Ok(comparison) => {
                show(provider.name(), &comparison);
                found |= !comparison.found.is_empty();
            }
            Err(error) => {
                eprintln!("{}: {error}", provider.name());
                code = ExitCode::FAILURE;
            }
        }
    }
    if found && !reconciler.forward_to.is_empty() {
        println!("What was found is told by the ttr that serves, within a minute.");
    }
    code
}

fn show(provider: &str, comparison: &Comparison) {
    println!("{provider}: {} payments, refunds and disputes are listed", comparison.listed);
    for entry in &comparison.found {
        println!("  kept, as no delivery had brought it: {}", line(entry));
    }
    for difference in &comparison.differences {
        println!("  differs: {difference}");
    }
    if comparison.found.is_empty() && comparison.differences.is_empty() {
        println!("  all of it is here");
    }
}

/// Compares again and again while the program serves.
pub struct Job {
    /// Compares.
    pub reconciler: Reconciler,
    /// Of whom.
    pub providers: Vec<Arc<dyn Provider>>,
    /// How long after a comparison the next begins.
    pub every: Duration,
    /// How far back each looks, ms.
    pub back: Millis,
}

impl Job {
    /// For ever, or until nobody is left: who can't be asked for want of a key is asked no more.
    pub async fn run(mut self) {
        while !self.providers.is_empty() {
            let mut asked = Vec::with_capacity(self.providers.len());
            for provider in std::mem::take(&mut self.providers) {
                if self.ask(provider.as_ref()).await {
                    asked.push(provider);
                }
            }
            self.providers = asked;
            tokio::time::sleep(self.every).await;
        }
    }

    /// Whether to ask again.
    async fn ask(&self, provider: &dyn Provider) -> bool {
        let now = now();
        match self.reconciler.reconcile(provider, now - self.back, now).await {
            Ok(comparison) => {
                for entry in &comparison.found {
                    tracing::warn!(
                        provider = provider.name(),
                        "no delivery had brought it, it is kept: {}",
                        line(entry)
                    );
                }
                for difference in &comparison.differences {
                    tracing::warn!(provider = provider.name(), "differs: {difference}");
                }
                true
            }
            Err(ReconcileError::List(error @ ListError::NoKey(_))) => {
                tracing::info!(provider = provider.name(), "deliveries alone tell of payments: {error}");
                false
            }
            Err(error) => {
                tracing::warn!(provider = provider.name(), %error, "its list could not be compared");
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_days_or_a_day() {
        assert_eq!(since("2026-11-01"), Ok(1_793_491_200_000));
        let week = now() - since("7d").unwrap();
        assert!((7 * DAY - 1000..7 * DAY + 60_000).contains(&week));
        for text in ["", "d", "-1d", "yesterday", "7"] {
            assert!(since(text).is_err(), "{text}");
        }
    }
}
