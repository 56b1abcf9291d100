//! Requests of payments as bytes: the fast path and the routes answer the same.

use crate::edits::{Edits, TIME_MS, edited, pick};
use std::{
    io::{ErrorKind, Read, Write},
    sync::LazyLock,
    time::Duration,
};
use support::{
    daemon::{ConfigFolder, Daemon, Settings},
    fixtures::{CRM, acme, filter, level},
    raw_http::connect,
};

const REQUESTS: [(&str, &str); 7] = [
    (
        "POST /v1/merchants/acme/transactions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nx-request-id: r-1\r\n",
        r#"{"transaction_id":"t-1","direction":"deposit","amount":"1.50","currency":"EUR","merchant_customer_identifier":"alice","customer_level":"gold","occurred_at":"2026-11-20T10:00:00Z"}"#,
    ),
    (
        "POST /v1/merchants/acme/transactions HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: keep-alive\r\n",
        r#"{"transaction_id":"t-2","direction":"deposit","amount":2,"currency":"EUR","merchant_customer_identifier":"bob","explain":true,"occurred_at":"2026-11-20T10:00:01Z"}"#,
    ),
    (
        "POST /v1/merchants/acme/transactions/t-1/approve HTTP/1.1\r\nhost: localhost\r\n",
        r#"{"amount":"1.00","capture_id":"c"}"#,
    ),
    ("POST /v1/merchants/acme/transactions/t-2/cancel HTTP/1.1\r\nhost: localhost\r\n", r#"{"cancel_id":"x"}"#),
    (
        "POST /v1/merchants/acme/transactions/t-1/attempts HTTP/1.1\r\nhost: localhost\r\n",
        r#"{"attempt":1,"gate":"gate-a","outcome":"declined"}"#,
    ),
    ("POST /v1/merchants/acme/transactions/t-9/decline HTTP/1.1\r\nhost: localhost\r\n", ""),
    (
        "POST /v1/merchants/acme/transactions/t-2/extend HTTP/1.1\r\nhost: [::1]:80\r\naccept: */*\r\n",
        r#"{"until":"2026-11-20T12:00:00+01:00"}"#,
    ),
];

/// A header that the fast path leaves to the routes, and that changes nothing there.
const FOR_ROUTES: &[u8] = b"connection: keep-alive, keep-alive\r\n";
/// After each request, so that the connection ends.
const LAST: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
/// A request that waits for more bytes has no answer in this time.
const WAIT: Duration = Duration::from_millis(400);

/// Two daemons that get the same requests, one by the fast path and one by the routes. Their clock is that of the requests.
static DAEMONS: LazyLock<[Daemon; 2]> = LazyLock::new(|| {
    [(), ()].map(|()| {
        let gold = level("gold", &filter("window = \"daily\"; amount_limit = \"500.00\""));
        Daemon::start(ConfigFolder::new(&Settings::REQUEST, &[("acme", acme(CRM, &[gold]))]))
    })
});

/// The bytes of the first answer, without times of the system clock and ids; `None`: the request waits for more bytes.
fn answer(daemon: &Daemon, request: &[u8]) -> Option<String> {
    let mut stream = connect(daemon.port());
    stream.set_read_timeout(Some(WAIT)).unwrap();
    let _ = stream.write_all(request).and_then(|()| stream.write_all(LAST));
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return None,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{error}"),
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    // A request without an id gets a random one, which a problem document has too.
    let id = text.split("x-request-id: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    let text = id.map_or_else(|| text.clone(), |id| text.replace(id, "id"));
    let changes = ["date: ", "connection: "];
    let is_lasting = |line: &&str| !changes.iter().any(|start| line.starts_with(start));
    // The first answer: a damaged request can end the connection, or leave bytes that are no request.
    let first = text.split("HTTP/1.1 ").nth(1).unwrap_or_default();
    Some(first.split("\r\n").filter(is_lasting).collect::<Vec<_>>().join("\n"))
}

#[test]
fn the_fast_path_and_the_routes_answer_the_same() {
    bolero::check!().with_test_time(Duration::from_millis(TIME_MS)).with_type::<(u8, bool, Edits)>().for_each(
        |(number, is_head, edits)| {
            let (head, body) = pick(&REQUESTS, *number);
            let (head, body) = match is_head {
                true => (edited(head.as_bytes(), edits), body.as_bytes().to_vec()),
                false => (head.as_bytes().to_vec(), edited(body.as_bytes(), edits)),
            };
            let length = format!("content-length: {}\r\n", body.len());
            // Another version of HTTP gives the header another meaning.
            let first_line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
            if !first_line.ends_with(b" HTTP/1.1\r") {
                return;
            }
            // Last, so that a damaged end of the head meets the same header in both.
            let whole = |more: &[u8]| [&head, length.as_bytes(), more, b"\r\n", &body].concat();
            let answers = (answer(&DAEMONS[0], &whole(b"")), answer(&DAEMONS[1], &whole(FOR_ROUTES)));
            // Both wait for more bytes, or the machine is slow.
            let (Some(fast), Some(routed)) = answers else { return };
            assert_eq!(fast, routed, "{}", String::from_utf8_lossy(&whole(b"")));
        },
    );
}
