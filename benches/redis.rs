//! The daemon with a copy in Redis: reserves per second by `ack`, the lag of the copy, and its bytes in Redis.
//!
//! `cargo bench --bench redis` starts `redis-server` and daemons. Rates are measured as in `http`: over
//! `LEVELGATE_CONNECTIONS` (64) connections for `LEVELGATE_SECONDS` (3) a turn, and ratios are of neighbouring turns, the
//! median of `LEVELGATE_TURNS` (5). The lag is that of `LEVELGATE_RATE` (20000) reserves offered a second for
//! `LEVELGATE_LAG_SECONDS` (10). `LEVELGATE_APPENDFSYNC` (everysec) is the setting of the same name of Redis. The client,
//! the daemons and Redis share the machine. A restore is that of `LEVELGATE_CUSTOMERS` (1,000,000) with twenty transactions
//! each; 24 GB of memory are enough. `LEVELGATE_ONLY` names one part: `rates`, `lag`, `bytes` or `restore`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
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
mod load;

use load::{Daemon, Load, print_ratio, rounds, setting, start, start_with, turn};
use serde_json::Value;
use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};
use support::{
    figures::record_number,
    redis::{
        resp::Answer,
        server::{RedisOptions, RedisServer},
    },
};

/// The ways of keeping: `[store]`, and `ack`; `None`: without Redis.
const WAYS: [(&str, &str, Option<&str>); 5] = [
    ("interval", "kind = \"disk\"\nsync = \"interval\"", None),
    ("always, local", "kind = \"disk\"\nsync = \"always\"", Some("local")),
    ("always, redis", "kind = \"disk\"\nsync = \"always\"", Some("redis")),
    ("interval, redis", "kind = \"disk\"\nsync = \"interval\"", Some("redis")),
    ("diskless, redis", "kind = \"memory\"", Some("redis")),
];
/// The pause between two looks at the lag.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

fn start_redis() -> RedisServer {
    let fsync = std::env::var("LEVELGATE_APPENDFSYNC").unwrap_or_else(|_| "everysec".to_owned());
    let lines = vec!["appendonly yes".to_owned(), format!("appendfsync {fsync}")];
    let server = RedisServer::with(RedisOptions { lines, ..RedisOptions::default() });
    std::fs::write(server.folder().join("redis.key"), [7; 32]).unwrap();
    server
}

/// `[store]`, and `[redis]` with this prefix.
fn copied(server: &RedisServer, prefix: &str, store: &str, more: &str) -> String {
    let key_file = server.folder().join("redis.key");
    let (url, key_file) = (server.url(), Path::display(&key_file));
    format!("{store}\n[redis]\nurl = \"{url}\"\nkey_file = \"{key_file}\"\nprefix = \"{prefix}\"\n{more}\n")
}

/// A daemon whose copy has this prefix.
fn start_copied(server: &RedisServer, prefix: &str, store: &str, more: &str) -> Daemon {
    start(&copied(server, prefix, store, more))
}

/// `redis` of `/v1/status`.
fn status(daemon: &Daemon) -> Value {
    let mut answer = ureq::get(format!("http://{}/v1/status", daemon.address)).call().unwrap();
    let mut status: Value = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
    status["redis"].take()
}

fn number(status: &Value, field: &str) -> f64 {
    status[field].as_f64().unwrap_or_else(|| panic!("{field} of {status}"))
}

fn wait_until(daemon: &Daemon, is_true: impl Fn(&Value) -> bool) {
    while !is_true(&status(daemon)) {
        thread::sleep(LOOK_PAUSE);
    }
}

fn print_rates(load: Load) {
    let server = start_redis();
    let started = WAYS.iter().zip(0..).map(|((way, store, ack), number)| match ack {
        None => (*way, start(store)),
        Some(ack) => (*way, start_copied(&server, &format!("bench-{number}"), store, &format!("ack = \"{ack}\""))),
    });
    let daemons: Vec<_> = started.collect();
    let rows = rounds(&daemons, load, setting("LEVELGATE_TURNS", 5));
    for (name, above, below) in [
        ("always, redis over always, local", 2, 1),
        ("interval, redis over always, local", 3, 1),
        ("diskless, redis over interval", 4, 0),
    ] {
        print_ratio(name, &rows, |row| row[above] / row[below]);
    }
}

fn print_lag(connections: u64) {
    let (rate, seconds) = (setting("LEVELGATE_RATE", 20_000), setting("LEVELGATE_LAG_SECONDS", 10));
    println!("\nlag of the copy at {rate} reserves offered a second for {seconds} s");
    println!("{:<18}{:>12}{:>16}{:>16}{:>14}", "", "answered/s", "records p50", "records max", "seconds max");
    let server = start_redis();
    for (prefix, ack) in [("bench-local", "local"), ("bench-redis", "redis")] {
        let store = "kind = \"disk\"\nsync = \"interval\"";
        let daemon = start_copied(&server, prefix, store, &format!("ack = \"{ack}\""));
        let is_over = AtomicBool::new(false);
        let (answered, mut records, longest) = thread::scope(|scope| {
            let looking = scope.spawn(|| {
                let (mut records, mut longest) = (Vec::new(), 0_f64);
                while !is_over.load(Ordering::Relaxed) {
                    let status = status(&daemon);
                    records.push(number(&status, "lag_records"));
                    longest = longest.max(number(&status, "lag_seconds"));
                    thread::sleep(LOOK_PAUSE);
                }
                (records, longest)
            });
            let answered = turn(&daemon, Load { connections, seconds, rate: Some(rate) });
            is_over.store(true, Ordering::Relaxed);
            let (records, longest) = looking.join().unwrap();
            (answered, records, longest)
        });
        records.sort_by(f64::total_cmp);
        let (middle, most) = (records[records.len() / 2], records[records.len() - 1]);
        println!("{ack:<18}{answered:>12.0}{middle:>16.0}{most:>16.0}{longest:>14.3}");
        record_number(&format!("redis, {ack}, lag in records, median"), &format!("{middle:.0}"));
    }
}

