//! The program under its operator: metrics and their alerts, generated files, messages to the service
//! manager, the Debian package, the container file, the bill of materials, the licences and sources of dependencies, the log,
//! traces, `doctor`.
//!
//! `promtool` (of the Debian package `prometheus`) judges the metrics and runs the alerts; `./tests/run` installs it. hadolint
//! judges the container file, the schema of CycloneDX the bill of materials, and cargo-deny the dependencies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod container;
mod debian;
mod doctor;
mod generated_files;
mod log;
mod prometheus;
mod sbom;
mod service_manager;
mod supply_chain;
mod traces;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// The folder of the judges from PyPI. They are installed once.
pub(crate) fn judges() -> &'static Path {
    static VENV: OnceLock<PathBuf> = OnceLock::new();
    VENV.get_or_init(|| {
        let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packaging-venv");
        let install = support::environment::repository().join("tests/packaging/install");
        let installed = Command::new(install).arg(&venv).status().expect("bash");
        assert!(installed.success(), "python3 with venv and pip are needed; tests/run installs them");
        venv.join("bin")
    })
}

/// Runs a program of the system with an input.
pub(crate) fn run_system(program: &str, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(support::environment::repository());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} cannot be started ({error}); ./tests/run installs it"));
    let mut stdin = child.stdin.take().expect("standard input is piped");
    let text = input.to_owned();
    let writer = std::thread::spawn(move || {
        // A program that has read enough closes the pipe.
        let _ = stdin.write_all(text.as_bytes());
    });
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("the input is written");
    output
}

/// The text on standard output, then on standard error.
pub(crate) fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
