//! Health, readiness and the admin listener: authorization, content, and answers while nothing else answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use support::answer::Answer;
use support::daemon::{ConfigFolder, Daemon, Settings, run};
use support::fixtures::{CRM, acme, pay};
use support::process::eventually;
use support::process::program;
use support::raw_http::{self, AnswerReader};

const VIEWER: &str = "viewer-token-0123456789";
const ADMIN: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n";

fn folder(more: &str) -> ConfigFolder {
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[]))]);
    folder.write("levelgate.toml", &format!("{}\n{more}", Settings::SYSTEM.text()));
    folder
}

/// The port that the line of the admin listener names.
fn admin_port(log: &str) -> Option<u16> {
    let (_, rest) = log.split_once("admin: health, metrics and status on http://127.0.0.1:")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn get(port: u16, path: &str, token: &str) -> Answer {
    let mut stream = raw_http::connect(port);
    let token = if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{token}\r\n");
    stream.write_all(head.as_bytes()).expect("a request is sent");
    AnswerReader::new(stream).answer()
}

#[test]
fn failed_reload_keeps_readiness_and_is_reported() {
    let daemon = Daemon::live(acme(CRM, &[]));
    let ready = daemon.get("/readyz");
    assert_eq!((ready.status, ready.body.as_str()), (200, "ready\n"));
    assert!(daemon.get("/metrics").body.contains("levelgate_config_failed 0"));
    daemon.folder.write("merchants/acme.toml", "id = \"acme\"\nsecret_key = 1\n");
    daemon.post_nothing("/v1/reload").problem(422);
    let ready = daemon.get("/readyz");
    assert_eq!(ready.status, 200, "the rules of before are in force: {}", ready.body);
    assert!(ready.body.contains("reloads fail since 20"), "{}", ready.body);
    assert!(!ready.body.contains("secret_key"), "what is wrong is not for everybody: {}", ready.body);
    assert!(daemon.get("/metrics").body.contains("levelgate_config_failed 1"));
    let status = daemon.get("/v1/status").ok();
    assert!(status["config"]["failed_since"].is_string(), "{status}");
    daemon.folder.write("merchants/acme.toml", &acme(CRM, &[]));
    daemon.post_nothing("/v1/reload").ok();
    assert_eq!(daemon.get("/readyz").body, "ready\n");
    assert!(daemon.get("/v1/status").ok()["config"]["failed_since"].is_null());
}

#[test]
fn the_admin_listener_answers_four_paths_with_the_same_tokens() {
    let folder = folder("");
    folder.write("viewer.token", VIEWER);
    let file = folder.path().join("viewer.token").display().to_string();
    let auth = format!("[auth]\ntokens = [{{ role = \"viewer\", token_file = {file:?} }}]\n");
    folder.write("levelgate.toml", &format!("{}\n{ADMIN}{auth}", Settings::SYSTEM.text()));
    let daemon = Daemon::start(folder);
    let admin = admin_port(&daemon.log()).expect("the log names the admin listener");
    assert_ne!(admin, daemon.port());
    for (path, bare, token) in [
        ("/healthz", 200, 200),
        ("/readyz", 200, 200),
        ("/metrics", 401, 200),
        ("/v1/status", 401, 200),
        ("/v1/status?all=1", 401, 400),
        ("/v1/merchants", 401, 404),
        ("/v1/merchants/acme/customers", 401, 404),
        ("/v1/events", 401, 404),
    ] {
        for (sent, want) in [("", bare), ("wrong-token-0123456789", bare), (VIEWER, token)] {
            let answer = get(admin, path, sent);
            assert_eq!(answer.status, want, "{path} with {sent:?}: {}", answer.body);
        }
    }
    let answer = raw_http::send(admin, "POST", "/v1/status", b"");
    assert!(matches!(answer.status, 401 | 405), "{answer:?}");
}

#[test]
fn the_admin_listener_answers_while_the_main_one_is_full_and_while_it_drains() {
    let folder = folder(ADMIN);
    let text = std::fs::read_to_string(folder.path().join("levelgate.toml")).expect("the settings");
    folder.write("levelgate.toml", &text.replace("[http]\n", "[http]\nmax_connections = 4\n"));
    let mut daemon = Daemon::start(folder);
    let admin = admin_port(&daemon.log()).expect("the log names the admin listener");
    let body = pay("t1", "1.00").to_string();
    let head = raw_http::head("POST", "/v1/merchants/acme/transactions", body.len());
    let mut caller = raw_http::connect(daemon.port());
    caller.write_all(head.replace("connection: close", "expect: 100-continue").as_bytes()).expect("the head is sent");
    let mut reading = AnswerReader::new(caller.try_clone().expect("a second handle"));
    assert!(reading.head_line().starts_with("HTTP/1.1 100"), "the daemon waits for the body");
    let silent: Vec<TcpStream> = (0..300).map(|_| raw_http::connect(daemon.port())).collect();
    for path in ["/healthz", "/readyz", "/metrics", "/v1/status"] {
        assert_eq!(get(admin, path, "").status, 200, "{path}");
    }
    daemon.signal("TERM");
    let port = daemon.port();
    eventually("the daemon takes no more", || TcpStream::connect(("127.0.0.1", port)).is_err());
    assert_eq!(get(admin, "/healthz", "").status, 200, "the process lives");
    let ready = get(admin, "/readyz", "");
    assert!(ready.header("retry-after").is_some());
    assert_eq!(ready.problem(503)["code"], "stopping");
    caller.write_all(body.as_bytes()).expect("the body is sent");
    assert_eq!(reading.head_line(), "", "the interim answer ends");
    assert_eq!(reading.answer().ok()["decision"], "allow");
    drop((caller, silent));
    assert_eq!(daemon.wait().code(), Some(0));
}

/// A daemon whose log is no longer read; killed when the test ends.
struct UnreadDaemon {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
}

impl Drop for UnreadDaemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_admin_listener_answers_while_every_worker_is_stuck() {
    let folder = folder(ADMIN);
    let mut child = program()
        .args(["serve", "--config"])
        .arg(folder.path())
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the daemon starts");
    let log = BufReader::new(child.stderr.take().expect("standard error is piped"));
    let mut daemon = UnreadDaemon { child, log };
    let (mut admin, mut main) = (None, None);
    while main.is_none() {
        let mut line = String::new();
        assert!(daemon.log.read_line(&mut line).expect("a line") > 0, "the daemon ended");
        admin = admin.or_else(|| admin_port(&line));
        let named = line.split_once("listening on http://127.0.0.1:");
        main = named.and_then(|(_, port)| port.trim().parse::<u16>().ok());
    }
    let (admin, main) = (admin.expect("a port"), main.expect("a port"));
    // Each of these writes a line to the log, on its own thread, until the pipe is full. Then a worker that logs a
    // refused request, one a second, waits until the pipe is read.
    let refused = "GET /v1/rates HTTP/1.1\r\nhost: elsewhere.example\r\n\r\n";
    let request = "POST /v1/clock/accept HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n";
    let workers = std::thread::available_parallelism().map_or(64, std::num::NonZero::get) * 4;
    let mut callers: Vec<TcpStream> = (0..workers).map(|_| raw_http::connect(main)).collect();
    let is_stuck = || {
        let mut probe = raw_http::connect(main);
        probe.set_read_timeout(Some(Duration::from_secs(2))).expect("a bounded read");
        let _ = probe.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
        !matches!(probe.read(&mut [0; 64]), Ok(read) if read > 0)
    };
    eventually("every worker waits for the log", || {
        let (last, others) = callers.split_last_mut().expect("callers");
        others.iter_mut().for_each(|caller| _ = caller.write_all(request.repeat(64).as_bytes()));
        let _ = last.write_all(refused.as_bytes());
        callers.push(raw_http::connect(main));
        is_stuck()
    });
    for path in ["/healthz", "/readyz", "/metrics", "/v1/status"] {
        assert_eq!(get(admin, path, "").status, 200, "{path}");
    }
    let mut log = daemon.log.get_mut().take(1 << 30);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| _ = std::io::copy(&mut log, &mut std::io::sink()));
        drop(callers);
        eventually("it answers again", || !is_stuck());
        let _ = Command::new("kill").args(["-KILL", &daemon.child.id().to_string()]).status();
        reader.join().expect("the log is read");
    });
}

