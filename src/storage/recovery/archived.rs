//! Segments that no start replays: each must be there with its length, and continue where the one before it ends.
//!
//! Otherwise the archive has lost records. No counter changes, since a snapshot contains their effect, but transaction ids
//! and facts are lost. So a start is refused until retention released each lost record, or an operator accepted the loss.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::{
        archive_list::Loss,
        journal::{
            format::{segment_head::RECORDS_FROM, segment_reader::Step},
            model::{error::OpenError, ids::Lsn, paths::ARCHIVE},
        },
        recovery::scan::{Found, Scan, reading},
    },
};

/// A segment that no start replays, whose head is whole.
#[derive(Clone, Copy)]
struct Present<'a> {
    found: &'a Found,
    first_offset: LogOffset,
    /// Whether it is as long as it was when it was listed.
    is_as_listed: bool,
}

impl Scan<'_> {
    /// Checks that no segment that is not walked is of a later start than the next one, and that the first one needed is
    /// there.
    pub(super) fn check_unreplayed_segments(&mut self) -> Result<(), OpenError> {
        let first = Lsn(self.wanted.after.0.saturating_add(1));
        if let Some(found) = self.segments.first().filter(|found| found.named > first) {
            return Err(OpenError::BeginningMissing { file: found.path.clone(), begins: found.named, missing: first });
        }
        let mut last_epoch = 0;
        for (n, found) in self.segments.iter().enumerate().take(self.from + 1) {
            let Ok(head) = found.head else { continue };
            if head.epoch < last_epoch {
                return Err(self.corrupt(n, 12, found.named, "it is of an earlier start than the segment before it"));
            }
            last_epoch = head.epoch;
        }
        for older in 0..self.from {
            let next = self.segments.get(older + 1).map_or(Lsn::NONE, |next| next.named);
            if let Some(this) = self.segments.get_mut(older) {
                this.last = Lsn(next.0.saturating_sub(1));
            }
        }
        Ok(())
    }

    /// The losses in segments that are not replayed, in order.
    pub(super) fn losses(&self) -> Result<Vec<Loss>, OpenError> {
        let listed = &self.archive.list;
        let older = self.segments.get(..=self.from).unwrap_or(&self.segments);
        let present: Vec<Present<'_>> = older
            .iter()
            .enumerate()
            .filter_map(|(n, found)| {
                let first_offset = found.head.ok()?.first_offset;
                let as_listed = listed.get(found.named).is_none_or(|listed| listed.bytes == found.bytes);
                Some(Present { found, first_offset, is_as_listed: n == self.from || as_listed })
            })
            .collect();
        let mut losses = Vec::new();
        if let Some(first) = present.first() {
            losses.extend(self.lost_before(first));
        }
        for pair in present.windows(2) {
            let [this, next] = pair else { continue };
            losses.extend(self.lost_between(this, next)?);
        }
        Ok(losses)
    }

    /// Listed segments before the first one that is there.
    fn lost_before(&self, first: &Present<'_>) -> Option<Loss> {
        let named = first.found.named;
        let missing: Vec<_> =
            self.archive.list.segments().take_while(|segment| segment.first_lsn < named.0).copied().collect();
        // Places count the bytes of records without a gap, so that the lengths tell where the first one began.
        let bytes = missing.iter().map(|segment| segment.bytes.saturating_sub(RECORDS_FROM)).sum();
        let (from, to) = (LogOffset(first.first_offset.0.saturating_sub(bytes)), first.first_offset);
        let begins = Lsn(missing.first()?.first_lsn);
        self.loss((begins, Lsn(named.0.saturating_sub(1))), (from, to), None)
    }

    fn lost_between(&self, this: &Present<'_>, next: &Present<'_>) -> Result<Option<Loss>, OpenError> {
        let last = Lsn(next.found.named.0.saturating_sub(1));
        if !this.is_as_listed {
            return Ok(self.loss((this.found.named, last), (this.first_offset, next.first_offset), Some(this.found)));
        }
        if this.found.end_offset() == next.first_offset {
            return Ok(None);
        }
        let begins = match self.archive.list.get(this.found.named) {
            Some(listed) => Lsn(listed.last_lsn.saturating_add(1)),
            None => self.next_of(this.found)?,
        };
        let from = this.found.end_offset().min(next.first_offset);
        Ok(self.loss((begins, last), (from, next.first_offset), None))
    }

    /// The number after the last whole record of a segment.
    fn next_of(&self, found: &Found) -> Result<Lsn, OpenError> {
        let mut reader = self.reader(&found.path)?;
        while let Step::Record(_) = reader.step().map_err(reading(&found.path))? {}
        Ok(reader.next_lsn())
    }

    /// The loss of these records; `None`: there are none.
    fn loss(
        &self,
        (first, last): (Lsn, Lsn),
        (from, to): (LogOffset, LogOffset),
        wrong: Option<&Found>,
    ) -> Option<Loss> {
        if first > last {
            return None;
        }
        let listed = &self.archive.list;
        let mut files = Vec::new();
        if let Some(found) = wrong {
            let bytes = listed.get(found.named).map_or(0, |listed| listed.bytes);
            files.push(format!("{} has {} bytes and had {bytes}", found.path, found.bytes));
        }
        for found in self.segments.iter().take(self.from).filter(|found| first <= found.named && found.named <= last) {
            if let Err(what) = found.head {
                files.push(format!("{}: {what}", found.path));
            }
        }
        let is_there = |lsn: u64| self.segments.iter().any(|found| found.named.0 == lsn);
        for segment in listed.segments().filter(|segment| first.0 <= segment.first_lsn && segment.last_lsn <= last.0) {
            if !is_there(segment.first_lsn) {
                files.push(format!("{ARCHIVE}/{:020}.log is missing", segment.first_lsn));
            }
        }
        if files.is_empty() {
            files.push(format!("{ARCHIVE}/{:020}.log, or files that follow it, are missing or cut", first.0));
        }
        let what = format!("records {first} to {last}: {}", files.join(", "));
        let is_new = !listed.is_accounted_for(first, last);
        Some(Loss { first, last, from, to, what, is_new })
    }

    /// The losses, each of which is accounted for or accepted now.
    pub(super) fn refuse_new_losses(&self) -> Result<Vec<Loss>, OpenError> {
        let losses = self.losses()?;
        let new: Vec<&str> = losses.iter().filter(|loss| loss.is_new).map(|loss| loss.what.as_str()).collect();
        if new.is_empty() || self.archive.accept_lost {
            return Ok(losses);
        }
        Err(OpenError::ArchiveLost { what: new.join("; ") })
    }
}
