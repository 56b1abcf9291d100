//! Commands to a daemon that runs: what an operator would otherwise send with curl.

use anyhow::Context;
use serde::de::DeserializeOwned;
use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

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
    Ok(call(&options.url, options.token_file.as_deref(), path, io::empty())?.say())
}

/// What a daemon has said.
pub(super) struct Answer {
    url: String,
    status: u16,
    body: String,
}

impl Answer {
    /// Whether the same may be sent again a moment later.
    pub(super) fn asks_again(&self) -> bool {
        matches!(self.status, 429 | 503)
    }

    /// What was done, or what the problem document says where it was refused; `None`: it is neither.
    pub(super) fn read<Done: DeserializeOwned, Problem: DeserializeOwned>(&self) -> Option<Result<Done, Problem>> {
        if self.is_done() {
            return serde_json::from_str(&self.body).ok().map(Ok);
        }
        serde_json::from_str(&self.body).ok().map(Err)
    }

    fn is_done(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Prints it.
    pub(super) fn say(&self) -> ExitCode {
        if self.is_done() {
            super::say!("{}", self.body);
            return ExitCode::SUCCESS;
        }
        eprintln!("levelgate: {} refused: {}", self.url, self.body);
        ExitCode::FAILURE
    }
}

/// Posts a body to a daemon.
pub(super) fn call(
    url: &str,
    token_file: Option<&Path>,
    path: &str,
    body: impl Read + 'static,
) -> anyhow::Result<Answer> {
    let url = format!("{}{path}", url.trim_end_matches('/'));
    let mut request = agent().post(&url);
    if let Some(token) = token(token_file)? {
        request = request.header("authorization", token);
    }
    let answer = request.send(ureq::SendBody::from_owned_reader(body));
    heard(url.clone(), &mut answer.with_context(|| format!("no answer from {url}"))?)
}

/// Whether a call failed on its way, so that it may be tried again: nobody listens, or the connection broke.
pub(super) fn may_pass(error: &anyhow::Error) -> bool {
    use ureq::Error::{ConnectionFailed, HostNotFound, Io, Protocol, Timeout};
    let on_the_way =
        |error: &ureq::Error| matches!(error, ConnectionFailed | HostNotFound | Io(_) | Protocol(_) | Timeout(_));
    error.downcast_ref().is_some_and(on_the_way)
}

/// Reads what is at a path; `None`: nothing, or no answer.
pub(super) fn look(url: &str, token_file: Option<&Path>, path: &str) -> Option<String> {
    let mut request = agent().get(format!("{}{path}", url.trim_end_matches('/')));
    if let Some(token) = token(token_file).ok()? {
        request = request.header("authorization", token);
    }
    let mut answer = request.call().ok().filter(|answer| answer.status().is_success())?;
    answer.body_mut().read_to_string().ok()
}

/// Fetches what is at a path and writes it; prints what the daemon says where it refuses. Says whether it is
/// written.
pub(super) fn fetch(url: &str, token_file: Option<&Path>, path: &str, output: &mut dyn Write) -> anyhow::Result<bool> {
    let url = format!("{}{path}", url.trim_end_matches('/'));
    let mut request = agent().get(&url);
    if let Some(token) = token(token_file)? {
        request = request.header("authorization", token);
    }
    let mut answer = request.call().with_context(|| format!("no answer from {url}"))?;
    if !answer.status().is_success() {
        heard(url, &mut answer)?.say();
        return Ok(false);
    }
    io::copy(&mut answer.body_mut().as_reader(), output).with_context(|| format!("half an answer from {url}"))?;
    output.flush().context("the table could not be written")?;
    Ok(true)
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().into()
}

fn token(file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let Some(file) = file else { return Ok(None) };
    let token = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Some(format!("Bearer {}", token.trim())))
}

fn heard(url: String, answer: &mut ureq::http::Response<ureq::Body>) -> anyhow::Result<Answer> {
    let body = answer.body_mut().read_to_string().with_context(|| format!("half an answer from {url}"))?;
    Ok(Answer { url, status: answer.status().as_u16(), body })
}
