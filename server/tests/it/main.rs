//! The program as others meet it: the real router on real SQLite, over real HTTP.
//!
//! `support` is a small language for these tests: start an application, post what a browser, a key holder or Whop posts,
//! read the session back.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that can't go on has failed

mod accept;
mod backlog;
mod checkout;
mod collector;
mod demo;
mod doctor;
mod durability;
mod endpoint;
mod forward;
mod forwarding;
mod login;
mod outbox_model;
mod owner;
mod screens;
mod site;
mod startup;
mod store;
mod store_outbox;
mod support;
mod unreachable;
mod upstream;
mod webhook;
