//! The site: its built files, its port, its public address.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use reqwest::StatusCode;

use super::Check;
use super::network::{Findings, Network, Silence};
use crate::config::{Config, Mode, is_loopback};
use crate::site::AssetNames;

/// What `GET /health/live` of a ttr says.
const LIVE: &str = r#"{"live":true}"#;

pub(super) fn files(config: &Config) -> Vec<Check> {
    let names = AssetNames::beside_the_program();
    let root = &config.site.root;
    let missing = |path: &&String| !root.join(path.trim_start_matches('/')).is_file();
    vec![match [&names.css, &names.js, &names.wasm].into_iter().find(missing) {
        None => Check::ok("site.files", format!("style, script and WASM are in {}", root.display())),
        Some(path) => Check::fail(
            "site.files",
            format!("{}{path} is not there: the page has no style or no islands", root.display()),
            "run make build, or set LEPTOS_SITE_ROOT to the folder that the build made (target/site)",
        ),
    }]
}

pub(super) async fn check(config: &Config, network: &Network) -> Findings {
    let (port, public) = tokio::join!(port(config.site.addr, network), public(config, network));
    Findings { checks: vec![port, public.0], offset: public.1 }
}

/// Free, or already ours.
async fn port(addr: SocketAddr, network: &Network) -> Check {
    let id = "site.port";
    let Err(taken) = TcpListener::bind(addr) else {
        return Check::ok(id, format!("{addr} is free"));
    };
    if taken.kind() != ErrorKind::AddrInUse {
        let mend = "set LEPTOS_SITE_ADDR to an address of this machine and a port above 1023";
        return Check::fail(id, format!("{addr} can't be listened on: {taken}"), mend);
    }
    let url = format!("http://{}/health/live", reachable(addr));
    match network.ask(|client| client.get(url)).await {
        Ok(answer) if answer.body == LIVE => Check::ok(id, format!("a ttr is running on {addr}")),
        Err(Silence::Offline) => {
            Check::skipped(id, format!("{addr} is taken, perhaps by a ttr that is running"))
        }
        _ => Check::fail(
            id,
            format!("{addr} is taken by another program"),
            "end that program, or set LEPTOS_SITE_ADDR to another port",
        ),
    }
}

/// What listens everywhere is asked at home.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

async fn public(config: &Config, network: &Network) -> (Check, Option<i64>) {
    let id = "site.url";
    let origin = config.site.origin();
    if config.mode == Mode::Development {
        if is_loopback(&config.site.url) {
            return (Check::ok(id, format!("{origin}: development, only this machine reaches it")), None);
        }
        let message = format!("{origin} is public, but in development anybody may see what is for you alone");
        return (Check::warn(id, message, "unset TTR_MODE, or set it to production"), None);
    }
    let mend = "start ttr, and let the name and the proxy in front lead to it (LEPTOS_SITE_ADDR)";
    match network.ask(|client| client.get(format!("{origin}/health/live"))).await {
        Ok(answer) if answer.status == StatusCode::OK && answer.body == LIVE => {
            (Check::ok(id, format!("{origin} answers")), answer.offset)
        }
        Ok(answer) => {
            let status = answer.status.as_u16();
            (
                Check::warn(id, format!("{origin} is answered by something else ({status})"), mend),
                answer.offset,
            )
        }
        Err(Silence::Offline) => (Check::skipped(id, format!("{origin} was not asked")), None),
        Err(Silence::Because(why)) => {
            (Check::warn(id, format!("{origin} does not answer yet: {why}"), mend), None)
        }
    }
}
