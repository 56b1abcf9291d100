//! Tokens: how they are sent, how they are revoked while the daemon runs, when they expire, what failed attempts cost;
//! and who is let in where there are none.

use std::fs::Permissions;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::token_access::call;
use support::answer::Answer;
use support::daemon::{ConfigFolder, Daemon, Settings, run};
use support::fixtures::{CRM, acme, pay, with};
use support::process::eventually;
use support::raw_http::{AnswerReader, connect};

const OPERATOR: &str = "operator-secret-0123456789";
const GATEWAY: &str = "gateway-secret-0123456789";

/// Writes `levelgate.toml` with these tokens: the name of each is that of its role, `more` is added to the entry.
fn write_tokens(folder: &ConfigFolder, tokens: &[(&str, &str)]) {
    let entry = |(role, more): &(&str, &str)| {
        let file = folder.path().join(format!("{role}.token")).display().to_string();
        format!("  {{ role = {role:?}, token_file = {file:?}{more} }},\n")
    };
    let entries: String = tokens.iter().map(entry).collect();
    folder.write("levelgate.toml", &format!("{}\n[auth]\ntokens = [\n{entries}]\n", Settings::SYSTEM.text()));
}

fn write_token(folder: &ConfigFolder, role: &str, text: &str) {
    let name = format!("{role}.token");
    folder.write(&name, text);
    std::fs::set_permissions(folder.path().join(name), Permissions::from_mode(0o600)).expect("a mode");
}

fn folder() -> ConfigFolder {
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[]))]);
    write_token(&folder, "operator", OPERATOR);
    write_token(&folder, "gateway", GATEWAY);
    write_tokens(&folder, &[("operator", ""), ("gateway", "")]);
    folder
}

fn reload(daemon: &Daemon) -> (u16, String) {
    call(daemon, "POST", "/v1/reload", OPERATOR, "")
}

fn status(daemon: &Daemon, token: &str) -> u16 {
    call(daemon, "GET", "/v1/status", token, "").0
}

/// One request on an open connection, and its answer.
fn ask(stream: &mut TcpStream, reading: &mut AnswerReader, headers: &str) -> (u16, String) {
    write!(stream, "GET /v1/merchants/acme HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n").expect("it is sent");
    let (status, headers) = reading.head();
    let length = headers.iter().find(|(name, _)| name == "content-length").map(|(_, value)| value.parse().unwrap());
    (status, reading.bytes(length.expect("a length")))
}

#[test]
fn the_scheme_is_written_in_any_case() {
    let daemon = Daemon::start(folder());
    let mut stream = connect(daemon.port());
    let mut reading = AnswerReader::new(stream.try_clone().unwrap());
    for (header, want) in [
        (format!("Authorization: Bearer {GATEWAY}\r\n"), 200),
        (format!("authorization: bearer {GATEWAY}\r\n"), 200),
        (format!("AUTHORIZATION: BEARER {GATEWAY}\r\n"), 200),
        (format!("Authorization: bEaReR   {GATEWAY}  \r\n"), 200),
        (format!("Authorization: Basic {GATEWAY}\r\n"), 401),
        (format!("Authorization: {GATEWAY}\r\n"), 401),
        (format!("Authorization: Bearer{GATEWAY}\r\n"), 401),
        (format!("Authorization: Bearer {OPERATOR}\r\nAuthorization: Bearer {GATEWAY}\r\n"), 401),
        ("Authorization: Bearer \r\n".to_owned(), 401),
        (String::new(), 401),
    ] {
        let (status, body) = ask(&mut stream, &mut reading, &header);
        assert_eq!(status, want, "{header:?}: {body}");
    }
}

#[test]
fn a_changed_token_stops_at_once_on_open_connections_too() {
    let daemon = Daemon::start(folder());
    let mut stream = connect(daemon.port());
    let mut reading = AnswerReader::new(stream.try_clone().unwrap());
    let header = format!("Authorization: Bearer {GATEWAY}\r\n");
    assert_eq!(ask(&mut stream, &mut reading, &header).0, 200);
    // A batch that is being sent, and a request whose body has not come.
    let line = with(pay("b1", "1.00"), &json!({ "op": "check", "merchant": "acme" })).to_string();
    let mut batch = connect(daemon.port());
    let mut answers = AnswerReader::new(batch.try_clone().unwrap());
    let head = "host: localhost\r\ntransfer-encoding: chunked\r\n";
    write!(batch, "POST /v1/batch HTTP/1.1\r\n{head}{header}\r\n{:x}\r\n{line}\n\r\n", line.len() + 1).unwrap();
    assert_eq!(answers.head().0, 200);
    let mut answer = |has: &str| {
        let heard = (0..100).any(|_| answers.head_line().contains(has));
        assert!(heard, "no line of the batch's answer has {has}");
    };
    answer("\"decision\":\"allow\"");
    let body = pay("p1", "1.00").to_string();
    let mut slow = connect(daemon.port());
    let path = "/v1/merchants/acme/transactions";
    write!(slow, "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n{header}\r\n", body.len()).unwrap();

    write_token(&daemon.folder, "gateway", "another-secret-0123456789");
    assert_eq!(reload(&daemon).0, 200);
    let (refused, body_of_it) = ask(&mut stream, &mut reading, &header);
    assert_eq!(refused, 401, "{body_of_it}");
    write!(batch, "{:x}\r\n{line}\n\r\n0\r\n\r\n", line.len() + 1).unwrap();
    answer("\"status\":401");
    slow.write_all(body.as_bytes()).unwrap();
    assert_eq!(AnswerReader::new(slow).answer().status, 401);
    assert_eq!(call(&daemon, "GET", "/v1/merchants/acme/transactions/p1", OPERATOR, "").0, 404, "nothing was recorded");
    assert_eq!(status(&daemon, "another-secret-0123456789"), 200);
    assert!(daemon.log().contains("token gateway: text changed"), "{}", daemon.log());
}

