//! The cost of durability: writing a snapshot, and recovery.
//!
//! `cargo bench --bench journal` prints one table. `LEVELGATE_CUSTOMERS` (1,000,000, with twenty transactions each) makes
//! it smaller. A restart is timed three times, and the median printed. All files are in a temporary folder. With
//! `LEVELGATE_FOLDER` they stay in that folder, and a folder with files is only recovered.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::float_arithmetic,
    reason = "a bench prints, and fails loudly"
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    reason = "figures for people"
)]

mod filled_folder;

use filled_folder::{START, fill, open, rules};
use std::{path::Path, time::Instant};
use support::figures::record_number;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn row(what: &str, figure: &str) {
    println!("{what:<56} {figure:>14}");
    record_number(&format!("journal, {what}"), figure);
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}

/// How often a restart is timed; the median counts.
const RESTARTS: usize = 3;

/// The median of some restarts from what the folder holds, seconds.
fn restart(folder: &Path, transactions: u64) -> f64 {
    let mut took: Vec<f64> = (0..RESTARTS)
        .map(|_| {
            let started = Instant::now();
            let (ledger, folder) = open(folder);
            let took = seconds(started);
            assert_eq!(ledger.transactions_len(), transactions);
            folder.journal().close().unwrap();
            took
        })
        .collect();
    took.sort_by(f64::total_cmp);
    took[RESTARTS / 2]
}

/// Recovers the state that an earlier run wrote: its snapshot, and the records after it.
fn again(folder: &Path) {
    for _ in 0..RESTARTS {
        let started = Instant::now();
        let (ledger, folder) = open(folder);
        let took = seconds(started);
        row("restart, seconds", &format!("{took:.2}"));
        row("of transactions", &ledger.transactions_len().to_string());
        folder.journal().close().unwrap();
    }
}

fn main() {
    let kept = std::env::var_os("LEVELGATE_FOLDER").map(std::path::PathBuf::from);
    if let Some(folder) = kept.as_deref().filter(|folder| folder.join("instance").exists()) {
        return again(folder);
    }
    let customers: u64 = std::env::var("LEVELGATE_CUSTOMERS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let transactions = customers * 20;
    let (rules, temporary) = (rules(), tempfile::tempdir().unwrap());
    let place = kept.as_deref().unwrap_or(temporary.path());
    row("customers, with twenty transactions each", &customers.to_string());
    let (ledger, folder) = open(place);
    let started = Instant::now();
    fill(&rules, &ledger, customers, 20);
    row("reserves journaled a second, one thread", &format!("{:.0}", transactions as f64 / seconds(started)));
    let bytes: u64 = folder.journal().segments().iter().map(|s| s.end_offset.0 - s.first_offset.0).sum();
    row("bytes of journal a reserve", &(bytes / transactions).to_string());
    folder.journal().close().unwrap();
    drop((ledger, folder));

    let took = restart(place, transactions);
    row("restart from the journal alone, seconds", &format!("{took:.2}"));
    row("records replayed a second, all included", &format!("{:.0}", transactions as f64 / took));

    let (ledger, folder) = open(place);
    let started = Instant::now();
    let taken = folder.snapshot(&ledger, START).unwrap();
    row("snapshot, seconds", &format!("{:.2}", seconds(started)));
    row("bytes of a snapshot a transaction", &(taken.bytes / transactions).to_string());
    folder.journal().close().unwrap();
    drop((ledger, folder));

    let took = restart(place, transactions);
    row("restart from the snapshot, seconds", &format!("{took:.2}"));
    row("transactions brought back a second, all included", &format!("{:.0}", transactions as f64 / took));
}
