//! Generated input for everything that reads bytes from outside: bodies and queries of all operations, heads of requests,
//! tables, configuration files, and the files and frames that a disk or Redis may have damaged.
//!
//! Each target edits a valid sample, so that most inputs reach the depth of the reader. It runs for [`edits::TIME_MS`];
//! `BOLERO_RANDOM_TEST_TIME_MS` sets another time. A failure prints a smaller input and the `BOLERO_RANDOM_SEED` that repeats
//! it.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails loudly"
)]

mod archives;
mod calls;
mod configuration_bodies;
mod data_folders;
mod edits;
mod lines_ahead;
mod payments;
mod redis_frames;
mod request_heads;
mod tables;
mod toml_files;
