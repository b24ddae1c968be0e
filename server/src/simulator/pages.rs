//! The simulator's two pages. Plain HTML with a style of their own: they must not be mistaken for the site.

use std::collections::BTreeMap;

use super::{Inner, PLAN};

const STYLE: &str = "
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: Canvas; color: CanvasText }
main { width: min(24rem, calc(100% - 4rem)); padding: 2rem; border: 1px solid GrayText; border-radius: 1rem }
h1 { margin: 0 0 .25rem; font-size: 1.25rem }
.price { font-size: 2rem; font-weight: 700; margin: .5rem 0 1.5rem }
.note { margin: 0 0 1.5rem; padding: .5rem .75rem; border-left: 4px solid #b45309 }
form { margin: 0 0 .75rem }
button { width: 100%; padding: .75rem; font: inherit; border-radius: .5rem; cursor: pointer }
.pay { background: #1d4ed8; color: #fff; border: 0 }
";

fn page(title: &str, main: &str) -> String {
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><link rel=\"icon\" href=\"data:,\">\
         <style>{STYLE}</style></head><body><main>{main}</main></body></html>"
    )
}

/// Product, price, and the three things a buyer may do.
pub(super) fn checkout(inner: &Inner, carried: &BTreeMap<String, String>) -> String {
    page("Simulated checkout", &offer(inner, carried, "This checkout is simulated. No money moves."))
}

/// The same again after a refused card.
pub(super) fn declined(inner: &Inner, carried: &BTreeMap<String, String>) -> String {
    page("Card declined", &offer(inner, carried, "The card was declined. Try again, or leave."))
}

fn offer(inner: &Inner, carried: &BTreeMap<String, String>, note: &str) -> String {
    let fields: String = carried
        .iter()
        .map(|(key, value)| {
            format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(key), escape(value))
        })
        .collect();
    let form = |action: &str, class: &str, label: &str| {
        format!(
            "<form method=\"post\" action=\"/checkout/{PLAN}/{action}\">{fields}<button class=\"{class}\">{label}</button></form>"
        )
    };
    format!(
        "<h1>{}</h1><p class=\"price\">{}</p><p class=\"note\">{note}</p>{}{}\
         <form method=\"get\" action=\"{}\"><button>Leave</button></form>",
        escape(&inner.product),
        escape(&inner.price),
        form("pay", "pay", "Pay"),
        form("decline", "", "Decline"),
        escape(inner.site.as_str()),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
