//! The daemon that is measured: one that the bench starts, or a running one with a merchant that is reserved for it.

use crate::cli::{
    bench::{
        child::{DaemonOrder, MERCHANT_ID, OwnDaemon},
        connection::{ServerAddress, TlsClient},
        report::MemoryReport,
        requests::Endpoint,
        session::{LoadSettings, Session},
    },
    support::{client_files::ClientFiles, daemon_client},
};
use crate::daemon::random::random_u64;
use anyhow::Context;
use rustls::pki_types::ServerName;
use serde_json::Value;
use std::{fs, path::Path, sync::Arc};

/// Bytes of the journal that a daemon keeps in memory for readers of the journal.
const JOURNAL_TAIL_BYTES: u64 = 64 << 20;

/// The socket of a daemon that the bench starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SocketChoice {
    Tcp,
    Unix,
}

/// Starts a daemon.
///
/// # Errors
/// It does not start.
pub(super) fn start_own(
    order: DaemonOrder,
    socket: SocketChoice,
    load: &LoadSettings,
) -> anyhow::Result<(OwnDaemon, Session)> {
    let daemon = OwnDaemon::start(order)?;
    let unix_socket = (socket == SocketChoice::Unix).then(|| daemon.unix_socket());
    let endpoint = Endpoint {
        address: ServerAddress { unix_socket, ..ServerAddress::plain(daemon.process.address.clone()) },
        merchant: MERCHANT_ID.to_owned(),
        token: None,
        prefix: String::new(),
    };
    let session = Session::new(endpoint, Some(daemon.process.id()), load.clone());
    Ok((daemon, session))
}

/// Reserves `rounds` transactions of each customer. Returns what they take in memory, from two rounds on.
///
/// # Errors
/// The daemon refuses a reserve, or has ended.
pub(super) fn fill_own(
    daemon: &OwnDaemon,
    session: &mut Session,
    customers: u32,
    rounds: u32,
) -> anyhow::Result<Option<MemoryReport>> {
    let journal = || folder_bytes(&daemon.folder().join("data").join("journal"));
    // The daemon keeps the newest records of the journal in memory.
    let state_bytes =
        || Ok::<u64, anyhow::Error>(daemon.process.resident_bytes()?.saturating_sub(journal().min(JOURNAL_TAIL_BYTES)));
    if rounds == 0 {
        return Ok(None);
    }
    let before = (state_bytes()?, journal());
    session.fill()?;
    let first = state_bytes()?;
    for _ in 1..rounds {
        session.fill()?;
    }
    let (last, written) = (state_bytes()?, journal().saturating_sub(before.1));
    if rounds == 1 {
        return Ok(None);
    }
    let customers_u64 = u64::from(customers);
    let transaction_bytes = last.saturating_sub(first) / (customers_u64 * u64::from(rounds - 1));
    let first_bytes = first.saturating_sub(before.0) / customers_u64;
    Ok(Some(MemoryReport {
        customer_bytes: first_bytes.saturating_sub(transaction_bytes),
        transaction_bytes,
        journal_bytes: written / (customers_u64 * u64::from(rounds)),
        customers,
        transactions_each: rounds,
    }))
}

/// The bytes of all files of a folder; zero if there is none.
fn folder_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file).map(|file| file.len()).sum()
}

/// A running daemon, as the arguments name it.
#[derive(Debug)]
pub(super) struct RemoteOrder<'a> {
    pub(super) url: &'a str,
    pub(super) files: &'a ClientFiles,
    pub(super) merchant: &'a str,
    pub(super) pid: Option<u32>,
}

/// Checks that the merchant is reserved for benches.
///
/// # Errors
/// The daemon does not answer, or the merchant is not marked.
pub(super) fn open_remote(order: &RemoteOrder<'_>, load: &LoadSettings) -> anyhow::Result<Session> {
    let RemoteOrder { url, files, merchant, pid } = *order;
    let address = server_address(url, files)?;
    let answer = daemon_client::get(url, files, &format!("/v1/merchants/{merchant}"))?;
    anyhow::ensure!(answer.is_done(), "{url} does not show the merchant {merchant}: {}", answer.refusal());
    let document: Value = serde_json::from_str(answer.body()).context("the daemon's answer is not JSON")?;
    anyhow::ensure!(
        document["benchmark"] == Value::Bool(true),
        "the merchant {merchant} is not reserved for benches: the bench records payments of made-up customers, so the \
         merchant's file must contain `benchmark = true` (levelgate bench --print-merchant prints such a file)"
    );
    let endpoint = Endpoint {
        address,
        merchant: merchant.to_owned(),
        token: files.token()?,
        // No customer and no transaction of an earlier bench.
        prefix: format!("b{:08x}-", random_u64()? >> 32),
    };
    Ok(Session::new(endpoint, pid, load.clone()))
}

/// The address of a URL without a path.
fn server_address(url: &str, files: &ClientFiles) -> anyhow::Result<ServerAddress> {
    let wrong = || format!("{url} is neither http://HOST:PORT nor https://HOST:PORT, which the bench needs");
    let (scheme, authority) = url.trim_end_matches('/').split_once("://").with_context(wrong)?;
    anyhow::ensure!(!authority.is_empty() && !authority.contains('/'), wrong());
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => anyhow::bail!(wrong()),
    };
    // The address of IPv6 is in brackets.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse::<u16>().ok().with_context(wrong)?),
        _ => (authority, default_port),
    };
    let tls = match scheme {
        "https" => {
            let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            let name = ServerName::try_from(name).with_context(wrong)?;
            Some(TlsClient { config: Arc::new(files.rustls_config()?), name })
        }
        _ => None,
    };
    Ok(ServerAddress { host_port: format!("{host}:{port}"), unix_socket: None, tls })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_without_a_path_are_addresses() {
        let address = |url| server_address(url, &ClientFiles::default()).map(|address| address.host_port).ok();
        for (url, expected) in [
            ("http://127.0.0.1:7400", Some("127.0.0.1:7400")),
            ("http://levelgate.internal/", Some("levelgate.internal:80")),
            ("http://[::1]:7400", Some("[::1]:7400")),
            ("http://[::1]", Some("[::1]:80")),
            ("http://a/b", None),
            ("http://a:b", None),
            ("http://", None),
            ("ftp://a", None),
            ("a:7400", None),
        ] {
            assert_eq!(address(url).as_deref(), expected, "{url}");
        }
    }
}
