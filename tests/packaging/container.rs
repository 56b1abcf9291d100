//! The container file: judged by hadolint, and complete as far as this can be seen without building it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{judges, printed, run_system};
use support::environment::repository;

const FILE: &str = "packaging/container/Containerfile";

fn hadolint(path: &str) -> (bool, String) {
    let program = judges().join("hadolint");
    let judged = run_system(program.to_str().unwrap(), &["--strict-labels", "--failure-threshold", "style", path], "");
    (judged.status.success(), printed(&judged))
}

#[test]
fn the_container_file_has_no_finding_and_a_worse_one_has() {
    let (is_clean, found) = hadolint(FILE);
    assert!(is_clean && found.is_empty(), "{found}");
    let text = fs::read_to_string(repository().join(FILE)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (from, to, rule) in [
        ("FROM debian:bookworm-slim", "FROM debian", "DL3006"),
        ("ENTRYPOINT [\"/usr/bin/levelgate\"]", "ENTRYPOINT /usr/bin/levelgate", "DL3025"),
        ("WORKDIR /var/lib/levelgate", "WORKDIR var/lib/levelgate", "DL3000"),
    ] {
        let path = folder.path().join("Containerfile");
        assert!(text.contains(from), "{from}");
        fs::write(&path, text.replace(from, to)).unwrap();
        let (is_clean, found) = hadolint(path.to_str().unwrap());
        assert!(!is_clean && found.contains(rule), "{rule}: {found}");
    }
}

/// Copies a folder without what builds leave in it.
fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}

#[test]
fn the_build_stage_copies_what_the_build_reads_and_the_program_runs_without_rights() {
    let text = fs::read_to_string(repository().join(FILE)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for line in text.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|line| !line.starts_with("--from")) {
        let words: Vec<&str> = line.split(' ').collect();
        let (to, from) = words.split_last().unwrap();
        for name in from {
            let to = if *to == "./" { name } else { to };
            copy(&repository().join(name), &folder.path().join(to));
        }
    }
    // Cargo finds every target and every member of the workspace.
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--locked", "--offline", "--format-version", "1"]).current_dir(folder.path());
    let found = command.output().unwrap();
    assert!(found.status.success(), "{}", printed(&found));
    // Every file that the sources contain is there.
    let mut left = vec![folder.path().join("src")];
    let mut included = 0;
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|end| end == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            for (at, macro_name) in source.match_indices("include_str!(\"") {
                let name = source[at + macro_name.len()..].split('"').next().unwrap();
                assert!(path.parent().unwrap().join(name).exists(), "{name} of {}", path.display());
                included += 1;
            }
        }
    }
    assert!(included > 10, "the files were found: {included}");
    let last_stage = text.rsplit("\nFROM ").next().unwrap();
    for line in ["USER 7400:7400", "STOPSIGNAL SIGTERM", "VOLUME [\"/var/lib/levelgate\"]"] {
        assert!(last_stage.lines().any(|known| known == line), "{line}");
    }
    // The health check is a command of the program.
    assert!(last_stage.contains("CMD [\"/usr/bin/levelgate\", \"health\"]"), "{last_stage}");
}
