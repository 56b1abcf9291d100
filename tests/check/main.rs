//! `levelgate check`: golden files with a configuration folder, the printed text and the exit status.
//!
//! Each file under `tests/check/` is one case: the files of a configuration, each after a line `>>> NAME`, then a line
//! `<<< check ARGUMENTS` and what the command prints. With `UPDATE_GOLDEN=1` the printed part is written anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};
use support::process::program;

/// One case.
struct Case {
    /// The part of the file before the printed text.
    given: String,
    files: Vec<(String, String)>,
    arguments: Vec<String>,
    printed: String,
}

fn read(path: &Path) -> Case {
    let text = fs::read_to_string(path).unwrap();
    let mark = text.find("<<< check").unwrap_or_else(|| panic!("{}: no line `<<< check`", path.display()));
    let (given, rest) = text.split_at(mark);
    let (command, printed) = rest.split_once('\n').unwrap_or((rest, ""));
    let files = given.split(">>> ").skip(1).map(|file| {
        let (name, content) = file.split_once('\n').unwrap();
        (name.to_owned(), content.to_owned())
    });
    let mut files: Vec<(String, String)> = files.collect();
    // Most cases are about other files; a folder without this one is refused.
    if !files.iter().any(|(name, _)| name == "levelgate.toml") {
        files.push(("levelgate.toml".to_owned(), String::new()));
    }
    Case {
        given: given.to_owned(),
        files,
        arguments: command.split_whitespace().skip(2).map(str::to_owned).collect(),
        printed: printed.to_owned(),
    }
}

/// What the command prints about a folder `config` in the working directory, and its exit status.
fn check(files: &[(String, String)], arguments: &[String]) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("config")).unwrap();
    for (name, content) in files {
        let path = folder.path().join("config").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        if name.ends_with(".key") || name.ends_with(".token") {
            // A key or a token that others can read gets a warning that names its mode.
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
    run(folder.path(), arguments)
}

fn run(folder: &Path, arguments: &[String]) -> String {
    let output = program().arg("check").args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let status = output.status.code().map_or("a signal".to_owned(), |code| code.to_string());
    format!("{}{}exit status {status}\n", text(&output.stdout), text(&output.stderr))
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    paths
}

#[test]
fn golden_cases_print_the_expected_text() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut different = Vec::new();
    let paths = cases();
    for path in &paths {
        let case = read(path);
        let printed = check(&case.files, &case.arguments);
        if printed == case.printed {
            continue;
        }
        if update {
            let command = [vec!["<<< check".to_owned()], case.arguments].concat().join(" ");
            fs::write(path, format!("{}{command}\n{printed}", case.given)).unwrap();
        }
        different.push(format!("--- {}\nwanted:\n{}\nprinted:\n{printed}", path.display(), case.printed));
    }
    assert!(paths.len() >= 10, "the cases are in tests/check/");
    assert!(update || different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn sample_configuration_is_valid_in_strict_mode() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let printed = run(root, &["config".to_owned(), "--strict".to_owned()]);
    assert!(printed.starts_with("config: valid: 2 merchants, no problems, version "), "{printed}");
    assert!(printed.ends_with("exit status 0\n"), "{printed}");
    let estimate = printed.lines().find(|line| line.starts_with("acme: ")).unwrap_or_else(|| panic!("{printed}"));
    assert!(estimate.contains("stay in memory for 98 days: each one a second costs "), "{estimate}");
}

#[test]
fn missing_folder_is_an_error() {
    let printed = run(tempfile::tempdir().unwrap().path(), &["nowhere".to_owned()]);
    assert!(printed.contains("there is no such configuration folder"), "{printed}");
    assert!(printed.contains("--> nowhere") && printed.ends_with("exit status 1\n"), "{printed}");
}

#[test]
fn a_folder_without_levelgate_toml_is_refused_unless_an_option_states_the_defaults() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    fs::create_dir_all(config.join("merchants")).unwrap();
    fs::copy(root.join("config/merchants/acme.toml"), config.join("merchants/acme.toml")).unwrap();
    let check = |arguments: &[&str]| {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        run(folder.path(), &arguments)
    };
    let refused = check(&["config"]);
    assert!(refused.contains("with the data folder data and no tokens"), "{refused}");
    assert!(refused.contains("--> config/levelgate.toml") && refused.contains("--default-settings"), "{refused}");
    assert!(refused.ends_with("exit status 1\n"), "{refused}");
    let stated = check(&["config", "--default-settings"]);
    assert!(stated.ends_with("exit status 0\n"), "{stated}");
    let differs = check(&["--diff", "config", "config"]);
    assert!(differs.contains("the file is missing") && differs.ends_with("exit status 1\n"), "{differs}");
    fs::write(config.join("levelgate.toml"), "").unwrap();
    let empty = check(&["config"]);
    assert!(empty.ends_with("exit status 0\n"), "an empty file states the defaults too: {empty}");
    let contradiction = check(&["config", "--default-settings"]);
    assert!(contradiction.contains("--default-settings states that there is none"), "{contradiction}");
    assert!(contradiction.ends_with("exit status 1\n"), "{contradiction}");
}

#[test]
fn all_problems_of_a_file_are_printed_at_once() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check/many-at-once.txt");
    let case = read(&path);
    let printed = check(&case.files, &case.arguments);
    let wrong = case.given.lines().filter(|line| line.contains("# wrong")).count();
    let reported = printed.lines().filter(|line| line.starts_with("error: ")).count();
    assert!(wrong >= 12, "{wrong}");
    assert_eq!(reported, wrong, "{printed}");
}

/// Runs `levelgate init` in a folder.
fn init(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = program().arg("init").args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn what_init_writes_is_valid_even_strictly_and_a_daemon_starts_on_it() {
    for mode in ["payment_gateway", "crm"] {
        let folder = tempfile::tempdir().unwrap();
        let (status, printed, error_text) = init(folder.path(), &["config", "--mode", mode]);
        assert_eq!((status, error_text.as_str()), (Some(0), ""), "{mode}");
        assert!(printed.contains("levelgate serve --config config"), "{printed}");
        let merchant = fs::read_to_string(folder.path().join("config/merchants/acme.toml")).unwrap();
        assert!(merchant.contains(&format!("operation_mode = \"{mode}\"")) && !merchant.contains('@'), "{merchant}");
        let checked = run(folder.path(), &["config".to_owned(), "--strict".to_owned()]);
        assert!(checked.starts_with("config: valid: 1 merchant, no problems, version "), "{mode}: {checked}");
        let file = folder.path().join("config/levelgate.toml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replacen("127.0.0.1:7400", "127.0.0.1:0", 1)).unwrap();
        let mut daemon = program()
            .args(["serve", "--config", "config"])
            .current_dir(folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(daemon.stderr.take().unwrap()).lines().map(Result::unwrap);
        let is_listening = lines.any(|line| line.contains("listening on http://"));
        daemon.kill().unwrap();
        daemon.wait().unwrap();
        assert!(is_listening, "{mode}");
    }
}

#[test]
fn init_changes_no_folder_that_contains_something() {
    for (name, named) in [("levelgate.toml", "levelgate.toml"), ("merchants/x.toml", "merchants"), ("notes", "notes")] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "mine").unwrap();
        let (status, printed, error_text) = init(folder.path(), &["config"]);
        assert_eq!((status, printed.as_str()), (Some(1), ""));
        assert!(error_text.contains(&format!("config/{named} exists")), "{error_text}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        assert_eq!(fs::read_dir(folder.path().join("config")).unwrap().count(), 1);
    }
}
