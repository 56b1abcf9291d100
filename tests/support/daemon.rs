//! The daemon under test: a configuration folder, the process started on it, and the ordinary requests sent to it.
//! Malformed requests and streams are written by hand in `raw`; the texts of the files are in `shop`.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;

use serde_json::Value;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use crate::answer::Answer;
use crate::certificates::KeyPair;
use crate::contract::assert_described;
use crate::process::{self, Ended, PATIENCE, Process, eventually, program, program_path, program_under};

const MEMORY: &str = "kind = \"memory\"";

/// The daemon's own settings, as far as tests vary them.
#[derive(Debug)]
pub struct Settings {
    /// `[http] listen`.
    pub listen: &'static str,
    /// `[http] max_body_bytes`.
    pub body_bytes_max: u32,
    /// `[clock] source`: `system`, or `request` where a test moves the time.
    pub clock: &'static str,
    /// `[store]`, and what follows it.
    pub store: &'static str,
}

impl Settings {
    /// Loopback on a free port, the system's clock.
    pub const SYSTEM: Settings =
        Settings { listen: "127.0.0.1:0", body_bytes_max: 65_536, clock: "system", store: MEMORY };
    /// The same with the newest `occurred_at` as the clock.
    pub const REQUEST: Settings = Settings { clock: "request", ..Settings::SYSTEM };

    /// The text of `levelgate.toml`.
    pub fn text(&self) -> String {
        let Settings { listen, body_bytes_max, clock, store } = self;
        format!(
            "[http]\nlisten = \"{listen}\"\nmax_body_bytes = {body_bytes_max}\n\n[store]\n{store}\n\n[clock]\nsource = \"{clock}\"\n"
        )
    }
}

/// A configuration folder of one test; it goes when the test ends.
#[derive(Debug)]
pub struct ConfigFolder {
    dir: tempfile::TempDir,
    scratch: tempfile::TempDir,
    /// What the daemon finds in its environment.
    pub environment: Vec<(&'static str, String)>,
    /// The soft and the hard limit on its open files; `None`: those of the tests.
    pub open_files: Option<(u32, u32)>,
    /// The arguments after `serve`.
    pub arguments: Vec<&'static str>,
    /// The authority of the daemon's certificate; `None`: the daemon has no TLS.
    pub authority: Option<PathBuf>,
}

impl ConfigFolder {
    /// Writes the daemon's settings, the rates of `shop`, and one file a merchant.
    pub fn new(settings: &Settings, merchants: &[(&str, String)]) -> ConfigFolder {
        let dir = || tempfile::tempdir().expect("a temporary folder");
        let folder = ConfigFolder {
            dir: dir(),
            scratch: dir(),
            environment: Vec::new(),
            open_files: None,
            arguments: Vec::new(),
            authority: None,
        };
        std::fs::create_dir(folder.path().join("merchants")).expect("the folder of merchants");
        folder.write("levelgate.toml", &settings.text());
        folder.write("rates.toml", crate::fixtures::RATES);
        for (id, text) in merchants {
            folder.write(&format!("merchants/{id}.toml"), text);
        }
        folder
    }

    /// Writes or replaces one file.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).expect("a file of the configuration is written");
    }

    /// Takes one file away.
    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.path().join(name)).expect("a file of the configuration is removed");
    }

    /// The folder of the files.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A path in another folder for files that are no configuration, such as a stream to replay.
    pub fn scratch_path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }
}

/// A running daemon; killed when the test ends.
#[derive(Debug)]
pub struct Daemon {
    process: Process,
    port: u16,
    agent: ureq::Agent,
    /// The configuration that it reads again on a reload.
    pub folder: ConfigFolder,
}

/// The program under a limit on its open files; `prlimit` becomes the program, so it has the same process id.
fn limited((soft, hard): (u32, u32)) -> Command {
    let mut command = Command::new("prlimit");
    command.arg(format!("--nofile={soft}:{hard}")).arg(program_path());
    program_under(command)
}

impl Daemon {
    /// Starts the daemon on a folder and waits until it says that it is ready.
    pub fn start(folder: ConfigFolder) -> Daemon {
        let (process, port) = Daemon::spawn(&folder);
        let daemon = Daemon { process, port, agent: agent(folder.authority.as_deref(), None), folder };
        eventually("the daemon is ready", || daemon.get("/readyz").status == 200);
        daemon
    }

    /// Starts a daemon that will listen and not be ready.
    pub fn start_unready(folder: ConfigFolder) -> Daemon {
        let (process, port) = Daemon::spawn(&folder);
        Daemon { process, port, agent: agent(folder.authority.as_deref(), None), folder }
    }

    /// Kills the daemon where it stands.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Kills the daemon where it stands and starts it again on the same folder.
    pub fn kill_and_start(&mut self) {
        self.kill_and_start_unready();
        eventually("the daemon is ready again", || self.get("/readyz").status == 200);
    }

    /// The same for a daemon that will listen and not be ready.
    pub fn kill_and_start_unready(&mut self) {
        self.process.kill();
        (self.process, self.port) = Daemon::spawn(&self.folder);
        self.agent = agent(self.folder.authority.as_deref(), None);
    }

