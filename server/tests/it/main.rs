//! The program as others meet it: the real router on real SQLite, over real HTTP.
//!
//! `support` is a small language for these tests: start an application, post what a browser, a key holder or Whop posts,
//! read the session back.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that can't go on has failed

mod accept;
mod backlog;
mod backup;
mod checkout;
mod collector;
mod crash;
mod demo;
mod disk;
mod doctor;
mod durability;
mod endpoint;
mod forward;
mod forwarding;
mod hostile;
mod ledger;
mod login;
mod metrics;
mod money_rules;
mod outbox_model;
mod owner;
#[cfg(feature = "failpoints")]
mod panics;
mod payments;
mod polar;
mod quarantine;
mod reconcile;
mod returning;
mod screens;
mod secrets;
mod shopify;
mod simulator;
mod site;
mod startup;
mod store;
mod store_outbox;
mod store_quarantine;
mod stripe;
mod stripe_api;
mod support;
mod uncounted;
mod unreachable;
mod upstream;
mod webhook;
