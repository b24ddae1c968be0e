#![allow(clippy::unwrap_used)] // a test may fail loudly

use super::*;

fn site() -> Site {
    #[derive(serde::Deserialize)]
    struct File {
        product: Product,
        page: Words,
    }
    let file = include_str!("../../../Leptos.toml");
    let File { product, page } = toml::from_str(file).unwrap();
    Site {
        words: page,
        product,
        origin: "https://ttr.example".to_owned(),
        stylesheet: "/pkg/ttr.css".to_owned(),
        module: "/pkg/ttr.js".to_owned(),
        wasm: "/pkg/ttr.wasm".to_owned(),
        boot: "if (1 < 2 && 3 > 2) window.booted = '\"';".to_owned(),
        simulated: false,
        development: false,
        consent_required: false,
        reload_port: None,
    }
}

fn html(page: Page, site: Site) -> String {
    render(page, &Arc::new(site))
}

/// What stands between each `open` and the next `close`.
fn between<'a>(html: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    html.split(open).skip(1).map(|rest| rest.split(close).next().unwrap()).collect()
}

/// Every opening tag with its attributes.
fn tags(html: &str) -> Vec<&str> {
    between(html, "<", ">").into_iter().filter(|tag| !tag.starts_with('/')).collect()
}

fn json_ld(html: &str) -> serde_json::Value {
    let texts = between(html, "<script type=\"application/ld+json\">", "</script>");
    assert_eq!(texts.len(), 1);
    serde_json::from_str(texts[0]).unwrap()
}

#[test]
fn every_page_has_one_h1_a_title_and_a_description() {
    for page in Page::ALL {
        let html = html(page, site());
        assert!(html.starts_with("<!DOCTYPE html><html lang=\"en\""), "{page:?}");
        assert_eq!(html.matches("<h1").count(), 1, "{page:?}");
        assert_eq!(html.matches("<main").count(), 1, "{page:?}");
        assert_eq!(html.matches("<title>").count(), 1, "{page:?}");
        let descriptions = between(&html, "<meta name=\"description\" content=\"", "\"");
        assert!(descriptions.len() == 1 && !descriptions[0].is_empty(), "{page:?}");
    }
}

#[test]
fn headings_skip_no_level() {
    for page in Page::ALL {
        let html = html(page, site());
        let levels: Vec<u32> = (tags(&html).into_iter())
            .filter_map(|tag| tag.strip_prefix('h')?.chars().next()?.to_digit(10))
            .collect();
        assert_eq!(levels.first(), Some(&1), "{page:?}");
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{page:?}: {levels:?}");
    }
}

