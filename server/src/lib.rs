//! ttr's server: renders the page, collects the events, takes the webhooks, closes sessions with the money.
//!
//! Imports run one way: `domain <- {provider, store} <- bookkeeper <- {ingest, checkout, returning, webhook, outbox, report} <- {site, aurea, ops} <-
//! router <- serve <- main`. docs/architecture.md says why.

pub mod accept;
pub mod aurea;
pub mod backend;
pub mod bookkeeper;
pub mod buckets;
pub mod checkout;
pub mod client;
pub mod clock;
pub mod config;
pub mod demo;
pub mod domain;
pub mod encoding;
pub mod error;
pub mod failpoints;
pub mod ingest;
pub mod metrics;
pub mod ops;
pub mod outbox;
pub mod provider;
pub mod quarantine;
pub mod report;
pub mod returning;
pub mod router;
pub mod serve;
pub mod signals;
pub mod simulator;
pub mod site;
pub mod stopping;
pub mod store;
pub mod supervise;
pub mod webhook;
