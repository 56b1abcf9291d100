//! Replays the records that count.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::{
        journal::{
            format::segment_reader::Step,
            model::{
                error::OpenError,
                ids::Lsn,
                paths::FOLDER,
                replay::{Refused, Replay},
                segment_info::SegmentInfo,
            },
        },
        recovery::scan::{Found, Scan, reading},
    },
};
use std::io;

impl Scan<'_> {
    /// The second pass: hands over what counts.
    pub(super) fn replay(&mut self, replay: &mut dyn Replay) -> Result<u64, OpenError> {
        let mut records = 0;
        for found in self.segments.iter().skip(self.from).filter(|found| found.last >= found.named) {
            let mut reader = self.reader(&found.path)?.until(found.end);
            loop {
                let located = match reader.step().map_err(reading(&found.path))? {
                    Step::End => break,
                    Step::Record(located) => located,
                    Step::Damage(_) => {
                        let changed = io::Error::other("the file changed while it was read");
                        return Err(reading(&found.path)(changed));
                    }
                };
                let counts = |group: Option<Lsn>| group.is_none_or(|group| !self.groups.is_open(group));
                let Some((record, _)) = located.record().filter(|(_, group)| counts(*group)) else { continue };
                if record.lsn > self.wanted.after {
                    self.archive.list.take_record(record.events);
                    replay.record(&record).map_err(|refused| self.refused(refused))?;
                    records += 1;
                }
            }
        }
        replay.end_replay().map_err(|refused| self.refused(refused))?;
        Ok(records)
    }

    fn refused(&self, Refused { lsn, what }: Refused) -> OpenError {
        let next_index = self.segments.partition_point(|found| found.named <= lsn);
        let found = next_index.checked_sub(1).and_then(|index| self.segments.get(index));
        OpenError::Replay { file: found.map_or(FOLDER.to_owned(), |found| found.path.clone()), lsn, what }
    }

    pub(super) fn infos(&self) -> Vec<SegmentInfo> {
        let info = |found: &Found| SegmentInfo {
            first_lsn: found.named,
            first_offset: found.head.map_or(LogOffset(0), |head| head.first_offset),
            end_offset: found.end_offset(),
            last: found.last,
            path: found.path.clone(),
            sealed: true,
        };
        // A segment that no start replays and whose head is damaged is listed as lost.
        let is_lost = |(n, found): &(usize, &Found)| *n < self.from && found.head.is_err();
        let there = self.segments.iter().enumerate().filter(|segment| !is_lost(segment));
        there.map(|(_, found)| info(found)).collect()
    }
}
