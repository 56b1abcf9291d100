//! The list of records that Redis never got, written by a daemon that another one has replaced.

use crate::storage::{
    encoding,
    fs::{Store, Unfinished},
    journal::{Journal, Lsn, Record, Visited},
};
use std::{io, ops::ControlFlow};

/// The file, in the data folder.
pub(crate) const UNSHIPPED: &str = "unshipped";
const UNFINISHED: &str = "unshipped.new";
/// The most lines that are also logged.
const LOGGED_MAX: usize = 20;

/// Lists the records after `shipped`: in the log, the first of them, and in the file `unshipped`, all.
pub(crate) fn report_unshipped(journal: &Journal, store: Option<&dyn Store>, shipped: Lsn) {
    let last = journal.last_committed();
    if last <= shipped {
        tracing::error!("fenced out: Redis has every record of this daemon");
        return;
    }
    let lines = lines(journal, shipped);
    tracing::error!(
        "fenced out: Redis never got records {} to {last} of this daemon; the file `{UNSHIPPED}` of the data folder lists \
         them",
        shipped.0.saturating_add(1)
    );
    for (subject, _) in lines.iter().take(LOGGED_MAX) {
        tracing::error!("never shipped: {subject}");
    }
    if lines.len() > LOGGED_MAX {
        tracing::error!("never shipped: {} more records", lines.len().saturating_sub(LOGGED_MAX));
    }
    if let Some(store) = store
        && let Err(error) = write_file(store, &lines)
    {
        tracing::error!("the list of records that Redis never got cannot be written: {error}");
    }
}

fn write_file(store: &dyn Store, lines: &[(String, String)]) -> io::Result<()> {
    let unfinished = Unfinished::create(store, UNFINISHED)?;
    let text: String = lines.iter().map(|(subject, contents)| format!("{subject}: {contents}\n")).collect();
    unfinished.file().write_at(text.as_bytes(), 0)?;
    unfinished.finish(UNSHIPPED).map(drop)
}

/// The record and its contents, for each record. Personal attributes in records are sealed, so no line contains them.
fn lines(journal: &Journal, shipped: Lsn) -> Vec<(String, String)> {
    let (mut lines, mut after) = (Vec::new(), shipped);
    loop {
        let followed = journal.follow_committed(after, &mut |visited| {
            match visited {
                Visited::Records(records) => lines.extend(records.iter().map(line)),
                Visited::Unreadable(unreadable) => lines.push((
                    format!("records {} to {}", unreadable.first, unreadable.last),
                    format!("cannot be read: {}", unreadable.reason),
                )),
            }
            ControlFlow::Continue(())
        });
        match followed {
            Ok(followed) if followed.was_cut && followed.next > after => after = followed.next,
            Ok(_) => return lines,
            Err(error) => {
                lines.push((format!("records after {after}"), format!("cannot be read: {error}")));
                return lines;
            }
        }
    }
}

fn line(record: &Record<'_>) -> (String, String) {
    let contents = match encoding::decode(record.events, &mut |_| Ok(None)) {
        Ok(events) => format!("{events:?}"),
        Err(error) => format!("cannot be decoded: {error}"),
    };
    (format!("record {} of customer {}", record.lsn, record.owner), contents)
}
