//! TLS of the listener: versions, what stays plain, certificates that a reload replaces, and files that are refused.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use support::certificates::{Authority, KeyPair};
use support::daemon::{ConfigFolder, Daemon, Settings, agent, run};
use support::fixtures::{CRM, acme, pay};
use support::process::{PATIENCE, eventually};
use support::raw_http;

/// A folder whose listener has TLS with a certificate of a new authority. `more` is added to `tls`, `rest` to the file.
pub(crate) fn folder_with_tls(more: &str, rest: &str) -> (ConfigFolder, Authority) {
    let mut folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[]))]);
    let authority = Authority::make(folder.scratch_path("ca").parent().unwrap(), "ca");
    install(&folder, &authority.server("first", 200));
    let (certificate, key) = (folder.scratch_path("server.pem"), folder.scratch_path("server.key"));
    let tls = format!("[http]\ntls = {{ certificate = {certificate:?}, key = {key:?}{more} }}\n");
    folder.write("levelgate.toml", &format!("{}\n{rest}", Settings::SYSTEM.text().replace("[http]\n", &tls)));
    folder.authority = Some(authority.ca.clone());
    (folder, authority)
}

/// Puts a pair where the configuration names it.
fn install(folder: &ConfigFolder, pair: &KeyPair) {
    std::fs::copy(&pair.certificate, folder.scratch_path("server.pem")).unwrap();
    std::fs::copy(&pair.key, folder.scratch_path("server.key")).unwrap();
}

fn started(more: &str, rest: &str) -> (Daemon, Authority) {
    let (folder, authority) = folder_with_tls(more, rest);
    (Daemon::start(folder), authority)
}

/// The value of a metric with its labels; 0 before its first event.
fn metric(daemon: &Daemon, name: &str) -> f64 {
    let metrics = daemon.get("/metrics").body;
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0.0, |value| value.trim().parse().unwrap())
}

fn s_client(port: u16, arguments: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &format!("127.0.0.1:{port}")]).args(arguments);
    command
}

