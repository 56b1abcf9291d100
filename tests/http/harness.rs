//! The daemon under test: a configuration folder, the process started on it, and the ordinary requests sent to it.
//! Malformed requests and streams are written by hand in `raw`; the texts of the files are in `shop`.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything that ends by itself may take before the test gives up; generous, as machines are shared.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const MEMORY: &str = "kind = \"memory\"";

/// The daemon's own settings, as far as tests vary them.
#[derive(Debug)]
pub(crate) struct Settings {
    /// `[http] listen`.
    pub(crate) listen: &'static str,
    /// `[http] max_body_bytes`.
    pub(crate) body_bytes_max: u32,
    /// `[clock] source`: `system`, or `request` where a test moves the time.
    pub(crate) clock: &'static str,
    /// `[store]`, and what follows it.
    pub(crate) store: &'static str,
}

impl Settings {
    /// Loopback on a free port, the system's clock.
    pub(crate) const SYSTEM: Settings =
        Settings { listen: "127.0.0.1:0", body_bytes_max: 65_536, clock: "system", store: MEMORY };
    /// The same with the newest `occurred_at` as the clock.
    pub(crate) const REQUEST: Settings = Settings { clock: "request", ..Settings::SYSTEM };

    /// The text of `levelgate.toml`.
    pub(crate) fn text(&self) -> String {
        let Settings { listen, body_bytes_max, clock, store } = self;
        format!(
            "[http]\nlisten = \"{listen}\"\nmax_body_bytes = {body_bytes_max}\n\n[store]\n{store}\n\n[clock]\nsource = \"{clock}\"\n"
        )
    }
}

/// A configuration folder of one test; it goes when the test ends.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: tempfile::TempDir,
    beside: tempfile::TempDir,
    /// What the daemon finds in its environment.
    pub(crate) environment: Vec<(&'static str, String)>,
    /// The soft and the hard limit on its open files; `None`: those of the tests.
    pub(crate) open_files: Option<(u32, u32)>,
    /// What stands behind `serve`.
    pub(crate) arguments: Vec<&'static str>,
}

impl Folder {
    /// Writes the daemon's settings, the rates of `shop`, and one file a merchant.
    pub(crate) fn new(settings: &Settings, merchants: &[(&str, String)]) -> Folder {
        let dir = || tempfile::tempdir().expect("a temporary folder");
        let folder =
            Folder { dir: dir(), beside: dir(), environment: Vec::new(), open_files: None, arguments: Vec::new() };
        std::fs::create_dir(folder.path().join("merchants")).expect("the folder of merchants");
        folder.write("levelgate.toml", &settings.text());
        folder.write("rates.toml", crate::shop::RATES);
        for (id, text) in merchants {
            folder.write(&format!("merchants/{id}.toml"), text);
        }
        folder
    }

    /// Writes or replaces one file.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).expect("a file of the configuration is written");
    }

    /// Takes one file away.
    pub(crate) fn remove(&self, name: &str) {
        std::fs::remove_file(self.path().join(name)).expect("a file of the configuration is removed");
    }

    /// Where the files are.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A path in another folder for files that are no configuration, such as a stream to replay.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.beside.path().join(name)
    }
}

/// One answer: the status, the headers with names in lower case, and the body as text.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Names in lower case, in the order sent.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, which the contract promises to be UTF-8.
    pub(crate) body: String,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("the body is not JSON ({e}): {self:?}"))
    }

    /// The body as JSON of a call that must have succeeded.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "a 200 was expected: {}", self.body);
        self.json()
    }

    /// The first header of this name, given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Whether the answer says that it was remembered.
    #[track_caller]
    pub(crate) fn is_replay(&self) -> bool {
        match self.header("idempotent-replay") {
            None => false,
            Some(text) => {
                assert_eq!(text, "true", "the header is `true` or absent");
                true
            }
        }
    }

    /// Asserts a problem document (RFC 9457) of this status and hands it back.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "another status was expected: {}", self.body);
        let media = self.header("content-type").unwrap_or_default();
        assert!(media.starts_with("application/problem+json"), "media type {media:?} of {}", self.body);
        let problem = self.json();
        assert_problem(&problem, status);
        problem
    }
}

