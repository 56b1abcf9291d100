//! `levelgate inspect`: what stands in a data folder, whether it is whole, and what can be done where it is not.
//!
//! It takes no lock and writes nothing, so that it may look at a folder that is being served. Whether a start would be
//! refused is judged by the code of the start.

use crate::storage::{
    encoding,
    fs::{Store, disk::Disk},
    jobs,
    journal::{
        ARCHIVE, FOLDER, Instance, InstanceError, JournalId, Keys, LogOffset, Lsn,
        frame::{Body, HeadFlaw, SegmentHead},
        segment_reader::{Damage, Step, Walk, WalkError},
        synced_file,
    },
    keys,
};
use anyhow::Context;
use std::{
    io::{BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

/// What `inspect` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The data folder
    #[arg(value_name = "FOLDER", default_value = "data")]
    folder: PathBuf,
    /// Print every record, one a line; sealed attributes and identifiers are not opened
    #[arg(long)]
    records: bool,
    /// Print only records of this customer
    #[arg(long, value_name = "CUSTOMER_ID", requires = "records")]
    customer: Option<u64>,
}

/// What was found, all in all.
#[derive(Default)]
struct Found {
    problems: Vec<String>,
    /// Up to where the journal was synced for certain, says any whole header or snapshot.
    synced: Lsn,
    /// What stood before the record behind this one is in a snapshot.
    held: Lsn,
    /// The number of the first record.
    begins: Option<Lsn>,
    /// The number behind the last whole record.
    next: Option<Lsn>,
    damage: Option<(String, Flawed)>,
    /// Records that should follow and do not, with words.
    gaps: Vec<(Lsn, String)>,
    /// Which journal it is, where that can be told.
    id: JournalId,
}

/// Where the journal stops being whole.
struct Flawed {
    offset: u64,
    lsn: Lsn,
    what: String,
}

impl From<Damage> for Flawed {
    fn from(damage: Damage) -> Self {
        Self { offset: damage.offset, lsn: damage.lsn, what: damage.wrong.to_string() }
    }
}

/// Prints what is there; fails where anything is damaged.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let shared: Arc<dyn Store> = Arc::new(Disk::look(&options.folder));
    let store = &*shared;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut found = Found::default();
    let instance = match Instance::known(store) {
        Ok(Some(instance)) => {
            writeln!(out, "instance   journal {}", instance.id)?;
            Some(instance)
        }
        Ok(None) if store.list(FOLDER)?.is_empty() && store.list(ARCHIVE)?.is_empty() => {
            anyhow::bail!("{} is no data folder: it has no file `instance`", options.folder.display())
        }
        Ok(None) => {
            found.problems.push(InstanceError::Missing.to_string());
            None
        }
        Err(error) => {
            found.problems.push(error.to_string());
            None
        }
    };
    if let Some(instance) = &instance {
        found.id = instance.id;
        // Opening keys that are not there would make them.
        let has_keys = store.list("")?.iter().any(|name| name == keys::PATH);
        match has_keys.then(|| Keys::open(store, instance.id.0)) {
            None => writeln!(out, "keys       none: sealed attributes cannot be opened")?,
            Some(Ok(keys)) => {
                let (live, erased) = keys.counts();
                writeln!(out, "keys       {live} live, {erased} erased")?;
            }
            // The verdict below says what is wrong.
            Some(Err(_)) => writeln!(out, "keys       cannot be read")?,
        }
        synced(store, instance, &mut found, &mut out)?;
        snapshots(store, instance, &mut found, &mut out)?;
        let names = store.list(jobs::FOLDER)?;
        let count = |end: &str| names.iter().filter(|name| name.ends_with(end)).count();
        if !names.is_empty() {
            let (unfinished, ended) = (count(jobs::BEGUN), count(jobs::ENDED));
            writeln!(out, "jobs       {unfinished} to be finished by the next start, {ended} ended")?;
        }
    }
    for folder in [ARCHIVE, FOLDER] {
        for name in store.list(folder)?.into_iter().filter(|name| name.ends_with(".log")) {
            segment(store, &format!("{folder}/{name}"), options, &mut found, &mut out)?;
        }
    }
    if let Some(begins) = found.begins.filter(|begins| *begins > Lsn(1)) {
        writeln!(out, "journal    begins with record {begins}; what was older than archive_days was deleted")?;
        if begins.0 > found.held.0.saturating_add(1) {
            found.problems.push(format!(
                "the journal begins with record {begins}, and no snapshot holds what stood before: bring one of this \
                 folder back into `{}`, or restore the folder from a backup",
                crate::daemon::data_folder::SNAPSHOTS
            ));
        }
    }
    let last = found.next.map_or(0, |next| next.0.saturating_sub(1));
    writeln!(out, "journal    ends with record {last}, synced up to {} for certain", found.synced)?;
    if instance.is_some() {
        judge(&shared, &mut found, &mut out)?;
    }
    out.flush()?;
    for problem in &found.problems {
        eprintln!("levelgate: {problem}");
    }
    if found.problems.is_empty() {
        writeln!(out, "whole      nothing is damaged")?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

/// What the file of the synced number says.
fn synced(store: &dyn Store, instance: &Instance, found: &mut Found, out: &mut impl Write) -> anyhow::Result<()> {
    match synced_file::read(store, instance.id) {
        Ok(Some(mark)) => {
            found.synced = found.synced.max(mark.lsn);
            let how = if mark.is_clean_stop { ", where the daemon stopped in order" } else { "" };
            writeln!(out, "synced     up to record {}{how}", mark.lsn)?;
        }
        Ok(None) => writeln!(out, "synced     no file: records missing at the journal's end cannot be noticed")?,
        // The verdict says what is wrong.
        Err(_) => writeln!(out, "synced     cannot be read")?,
    }
    Ok(())
}

/// Judges the folder as a start does, and adds what a start does not read.
fn judge(store: &Arc<dyn Store>, found: &mut Found, out: &mut impl Write) -> anyhow::Result<()> {
    let verdict = match crate::daemon::verdict::verdict(store) {
        Ok(verdict) => verdict,
        Err(refusal) => {
            found.problems.push(format!("a start is refused: {refusal:#}"));
            found.problems.extend(found.gaps.drain(..).map(|(.., what)| what));
            return Ok(());
        }
    };
    for loss in &verdict.lost {
        writeln!(out, "lost       {}; the loss was accepted", loss.what)?;
    }
    let is_lost = |lsn: Lsn| verdict.lost.iter().any(|loss| loss.first <= lsn && lsn <= loss.last);
    found.problems.extend(found.gaps.drain(..).filter(|(lsn, _)| !is_lost(*lsn)).map(|(.., what)| what));
    found.problems.extend(crate::daemon::verdict::damaged_segments(&**store, &verdict));
    if let Some((path, offset, lsn, what)) = &verdict.cut {
        found.problems.push(format!(
            "{path} ends in bytes that were never whole, from byte {offset} on (record {lsn}: {what}); the next start cuts \
             them off and keeps them in the folder `cut`"
        ));
    }
    let damage = found.damage.take().filter(|(_, damage)| verdict.cut.is_none() && !is_lost(damage.lsn));
    if let Some((path, damage)) = damage {
        found.problems.push(format!(
            "{path} is damaged at byte {}, record {}: {}; a start does not read it, but transactions in it are not found: \
             bring the file back from a backup",
            damage.offset, damage.lsn, damage.what
        ));
    }
    Ok(())
}

fn snapshots(store: &dyn Store, instance: &Instance, found: &mut Found, out: &mut impl Write) -> anyhow::Result<()> {
    for name in store.list(crate::daemon::data_folder::SNAPSHOTS)? {
        let path = format!("{}/{name}", crate::daemon::data_folder::SNAPSHOTS);
        if !name.ends_with(".snap") {
            writeln!(out, "snapshot   {path}: not finished; the next start removes it")?;
            continue;
        }
        match crate::daemon::data_folder::verify_snapshot(store, &path, instance) {
            Ok(summary) => {
                found.synced = found.synced.max(summary.end);
                found.held = found.held.max(summary.begin);
                writeln!(
                    out,
                    "snapshot   {path}: true up to {}, {} customers, {} transactions",
                    summary.begin, summary.customers, summary.summaries
                )?;
            }
            Err(error) => {
                found.problems.push(format!("{path}: {error:#}; an older one, or the journal, stands in for it"));
            }
        }
    }
    Ok(())
}

fn segment(
    store: &dyn Store,
    path: &str,
    options: &Options,
    found: &mut Found,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut walk = match Walk::open(store, path) {
        Ok(walk) => walk,
        Err(WalkError::Head(flaw @ HeadFlaw::Damaged(_))) => return headless(store, path, flaw, found, out),
        Err(error) => {
            found.problems.push(format!("{path}: {error}"));
            return Ok(());
        }
    };
    let head = walk.head();
    found.synced = found.synced.max(head.synced);
    found.begins.get_or_insert(head.first_lsn);
    if let Some(next) = found.next.filter(|next| *next != head.first_lsn) {
        found.gaps.push((next, format!("{path} begins with record {}, but {next} is the next one", head.first_lsn)));
    }
    let mut records = 0_u64;
    let damage = loop {
        match walk.step().with_context(|| path.to_owned())? {
            Step::End => break None,
            Step::Damage(damage) => break Some(damage),
            Step::Record(seen) => {
                if let Body::Batch { synced, .. } = seen.framed.body {
                    found.synced = found.synced.max(synced);
                } else {
                    records += 1;
                }
                let owner = seen.framed.head.owner;
                if options.records && options.customer.is_none_or(|customer| customer == owner) {
                    show(&seen, out)?;
                }
            }
        }
    };
    writeln!(
        out,
        "segment    {path}: records {} to {}, {records} of them, start {}, {} bytes",
        head.first_lsn,
        walk.next_lsn().0.saturating_sub(1),
        walk.epoch(),
        walk.file_bytes()
    )?;
    found.next = Some(walk.next_lsn());
    if let Some(damage) = damage {
        // What is known to be synced may stand behind the damage.
        while walk.skip()? {
            if let Step::Record(seen) = walk.step()?
                && let Body::Batch { synced, .. } = seen.framed.body
            {
                found.synced = found.synced.max(synced);
            }
        }
        found.damage.get_or_insert((path.to_owned(), damage.into()));
    }
    Ok(())
}

/// A segment without a whole head: a process that was killed as it made the file leaves one. A start judges it by the
/// record that it should begin with, as it does any other damage.
fn headless(
    store: &dyn Store,
    path: &str,
    flaw: HeadFlaw,
    found: &mut Found,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let named = path.rsplit('/').next().and_then(|name| name.strip_suffix(".log")?.parse().ok()).map(Lsn);
    let Some(lsn) = found.next.or(named) else {
        found.problems.push(format!("{path}: {flaw}"));
        return Ok(());
    };
    let file = store.open(path)?;
    writeln!(out, "segment    {path}: no whole head, {} bytes", file.len()?)?;
    // Its records may be whole all the same, and know how far the journal was synced.
    let assumed = SegmentHead { epoch: 0, id: found.id, first_lsn: lsn, first_place: LogOffset(0), synced: Lsn::NONE };
    let mut walk = Walk::with_head(file, assumed)?;
    loop {
        match walk.step()? {
            Step::End => break,
            Step::Record(seen) => {
                if let Body::Batch { synced, .. } = seen.framed.body {
                    found.synced = found.synced.max(synced);
                }
            }
            Step::Damage(_) => {
                if !walk.skip()? {
                    break;
                }
            }
        }
    }
    found.damage.get_or_insert((path.to_owned(), Flawed { offset: 0, lsn, what: flaw.to_string() }));
    Ok(())
}

fn show(seen: &crate::storage::journal::segment_reader::Seen<'_>, out: &mut impl Write) -> anyhow::Result<()> {
    let head = seen.framed.head;
    write!(out, "{} {} start {} ", head.lsn, seen.place.0, head.epoch)?;
    let events = match seen.framed.body {
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
        Err(error) => writeln!(out, "customer {}: cannot be understood: {error}", head.owner)?,
    }
    Ok(())
}
