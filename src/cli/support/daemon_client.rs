//! Requests to a running daemon.

use crate::cli::support::print::print_line;
use anyhow::Context;
use serde::de::DeserializeOwned;
use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};

/// The timeout of a request. A snapshot of a large state takes minutes.
const TIMEOUT: Duration = Duration::from_secs(600);

/// The address of a daemon.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct DaemonAddress {
    /// The address of the daemon
    #[arg(long, value_name = "URL", env = "LEVELGATE_URL", default_value = "http://127.0.0.1:7400")]
    url: String,
    /// A file with an operator's token
    #[arg(long, value_name = "FILE", env = "LEVELGATE_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// A PEM file with the authority of the daemon's certificate, for an https URL [default: those that the machine trusts]
    #[arg(long, value_name = "FILE", env = "LEVELGATE_CA")]
    ca: Option<PathBuf>,
}

impl DaemonAddress {
    /// Posts an empty body and prints the answer.
    pub(in crate::cli) fn post_and_print(&self, path: &str) -> anyhow::Result<ExitCode> {
        let files = ClientFiles { token_file: self.token_file.as_deref(), ca: self.ca.as_deref() };
        Ok(post(&self.url, files, path, io::empty())?.print())
    }
}

/// The files that a request to a daemon needs.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::cli) struct ClientFiles<'a> {
    /// The file with the token; `None`: the request has none.
    pub(in crate::cli) token_file: Option<&'a Path>,
    /// The authority of the daemon's certificate; `None`: those that the machine trusts.
    pub(in crate::cli) ca: Option<&'a Path>,
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
    files: ClientFiles<'_>,
    path: &str,
    body: impl Read + 'static,
) -> anyhow::Result<Answer> {
    let agent = agent(url, files.ca)?;
    let url = join(url, path);
    let mut request = agent.post(&url);
    if let Some(token) = authorization(files.token_file)? {
        request = request.header("authorization", token);
    }
    let answer = request.send(ureq::SendBody::from_owned_reader(body));
    read_answer(url.clone(), &mut answer.with_context(|| format!("no answer from {url}"))?)
}

/// Whether a request failed on its way and can be sent again: no connection, or a connection that broke.
pub(in crate::cli) fn is_retryable(error: &anyhow::Error) -> bool {
    use ureq::Error::{ConnectionFailed, HostNotFound, Io, Protocol, Timeout};
    let is_transport =
        |error: &ureq::Error| matches!(error, ConnectionFailed | HostNotFound | Io(_) | Protocol(_) | Timeout(_));
    error.downcast_ref().is_some_and(is_transport)
}

/// Gets a text; `None`: it does not exist, or the daemon does not answer.
pub(in crate::cli) fn get(url: &str, files: ClientFiles<'_>, path: &str) -> Option<String> {
    let mut request = agent(url, files.ca).ok()?.get(join(url, path));
    if let Some(token) = authorization(files.token_file).ok()? {
        request = request.header("authorization", token);
    }
    let mut answer = request.call().ok().filter(|answer| answer.status().is_success())?;
    answer.body_mut().read_to_string().ok()
}

/// Copies a file of the daemon to `output`. Prints a refusal and returns false.
///
/// # Errors
/// The token file cannot be read, the daemon does not answer completely, or the output cannot be written.
pub(in crate::cli) fn download(
    url: &str,
    files: ClientFiles<'_>,
    path: &str,
    output: &mut dyn Write,
) -> anyhow::Result<bool> {
    let agent = agent(url, files.ca)?;
    let url = join(url, path);
    let mut request = agent.get(&url);
    if let Some(token) = authorization(files.token_file)? {
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

fn agent(url: &str, ca: Option<&Path>) -> anyhow::Result<ureq::Agent> {
    let mut builder = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(TIMEOUT));
    if url.starts_with("https:") {
        let roots = RootCerts::Specific(Arc::new(authorities(ca)?));
        builder = builder.tls_config(TlsConfig::builder().root_certs(roots).build());
    }
    Ok(builder.build().into())
}

/// The authorities of a file, else those that the machine trusts.
fn authorities(ca: Option<&Path>) -> anyhow::Result<Vec<Certificate<'static>>> {
    let Some(path) = ca else {
        let trusted = rustls_native_certs::load_native_certs().certs;
        anyhow::ensure!(
            !trusted.is_empty(),
            "this machine trusts no authority; name that of the daemon's certificate by --ca or LEVELGATE_CA"
        );
        return Ok(trusted.iter().map(|one| Certificate::from_der(one).to_owned()).collect());
    };
    let shown = path.display();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {shown}, the file of --ca"))?;
    let read = ureq::tls::parse_pem(&bytes).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    });
    let read = read.collect::<Result<Vec<_>, _>>().with_context(|| format!("{shown}, the file of --ca, is no PEM"))?;
    anyhow::ensure!(!read.is_empty(), "{shown}, the file of --ca, contains no certificate in PEM");
    Ok(read)
}

fn authorization(token_file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let Some(file) = token_file else { return Ok(None) };
    let token = std::fs::read_to_string(file).with_context(|| {
        format!(
            "cannot read the token file {}; name a file that contains an operator's token, and that you may read, by \
             --token-file or LEVELGATE_TOKEN_FILE",
            file.display()
        )
    })?;
    Ok(Some(format!("Bearer {}", token.trim())))
}

fn read_answer(url: String, answer: &mut ureq::http::Response<ureq::Body>) -> anyhow::Result<Answer> {
    let body = answer.body_mut().read_to_string().with_context(|| incomplete(&url))?;
    Ok(Answer { url, status: answer.status().as_u16(), body })
}

fn incomplete(url: &str) -> String {
    format!("the answer from {url} is incomplete")
}
