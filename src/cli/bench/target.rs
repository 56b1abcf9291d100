//! The daemon that is measured: one that the bench starts, or a running one with a merchant that is reserved for it.

use crate::cli::{
    bench::{
        child::{DaemonOrder, MERCHANT_ID, OwnDaemon},
        report::MemoryReport,
        requests::Endpoint,
        session::{LoadSettings, Session},
    },
    support::daemon_client::{self, ClientFiles},
};
use crate::daemon::random::random_u64;
use anyhow::Context;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Bytes of the journal that a daemon keeps in memory for readers of the journal.
const JOURNAL_TAIL_BYTES: u64 = 64 << 20;

/// Starts a daemon.
///
/// # Errors
/// It does not start.
pub(super) fn start_own(order: DaemonOrder, load: &LoadSettings) -> anyhow::Result<(OwnDaemon, Session)> {
    let daemon = OwnDaemon::start(order)?;
    let endpoint = Endpoint {
        address: daemon.process.address.clone(),
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
    pub(super) token_file: Option<&'a PathBuf>,
    pub(super) merchant: &'a str,
    pub(super) pid: Option<u32>,
}

/// Checks that the merchant is reserved for benches.
///
/// # Errors
/// The daemon does not answer, or the merchant is not marked.
pub(super) fn open_remote(order: &RemoteOrder<'_>, load: &LoadSettings) -> anyhow::Result<Session> {
    let RemoteOrder { url, token_file, merchant, pid } = *order;
    let address = url.trim_end_matches('/').strip_prefix("http://").filter(|address| !address.contains('/'));
    let address = address.with_context(|| format!("{url} is not http://HOST:PORT, which the bench needs"))?;
    let address = if address.contains(':') { address.to_owned() } else { format!("{address}:80") };
    let token_file = token_file.map(PathBuf::as_path);
    let files = ClientFiles { token_file, ca: None };
    let document = daemon_client::get(url, files, &format!("/v1/merchants/{merchant}")).with_context(|| {
        format!("{url} does not show the merchant {merchant}: it does not answer, has no such merchant, or refuses the token")
    })?;
    let document: Value = serde_json::from_str(&document).context("the daemon's answer is not JSON")?;
    anyhow::ensure!(
        document["benchmark"] == Value::Bool(true),
        "the merchant {merchant} is not reserved for benches: the bench records payments of made-up customers, so the \
         merchant's file must contain `benchmark = true` (levelgate bench --print-merchant prints such a file)"
    );
    let token = token_file.map(fs::read_to_string).transpose().context("the token file cannot be read")?;
    let endpoint = Endpoint {
        address,
        merchant: merchant.to_owned(),
        token: token.map(|token| token.trim().to_owned()),
        // No customer and no transaction of an earlier bench.
        prefix: format!("b{:08x}-", random_u64()? >> 32),
    };
    Ok(Session::new(endpoint, pid, load.clone()))
}
