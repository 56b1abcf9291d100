//! Refusals below the JSON: sizes, bytes, methods, paths, and clients who stop in the middle.

use std::io::Write;

use crate::decisions::assert_allowed;
use crate::refusals::{DECISIONS, TRANSACTIONS, assert_untouched, body, shop};
use support::fixtures::pay;
use support::raw_http;

#[test]
fn a_body_that_is_too_large_is_413_and_one_just_within_is_read() {
    let daemon = shop();
    let padded = |bytes: usize| {
        let good = pay("padded", "1.00").to_string();
        format!("{good}{}", " ".repeat(bytes - good.len()))
    };
    for path in [TRANSACTIONS, DECISIONS, "/v1/merchants/acme/transactions/bad/approve"] {
        raw_http::send(daemon.port(), "POST", path, padded(4097).as_bytes()).problem(413);
        raw_http::post_streamed(daemon.port(), path, padded(5000).into_bytes()).problem(413);
        raw_http::send(daemon.port(), "POST", path, padded(1 << 20).as_bytes()).problem(413);
    }
    daemon.fetch("padded").problem(404);
    assert_untouched(&daemon);
    assert_allowed(raw_http::send(daemon.port(), "POST", TRANSACTIONS, padded(4096).as_bytes()).ok());
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let daemon = shop();
    let good = body("", "").into_bytes();
    for byte in [0xff_u8, 0xc3, 0x80] {
        let mut bytes = good.clone();
        let place = good.windows(5).position(|w| w == b"\"bad\"").expect("the id") + 1;
        bytes[place] = byte;
        raw_http::send(daemon.port(), "POST", TRANSACTIONS, &bytes).problem(400);
    }
    let utf16: Vec<u8> = body("", "").encode_utf16().flat_map(u16::to_le_bytes).collect();
    raw_http::send(daemon.port(), "POST", TRANSACTIONS, &utf16).problem(400);
    for path in ["/v1/merchants/%ff%fe/transactions", "/v1/merchants/acme/transactions/%ff/approve"] {
        let answer = raw_http::send(daemon.port(), "POST", path, &good);
        assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
        answer.problem(answer.status);
    }
    assert_untouched(&daemon);
}

#[test]
fn wrong_methods_are_405_and_unknown_paths_are_404() {
    let daemon = shop();
    let rows = [
        ("DELETE", TRANSACTIONS),
        ("PUT", DECISIONS),
        ("GET", DECISIONS),
        ("GET", "/v1/batch"),
        ("POST", "/healthz"),
        ("POST", "/metrics"),
        ("GET", "/v1/snapshot"),
        ("DELETE", "/v1/merchants"),
        ("POST", "/v1/merchants/acme/transactions/bad"),
        ("GET", "/v1/merchants/acme/transactions/bad/approve"),
    ];
    for (method, path) in rows {
        let answer = raw_http::send(daemon.port(), method, path, b"");
        assert_eq!(answer.status, 405, "{method} {path}: {answer:?}");
        answer.problem(405);
        assert!(answer.header("allow").is_some(), "the allowed methods are named: {answer:?}");
    }
    let rows = [
        ("GET", "/v1"),
        ("GET", "/v2/merchants"),
        ("POST", "/v1/merchants/acme/transactoins"),
        ("POST", "/v1/merchants/acme/transactions/bad/undo"),
        ("GET", "/v1/merchants/acme/transactions/bad/approve/now"),
        ("GET", "/../../etc/passwd"),
    ];
    for (method, path) in rows {
        let answer = raw_http::send(daemon.port(), method, path, b"");
        assert_eq!(answer.status, 404, "{method} {path}: {answer:?}");
        answer.problem(404);
    }
    assert_untouched(&daemon);
}

#[test]
fn incomplete_requests_and_silent_clients_affect_no_other_client() {
    let daemon = shop();
    let mut open = Vec::new();
    for bytes in [
        "P",
        "POST /v1/merch",
        "POST /v1/merchants/acme/transactions HTTP/1.1\r\nhost: localhost\r\n",
        "POST /v1/merchants/acme/transactions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 500\r\n\r\n{\"transaction_id\"",
        "POST /v1/merchants/acme/transactions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n10\r\n{",
        "",
    ] {
        // Each once gone in the middle, and once still there in silence.
        for stays in [false, true] {
            let mut stream = raw_http::connect(daemon.port());
            stream.write_all(bytes.as_bytes()).expect("half a request is sent");
            if stays {
                open.push(stream);
            }
        }
    }
    let (mut upload, _reading) = raw_http::stream(daemon.port(), "/v1/batch");
    upload.send(b"{\"op\": \"reserve\", \"merchant\": \"acme\", \"transaction_id\": \"bad\"");
    upload.abandon();
    for garbage in [
        "\r\n\r\n",
        "hello\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /healthz HTTP/1.1\r\n: x\r\n\r\n",
        "\u{0}\u{1}\u{2}\r\n",
    ] {
        let mut stream = raw_http::connect(daemon.port());
        stream.write_all(garbage.as_bytes()).expect("garbage is sent");
    }
    assert_untouched(&daemon);
    drop(open);
    assert_eq!(daemon.get("/healthz").status, 200);
}
