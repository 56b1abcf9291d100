//! Reads transaction summaries one by one, as the codec writes them. They are nearly all of a snapshot, and a start waits
//! for them.

use crate::storage::snapshot::{
    error::SnapshotError,
    piece::{TRANSACTION_SUMMARIES, codec1::TransactionSummaryDtoV1, customer::TransactionSummaryDto},
};

/// The summaries of one piece. It accepts and refuses the same bytes as [`Frame::decode`](crate::storage::snapshot::Frame::decode), without a
/// list.
#[derive(Debug, Clone)]
pub struct SummaryReader<'a> {
    /// The number of the customer.
    pub customer: u64,
    /// How many summaries are left.
    left: u64,
    rest: &'a [u8],
    offset: u64,
    codec: u32,
}

impl<'a> SummaryReader<'a> {
    /// Reads the start of the piece `body`, whose frame is at `offset`.
    ///
    /// # Errors
    /// The piece ends before the number of summaries.
    pub(in crate::storage::snapshot) fn new(offset: u64, codec: u32, body: &'a [u8]) -> Result<Self, SnapshotError> {
        let mut rest = body;
        let mut begin = || {
            let is_summaries = u32::from_le_bytes(take(&mut rest)?) == TRANSACTION_SUMMARIES;
            let (customer, left) = (read_u64(&mut rest)?, read_u64(&mut rest)?);
            (is_summaries && (left > 0 || rest.is_empty())).then_some((customer, left))
        };
        let (customer, left) = begin().ok_or(SnapshotError::Damaged { offset })?;
        Ok(Self { customer, left, rest, offset, codec })
    }

    /// How many summaries are left, at most the number that the bytes have room for.
    #[must_use]
    pub fn len(&self) -> usize {
        // The bytes of a summary without optional fields.
        let bytes_min = if self.codec == 1 { 48 } else { 58 };
        usize::try_from(self.left).unwrap_or(usize::MAX).min(self.rest.len() / bytes_min)
    }

    /// Whether no summary is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    fn next_summary(&mut self) -> Option<(u32, TransactionSummaryDto)> {
        let rest = &mut self.rest;
        let slot = u32::from_le_bytes(take(rest)?);
        let summary = if self.codec == 1 { read_v1(rest)? } else { read_summary(rest)? };
        // No bytes follow the last summary.
        (self.left > 1 || rest.is_empty()).then_some((slot, summary))
    }
}

impl Iterator for SummaryReader<'_> {
    type Item = Result<(u32, TransactionSummaryDto), SnapshotError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let summary = self.next_summary();
        self.left = if summary.is_some() { self.left - 1 } else { 0 };
        Some(summary.ok_or(SnapshotError::Damaged { offset: self.offset }))
    }
}

fn read_summary(rest: &mut &[u8]) -> Option<TransactionSummaryDto> {
    Some(TransactionSummaryDto {
        at: read_i64(rest)?,
        hold_until: if read_flag(rest)? { Some(read_i64(rest)?) } else { None },
        gross: read_u64(rest)?,
        net: read_u64(rest)?,
        held_amount: read_u64(rest)?,
        offset: read_u64(rest)?,
        key: read_u64(rest)?,
        series: if read_flag(rest)? { Some(u16::from_le_bytes(take(rest)?)) } else { None },
        status: u8::from_le_bytes(take(rest)?),
        counts: u8::from_le_bytes(take(rest)?),
        flags: u16::from_le_bytes(take(rest)?),
    })
}

fn read_v1(rest: &mut &[u8]) -> Option<TransactionSummaryDto> {
    let summary = TransactionSummaryDtoV1 {
        at: read_i64(rest)?,
        hold_until: if read_flag(rest)? { Some(read_i64(rest)?) } else { None },
        gross: read_u64(rest)?,
        net: read_u64(rest)?,
        offset: read_u64(rest)?,
        key: read_u64(rest)?,
        series: if read_flag(rest)? { Some(u16::from_le_bytes(take(rest)?)) } else { None },
        status: u8::from_le_bytes(take(rest)?),
        flags: u8::from_le_bytes(take(rest)?),
    };
    Some(summary.upgrade())
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*taken)
}

fn read_u64(rest: &mut &[u8]) -> Option<u64> {
    take(rest).map(u64::from_le_bytes)
}

fn read_i64(rest: &mut &[u8]) -> Option<i64> {
    take(rest).map(i64::from_le_bytes)
}

fn read_flag(rest: &mut &[u8]) -> Option<bool> {
    match take(rest)? {
        [0] => Some(false),
        [1] => Some(true),
        [_] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::snapshot::{
        frame::Frame,
        piece::{Piece, codec, codec1::PieceV1},
        version::CODEC,
    };
    use bincode::Options;
    use proptest::prelude::*;

    fn first() -> impl Strategy<Value = (u32, TransactionSummaryDtoV1)> {
        let numbers = (any::<i64>(), any::<Option<i64>>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>());
        let rest = (any::<u32>(), any::<Option<u16>>(), any::<u8>(), any::<u8>());
        (numbers, rest).prop_map(|((at, hold_until, gross, net, offset, key), (slot, series, status, flags))| {
            (slot, TransactionSummaryDtoV1 { at, hold_until, gross, net, offset, key, series, status, flags })
        })
    }

    fn summary() -> impl Strategy<Value = (u32, TransactionSummaryDto)> {
        (first(), any::<u64>(), any::<u8>(), any::<u16>()).prop_map(|((slot, first), held_amount, counts, flags)| {
            (slot, TransactionSummaryDto { held_amount, counts, flags, ..first.upgrade() })
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
        fn the_reader_agrees_with_the_codec(
            customer in any::<u64>(),
            summaries in prop::collection::vec(summary(), 0..6),
            old in prop::collection::vec(first(), 0..6),
            is_old in any::<bool>(),
            changed in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
            cut in prop::option::weighted(0.3, any::<prop::sample::Index>()),
            extra in prop::collection::vec(any::<u8>(), 0..2),
        ) {
            let (number, mut body) = match is_old {
                true => (1, codec().serialize(&PieceV1::TransactionSummaries { customer, summaries: old }).unwrap()),
                false => (CODEC, codec().serialize(&Piece::TransactionSummaries { customer, summaries }).unwrap()),
            };
            if let Some((place, byte)) = changed {
                let place = place.index(body.len());
                body[place] = byte;
            }
            if let Some(cut) = cut {
                body.truncate(cut.index(body.len()));
            }
            body.extend(extra);
            let decoded = match (Frame { offset: 9, codec: number, body: &body }).decode() {
                Ok(Piece::TransactionSummaries { customer, summaries }) => Some((customer, summaries)),
                _ => None,
            };
            prop_assert_eq!(one_by_one(number, &body), decoded);
        }
    }
}
