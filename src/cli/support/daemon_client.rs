//! Requests to a running daemon.

use crate::cli::support::{client_files::ClientFiles, print::print_line};
use anyhow::Context;
use serde::de::DeserializeOwned;
use std::{
    io::{self, Read, Write},
    process::ExitCode,
    time::Duration,
};

/// The timeout of a request. A snapshot of a large state takes minutes.
const TIMEOUT: Duration = Duration::from_secs(600);

/// The timeout of the question whether a daemon is ready.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

/// The address of a daemon.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct DaemonAddress {
    /// The address of the daemon
    #[arg(long, value_name = "URL", env = "LEVELGATE_URL", default_value = "http://127.0.0.1:7400")]
    url: String,
    #[command(flatten)]
    files: ClientFiles,
}

impl DaemonAddress {
    /// Posts an empty body and prints the answer.
    pub(in crate::cli) fn post_and_print(&self, path: &str) -> anyhow::Result<ExitCode> {
        Ok(post(&self.url, &self.files, path, io::empty())?.print())
    }

    /// Gets a short answer and prints it.
    pub(in crate::cli) fn get_and_print(&self, path: &str) -> anyhow::Result<ExitCode> {
        Ok(get_within(&self.url, &self.files, path, HEALTH_TIMEOUT)?.print())
    }
}

/// The answer of a daemon.
pub(in crate::cli) struct Answer {
    url: String,
    status: u16,
    body: String,
}

impl Answer {
    /// Whether the same request may succeed later.
    pub(in crate::cli) fn is_retryable(&self) -> bool {
        matches!(self.status, 429 | 503)
    }

    /// The result, or the problem document of a refusal; `None`: the body is neither.
    pub(in crate::cli) fn read<Done: DeserializeOwned, Problem: DeserializeOwned>(
        &self,
    ) -> Option<Result<Done, Problem>> {
        if self.is_done() {
            return serde_json::from_str(&self.body).ok().map(Ok);
        }
        serde_json::from_str(&self.body).ok().map(Err)
    }

    /// Whether the request was done.
    pub(in crate::cli) fn is_done(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body.
    pub(in crate::cli) fn body(&self) -> &str {
        &self.body
    }

    /// Why the request was refused.
    pub(in crate::cli) fn refusal(&self) -> String {
        match serde_json::from_str(&self.body) {
            Ok(RefusedRequest { detail, .. }) => detail,
            Err(_) => format!("status {}: {}", self.status, self.body),
        }
    }

    /// Prints the body.
    pub(in crate::cli) fn print(&self) -> ExitCode {
        if self.is_done() {
            print_line!("{}", self.body);
            return ExitCode::SUCCESS;
        }
        match serde_json::from_str(&self.body) {
            Ok(refused) => print_refusal(&self.url, &refused),
            Err(_) => eprintln!("levelgate: {} refused with status {}: {}", self.url, self.status, self.body),
        }
        ExitCode::FAILURE
    }
}

/// The parts of a problem document that explain it.
#[derive(serde::Deserialize)]
struct RefusedRequest {
    detail: String,
    #[serde(default)]
    problems: Vec<String>,
    #[serde(default)]
    warnings: Vec<String>,
}

/// Prints a refusal in the words of `check`: every problem, then the result.
fn print_refusal(url: &str, refused: &RefusedRequest) {
    let RefusedRequest { detail, problems, warnings } = refused;
    // Each one names its severity.
    problems.iter().chain(warnings).for_each(|problem| eprintln!("{problem}"));
    eprintln!("levelgate: {url} refused: {detail}");
}

/// Posts a body.
///
/// # Errors
/// The token file cannot be read, or the daemon does not answer.
pub(in crate::cli) fn post(
    url: &str,
    files: &ClientFiles,
    path: &str,
    body: impl Read + 'static,
) -> anyhow::Result<Answer> {
    let agent = agent(url, files)?;
    let url = join(url, path);
    let mut request = agent.post(&url);
    if let Some(token) = authorization(files)? {
        request = request.header("authorization", token);
    }
    let answer = request.send(ureq::SendBody::from_owned_reader(body));
    read_answer(url.clone(), &mut answer.with_context(|| format!("no answer from {url}"))?)
}

/// Whether a request failed on its way and can be sent again: no connection, or a connection that broke.
pub(in crate::cli) fn is_retryable(error: &anyhow::Error) -> bool {
    use ureq::Error::{ConnectionFailed, HostNotFound, Io, Protocol, Timeout};
    let is_transport = |error: &ureq::Error| match error {
        // The daemon refuses the certificate of the client, or the client that of the daemon.
        Io(error) => error.kind() != io::ErrorKind::InvalidData,
        error => matches!(error, ConnectionFailed | HostNotFound | Protocol(_) | Timeout(_)),
    };
    error.downcast_ref().is_some_and(is_transport)
}

/// Gets an answer.
///
/// # Errors
/// The token file cannot be read, or the daemon does not answer.
pub(in crate::cli) fn get(url: &str, files: &ClientFiles, path: &str) -> anyhow::Result<Answer> {
    get_within(url, files, path, TIMEOUT)
}

fn get_within(url: &str, files: &ClientFiles, path: &str, time_max: Duration) -> anyhow::Result<Answer> {
    let agent = agent_with(url, files, time_max)?;
    let url = join(url, path);
    let mut request = agent.get(&url);
    if let Some(token) = authorization(files)? {
        request = request.header("authorization", token);
    }
    let answer = request.call();
    read_answer(url.clone(), &mut answer.with_context(|| format!("no answer from {url}"))?)
}

/// Copies a file of the daemon to `output`. Prints a refusal and returns false.
///
/// # Errors
/// The token file cannot be read, the daemon does not answer completely, or the output cannot be written.
pub(in crate::cli) fn download(
    url: &str,
    files: &ClientFiles,
    path: &str,
    output: &mut dyn Write,
) -> anyhow::Result<bool> {
    let agent = agent(url, files)?;
    let url = join(url, path);
    let mut request = agent.get(&url);
    if let Some(token) = authorization(files)? {
        request = request.header("authorization", token);
    }
    let mut answer = request.call().with_context(|| format!("no answer from {url}"))?;
    if !answer.status().is_success() {
        read_answer(url, &mut answer)?.print();
        return Ok(false);
    }
    io::copy(&mut answer.body_mut().as_reader(), output).with_context(|| incomplete(&url))?;
    output.flush().context("the table could not be written")?;
    Ok(true)
}

fn join(url: &str, path: &str) -> String {
    format!("{}{path}", url.trim_end_matches('/'))
}

fn agent(url: &str, files: &ClientFiles) -> anyhow::Result<ureq::Agent> {
    agent_with(url, files, TIMEOUT)
}

fn agent_with(url: &str, files: &ClientFiles, time_max: Duration) -> anyhow::Result<ureq::Agent> {
    let mut builder = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(time_max));
    if url.starts_with("https:") {
        builder = builder.tls_config(files.tls_config()?);
    }
    Ok(builder.build().into())
}

fn authorization(files: &ClientFiles) -> anyhow::Result<Option<String>> {
    Ok(files.token()?.map(|token| format!("Bearer {token}")))
}

fn read_answer(url: String, answer: &mut ureq::http::Response<ureq::Body>) -> anyhow::Result<Answer> {
    let body = answer.body_mut().read_to_string().with_context(|| incomplete(&url))?;
    Ok(Answer { url, status: answer.status().as_u16(), body })
}

fn incomplete(url: &str) -> String {
    format!("the answer from {url} is incomplete")
}
