//! The program under test as a process: started, read, signalled, waited for.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything that ends by itself may take before the test fails; generous, because machines are shared.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The path of the program: Cargo builds it before the tests and names it in their environment.
pub fn program_path() -> OsString {
    std::env::var_os("CARGO_BIN_EXE_levelgate").expect("the tests are run by `cargo test`")
}

/// The program, without the settings of the developer who runs the tests.
pub fn program() -> Command {
    program_under(Command::new(program_path()))
}

/// A command that becomes the program, such as `prlimit`, without those settings.
pub fn program_under(mut command: Command) -> Command {
    command.env_remove("LEVELGATE_LOG").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// A process of the daemon; killed when the test ends.
///
/// Its standard error is a file, so that a line that the daemon has written before an answer is in the log when the answer
/// arrives.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: File,
}

impl Process {
    /// Starts a daemon without waiting for it.
    pub fn spawn(mut command: Command) -> Process {
        let log = tempfile::tempfile().expect("a file for the log");
        let stderr = log.try_clone().expect("the file is open");
        let child = command.stdout(Stdio::null()).stderr(stderr).spawn().expect("the daemon starts");
        Process { child, log }
    }

    /// Waits until the daemon logs that it listens on 127.0.0.1; returns the port.
    pub fn wait_until_listening(&mut self) -> u16 {
        let start = Instant::now();
        loop {
            let has_ended = self.child.try_wait().expect("the process is a child of the test").is_some();
            let log = self.log();
            let whole_lines = log.rfind('\n').map_or("", |end| &log[..end]);
            if let Some(port) = whole_lines.lines().find_map(listening_port) {
                return port;
            }
            assert!(!has_ended, "the daemon ended; standard error:\n{log}");
            assert!(start.elapsed() < PATIENCE, "the daemon does not listen; standard error:\n{log}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The log on standard error so far.
    pub fn log(&self) -> String {
        // The offset of the file is that of the daemon, which goes on writing.
        let mut bytes = vec![0; usize::try_from(self.log.metadata().expect("the file is open").len()).unwrap()];
        let read = self.log.read_at(&mut bytes, 0).expect("the file can be read");
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    }

    /// Sends a signal by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status();
        assert!(status.expect("`kill` is installed").success(), "the signal {name} is sent");
    }

    /// Sends `SIGKILL`, and waits for the end.
    pub fn kill(&mut self) {
        // A process that has ended cannot be killed, which is no fault.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until the process has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let status = wait(&mut self.child);
        status.unwrap_or_else(|| panic!("the daemon does not end; standard error:\n{}", self.log()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("standard error of the daemon:\n{}", self.log());
        }
    }
}

/// The port that the daemon's line `listening on http://127.0.0.1:PORT` names, or the same with `https`.
fn listening_port(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("listening on http")?;
    let rest = rest.strip_prefix('s').unwrap_or(rest).strip_prefix("://127.0.0.1:")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// A command that has run to its end.
#[derive(Debug)]
pub struct Ended {
    /// The exit status; `None`: a signal ended it.
    pub code: Option<i32>,
    /// Standard output, then standard error.
    pub text: String,
}

/// Runs a command that must end by itself, and reads what it prints.
pub fn run(mut command: Command) -> Ended {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let out = drain(child.stdout.take().expect("standard output is piped"));
    let err = drain(child.stderr.take().expect("standard error is piped"));
    let status = wait_or_kill(&mut child);
    let text = out.join().unwrap() + &err.join().unwrap();
    let status = status.unwrap_or_else(|| panic!("{command:?} does not end:\n{text}"));
    Ended { code: status.code(), text }
}

/// Runs a command that must end by itself and prints into this file or pipe; returns its exit status.
pub fn run_into(mut command: Command, output: impl Into<Stdio>) -> Option<i32> {
    let mut child = command.stdout(output).stderr(Stdio::null()).spawn().expect("the program starts");
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
        if let Some(status) = child.try_wait().expect("the process is a child of the test") {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(2));
    }
    None
}

/// Polls until a condition is true, for at most [`PATIENCE`].
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "did not come true: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
