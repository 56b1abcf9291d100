//! The real daemon, driven over HTTP as an outside engineer would drive it: configuration files in, a process
//! started, requests sent, answers and exit statuses judged against the published contract.
//!
//! Nothing here links the library. What these tests know of the inside is the command line, the files, the line that
//! names the listening address, and the wire.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "http/harness.rs"]
mod harness;
#[path = "http/raw.rs"]
mod raw;
#[path = "http/shop.rs"]
mod shop;

#[path = "http/access.rs"]
mod access;
#[path = "http/answers.rs"]
mod answers;
#[path = "http/archive.rs"]
mod archive;
#[path = "http/archive_loss.rs"]
mod archive_loss;
#[path = "http/batch.rs"]
mod batch;
#[path = "http/blocks.rs"]
mod blocks;
#[path = "http/cards.rs"]
mod cards;
#[path = "http/clock.rs"]
mod clock;
#[path = "http/concurrency.rs"]
mod concurrency;
#[path = "http/configure.rs"]
mod configure;
#[path = "http/connections.rs"]
mod connections;
#[path = "http/customers.rs"]
mod customers;
#[path = "http/decisions.rs"]
mod decisions;
#[path = "http/effects.rs"]
mod effects;
#[path = "http/events.rs"]
mod events;
#[path = "http/floods.rs"]
mod floods;
#[path = "http/health.rs"]
mod health;
#[path = "http/history.rs"]
mod history;
#[path = "http/identifiers.rs"]
mod identifiers;
#[path = "http/levels.rs"]
mod levels;
#[path = "http/lifecycle.rs"]
mod lifecycle;
#[path = "http/link.rs"]
mod link;
#[path = "http/merge.rs"]
mod merge;
#[path = "http/names.rs"]
mod names;
#[path = "http/operation.rs"]
mod operation;
#[path = "http/own.rs"]
mod own;
#[path = "http/presence.rs"]
mod presence;
#[path = "http/quantities.rs"]
mod quantities;
#[path = "http/raises.rs"]
mod raises;
#[path = "http/ranges.rs"]
mod ranges;
#[path = "http/refusals.rs"]
mod refusals;
#[path = "http/registration.rs"]
mod registration;
#[path = "http/regressions.rs"]
mod regressions;
#[path = "http/reload.rs"]
mod reload;
#[path = "http/replays.rs"]
mod replays;
#[path = "http/same.rs"]
mod same;
#[path = "http/sealing.rs"]
mod sealing;
#[path = "http/search.rs"]
mod search;
#[path = "http/signals.rs"]
mod signals;
#[path = "http/space.rs"]
mod space;
#[path = "http/staff.rs"]
mod staff;
#[path = "http/stalled.rs"]
mod stalled;
#[path = "http/standing.rs"]
mod standing;
#[path = "http/tables.rs"]
mod tables;
#[path = "http/tokens.rs"]
mod tokens;
#[path = "http/transactions.rs"]
mod transactions;
#[path = "http/upgrade.rs"]
mod upgrade;
#[path = "http/walk.rs"]
mod walk;
#[path = "http/wire.rs"]
mod wire;
