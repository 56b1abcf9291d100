//! Work that runs in a loop during a run: snapshots, reloads, archiving, uploads, downloads, and a loop that only calculates.

use crate::{
    cli::{
        bench::child::{MERCHANT_ID, OwnDaemon, other_merchant},
        support::{client_files::ClientFiles, daemon_client},
    },
    config,
    scheduling::{become_background_thread, give_way},
    service::{
        csv::{Expected, Mock, Writer},
        import_export::generate::levels_of,
    },
};
use anyhow::Context;
use serde::Serialize;
use std::{
    fs::{self, File},
    io::{self, BufWriter},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Work that runs in a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Disturbance {
    /// POST /v1/snapshot
    Snapshot,
    /// A changed file, then POST /v1/reload, among many merchants
    Reload,
    /// Snapshots with small segments, which are archived
    Archive,
    /// Uploads of a table of customers
    Upload,
    /// Downloads of the table of customers
    Download,
    /// No work of the daemon: a loop with the priority and the pauses of its background threads
    BusyLoop,
}

/// The bytes of a journal segment where segments are archived: some are full in each second.
const ARCHIVED_SEGMENT_BYTES: u64 = 1 << 20;
/// The tables that are uploaded in turns.
const TABLES: u64 = 4;

impl Disturbance {
    /// The name in arguments and tables.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Reload => "reload",
            Self::Archive => "archive",
            Self::Upload => "upload",
            Self::Download => "download",
            Self::BusyLoop => "busy-loop",
        }
    }

    /// The length of journal segments that it needs; `None`: the default.
    pub(super) fn segment_bytes(self) -> Option<u64> {
        (self == Self::Archive).then_some(ARCHIVED_SEGMENT_BYTES)
    }
}

/// The sizes of disturbances.
#[derive(Debug, Clone, Copy)]
pub(super) struct DisturbanceSizes {
    /// Rows of an uploaded or downloaded table.
    pub(super) rows: u64,
    /// Merchants besides that of the bench.
    pub(super) other_merchants: u32,
}

/// What a disturbance did during a run.
#[derive(Debug, Default, Serialize)]
pub(super) struct DisturbanceReport {
    /// How often the work was finished.
    pub(super) finished: u64,
    /// The time of all of it.
    pub(super) milliseconds: u64,
}

impl DisturbanceReport {
    /// In words: how often, and how long each took.
    pub(super) fn text(&self) -> String {
        match self.milliseconds.checked_div(self.finished) {
            None => "not finished once".to_owned(),
            Some(mean) => format!("{} x {mean} ms", self.finished),
        }
    }
}

/// A disturbance that is prepared on a daemon.
pub(super) struct Disturber {
    work: Work,
    url: String,
}

#[derive(Clone)]
enum Work {
    Snapshot,
    Reload { merchants: PathBuf },
    Upload { tables: Vec<PathBuf> },
    Download,
    BusyLoop,
}

impl Disturber {
    /// Prepares what the work needs: the tables of uploads, the customers of a download.
    ///
    /// # Errors
    /// A table cannot be written or uploaded.
    pub(super) fn prepare(kind: Disturbance, daemon: &OwnDaemon, sizes: DisturbanceSizes) -> anyhow::Result<Self> {
        let url = format!("http://{}", daemon.process.address);
        let work = match kind {
            Disturbance::Snapshot | Disturbance::Archive => Work::Snapshot,
            Disturbance::Reload => Work::Reload { merchants: daemon.folder().join("merchants") },
            Disturbance::Upload => {
                let tables = (1..=TABLES).map(|seed| write_table(daemon.folder(), sizes.rows, seed));
                Work::Upload { tables: tables.collect::<Result<_, _>>()? }
            }
            Disturbance::Download => {
                upload(&url, &write_table(daemon.folder(), sizes.rows, 1)?)?;
                Work::Download
            }
            Disturbance::BusyLoop => Work::BusyLoop,
        };
        Ok(Self { work, url })
    }

