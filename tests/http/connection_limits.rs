//! More connections than the process can hold: payments and the journal go on, health is answered, the others get 503.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;

use support::answer::Answer;
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, acme, pay};
use support::process::program_path;
use support::process::{PATIENCE, eventually};
use support::raw_http::{self, AnswerReader};

/// The limit on open files of many systems.
const OPEN_FILES: u32 = 1_024;
/// More callers than that.
const CALLERS: usize = 1_200;

/// Lets the tests themselves have more connections than the daemon.
fn raise_own_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("the limit of the tests is raised");
}

/// A connection that stays open between requests.
struct KeptConnection(BufReader<TcpStream>);

impl KeptConnection {
    fn new(port: u16) -> KeptConnection {
        KeptConnection(BufReader::new(raw_http::connect(port)))
    }

    /// Sends a payment and returns the status and the body.
    fn pay(&mut self, id: &str) -> (u16, String) {
        let body = pay(id, "1.00").to_string();
        let head =
            raw_http::head("POST", "/v1/merchants/acme/transactions", body.len()).replace("connection: close\r\n", "");
        self.0.get_mut().write_all((head + &body).as_bytes()).expect("a payment is sent");
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).expect("a line of the answer") > 0, "the connection was closed");
            if status == 0 {
                status = line.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("a status");
            } else if let Some(bytes) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = bytes.trim().parse().expect("a length");
            } else if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("the body");
        (status, String::from_utf8(body).expect("UTF-8"))
    }
}

/// The status and the text of an answer on a new connection; `None` where the daemon hung up.
fn ask(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some((text.split(' ').nth(1)?.parse().ok()?, text))
}

/// The value of a metric without labels.
fn metric(metrics: &str, name: &str) -> u64 {
    let line = metrics.lines().find(|line| line.starts_with(&format!("{name} ")));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("no {name} in\n{metrics}"))
}

#[test]
fn more_callers_than_open_files_stop_neither_payments_nor_the_journal() {
    raise_own_limit();
    let store = "kind = \"disk\"\nsync = \"always\"\nsegment_bytes = 4096";
    let mut folder = ConfigFolder::new(&Settings { store, ..Settings::SYSTEM }, &[("acme", acme(CRM, &[]))]);
    folder.open_files = Some((OPEN_FILES, OPEN_FILES));
    let mut daemon = Daemon::start(folder);
    let port = daemon.port();
    let mut kept = KeptConnection::new(port);
    let metrics = daemon.get("/metrics").body;
    let (most, reserved) =
        (metric(&metrics, "levelgate_connections_max"), metric(&metrics, "levelgate_open_files_reserved"));
    assert!(most + reserved <= u64::from(OPEN_FILES), "{most} connections and {reserved} others");
    assert_eq!(metric(&metrics, "levelgate_open_files_limit"), u64::from(OPEN_FILES));
    assert!(daemon.log().contains("LimitNOFILE"), "the cut and its remedy are named: {}", daemon.log());
    let callers: Vec<TcpStream> = (0..CALLERS)
        .filter_map(|number| {
            let mut caller = TcpStream::connect(("127.0.0.1", port)).ok()?;
            // Some have begun to speak.
            let _ = caller.write_all(if number % 2 == 0 { b"" } else { b"POST /v1/merch" });
            Some(caller)
        })
        .collect();
    assert!(callers.len() > usize::try_from(most).expect("a count"), "every place is taken");
    let segments = || std::fs::read_dir(daemon.folder.path().join("data/journal")).expect("the journal").count();
    let before = segments();
    for number in 0..200 {
        let (status, body) = kept.pay(&format!("t{number}"));
        assert_eq!(status, 200, "payment {number}: {body}");
    }
    assert!(segments() >= before + 5, "segments were begun under load: {before}, {}", segments());
    for path in ["/healthz", "/readyz", "/metrics", "/v1/status"] {
        // At the first attempt: the longest silent caller beyond the places gives way.
        assert_eq!(ask(port, path).map(|(status, _)| status), Some(200), "{path}");
    }
    eventually("other connections get 503", || {
        ask(port, "/v1/merchants").is_some_and(|(status, text)| {
            status == 503 && text.contains("too_many_connections") && text.contains("retry-after: 1")
        })
    });
    drop(callers);
    eventually("there is room again", || ask(port, "/v1/merchants").is_some_and(|(status, _)| status == 200));
    assert_eq!(kept.pay("last").0, 200);
    drop(kept);
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn open_file_limit_without_room_for_connections_is_refused() {
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[]))]);
    let ended = Command::new("prlimit")
        .arg("--nofile=130:130")
        .arg(program_path())
        .args(["serve", "--config"])
        .arg(folder.path())
        .current_dir(folder.path())
        .output()
        .expect("prlimit is installed (tests/run does that)");
    let text = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{text}");
    for part in ["RLIMIT_NOFILE", "130", "LimitNOFILE", "ulimit -n"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_low_soft_limit_is_raised() {
    let mut folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[]))]);
    folder.open_files = Some((OPEN_FILES / 2, OPEN_FILES));
    let daemon = Daemon::start(folder);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).expect("the limits of the daemon");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a line");
    let soft = line.split_whitespace().nth(3).and_then(|text| text.parse().ok());
    assert_eq!(soft, Some(OPEN_FILES), "{line}");
}

