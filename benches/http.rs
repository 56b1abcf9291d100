//! The daemon over HTTP: reserves per second with each store, alternating within one run.
//!
//! `cargo bench --bench http` starts the daemon, and drives it over `LEVELGATE_CONNECTIONS` (64) connections for
//! `LEVELGATE_SECONDS` (3) a turn; the client shares the machine. Ratios are of neighbouring turns, the median of
//! `LEVELGATE_TURNS` (5).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::float_arithmetic,
    reason = "a bench prints, and fails loudly"
)]
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "figures for people")]

mod load;

use load::{Load, print_ratio, rounds, setting, start};

/// The ways of keeping, as `[store]` says them.
const WAYS: [(&str, &str); 3] = [
    ("memory", "kind = \"memory\""),
    ("interval", "kind = \"disk\"\nsync = \"interval\""),
    ("always", "kind = \"disk\"\nsync = \"always\""),
];

fn main() {
    let load = Load {
        connections: setting("LEVELGATE_CONNECTIONS", 64),
        seconds: setting("LEVELGATE_SECONDS", 3),
        rate: None,
    };
    let daemons: Vec<_> = WAYS.iter().map(|(way, store)| (*way, start(store))).collect();
    let rows = rounds(&daemons, load, setting("LEVELGATE_TURNS", 5));
    print_ratio("interval over memory", &rows, |row| row[1] / row[0]);
    print_ratio("always over interval", &rows, |row| row[2] / row[1]);
}
