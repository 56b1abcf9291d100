//! Traces: what a collector gets, and what it never gets.

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::json;
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, acme, pay};
use support::process::eventually;
use support::raw_http::{self, AnswerReader};
use support::redis::daemons::{durable, folder as redis_folder, last};

const TOKEN: &str = "operator-secret-0123456789";

/// A collector of OTLP over HTTP.
struct Collector {
    port: u16,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    fn start() -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, received) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())));
        let bodies = Arc::clone(&received);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let bodies = Arc::clone(&bodies);
                std::thread::spawn(move || answer(stream, &bodies));
            }
        });
        Collector { port, received }
    }

    /// All spans so far, and the names of their services.
    fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        for body in self.received.lock().unwrap().iter() {
            let request = ExportTraceServiceRequest::decode(body.as_slice()).expect("OTLP in Protobuf");
            for of_resource in request.resource_spans {
                let resource = attributes(&of_resource.resource.expect("a resource").attributes);
                assert_eq!(resource["service.name"], "levelgate");
                assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
                spans.extend(of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        }
        spans
    }

    fn span(&self, name: &str) -> Option<Span> {
        self.spans().into_iter().find(|span| span.name == name)
    }
}

/// Takes the requests of one connection.
fn answer(stream: TcpStream, bodies: &Mutex<Vec<Vec<u8>>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(bytes) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = bytes.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
            head += &line;
        }
        assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
        assert!(head.to_ascii_lowercase().contains("content-type: application/x-protobuf"), "{head}");
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        bodies.lock().unwrap().push(body);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
    }
}

fn attributes(list: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |one: &KeyValue| match one.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{}: {other:?}", one.key),
    };
    list.iter().map(|one| (one.key.clone(), text(one))).collect()
}