/// What `openssl s_client` prints about a handshake, and whether it succeeded.
fn handshake(port: u16, arguments: &[&str]) -> (bool, String) {
    let output = s_client(port, arguments).stdin(Stdio::null()).output().expect("`openssl` is installed");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The certificate that a file contains, in PEM.
fn in_pem(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    text[text.find("-----BEGIN").unwrap()..].trim().to_owned()
}

/// Whether a new connection gets this certificate.
fn presents(port: u16, pair: &KeyPair) -> bool {
    handshake(port, &[]).1.contains(&in_pem(&pair.certificate))
}

/// A connection by `openssl s_client` that stays open.
struct OpenConnection {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl OpenConnection {
    fn new(port: u16) -> OpenConnection {
        let mut command = s_client(port, &["-quiet"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("`openssl`");
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        OpenConnection { child, input, output }
    }

    /// Sends a payment and returns the status.
    fn pay(&mut self, id: &str) -> u16 {
        let body = pay(id, "1.00").to_string();
        let head = raw_http::head("POST", "/v1/merchants/acme/transactions", body.len());
        let request = head.replace("connection: close\r\n", "") + &body;
        self.input.write_all(request.as_bytes()).unwrap();
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the connection was closed");
            if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
                status = rest[..3].parse().unwrap();
            } else if let Some(bytes) = line.strip_prefix("content-length: ") {
                length = bytes.trim().parse().unwrap();
            } else if line == "\r\n" {
                break;
            }
        }
        self.output.read_exact(&mut vec![0; length]).unwrap();
        status
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn payments_and_other_requests_are_answered_and_plain_text_is_not() {
    let (daemon, _) = started("", "");
    assert!(daemon.log().contains("listening on https://127.0.0.1:"), "{}", daemon.log());
    for id in ["t1", "t2"] {
        daemon.reserve(&pay(id, "1.00")).ok();
        assert_eq!(daemon.fetch(id).ok()["status"], "reserved");
    }
    // An answer of many records: several TLS records each way.
    let lines: String = (0..500)
        .map(|number| {
            let mut line = pay(&format!("b{number}"), "0.01");
            line["op"] = "reserve".into();
            line["merchant"] = "acme".into();
            format!("{line}\n")
        })
        .collect();
    let answers = daemon.post_text("/v1/batch", &lines);
    assert_eq!((answers.status, answers.body.lines().count()), (200, 500));

    let before = metric(&daemon, "levelgate_tls_handshake_failures_total{reason=\"failed\"}");
    let mut plain = raw_http::connect(daemon.port());
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
    // The daemon counts after it has closed the connection.
    eventually("the failed handshake is counted", || {
        let failures = metric(&daemon, "levelgate_tls_handshake_failures_total{reason=\"failed\"}");
        (failures - before - 1.0).abs() < 0.5
    });
}

#[test]
fn unix_socket_and_admin_listener_stay_plain() {
    let (folder, _) = folder_with_tls("", "[admin]\nlisten = \"127.0.0.1:0\"\n");
    let socket = folder.scratch_path("socket");
    let text = std::fs::read_to_string(folder.path().join("levelgate.toml")).unwrap();
    folder.write("levelgate.toml", &text.replace("[http]\n", &format!("[http]\nunix_socket = {socket:?}\n")));
    let daemon = Daemon::start(folder);
    let ask = |stream: &mut dyn ReadWrite| {
        stream.write_all(b"GET /v1/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let log = daemon.log();
    let (_, admin) = log.split_once("on http://127.0.0.1:").expect("the line of the admin listener");
    let port = admin.split_whitespace().next().unwrap().parse().unwrap();
    for answer in [ask(&mut UnixStream::connect(&socket).unwrap()), ask(&mut raw_http::connect(port))] {
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[test]
fn the_file_of_the_unix_socket_has_its_mode_and_goes_with_the_daemon() {
    for (key, want) in [("", 0o660), ("unix_socket_mode = \"600\"\n", 0o600), ("unix_socket_mode = \"0666\"\n", 0o666)]
    {
        let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[]))]);
        let socket = folder.scratch_path("socket");
        let text = Settings::SYSTEM.text();
        let http = format!("[http]\nunix_socket = {socket:?}\n{key}");
        folder.write("levelgate.toml", &text.replace("[http]\n", &http));
        let mut daemon = Daemon::start(folder);
        let mode = || std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), want);
        // A killed daemon leaves it, and the next one replaces it.
        daemon.kill_and_start();
        assert_eq!(mode(), want);
        assert!(UnixStream::connect(&socket).is_ok());
        daemon.signal("TERM");
        assert_eq!(daemon.wait().code(), Some(0));
        assert!(!socket.exists());
    }
}

#[test]
fn a_stop_leaves_the_socket_of_another_daemon() {
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[]))]);
    let socket = folder.scratch_path("socket");
    let http = format!("[http]\nunix_socket = {socket:?}\n");
    folder.write("levelgate.toml", &Settings::SYSTEM.text().replace("[http]\n", &http));
    let mut daemon = Daemon::start(folder);
    std::fs::remove_file(&socket).unwrap();
    let other = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
    assert!(UnixStream::connect(&socket).is_ok());
    drop(other);
}

trait ReadWrite: Read + Write {}
impl<S: Read + Write> ReadWrite for S {}

