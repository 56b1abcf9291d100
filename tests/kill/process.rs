//! The daemon as a process: started, signalled, waited for; and the commands that look at its folder.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::setup::Setup;
use crate::wire::Wire;

/// How long anything that ends by itself may take before the test gives up; generous, as machines are shared.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A process of the daemon; killed when the test ends.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    log: Arc<Mutex<String>>,
    listening: Mutex<Receiver<u16>>,
    port: u16,
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_levelgate"));
    command.env_remove("LEVELGATE_LOG").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

impl Daemon {
    /// Starts the process and waits for nothing.
    pub(crate) fn launch(setup: &Setup) -> Daemon {
        let mut command = program();
        command.arg("serve").arg("--config").arg(setup.config());
        Daemon::spawn(command)
    }

    /// The same behind a shell that makes writes beyond a limit fail instead of ending the process.
    pub(crate) fn launch_ignoring_file_limits(setup: &Setup) -> Daemon {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_levelgate"), "serve", "--config"]);
        command.arg(setup.config()).env("NO_COLOR", "1").stdin(Stdio::null());
        Daemon::spawn(command)
    }

    fn spawn(mut command: Command) -> Daemon {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the daemon starts");
        let stderr = child.stderr.take().expect("standard error is piped");
        let log = Arc::new(Mutex::new(String::new()));
        let (found, listening) = mpsc::channel();
        let copy = Arc::clone(&log);
        // The thread reads to the end, so that the daemon never blocks on a full pipe.
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let port =
                    line.split_once("listening on http://127.0.0.1:").and_then(|(_, rest)| rest.trim().parse().ok());
                if let Some(port) = port {
                    // A test that has ended listens no more.
                    let _ = found.send(port);
                }
                let _ = writeln!(copy.lock().unwrap(), "{line}");
            }
        });
        Daemon { child, log, listening: Mutex::new(listening), port: 0 }
    }

    /// Starts the daemon and waits until it is ready.
    pub(crate) fn start(setup: &Setup) -> Daemon {
        let mut daemon = Daemon::launch(setup);
        daemon.wait_until_ready();
        daemon
    }

    /// Waits until the daemon says that it listens.
    pub(crate) fn wait_until_listening(&mut self) {
        self.port = match self.listening.get_mut().unwrap().recv_timeout(PATIENCE) {
            Ok(port) => port,
            Err(RecvTimeoutError::Timeout) => panic!("the daemon does not listen:\n{}", self.log()),
            Err(RecvTimeoutError::Disconnected) => panic!("the daemon ended:\n{}", self.log()),
        };
    }

    /// Waits until the daemon listens and says that it is ready.
    pub(crate) fn wait_until_ready(&mut self) {
        self.wait_until_listening();
        let mut wire = self.wire();
        eventually("the daemon is ready", || wire.get("/readyz").is_some_and(|answer| answer.status == 200));
    }

    /// A start that must be refused: the exit status and what was said.
    pub(crate) fn refused(setup: &Setup) -> Ended {
        let mut daemon = Daemon::launch(setup);
        let status = daemon.wait();
        Ended { code: status.code(), text: daemon.log() }
    }

    /// Kills it as nothing can be refused to be killed, and waits for the end.
    pub(crate) fn kill(&mut self) {
        // One that has ended by itself is as dead.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal by its name without `SIG`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status();
        assert!(status.expect("`kill` is there").success(), "the signal {name} is sent");
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let status = wait(&mut self.child).unwrap_or_else(|| panic!("the daemon does not end:\n{}", self.log()));
        // The log is whole once its pipe is closed.
        while self.listening.get_mut().unwrap().recv_timeout(PATIENCE).is_ok() {}
        status
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A connection to it, made when it is first used.
    pub(crate) fn wire(&self) -> Wire {
        Wire::new(self.port)
    }

    /// What it has said on standard error so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            println!("standard error of the daemon:\n{}", self.log());
        }
    }
}

fn wait(child: &mut Child) -> Option<ExitStatus> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(2));
    }
    None
}

/// A command that has run to its end.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit status.
    pub(crate) code: Option<i32>,
    /// Standard output and standard error, one after the other.
    pub(crate) text: String,
}

/// Runs a command of the program that must end by itself.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    let mut child =
        program().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let drain = |mut pipe: Box<dyn Read + Send>| {
        thread::spawn(move || {
            let mut text = String::new();
            let _ = pipe.read_to_string(&mut text);
            text
        })
    };
    let out = drain(Box::new(child.stdout.take().expect("standard output is piped")));
    let err = drain(Box::new(child.stderr.take().expect("standard error is piped")));
    let status = wait(&mut child);
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let text = out.join().unwrap() + &err.join().unwrap();
    let status = status.unwrap_or_else(|| panic!("`levelgate {}` does not end:\n{text}", arguments.join(" ")));
    Ended { code: status.code(), text }
}

/// `levelgate inspect` of a data folder.
pub(crate) fn inspect(data: &Path) -> Ended {
    run(&["inspect", &data.display().to_string()])
}

/// Polls until something holds, for a bounded time.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "did not come true: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
