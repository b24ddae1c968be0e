use super::*;

const FILE: &str = include_str!("../../../Leptos.toml");

pub(super) fn parse(changes: &[(&str, &str)], env: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let text = changes.iter().fold(FILE.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    });
    let env = env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Config::parse("Leptos.toml", &text, &env)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

fn line_of(text: &str) -> usize {
    FILE.lines().position(|line| line.starts_with(text)).unwrap() + 1
}

#[test]
fn the_repositorys_file_is_a_development_site_with_the_simulator() {
    let config = parse(&[], &[]).unwrap();
    assert_eq!(config.mode, Mode::Development);
    assert_eq!(config.site.origin(), "http://127.0.0.1:3000");
    assert_eq!(config.price.to_string(), "99.00 USD");
    assert!(config.simulator.is_some() && config.providers.whop.is_none());
    assert_eq!(config.return_url().as_str(), "http://127.0.0.1:3000/thank-you");
}

#[test]
fn the_environment_wins_over_the_file() {
    let config = parse(
        &[],
        &[
            ("TTR__PAGE__HERO__TITLE", "Another title"),
            ("TTR__PRODUCT__PRICE", "49.00"),
            ("LEPTOS_SITE_ADDR", "127.0.0.1:4000"),
            ("DATABASE_URL", "sqlite:///tmp/x.db"),
            ("AUREA_FUNNEL_ID", "other"),
        ],
    )
    .unwrap();
    assert_eq!(config.words.hero.title, "Another title");
    assert_eq!(config.price.minor, 4900);
    assert_eq!(config.site.origin(), "http://127.0.0.1:4000");
    assert_eq!(config.database, PathBuf::from("/tmp/x.db"));
    assert_eq!(config.funnel.id.as_str(), "other");
}

#[test]
fn a_fault_names_file_line_and_key() {
    let line = line_of("price = ");
    assert_eq!(
        parse(&[("price = \"99.00\"", "price = \"99,00\"")], &[]).unwrap_err(),
        [format!("Leptos.toml:{line}: product.price: \"99,00\" is not an amount")]
    );
    let faults = parse(&[("price = \"99.00\"", "prize = \"99.00\"")], &[]).unwrap_err();
    assert!(faults[0].starts_with("Leptos.toml:") && faults[0].contains("prize"), "{faults:?}");
    let faults = parse(&[("price = \"99.00\"", "price = ")], &[]).unwrap_err();
    assert!(faults[0].starts_with(&format!("Leptos.toml:{line}: ")), "{faults:?}");
}

#[test]
fn a_fault_of_the_environment_names_the_variable() {
    let faults = parse(&[], &[("SITE_URL", "ttr.example"), ("AUREA_FUNNEL_ID", "a b")]).unwrap_err();
    assert_eq!(faults[0], "AUREA_FUNNEL_ID: must be 1 to 64 of A-Z a-z 0-9 _ -");
    assert!(faults[1].starts_with("SITE_URL: "), "{faults:?}");
}

#[test]
fn proxies_are_networks_or_addresses() {
    let list = |value| parse(&[("# root = ", value)], &[]);
    let config = list("trusted_proxies = [\"10.0.0.0/8\", \"::1\"] # root = ").unwrap();
    assert_eq!(config.site.trusted_proxies.len(), 2);
    let faults = list("trusted_proxies = [\"everybody\"] # root = ").unwrap_err();
    assert!(faults[0].contains("site.trusted_proxies: must be networks"), "{faults:?}");
}

#[test]
fn the_reserve_is_an_amount() {
    assert_eq!(parse(&[], &[]).unwrap().reserve, Size::mib(256));
    let reserve = |text| parse(&[], &[("TTR__STORE__RESERVE", text)]);
    assert_eq!(reserve("2 GiB").unwrap().reserve, Size::mib(2048));
    assert_eq!(reserve("0").unwrap().reserve, Size(0));
    let faults = reserve("plenty").unwrap_err();
    assert!(faults[0].starts_with("TTR__STORE__RESERVE: must be an amount"), "{faults:?}");
}

#[test]
fn a_secret_in_the_file_is_refused() {
    let faults = parse(&[("[whop]\n", "[whop]\napi_key = \"x\"\n")], &[]).unwrap_err();
    assert!(faults[0].contains("WHOP_API_KEY"), "{faults:?}");
}

#[test]
fn production_refuses_http_and_the_simulator() {
    let faults = parse(&[], &[("SITE_URL", "http://ttr.example")]).unwrap_err();
    assert!(faults.iter().any(|fault| fault.contains("https in production")), "{faults:?}");
    assert!(faults.iter().any(|fault| fault.contains("whop is not configured")), "{faults:?}");
}

#[test]
fn the_simulator_plays_whom_it_is_told_to_also_beside_one_that_is_on() {
    let played = |env: &[(&str, &str)]| {
        parse(&[], env).map(|config| config.simulator.map(|simulator| simulator.provider))
    };
    let whop = [("WHOP_WEBHOOK_SECRET", "ws_1"), ("WHOP_PLAN_ID", "plan_1")];
    let polar = ("TTR__SIMULATOR__PROVIDER", "polar");
    assert_eq!(played(&[]), Ok(Some("whop")), "the buy button's, which is not on");
    assert_eq!(played(&[("TTR__CHECKOUT__PROVIDER", "shopify")]), Ok(Some("shopify")));
    assert_eq!(played(&[polar]), Ok(Some("polar")));
    assert_eq!(played(&whop), Ok(None));
    assert_eq!(played(&[&whop[..], &[polar]].concat()), Ok(Some("polar")));
    let production = [&whop[..], &[polar, ("SITE_URL", "https://ttr.example")]].concat();
    assert_eq!(played(&production), Ok(None), "it never runs there");
    let faults = played(&[("TTR__SIMULATOR__PROVIDER", "paypal")]).unwrap_err();
    assert!(faults[0].starts_with("TTR__SIMULATOR__PROVIDER: must be"), "{faults:?}");
}

#[test]
fn no_secret_shows_in_debug_output() {
    let config = parse(
        &[],
        &[
            ("WHOP_WEBHOOK_SECRET", "canary1"),
            ("WHOP_PLAN_ID", "plan_1"),
            ("WHOP_API_KEY", "canary2"),
            ("STRIPE_WEBHOOK_SECRET", "canary6"),
            ("STRIPE_API_KEY", "canary7"),
            ("TTR__SIMULATOR__PROVIDER", "stripe"),
            ("SIMULATOR_SECRET", "canary8"),
            ("AUREA_ADMIN_TOKEN", "canary3"),
            ("AUREA_RECEIVE_KEYS", "canary4:ttr"),
            ("AUREA_API_URL", "https://aurea.example/api"),
            ("AUREA_API_KEY", "canary5"),
            ("TTR_WEBHOOK_URL", "https://owner.example/hooks"),
            ("TTR_WEBHOOK_SECRET", "whsec_canary6canary6canary6canary6cana"),
        ],
    )
    .unwrap();
    assert!(!format!("{config:?}").contains("canary"));
    assert_eq!(config.receive_keys.len(), 1);
}