/// Asserts that a document has every member that a problem must have, with this status.
#[track_caller]
pub(crate) fn assert_problem(problem: &Value, status: u16) {
    for member in ["type", "title", "detail", "code"] {
        let text = problem[member].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "`{member}` of a problem is a text: {problem}");
    }
    assert_eq!(problem["status"], status, "the status inside is the status outside: {problem}");
    let code = problem["code"].as_str().unwrap_or_default();
    let is_snake = code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    assert!(is_snake, "the code of a problem is snake_case: {problem}");
    for leak in ["panicked", "src/", "RUST_BACKTRACE"] {
        assert!(!problem.to_string().contains(leak), "a problem tells nothing of the inside: {problem}");
    }
}

/// A running daemon; killed when the test ends.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    log: Arc<Mutex<String>>,
    port: u16,
    agent: ureq::Agent,
    /// The configuration that it reads again on a reload.
    pub(crate) folder: Folder,
}

/// The command line program under test, away from the settings of whoever runs the tests.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_levelgate"));
    command.env_remove("RUST_LOG").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// The program under a limit on its open files; `prlimit` becomes the program, so it has the same process id.
fn limited((soft, hard): (u32, u32)) -> Command {
    let mut command = Command::new("prlimit");
    command.arg(format!("--nofile={soft}:{hard}")).arg(env!("CARGO_BIN_EXE_levelgate"));
    command.env_remove("RUST_LOG").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

impl Daemon {
    /// Starts the daemon on a folder and waits until it says that it is ready.
    pub(crate) fn start(folder: Folder) -> Daemon {
        let (child, log, port) = Daemon::spawn(&folder);
        let daemon = Daemon { child, log, port, agent: agent(), folder };
        eventually("the daemon is ready", || daemon.get("/readyz").status == 200);
        daemon
    }

    /// Kills the daemon where it stands and starts it again on the same folder.
    pub(crate) fn kill_and_start(&mut self) {
        self.kill_and_start_unready();
        eventually("the daemon is ready again", || self.get("/readyz").status == 200);
    }

    /// The same for a daemon that will listen and not be ready.
    pub(crate) fn kill_and_start_unready(&mut self) {
        self.child.kill().expect("the daemon is killed");
        self.child.wait().expect("the daemon ends");
        (self.child, self.log, self.port) = Daemon::spawn(&self.folder);
        self.agent = agent();
    }

    fn spawn(folder: &Folder) -> (Child, Arc<Mutex<String>>, u16) {
        let mut child = folder
            .open_files
            .map_or_else(program, limited)
            .arg("serve")
            .arg("--config")
            .arg(folder.path())
            .args(&folder.arguments)
            .current_dir(folder.path())
            .envs(folder.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the daemon starts");
        let stderr = child.stderr.take().expect("standard error is piped");
        let log = Arc::new(Mutex::new(String::new()));
        let (found, port) = mpsc::channel();
        let copy = Arc::clone(&log);
        // The thread reads to the end, so that the daemon never blocks on a full pipe.
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(port) = listening_port(&line) {
                    // After the first line nobody listens any more, which is no fault.
                    let _ = found.send(port);
                }
                let _ = writeln!(copy.lock().unwrap(), "{line}");
            }
        });
        let said = || log.lock().unwrap().clone();
        let port = match port.recv_timeout(PATIENCE) {
            Ok(port) => port,
            Err(RecvTimeoutError::Timeout) => panic!("no listening line came; standard error:\n{}", said()),
            Err(RecvTimeoutError::Disconnected) => panic!("the daemon ended; standard error:\n{}", said()),
        };
        (child, log, port)
    }

    /// A daemon on the clock of the requests with the merchant `acme` alone.
    pub(crate) fn timed(acme: String) -> Daemon {
        Daemon::start(Folder::new(&Settings::REQUEST, &[("acme", acme)]))
    }

    /// The same on the system's clock.
    pub(crate) fn live(acme: String) -> Daemon {
        Daemon::start(Folder::new(&Settings::SYSTEM, &[("acme", acme)]))
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the daemon has said on standard error so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// `GET`.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.finish(self.agent.get(self.url(path)).call(), path)
    }

    /// `POST` of a JSON value.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, &body.to_string())
    }

    /// `POST` of a body exactly as written.
    pub(crate) fn post_text(&self, path: &str, body: &str) -> Answer {
        self.finish(self.agent.post(self.url(path)).header("content-type", "application/json").send(body), path)
    }

    /// `POST` without a body.
    pub(crate) fn post_nothing(&self, path: &str) -> Answer {
        self.finish(self.agent.post(self.url(path)).send_empty(), path)
    }

    /// A call by any method with a JSON value.
    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send_text(method, path, &body.to_string())
    }

    /// A call by any method with a body exactly as written.
    pub(crate) fn send_text(&self, method: &str, path: &str, body: &str) -> Answer {
        let request = ureq::http::Request::builder().method(method).uri(self.url(path));
        let request = request.header("content-type", "application/json").body(body.to_owned());
        self.finish(self.agent.run(request.expect("a request")), path)
    }

    /// `DELETE`.
    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.finish(self.agent.delete(self.url(path)).call(), path)
    }

    /// Reserves at `acme`.
    pub(crate) fn reserve(&self, body: &Value) -> Answer {
        self.post("/v1/merchants/acme/transactions", body)
    }

    /// Asks `acme` without recording.
    pub(crate) fn check(&self, body: &Value) -> Answer {
        self.post("/v1/merchants/acme/decisions", body)
    }

    /// One transition of a transaction of `acme`.
    pub(crate) fn step(&self, id: &str, operation: &str, body: &Value) -> Answer {
        self.post(&format!("/v1/merchants/acme/transactions/{id}/{operation}"), body)
    }

    /// A transaction of `acme` as it stands.
    pub(crate) fn fetch(&self, id: &str) -> Answer {
        self.get(&format!("/v1/merchants/acme/transactions/{id}"))
    }

    /// Sends a signal by its name without `SIG`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(status.expect("`kill` is there").success(), "the signal {name} is sent");
    }

    /// Waits until the daemon has ended.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child).unwrap_or_else(|| panic!("the daemon does not end; standard error:\n{}", self.log()))
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn finish(&self, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>, path: &str) -> Answer {
        let mut answer = answer.unwrap_or_else(|e| panic!("no answer to {path}: {e}; standard error:\n{}", self.log()));
        let status = answer.status().as_u16();
        let headers = answer.headers().iter();
        let headers =
            headers.map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned())).collect();
        let body = answer.body_mut().with_config().limit(1 << 28).read_to_string();
        Answer { status, headers, body: body.unwrap_or_else(|e| panic!("half an answer to {path}: {e}")) }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A process that has ended already cannot be killed, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("standard error of the daemon:\n{}", self.log());
        }
    }
}

