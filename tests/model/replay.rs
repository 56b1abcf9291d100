//! Drives the real program as a black box: one replay of a file of lines, its answers read back line by line.

use serde_json::Value;
use std::path::Path;
use support::process::program;

/// Replays lines against a configuration and returns the answers, one for each line.
pub fn replay(config: &Path, lines: &str, defaults: Option<(&str, &str)>) -> Vec<Value> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (operations, answers) = (folder.path().join("operations.ndjson"), folder.path().join("answers.ndjson"));
    std::fs::write(&operations, lines).expect("a file of operations");
    let mut command = program();
    command.arg("replay").arg("--config").arg(config);
    if let Some((merchant, project)) = defaults {
        command.args(["--merchant", merchant, "--project", project]);
    }
    let ran = command.arg(&operations).arg("--out").arg(&answers).output().expect("levelgate starts");
    let error_text = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "levelgate replay ended with {}: {error_text}", ran.status);
    let written = std::fs::read_to_string(&answers).expect("the file of answers");
    let answers: Vec<Value> = written.lines().map(|l| serde_json::from_str(l).expect("an answer in JSON")).collect();
    assert_eq!(answers.len(), lines.lines().count(), "one answer for each line; on standard error: {error_text}");
    answers
}