    /// Starts the loop on another thread.
    pub(super) fn start(&self) -> RunningDisturbance {
        let stop = Arc::new(AtomicBool::new(false));
        let (work, url, stopping) = (self.work.clone(), self.url.clone(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            // On another machine these callers would take no time from the daemon.
            become_background_thread();
            let mut report = DisturbanceReport::default();
            for round in 1.. {
                if stopping.load(Ordering::Relaxed) {
                    break;
                }
                let started = Instant::now();
                work.run_once(&url, round)?;
                if !stopping.load(Ordering::Relaxed) {
                    report.finished += 1;
                    report.milliseconds += u64::try_from(started.elapsed().as_millis()).unwrap_or_default();
                }
            }
            Ok(report)
        });
        RunningDisturbance { stop, thread }
    }
}

/// A loop that runs.
pub(super) struct RunningDisturbance {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<DisturbanceReport>>,
}

impl RunningDisturbance {
    /// Ends the loop after its current round.
    ///
    /// # Errors
    /// The daemon refused the work.
    pub(super) fn stop(self) -> anyhow::Result<DisturbanceReport> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the thread of the disturbance panicked"))?
    }
}

/// The pause between two rounds, so that a short work does not saturate the machine.
const ROUND_PAUSE: Duration = Duration::from_millis(10);
/// How long a round of the busy loop takes.
const BUSY_FOR: Duration = Duration::from_millis(300);

impl Work {
    fn run_once(&self, url: &str, round: u32) -> anyhow::Result<()> {
        match self {
            Self::Snapshot => post(url, "/v1/snapshot", Box::new(io::empty()))?,
            Self::Reload { merchants } => {
                // One merchant changes, and all are read.
                let file = merchants.join("other-0.toml");
                fs::write(&file, other_merchant(0, round)).context("a merchant's file cannot be written")?;
                post(url, "/v1/reload", Box::new(io::empty()))?;
            }
            Self::Upload { tables } => {
                let place = usize::try_from(round).unwrap_or_default() % tables.len().max(1);
                if let Some(table) = tables.get(place) {
                    upload(url, table)?;
                }
            }
            Self::Download => {
                let path = format!("/v1/merchants/{MERCHANT_ID}/customers.csv");
                let is_done = daemon_client::download(url, &ClientFiles::default(), &path, &mut io::sink())?;
                anyhow::ensure!(is_done, "the daemon refused a download");
            }
            Self::BusyLoop => {
                let started = Instant::now();
                while started.elapsed() < BUSY_FOR {
                    std::hint::spin_loop();
                    give_way();
                }
            }
        }
        std::thread::sleep(ROUND_PAUSE);
        Ok(())
    }
}

fn post(url: &str, path: &str, body: Box<dyn io::Read>) -> anyhow::Result<()> {
    let answer = daemon_client::post(url, &ClientFiles::default(), path, body)?;
    anyhow::ensure!(answer.is_done(), "{path}: {}", answer.body());
    Ok(())
}

fn upload(url: &str, table: &Path) -> anyhow::Result<()> {
    let file = File::open(table).context("a table cannot be read")?;
    post(url, &format!("/v1/merchants/{MERCHANT_ID}/customers.csv"), Box::new(file))
}

/// Writes a table of generated customers, as `levelgate mock --out` does.
fn write_table(folder: &Path, rows: u64, seed: u64) -> anyhow::Result<PathBuf> {
    let loaded = config::load(folder).map_err(|_| anyhow::anyhow!("the configuration of the bench is not valid"))?;
    let merchant = loaded.rules.merchant(MERCHANT_ID).context("the merchant of the bench is not there")?;
    let path = folder.join(format!("table-{seed}.csv"));
    let output = BufWriter::new(File::create(&path).context("a table cannot be written")?);
    let mut writer = Writer::with_all_columns(output, Expected::of(&merchant.registration))?;
    for row in Mock::new(rows, seed, levels_of(merchant)) {
        writer.write(&row)?;
    }
    writer.finish()?;
    Ok(path)
}
