//! Records whose keys a power cut has lost.
//!
//! A record and its key are written to two files. Until both are synced, the medium may have only one of them. A record
//! after the known synced number whose key is missing counts as torn. Without a power cut it is not torn: the file `keys` was
//! replaced by an older one, and the start is refused.

use crate::storage::{
    journal::{
        format::{groups::Groups, segment_reader::Step},
        model::{companion::Companion, error::OpenError, ids::Lsn},
    },
    recovery::scan::{Cut, Scan, Tail, reading},
};

impl Scan<'_> {
    /// Cuts before the first record after the known synced number whose key is missing; `None`: all keys are there. A record
    /// that only the file `synced` confirms is refused.
    pub(super) fn cut_before_missing_key(&mut self, companion: &dyn Companion) -> Result<Option<Cut>, OpenError> {
        let Some(cut) = self.first_without_key(companion)? else { return Ok(None) };
        for (place, found) in self.segments.iter_mut().enumerate().skip(cut.segment) {
            found.tail = Tail::default();
            if place == cut.segment {
                (found.end, found.last) = (cut.offset, Lsn(cut.lsn.0.saturating_sub(1)));
            } else {
                (found.end, found.last) = (found.bytes, Lsn(found.named.0.saturating_sub(1)));
            }
        }
        self.recompute_groups()?;
        Ok(Some(cut))
    }

    fn first_without_key(&self, companion: &dyn Companion) -> Result<Option<Cut>, OpenError> {
        for (segment, found) in self.segments.iter().enumerate().skip(self.from) {
            if found.last < found.named || found.last <= self.vouched {
                continue;
            }
            let mut reader = self.reader(&found.path)?.until(found.end);
            while let Step::Record(located) = reader.step().map_err(reading(&found.path))? {
                let Some((record, _)) = located.record().filter(|(record, _)| record.lsn > self.vouched) else {
                    continue;
                };
                if !companion.has_keys_for(record.owner, record.events) {
                    let (offset, lsn) = (located.offset, record.lsn);
                    // Keys are synced before the records that need them.
                    if lsn <= self.known || !self.wanted.may_have_lost_power {
                        return Err(OpenError::KeyMissing { file: found.path.clone(), lsn, owner: record.owner });
                    }
                    let what = "the key of its sealed data is missing".to_owned();
                    return Ok(Some(Cut { segment, offset, lsn, what, may_be_torn: true }));
                }
            }
        }
        Ok(None)
    }

    /// Computes the open groups again, since the journal ends earlier than it was read.
    fn recompute_groups(&mut self) -> Result<(), OpenError> {
        let walked_from = self.segments.get(self.from).map_or(Lsn(1), |found| found.named);
        let mut groups = Groups::reading_from(walked_from);
        let mut tails = Vec::new();
        for (index, found) in self.segments.iter().enumerate().skip(self.from) {
            if found.last < found.named {
                continue;
            }
            let (mut reader, mut tail) = (self.reader(&found.path)?.until(found.end), Tail::default());
            while let Step::Record(located) = reader.step().map_err(reading(&found.path))? {
                tail.add(&located);
                // The validation has found no invalid record up to here.
                let _valid = groups.add(&located.framed);
            }
            tails.push((index, tail));
        }
        for (index, tail) in tails {
            if let Some(found) = self.segments.get_mut(index) {
                found.tail = tail;
            }
        }
        self.groups = groups;
        Ok(())
    }
}
