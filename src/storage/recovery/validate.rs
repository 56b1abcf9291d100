//! Validates the segments, and judges where the good records end.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::{
        journal::{
            format::{frame::Flaw, groups::Groups, segment_reader::RecordFlaw},
            model::{error::OpenError, ids::Lsn},
        },
        recovery::scan::{Cut, Scan},
    },
};

impl Scan<'_> {
    /// The first pass: where the good records end, which groups end, how far the journal is known to be synced.
    pub(super) fn validate(&mut self) -> Result<Option<Cut>, OpenError> {
        let mut before: Option<(Lsn, LogOffset, u32)> = None;
        let walked_from = self.segments.get(self.from).map_or(Lsn(1), |found| found.named);
        self.groups = Groups::reading_from(walked_from);
        let walked = self.read_segments();
        for (segment, walked) in (self.from..).zip(walked) {
            let Some(found) = self.segments.get_mut(segment) else { break };
            let expected = before.map_or(found.named, |(lsn, ..)| lsn);
            let whole =
                |what: &str| Cut { segment, offset: 0, lsn: expected, what: what.to_owned(), may_be_torn: true };
            let flaw = match (found.head, before) {
                (Err(what), _) => Some(what),
                (Ok(head), Some(before)) if (head.first_lsn, head.first_offset) != (before.0, before.1) => {
                    Some("it does not go on where the segment before it ends")
                }
                (Ok(head), Some((.., epoch))) if head.epoch < epoch => Some("it is of an earlier start than the last"),
                _ => None,
            };
            if let Some(what) = flaw {
                self.read_after_damage(segment)?;
                return Ok(Some(whole(what)));
            }
            let walked = walked?;
            self.epoch = self.epoch.max(walked.epoch);
            self.known = self.known.max(walked.known);
            self.vouched = self.vouched.max(walked.known);
            for (offset, framed) in &walked.grouped {
                if let Err(what) = self.groups.add(framed) {
                    self.read_after_damage(segment)?;
                    let (lsn, what) = (framed.head.lsn, what.to_owned());
                    return Ok(Some(Cut { segment, offset: *offset, lsn, what, may_be_torn: false }));
                }
            }
            (found.end, found.tail) = (walked.end, walked.tail);
            found.last = Lsn(walked.next_lsn.0.saturating_sub(1));
            if let Some(damage) = walked.damage {
                let path = found.path.clone();
                match damage.flaw {
                    RecordFlaw::Bytes(Flaw::Group(group)) => return Err(OpenError::Group { file: path, group }),
                    RecordFlaw::Bytes(Flaw::Newer(format)) => {
                        return Err(OpenError::Newer { file: path, format: format.into() });
                    }
                    RecordFlaw::Foreign(id) => {
                        return Err(OpenError::Foreign { file: path, found: id, expected: self.wanted.id });
                    }
                    _ => {}
                }
                self.read_after_damage(segment)?;
                let (what, may_be_torn) = (damage.flaw.to_string(), damage.flaw.may_be_torn());
                return Ok(Some(Cut { segment, offset: damage.offset, lsn: damage.lsn, what, may_be_torn }));
            }
            before = Some((walked.next_lsn, walked.log_offset, walked.epoch));
        }
        Ok(None)
    }

    fn ends_early(&self) -> String {
        match self.wanted.mark.filter(|mark| mark.is_clean_stop && mark.lsn == self.known) {
            Some(mark) => format!("the journal ends here, and the daemon stopped in order with record {}", mark.lsn),
            None => format!("the journal ends here, and was synced up to record {}", self.known),
        }
    }

    /// Extends the cut over what begins at the end of the good records and is not complete: a batch header without a record,
    /// so that the next segment begins where the last record ends; and in a copy of another journal a group without its
    /// end, which is copied again.
    pub(super) fn cut_incomplete_end(&mut self, cut: Option<Cut>, last: Lsn) -> (Option<Cut>, Lsn) {
        let newest = match &cut {
            Some(cut) if cut.offset == 0 => cut.segment.checked_sub(1),
            Some(cut) => Some(cut.segment),
            None => self.segments.len().checked_sub(1),
        };
        let Some((segment, found)) = newest
            .filter(|newest| *newest >= self.from)
            .and_then(|newest| self.segments.get_mut(newest).map(|found| (newest, found)))
        else {
            return (cut, last);
        };
        let group = found.tail.group.filter(|(_, group)| self.wanted.follows && *group > self.known);
        let has_header = found.last >= found.named && found.tail.records_end < found.end;
        let (offset, lsn, what) = match group {
            Some((offset, group)) => (offset, group, "a group without its end, which is copied again"),
            None if has_header => {
                (found.tail.records_end, Lsn(last.0.saturating_add(1)), "a batch header without a record")
            }
            None => return (cut, last),
        };
        let last = Lsn(lsn.0.saturating_sub(1));
        (found.end, found.last) = (offset, last);
        let what = cut.map_or_else(|| what.to_owned(), |cut| cut.what);
        (Some(Cut { segment, offset, lsn, what, may_be_torn: true }), last)
    }

    /// Refuses damage that a power cut cannot cause. Returns the last record that counts.
    pub(super) fn last_after_cut(&mut self, cut: Option<&Cut>) -> Result<Lsn, OpenError> {
        let Some(cut) = cut else {
            let (last, end) = self.segments.last().map_or((Lsn(0), 0), |found| (found.last, found.end));
            if last < self.known {
                let what = self.ends_early();
                let segment = self.segments.len().saturating_sub(1);
                return Err(self.corrupt(segment, end, Lsn(last.0.saturating_add(1)), &what));
            }
            return Ok(last);
        };
        // If the first head is damaged, the offset at which the journal continues is unknown.
        let nothing_left = cut.segment == 0 && cut.offset == 0 && cut.lsn > Lsn(1);
        if cut.lsn <= self.known || !cut.may_be_torn || nothing_left {
            return Err(self.corrupt(cut.segment, cut.offset, cut.lsn, &cut.what));
        }
        Ok(Lsn(cut.lsn.0.saturating_sub(1)))
    }
}
