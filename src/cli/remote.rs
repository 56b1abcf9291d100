//! Commands to a daemon that runs: what an operator would otherwise send with curl.

use anyhow::Context;
use std::{path::PathBuf, process::ExitCode, time::Duration};

/// How long a daemon may take: a snapshot of a large state takes a while.
const PATIENCE: Duration = Duration::from_secs(600);

/// Which daemon.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Where it listens
    #[arg(long, value_name = "URL", env = "LEVELGATE_URL", default_value = "http://127.0.0.1:7400")]
    url: String,
    /// A file with an operator's token
    #[arg(long, value_name = "FILE", env = "LEVELGATE_TOKEN_FILE")]
    token_file: Option<PathBuf>,
}

/// Has the daemon take a snapshot.
pub(super) fn snapshot(options: &Options) -> anyhow::Result<ExitCode> {
    tell(options, "/v1/snapshot")
}

/// Has the daemon read its configuration again.
pub(super) fn reload(options: &Options) -> anyhow::Result<ExitCode> {
    tell(options, "/v1/reload")
}

/// Posts to the daemon and prints what it says; fails where it refuses.
fn tell(options: &Options, path: &str) -> anyhow::Result<ExitCode> {
    let url = format!("{}{path}", options.url.trim_end_matches('/'));
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().into();
    let mut request = agent.post(&url);
    if let Some(file) = &options.token_file {
        let token = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        request = request.header("authorization", format!("Bearer {}", token.trim()));
    }
    let mut answer = request.send_empty().with_context(|| format!("no answer from {url}"))?;
    let body = answer.body_mut().read_to_string().with_context(|| format!("half an answer from {url}"))?;
    if answer.status().is_success() {
        super::say!("{body}");
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("levelgate: {url} refused: {body}");
    Ok(ExitCode::FAILURE)
}
