//! Bodies that are refused before their end: the client sees the answer, and never a reset.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::tls::folder_with_tls;
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, acme};
use support::process::eventually;
use support::raw_http;

/// More than the buffers of both ends of a connection have room for.
const BYTES: usize = 32 << 20;
const TOKEN: &str = "gateway-token-0123456789";

/// Sends a whole request before it reads the answer, as simple clients do. Returns what came until the end.
fn answer(mut stream: TcpStream, head: &str, length: usize) -> String {
    stream.write_all(head.as_bytes()).expect("a head is sent");
    let piece = vec![b' '; 64 << 10];
    for _ in 0..length / piece.len() {
        stream.write_all(&piece).expect("the whole body is taken");
    }
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer, and then an orderly end");
    text
}

fn head(path: &str, more: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n{more}content-length: {BYTES}\r\n\r\n")
}

#[test]
fn a_refused_body_is_taken_to_its_end_so_that_the_answer_arrives() {
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[]))]);
    folder.write("gateway.token", TOKEN);
    let file = folder.path().join("gateway.token").display().to_string();
    let tokens = format!(
        "[auth]\ntokens = [{{ role = \"operator\", token_file = {file:?}, requests_per_second = 1, burst = 1 }}]\n"
    );
    folder.write("levelgate.toml", &format!("{}\n{tokens}", Settings::SYSTEM.text()));
    let daemon = Daemon::start(folder);
    let token = format!("authorization: Bearer {TOKEN}\r\n");
    let reserve = "/v1/merchants/acme/transactions";
    for (path, more, status) in [(reserve, token.as_str(), "413"), (reserve, "", "401"), ("/nowhere", "", "401")] {
        let text = answer(raw_http::connect(daemon.port()), &head(path, more), BYTES);
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {text}");
        assert!(text.contains("application/problem+json"), "{path}: {text}");
    }
    // The second request within a second is refused before its body is read; on a slow machine the first is too long ago.
    eventually("a request beyond the rate is answered", || {
        let quick = format!("GET /v1/rates HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{token}\r\n");
        answer(raw_http::connect(daemon.port()), &quick, 0);
        let text = answer(raw_http::connect(daemon.port()), &head(reserve, &token), BYTES);
        assert!(text.contains("application/problem+json"), "{text}");
        text.starts_with("HTTP/1.1 429 ")
    });
    // A short body leaves the connection open for the next request.
    let mut stream = raw_http::connect(daemon.port());
    let request = "POST /v1/reload HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\n12345";
    for last in ["", "connection: close\r\n"] {
        let request = request.replace("content-length", &format!("{last}content-length"));
        stream.write_all(request.as_bytes()).expect("a request is sent");
    }
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("two answers");
    assert_eq!(text.matches("HTTP/1.1 401 ").count(), 2, "{text}");
}

#[test]
fn a_client_that_never_ends_a_refused_body_is_disconnected() {
    let daemon = Daemon::start(ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[]))]));
    let mut stream = raw_http::connect(daemon.port());
    stream.write_all(head("/v1/merchants/acme/transactions", "").as_bytes()).expect("a head is sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer, and the end without the body");
    assert!(text.starts_with("HTTP/1.1 413 "), "{text}");
}

#[test]
fn a_refused_body_over_tls_is_answered_too() {
    let (folder, authority) = folder_with_tls("", "");
    let daemon = Daemon::start(folder);
    // It sends the whole body before it reads.
    let agent = support::daemon::agent(Some(&authority.ca), None);
    let answer = agent.post(daemon.url("/v1/merchants/acme/transactions")).send(vec![b' '; BYTES]);
    assert_eq!(answer.expect("an answer").status().as_u16(), 413);
}