fn print_bytes(load: Load) {
    let server = start_redis();
    let used = || {
        let info = server.command("INFO memory").text();
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")?.trim().parse::<f64>().ok());
        used.expect("Redis reports its memory")
    };
    let bytes_of = |key: &str| match server.command(&format!("MEMORY USAGE {key} SAMPLES 0")) {
        Answer::Nil => 0.0,
        bytes => bytes.number() as f64,
    };
    let before = used();
    let daemon = start_copied(&server, "bench", "kind = \"disk\"\nsync = \"interval\"", "snapshot_interval_s = 1");
    turn(&daemon, load);
    // A snapshot of all of them is in Redis.
    wait_until(&daemon, |status| {
        number(status, "lag_records") == 0.0 && status["snapshot_lsn"] == status["shipped_lsn"]
    });
    let status = status(&daemon);
    let mut answer = ureq::get(format!("http://{}/metrics", daemon.address)).call().unwrap();
    let metrics = answer.body_mut().read_to_string().unwrap();
    let metric = |name: &str| {
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        value.unwrap_or_else(|| panic!("no metric {name}"))
    };
    let records = number(&status, "shipped_lsn");
    println!("\nbytes in Redis after {records:.0} reserves");
    println!("{:<34}{:>14}{:>16}", "", "bytes", "a transaction");
    let batches = metric("levelgate_redis_batches_total ");
    let rows = [
        ("records, as in the journal", metric("levelgate_redis_bytes_total ")),
        ("{P}:stream", bytes_of("{bench}:stream")),
        ("{P}:keys", bytes_of("{bench}:keys")),
        ("a snapshot, as a file", server.command("HGET {bench}:head snapshot_bytes").number() as f64),
        ("{P}:snapshot:BEGIN_LSN", bytes_of(&format!("{{bench}}:snapshot:{records:.0}"))),
        ("used_memory of the server", used() - before),
    ];
    for (name, bytes) in rows {
        println!("{name:<34}{bytes:>14.0}{:>16.1}", bytes / records);
        record_number(&format!("redis, bytes a transaction, {name}"), &format!("{:.1}", bytes / records));
    }
    println!("{:<34}{:>14.0}{:>16.1}", "batches, and records a batch", batches, records / batches);
}

/// A machine is lost, and another one goes on from the copy.
fn print_restore() {
    let customers = setting("LEVELGATE_CUSTOMERS", 1_000_000);
    let (server, before, after) = (start_redis(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ledger, folder) = filled_folder::open(before.path());
    filled_folder::fill(&filled_folder::rules(), &ledger, customers, 20);
    folder.snapshot(&ledger, filled_folder::START).unwrap();
    folder.journal().close().unwrap();
    drop((ledger, folder));

    let settings = |folder: &Path| {
        let store = format!("kind = \"disk\"\npath = \"{}\"", folder.display());
        copied(&server, "bench", &store, "snapshot_interval_s = 1")
    };
    let line = |name: &str, figure: f64| {
        println!("{name:<50}{figure:>14.2}");
        record_number(&format!("redis, {name}"), &format!("{figure:.2}"));
    };
    println!("\nrestore of {customers} customers with twenty transactions each, seconds");
    let daemon = start(&settings(before.path()));
    let started = Instant::now();
    wait_until(&daemon, |status| status["lag_records"] == 0 && status["snapshot_lsn"] == status["shipped_lsn"]);
    line("the first copy, records and snapshot", started.elapsed().as_secs_f64());
    drop(daemon);

    let started = Instant::now();
    let daemon = start_with(&settings(after.path()), &["--restore", "--take-over"]);
    while ureq::get(format!("http://{}/readyz", daemon.address)).call().is_err() {
        thread::sleep(LOOK_PAUSE);
    }
    line("restore, until the daemon is ready", started.elapsed().as_secs_f64());
}

fn main() {
    let load = Load {
        connections: setting("LEVELGATE_CONNECTIONS", 64),
        seconds: setting("LEVELGATE_SECONDS", 3),
        rate: None,
    };
    let only = std::env::var("LEVELGATE_ONLY").unwrap_or_default();
    let is_wanted = |part: &str| only.is_empty() || only == part;
    if is_wanted("rates") {
        print_rates(load);
    }
    if is_wanted("lag") {
        print_lag(load.connections);
    }
    if is_wanted("bytes") {
        print_bytes(load);
    }
    if is_wanted("restore") {
        print_restore();
    }
}
