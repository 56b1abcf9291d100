//! The daemon under a service manager: its messages, and sockets that stay open while it restarts.

use serde_json::json;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use support::certificates::{Authority, KeyPair};
use support::daemon::{ConfigFolder, Daemon, Settings, agent};
use support::fixtures::{CRM, GATEWAY, acme, pay};
use support::process::{PATIENCE, Process, eventually, program_path, program_under};

/// A service manager that only listens.
struct Manager {
    _folder: tempfile::TempDir,
    socket: UnixDatagram,
    path: String,
}

impl Manager {
    fn new() -> Manager {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify").to_str().unwrap().to_owned();
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Manager { _folder: folder, socket, path }
    }

    /// The lines of the next message that is no sign of life, and how many of those came before it.
    fn next(&self) -> (Vec<String>, u32) {
        let mut signs = 0;
        loop {
            let mut buffer = [0; 4_096];
            let bytes = self.socket.recv(&mut buffer).expect("a message comes");
            let text = std::str::from_utf8(&buffer[..bytes]).unwrap();
            if text.trim() == "WATCHDOG=1" {
                signs += 1;
            } else {
                return (text.lines().map(str::to_owned).collect(), signs);
            }
        }
    }
}

/// Whether a message is a reload's: with the time of the monotonic clock.
fn is_reload(message: &[String]) -> bool {
    let microseconds = message.iter().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    message[0] == "RELOADING=1" && microseconds.is_some_and(|text| text.parse::<u64>().is_ok_and(|us| us > 0))
}

#[test]
fn the_manager_is_told_of_start_reloads_and_stop() {
    let manager = Manager::new();
    let mut folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[]))]);
    folder.environment = vec![("NOTIFY_SOCKET", manager.path.clone()), ("WATCHDOG_USEC", "100000".to_owned())];
    let mut daemon = Daemon::start(folder);
    assert_eq!(manager.next().0, ["READY=1", "STATUS=answers requests"]);
    daemon.signal("HUP");
    let reload = manager.next().0;
    assert!(is_reload(&reload), "{reload:?}");
    assert_eq!(manager.next().0[0], "READY=1");
    daemon.post_nothing("/v1/reload").ok();
    assert!(is_reload(&manager.next().0));
    assert_eq!(manager.next().0[0], "READY=1");
    // A refused reload ends too.
    daemon.folder.write("merchants/acme.toml", "id = ");
    daemon.signal("HUP");
    assert!(is_reload(&manager.next().0));
    assert_eq!(manager.next().0[0], "READY=1");
    // Signs of life come without an end.
    for _ in 0..3 {
        let mut buffer = [0; 64];
        let bytes = manager.socket.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..bytes], b"WATCHDOG=1\n");
    }
    daemon.signal("TERM");
    assert_eq!(manager.next().0[0], "STOPPING=1");
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
}

#[test]
fn a_manager_that_is_gone_is_logged_and_the_daemon_serves() {
    let mut folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[]))]);
    folder.environment = vec![("NOTIFY_SOCKET", "/nowhere/notify".to_owned())];
    let daemon = Daemon::start(folder);
    daemon.reserve(&pay("t1", "1.00")).ok();
    assert!(daemon.log().contains("the service manager takes no message"), "{}", daemon.log());
}

/// Starts the daemon with a listening socket as descriptor 3, as a service manager does.
fn start_on(folder: &ConfigFolder, socket: &TcpListener) -> Process {
    let script = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(program_path()).args(["serve", "--config"]).arg(folder.path());
    let mut command = program_under(command);
    command.current_dir(folder.path()).stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
    Process::spawn(command)
}

fn folder_of(socket: &TcpListener, listen: &str) -> ConfigFolder {
    let settings = Settings { store: "kind = \"disk\"\npath = \"data\"", ..Settings::SYSTEM };
    let folder = ConfigFolder::new(&settings, &[("acme", acme(GATEWAY, &[]))]);
    let port = socket.local_addr().unwrap().port().to_string();
    folder.write("levelgate.toml", &settings.text().replace("127.0.0.1:0", &listen.replace("PORT", &port)));
    folder
}

