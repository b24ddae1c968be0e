//! What browsers, search engines and link previews read.

use leptos::html::meta;
use leptos::prelude::*;
use serde_json::{Value, json};

use super::{Page, RETURNED_PATH, Return, Site, reload_script};

/// The contents of `<head>`.
pub(super) fn head(page: Page, site: &Site) -> impl IntoView + use<> {
    let (title, description) = title_and_description(page, site);
    let url = format!("{}{}", site.origin, page.path());
    view! {
        <meta charset="utf-8"/>
        <title>{title.clone()}</title>
        <meta name="viewport" content="width=device-width, initial-scale=1"/>
        <meta name="description" content=description.clone()/>
        <script inner_html=site.boot.clone()></script>
        <link rel="stylesheet" href=site.stylesheet.clone()/>
        <link rel="preload" href="/fonts/geist.woff2" r#as="font" r#type="font/woff2" crossorigin=""/>
        {if page.is_listed() {
            view! { <link rel="canonical" href=url.clone()/> }.into_any()
        } else {
            view! { <meta name="robots" content="noindex"/> }.into_any()
        }}
        <meta name="color-scheme" content="light dark"/>
        {theme_color("#fbfbf9", "(prefers-color-scheme: light)")}
        {theme_color("#0b100e", "(prefers-color-scheme: dark)")}
        <link rel="icon" href="/favicon.ico" sizes="32x32"/>
        <link rel="icon" href="/icons/icon.svg" r#type="image/svg+xml"/>
        <link rel="apple-touch-icon" href="/icons/apple-touch-icon.png"/>
        <link rel="manifest" href="/site.webmanifest"/>
        {share(site, title, description, url)}
        {(page == Page::Landing).then(|| structured_data(site))}
        {returned(page)}
        {reload_script(site).map(|script| view! { <script inner_html=script></script> })}
    }
}

/// The return page changes by itself when the payment arrives; without scripts it asks again.
fn returned(page: Page) -> Option<impl IntoView> {
    let Page::ThankYou(returned) = page else { return None };
    let again = (returned == Return::Waiting)
        .then(|| view! { <noscript><meta http-equiv="refresh" content="3"/></noscript> });
    Some(view! { <script src=RETURNED_PATH defer=""></script> {again} })
}

/// The browser's own bars take the page's background; the colours are those of `style/tokens.css`.
fn theme_color(color: &'static str, media: &'static str) -> impl IntoView {
    meta().name("theme-color").content(color).attr("media", media)
}

fn title_and_description(page: Page, site: &Site) -> (String, String) {
    let words = &site.words;
    let (title, description) = match page {
        Page::Landing => return (words.title.clone(), words.description.clone()),
        Page::ThankYou(_) => (&words.thank_you.title, &words.thank_you.description),
        Page::NotFound => (&words.not_found.title, &words.not_found.description),
        Page::Privacy => (&words.privacy.title, &words.privacy.description),
        Page::Terms => (&words.terms.title, &words.terms.description),
    };
    (format!("{title} · {}", site.product.name), description.clone())
}

/// Open Graph and Twitter card.
fn share(site: &Site, title: String, description: String, url: String) -> impl IntoView + use<> {
    let picture = &site.words.share;
    let facts = [
        ("og:type", "website".to_owned()),
        ("og:site_name", site.product.name.clone()),
        ("og:title", title),
        ("og:description", description),
        ("og:url", url),
        ("og:image", format!("{}{}", site.origin, picture.src)),
        ("og:image:width", picture.width.to_string()),
        ("og:image:height", picture.height.to_string()),
        ("og:image:alt", picture.alt.clone()),
    ];
    let facts = (facts.into_iter())
        .map(|(name, content)| meta().attr("property", name).content(content))
        .collect_view();
    view! { {facts} <meta name="twitter:card" content="summary_large_image"/> }
}

/// JSON-LD: the product with its offer, and the questions.
fn structured_data(site: &Site) -> impl IntoView + use<> {
    let json = json!({ "@context": "https://schema.org", "@graph": [product(site), questions(site)] });
    view! { <script r#type="application/ld+json" inner_html=in_html(&json)></script> }
}

fn product(site: &Site) -> Value {
    json!({
        "@type": "Product",
        "name": site.product.name,
        "sku": site.product.id,
        "description": site.words.description,
        "image": format!("{}{}", site.origin, site.words.share.src),
        "brand": { "@type": "Brand", "name": site.words.brand },
        "offers": {
            "@type": "Offer",
            "price": site.product.price,
            "priceCurrency": site.product.currency,
            "availability": "https://schema.org/InStock",
            "url": format!("{}/#pricing", site.origin),
        },
    })
}

fn questions(site: &Site) -> Value {
    let items: Vec<Value> = (site.words.faq.items.iter())
        .map(|item| {
            json!({
                "@type": "Question",
                "name": item.question,
                "acceptedAnswer": { "@type": "Answer", "text": item.answer },
            })
        })
        .collect();
    json!({ "@type": "FAQPage", "mainEntity": items })
}

/// JSON that cannot end the script element it stands in.
fn in_html(json: &Value) -> String {
    json.to_string().replace('<', "\\u003c")
}
