//! The snapshot of a restored folder.

use crate::storage::{
    fs::{store::Store, unfinished::Unfinished},
    journal::model::{ids::Lsn, instance::Instance},
    restored_folder::{
        error::{RestoreError, failed},
        mark::SNAPSHOTS,
    },
    snapshot::{Piece, Reader, SnapshotError, Writer},
};
use std::{io, sync::Arc};

/// The bytes as the copy has them. A start removes files with such a name.
const COPY: &str = "snapshots/copy.new";
const REWRITTEN: &str = "snapshots/restored.new";

/// Writes the bytes of a snapshot as the copy has them.
pub(super) fn put(
    store: &dyn Store,
    instance: &Instance,
    begin: Lsn,
    chunks: &mut dyn Iterator<Item = Result<Vec<u8>, RestoreError>>,
) -> Result<(), RestoreError> {
    match store.remove(COPY) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(format!("removing {COPY}"))(error)),
        _ => {}
    }
    let writing = || failed(format!("writing {COPY}"));
    let file = store.create(COPY).map_err(writing())?;
    let mut len = 0;
    for chunk in chunks {
        let chunk = chunk?;
        file.write_at(&chunk, len).map_err(writing())?;
        len += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
    }
    let found = Lsn(Reader::open(file, instance.id.0)?.header().begin_lsn);
    if found == begin { Ok(()) } else { Err(RestoreError::OtherSnapshot { found, expected: begin }) }
}

/// Checks the whole snapshot and writes it again, without the segments from a record on in its archive list. Returns the
/// last record that the snapshot needs.
pub(super) fn finish(
    store: &dyn Store,
    instance: &Instance,
    begin: Lsn,
    records_from: Lsn,
) -> Result<Lsn, RestoreError> {
    let copy = store.open(COPY).map_err(failed(format!("opening {COPY}")))?;
    let mut reader = Reader::open(copy, instance.id.0)?;
    let path = format!("{SNAPSHOTS}/{:020}.snap", begin.0);
    let writing = || failed(format!("writing {path}"));
    let rewritten = Unfinished::create(store, REWRITTEN).map_err(writing())?;
    let (file, mut len) = (Arc::clone(rewritten.file()), 0);
    let mut writer = Writer::begin(reader.header(), |bytes: &[u8]| {
        file.write_at(bytes, len)?;
        len += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    });
    let needed = loop {
        match reader.next_piece()?.ok_or(SnapshotError::Unfinished)? {
            Piece::End { end_lsn, .. } => break end_lsn,
            Piece::Global(mut global) => {
                global.archive.retain(|segment| segment.first_lsn < records_from.0);
                writer.put(&Piece::Global(global)).map_err(writing())?;
            }
            piece => writer.put(&piece).map_err(writing())?,
        }
    };
    writer.end(needed).map_err(writing())?;
    rewritten.finish(&path).map_err(writing())?;
    store.remove(COPY).map_err(failed(format!("removing {COPY}")))?;
    Ok(Lsn(needed))
}