/// One request on a new connection. `Err`: no connection; `None`: the connection ended without an answer.
fn request_once(port: u16, id: &str) -> std::io::Result<Option<u16>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let body = json!({ "transaction_id": id, "direction": "deposit", "amount": "1.00", "currency": "EUR",
        "payment_method": "card", "customer_id": "c1" })
    .to_string();
    let head = support::raw_http::head("POST", "/v1/merchants/acme/transactions", body.len());
    let mut answer = String::new();
    let sent = stream.write_all(format!("{head}{body}").as_bytes());
    let read = sent.and_then(|()| stream.read_to_string(&mut answer).map(drop));
    Ok(read.ok().and_then(|()| answer.split(' ').nth(1)?.parse().ok()))
}

#[test]
fn a_socket_of_the_manager_has_the_tls_of_the_configuration() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = folder_of(&socket, "127.0.0.1:PORT");
    let authority = Authority::make(folder.scratch_path("ca").parent().unwrap(), "ca");
    let KeyPair { certificate, key } = authority.server("server", 2);
    let text = std::fs::read_to_string(folder.path().join("levelgate.toml")).unwrap();
    let tls = format!("[http]\ntls = {{ certificate = {certificate:?}, key = {key:?} }}\n");
    folder.write("levelgate.toml", &text.replace("[http]\n", &tls));
    let mut process = start_on(&folder, &socket);
    let port = process.wait_until_listening();
    let answer = agent(Some(&authority.ca), None).get(format!("https://127.0.0.1:{port}/healthz")).call();
    assert_eq!(answer.unwrap().status().as_u16(), 200);
    assert!(!matches!(request_once(port, "plain"), Ok(Some(_))), "plain text is not answered");
}

#[test]
fn no_connection_is_refused_while_the_daemon_restarts_on_the_socket_of_the_manager() {
    const RESTARTS: u32 = 3;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let folder = folder_of(&socket, "127.0.0.1:PORT");
    let mut process = start_on(&folder, &socket);
    assert_eq!(process.wait_until_listening(), port);
    let (is_over, answered, repeated) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for client in 0..4 {
            let (is_over, answered, repeated) = (&is_over, &answered, &repeated);
            scope.spawn(move || {
                let mut number = 0;
                while !is_over.load(Ordering::Acquire) {
                    let id = format!("t{client}-{number}");
                    let began = Instant::now();
                    // A connection that was accepted when the daemon began to stop may end without an answer: the caller
                    // sends the same id again.
                    let status = loop {
                        assert!(began.elapsed() < PATIENCE, "{id} gets no answer");
                        match request_once(port, &id).unwrap_or_else(|error| panic!("{id}: {error}")) {
                            Some(status) => break status,
                            None => _ = repeated.fetch_add(1, Ordering::Relaxed),
                        }
                    };
                    assert_eq!(status, 200, "{id}");
                    answered.fetch_add(1, Ordering::Relaxed);
                    number += 1;
                }
            });
        }
        for _ in 0..RESTARTS {
            let before = answered.load(Ordering::Relaxed);
            eventually("requests are answered", || answered.load(Ordering::Relaxed) > before + 50);
            process.signal("TERM");
            assert_eq!(process.wait().code(), Some(0), "{}", process.log());
            // Requests that come now wait in the queue of the socket.
            std::thread::sleep(Duration::from_millis(50));
            process = start_on(&folder, &socket);
            process.wait_until_listening();
        }
        let before = answered.load(Ordering::Relaxed);
        eventually("requests are answered", || answered.load(Ordering::Relaxed) > before + 50);
        is_over.store(true, Ordering::Release);
    });
    let (answered, repeated) = (answered.into_inner(), repeated.into_inner());
    assert!(repeated <= 4 * RESTARTS, "{repeated} of {answered} requests were repeated");
    process.signal("TERM");
    assert_eq!(process.wait().code(), Some(0), "{}", process.log());
}

#[test]
fn a_socket_that_the_configuration_does_not_name_is_refused() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = folder_of(&socket, "127.0.0.1:0");
    let mut process = start_on(&folder, &socket);
    assert_eq!(process.wait().code(), Some(1), "{}", process.log());
    let log = process.log();
    assert!(log.contains("the service manager passes a socket that levelgate.toml does not name"), "{log}");
    assert!(log.contains(&socket.local_addr().unwrap().to_string()), "{log}");
}
