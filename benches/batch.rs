//! Batches: lines answered a second, in the process and over HTTP.
//!
//! `cargo bench --bench batch` prints reserves answered a second: one line after the other; in runs on one thread and on
//! more; and by a daemon over `LEVELGATE_CONNECTIONS` (1) connections, each with one batch of `LEVELGATE_LINES` (1,000,000)
//! lines, whose client shares the machine. The reserves are of `LEVELGATE_CUSTOMERS` (100,000) customers, who are known
//! before. Turns alternate `LEVELGATE_TURNS` (3) times. `LEVELGATE_ONLY` names one part: `process` or `daemon`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::float_arithmetic,
    reason = "a bench prints, and fails loudly"
)]
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "figures for people")]

#[allow(dead_code, reason = "the load of single calls is for other benches")]
mod load;

use arc_swap::ArcSwap;
use levelgate::{
    clock::{Clock, Source},
    config,
    domain::decision::clock_skew::ClockSkew,
    ledger::{Ledger, LedgerLimits, LedgerStorage},
    service::{
        commit::AnswerGate,
        payments::{
            PaymentService,
            line_runs::{LineOrder, LineRun, LineStream, RunSplitter},
            lines::answer_line,
        },
    },
    telemetry::metrics::Meters,
};
use load::{Daemon, MERCHANT, setting, start};
use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The bytes of lines of a run, as of the daemon.
const RUN_BYTES: usize = 16 * 1024;

fn lines(turn: &str, count: u64, customers: u64) -> Vec<u8> {
    let mut text = Vec::new();
    for n in 0..count {
        let customer = if count == customers { n } else { n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20 };
        writeln!(
            text,
            "{{\"op\":\"reserve\",\"merchant\":\"acme\",\"transaction_id\":\"t-{turn}-{n}\",\"direction\":\"deposit\",\
             \"amount\":\"12.50\",\"currency\":\"EUR\",\"payment_method\":\"card\",\
             \"merchant_customer_identifier\":\"c{}\",\"customer_level\":\"gold\"}}",
            customer % customers
        )
        .unwrap();
    }
    text
}

fn service() -> PaymentService {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("merchants")).unwrap();
    std::fs::write(folder.path().join("merchants/acme.toml"), MERCHANT).unwrap();
    let loaded = config::load(folder.path()).unwrap();
    let limits = LedgerLimits { transactions_max: u64::MAX, skew: ClockSkew { past_ms: 300_000, future_ms: 5_000 } };
    PaymentService {
        ledger: Ledger::new(limits, LedgerStorage::in_memory((1, 2))),
        rules: ArcSwap::from_pointee(loaded.rules),
        clock: Clock::new(Source::System),
        meters: Meters::new(),
        body_bytes_max: 65_536,
        gate: AnswerGate::local(),
    }
}

fn runs(text: &[u8]) -> Vec<LineRun> {
    let (mut lines, mut runs) = (RunSplitter::new(65_536), Vec::new());
    for piece in text.chunks(RUN_BYTES) {
        lines.feed(piece);
        runs.extend(lines.take());
    }
    runs
}

/// Answers the lines one after the other. Returns the nanoseconds.
fn one_after_the_other(service: &PaymentService, text: &[u8]) -> f64 {
    let (mut out, started) = (Vec::new(), Instant::now());
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        out.clear();
        assert!(answer_line(service, Ok(line), &mut out, |_| Ok(())).is_none());
    }
    started.elapsed().as_nanos() as f64
}

fn in_runs(service: &PaymentService, text: &[u8], threads: u64) -> f64 {
    let started = Instant::now();
    let runs = runs(text);
    let (next, order) = (AtomicU64::new(0), LineOrder::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(run) = runs.get(number as usize) else { return };
                    let stream = LineStream { service, order: &order, may_enter: &|_| Ok(()) };
                    let answered = stream.answer(number, run);
                    assert!(answered.problems.is_empty() && answered.ends.len() == run.len());
                }
            });
        }
    });
    started.elapsed().as_nanos() as f64
}

/// Sends the lines as one batch and reads all answers. Returns their number.
fn send(daemon: &Daemon, text: &[u8]) -> u64 {
    let mut stream = TcpStream::connect(&daemon.address).unwrap();
    let mut answers = stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            write!(stream, "POST /v1/batch HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", text.len())
                .unwrap();
            text.chunks(64 * 1024).for_each(|piece| stream.write_all(piece).unwrap());
        });
        let (mut bytes, mut count) = (vec![0; 256 * 1024], 0);
        let mut tail = Vec::new();
        loop {
            let length = answers.read(&mut bytes).unwrap();
            assert!(length > 0, "the daemon hung up");
            // Each answer ends its line, and the lines of the head and of chunks end with a carriage return too.
            count += memchr::memchr_iter(b'\n', &bytes[..length]).count() as u64;
            tail.extend_from_slice(&bytes[length.saturating_sub(7)..length]);
            tail.drain(..tail.len().saturating_sub(7));
            if tail == b"\r\n0\r\n\r\n" {
                return count;
            }
        }
    })
}

fn main() {
    let (count, customers) = (setting("LEVELGATE_LINES", 1_000_000), setting("LEVELGATE_CUSTOMERS", 100_000));
    let only = std::env::var("LEVELGATE_ONLY").unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let per_second = |nanoseconds: f64| count as f64 * 1e9 / nanoseconds;
    println!("{:<44} {:>14} {:>10}", "lines answered a second", "lines/s", "ns/line");
    let row = |name: &str, nanoseconds: f64| {
        println!("{name:<44} {:>14.0} {:>10.0}", per_second(nanoseconds), nanoseconds / count as f64);
    };
    if only != "daemon" {
        let service = service();
        one_after_the_other(&service, &lines("first", customers, customers));
        for turn in 0..setting("LEVELGATE_TURNS", 3) {
            let text = lines(&format!("a{turn}"), count, customers);
            row("in the process, one after the other", one_after_the_other(&service, &text));
            for threads in 1..=processors {
                let text = lines(&format!("b{threads}-{turn}"), count, customers);
                row(&format!("in the process, runs on {threads} threads"), in_runs(&service, &text, threads));
            }
        }
    }
    if only != "process" {
        let stores = [("memory", "kind = \"memory\""), ("interval", "kind = \"disk\"\nsync = \"interval\"")];
        let daemons = stores.map(|(way, store)| (way, start(store)));
        daemons.iter().for_each(|(_, daemon)| _ = send(daemon, &lines("first", customers, customers)));
        let connections = setting("LEVELGATE_CONNECTIONS", 1);
        for turn in 0..setting("LEVELGATE_TURNS", 3) {
            for (way, daemon) in &daemons {
                let texts: Vec<_> = (0..connections)
                    .map(|connection| lines(&format!("c{turn}-{connection}"), count / connections, customers))
                    .collect();
                let started = Instant::now();
                std::thread::scope(|scope| texts.iter().for_each(|text| _ = scope.spawn(|| send(daemon, text))));
                row(&format!("the daemon, {way}, {connections} connections"), started.elapsed().as_nanos() as f64);
            }
        }
    }
}