#[test]
fn removed_token_is_revoked_on_sighup() {
    let daemon = Daemon::start(folder());
    assert_eq!(status(&daemon, GATEWAY), 200);
    write_tokens(&daemon.folder, &[("operator", "")]);
    daemon.signal("HUP");
    eventually("the token is revoked", || status(&daemon, GATEWAY) == 401);
    assert_eq!(status(&daemon, OPERATOR), 200);
    // A daemon that had tokens does not become open to everybody.
    daemon.folder.write("levelgate.toml", &Settings::SYSTEM.text());
    daemon.signal("HUP");
    eventually("the last token is revoked", || status(&daemon, OPERATOR) == 401);
    assert_eq!(status(&daemon, ""), 401);
    assert_eq!(daemon.get("/healthz").status, 200);
    write_tokens(&daemon.folder, &[("operator", "")]);
    daemon.signal("HUP");
    eventually("it is good again", || status(&daemon, OPERATOR) == 200);
}

#[test]
fn reload_with_an_unreadable_token_changes_nothing() {
    let daemon = Daemon::start(folder());
    write_token(&daemon.folder, "operator", "operator-of-tomorrow-0123456789");
    daemon.folder.remove("gateway.token");
    let (refused, answer) = reload(&daemon);
    assert_eq!(refused, 422, "{answer}");
    assert!(answer.contains("gateway.token cannot be read"), "{answer}");
    assert_eq!((status(&daemon, OPERATOR), status(&daemon, GATEWAY)), (200, 200), "the tokens stay as they were");
    assert!(daemon.log().contains("the configuration was not reloaded, and the tokens stay as they were"));
    for (text, says) in [("short", "shorter than 16 bytes"), (OPERATOR, ""), ("two words 0123456789", "white space")] {
        write_token(&daemon.folder, "operator", OPERATOR);
        write_token(&daemon.folder, "gateway", text);
        let says = if text == OPERATOR { "the tokens `operator` and `gateway` have the same text" } else { says };
        let (refused, answer) = reload(&daemon);
        assert!(refused == 422 && answer.contains(says), "{answer}");
        assert!(!answer.contains(OPERATOR), "no answer repeats a token: {answer}");
        let checked = run(&daemon.folder, &["check", "."]);
        assert!(checked.code == Some(1) && checked.text.contains(says), "{}", checked.text);
    }
    write_token(&daemon.folder, "gateway", GATEWAY);
    assert_eq!(reload(&daemon).0, 200);
}

#[test]
fn a_token_is_refused_from_its_expiry_on_and_check_warns_before() {
    let folder = folder();
    write_tokens(&folder, &[("operator", ""), ("gateway", ", expires = 2099-01-01T00:00:00Z")]);
    let quiet = run(&folder, &["check", ".", "--strict"]);
    assert!(!quiet.text.contains("expire"), "{}", quiet.text);
    let daemon = Daemon::start(folder);
    assert_eq!(status(&daemon, GATEWAY), 200);
    write_tokens(&daemon.folder, &[("operator", ""), ("gateway", ", expires = 2026-01-01T00:00:00Z")]);
    let checked = run(&daemon.folder, &["check", "."]);
    assert!(checked.text.contains("the token `gateway` expired at 2026-01-01T00:00:00.000Z"), "{}", checked.text);
    assert_eq!(checked.code, Some(0), "it is a warning: {}", checked.text);
    assert_eq!(reload(&daemon).0, 200);
    let (refused, answer) = call(&daemon, "GET", "/v1/status", GATEWAY, "");
    assert!(refused == 401 && answer.contains("\"code\":\"token_expired\""), "{answer}");
    assert!(daemon.log().contains("the token `gateway` expired at"), "{}", daemon.log());
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 29);
    write_tokens(&daemon.folder, &[("operator", ""), ("gateway", &format!(", expires = {soon:.0}"))]);
    let checked = run(&daemon.folder, &["check", "."]);
    assert!(checked.text.contains("in 28 days"), "{}", checked.text);
    assert_eq!(reload(&daemon).0, 200);
    assert_eq!(status(&daemon, GATEWAY), 200);
}

