//! Sends each request both ways, to a daemon with the fast path and to one with the routes alone, and compares the bytes of
//! the answers. The clocks of both take their time from the requests, so that the answers contain the same times.

use super::*;
use crate::{
    clock::Source,
    config::{self, Auth, CertificateRole, Credential, Role},
    domain::vocabulary::{names::Name, time::Millis},
    http::{
        operations::tests::{credentials, state_with},
        router::{overflow_routes, routes},
        server::{
            capacity::Capacity,
            connection::RequestLimits,
            listen::{Routes, Server, Socket},
        },
    },
    service::access::client_certificate::{ClientCertificate, common_name_digest},
};
use std::time::Duration;
use tokio::{
    io::DuplexStream,
    sync::{Mutex, mpsc, watch},
};

const LIMITS: RequestLimits = RequestLimits {
    header_bytes_max: 16_384,
    header_timeout: Duration::from_secs(10),
    body_timeout: Duration::from_secs(30),
};
const PEER: Peer = Peer::Unknown;
const ANYBODY: Client = Client { peer: PEER, certificate: None };

struct Pipes(Mutex<mpsc::Receiver<DuplexStream>>);

impl Socket for Pipes {
    type Io = DuplexStream;

    async fn accept_connection(&self) -> io::Result<(DuplexStream, Peer)> {
        match self.0.lock().await.recv().await {
            Some(io) => Ok((io, PEER)),
            None => std::future::pending().await,
        }
    }
}

/// A daemon and its clients' way in.
struct Daemon {
    state: Arc<AppState>,
    connect: mpsc::Sender<DuplexStream>,
    stop: watch::Sender<bool>,
}

impl Daemon {
    fn start(credentials: &[Credential], has_fast_path: bool) -> Self {
        let state = state_with(credentials, Source::Requests);
        let (connect, connections) = mpsc::channel(1);
        let (stop, stopped) = watch::channel(false);
        let routes = Routes {
            main: routes(Arc::clone(&state)),
            overflow: overflow_routes(Arc::clone(&state)),
            fast_path: has_fast_path.then(|| Arc::clone(&state)),
        };
        let server = Server::new(routes, LIMITS, Arc::new(Capacity::new(&config::Http::default(), 10, 1)), stopped);
        tokio::spawn(server.serve(Pipes(Mutex::new(connections)), None));
        Self { state, connect, stop }
    }

    async fn connect(&self) -> TestClient {
        let (io, theirs) = tokio::io::duplex(64 * 1024);
        self.connect.send(theirs).await.unwrap();
        TestClient { io, received: Vec::new() }
    }
}

/// A connection to a daemon, and what was received and not read.
struct TestClient {
    io: DuplexStream,
    received: Vec<u8>,
}

/// An answer without the id that the daemon has made for its request: it differs from request to request. A problem
/// document has the id of the header.
fn without_made_id(answer: &str) -> String {
    let is_made = |id: &&str| id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = answer.lines().find_map(|line| line.strip_prefix("x-request-id: "));
    // hyper answers bytes that are no HTTP by itself.
    let is_http = !answer.starts_with("HTTP/1.1 400 Bad Request\nconnection: close\ncontent-length: 0\n");
    assert!(id.is_some() || !is_http, "an answer without an id: {answer}");
    match id.filter(is_made) {
        Some(made) => answer.replace(made, "made"),
        None => answer.to_owned(),
    }
}

impl TestClient {
    /// Reads one answer, or what comes before the end of the connection. The date and a made request id are replaced.
    async fn read_answer(&mut self) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.received).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let length =
                    length.map(|length| length.parse::<usize>().unwrap()).filter(|length| body.len() >= *length);
                if let Some(length) = length {
                    self.received.drain(..head.len() + 4 + length);
                    let is_date =
                        |line: &&str| line.starts_with("date: ") && line.ends_with(" GMT") && line.len() == 35;
                    assert_eq!(head.lines().filter(is_date).count(), 1, "{head}");
                    let head: Vec<&str> = head.lines().map(|line| if is_date(&line) { "date" } else { line }).collect();
                    return without_made_id(&format!("{}\n\n{}", head.join("\n"), &body[..length]));
                }
                if head.starts_with("HTTP/1.1 100") {
                    self.received.drain(..head.len() + 4);
                    continue;
                }
            }
            if self.io.read_buf(&mut self.received).await.unwrap() == 0 {
                return format!("closed after {text:?}");
            }
        }
    }

    /// Whether the daemon closes the connection and sends nothing more.
    async fn is_closed(&mut self) -> bool {
        matches!(tokio::time::timeout(Duration::from_secs(1), self.io.read_u8()).await, Ok(Err(_)))
    }
}