#[test]
fn invalid_admin_listener_is_refused_by_check_and_serve() {
    let main = "[http]\nlisten = \"127.0.0.1:7499\"\n";
    for (listen, words) in [
        ("127.0.0.1:7499", "is taken by [http] listen"),
        ("0.0.0.0:7498", "can be reached from other machines"),
        ("nowhere", "is no address to listen on"),
    ] {
        let folder = folder("");
        folder.write("levelgate.toml", &format!("{main}[admin]\nlisten = \"{listen}\"\n"));
        let path = folder.path().display().to_string();
        for arguments in [vec!["check", &path], vec!["serve", "--config", &path]] {
            let ended = run(&folder, &arguments);
            assert_eq!(ended.code, Some(1), "{listen}: {}", ended.text);
            assert!(ended.text.contains(words), "{words} in {}", ended.text);
        }
    }
}

#[test]
fn changed_admin_listener_needs_a_restart_and_the_reload_reports_it() {
    let daemon = Daemon::start(folder(ADMIN));
    daemon.folder.write("levelgate.toml", &format!("{}\n[admin]\nlisten = \"127.0.0.1:1\"\n", Settings::SYSTEM.text()));
    daemon.post_nothing("/v1/reload").ok();
    eventually("the log names the setting", || daemon.log().contains("[admin] listen"));
    let admin = admin_port(&daemon.log()).expect("a port");
    assert_eq!(get(admin, "/healthz", "").status, 200);
}
