//! A daemon that a bench starts, and the load of reserves over HTTP that drives it.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use support::{
    figures::record_number,
    fixtures::{ONE_GATE, one_level},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Filters that no measured payment reaches.
const FILTERS: [&str; 3] = [
    "window = \"daily\"; amount_limit = \"100000000.00\"; quantity_limit = 1000000",
    "window = \"weekly\"; amount_limit = \"100000000.00\"",
    "window = \"monthly\"; amount_limit = \"100000000.00\"",
];

/// A daemon and its configuration; killed at the end.
pub(crate) struct Daemon {
    child: Child,
    /// Where it listens.
    pub(crate) address: String,
    _folder: tempfile::TempDir,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a daemon. `store` is `[store]`, and what follows it.
pub(crate) fn start(store: &str) -> Daemon {
    start_with(store, &[])
}

/// Starts a daemon with further arguments of `serve`.
pub(crate) fn start_with(store: &str, arguments: &[&str]) -> Daemon {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("merchants")).unwrap();
    std::fs::write(folder.path().join("merchants/acme.toml"), one_level("", ONE_GATE, &FILTERS)).unwrap();
    let settings = format!("[http]\nlisten = \"127.0.0.1:0\"\n[store]\n{store}\n");
    std::fs::write(folder.path().join("levelgate.toml"), settings).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_levelgate"))
        .args(["serve", "--config"])
        .arg(folder.path())
        .args(arguments)
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

/// One turn of load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Connections, each with one request at a time.
    pub(crate) connections: u64,
    /// How long it lasts.
    pub(crate) seconds: u64,
    /// The requests that are offered a second; `None`: each connection sends when its last request is answered.
    pub(crate) rate: Option<u64>,
}

/// One connection of a turn.
struct Sender {
    address: String,
    /// The number of the turn and of the connection, from which ids come.
    turn: u64,
    number: u64,
    until: Instant,
    /// The pause between two requests, as they are offered.
    pause: Option<Duration>,
    answered: Arc<AtomicU64>,
}

/// Sends reserves over one connection, each when the last is answered, until the time is over.
async fn send(sender: Sender) {
    let Sender { address, turn, number, until, pause, answered } = sender;
    let began = Instant::now();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut n, mut bytes) = (0_u64, Vec::with_capacity(4_096));
    while Instant::now() < until {
        if let Some(pause) = pause {
            tokio::time::sleep_until((began + pause * u32::try_from(n).unwrap()).into()).await;
        }
        n += 1;
        let body = format!(
            "{{\"transaction_id\":\"t-{turn}-{number}-{n}\",\"direction\":\"deposit\",\"amount\":\"12.50\",\
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

/// Runs one turn. Returns the reserves a second.
pub(crate) fn turn(daemon: &Daemon, load: Load) -> f64 {
    static TURNS: AtomicU64 = AtomicU64::new(0);
    let Load { connections, seconds, rate } = load;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (started, answered) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let turn = TURNS.fetch_add(1, Ordering::Relaxed);
    let until = started + Duration::from_secs(seconds);
    let pause = rate.map(|rate| Duration::from_nanos(connections * 1_000_000_000 / rate.max(1)));
    runtime.block_on(async {
        let senders: Vec<_> = (0..connections)
            .map(|number| {
                let (address, answered) = (daemon.address.clone(), Arc::clone(&answered));
                tokio::spawn(send(Sender { address, turn, number, until, pause, answered }))
            })
            .collect();
        for sender in senders {
            sender.await.unwrap();
        }
    });
    answered.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64()
}

/// A number from the environment.
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|number| number.parse().ok()).unwrap_or(default)
}

/// Runs a turn of each daemon in rotation and prints the rates, one row a round. Returns the rows.
pub(crate) fn rounds(daemons: &[(&str, Daemon)], load: Load, turns: u64) -> Vec<Vec<f64>> {
    daemons.iter().for_each(|(_, daemon)| _ = turn(daemon, Load { seconds: 1, ..load }));
    println!("reserves a second over {} connections, {} s a turn", load.connections, load.seconds);
    println!("{:<8}{}", "turn", daemons.iter().map(|(way, _)| format!("{way:>18}")).collect::<String>());
    let round = |n| {
        let row: Vec<f64> = daemons.iter().map(|(_, daemon)| turn(daemon, load)).collect();
        println!("{n:<8}{}", row.iter().map(|rate| format!("{rate:>18.0}")).collect::<String>());
        row
    };
    let rows: Vec<Vec<f64>> = (1..=turns).map(round).collect();
    for (column, (way, _)) in daemons.iter().enumerate() {
        record_number(&format!("{way}, reserves a second"), &format!("{:.0}", median(&rows, |row| row[column])));
    }
    rows
}

/// Prints the median of a ratio over the rounds.
pub(crate) fn print_ratio(name: &str, rows: &[Vec<f64>], of: impl Fn(&[f64]) -> f64) {
    let ratio = format!("{:.2}", median(rows, of));
    println!("{name:<36} median {ratio:>8}");
    record_number(name, &ratio);
}

/// The median of what a function makes of each row.
pub(crate) fn median(rows: &[Vec<f64>], of: impl Fn(&[f64]) -> f64) -> f64 {
    let mut all: Vec<f64> = rows.iter().map(|row| of(row)).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
