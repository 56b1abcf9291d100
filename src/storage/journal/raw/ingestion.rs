//! The state of a journal that is a copy of another one.

use crate::storage::journal::{
    format::frame::{self, Body},
    model::ids::Lsn,
    raw::{
        raw_reader::RawReader,
        raw_records::{RawRecord, RawRecords},
    },
};

/// The state of a journal that is a copy of another one.
///
/// A group is written only when its end is known, so that no segment, and no journal after a power cut, ends inside a group
/// whose rest follows.
pub(in crate::storage) struct Ingestion {
    pub(in crate::storage) reader: RawReader,
    /// The epoch and the checksum of the last record that was ingested; `None`: it is unknown.
    pub(in crate::storage) last: Option<(u32, u32)>,
    /// The frames of a group that has begun and not ended, with the batch header before it.
    pub(in crate::storage) unfinished: Vec<u8>,
}

/// How much of a range is written.
pub(in crate::storage) struct Whole {
    /// The number of bytes that are written.
    pub(in crate::storage) bytes: usize,
    /// The last record in them; `None`: there is none.
    pub(in crate::storage) last: Option<Lsn>,
}

impl Whole {
    /// The records of a range up to a group that it does not end. `is_open`: it ends inside a group.
    pub(in crate::storage) fn of(records: &RawRecords, is_open: bool) -> Self {
        if !is_open {
            return Self { bytes: records.bytes.len(), last: Some(records.last) };
        }
        let (mut end, mut last, mut whole) = (0, None, Self { bytes: 0, last: None });
        for record in records.frames() {
            match record.framed.body {
                Body::Batch { .. } => continue,
                Body::Begin => whole = Self { bytes: end, last },
                _ => {}
            }
            (end, last) = (record.end(), Some(record.framed.head.lsn));
        }
        whole
    }
}

/// The bytes of each frame.
pub(in crate::storage) fn frames_of(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = frame::length(rest).ok()?;
        let (frame, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(frame)
    })
}

/// The last record of a range that belongs to no customer alone.
pub(in crate::storage) fn last_shared(records: &RawRecords) -> Option<Lsn> {
    let is_shared = |record: &RawRecord<'_>| match record.framed.body {
        Body::Batch { .. } | Body::Begin | Body::Part { .. } => false,
        Body::End { .. } => true,
        Body::Events(_) => record.framed.head.owner == 0,
    };
    records.frames().filter(is_shared).map(|record| record.framed.head.lsn).last()
}
