//! ttr's server: renders the page, collects the events, takes the webhooks, closes sessions with the money.
//!
//! Imports run one way: `domain <- {provider, store} <- {ingest, checkout, webhook, report} <- {site, aurea, ops} <-
//! router <- serve <- main`. docs/architecture.md says why.

pub mod domain;
pub mod provider;
pub mod store;
