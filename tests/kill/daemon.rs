//! The daemon as a process that is killed and started again, and the commands that look at its folder.

use std::path::Path;
use std::process::{Command, ExitStatus};

use support::process::{self, Ended, Process, eventually, program, program_path, program_under};

use crate::client::Client;
use crate::folders::TestFolders;

/// A running daemon; killed when the test ends.
#[derive(Debug)]
pub(crate) struct Daemon {
    process: Process,
    port: u16,
}

impl Daemon {
    /// Starts the process without waiting for it.
    pub(crate) fn launch(folders: &TestFolders) -> Daemon {
        Daemon::launch_with(folders, &[])
    }

    /// The same with more arguments.
    pub(crate) fn launch_with(folders: &TestFolders, arguments: &[&str]) -> Daemon {
        let mut command = program();
        command.arg("serve").arg("--config").arg(folders.config()).args(arguments);
        Daemon { process: Process::spawn(command), port: 0 }
    }

    /// The same under a shell that makes writes beyond a limit fail instead of ending the process.
    pub(crate) fn launch_ignoring_file_limits(folders: &TestFolders) -> Daemon {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).arg(program_path()).args(["serve", "--config"]);
        command.arg(folders.config());
        Daemon { process: Process::spawn(program_under(command)), port: 0 }
    }

    /// Starts the daemon and waits until it is ready.
    pub(crate) fn start(folders: &TestFolders) -> Daemon {
        let mut daemon = Daemon::launch(folders);
        daemon.wait_until_ready();
        daemon
    }

    /// Waits until the daemon logs that it listens.
    pub(crate) fn wait_until_listening(&mut self) {
        self.port = self.process.wait_until_listening();
    }

    /// Waits until the daemon listens and reports that it is ready.
    pub(crate) fn wait_until_ready(&mut self) {
        self.wait_until_listening();
        let mut client = self.client();
        eventually("the daemon is ready", || client.get("/readyz").is_some_and(|answer| answer.status == 200));
    }

    /// A start that must be refused: the exit status and the log.
    pub(crate) fn refused(folders: &TestFolders) -> Ended {
        let mut daemon = Daemon::launch(folders);
        let status = daemon.wait();
        Ended { code: status.code(), text: daemon.log() }
    }

    /// Sends `SIGKILL`, and waits for the end.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Sends a signal by its name without `SIG`.
    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.process.wait()
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A connection to it, made when it is first used.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.port)
    }

    /// What it has written to standard error so far.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }
}

/// Runs a command of the program that must end by itself.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    let mut command = program();
    command.args(arguments);
    process::run(command)
}

/// `levelgate inspect` of a data folder.
pub(crate) fn inspect(data: &Path) -> Ended {
    run(&["inspect", &data.display().to_string()])
}