#[test]
fn health_answers_at_the_connection_limit_and_closes_each_connection() {
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[]))]);
    folder.write("levelgate.toml", &Settings::SYSTEM.text().replace("[http]\n", "[http]\nmax_connections = 4\n"));
    let daemon = Daemon::start(folder);
    let silent: Vec<TcpStream> = (0..8).map(|_| raw_http::connect(daemon.port())).collect();
    for path in ["/healthz", "/readyz?probe=1", "/metrics", "/v1/status"] {
        let (status, text) = ask(daemon.port(), path).expect("an answer");
        assert_eq!(status, 200, "{path}: {text}");
        assert!(text.contains("connection: close"), "{text}");
    }
    let body = pay("t1", "1.00").to_string();
    let answer = raw_http::send(daemon.port(), "POST", "/v1/merchants/acme/transactions", body.as_bytes());
    assert_eq!(answer.problem(503)["code"], "too_many_connections");
    drop(silent);
    eventually("there is room again", || ask(daemon.port(), "/v1/merchants").is_some_and(|(status, _)| status == 200));
    daemon.fetch("t1").problem(404);
}

#[test]
fn every_answer_but_those_to_payments_is_harmless_in_a_browser() {
    let start = |limits: &str| {
        let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[]))]);
        folder.write("levelgate.toml", &Settings::SYSTEM.text().replace("[http]\n", &format!("[http]\n{limits}\n")));
        Daemon::start(folder)
    };
    let daemon = start("max_header_bytes = 8192\nheader_timeout_s = 1");
    // Its silent connections stay for longer than the test takes.
    let full = start("max_connections = 4\nheader_timeout_s = 60");
    let begin = |daemon: &Daemon, bytes: &[u8]| {
        let mut stream = raw_http::connect(daemon.port());
        // The daemon may hang up before everything is written.
        let _ = stream.write_all(bytes);
        AnswerReader::new(stream).answer()
    };
    let get = |daemon: &Daemon, path: &str| {
        begin(daemon, format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").as_bytes())
    };
    let is_harmless = |answer: &Answer| {
        let policy = answer.header("content-security-policy").unwrap_or_default();
        policy.starts_with("default-src 'none'") && answer.header("x-content-type-options") == Some("nosniff")
    };
    for (path, status) in [
        ("/healthz", 200),
        ("/docs", 200),
        ("/v1/status", 200),
        ("/openapi.json", 200),
        ("/nowhere", 404),
        ("/console/nowhere", 404),
        ("/v1/merchants/acme/customers/%ff", 404),
        // No browser sends a payment, but one can open its address.
        ("/v1/merchants/acme/transactions/t1/approve", 405),
    ] {
        let answer = get(&daemon, path);
        assert!(answer.status == status && is_harmless(&answer), "{path}: {answer:?}");
    }
    let long = format!("GET /console HTTP/1.1\r\nx-long: {}", "y".repeat(20_000));
    let unfinished = begin(&daemon, long.as_bytes());
    assert!(unfinished.status == 431 && is_harmless(&unfinished), "{unfinished:?}");
    let slow = begin(&daemon, b"GET /console HTTP/1.1\r\nx-slow: ");
    assert!(slow.status == 408 && is_harmless(&slow), "{slow:?}");
    for (body, status) in [(pay("t1", "1.00").to_string(), 200), ("{}".to_owned(), 400)] {
        let paid = raw_http::send(daemon.port(), "POST", "/v1/merchants/acme/transactions", body.as_bytes());
        assert_eq!(paid.status, status, "{paid:?}");
        assert!(!is_harmless(&paid), "no byte is added to the answer to a payment: {paid:?}");
    }
    let silent: Vec<TcpStream> = (0..8).map(|_| raw_http::connect(full.port())).collect();
    eventually("the limit is reached", || get(&full, "/v1/merchants").status == 503);
    for (path, status) in [("/healthz", 200), ("/console", 503), ("/v1/merchants", 503)] {
        let answer = get(&full, path);
        assert!(answer.status == status && is_harmless(&answer), "{path}: {answer:?}");
    }
    drop(silent);
}

