//! Processes that the bench starts: the daemon with a temporary folder, and the bare handler.

use crate::cli::bench::process_usage;
use anyhow::Context;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The file of the merchant that the bench pays.
pub(super) const MERCHANT: &str = include_str!("merchant.toml");
/// The id of that merchant.
pub(super) const MERCHANT_ID: &str = "bench";
/// How long a start may take.
const START_MAX: Duration = Duration::from_secs(60);

/// A child process that listens. It is killed when it is dropped.
#[derive(Debug)]
pub(super) struct ChildProcess {
    child: Child,
    /// `HOST:PORT`.
    pub(super) address: String,
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        // A process that has ended cannot be killed, which is no error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl ChildProcess {
    /// Starts this program with arguments, and waits until it logs where it listens.
    ///
    /// # Errors
    /// The program does not start or does not listen.
    pub(super) fn start(arguments: &[&std::ffi::OsStr]) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("the path of this program is not known")?;
        let mut command = Command::new(program);
        // The settings of the caller's own daemon do not apply.
        let own = std::env::vars_os().map(|(name, _)| name);
        own.filter(|name| name.to_string_lossy().starts_with("LEVELGATE_")).for_each(|name| {
            command.env_remove(name);
        });
        command.args(arguments).env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().context("the program cannot be started")?;
        let mut lines = child.stderr.take().map(BufReader::new).into_iter().flat_map(BufRead::lines);
        let mut log = Vec::new();
        let address = loop {
            let Some(Ok(line)) = lines.next() else {
                let _ = child.wait();
                anyhow::bail!("the program ended before it listened:\n{}", log.join("\n"));
            };
            if let Some((_, address)) = line.split_once("listening on http://") {
                break address.trim().to_owned();
            }
            log.push(line);
        };
        // The log is read to its end, so that the process never waits for a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, address })
    }

    /// The process id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The resident memory.
    ///
    /// # Errors
    /// The process has ended.
    pub(super) fn resident_bytes(&self) -> anyhow::Result<u64> {
        process_usage::resident_bytes(self.id())
    }
}

/// How the daemon stores its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum StoreChoice {
    /// On disk, synced every 100 ms
    Interval,
    /// On disk, synced before each answer
    Always,
    /// On disk, never synced
    Never,
    /// In memory only
    Memory,
}

impl StoreChoice {
    /// The name in arguments and tables.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Interval => "interval",
            Self::Always => "always",
            Self::Never => "never",
            Self::Memory => "memory",
        }
    }
}

/// The configuration of a daemon that the bench starts.
#[derive(Debug, Clone, Copy)]
pub(super) struct DaemonOrder {
    pub(super) store: StoreChoice,
    /// Bytes of one file of the journal; `None`: the default.
    pub(super) segment_bytes: Option<u64>,
    /// Merchants besides that of the bench, with [`LEVELS_OF_OTHERS`] levels each.
    pub(super) other_merchants: u32,
}

/// The levels of each other merchant.
pub(super) const LEVELS_OF_OTHERS: u32 = 20;

/// A daemon with a configuration and data in a temporary folder.
#[derive(Debug)]
pub(super) struct OwnDaemon {
    pub(super) process: ChildProcess,
    folder: tempfile::TempDir,
}

impl OwnDaemon {
    /// Starts a daemon and waits until it is ready.
    ///
    /// # Errors
    /// The folder cannot be written, or the daemon does not start.
    pub(super) fn start(order: DaemonOrder) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("there is no temporary folder")?;
        write_configuration(folder.path(), order)?;
        let process = ChildProcess::start(&["serve".as_ref(), "--config".as_ref(), folder.path().as_os_str()])?;
        let started = Instant::now();
        let url = format!("http://{}/readyz", process.address);
        while ureq::get(&url).call().is_err() {
            anyhow::ensure!(started.elapsed() < START_MAX, "the daemon is not ready after {START_MAX:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Self { process, folder })
    }

    /// Its Unix socket.
    pub(super) fn unix_socket(&self) -> PathBuf {
        unix_socket(self.folder())
    }

    /// Its folder of configuration and data.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn unix_socket(folder: &Path) -> PathBuf {
    folder.join("socket")
}

fn write_configuration(folder: &Path, order: DaemonOrder) -> anyhow::Result<()> {
    let merchants = folder.join("merchants");
    fs::create_dir(&merchants)?;
    fs::write(merchants.join("bench.toml"), MERCHANT)?;
    for number in 0..order.other_merchants {
        fs::write(merchants.join(format!("other-{number}.toml")), other_merchant(number, 0))?;
    }
    let store = match order.store {
        StoreChoice::Memory => "kind = \"memory\"".to_owned(),
        on_disk => format!("path = {:?}\nsync = \"{}\"", folder.join("data").display(), on_disk.word()),
    };
    let segment_bytes = order.segment_bytes.map_or_else(String::new, |bytes| format!("segment_bytes = {bytes}\n"));
    // Snapshots are written only where the bench asks for them.
    let text = format!(
        "[http]\nlisten = \"127.0.0.1:0\"\nunix_socket = {:?}\n\n[store]\n{store}\n{segment_bytes}\
         snapshot_interval_s = 86400\nsnapshot_records = 1000000000\n",
        unix_socket(folder).display()
    );
    Ok(fs::write(folder.join("levelgate.toml"), text)?)
}

/// A merchant with many levels. Each version has other limits.
pub(super) fn other_merchant(number: u32, version: u32) -> String {
    let mut text = format!(
        "id = \"other-{number}\"\nname = \"Other {number}\"\noperation_mode = \"crm\"\n\n[[gates]]\nid = \"gate-a\"\n\n\
         [[projects]]\nid = \"web\"\nclient_definition = [\"email\"]\n  [[projects.endpoints]]\n  id = \"web-eur\"\n  \
         currency = \"EUR\"\n  gates = [\"gate-a\"]\n"
    );
    for level in 0..LEVELS_OF_OTHERS {
        text.push_str(&format!(
            "\n[[levels]]\nname = \"level-{level}\"\ndirection = \"deposit\"\ncurrency = \"EUR\"\nprojects = [\"web\"]\n  \
             [[levels.filters]]\n  window = \"daily\"\n  amount_limit = \"{}.00\"\n  for_all_merchant_currencies = true\n",
            1_000 + version % 1_000
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn the_configuration_of_the_bench_is_valid_and_its_merchant_is_marked() {
        for store in [StoreChoice::Interval, StoreChoice::Always, StoreChoice::Never, StoreChoice::Memory] {
            let folder = tempfile::tempdir().unwrap();
            let order = DaemonOrder { store, segment_bytes: Some(1 << 20), other_merchants: 3 };
            write_configuration(folder.path(), order).unwrap();
            let loaded = config::load(folder.path()).unwrap();
            assert_eq!(loaded.warnings, []);
            assert_eq!(loaded.rules.merchants.len(), 4);
            assert!(loaded.rules.merchant(MERCHANT_ID).unwrap().benchmark);
        }
    }
}
