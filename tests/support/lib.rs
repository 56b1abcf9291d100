//! What the test suites share: the program under test as a process and over HTTP, the naive model of its domain, fixtures
//! and the random source.
//!
//! It is a separate crate, so that it is compiled once for all suites. It does not link `levelgate`: a suite drives the
//! program, whose path Cargo puts into the environment of each test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

pub mod answer;
pub mod certificates;
pub mod contract;
pub mod daemon;
pub mod environment;
pub mod figures;
pub mod fixtures;
pub mod model;
pub mod moved_clock;
pub mod process;
pub mod random;
pub mod raw_http;
pub mod redis;
