//! `levelgate inspect`: prints what a data folder contains, checks it for damage, and prints the remedy for each problem.
//!
//! The command takes no lock and writes nothing, so it may read a folder that a daemon serves. The code of a start decides
//! whether a start would be refused.

use crate::{
    cli::inspect_redis,
    daemon::data_folder::{SNAPSHOTS, check_start, damaged_segments, verify_snapshot},
    storage::{
        encoding,
        fs::{Store, disk::Disk},
        jobs,
        journal::{
            ARCHIVE, FOLDER, HeadFlaw, Instance, InstanceError, JournalId, Keys, LogOffset, Lsn, SegmentHead,
            frame::Body,
            segment_reader::{LocatedRecord, SegmentReader, SegmentReaderError, Step},
            synced_file,
        },
        keys,
    },
};
use anyhow::Context;
use std::{
    io::{BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

/// The arguments of `inspect`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The data folder
    #[arg(value_name = "FOLDER", default_value = "data")]
    folder: PathBuf,
    /// Print every record, one a line; sealed attributes and identifiers stay sealed
    #[arg(long)]
    records: bool,
    /// Print only the records of this customer
    #[arg(long, value_name = "CUSTOMER_ID", requires = "records")]
    customer: Option<u64>,
    #[command(flatten)]
    pub(super) of_redis: inspect_redis::Options,
}

impl Options {
    /// Whether the copy in Redis is examined instead of a folder.
    pub(super) fn is_redis(&self) -> bool {
        self.of_redis.redis.is_some()
    }
}

/// Prints the content of the folder; fails if anything is damaged.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let store: Arc<dyn Store> = Arc::new(Disk::open_unlocked(&options.folder));
    let out = BufWriter::new(std::io::stdout().lock());
    let mut inspector = Inspector { store: &store, options, out, findings: CustomerPage::default() };
    inspector.inspect()?;
    let Inspector { mut out, findings, .. } = inspector;
    out.flush()?;
    for problem in &findings.problems {
        eprintln!("levelgate: {problem}");
    }
    if findings.problems.is_empty() {
        writeln!(out, "whole      nothing is damaged")?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

/// What the files of the folder showed.
#[derive(Default)]
struct CustomerPage {
    problems: Vec<String>,
    /// The last record that a file proves to be synced.
    synced: Lsn,
    /// The last record that a snapshot contains.
    last_in_snapshot: Lsn,
    /// The first record of the journal.
    first: Option<Lsn>,
    /// The record after the last valid one.
    next: Option<Lsn>,
    /// The first damage of the journal.
    damage: Option<SegmentDamage>,
    gaps: Vec<JournalGap>,
    /// The journal of the folder, if the file `instance` names it.
    id: JournalId,
}

/// Damage in a segment.
struct SegmentDamage {
    path: String,
    offset: u64,
    lsn: Lsn,
    reason: String,
}

/// Records that are missing between two segments.
struct JournalGap {
    first_missing: Lsn,
    message: String,
}

struct Inspector<'a, W> {
    store: &'a Arc<dyn Store>,
    options: &'a Options,
    out: W,
    findings: CustomerPage,
}

impl<W: Write> Inspector<'_, W> {
    fn inspect(&mut self) -> anyhow::Result<()> {
        let instance = self.instance()?;
        if let Some(instance) = &instance {
            self.findings.id = instance.id;
            self.keys(instance)?;
            self.synced_file(instance)?;
            self.snapshots(instance)?;
            self.jobs()?;
        }
        for folder in [ARCHIVE, FOLDER] {
            for name in self.store.list(folder)?.into_iter().filter(|name| name.ends_with(".log")) {
                self.segment(&format!("{folder}/{name}"))?;
            }
        }
        self.journal_bounds()?;
        if instance.is_some() {
            self.check_start()?;
        }
        Ok(())
    }

    fn instance(&mut self) -> anyhow::Result<Option<Instance>> {
        match Instance::known(&**self.store) {
            Ok(Some(instance)) => {
                writeln!(self.out, "instance   journal {}", instance.id)?;
                return Ok(Some(instance));
            }
            Ok(None) if self.store.list(FOLDER)?.is_empty() && self.store.list(ARCHIVE)?.is_empty() => {
                anyhow::bail!("{} is no data folder: it has no file `instance`", self.options.folder.display())
            }
            Ok(None) => self.findings.problems.push(InstanceError::Missing.to_string()),
            Err(error) => self.findings.problems.push(error.to_string()),
        }
        Ok(None)
    }

    fn keys(&mut self, instance: &Instance) -> anyhow::Result<()> {
        // `Keys::open` would create a missing file.
        let has_keys = self.store.list("")?.iter().any(|name| name == keys::PATH);
        match has_keys.then(|| Keys::open(&**self.store, instance.id.0)) {
            None => writeln!(self.out, "keys       none: sealed attributes cannot be opened")?,
            Some(Ok(keys)) => {
                let keys::KeyCounts { live, erased } = keys.counts();
                writeln!(self.out, "keys       {live} live, {erased} erased")?;
            }
            // `check_start` reports the problem.
            Some(Err(_)) => writeln!(self.out, "keys       cannot be read")?,
        }
        Ok(())
    }

    fn synced_file(&mut self, instance: &Instance) -> anyhow::Result<()> {
        match synced_file::read(&**self.store, instance.id) {
            Ok(Some(mark)) => {
                self.findings.synced = self.findings.synced.max(mark.lsn);
                let how = if mark.is_clean_stop { ", at a clean stop of the daemon" } else { "" };
                writeln!(self.out, "synced     up to record {}{how}", mark.lsn)?;
            }
            Ok(None) => {
                writeln!(self.out, "synced     no file: missing records at the end of the journal cannot be detected")?;
            }
            // `check_start` reports the problem.
            Err(_) => writeln!(self.out, "synced     cannot be read")?,
        }
        Ok(())
    }

    fn snapshots(&mut self, instance: &Instance) -> anyhow::Result<()> {
        for name in self.store.list(SNAPSHOTS)? {
            let path = format!("{SNAPSHOTS}/{name}");
            if !name.ends_with(".snap") {
                writeln!(self.out, "snapshot   {path}: not finished; the next start removes it")?;
                continue;
            }
            match verify_snapshot(&**self.store, &path, instance) {
                Ok(summary) => {
                    self.findings.synced = self.findings.synced.max(summary.end);
                    self.findings.last_in_snapshot = self.findings.last_in_snapshot.max(summary.begin);
                    writeln!(
                        self.out,
                        "snapshot   {path}: true up to {}, {} customers, {} transactions",
                        summary.begin, summary.customers, summary.summaries
                    )?;
                }
                Err(error) => {
                    let problem = format!("{path}: {error:#}; a start uses an older snapshot, or the journal");
                    self.findings.problems.push(problem);
                }
            }
        }
        Ok(())
    }

    fn jobs(&mut self) -> anyhow::Result<()> {
        let names = self.store.list(jobs::FOLDER)?;
        let count = |end: &str| names.iter().filter(|name| name.ends_with(end)).count();
        if !names.is_empty() {
            let (unfinished, ended) = (count(jobs::BEGUN), count(jobs::ENDED));
            writeln!(self.out, "jobs       {unfinished} to be finished by the next start, {ended} ended")?;
        }
        Ok(())
    }

    fn segment(&mut self, path: &str) -> anyhow::Result<()> {
        let mut reader = match SegmentReader::open(&**self.store, path) {
            Ok(reader) => reader,
            Err(SegmentReaderError::Head(flaw @ HeadFlaw::Damaged(_))) => return self.segment_without_head(path, flaw),
            Err(error) => {
                self.findings.problems.push(format!("{path}: {error}"));
                return Ok(());
            }
        };
        let head = reader.head();
        self.findings.synced = self.findings.synced.max(head.synced);
        self.findings.first.get_or_insert(head.first_lsn);
        if let Some(next) = self.findings.next.filter(|next| *next != head.first_lsn) {
            let message = format!("{path} begins with record {}, but {next} is the next one", head.first_lsn);
            self.findings.gaps.push(JournalGap { first_missing: next, message });
        }
        let mut records = 0_u64;
        let damage = loop {
            match reader.step().with_context(|| path.to_owned())? {
                Step::End => break None,
                Step::Damage(damage) => break Some(damage),
                Step::Record(record) => {
                    self.note_synced(&record);
                    records += u64::from(!matches!(record.framed.body, Body::Batch { .. }));
                    let owner = record.framed.head.owner;
                    if self.options.records && self.options.customer.is_none_or(|customer| customer == owner) {
                        print_record(&record, &mut self.out)?;
                    }
                }
            }
        };
        writeln!(
            self.out,
            "segment    {path}: records {} to {}, {records} of them, start {}, {} bytes",
            head.first_lsn,
            reader.next_lsn().0.saturating_sub(1),
            reader.epoch(),
            reader.file_bytes()
        )?;
        self.findings.next = Some(reader.next_lsn());
        if let Some(damage) = damage {
            // Records after the damage may show how far the journal was synced.
            while reader.skip()? {
                if let Step::Record(record) = reader.step()? {
                    self.note_synced(&record);
                }
            }
            let (offset, lsn, reason) = (damage.offset, damage.lsn, damage.flaw.to_string());
            self.note_damage(SegmentDamage { path: path.to_owned(), offset, lsn, reason });
        }
        Ok(())
    }

    /// A segment whose head is damaged, for example because the process was killed when it created the file. As a start
    /// does, the command assumes the record that the segment should begin with.
    fn segment_without_head(&mut self, path: &str, flaw: HeadFlaw) -> anyhow::Result<()> {
        let named = path.rsplit('/').next().and_then(|name| name.strip_suffix(".log")?.parse().ok()).map(Lsn);
        let Some(lsn) = self.findings.next.or(named) else {
            self.findings.problems.push(format!("{path}: {flaw}"));
            return Ok(());
        };
        let file = self.store.open(path)?;
        writeln!(self.out, "segment    {path}: no valid head, {} bytes", file.len()?)?;
        // Its records may be valid, and show how far the journal was synced.
        let id = self.findings.id;
        let assumed = SegmentHead { epoch: 0, id, first_lsn: lsn, first_offset: LogOffset(0), synced: Lsn::NONE };
        let mut reader = SegmentReader::with_head(file, assumed)?;
        loop {
            match reader.step()? {
                Step::End => break,
                Step::Record(record) => self.note_synced(&record),
                Step::Damage(_) => {
                    if !reader.skip()? {
                        break;
                    }
                }
            }
        }
        self.note_damage(SegmentDamage { path: path.to_owned(), offset: 0, lsn, reason: flaw.to_string() });
        Ok(())
    }

    fn note_synced(&mut self, record: &LocatedRecord<'_>) {
        if let Body::Batch { synced, .. } = record.framed.body {
            self.findings.synced = self.findings.synced.max(synced);
        }
    }

    fn note_damage(&mut self, damage: SegmentDamage) {
        self.findings.damage.get_or_insert(damage);
    }

    fn journal_bounds(&mut self) -> anyhow::Result<()> {
        if let Some(first) = self.findings.first.filter(|first| *first > Lsn(1)) {
            writeln!(self.out, "journal    begins with record {first}; segments older than archive_days were deleted")?;
            if first.0 > self.findings.last_in_snapshot.0.saturating_add(1) {
                self.findings.problems.push(format!(
                    "the journal begins with record {first}, and no snapshot contains the records before it: restore a \
                     snapshot of this folder into `{SNAPSHOTS}`, or restore the folder from a backup"
                ));
            }
        }
        let last = self.findings.next.map_or(0, |next| next.0.saturating_sub(1));
        writeln!(self.out, "journal    ends with record {last}, synced up to {} for certain", self.findings.synced)?;
        Ok(())
    }

    /// Checks the folder as a start does, and adds the damage of files that a start does not read.
    fn check_start(&mut self) -> anyhow::Result<()> {
        let gaps = std::mem::take(&mut self.findings.gaps);
        let checked = match check_start(self.store) {
            Ok(checked) => checked,
            Err(refusal) => {
                self.findings.problems.push(format!("a start is refused: {refusal:#}"));
                self.findings.problems.extend(gaps.into_iter().map(|gap| gap.message));
                return Ok(());
            }
        };
        for loss in &checked.losses {
            writeln!(self.out, "lost       {}; the loss was accepted", loss.what)?;
        }
        let is_lost = |lsn: Lsn| checked.losses.iter().any(|loss| loss.first <= lsn && lsn <= loss.last);
        let problems = &mut self.findings.problems;
        problems.extend(gaps.into_iter().filter(|gap| !is_lost(gap.first_missing)).map(|gap| gap.message));
        problems.extend(damaged_segments(&**self.store, &checked));
        if let Some((path, offset, lsn, what)) = &checked.cut {
            problems.push(format!(
                "{path} ends in bytes that were never whole, from byte {offset} on (record {lsn}: {what}); the next start \
                 cuts them off and keeps them in the folder `cut`"
            ));
        }
        let damage = self.findings.damage.take();
        if let Some(damage) = damage.filter(|damage| checked.cut.is_none() && !is_lost(damage.lsn)) {
            let SegmentDamage { path, offset, lsn, reason } = damage;
            problems.push(format!(
                "{path} is damaged at byte {offset}, record {lsn}: {reason}; a start does not read it, but transactions in \
                 it are not found: restore the file from a backup"
            ));
        }
        Ok(())
    }
}

fn print_record(record: &LocatedRecord<'_>, out: &mut impl Write) -> anyhow::Result<()> {
    let head = record.framed.head;
    write!(out, "{} {} start {} ", head.lsn, record.log_offset.0, head.epoch)?;
    let events = match record.framed.body {
        Body::Batch { synced, .. } => return Ok(writeln!(out, "batch, synced up to {synced}")?),
        Body::Begin => return Ok(writeln!(out, "group begins")?),
        Body::End { group, parts } => return Ok(writeln!(out, "group {group} ends, {parts} parts")?),
        Body::Part { group, events } => {
            write!(out, "part of group {group} ")?;
            events
        }
        Body::Events(events) => events,
    };
    match encoding::decode(events, &mut |_| Ok(None)) {
        Ok(events) => writeln!(out, "customer {}: {events:?}", head.owner)?,
        Err(error) => writeln!(out, "customer {}: cannot be decoded: {error}", head.owner)?,
    }
    Ok(())
}
