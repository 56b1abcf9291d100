//! Finds the segments of a store and reads their heads.

use crate::storage::{
    fs::store::Store,
    journal::{
        format::{
            segment_head::HeadFlaw,
            segment_reader::{SegmentReader, SegmentReaderError},
        },
        model::{
            error::OpenError,
            ids::Lsn,
            paths::{ARCHIVE, CUT, FOLDER, number_of},
        },
    },
    recovery::scan::{Found, Tail, Wanted, io_error, reading},
};
use std::collections::BTreeMap;

/// The segments of both folders in order, each with its head. All of them are synced first, unless nothing may be.
pub(super) fn find(store: &dyn Store, wanted: &Wanted) -> Result<Vec<Found>, OpenError> {
    let mut paths = BTreeMap::new();
    // Files that an earlier start moved aside must not return.
    for folder in [FOLDER, ARCHIVE, CUT].into_iter().filter(|_| !wanted.is_read_only) {
        store.sync_folder(folder).map_err(io_error(format!("syncing {folder}")))?;
    }
    for folder in [FOLDER, ARCHIVE] {
        let names = store.list(folder).map_err(io_error(format!("listing {folder}")))?;
        // A file that a cut-short move has left under both names counts once.
        paths.extend(names.iter().filter_map(|name| Some((number_of(name)?, format!("{folder}/{name}")))));
    }
    let mut segments = Vec::with_capacity(paths.len());
    for (named, path) in paths {
        let file = store.open(&path).map_err(io_error(format!("opening {path}")))?;
        if !wanted.is_read_only {
            file.sync().map_err(io_error(format!("syncing {path}")))?;
        }
        let bytes = file.len().map_err(reading(&path))?;
        let head = match SegmentReader::from_file(file).map(|reader| reader.head()) {
            Ok(head) if head.id != wanted.id => {
                return Err(OpenError::Foreign { file: path, found: head.id, expected: wanted.id });
            }
            Ok(head) if head.first_lsn != named => Err("the file's name is not the number of its first record"),
            Ok(head) => Ok(head),
            Err(SegmentReaderError::Head(HeadFlaw::Newer(format))) => {
                return Err(OpenError::Newer { file: path, format });
            }
            Err(SegmentReaderError::Head(HeadFlaw::Damaged(what))) => Err(what),
            Err(SegmentReaderError::Io(source)) => return Err(reading(&path)(source)),
        };
        let (last, tail) = (Lsn(named.0.saturating_sub(1)), Tail::default());
        segments.push(Found { path, named, head, bytes, last, end: bytes, tail });
    }
    Ok(segments)
}
