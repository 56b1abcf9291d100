//! Writing a snapshot of the ledger while requests are answered.

use crate::{
    daemon::data_folder::{
        folder::DataFolder,
        snapshot_files::{SNAPSHOTS, remove_old, remove_unfinished},
    },
    ledger::Ledger,
    service::daemon_status::SnapshotReport,
    storage::{
        fs::{GrowthCheck, Unfinished, is_full},
        journal::{Instance, Journal, Lsn},
        snapshot,
    },
};
use std::{io, time::Instant};

/// Why a snapshot ends early.
#[derive(Debug, thiserror::Error)]
#[error("the snapshot was abandoned because the daemon stops; the next start replays the journal instead")]
struct SnapshotAbandoned;

fn check_not_cancelled(is_cancelled: &dyn Fn() -> bool) -> io::Result<()> {
    if is_cancelled() { Err(io::Error::other(SnapshotAbandoned)) } else { Ok(()) }
}

/// Whether an error of the data folder reports that the space is short.
pub(crate) fn is_no_space(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(is_full))
}

/// Writes a snapshot that contains all records up to `begin`, about one MiB at a time. Returns the last record that any
/// piece may contain. `before_piece` may end it before each piece of the state.
///
/// # Errors
/// Those of `before_piece` and `out`.
pub(crate) fn write_state(
    (instance, journal): (&Instance, &Journal),
    ledger: &Ledger,
    (begin, created_at): (Lsn, i64),
    before_piece: &dyn Fn() -> io::Result<()>,
    out: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Lsn> {
    let header = snapshot::Header { journal: instance.id.0, begin_lsn: begin.0, created_at };
    let mut writer = snapshot::Writer::begin(&header, out);
    let end = ledger.snapshot(&mut |piece| {
        before_piece()?;
        writer.put(&piece)
    })?;
    for listed in journal.list_up_to(begin).pieces(begin) {
        writer.put(&snapshot::Piece::Global(listed))?;
    }
    writer.end(end.0)?;
    Ok(end)
}

impl DataFolder {
    /// Writes a snapshot while requests are answered. The file gets its name when it and all records that it depends on
    /// are durable.
    ///
    /// # Errors
    /// It could not be written; the snapshots before it stay valid.
    pub fn snapshot(&self, ledger: &Ledger, now_ms: i64) -> anyhow::Result<SnapshotReport> {
        self.snapshot_unless(ledger, now_ms, &|| false)
    }

    /// Writes a snapshot as [`DataFolder::snapshot`] does. Abandons it between two pieces once `is_cancelled` returns
    /// true. A snapshot that is abandoned or fails leaves no partial file.
    ///
    /// # Errors
    /// The space is short, it could not be written, or it was abandoned.
    pub fn snapshot_unless(
        &self,
        ledger: &Ledger,
        now_ms: i64,
        is_cancelled: &dyn Fn() -> bool,
    ) -> anyhow::Result<SnapshotReport> {
        let started = Instant::now();
        let begin = ledger.contained_lsn();
        let (unfinished, name) = (format!("{SNAPSHOTS}/{:020}.new", begin.0), format!("{:020}.snap", begin.0));
        let mut room = self.reserve_snapshot_space()?;
        let file = Unfinished::create(&*self.store, &unfinished)?;
        let mut bytes = 0;
        let (of, at, check) = ((&self.instance, &*self.journal), (begin, now_ms), || check_not_cancelled(is_cancelled));
        write_state(of, ledger, at, &check, &mut |piece: &[u8]| {
            room.take(piece.len() as u64)?;
            file.file().write_at(piece, bytes)?;
            bytes += piece.len() as u64;
            Ok(())
        })?;
        // The snapshot depends on these records: it must not survive a power cut that removes them.
        self.journal.sync()?;
        check_not_cancelled(is_cancelled)?;
        file.finish(&format!("{SNAPSHOTS}/{name}"))?;
        remove_old(&*self.store);
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(SnapshotReport { true_up_to: begin, bytes, milliseconds, waited_milliseconds: 0 })
    }

    /// Refuses a snapshot if the space is short for a file of the size of the last one.
    fn reserve_snapshot_space(&self) -> io::Result<GrowthCheck> {
        const WHAT: &str = "a snapshot";
        remove_unfinished(&*self.store)?;
        let names = self.store.list(SNAPSHOTS)?;
        let last_bytes = match names.last() {
            Some(name) => self.store.open(&format!("{SNAPSHOTS}/{name}"))?.len()?,
            None => 0,
        };
        let headroom = self.job_store.headroom();
        headroom.check(WHAT, last_bytes)?;
        Ok(headroom.watch(WHAT))
    }
}