/// A client whose refusals are answers and that no environment redirects.
fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(PATIENCE))
        .max_idle_connections(256)
        .max_idle_connections_per_host(256)
        .build()
        .into()
}

/// The port that the daemon's line `listening on http://127.0.0.1:PORT` names.
fn listening_port(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("listening on http://127.0.0.1:")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// A command of the program that has run to its end.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit status.
    pub(crate) code: Option<i32>,
    /// Standard output and standard error, one after the other.
    pub(crate) text: String,
}

/// Runs a command of the program that must end by itself.
pub(crate) fn run(folder: &Folder, arguments: &[&str]) -> Ended {
    let mut child = program()
        .args(arguments)
        .current_dir(folder.path())
        .envs(folder.environment.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let out = drain(child.stdout.take().expect("standard output is piped"));
    let err = drain(child.stderr.take().expect("standard error is piped"));
    let status = wait_or_kill(&mut child);
    let text = out.join().unwrap() + &err.join().unwrap();
    let status = status.unwrap_or_else(|| panic!("`levelgate {}` does not end:\n{text}", arguments.join(" ")));
    Ended { code: status.code(), text }
}

/// Runs a command that prints into this; returns its exit status.
pub(crate) fn run_into(folder: &Folder, arguments: &[&str], output: impl Into<Stdio>) -> Option<i32> {
    let mut command = program();
    command.args(arguments).current_dir(folder.path()).stdout(output).stderr(Stdio::null());
    let mut child = command.spawn().expect("the program starts");
    wait_or_kill(&mut child).and_then(|status| status.code())
}

fn wait_or_kill(child: &mut Child) -> Option<ExitStatus> {
    let status = wait(child);
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    status
}

fn drain(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn wait(child: &mut Child) -> Option<ExitStatus> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(10));
    }
    None
}

/// Polls until something holds, for a bounded time.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "did not come true: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