#[test]
fn versions_1_2_and_1_3_are_served_and_older_ones_are_not() {
    let (daemon, authority) = started("", "");
    let ca = authority.ca.to_str().unwrap();
    let of =
        |arguments: &[&str]| handshake(daemon.port(), &[&["-CAfile", ca, "-verify_return_error"], arguments].concat());
    for (version, words) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let (is_done, printed) = of(&[version, "-alpn", "http/1.1"]);
        assert!(is_done && printed.contains(words) && printed.contains("ALPN protocol: http/1.1"), "{printed}");
        assert!(printed.contains("Verify return code: 0 (ok)"), "{printed}");
    }
    assert!(!of(&["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]).0, "TLS 1.1 is refused");
    assert!(!of(&["-alpn", "imap"]).0, "a client that speaks no protocol of the listener is refused");
    let other = Authority::make(daemon.folder.scratch_path("x").parent().unwrap(), "other");
    assert!(
        agent(Some(&other.ca), None).get(daemon.url("/healthz")).call().is_err(),
        "another authority signed nothing"
    );
}

#[test]
fn a_reload_under_load_replaces_the_certificate_and_fails_no_request() {
    let (daemon, authority) = started("", "");
    let pairs = ["second", "third"].map(|name| authority.server(name, 100));
    let mut open = OpenConnection::new(daemon.port());
    assert_eq!(open.pay("open-0"), 200);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|caller| {
                let (daemon, authority, is_over) = (&daemon, &authority, &is_over);
                scope.spawn(move || {
                    let kept = agent(Some(&authority.ca), None);
                    let mut sent = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        // Half of the requests come on new connections.
                        let new = (sent % 2 == 0).then(|| agent(Some(&authority.ca), None));
                        let body = pay(&format!("c{caller}-{sent}"), "0.01").to_string();
                        let request = new.as_ref().unwrap_or(&kept).post(daemon.url("/v1/merchants/acme/transactions"));
                        let answer = request.header("content-type", "application/json").send(&body);
                        assert_eq!(answer.expect("an answer").status().as_u16(), 200);
                        sent += 1;
                    }
                    sent
                })
            })
            .collect();
        for round in 0..6 {
            let pair = &pairs[round % 2];
            install(&daemon.folder, pair);
            daemon.post_nothing("/v1/reload").ok();
            assert!(presents(daemon.port(), pair), "new connections get the new certificate");
            assert_eq!(open.pay(&format!("open-{}", round + 1)), 200, "an open connection stays");
        }
        install(&daemon.folder, &pairs[0]);
        daemon.signal("HUP");
        eventually("SIGHUP reads the certificate", || presents(daemon.port(), &pairs[0]));
        is_over.store(true, Ordering::Relaxed);
        let sent: u32 = callers.into_iter().map(|caller| caller.join().unwrap()).sum();
        assert!(sent > 20, "{sent} requests");
    });
}

