//! How costs grow with sizes: customers, transactions of a customer, merchants and levels, connections, lines of a batch.
//!
//! `cargo bench --bench growth` prints one table for each, and the slope in words. `LEVELGATE_CUSTOMERS` (1,000,000) is the
//! largest number of customers; 10,000,000 needs 4 GB. `LEVELGATE_ONLY` names one part: `customers`, `history`, `levels`,
//! `connections`, `batch`. `LEVELGATE_SECONDS` (3) is the time of each row over HTTP. With `LEVELGATE_JSON` the figures are
//! appended to that file.
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
    clippy::cast_sign_loss,
    reason = "figures for people"
)]

#[allow(dead_code, reason = "other benches use the rest")]
mod load;

use levelgate::{
    config,
    domain::{
        decision::{
            clock_skew::ClockSkew,
            payment::{Payment, PaymentPurpose, PaymentRequest},
        },
        rules::configuration::Rules,
        vocabulary::time::Millis,
    },
    ledger::{Ledger, LedgerLimits, LedgerStorage},
};
use load::{Daemon, Load, setting, start, turn};
use std::{
    borrow::Cow,
    fmt::Write as _,
    time::{Duration, Instant},
};
use support::{
    figures::{record_figure, size, slope},
    random::Random,
    raw_http::post_streamed,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Reserves that are timed one by one for each size.
const TIMED: u64 = 200_000;
const START: i64 = 1_790_000_000_000;

/// Rules of this many merchants with this many levels each.
fn rules(merchants: u64, levels: u64) -> Rules {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("merchants")).unwrap();
    for merchant in 0..merchants {
        let mut text = format!(
            "id = \"m{merchant}\"\nname = \"M\"\noperation_mode = \"crm\"\n[[gates]]\nid = \"gate-a\"\n[[projects]]\n\
             id = \"web\"\nclient_definition = [\"email\"]\n[[projects.endpoints]]\nid = \"web-eur\"\ncurrency = \"EUR\"\n\
             gates = [\"gate-a\"]\n"
        );
        for level in 0..levels {
            let _ = writeln!(
                text,
                "[[levels]]\nname = \"l{level}\"\ndirection = \"deposit\"\ncurrency = \"EUR\"\nprojects = [\"web\"]"
            );
            for window in ["daily", "weekly", "monthly"] {
                let _ = writeln!(
                    text,
                    "[[levels.filters]]\nwindow = \"{window}\"\namount_limit = \"100000000.00\"\nquantity_limit = 100000000"
                );
            }
        }
        std::fs::write(folder.path().join(format!("merchants/m{merchant}.toml")), text).unwrap();
    }
    config::load(folder.path()).unwrap().rules
}

/// A ledger in memory, and the number of its reserves so far.
struct Filled {
    ledger: Ledger,
    reserves: u64,
}

impl Filled {
    fn new() -> Self {
        let skew = ClockSkew { past_ms: 300_000, future_ms: 5_000 };
        let limits = LedgerLimits { transactions_max: u64::MAX, skew };
        Self { ledger: Ledger::new(limits, LedgerStorage::in_memory((1, 2))), reserves: 0 }
    }

    /// One reserve, and its time without the admission.
    fn reserve(&mut self, rules: &Rules, merchant: &str, customer: &str, level: &str) -> u64 {
        self.reserves += 1;
        let some = |text: &'static str| Some(Cow::Borrowed(text));
        let request = PaymentRequest {
            transaction_id: Some(Cow::Owned(format!("t{}", self.reserves))),
            direction: some("deposit"),
            amount: some("12.50"),
            currency: some("EUR"),
            merchant_customer_identifier: Some(Cow::Borrowed(customer)),
            customer_level: Some(Cow::Borrowed(level)),
            ..PaymentRequest::default()
        };
        let payment = Payment::admit(rules, merchant, request, PaymentPurpose::Record).unwrap();
        let now = Millis(START + i64::try_from(self.reserves / 100).unwrap());
        let started = Instant::now();
        let answer = self.ledger.reserve(rules, &payment, None, now).unwrap();
        let took = started.elapsed().as_nanos() as u64;
        assert!(answer.violations.is_empty());
        took
    }
}

/// One growth table.
struct Table {
    part: &'static str,
    unit: &'static str,
    points: Vec<(u64, u64)>,
}

impl Table {
    fn new(part: &'static str, of: &str, unit: &'static str) -> Self {
        println!("\n{part}\n{of:<28}{:>14}{:>14}", format!("{unit}, p50"), "p99");
        Self { part, unit, points: Vec::new() }
    }

    /// A row of samples.
    fn samples(&mut self, of: u64, mut samples: Vec<u64>) {
        samples.sort_unstable();
        let (median, p99) = (samples[samples.len() / 2], samples[samples.len() * 99 / 100]);
        self.row(of, median, Some(p99), samples.len() as u64);
    }

