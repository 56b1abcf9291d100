//! TransactionSummaries, read one by one as the codec writes them: nearly all of a snapshot is briefs, and a start waits for them.

use crate::storage::snapshot::{BRIEFS, Frame, SnapshotError, TransactionSummaryDto, codec1::TransactionSummaryDto1};

/// The briefs of one piece. It takes and refuses what [`Frame::decode`] does, and makes no list of them.
#[derive(Debug, Clone)]
pub struct SummaryReader<'a> {
    /// Whose.
    pub customer: u64,
    /// How many are to come.
    left: u64,
    rest: &'a [u8],
    offset: u64,
    codec: u32,
}

impl<'a> SummaryReader<'a> {
    pub(super) fn of(frame: &Frame<'a>) -> Result<Self, SnapshotError> {
        let mut rest = frame.body;
        let mut begin = || {
            let is_briefs = u32::from_le_bytes(take(&mut rest)?) == BRIEFS;
            let (customer, left) = (long(&mut rest)?, long(&mut rest)?);
            (is_briefs && (left > 0 || rest.is_empty())).then_some((customer, left))
        };
        let (customer, left) = begin().ok_or(SnapshotError::Damaged { offset: frame.offset })?;
        Ok(Self { customer, left, rest, offset: frame.offset, codec: frame.codec })
    }

    /// How many are to come, or as many as there is room for.
    #[must_use]
    pub fn len(&self) -> usize {
        // Of a brief without anything that need not be there.
        let bytes_min = if self.codec == 1 { 48 } else { 58 };
        usize::try_from(self.left).unwrap_or(usize::MAX).min(self.rest.len() / bytes_min)
    }

    /// Whether none is to come.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    fn summary(&mut self) -> Option<(u32, TransactionSummaryDto)> {
        let rest = &mut self.rest;
        let slot = u32::from_le_bytes(take(rest)?);
        let summary = if self.codec == 1 { first_codec(rest)? } else { today(rest)? };
        // Nothing stands behind the last.
        (self.left > 1 || rest.is_empty()).then_some((slot, summary))
    }
}

impl Iterator for SummaryReader<'_> {
    type Item = Result<(u32, TransactionSummaryDto), SnapshotError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let summary = self.summary();
        self.left = if summary.is_some() { self.left - 1 } else { 0 };
        Some(summary.ok_or(SnapshotError::Damaged { offset: self.offset }))
    }
}

fn today(rest: &mut &[u8]) -> Option<TransactionSummaryDto> {
    Some(TransactionSummaryDto {
        at: signed(rest)?,
        hold_until: if there_is(rest)? { Some(signed(rest)?) } else { None },
        gross: long(rest)?,
        net: long(rest)?,
        held: long(rest)?,
        place: long(rest)?,
        key: long(rest)?,
        series: if there_is(rest)? { Some(u16::from_le_bytes(take(rest)?)) } else { None },
        status: u8::from_le_bytes(take(rest)?),
        counts: u8::from_le_bytes(take(rest)?),
        flags: u16::from_le_bytes(take(rest)?),
    })
}

fn first_codec(rest: &mut &[u8]) -> Option<TransactionSummaryDto> {
    let summary = TransactionSummaryDto1 {
        at: signed(rest)?,
        hold_until: if there_is(rest)? { Some(signed(rest)?) } else { None },
        gross: long(rest)?,
        net: long(rest)?,
        place: long(rest)?,
        key: long(rest)?,
        series: if there_is(rest)? { Some(u16::from_le_bytes(take(rest)?)) } else { None },
        status: u8::from_le_bytes(take(rest)?),
        flags: u8::from_le_bytes(take(rest)?),
    };
    Some(summary.summary())
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*taken)
}

fn long(rest: &mut &[u8]) -> Option<u64> {
    take(rest).map(u64::from_le_bytes)
}

fn signed(rest: &mut &[u8]) -> Option<i64> {
    take(rest).map(i64::from_le_bytes)
}

fn there_is(rest: &mut &[u8]) -> Option<bool> {
    match take(rest)? {
        [0] => Some(false),
        [1] => Some(true),
        [_] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::snapshot::{CODEC, Piece, codec, codec1::Piece1};
    use bincode::Options;
    use proptest::prelude::*;

    fn first() -> impl Strategy<Value = (u32, TransactionSummaryDto1)> {
        let numbers = (any::<i64>(), any::<Option<i64>>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>());
        let rest = (any::<u32>(), any::<Option<u16>>(), any::<u8>(), any::<u8>());
        (numbers, rest).prop_map(|((at, hold_until, gross, net, place, key), (slot, series, status, flags))| {
            (slot, TransactionSummaryDto1 { at, hold_until, gross, net, place, key, series, status, flags })
        })
    }

    fn summary() -> impl Strategy<Value = (u32, TransactionSummaryDto)> {
        (first(), any::<u64>(), any::<u8>(), any::<u16>()).prop_map(|((slot, first), held, counts, flags)| {
            (slot, TransactionSummaryDto { held, counts, flags, ..first.summary() })
        })
    }

    fn one_by_one(codec: u32, body: &[u8]) -> Option<(u64, Vec<(u32, TransactionSummaryDto)>)> {
        let summaries = Frame { offset: 9, codec, body }.summaries().ok()??;
        let (customer, most) = (summaries.customer, summaries.len());
        let summaries = summaries.collect::<Result<Vec<_>, _>>().ok()?;
        assert_eq!(summaries.len(), most);
        Some((customer, summaries))
    }

    proptest! {
        #[test]
        fn they_are_what_the_codec_reads(
            customer in any::<u64>(),
            summaries in prop::collection::vec(summary(), 0..6),
            old in prop::collection::vec(first(), 0..6),
            is_old in any::<bool>(),
            spoilt in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
            cut in prop::option::weighted(0.3, any::<prop::sample::Index>()),
            behind in prop::collection::vec(any::<u8>(), 0..2),
        ) {
            let (number, mut body) = match is_old {
                true => (1, codec().serialize(&Piece1::TransactionSummaries { customer, summaries: old }).unwrap()),
                false => (CODEC, codec().serialize(&Piece::TransactionSummaries { customer, summaries }).unwrap()),
            };
            if let Some((place, byte)) = spoilt {
                let place = place.index(body.len());
                body[place] = byte;
            }
            if let Some(cut) = cut {
                body.truncate(cut.index(body.len()));
            }
            body.extend(behind);
            let decoded = match (Frame { offset: 9, codec: number, body: &body }).decode() {
                Ok(Piece::TransactionSummaries { customer, summaries }) => Some((customer, summaries)),
                _ => None,
            };
            prop_assert_eq!(one_by_one(number, &body), decoded);
        }
    }
}
