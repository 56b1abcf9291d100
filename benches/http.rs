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

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const MERCHANT: &str = r#"
id = "acme"
name = "Acme"
operation_mode = "crm"
[[gates]]
id = "gate-a"
[[projects]]
id = "web"
client_definition = ["email"]
  [[projects.endpoints]]
  id = "web-eur"
  currency = "EUR"
  gates = ["gate-a"]
[[levels]]
name = "gold"
direction = "deposit"
currency = "EUR"
projects = ["web"]
  [[levels.filters]]
  window = "daily"
  amount_limit = "100000000.00"
  quantity_limit = 1000000
  [[levels.filters]]
  window = "weekly"
  amount_limit = "100000000.00"
  [[levels.filters]]
  window = "monthly"
  amount_limit = "100000000.00"
"#;

/// The ways of keeping, as `[store]` says them.
const WAYS: [(&str, &str); 3] = [
    ("memory", "kind = \"memory\""),
    ("interval", "kind = \"disk\"\nsync = \"interval\""),
    ("always", "kind = \"disk\"\nsync = \"always\""),
];

struct Daemon {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(store: &str) -> Daemon {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("merchants")).unwrap();
    std::fs::write(folder.path().join("merchants/acme.toml"), MERCHANT).unwrap();
    let settings = format!("[http]\nlisten = \"127.0.0.1:0\"\n[store]\n{store}\n");
    std::fs::write(folder.path().join("levelgate.toml"), settings).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_levelgate"))
        .arg("--config")
        .arg(folder.path())
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = loop {
        let line = lines.next().expect("the daemon says where it listens").unwrap();
        if let Some((_, address)) = line.split_once("listening on http://") {
            break address.trim().to_owned();
        }
    };
    std::thread::spawn(move || lines.for_each(drop));
    Daemon { child, address, _folder: folder }
}

/// Sends reserves over one connection, each when the last is answered, until the time is over.
async fn send(address: String, number: u64, until: Instant, answered: Arc<AtomicU64>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut n, mut bytes) = (0_u64, Vec::with_capacity(4_096));
    while Instant::now() < until {
        n += 1;
        let body = format!(
            "{{\"transaction_id\":\"t-{number}-{n}-{until:?}\",\"direction\":\"deposit\",\"amount\":\"12.50\",\
             \"currency\":\"EUR\",\"payment_method\":\"card\",\"merchant_customer_identifier\":\"c{}\",\
             \"customer_level\":\"gold\"}}",
            (number * 7_919 + n * 104_729) % 100_000
        );
        let request = format!(
            "POST /v1/merchants/acme/transactions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        bytes.clear();
        loop {
            assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "the daemon hung up");
            if is_whole(&bytes) {
                break;
            }
        }
        assert!(bytes.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&bytes));
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

fn is_whole(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    bytes.len() >= end + 4 + length.unwrap_or(0)
}

/// Reserves a second.
fn turn(daemon: &Daemon, connections: u64, seconds: u64) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (started, answered) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let until = started + Duration::from_secs(seconds);
    runtime.block_on(async {
        let senders: Vec<_> = (0..connections)
            .map(|number| tokio::spawn(send(daemon.address.clone(), number, until, Arc::clone(&answered))))
            .collect();
        for sender in senders {
            sender.await.unwrap();
        }
    });
    answered.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64()
}

fn main() {
    let setting = |name: &str, default: u64| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (connections, seconds) = (setting("LEVELGATE_CONNECTIONS", 64), setting("LEVELGATE_SECONDS", 3));
    let turns = setting("LEVELGATE_TURNS", 5);
    let daemons: Vec<Daemon> = WAYS.iter().map(|(_, store)| start(store)).collect();
    daemons.iter().for_each(|daemon| _ = turn(daemon, connections, 1));
    println!("reserves a second over {connections} connections, {seconds} s a turn");
    println!("{:<8}{}", "turn", WAYS.map(|(way, _)| format!("{way:>10}")).concat());
    let mut rates: Vec<Vec<f64>> = Vec::new();
    for n in 1..=turns {
        let row: Vec<f64> = daemons.iter().map(|daemon| turn(daemon, connections, seconds)).collect();
        println!("{n:<8}{}", row.iter().map(|rate| format!("{rate:>10.0}")).collect::<String>());
        rates.push(row);
    }
    let median = |of: &dyn Fn(&[f64]) -> f64| {
        let mut all: Vec<f64> = rates.iter().map(|row| of(row)).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    println!("interval over memory, median {:>10.2}", median(&|row| row[1] / row[0]));
    println!("always over interval, median {:>10.2}", median(&|row| row[2] / row[1]));
}
