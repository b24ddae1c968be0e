//! The simulator's pages. Plain HTML with a style of their own: they must not be mistaken for the site.

use super::Inner;
use super::books::{Checkout, Payment, Ruling};

const STYLE: &str = "
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: Canvas; color: CanvasText }
main { box-sizing: border-box; width: min(28rem, calc(100% - 2rem)); min-width: 0; padding: 2rem; border: 1px solid GrayText; border-radius: 1rem }
main.wide { width: min(72rem, calc(100% - 2rem)); margin: 2rem 0 }
h1 { margin: 0 0 .25rem; font-size: 1.25rem }
h2 { margin: 2rem 0 .5rem; font-size: 1rem }
.price { font-size: 2rem; font-weight: 700; margin: .5rem 0 1.5rem }
.price small { display: block; font-size: 1rem; font-weight: 400 }
.note { margin: 0 0 1.5rem; padding: .5rem .75rem; border-left: 4px solid #b45309 }
.more { margin: 1.5rem 0 0; font-size: .875rem }
form { margin: 0 0 .75rem }
button { width: 100%; padding: .75rem; font: inherit; border: 1px solid GrayText; border-radius: .5rem; cursor: pointer }
.pay { background: #1d4ed8; color: #fff; border: 0 }
.wide form { display: inline-block; margin: .125rem .25rem .125rem 0 }
.wide button { width: auto; padding: .25rem .75rem; font-size: .875rem }
.scroll { overflow-x: auto }
table { width: 100%; border-collapse: collapse }
th, td { padding: .5rem .75rem .5rem 0; border-top: 1px solid GrayText; text-align: left; vertical-align: top }
th { font-size: .875rem; border: 0 }
td.figure, th.figure { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
code { font-size: .875rem; overflow-wrap: anywhere }
";

fn page(title: &str, class: &str, main: &str) -> String {
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><link rel=\"icon\" href=\"data:,\">\
         <style>{STYLE}</style></head><body><main class=\"{class}\">{main}</main></body></html>"
    )
}

const LATER: &str = "<p class=\"more\"><a href=\"/simulator\">Refunds, disputes, lost deliveries</a></p>";

/// Product, price, and the three things a buyer may do.
pub(super) fn checkout(inner: &Inner, checkout: &Checkout) -> String {
    let note = format!("This {} checkout is simulated. No money moves.", inner.played.title());
    page("Simulated checkout", "", &offer(inner, checkout, &note))
}

/// The same again after a refused card.
pub(super) fn declined(inner: &Inner, checkout: &Checkout) -> String {
    page("Card declined", "", &offer(inner, checkout, "The card was declined. Try again, or leave."))
}

/// A few words.
pub(super) fn notice(title: &str, text: &str) -> String {
    page(title, "", &format!("<h1>{title}</h1><p>{}</p>{LATER}", escape(text)))
}

fn offer(inner: &Inner, checkout: &Checkout, note: &str) -> String {
    let id = escape(&checkout.id);
    let leave = checkout.leave.as_deref().unwrap_or(inner.site.as_str());
    let again = if inner.subscription { "<small>a subscription</small>" } else { "" };
    format!(
        "<h1>{}</h1><p class=\"price\">{}{again}</p><p class=\"note\">{note}</p>\
         <form method=\"post\" action=\"/pay/{id}\"><button class=\"pay\">Pay</button></form>\
         <form method=\"post\" action=\"/decline/{id}\"><button>Decline</button></form>\
         <form method=\"get\" action=\"{}\"><button>Leave</button></form>{LATER}",
        escape(&inner.product),
        inner.price,
        escape(leave),
    )
}

/// What was paid, and what may happen to it.
pub(super) fn desk(inner: &Inner) -> String {
    let books = inner.books();
    let rows: String = books.payments.iter().rev().map(|payment| row(inner, payment)).collect();
    let rows =
        if rows.is_empty() { "<tr><td colspan=\"4\">Nothing was paid yet.</td></tr>".into() } else { rows };
    let switches: String = [
        ("drop", books.switches.drop, "Drop deliveries", "none is sent, only the provider's lists know"),
        ("duplicate", books.switches.duplicate, "Send twice", "each delivery comes two times"),
        ("reorder", books.switches.reorder, "Hold back", "they wait, and come newest first once this is off"),
    ]
    .into_iter()
    .map(|(name, on, label, what)| switch(name, on, label, what))
    .collect();
    let main = format!(
        "<h1>Simulated {}</h1><p class=\"note\">No money moves. What is done here is told as {0} tells it.</p>\
         <h2>Payments</h2><div class=\"scroll\"><table><thead><tr><th>Payment</th><th class=\"figure\">Paid</th>\
         <th class=\"figure\">Given back</th><th>What happens</th></tr></thead><tbody>{rows}</tbody></table></div>\
         <h2>Deliveries</h2><table><tbody>{switches}</tbody></table>\
         <p class=\"more\"><a href=\"{}\">To the site</a></p>",
        inner.played.title(),
        escape(inner.site.as_str()),
    );
    page(&format!("Simulated {}", inner.played.title()), "wide", &main)
}

fn row(inner: &Inner, payment: &Payment) -> String {
    let kind = if payment.renews { "<br>a renewal" } else { "" };
    let open = payment.dispute.as_ref().is_some_and(|dispute| dispute.ruling.is_none());
    let dispute = payment.dispute.as_ref().map(|dispute| match dispute.ruling {
        None => "Disputed<br>",
        Some(Ruling::Won) => "Dispute won<br>",
        Some(Ruling::Lost) => "Dispute lost<br>",
    });
    let (left, undisputed) = (payment.left().minor, payment.dispute.is_none());
    let buttons: String = [
        ("refund-part", "Refund half", undisputed && left > 1),
        ("refund-rest", "Refund the rest", undisputed && left > 0),
        ("dispute", "Dispute", undisputed && left > 0),
        ("win", "Dispute won", open),
        ("lose", "Dispute lost", open),
        ("renew", "Renew", payment.subscription.is_some()),
        ("send-again", "Send the last delivery again", true),
    ]
    .into_iter()
    .filter(|(_, _, possible)| *possible)
    .map(|(act, label, _)| {
        let number = payment.number;
        format!(
            "<form method=\"post\" action=\"/simulator/payments/{number}/{act}\"><button>{label}</button></form>"
        )
    })
    .collect();
    format!(
        "<tr><td><code>{}</code>{kind}</td><td class=\"figure\">{}</td><td class=\"figure\">{}</td><td>{}{buttons}</td></tr>",
        escape(&inner.played.payment_id(payment)),
        payment.amount,
        payment.refunded(),
        dispute.unwrap_or_default(),
    )
}

fn switch(name: &str, on: bool, label: &str, what: &str) -> String {
    let (state, turn) = if on { ("on", "Switch off") } else { ("off", "Switch on") };
    format!(
        "<tr><td>{label}: {what}</td><td>{state}</td><td class=\"figure\"><form method=\"post\" \
         action=\"/simulator/switches/{name}\"><input type=\"hidden\" name=\"on\" value=\"{}\">\
         <button>{turn}</button></form></td></tr>",
        !on
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