#[test]
fn a_token_that_others_can_read_is_warned_about_at_start_by_check_and_by_reload() {
    let folder = folder();
    let file = folder.path().join("gateway.token");
    let mode = |mode| std::fs::set_permissions(&file, Permissions::from_mode(mode)).expect("a mode");
    mode(0o640);
    let says = format!("has mode 0640: group or others can read it; run `chmod 600 {}`", file.display());
    let checked = run(&folder, &["check", "."]);
    assert!(checked.text.contains("has mode 0640") && checked.text.contains("chmod 600"), "{}", checked.text);
    let daemon = Daemon::start(folder);
    assert_eq!(daemon.log().matches(&says).count(), 1, "{}", daemon.log());
    assert_eq!(reload(&daemon).0, 200);
    eventually("it is logged again", || daemon.log().matches(&says).count() == 2);
    mode(0o600);
    assert_eq!(reload(&daemon).0, 200);
    assert_eq!(daemon.log().matches("has mode").count(), 2);
    assert!(!run(&daemon.folder, &["check", "."]).text.contains("has mode"));
}

#[test]
fn failed_attempts_are_counted_logged_and_delayed_and_a_correct_token_is_not() {
    let mut folder = folder();
    folder.environment.push(("LEVELGATE_LOG", "trace".to_owned()));
    let daemon = Daemon::start(folder);
    const WRONG: &str = "wrong-secret-0123456789";
    for _ in 0..6 {
        assert_eq!(status(&daemon, WRONG), 401);
    }
    assert_eq!(status(&daemon, ""), 401);
    // While a wrong one waits for its answer, a correct one from the same address has its own.
    eventually("a correct token overtakes a wrong one", || {
        std::thread::scope(|scope| {
            let wrong = scope.spawn(|| status(&daemon, WRONG));
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert_eq!(status(&daemon, GATEWAY), 200);
            let has_overtaken = !wrong.is_finished();
            assert_eq!(wrong.join().expect("an answer"), 401);
            has_overtaken
        })
    });
    let (_, metrics) = call(&daemon, "GET", "/metrics", OPERATOR, "");
    for reason in ["unknown", "missing"] {
        let counted = format!("levelgate_auth_failures_total{{reason=\"{reason}\"}}");
        assert!(metrics.contains(&counted), "{metrics}");
    }
    write_token(&daemon.folder, "gateway", "another-secret-0123456789");
    assert_eq!(reload(&daemon).0, 200);
    let log = daemon.log();
    assert!(log.contains("a request from 127.0.0.1 was refused: its token is not configured"), "{log}");
    assert!(log.matches("was refused: ").count() < 20, "the log is no place for each of them: {log}");
    for secret in [OPERATOR, GATEWAY, WRONG, "another-secret-0123456789", "secret-0123456789"] {
        assert!(!log.contains(secret), "a token is in the log");
    }
}

/// A request with exactly these headers.
fn with_headers(daemon: &Daemon, headers: &str) -> Answer {
    let mut stream = connect(daemon.port());
    write!(stream, "GET /v1/merchants HTTP/1.1\r\nconnection: close\r\n{headers}\r\n").expect("it is sent");
    AnswerReader::new(stream).answer()
}

#[test]
fn without_tokens_a_browser_s_requests_from_elsewhere_are_refused() {
    let daemon = Daemon::live(acme(CRM, &[]));
    let own = format!("127.0.0.1:{}", daemon.port());
    for (headers, is_let_in) in [
        (format!("Host: {own}\r\n"), true),
        ("Host: localhost\r\n".to_owned(), true),
        (format!("Host: localhost:{}\r\n", daemon.port()), true),
        ("Host: [::1]:7400\r\n".to_owned(), true),
        (format!("Host: {own}\r\nOrigin: http://{own}\r\nSec-Fetch-Site: same-origin\r\n"), true),
        ("Host: evil.example\r\n".to_owned(), false),
        (format!("Host: {own}\r\nOrigin: https://evil.example\r\n"), false),
        (format!("Host: {own}\r\nOrigin: null\r\n"), false),
        (format!("Host: {own}\r\nSec-Fetch-Site: cross-site\r\n"), false),
    ] {
        let answer = with_headers(&daemon, &headers);
        if is_let_in {
            answer.ok();
        } else {
            let problem = answer.problem(403);
            assert!(problem["detail"].as_str().unwrap().contains("[auth]"), "it names the remedy: {problem}");
        }
    }
    let mut stream = connect(daemon.port());
    write!(stream, "GET /v1/merchants HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(AnswerReader::new(stream).answer().status, 200, "a program of old that sends no Host");
    assert!(daemon.get("/metrics").body.contains("levelgate_auth_failures_total{reason=\"origin\"} 3"));
    // Tokens that come by a reload close the daemon. With them no such look is needed.
    write_token(&daemon.folder, "operator", OPERATOR);
    write_tokens(&daemon.folder, &[("operator", "")]);
    assert_eq!(daemon.post_nothing("/v1/reload").status, 200);
    assert_eq!(daemon.get("/v1/merchants").status, 401);
    let headers = format!("Host: levelgate.example\r\nAuthorization: Bearer {OPERATOR}\r\n");
    assert_eq!(with_headers(&daemon, &headers).status, 200);
}
