//! What a power cut has taken of the companion while it left the records that need it.
//!
//! A record and its key are written to two files, and until both are synced the medium may get either alone. A record
//! that lies behind the known synced number and whose key is gone is as torn as one whose own bytes are. Where no power
//! was cut, it is not torn, but somebody has put an older companion in the place of the one that belongs there.

use crate::storage::journal::{Companion, Lsn, error::OpenError, segment_reader::Step};
use crate::storage::recovery::{Cut, Groups, Scan, reading};

impl Scan<'_> {
    /// The first record behind the known synced number that the companion does not cover, as the place to cut at; one
    /// that only the file `synced` vouches for is refused. What
    /// lies behind it no longer counts. Where the companion covers all, nothing changes.
    pub(super) fn cut_before_what_was_lost(&mut self, companion: &dyn Companion) -> Result<Option<Cut>, OpenError> {
        let Some(cut) = self.first_lost(companion)? else { return Ok(None) };
        for (place, found) in self.segments.iter_mut().enumerate().skip(cut.segment) {
            if place == cut.segment {
                (found.end, found.last) = (cut.offset, Lsn(cut.lsn.0.saturating_sub(1)));
            } else {
                (found.end, found.last) = (found.bytes, Lsn(found.named.0.saturating_sub(1)));
            }
        }
        self.see_groups_again()?;
        Ok(Some(cut))
    }

    fn first_lost(&self, companion: &dyn Companion) -> Result<Option<Cut>, OpenError> {
        for (segment, found) in self.segments.iter().enumerate().skip(self.from) {
            if found.last < found.named || found.last <= self.vouched {
                continue;
            }
            let mut walk = self.walk(&found.path)?.until(found.end);
            while let Step::Record(seen) = walk.step().map_err(reading(&found.path))? {
                let Some((record, _)) = seen.record().filter(|(record, _)| record.lsn > self.vouched) else { continue };
                if !companion.covers(record.owner, record.events) {
                    let (offset, lsn) = (seen.offset, record.lsn);
                    // Keys are synced before the records that need them.
                    if lsn <= self.known || !self.wanted.may_have_lost_power {
                        return Err(OpenError::Keyless { file: found.path.clone(), lsn, owner: record.owner });
                    }
                    let what = "the key of what is sealed in it is missing".to_owned();
                    return Ok(Some(Cut { segment, offset, lsn, what, may_be_torn: true }));
                }
            }
        }
        Ok(None)
    }

    /// Which groups have ended, where the journal ends earlier than it was walked.
    fn see_groups_again(&mut self) -> Result<(), OpenError> {
        let walked_from = self.segments.get(self.from).map_or(Lsn(1), |found| found.named);
        let mut groups = Groups::from(walked_from);
        for found in self.segments.iter().skip(self.from).filter(|found| found.last >= found.named) {
            let mut walk = self.walk(&found.path)?.until(found.end);
            while let Step::Record(seen) = walk.step().map_err(reading(&found.path))? {
                // The first walk has found nothing senseless up to here.
                let _sense = groups.see(&seen.framed);
            }
        }
        self.groups = groups;
        Ok(())
    }
}
