//! The README's commands, run as they stand there, and its answers, compared as they stand there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

struct Daemon {
    child: Child,
    address: String,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The sample configuration as it is, but on a port that is free.
fn daemon() -> (Daemon, tempfile::TempDir) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let copied = Command::new("cp").arg("-r").arg(root.join("config/.")).arg(folder.path()).status().unwrap();
    assert!(copied.success());
    let file = folder.path().join("levelgate.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("127.0.0.1:7400"), "the sample listens where the README says");
    fs::write(&file, text.replace("127.0.0.1:7400", "127.0.0.1:0")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_levelgate"))
        .arg("--config")
        .arg(folder.path())
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = loop {
        let line = lines.next().expect("the daemon says where it listens").unwrap();
        if let Some((_, address)) = line.split_once("listening on http://") {
            break address.trim().to_owned();
        }
    };
    std::thread::spawn(move || lines.for_each(drop));
    (Daemon { child, address }, folder)
}

fn blocks(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, behind)) = rest.split_once("\n```") {
        let (kind, behind) = behind.split_once('\n').unwrap();
        let (block, behind) = behind.split_once("\n```").unwrap();
        found.push((kind.to_owned(), block.to_owned()));
        rest = behind;
    }
    found
}

/// Times and the version of the configuration are another each time.
fn settle(answer: &mut Value) {
    for name in ["expires_at", "server_time", "config_version", "at"] {
        if let Some(value) = answer.get_mut(name).filter(|value| value.is_string()) {
            *value = Value::from("*");
        }
    }
    for event in answer.get_mut("events").and_then(Value::as_array_mut).into_iter().flatten() {
        settle(event);
    }
}

#[test]
fn the_first_decisions_are_answered_as_the_readme_says() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (daemon, _folder) = daemon();
    let blocks = blocks(&readme);
    let mut run = 0;
    for (place, (kind, command)) in blocks.iter().enumerate() {
        if kind != "sh" || !command.starts_with("curl") {
            continue;
        }
        let command = command.replace("127.0.0.1:7400", &daemon.address);
        let output = Command::new("sh").arg("-c").arg(&command).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let mut got: Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{command}\n{said}\n{e}"));
        let mut want: Value = serde_json::from_str(&blocks[place + 1].1).unwrap();
        settle(&mut got);
        settle(&mut want);
        assert_eq!(got, want, "{command}");
        run += 1;
    }
    assert_eq!(run, 4, "the README's calls were not found");
    assert!(blocks.iter().any(|(_, block)| block == "cargo run --release"));
    assert!(blocks.iter().any(|(_, block)| block == "./tests/run"));
}

#[test]
fn the_table_of_codes_is_the_one_in_the_code() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let rows: Vec<(u16, String)> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| 19"))
        .map(|line| {
            let (code, reason) = line.split_once(" | ").unwrap();
            (
                19_000 + code.parse::<u16>().unwrap(),
                reason.trim_matches(|c| c == '|' || c == ' ' || c == '`').to_owned(),
            )
        })
        .collect();
    let want: Vec<(u16, String)> = levelgate::domain::decision::denial_codes::CODES
        .iter()
        .map(|(_, code, reason)| (*code, (*reason).to_owned()))
        .collect();
    assert_eq!(rows, want);
}