/// What makes the files wrong, and the words of the refusal.
type Damage = (fn(&ConfigFolder, &Authority), &'static str);

fn write(folder: &ConfigFolder, name: &str, text: &str) {
    std::fs::write(folder.scratch_path(name), text).unwrap();
}

const DAMAGES: [Damage; 8] = [
    (|folder, _| std::fs::remove_file(folder.scratch_path("server.pem")).unwrap(), "server.pem, cannot be read"),
    (|folder, _| write(folder, "server.pem", "no certificate"), "server.pem, contains no certificate in PEM"),
    (
        |folder, _| write(folder, "server.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        "server.pem, contains a certificate that is no X.509: number 1",
    ),
    (|folder, _| std::fs::remove_file(folder.scratch_path("server.key")).unwrap(), "server.key cannot be read"),
    (|folder, _| write(folder, "server.key", "no key"), "server.key contains no private key in PEM"),
    (
        |folder, authority| {
            let other = authority.server("unrelated", 2);
            std::fs::copy(other.key, folder.scratch_path("server.key")).unwrap();
        },
        "does not belong to the certificate",
    ),
    (|folder, authority| install(folder, &authority.server("expired", -1)), "expired at 20"),
    (
        |folder, _| {
            let half = std::fs::read_to_string(folder.scratch_path("server.pem")).unwrap();
            write(folder, "server.pem", &half[..half.len() / 2]);
        },
        "is no valid PEM",
    ),
];

#[test]
fn check_a_start_and_a_reload_refuse_the_same_files_and_the_old_certificate_stays() {
    let (daemon, authority) = started("", "");
    let valid = authority.server("valid", 100);
    install(&daemon.folder, &valid);
    daemon.post_nothing("/v1/reload").ok();
    let config = daemon.folder.path().display().to_string();
    for (damage, words) in DAMAGES {
        damage(&daemon.folder, &authority);
        let refused = daemon.post_nothing("/v1/reload").problem(422);
        assert!(refused["problems"].to_string().contains(words), "{words}: {refused}");
        assert!(presents(daemon.port(), &valid), "{words}: the old certificate stays");
        daemon.reserve(&pay(words, "0.01")).ok();
        for command in [vec!["check", &config], vec!["serve", "--config", &config]] {
            let ended = run(&daemon.folder, &command);
            assert_eq!(ended.code, Some(1), "{words}: {}", ended.text);
            assert!(ended.text.contains(words), "{words}: {}", ended.text);
            assert!(!ended.text.contains("PRIVATE"), "{words}: {}", ended.text);
        }
        install(&daemon.folder, &valid);
    }
    daemon.post_nothing("/v1/reload").ok();
}

#[test]
fn a_certificate_near_its_end_and_an_open_key_are_warnings() {
    let (daemon, authority) = started("", "");
    let config = daemon.folder.path().display().to_string();
    let check = |arguments: &[&str]| run(&daemon.folder, &[&["check", config.as_str()], arguments].concat());
    let quiet = check(&[]);
    assert!(quiet.code == Some(0) && !quiet.text.contains("server."), "{}", quiet.text);
    install(&daemon.folder, &authority.server("near", 10));
    let warned = check(&[]);
    assert!(warned.code == Some(0) && warned.text.contains("in 9 days"), "{}", warned.text);
    assert!(check(&["--strict"]).text.contains("error: the certificate"));
    let report = daemon.post_nothing("/v1/reload").ok();
    assert!(report["warnings"].to_string().contains("server.pem expires at"), "{report}");
    let differences = report.to_string();
    assert!(differences.contains("the certificate of [http] tls is valid until"), "{differences}");
    let reloaded = metric(&daemon, "levelgate_config_last_reload_success_timestamp_seconds");
    let days = (metric(&daemon, "levelgate_tls_certificate_expiry_timestamp_seconds") - reloaded) / 86_400.0;
    assert!((9.0..10.1).contains(&days), "{days}");
    std::fs::set_permissions(daemon.folder.scratch_path("server.key"), PermissionsExt::from_mode(0o644)).unwrap();
    assert!(check(&[]).text.contains("server.key has mode 0644: group or others can read it"));
}

#[test]
fn a_client_that_never_finishes_its_handshake_takes_a_connection_until_the_time_of_a_head_is_over() {
    let (folder, _) = folder_with_tls("", "");
    let text = std::fs::read_to_string(folder.path().join("levelgate.toml")).unwrap();
    let limits = "[http]\nmax_connections = 4\nheader_timeout_s = 2\n";
    folder.write("levelgate.toml", &text.replace("[http]\n", limits));
    let daemon = Daemon::start(folder);
    let ask = |path: &str| agent(daemon.folder.authority.as_deref(), None).get(daemon.url(path)).call();
    let status = |path: &str| ask(path).map_or(0, |answer| answer.status().as_u16());
    eventually("connections of other requests end", || status("/v1/merchants/acme") == 200);
    let mut silent: Vec<_> = (0..4).map(|_| raw_http::connect(daemon.port())).collect();
    eventually("no connection is left", || status("/v1/merchants/acme") == 503);
    assert_eq!(status("/healthz"), 200, "health is answered beyond the limit, over TLS too");
    for stream in &mut silent {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0, "the daemon hangs up");
    }
    eventually("there is room again", || status("/v1/merchants/acme") == 200);
    assert!(metric(&daemon, "levelgate_tls_handshake_failures_total{reason=\"timeout\"}") > 3.5);
}

#[test]
fn commands_trust_the_authority_that_they_are_given() {
    let (daemon, authority) = started("", "");
    let url = daemon.url("");
    let command = |arguments: &[&str]| run(&daemon.folder, &[arguments, &["--url", &url]].concat());
    let ca = authority.ca.to_str().unwrap();
    for arguments in [
        vec!["reload", "--ca", ca],
        vec!["export", "--merchant", "acme", "--ca", ca],
        vec!["mock", "--merchant", "acme", "--count", "3", "--ca", ca],
    ] {
        let done = command(&arguments);
        assert_eq!(done.code, Some(0), "{arguments:?}: {}", done.text);
    }
    let key: PathBuf = daemon.folder.scratch_path("server.key");
    for (ca, words) in [
        (None, "no answer from"),
        (Some("absent.pem"), "cannot read absent.pem, the file of --ca"),
        (key.to_str(), "contains no certificate in PEM"),
    ] {
        let refused = command(&[&["reload"][..], &ca.map_or(vec![], |ca| vec!["--ca", ca])].concat());
        let is_expected = refused.text.contains(words) || ca.is_none() && refused.text.contains("trusts no authority");
        assert!(refused.code == Some(1) && is_expected, "{words}: {}", refused.text);
    }
}

#[test]
fn a_listener_does_not_lose_or_get_tls_at_a_reload() {
    let (daemon, _) = started("", "");
    let text = std::fs::read_to_string(daemon.folder.path().join("levelgate.toml")).unwrap();
    daemon.folder.write("levelgate.toml", &Settings::SYSTEM.text());
    let report = daemon.post_nothing("/v1/reload").ok();
    assert!(report["restart_needed"].to_string().contains("[http] tls"), "{report}");
    std::thread::sleep(Duration::from_millis(10));
    agent(daemon.folder.authority.as_deref(), None).get(daemon.url("/healthz")).call().expect("TLS goes on");
    daemon.folder.write("levelgate.toml", &text);
    let report = daemon.post_nothing("/v1/reload").ok();
    assert!(!report["restart_needed"].to_string().contains("tls"), "{report}");
}

/// The status, the version and the body of a call by `curl`.
fn curl(daemon: &Daemon, path: &str, arguments: &[&str]) -> (String, String) {
    let mut command = Command::new("curl");
    command.args(["--silent", "--max-time", "60", "--write-out", "\n%{http_code} %{http_version}", "--cacert"]);
    command.arg(daemon.folder.authority.as_ref().unwrap()).args(arguments).arg(daemon.url(path));
    let output = command.stdin(Stdio::null()).output().expect("`curl` is installed");
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, code) = text.rsplit_once('\n').unwrap();
    (code.to_owned(), body.to_owned())
}

