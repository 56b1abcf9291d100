//! One `redis-server`, with its own folder and port.

use crate::certificates::{Authority, KeyPair};
use crate::process::eventually;
use crate::redis::resp::{self, Answer};
use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// The options of a server.
#[derive(Debug, Clone, Default)]
pub struct RedisOptions {
    /// The password of the default user.
    pub password: Option<String>,
    /// Whether the server has a second port with TLS.
    pub tls: bool,
    /// The port of its master on this machine.
    pub replica_of: Option<u16>,
    /// The most bytes of data; writes beyond it are refused.
    pub maxmemory: Option<u64>,
    /// Whether every write is on the disk before its answer, so that a kill loses nothing.
    pub durable: bool,
    /// More lines of its configuration.
    pub lines: Vec<String>,
}

/// A free port on this machine.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// A server; killed when the test ends.
#[derive(Debug)]
pub struct RedisServer {
    folder: TempDir,
    program: &'static str,
    options: RedisOptions,
    port: u16,
    tls_port: u16,
    certificates: Option<(Authority, KeyPair)>,
    child: Option<Child>,
}

impl RedisServer {
    /// Starts a server without options.
    pub fn start() -> RedisServer {
        RedisServer::with(RedisOptions::default())
    }

    /// Starts a server, and waits until it answers.
    pub fn with(options: RedisOptions) -> RedisServer {
        RedisServer::spawn("redis-server", options)
    }

    pub(super) fn spawn(program: &'static str, options: RedisOptions) -> RedisServer {
        let folder = TempDir::new().expect("a folder");
        let certificates = options.tls.then(|| {
            let authority = Authority::make(folder.path(), "ca");
            let pair = authority.server("server", 2);
            (authority, pair)
        });
        let (port, tls_port) = (free_port(), free_port());
        let mut server = RedisServer { folder, program, options, port, tls_port, certificates, child: None };
        fs::write(server.configuration(), server.text()).unwrap();
        server.run();
        server
    }

    fn configuration(&self) -> PathBuf {
        self.folder.path().join("redis.conf")
    }

    fn text(&self) -> String {
        let RedisOptions { password, tls: _, replica_of, maxmemory, durable, lines } = &self.options;
        let folder = self.folder.path().display();
        let mut all = vec![
            format!("port {}", self.port),
            "bind 127.0.0.1".to_owned(),
            format!("dir {folder}"),
            format!("logfile {folder}/redis.log"),
        ];
        if self.program == "redis-server" {
            all.extend([
                "save \"\"".to_owned(),
                format!("unixsocket {}", self.socket().display()),
                "repl-diskless-sync-delay 0".to_owned(),
            ]);
        }
        if *durable {
            all.extend(["appendonly yes".to_owned(), "appendfsync always".to_owned()]);
        }
        if let Some(password) = password {
            all.extend([format!("requirepass {password}"), format!("masterauth {password}")]);
        }
        all.extend(replica_of.map(|port| format!("replicaof 127.0.0.1 {port}")));
        if let Some(bytes) = maxmemory {
            all.extend([format!("maxmemory {bytes}"), "maxmemory-policy noeviction".to_owned()]);
        }
        if let Some((Authority { ca, .. }, KeyPair { certificate, key })) = &self.certificates {
            all.extend([
                format!("tls-port {}", self.tls_port),
                format!("tls-cert-file {}", certificate.display()),
                format!("tls-key-file {}", key.display()),
                format!("tls-ca-cert-file {}", ca.display()),
                "tls-auth-clients no".to_owned(),
            ]);
        }
        all.extend(lines.iter().cloned());
        all.join("\n") + "\n"
    }

    fn run(&mut self) {
        let mut command = Command::new(self.program);
        command.arg(self.configuration()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = command.spawn();
        self.child =
            Some(started.unwrap_or_else(|error| panic!("`{}` is installed ({error}): see tests/run", self.program)));
        eventually("the server answers", || {
            self.try_command(&[b"PING"]).is_ok_and(|a| a == Answer::Text(b"PONG".into()))
        });
    }

    /// The port without TLS.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The address with TLS.
    pub fn tls_url(&self) -> String {
        format!("rediss://127.0.0.1:{}", self.tls_port)
    }

    /// The authority of its certificate.
    pub fn authority(&self) -> &Authority {
        &self.certificates.as_ref().expect("started with TLS").0
    }

    /// The Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// The folder of its data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// Sends a command.
    ///
    /// # Errors
    /// The server does not answer.
    pub fn try_command(&self, words: &[&[u8]]) -> io::Result<Answer> {
        resp::command(self.port, self.options.password.as_deref(), words)
    }

    /// Sends a command that must be answered. Words are separated by spaces.
    #[track_caller]
    pub fn command(&self, line: &str) -> Answer {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.try_command(&words).unwrap_or_else(|error| panic!("{line}: {error}\n{}", self.log()))
    }

    /// The log of the server.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("redis.log")).unwrap_or_default()
    }

    /// Sends a signal by its name without `SIG`. After `STOP` connections stay open and are not answered, until `CONT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status();
        assert!(status.expect("`kill` is installed").success(), "the signal {name} is sent");
    }

    /// Kills the server.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // A process that has ended cannot be killed, which is no fault.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts the killed server again, with the data that it had on the disk.
    pub fn restart(&mut self) {
        self.kill();
        self.run();
    }

    /// Starts the killed server again, without its data.
    pub fn restart_empty(&mut self) {
        self.kill();
        let data = self.folder.path().join("appendonlydir");
        if data.exists() {
            fs::remove_dir_all(data).unwrap();
        }
        self.run();
    }

    /// Waits until this replica is connected to its master and has its data.
    pub fn wait_until_synced(&self) {
        eventually("the replica is connected", || {
            self.command("INFO replication").text().contains("master_link_status:up")
        });
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("log of the server at port {}:\n{}", self.port, self.log());
        }
        self.kill();
    }
}
