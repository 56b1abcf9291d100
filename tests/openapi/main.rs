//! The API by its description: Schemathesis sends generated calls to every operation and compares each answer with the
//! OpenAPI document, and a client that openapi-python-client generates from the document makes payments.
//!
//! `LEVELGATE_SEED` chooses what is generated.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod answers;
mod bodies;
mod schema;
mod world;

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use support::daemon::{ConfigFolder, Daemon, Settings};

const ROLES: [&str; 3] = ["gateway", "viewer", "operator"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn token_of(role: &str) -> String {
    format!("token-{role}-0123456789abcdef")
}

/// A daemon on the merchants and the rates of the sample configuration, with a token of each role for all merchants.
fn start() -> Daemon {
    let settings = Settings { store: "kind = \"disk\"\npath = \"data\"\nsync = \"never\"", ..Settings::SYSTEM };
    let sample = |name: &str| fs::read_to_string(root().join("config").join(name)).unwrap();
    let merchants = [("acme", sample("merchants/acme.toml")), ("globex", sample("merchants/globex.toml"))];
    let folder = ConfigFolder::new(&settings, &merchants);
    folder.write("rates.toml", &sample("rates.toml"));
    let mut text = settings.text() + "\n[auth]\ntokens = [\n";
    for role in ROLES {
        folder.write(&format!("{role}.token"), &token_of(role));
        let file = folder.path().join(format!("{role}.token")).display().to_string();
        text += &format!("  {{ role = {role:?}, token_file = {file:?} }},\n");
    }
    folder.write("levelgate.toml", &(text + "]\n"));
    Daemon::start(folder)
}

/// A daemon on the sample configuration without tokens.
fn start_open() -> Daemon {
    let sample = |name: &str| fs::read_to_string(root().join("config").join(name)).unwrap();
    let merchants = [("acme", sample("merchants/acme.toml")), ("globex", sample("merchants/globex.toml"))];
    let folder = ConfigFolder::new(&Settings::SYSTEM, &merchants);
    folder.write("rates.toml", &sample("rates.toml"));
    Daemon::start(folder)
}

/// The folder of the programs. They are installed once.
fn programs() -> &'static Path {
    static VENV: OnceLock<PathBuf> = OnceLock::new();
    VENV.get_or_init(|| {
        let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openapi-venv");
        let installed = Command::new(root().join("tests/openapi/install")).arg(&venv).status().expect("bash");
        assert!(installed.success(), "python3 with venv and pip are needed; tests/run installs them");
        venv.join("bin")
    })
}

/// Runs a program of the virtual environment, which must succeed.
#[track_caller]
fn run(program: &str, folder: &Path, arguments: &[&OsStr]) {
    let output = Command::new(programs().join(program)).args(arguments).current_dir(folder).output().unwrap();
    let shown = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{program} {arguments:?}:\n{shown}");
}

fn url(daemon: &Daemon) -> String {
    format!("http://127.0.0.1:{}", daemon.port())
}

#[test]
fn generated_calls_get_only_answers_of_the_document() {
    let (daemon, folder) = (start(), tempfile::tempdir().unwrap());
    let seed = env::var("LEVELGATE_SEED").unwrap_or_else(|_| "1".to_owned());
    let script = root().join("tests/openapi/fuzz.py");
    let mut arguments = vec![script.into_os_string(), url(&daemon).into(), seed.into()];
    arguments.extend(ROLES.map(|role| token_of(role).into()));
    let arguments: Vec<&OsStr> = arguments.iter().map(AsRef::as_ref).collect();
    run("python", folder.path(), &arguments);
    let log = daemon.log();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn a_generated_client_reserves_approves_and_is_denied() {
    let (daemon, folder) = (start(), tempfile::tempdir().unwrap());
    let document = folder.path().join("openapi.json");
    fs::write(&document, daemon.get("/openapi.json").body).unwrap();
    let settings = root().join("tests/openapi/client.yaml");
    let words = ["generate", "--meta", "none", "--output-path", "levelgate_client", "--config"].map(OsStr::new);
    let paths = [settings.as_os_str(), OsStr::new("--path"), document.as_os_str()];
    run("openapi-python-client", folder.path(), &[words.as_slice(), &paths].concat());
    let script = root().join("tests/openapi/client.py");
    let (url, token) = (url(&daemon), token_of("gateway"));
    let arguments = [script.as_os_str(), folder.path().as_os_str(), url.as_ref(), token.as_ref()];
    run("python", folder.path(), &arguments);
}