/// The same request to both daemons, on new connections or on those of the request before; the answer of both.
async fn exchange(daemons: &[Daemon; 2], clients: &mut Vec<TestClient>, request: &[&[u8]]) -> String {
    if clients.is_empty() {
        for daemon in daemons {
            clients.push(daemon.connect().await);
        }
    }
    let mut answers = Vec::new();
    for client in clients.iter_mut() {
        for piece in request {
            client.io.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        answers.push(client.read_answer().await);
    }
    let text = String::from_utf8_lossy(&request.concat()).into_owned();
    assert_eq!(answers[0], answers[1], "the fast path and the routes differ about {text}");
    answers.swap_remove(0)
}

fn post(path: &str, headers: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

const RESERVE: &str = "/v1/merchants/acme/transactions";
const AT: &str = r#""occurred_at":"2026-11-20T10:00:00Z""#;

fn payment(id: &str, amount: &str, more: &str) -> String {
    format!(
        r#"{{"transaction_id":"{id}","direction":"deposit","amount":"{amount}","currency":"EUR","payment_method":"card","merchant_customer_identifier":"alice",{AT}{more}}}"#
    )
}

/// The requests about payments: the path, the body, and the status.
fn payments() -> Vec<(String, String, u16)> {
    let to = |id: &str, word: &str| format!("{RESERVE}/{id}/{word}");
    let at = format!("{{{AT}}}");
    let at_with = |more: &str| format!("{{{AT},{more}}}");
    let reserve = |body: String, status| (RESERVE.to_owned(), body, status);
    let mut requests = vec![
        reserve(payment("t1", "125.50", r#","customer_level":"gold""#), 200),
        // The same again, a conflict with it, and a denial.
        reserve(payment("t1", "125.50", r#","customer_level":"gold""#), 200),
        reserve(payment("t1", "125.51", r#","customer_level":"gold""#), 409),
        reserve(payment("t2", "499.00", ""), 200),
        reserve(payment("t3", "9.00", r#","explain":true"#), 200),
        reserve(payment("t \\\"4\\\" \\u00e9", "1.00", r#","customer_level":"""#), 200),
        reserve(payment("t5", "1.00", r#","customer":{"email":"a@example.com"}"#), 200),
        reserve(payment("t6", "1.00", "").replace("alice", "4111111111111111"), 400),
        reserve(payment("t6", "1.00", "").replace("card", "no method"), 200),
        reserve(payment("t6", "0.001", ""), 400),
        reserve(payment("t7", "1.00", r#","unknown":1"#), 400),
        reserve(payment("t7", "1.00", r#","transaction_id":"t7""#), 400),
        reserve(payment("t7", "1.00", "").replace("\"EUR\"", "17"), 400),
        reserve(payment("t7", "1.00", "").replace(",\"payment_method\":\"card\"", ""), 200),
        reserve(payment("t8", "1.00", "").replace("2026-11-20", "2020-11-20"), 422),
        reserve("{".to_owned(), 400),
        reserve(String::new(), 400),
        reserve("[]".to_owned(), 400),
        reserve(" \u{e9}".to_owned(), 400),
        ("/v1/merchants/nobody/transactions".to_owned(), payment("t1", "1.00", ""), 404),
        ("/v1/merchants/acme/decisions".to_owned(), payment("t9", "1.00", ""), 200),
        ("/v1/merchants/acme/decisions".to_owned(), payment("t9", "1.00", r#","explain":true"#), 200),
        ("/v1/merchants/acme/decisions".to_owned(), payment("t9", "0", ""), 400),
        (to("t1", "extend"), at_with(r#""until":"2026-11-21T10:00:00Z""#), 200),
        (to("t1", "extend"), at_with(r#""until":"soon""#), 400),
        (to("t1", "attempts"), at_with(r#""attempt":1,"gate":"gate-a","outcome":"declined""#), 200),
        (to("t1", "approve"), at_with(r#""amount":"100.00","final":false,"capture_id":"c1""#), 200),
        (to("t1", "approve"), at_with(r#""amount":"100.00","final":false,"capture_id":"c1""#), 200),
        (to("t1", "approve"), at_with(r#""transaction_id":"t1""#), 400),
        (to("t1", "refund"), at_with(r#""amount":"10.00","refund_id":"r1""#), 200),
        (to("t1", "refund"), at_with(r#""amount":"1000.00","refund_id":"r2""#), 422),
        (to("t1", "chargeback"), at_with(r#""amount":"1.00","chargeback_id":"b1""#), 200),
        (to("t1", "cancel"), at_with(r#""amount":"1.00","cancel_id":"k1""#), 200),
        (to("t9", "cancel"), at.clone(), 404),
        (to("t1", "cancel"), String::new(), 200),
    ];
    for word in ["approve", "decline", "cancel", "refund", "chargeback", "extend", "attempts"] {
        requests.push((to("unknown", word), at.clone(), 404));
        requests.push((to("t1", word), at_with(r#""unknown":1"#), 400));
        requests.push((to("t5", word), at.clone(), 0));
    }
    requests
}

fn both(credentials: &[Credential]) -> [Daemon; 2] {
    [true, false].map(|has_fast_path| Daemon::start(credentials, has_fast_path))
}

#[tokio::test(start_paused = true)]
async fn every_payment_gets_the_same_bytes_both_ways() {
    let daemons = both(&[]);
    let fast_path = FastPath::new(Arc::clone(&daemons[0].state));
    let mut clients = Vec::new();
    let (mut statuses, mut wrong) = (Vec::new(), Vec::new());
    for (path, body, status) in payments() {
        let request = post(&path, "content-type: application/json\r\n", &body);
        // Without tokens every caller is staff, and a check of staff goes to the routes.
        let is_taken = matches!(fast_path.receive(request.as_bytes(), &ANYBODY), Received::Payment(_));
        assert_eq!(is_taken, !path.ends_with("/decisions"), "{request}");
        let answer = exchange(&daemons, &mut clients, &[request.as_bytes()]).await;
        let answered: u16 = answer.split(' ').nth(1).unwrap().parse().unwrap();
        statuses.push(answered);
        if status != 0 && answered != status {
            wrong.push((body, status, answer));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    statuses.sort_unstable();
    statuses.dedup();
    assert_eq!(statuses, [200, 400, 404, 409, 422]);
}

#[tokio::test(start_paused = true)]
async fn a_request_in_pieces_and_several_in_one_piece_get_the_same_bytes_both_ways() {
    let daemons = both(&[]);
    let mut clients = Vec::new();
    for (number, size) in [1, 7, 64, 200, 10_000].into_iter().enumerate() {
        let request = post(RESERVE, "", &payment(&format!("p{number}"), "1.00", ""));
        let pieces: Vec<&[u8]> = request.as_bytes().chunks(size).collect();
        let answer = exchange(&daemons, &mut clients, &pieces).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\n"), "{answer}");
    }
    // The second and the third wait in the daemon while the first is answered; the third goes to the routes.
    let show = "GET /v1/merchants/acme/transactions/q1 HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let [first, second] = ["q1", "q2"].map(|id| post(RESERVE, "", &payment(id, "1.00", "")));
    let mut answers =
        vec![exchange(&daemons, &mut clients, &[&[&first, &second, show, &first].concat().into_bytes()]).await];
    for _ in 0..3 {
        let [fast, routes] = &mut clients[..] else { panic!("there are two") };
        let (fast, routes) = (fast.read_answer().await, routes.read_answer().await);
        assert_eq!(fast, routes);
        answers.push(fast);
    }
    assert!(answers[3].contains("idempotent-replay: true"), "{answers:#?}");
}

/// Requests that the fast path leaves to the routes: what they change about a plain request.
#[tokio::test(start_paused = true)]
async fn a_request_of_another_form_is_answered_by_the_routes() {
    let daemons = both(&[]);
    let fast_path = FastPath::new(Arc::clone(&daemons[0].state));
    let body = payment("f1", "1.00", "");
    let length = format!("content-length: {}\r\n", body.len());
    let head = |line: &str, headers: &str| format!("{line} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
    let plain = format!("POST {RESERVE}");
    let with = |headers: &str| head(&plain, &format!("{headers}{length}")) + &body;
    let long = payment("f2", "1.00", &" ".repeat(UNCOUNTED_BYTES_MAX));
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for (request, closes) in [
        (head("GET /v1/merchants/acme/transactions/f1", ""), false),
        (head("GET /healthz", ""), false),
        (head(&format!("POST {RESERVE}?a=1"), &length) + &body, false),
        (head("POST /v1/merchants/acm%65/transactions", &length) + &body, false),
        (head("POST /v1/merchants/acme/transactions/", &length) + &body, false),
        (head("POST /v1/merchants//transactions", &length) + &body, false),
        (head("POST /v1/merchants/acme/transactions/f1/aprove", &length) + &body, false),
        (head("POST /v1/merchants/acme/transactions/4111111111111111/approve", "content-length: 0\r\n"), false),
        (head("POST /v1/merchants/4111111111111111/decisions", "content-length: 0\r\n"), false),
        (head("POST /v1/merchants/acme/payment-form", &length) + &body, false),
        (head(&format!("PUT {RESERVE}"), &length) + &body, false),
        (with("transfer-encoding: chunked\r\n").replace(&length, "").replace(&body, &chunked), false),
        (with("origin: http://evil.example\r\n"), false),
        (with("sec-fetch-site: cross-site\r\n"), false),
        (with("host: evil.example\r\n"), false),
        (with("").replace("localhost", "evil.example"), false),
        (with("upgrade: websocket\r\n"), false),
        (with("connection: close\r\n"), true),
        (with("").replace("HTTP/1.1", "HTTP/1.0"), true),
        (with(&length), false),
        (with("content-length: 1\r\n"), true),
        (with("").replace(&length, "content-length: +1\r\n"), true),
        (with("").replace(&length, "content-length: 99999999999\r\n"), true),
        (with("").replace("host: localhost", "host : localhost"), true),
        (with("").replace("host: localhost", "ho\0st: localhost"), true),
        (head(&plain, &format!("content-length: {}\r\n", long.len())) + &long, false),
        (head(&plain, &"x: y\r\n".repeat(HEADERS_MAX)), false),
    ] {
        assert!(matches!(fast_path.receive(request.as_bytes(), &ANYBODY), Received::Other), "{request}");
        let mut clients = Vec::new();
        // Before and after it the connection answers payments.
        let before = post(RESERVE, "", &body);
        exchange(&daemons, &mut clients, &[before.as_bytes()]).await;
        exchange(&daemons, &mut clients, &[request.as_bytes()]).await;
        for client in &mut clients {
            assert_eq!(client.is_closed().await, closes, "{request}");
        }
        if !closes {
            exchange(&daemons, &mut clients, &[before.as_bytes()]).await;
            exchange(&daemons, &mut clients, &[before.as_bytes()]).await;
        }
    }
    let expects = head(&plain, &format!("expect: 100-continue\r\n{length}"));
    let mut clients = Vec::new();
    exchange(&daemons, &mut clients, &[expects.as_bytes(), body.as_bytes()]).await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_without_the_right_token_is_refused_by_the_routes() {
    let daemons = both(&credentials());
    let fast_path = FastPath::new(Arc::clone(&daemons[0].state));
    for (headers, status) in [
        ("", 401),
        ("authorization: Bearer unknown\r\n", 401),
        ("authorization: Bearer\r\n", 401),
        ("authorization: Basic gateway\r\n", 401),
        ("authorization: Bearer gateway\r\nauthorization: Bearer gateway\r\n", 401),
        ("authorization: Bearer g\u{e9}\r\n", 401),
        ("authorization: Bearer viewer\r\n", 403),
        ("authorization: Bearer globex-gateway\r\n", 403),
        ("authorization: Bearer gateway\r\n", 200),
        ("Authorization:   bearer   gateway \r\n", 200),
        ("authorization: Bearer operator\r\norigin: http://evil.example\r\n", 200),
    ] {
        let request = post(RESERVE, headers, &payment("a1", "1.00", ""));
        let is_fast = matches!(fast_path.receive(request.as_bytes(), &ANYBODY), Received::Payment(_));
        assert_eq!(is_fast, status == 200 && !headers.contains("origin"), "{headers}");
        let answer = exchange(&daemons, &mut Vec::new(), &[request.as_bytes()]).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{headers}: {answer}");
    }
}

#[test]
fn a_certificate_is_admitted_as_its_entry_says_and_a_token_that_is_sent_decides() {
    let daemon = state_with(&credentials(), Source::Requests);
    let entry = |common_name: &str, role, merchants: Option<&str>| CertificateRole {
        common_name: Name::parse(common_name).unwrap(),
        role,
        merchants: merchants.map(|id| vec![Name::parse(id).unwrap()]),
    };
    let certificates = vec![
        entry("till", Role::Gateway, Some("acme")),
        entry("globex till", Role::Gateway, Some("globex")),
        entry("reader", Role::Viewer, None),
    ];
    daemon.access.replace(&credentials(), &Auth { certificates, ..Auth::default() });
    let fast_path = FastPath::new(daemon);
    for (common_name, ends, headers, is_admitted) in [
        ("till", i64::MAX, "", true),
        ("till", 0, "", false),
        ("globex till", i64::MAX, "", false),
        ("reader", i64::MAX, "", false),
        ("unknown", i64::MAX, "", false),
        ("unknown", i64::MAX, "authorization: Bearer gateway\r\n", true),
        ("till", i64::MAX, "authorization: Bearer unknown\r\n", false),
        ("till", i64::MAX, "authorization: Bearer viewer\r\n", false),
    ] {
        let certificate = ClientCertificate { digest: Some(common_name_digest(common_name)), ends: Millis(ends) };
        let client = Client { peer: PEER, certificate: Some(Arc::new(certificate)) };
        let request = post(RESERVE, headers, &payment("a1", "1.00", ""));
        let is_fast = matches!(fast_path.receive(request.as_bytes(), &client), Received::Payment(_));
        assert_eq!(is_fast, is_admitted, "{common_name} until {ends} with {headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_complete_in_time_gets_the_same_bytes_both_ways() {
    let daemons = both(&[]);
    let request = post(RESERVE, "", &payment("s1", "1.00", ""));
    for (bytes, limit) in [(request.len() - 1, LIMITS.body_timeout), (30, LIMITS.header_timeout)] {
        let mut answers = Vec::new();
        for daemon in &daemons {
            let mut io = daemon.connect().await.io;
            let begun = tokio::time::Instant::now();
            io.write_all(&request.as_bytes()[..bytes]).await.unwrap();
            let mut answer = String::new();
            io.read_to_string(&mut answer).await.unwrap();
            let waited = begun.elapsed();
            assert!(waited >= limit && waited < limit + Duration::from_secs(1), "{waited:?} for {limit:?}");
            let lines: Vec<&str> = answer.lines().filter(|line| !line.starts_with("date: ")).collect();
            answers.push(without_made_id(&lines.join("\n")));
        }
        assert_eq!(answers[0], answers[1]);
        assert!(answers[0].contains("request_too_slow"), "{}", answers[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_closes_an_idle_connection_and_answers_what_was_begun() {
    for begun in [0, 40] {
        let daemons = both(&[]);
        let mut clients = Vec::new();
        let request = post(RESERVE, "", &payment("e1", "1.00", ""));
        exchange(&daemons, &mut clients, &[request.as_bytes()]).await;
        for (daemon, client) in daemons.iter().zip(&mut clients) {
            client.io.write_all(&request.as_bytes()[..begun]).await.unwrap();
            tokio::task::yield_now().await;
            daemon.stop.send_replace(true);
            assert!(client.is_closed().await, "after {begun} bytes");
        }
    }
}