#[test]
fn http_2_is_used_where_the_client_offers_it() {
    let (mut folder, _) = folder_with_tls("", "");
    folder.environment = vec![("LEVELGATE_LOG", "trace".to_owned())];
    let daemon = Daemon::start(folder);
    let of = |version: &str, path: &str, more: &[&str]| curl(&daemon, path, &[&[version], more].concat());
    assert_eq!(of("--http2", "/healthz", &[]).0, "200 2");
    assert_eq!(of("--http1.1", "/healthz", &[]).0, "200 1.1");
    let body = pay("h2", "1.00").to_string();
    let reserves = |version: &str| of(version, "/v1/merchants/acme/transactions", &["--data", &body]);
    assert_eq!(reserves("--http2").0, "200 2");
    let (two, one) = (reserves("--http2"), reserves("--http1.1"));
    assert_eq!((two.0.as_str(), one.0.as_str()), ("200 2", "200 1.1"));
    let without_time = |answer: &str| answer.split("\"server_time\"").next().map(str::to_owned);
    assert_eq!(without_time(&two.1), without_time(&one.1), "both repeat the answer");
    let secret = ["--header", "authorization: Bearer secret-of-a-caller"];
    assert_eq!(of("--http2", "/v1/status?email=ann@example.com%zz", &secret).0.split(' ').nth(1), Some("2"));
    let log = daemon.log();
    assert!(!log.contains("secret-of-a-caller") && !log.contains("ann@example"), "{log}");
    let large = format!("x-large: {}", "x".repeat(20_000));
    assert_eq!(of("--http2", "/healthz", &["--header", &large]).0, "431 2");
    // A host that is not this machine, without tokens: `:authority` is checked.
    let foreign = of("--http2", "/v1/status", &["--header", "Host: elsewhere.example"]);
    assert_eq!(foreign.0, "403 2", "{}", foreign.1);
    let table = of("--http2", "/v1/merchants/acme/customers/mock", &["--data", r#"{"count": 3000, "seed": 1}"#]);
    assert_eq!(table.0, "200 2", "{}", table.1);
    // The head, the customer of the payment, and the made-up ones.
    let (code, rows) = of("--http2", "/v1/merchants/acme/customers.csv", &[]);
    assert!(code == "200 2" && rows.lines().count() == 3_002, "{code}, {} lines", rows.lines().count());
    let lines: String = (0..2_000)
        .map(|number| {
            let mut line = pay(&format!("h2-{number}"), "0.01");
            line["op"] = "check".into();
            line["merchant"] = "acme".into();
            format!("{line}\n")
        })
        .collect();
    let file = daemon.folder.scratch_path("lines");
    std::fs::write(&file, lines).unwrap();
    let (code, answers) = of("--http2", "/v1/batch", &["--data-binary", &format!("@{}", file.display())]);
    assert!(code == "200 2" && answers.lines().count() == 2_000, "{code}, {} lines", answers.lines().count());
}