    fn spawn(folder: &ConfigFolder) -> (Process, u16) {
        let mut command = folder.open_files.map_or_else(program, limited);
        command.arg("serve").arg("--config").arg(folder.path()).args(&folder.arguments).current_dir(folder.path());
        command.envs(folder.environment.iter().map(|(name, value)| (name, value)));
        let mut process = Process::spawn(command);
        let port = process.wait_until_listening();
        (process, port)
    }

    /// A daemon on the clock of the requests with the merchant `acme` alone.
    pub fn timed(acme: String) -> Daemon {
        Daemon::start(ConfigFolder::new(&Settings::REQUEST, &[("acme", acme)]))
    }

    /// The same on the system's clock.
    pub fn live(acme: String) -> Daemon {
        Daemon::start(ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme)]))
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The log on standard error so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// `GET`.
    pub fn get(&self, path: &str) -> Answer {
        self.finish(self.agent.get(self.url(path)).call(), "GET", path)
    }

    /// `POST` of a JSON value.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, &body.to_string())
    }

    /// `POST` of a body exactly as written.
    pub fn post_text(&self, path: &str, body: &str) -> Answer {
        let sent = self.agent.post(self.url(path)).header("content-type", "application/json").send(body);
        self.finish(sent, "POST", path)
    }

    /// `POST` without a body.
    pub fn post_nothing(&self, path: &str) -> Answer {
        self.finish(self.agent.post(self.url(path)).send_empty(), "POST", path)
    }

    /// A call by any method with a JSON value.
    pub fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send_text(method, path, &body.to_string())
    }

    /// A call by any method with a body exactly as written.
    pub fn send_text(&self, method: &str, path: &str, body: &str) -> Answer {
        let request = ureq::http::Request::builder().method(method).uri(self.url(path));
        let request = request.header("content-type", "application/json").body(body.to_owned());
        self.finish(self.agent.run(request.expect("a request")), method, path)
    }

    /// `DELETE`.
    pub fn delete(&self, path: &str) -> Answer {
        self.finish(self.agent.delete(self.url(path)).call(), "DELETE", path)
    }

    /// Reserves at `acme`.
    pub fn reserve(&self, body: &Value) -> Answer {
        self.post("/v1/merchants/acme/transactions", body)
    }

    /// Asks `acme` without recording.
    pub fn check(&self, body: &Value) -> Answer {
        self.post("/v1/merchants/acme/decisions", body)
    }

    /// One transition of a transaction of `acme`.
    pub fn step(&self, id: &str, operation: &str, body: &Value) -> Answer {
        self.post(&format!("/v1/merchants/acme/transactions/{id}/{operation}"), body)
    }

    /// A transaction of `acme` as it stands.
    pub fn fetch(&self, id: &str) -> Answer {
        self.get(&format!("/v1/merchants/acme/transactions/{id}"))
    }

    /// Sends a signal by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Waits until the daemon has ended.
    pub fn wait(&mut self) -> ExitStatus {
        self.process.wait()
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.folder.authority.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}{path}", self.port)
    }

    /// The answer to a call, which the OpenAPI document must describe.
    #[track_caller]
    fn finish(
        &self,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
        method: &str,
        path: &str,
    ) -> Answer {
        let mut answer = answer.unwrap_or_else(|e| panic!("no answer to {path}: {e}; standard error:\n{}", self.log()));
        let status = answer.status().as_u16();
        let headers = answer.headers().iter();
        let headers =
            headers.map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned())).collect();
        let body = answer.body_mut().with_config().limit(1 << 28).read_to_string();
        let body = body.unwrap_or_else(|e| panic!("half an answer to {path}: {e}"));
        let answer = Answer { status, headers, body };
        assert_described(method, path, &answer);
        answer
    }
}

/// A client whose refusals are answers and that no environment redirects. With an authority it uses TLS, and shows this
/// certificate.
pub fn agent(authority: Option<&Path>, client: Option<&KeyPair>) -> ureq::Agent {
    let read = |path: &Path| std::fs::read(path).expect("a file of TLS");
    let mut tls = TlsConfig::builder();
    if let Some(authority) = authority {
        // An error means that one is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let ca = Certificate::from_pem(&read(authority)).expect("an authority");
        tls = tls.root_certs(RootCerts::Specific(Arc::new(vec![ca])));
    }
    if let Some(KeyPair { certificate, key }) = client {
        let certificate = Certificate::from_pem(&read(certificate)).expect("a certificate");
        let key = PrivateKey::from_pem(&read(key)).expect("a key");
        tls = tls.client_cert(Some(ClientCert::new_with_certs(&[certificate], key)));
    }
    ureq::Agent::config_builder()
        .tls_config(tls.build())
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(PATIENCE))
        .max_idle_connections(256)
        .max_idle_connections_per_host(256)
        .build()
        .into()
}

/// Runs a command of the program that must end by itself.
pub fn run(folder: &ConfigFolder, arguments: &[&str]) -> Ended {
    let mut command = command(folder, arguments);
    command.envs(folder.environment.iter().map(|(name, value)| (name, value)));
    process::run(command)
}

/// Runs a command that prints into this; returns its exit status.
pub fn run_into(folder: &ConfigFolder, arguments: &[&str], output: impl Into<Stdio>) -> Option<i32> {
    process::run_into(command(folder, arguments), output)
}

fn command(folder: &ConfigFolder, arguments: &[&str]) -> Command {
    let mut command = program();
    command.args(arguments).current_dir(folder.path());
    command
}