    fn row(&mut self, of: u64, median: u64, p99: Option<u64>, n: u64) {
        println!("{:<28}{median:>14}{:>14}", size(of), p99.map_or_else(String::new, |p99| p99.to_string()));
        record_figure(&format!("growth, {}, {}", self.part, size(of)), self.unit, median, p99, n);
        self.points.push((of, median));
    }

    fn end(self) {
        println!("{}: {}", self.part, slope(&self.points));
    }
}

/// Sizes from one number to another, each ten times the one before.
fn sizes(from: u64, to: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(from), |size| size.checked_mul(10)).take_while(move |&size| size <= to)
}

fn customers() {
    let mut table = Table::new("a reserve, by customers", "customers", "ns");
    let rules = rules(1, 1);
    for customers in sizes(1_000, setting("LEVELGATE_CUSTOMERS", 1_000_000)) {
        let (mut filled, mut random) = (Filled::new(), Random::seeded(1));
        for n in 0..customers {
            filled.reserve(&rules, "m0", &format!("c{n}"), "l0");
        }
        let timed = (0..TIMED).map(|_| filled.reserve(&rules, "m0", &format!("c{}", random.next() % customers), "l0"));
        table.samples(customers, timed.collect());
    }
    table.end();
}

fn history() {
    let mut table = Table::new("a reserve, by transactions of the customer", "transactions", "ns");
    let rules = rules(1, 1);
    for length in sizes(10, 100_000) {
        let mut filled = Filled::new();
        for _ in 0..length {
            filled.reserve(&rules, "m0", "c", "l0");
        }
        // Few, so that they do not change the length by much.
        let timed = (length / 10).clamp(10, 2_000);
        let timed = (0..timed).map(|_| filled.reserve(&rules, "m0", "c", "l0"));
        table.samples(length, timed.collect());
    }
    table.end();
}

fn levels() {
    let mut table = Table::new("a reserve, by merchants x 20 levels", "levels", "ns");
    for merchants in [1, 10, 100, 1_000] {
        let (rules, mut filled, mut random) = (rules(merchants, 20), Filled::new(), Random::seeded(1));
        let mut reserve = || {
            let (merchant, level) = (format!("m{}", random.next() % merchants), format!("l{}", random.next() % 20));
            // The number of customers stays the same.
            let customer = format!("c{}", random.next() % (20_000 / merchants));
            filled.reserve(&rules, &merchant, &customer, &level)
        };
        (0..TIMED).for_each(|_| _ = reserve());
        table.samples(merchants * 20, (0..TIMED).map(|_| reserve()).collect());
    }
    table.end();
}

fn daemon() -> Daemon {
    start("kind = \"disk\"\nsync = \"interval\"")
}

fn connections() {
    let mut table = Table::new("a reserve over HTTP, by connections", "connections", "ns of all");
    let (daemon, seconds) = (daemon(), setting("LEVELGATE_SECONDS", 3));
    // The customers exist before the first row.
    turn(&daemon, Load { connections: 64, seconds, rate: None });
    for connections in [1, 10, 100, 1_000] {
        let rate = turn(&daemon, Load { connections, seconds, rate: None });
        table.row(connections, (1e9 / rate) as u64, None, (rate as u64) * seconds);
    }
    table.end();
}

/// A batch of reserves.
fn batch(lines: u64, first: u64) -> Vec<u8> {
    let mut text = String::new();
    for n in first..first + lines {
        let _ = writeln!(
            text,
            "{{\"op\":\"reserve\",\"merchant\":\"acme\",\"transaction_id\":\"b{n}\",\"direction\":\"deposit\",\
             \"amount\":\"12.50\",\"currency\":\"EUR\",\"merchant_customer_identifier\":\"c{}\",\"customer_level\":\"gold\"}}",
            n * 7_919 % 100_000
        );
    }
    text.into_bytes()
}

fn batches() {
    let mut table = Table::new("an operation of a batch, by lines; each batch opens a connection", "lines", "ns");
    let daemon = daemon();
    let port = daemon.address.rsplit_once(':').unwrap().1.parse().unwrap();
    let (seconds, mut first) = (Duration::from_secs(setting("LEVELGATE_SECONDS", 3)), 0);
    for lines in [1, 10, 100, 1_000, 10_000, 100_000] {
        let (started, mut samples) = (Instant::now(), Vec::new());
        while samples.is_empty() || started.elapsed() < seconds {
            let body = batch(lines, first);
            first += lines;
            let began = Instant::now();
            let answer = post_streamed(port, "/v1/batch", body);
            samples.push(began.elapsed().as_nanos() as u64 / lines);
            assert_eq!(answer.body.lines().count() as u64, lines);
        }
        table.samples(lines, samples);
    }
    table.end();
}

fn main() {
    let only = std::env::var("LEVELGATE_ONLY").unwrap_or_default();
    for (name, part) in [
        ("customers", customers as fn()),
        ("history", history),
        ("levels", levels),
        ("connections", connections),
        ("batch", batches),
    ] {
        if only.is_empty() || only == name {
            part();
        }
    }
}