fn folder(port: u16) -> ConfigFolder {
    let settings = Settings { store: "kind = \"disk\"\npath = \"data\"", ..Settings::SYSTEM };
    let mut folder = ConfigFolder::new(&settings, &[("acme", acme(CRM, &[]))]);
    folder.write("operator.token", TOKEN);
    let file = folder.path().join("operator.token").display().to_string();
    let rest = format!(
        "[telemetry]\notlp_endpoint = \"http://127.0.0.1:{port}/\"\n[auth]\ntokens = [{{ role = \"operator\", token_file = {file:?} }}]\n"
    );
    folder.write("levelgate.toml", &format!("{}\n{rest}", settings.text()));
    folder.environment = vec![("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned())];
    folder
}

/// Sends a request with the token and a `traceparent`, if there is one.
fn call(daemon: &Daemon, method: &str, path: &str, traceparent: &str, body: &str) -> u16 {
    let mut stream = raw_http::connect(daemon.port());
    let headers =
        format!("\r\nauthorization: Bearer {TOKEN}\r\ntracestate: vendor=alice@example.com\r\n{traceparent}\r\n");
    // A connection that closes after the answer is not for the fast path.
    let head = raw_http::head(method, path, body.len()).replace("connection: close", "connection: keep-alive");
    let head = head.replace("\r\n\r\n", &headers);
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    AnswerReader::new(stream).answer().status
}

#[test]
fn a_collector_gets_the_spans_of_slow_work_and_nothing_personal() {
    let collector = Collector::start();
    let mut daemon = Daemon::start(folder(collector.port));
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("traceparent: 00-{trace}-b7ad6b7169203331-01\r\n");
    let customers = "/v1/merchants/acme/customers";
    let registered =
        json!({ "merchant_customer_identifier": "alice", "email": "alice@example.com", "phone": "+4915112345678" });
    assert_eq!(call(&daemon, "POST", customers, &parent, &registered.to_string()), 201);
    assert_eq!(call(&daemon, "GET", &format!("{customers}?email=alice%40example.com"), "", ""), 200);
    assert_eq!(
        call(&daemon, "POST", "/v1/merchants/acme/transactions", &parent, &pay("t-secret-1", "1.00").to_string()),
        200
    );
    assert_eq!(call(&daemon, "GET", "/v1/merchants/nowhere-secret/levels", "traceparent: nonsense\r\n", ""), 404);
    assert_eq!(
        call(
            &daemon,
            "POST",
            "/v1/merchants/acme/customers.csv",
            "",
            "merchant_customer_identifier,email\nbob,bob@example.com\n"
        ),
        200
    );
    for bulk in [r#"{"select": {"ids": ["1000001"]}, "set": {"status": "deny"}, "dry_run": true}"#, r#"{"no": 1}"#] {
        let status = call(&daemon, "POST", &format!("{customers}/bulk"), "", bulk);
        assert_eq!(status, if bulk.contains("dry_run") { 200 } else { 400 }, "{bulk}");
    }
    assert_eq!(call(&daemon, "POST", "/v1/snapshot", "", ""), 200);
    assert_eq!(call(&daemon, "POST", "/v1/reload", "", ""), 200);
    daemon.folder.write("merchants/broken.toml", "id = ");
    assert_eq!(call(&daemon, "POST", "/v1/reload", "", ""), 422);
    assert_eq!(call(&daemon, "GET", "/healthz", "", ""), 200);
    // Not sampled: the caller's tracing leaves it out.
    assert_eq!(call(&daemon, "GET", "/v1/rates", &format!("traceparent: 00-{trace}-b7ad6b7169203331-00\r\n"), ""), 200);
    eventually("the spans arrive", || collector.span("snapshot").is_some() && collector.span("upload").is_some());
    // A stop sends what is left.
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));

    let of_request = collector.span("POST /v1/merchants/{merchant}/customers").expect("the registration");
    assert_eq!(hex(&of_request.trace_id), trace);
    assert_eq!(hex(&of_request.parent_span_id), "b7ad6b7169203331");
    let found = attributes(&of_request.attributes);
    assert_eq!(found["http.request.method"], "POST");
    assert_eq!(found["http.route"], "/v1/merchants/{merchant}/customers");
    assert_eq!(found["http.response.status_code"], "201");
    assert!(of_request.end_time_unix_nano >= of_request.start_time_unix_nano && of_request.kind == 2, "{of_request:?}");
    for (name, parent) in [
        ("upload", "POST /v1/merchants/{merchant}/customers.csv"),
        ("bulk_change", "POST /v1/merchants/{merchant}/customers/bulk"),
        ("snapshot", "maintenance"),
        ("archive", "maintenance"),
        ("reload", "POST /v1/reload"),
    ] {
        let (child, parent) = (collector.span(name).expect(name), collector.span(parent).expect(parent));
        assert_eq!(hex(&child.parent_span_id), hex(&parent.span_id), "{name}");
    }
    let spans = collector.spans();
    let bulk: Vec<&Span> = spans.iter().filter(|span| span.name == "bulk_change").collect();
    assert_eq!(attributes(&bulk[0].attributes)["levelgate.bulk_change.mode"], "trial");
    let is_failed = |span: &Span| span.status.as_ref().is_some_and(|status| status.code == 2);
    assert_eq!(bulk.iter().map(|span| is_failed(span)).collect::<Vec<_>>(), [false, true]);
    let outcomes: Vec<String> = spans
        .iter()
        .filter(|span| span.name == "reload")
        .map(|span| attributes(&span.attributes)["levelgate.outcome"].clone())
        .collect();
    assert_eq!(outcomes, ["applied", "refused"]);
    // A payment takes the fast path, a probe is no work, and one request was not to be sampled.
    for absent in ["POST /v1/merchants/{merchant}/transactions", "GET /healthz", "GET /v1/rates"] {
        assert!(collector.span(absent).is_none(), "{absent}");
    }
    for body in collector.received.lock().unwrap().iter() {
        let text = String::from_utf8_lossy(body);
        for secret in ["alice", "bob", "example.com", "49151", TOKEN, "secret", "nowhere", "1000001", "broken"] {
            assert!(!text.contains(secret), "{secret} was sent: {text}");
        }
    }
}

#[test]
fn a_collector_gets_the_spans_of_redis_and_of_a_take_over() {
    let (collector, server) = (Collector::start(), durable());
    let folder = |arguments: &[&'static str]| {
        let mut folder = redis_folder(&server, "ack = \"redis\"\non_outage = \"continue\"\nsnapshot_interval_s = 1");
        let file = folder.path().join("levelgate.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let endpoint = format!("[telemetry]\notlp_endpoint = \"http://127.0.0.1:{}/\"\n", collector.port);
        folder.write("levelgate.toml", &format!("{text}{endpoint}"));
        folder.environment = vec![("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned())];
        folder.arguments.extend(arguments);
        folder
    };
    let primary = Daemon::start(folder(&[]));
    primary.reserve(&pay("t-secret-1", "1.00")).ok();
    for name in ["redis.take_fence", "redis.snapshot", "redis.trim"] {
        eventually(name, || collector.span(name).is_some());
    }
    let standby = Daemon::start_unready(folder(&["--standby"]));
    eventually("the standby has every record", || last(&standby) >= last(&primary));
    drop(primary);
    standby.post_nothing("/v1/take-over").ok();
    eventually("the span of the take-over", || collector.span("take_over").is_some());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_collector_that_is_away_is_logged_and_delays_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mut daemon = Daemon::start(folder(port));
    assert_eq!(call(&daemon, "GET", "/v1/rates", "", ""), 200);
    eventually("the failure is logged", || daemon.log().contains("takes no spans"));
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
}