#[test]
fn connections_wait_in_the_kernel_while_the_daemon_is_busy() {
    raise_own_limit();
    let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").expect("the kernel's limit");
    // The daemon asks for 4,096; the kernel may allow fewer.
    let callers = most.trim().parse::<usize>().expect("a number").min(2_000);
    let daemon = Daemon::live(acme(CRM, &[]));
    daemon.signal("STOP");
    let address = std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, daemon.port()));
    let waiting: Result<Vec<TcpStream>, _> =
        (0..callers).map(|_| TcpStream::connect_timeout(&address, PATIENCE)).collect();
    daemon.signal("CONT");
    let waiting = waiting.expect("every caller is in the queue");
    assert_eq!(waiting.len(), callers);
    drop(waiting);
    eventually("it answers", || ask(daemon.port(), "/healthz").is_some_and(|(status, _)| status == 200));
}

#[test]
fn second_signal_closes_connections_that_still_send() {
    let store = "kind = \"disk\"\nsync = \"always\"";
    let folder = ConfigFolder::new(&Settings { store, ..Settings::SYSTEM }, &[("acme", acme(CRM, &[]))]);
    let mut daemon = Daemon::start(folder);
    for signals in [["TERM", "TERM"], ["INT", "TERM"]] {
        let id = format!("t-{}", signals[0]);
        daemon.reserve(&pay(&id, "1.00")).ok();
        let body = pay("half", "1.00").to_string();
        let head = raw_http::head("POST", "/v1/merchants/acme/transactions", body.len());
        let mut caller = raw_http::connect(daemon.port());
        caller
            .write_all(head.replace("connection: close", "expect: 100-continue").as_bytes())
            .expect("the head is sent");
        let mut reading = AnswerReader::new(caller.try_clone().expect("a second handle"));
        assert!(reading.head_line().starts_with("HTTP/1.1 100"), "the daemon waits for the body");
        let (mut upload, _answers) = raw_http::stream(daemon.port(), "/v1/batch");
        upload.send(b"{\"op\": ");
        daemon.signal(signals[0]);
        let port = daemon.port();
        eventually("the daemon takes no more", || TcpStream::connect(("127.0.0.1", port)).is_err());
        daemon.signal(signals[1]);
        let status = daemon.wait();
        assert_eq!(status.code(), Some(0), "{status}; standard error:\n{}", daemon.log());
        let log = daemon.log();
        assert!(log.contains("a second signal") && !log.contains("some callers still send after"), "{log}");
        assert!(log.contains("everything acknowledged is on the disk"), "{log}");
        drop((caller, upload));
        daemon.kill_and_start();
        assert_eq!(daemon.fetch(&id).ok()["status"], "reserved");
        daemon.fetch("half").problem(404);
    }
}

#[test]
fn silent_connections_make_room_quickly() {
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[]))]);
    folder.write("levelgate.toml", &Settings::SYSTEM.text().replace("[http]\n", "[http]\nmax_connections = 4\n"));
    let daemon = Daemon::start(folder);
    let mut silent: Vec<TcpStream> = (0..300).map(|_| raw_http::connect(daemon.port())).collect();
    // Those beyond the places are hung up on, though they never speak.
    let last = silent.last_mut().expect("a caller");
    last.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let ended = last.read(&mut [0; 16]);
    assert!(matches!(ended, Ok(0)) || ended.is_err_and(|error| error.kind() != std::io::ErrorKind::WouldBlock));
    eventually("health is answered", || ask(daemon.port(), "/healthz").is_some_and(|(status, _)| status == 200));
    drop(silent);
}
