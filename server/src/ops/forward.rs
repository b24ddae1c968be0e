//! `ttr forward`: has the running site send what is parked or waits, and says how far that went. The lanes of that site do
//! it: two programs that send the same rows would only be in each other's way.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use app::server_fns::{Forwarded, Told};
use reqwest::{Client, StatusCode};
use secrecy::ExposeSecret;

use crate::config::Config;
use crate::outbox::http::in_words;

/// The site answers sooner.
const DEADLINE: Duration = Duration::from_secs(40);

/// Why nothing was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// The site lets only the owner.
    #[error("AUREA_ADMIN_TOKEN is not set: set it to the owner's token, as in the link to the screens")]
    NoToken,
    /// It is another site's, or an old one.
    #[error("the ttr at {0} does not know this AUREA_ADMIN_TOKEN")]
    WrongToken(String),
    /// No site runs, or something else does.
    #[error("no ttr answers at {0}: {1}. Rows are sent by the ttr that serves; start it first.")]
    NoSite(String, String),
}

/// Asks the site that listens where this configuration says.
pub async fn run(config: &Config) -> Result<(), ForwardError> {
    let token = config.admin_token.as_ref().ok_or(ForwardError::NoToken)?;
    let site = format!("http://{}", reached_at(config.site.addr));
    let no_site = |why: String| ForwardError::NoSite(site.clone(), why);
    let answer = async {
        let client = Client::builder().no_proxy().timeout(DEADLINE).build()?;
        let url = format!("{site}/api/aurea/forward-conversions");
        client.post(url).bearer_auth(token.expose_secret()).send().await
    };
    let answer = answer.await.map_err(|error| no_site(in_words(&error)))?;
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED => return Err(ForwardError::WrongToken(site)),
        status => return Err(no_site(format!("it answered {}", status.as_u16()))),
    }
    let forwarded = answer.json().await.map_err(|error| no_site(in_words(&error)))?;
    print!("{}", said(&forwarded));
    Ok(())
}

/// What listens on every address is reached by this machine's own.
fn reached_at(addr: SocketAddr) -> SocketAddr {
    let own: IpAddr = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(own, addr.port())
}

fn said(forwarded: &Forwarded) -> String {
    let Forwarded { sent, waiting, parked, destinations } = forwarded;
    if destinations.is_empty() {
        return "nothing is told to anybody: neither AUREA_API_URL nor TTR_WEBHOOK_URL is set\n".to_owned();
    }
    let mut text = format!("sent {sent}, waiting {waiting}, parked {parked}\n");
    for Told { destination, host, waiting, parked, last_error } in destinations {
        let whom = match host {
            Some(host) => format!("{destination} at {host}"),
            None => format!("{destination}, which the settings name no more"),
        };
        let why = last_error.as_ref().map(|why| format!("; last answer: {why}")).unwrap_or_default();
        let _ = writeln!(text, "{whom}: {waiting} waiting, {parked} parked{why}"); // a String takes every line
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_everywhere_is_asked_at_home() {
        for (listens, asked) in
            [("0.0.0.0:3000", "127.0.0.1:3000"), ("[::]:3000", "[::1]:3000"), ("10.0.0.7:80", "10.0.0.7:80")]
        {
            assert_eq!(reached_at(listens.parse().unwrap()).to_string(), asked);
        }
    }

    #[test]
    fn each_destination_has_its_line() {
        let told = |destination: &str, host: Option<&str>, parked, last_error: Option<&str>| Told {
            destination: destination.into(),
            host: host.map(Into::into),
            waiting: 1,
            parked,
            last_error: last_error.map(Into::into),
        };
        let destinations = vec![
            told("aurea", Some("aurea.example"), 2, Some("it answered 422")),
            told("webhooks", None, 0, None),
        ];
        let text = said(&Forwarded { sent: 7, waiting: 2, parked: 2, destinations });
        assert_eq!(
            text,
            "sent 7, waiting 2, parked 2\n\
             aurea at aurea.example: 1 waiting, 2 parked; last answer: it answered 422\n\
             webhooks, which the settings name no more: 1 waiting, 0 parked\n"
        );
        assert!(said(&Forwarded::default()).contains("TTR_WEBHOOK_URL"));
    }
}
