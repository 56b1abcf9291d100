//! levelgate answers one question inline on a payment gateway's hot path: may this customer's payment pass, and
//! through which gates?
//!
//! # Map of the crate
//!
//! Imports point down this list only; `tests/tidy` checks it. [`docs::architecture`] describes how a request travels and
//! which decisions are hard to change later.
//!
//! | Room | Contains |
//! |---|---|
//! | [`cli`] | the commands, one file a command |
//! | [`daemon`] | the assembly and life of the process: start, maintenance, reload, shutdown |
//! | [`http`] | the operation table, the server, handlers, documents of the wire |
//! | [`console`] | pages for staff |
//! | [`service`] | what a caller can ask for, once for HTTP, commands and replay |
//! | [`ledger`] | the state in memory, its locks and its recovery |
//! | [`replication`] | the copy of the journal in Redis: client, scripts, restore, standby |
//! | [`storage`] | files: journal, snapshots, keys, encoding of events, jobs, archive |
//! | [`config`] | configuration files, and their one fallible step into rules and settings |
//! | [`domain`] | the rules of the business as pure functions |
//! | [`telemetry`], [`clock`], [`docs`] | metrics and the log; the only reader of the clocks; the guides |
//! | [`scheduling`] | background threads |

pub mod cli;
pub mod clock;
pub mod config;
pub mod console;
pub mod daemon;
pub mod docs;
pub mod domain;
pub mod http;
pub mod ledger;
pub mod replication;
pub mod scheduling;
pub mod service;
pub mod storage;
pub mod telemetry;
