//! Rules of the source tree that the compiler does not check: which room may import which, no circles, file sizes, and
//! where clocks and status codes are used.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::{
    fs,
    path::{Path, PathBuf},
};

mod circles;

/// The rooms that a room may name: all rooms below it. Only the program names `cli`.
const WALLS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("scheduling", &[]),
    ("config", &["domain", "scheduling"]),
    ("storage", &["domain", "scheduling"]),
    ("ledger", &["domain", "scheduling", "storage"]),
    ("replication", &["clock", "config", "domain", "scheduling", "storage", "telemetry"]),
    ("docs", &[]),
    ("clock", &["domain"]),
    ("telemetry", &["domain"]),
    ("service", &["clock", "config", "domain", "http", "ledger", "replication", "scheduling", "storage", "telemetry"]),
    (
        "http",
        &[
            "docs",
            "clock",
            "config",
            "domain",
            "ledger",
            "replication",
            "scheduling",
            "service",
            "storage",
            "telemetry",
        ],
    ),
    ("console", &["clock", "config", "domain", "scheduling", "service", "storage", "telemetry"]),
    (
        "daemon",
        &[
            "cli",
            "clock",
            "config",
            "console",
            "domain",
            "http",
            "ledger",
            "replication",
            "scheduling",
            "service",
            "storage",
            "telemetry",
        ],
    ),
    (
        "cli",
        &[
            "docs",
            "clock",
            "config",
            "console",
            "daemon",
            "domain",
            "http",
            "ledger",
            "replication",
            "scheduling",
            "service",
            "storage",
            "telemetry",
        ],
    ),
];

/// The most lines of a file before its tests.
const LINES_MAX: usize = 450;

struct Source {
    path: PathBuf,
    room: String,
    text: String,
}

impl Source {
    /// Whether the file contains only tests, which may use any room.
    fn is_tests(&self) -> bool {
        let inside = self.path.strip_prefix(root()).unwrap();
        inside.ends_with("tests.rs") || inside.components().any(|c| c.as_os_str() == "tests")
    }

    /// The lines before the tests, without comments, each with its number.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let all = if self.is_tests() { "" } else { &self.text };
        let lines = all.lines().enumerate().take_while(|(_, line)| !line.starts_with("#[cfg(test)]"));
        lines.map(|(n, line)| (n + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut paths = Vec::new();
    files(&src, "rs", &mut paths);
    assert!(paths.len() > 30, "the source files were not found");
    let source = |path: PathBuf| {
        let inside = path.strip_prefix(&src).unwrap();
        let room = inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
        Source { text: fs::read_to_string(&path).unwrap(), room, path }
    };
    paths.into_iter().map(source).collect()
}

fn report(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// The rooms that a line names with a path `crate::ROOM`.
fn rooms_named(line: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    line.match_indices("crate::").map(|(at, found)| word(&line[at + found.len()..])).filter(|w| !w.is_empty()).collect()
}

#[test]
fn rooms_import_only_what_their_table_allows() {
    let mut problems = Vec::new();
    for source in sources().iter().filter(|s| !matches!(s.room.as_str(), "lib" | "main")) {
        let walls = WALLS.iter().find(|(room, _)| *room == source.room);
        let Some((_, allowed)) = walls else {
            problems.push(format!("{}: the room is not in the table", source.path.display()));
            continue;
        };
        let mut inside_use = false;
        for (number, line) in source.code() {
            let mut named = rooms_named(line);
            // `use crate::{` names its rooms one level deep, each at the start of a line.
            if inside_use && line.starts_with("    ") && !line.starts_with("     ") {
                named.push(line.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
            }
            inside_use = (inside_use || line.starts_with("use crate::{")) && !line.contains("};");
            for room in named {
                let known = WALLS.iter().any(|(known, _)| *known == room);
                if known && room != source.room && !allowed.contains(&room.as_str()) {
                    problems.push(format!("{}:{number}: {} may not name {room}", source.path.display(), source.room));
                }
            }
        }
    }
    report(&problems);
}

#[test]
fn the_domain_uses_no_clock_no_io_no_task_no_log_and_no_float() {
    const FORBIDDEN: &[&str] = &[
        "SystemTime",
        "Instant::now",
        "std::fs",
        "std::net",
        "std::io",
        "tokio",
        "tracing",
        "serde",
        "axum",
        "async ",
        "getrandom",
        "f32",
        "f64",
        "println!",
        "std::env",
        "dashmap",
    ];
    let mut problems = Vec::new();
    for source in sources().iter().filter(|source| source.room == "domain") {
        for (number, line) in source.code() {
            for word in FORBIDDEN.iter().filter(|word| line.contains(**word)) {
                problems.push(format!("{}:{number}: the domain may not use `{word}`", source.path.display()));
            }
        }
    }
    report(&problems);
}

#[test]
fn one_file_reads_the_clock_and_one_names_status_codes() {
    let mut problems = Vec::new();
    for source in sources() {
        let name = source.path.file_name().unwrap().to_str().unwrap().to_owned();
        for (number, line) in source.code() {
            if line.contains("SystemTime") && name != "clock.rs" {
                problems.push(format!("{}:{number}: only src/clock.rs reads the wall clock", source.path.display()));
            }
            if line.contains("StatusCode::") && name != "problem.rs" {
                problems.push(format!("{}:{number}: only http/problem.rs names status codes", source.path.display()));
            }
        }
    }
    report(&problems);
}

#[test]
fn files_have_a_description_and_stay_small() {
    let mut problems = Vec::new();
    for source in sources() {
        if !source.text.starts_with("//!") {
            problems.push(format!("{}: does not begin with a description (`//!`)", source.path.display()));
        }
        let lines = source.text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
        if lines > LINES_MAX && !source.is_tests() {
            problems.push(format!("{}: {lines} lines before its tests", source.path.display()));
        }
    }
    report(&problems);
}

#[test]
fn every_dependency_has_a_reason() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (mut inside, mut dependencies, mut problems) = (false, 0, Vec::new());
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.contains("dependencies]");
        } else if inside && line.contains(" = ") && !line.starts_with('#') {
            dependencies += 1;
            if !line.contains(" # ") {
                problems.push(format!("Cargo.toml: {line}"));
            }
        }
    }
    assert!(dependencies > 20, "the dependencies were not found");
    report(&problems);
}

#[test]
fn the_top_level_contains_only_known_entries() {
    const KNOWN: &[&str] = &[
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE",
        "README.md",
        "benches",
        "config",
        "packaging",
        "src",
        "target",
        "tests",
        "data",
    ];
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name.starts_with('.') || KNOWN.contains(&name.as_str()), "{name} does not belong at the top level");
    }
}