#[test]
fn the_landing_page_has_every_section_and_every_kind_of_island() {
    let html = html(Page::Landing, site());
    for id in ["hero", "video", "benefits", "inside", "pricing", "faq", "call"] {
        assert_eq!(html.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
    }
    for (island, count) in [("buy-button", 2), ("faq", 1), ("video", 1), ("scroll-depth", 1)] {
        assert_eq!(html.matches(&format!("data-island=\"{island}\"")).count(), count, "{island}");
    }
    assert_eq!(html.matches("<leptos-island").count(), 5);
}

#[test]
fn every_link_to_a_section_finds_it() {
    let landing = html(Page::Landing, site());
    for page in Page::ALL {
        let html = html(page, site());
        for section in between(&html, "href=\"/#", "\"") {
            assert!(landing.contains(&format!("id=\"{section}\"")), "{page:?} #{section}");
        }
        for section in between(&html, "href=\"#", "\"") {
            assert!(html.contains(&format!("id=\"{section}\"")), "{page:?} #{section}");
        }
    }
}

#[test]
fn nothing_inline_but_the_scripts_that_the_policy_knows() {
    for page in Page::ALL {
        let mut site = site();
        site.consent_required = true;
        site.reload_port = Some(3001);
        let allowed = [site.boot.clone(), reload_script(&site).unwrap()];
        let html = html(page, site);
        assert_eq!(between(&html, "<script>", "</script>"), allowed, "{page:?}");
        for tag in tags(&html) {
            let names: String = tag.split('"').step_by(2).collect(); // without the values
            assert!(!names.starts_with("style"), "{page:?}: {tag}");
            assert!(!names.contains(" style=") && !names.contains(" on"), "{page:?}: {tag}");
        }
    }
}

#[test]
fn a_form_can_be_sent_without_javascript() {
    let html = html(Page::Landing, site());
    let forms = between(&html, "<form", "</form>");
    assert_eq!(forms.len(), 2);
    for form in forms {
        assert!(form.contains("action=\"/api/checkout\"") && form.contains("method=\"post\""));
        assert!(form.contains("<button"));
        let names = between(form, "type=\"hidden\" name=\"", "\"");
        let fields = "anonymous_id session_id click_id started_at location page_url referrer";
        assert_eq!(names, fields.split(' ').collect::<Vec<_>>());
    }
}

#[test]
fn the_document_tells_the_loader_what_to_fetch() {
    let mut site = site();
    let opening = |page, site: &Site| tags(&html(page, site.clone()))[1].to_owned();
    assert_eq!(
        opening(Page::Landing, &site),
        "html lang=\"en\" data-js=\"/pkg/ttr.js\" data-wasm=\"/pkg/ttr.wasm\""
    );
    site.development = true;
    site.consent_required = true;
    let opened = opening(Page::ThankYou(Return::Unknown), &site);
    assert!(
        opened.ends_with(" data-development data-consent=\"required\" data-return=\"unknown\""),
        "{opened}"
    );
}

#[test]
fn the_return_page_shows_one_of_its_three_openings_and_looks_again_while_it_waits() {
    let words = site().words.thank_you;
    let leads = [
        (Return::Unknown, words.lead),
        (Return::Waiting, words.waiting.lead),
        (Return::Confirmed, words.confirmed.lead),
    ];
    for (returned, lead) in leads {
        let html = html(Page::ThankYou(returned), site());
        let said = html.split("<span data-said=").skip(1).map(|span| span.split_once('>').unwrap());
        let shown: Vec<_> = said.filter(|(attributes, _)| !attributes.contains("hidden")).collect();
        assert_eq!(shown.len(), 2, "{returned:?}: a title and a lead");
        assert!(shown[1].1.starts_with(&lead), "{returned:?}");
        assert_eq!(html.contains("http-equiv=\"refresh\""), returned == Return::Waiting);
        assert!(html.contains("<script src=\"/thank-you.js\" defer"));
    }
}

#[test]
fn structured_data_states_the_price_and_every_question() {
    let site = site();
    let questions = site.words.faq.items.len();
    let json = json_ld(&html(Page::Landing, site));
    let offer = &json["@graph"][0]["offers"];
    assert_eq!((offer["price"].as_str(), offer["priceCurrency"].as_str()), (Some("99.00"), Some("USD")));
    assert_eq!(json["@graph"][1]["mainEntity"].as_array().unwrap().len(), questions);
}

#[test]
fn the_owners_words_are_text_and_never_markup() {
    let evil = "</script><script>alert(\"1\")</script><img src=x onerror='x'>&";
    let mut site = site();
    site.product.name = evil.to_owned();
    site.words.title = evil.to_owned();
    site.words.hero.title = evil.to_owned();
    site.words.video.name = evil.to_owned();
    site.words.faq.items[0].question = evil.to_owned();
    let html = html(Page::Landing, site);
    assert_eq!(between(&html, "<script>", "</script>").len(), 1);
    assert!(!html.contains("<img"));
    assert_eq!(json_ld(&html)["@graph"][1]["mainEntity"][0]["name"], evil);
}

#[test]
fn only_a_simulated_checkout_is_called_one() {
    let mut site = site();
    assert!(!html(Page::Landing, site.clone()).contains("data-simulated"));
    site.simulated = true;
    assert!(html(Page::Landing, site).contains("no money moves"));
}

#[test]
fn consent_is_asked_for_only_where_it_is_required() {
    let mut site = site();
    assert!(!html(Page::Landing, site.clone()).contains("data-consent"));
    site.consent_required = true;
    let html = html(Page::Landing, site);
    let bar = html.split("data-consent-bar hidden").nth(1).unwrap();
    assert!(bar.contains("data-consent=\"granted\"") && bar.contains("data-consent=\"denied\""));
}

#[test]
fn crawlers_are_led_to_the_listed_pages_only() {
    let site = site();
    assert!(robots(&site).contains("Sitemap: https://ttr.example/sitemap.xml"));
    let found: Vec<_> = between(&sitemap(&site), "<loc>", "</loc>").into_iter().map(str::to_owned).collect();
    assert_eq!(found, ["https://ttr.example/", "https://ttr.example/privacy", "https://ttr.example/terms"]);
    assert!(html(Page::ThankYou(Return::Unknown), site.clone()).contains("noindex"));
    assert!(html(Page::Landing, site).contains("<link rel=\"canonical\" href=\"https://ttr.example/\">"));
}
