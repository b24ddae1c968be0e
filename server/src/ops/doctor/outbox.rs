//! What must still be told to somebody, and who is told nothing any more.

use super::Check;
use crate::config::Config;
use crate::outbox::aurea::Aurea;
use crate::outbox::webhooks::Endpoint;
use crate::store::outbox::OutboxFigures;
use crate::store::sqlite::examine::Examination;

const ID: &str = "outbox";

/// From the file, whether or not a `ttr` works on it; what else is wrong with it others say.
pub(super) fn check(config: &Config) -> Vec<Check> {
    let file = Examination::open(&config.database).ok();
    let Some(figures) = file.and_then(|file| file.outbox_figures().ok()) else { return Vec::new() };
    let named = [
        (Aurea::DESTINATION.0, "AUREA_API_URL", config.aurea.is_some()),
        (Endpoint::DESTINATION.0, "TTR_WEBHOOK_URL", config.webhooks.is_some()),
    ];
    let checks: Vec<Check> = figures
        .into_iter()
        .map(|(destination, figures)| {
            let known = named.iter().find(|(name, ..)| *name == destination);
            match known {
                Some((_, _, true)) => told(&destination, &figures),
                Some((_, variable, false)) => left(&destination, &figures, &format!("set {variable} again")),
                None => left(&destination, &figures, "run a ttr that knows it"),
            }
        })
        .collect();
    if checks.is_empty() { vec![Check::ok(ID, "nothing waits to be told")] } else { checks }
}

fn told(destination: &str, OutboxFigures { waiting, parked, last_error, .. }: &OutboxFigures) -> Check {
    let why = last_error.as_ref().map(|why| format!("; last answer: {why}")).unwrap_or_default();
    let message = format!("{waiting} waiting and {parked} parked for {destination}{why}");
    if *parked == 0 {
        return Check::ok(ID, message);
    }
    Check::warn(ID, message, "mend what the answer complains of, then run: ttr forward")
}

fn left(destination: &str, OutboxFigures { waiting, parked, .. }: &OutboxFigures, mend: &str) -> Check {
    let rows = waiting + parked;
    Check::warn(
        ID,
        format!("{rows} kept for {destination}, which the settings name no more"),
        format!("{mend}, and they go out; until then they stay"),
    )
}
