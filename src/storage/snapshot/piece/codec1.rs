//! The shapes of the first codec, for snapshots of older versions. They are read and no longer written.
//!
//! The order of fields is the format, as in `customer.rs` and `global.rs`.

use crate::{
    domain::{
        transaction::{outcome::TransactionOutcome, status::Status},
        vocabulary::time::Millis,
    },
    storage::{
        encoding::numbers::{Numbered, flags_of},
        snapshot::piece::{
            Piece,
            customer::{CustomerDto, TransactionSummaryDto, UsageSeriesDto},
            global::{ArchivedFactDto, CountedDto, GlobalDto, LevelDto, RenameDto},
            identifier::IdentifierDto,
            values::Text,
        },
    },
};
use serde::{Deserialize, Serialize};

/// [`Piece`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::storage::snapshot) enum PieceV1 {
    Customer(CustomerDtoV1),
    TransactionSummaries { customer: u64, summaries: Vec<(u32, TransactionSummaryDtoV1)> },
    Global(GlobalDtoV1),
    End { end_lsn: u64, pieces: u64, customers: u64, summaries: u64 },
}

/// [`CustomerDto`], with a level in every usage series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::storage::snapshot) struct CustomerDtoV1 {
    pub(super) number: u64,
    pub(super) merchant: Text,
    pub(super) identifier: Option<Box<str>>,
    pub(super) attributes: Vec<u8>,
    pub(super) levels: [Option<Text>; 2],
    pub(super) consent: u8,
    pub(super) suspicion: Option<u8>,
    pub(super) profile: Vec<u8>,
    pub(super) history: Option<u64>,
    pub(super) created: i64,
    pub(super) modified: i64,
    pub(super) settled_at: i64,
    pub(super) applied: u64,
    pub(super) series: Vec<UsageSeriesDtoV1>,
    pub(super) first_slot: u32,
    pub(super) next_slot: u32,
}

/// [`UsageSeriesDto`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::storage::snapshot) struct UsageSeriesDtoV1 {
    pub(super) direction: u8,
    pub(super) currency: [u8; 3],
    pub(super) level: Text,
    pub(super) gross: u128,
    pub(super) net: u128,
    pub(super) gross_count: u64,
    pub(super) net_count: u64,
}

/// [`TransactionSummaryDto`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::storage::snapshot) struct TransactionSummaryDtoV1 {
    pub(super) at: i64,
    pub(super) hold_until: Option<i64>,
    pub(super) gross: u64,
    pub(super) net: u64,
    pub(super) offset: u64,
    pub(super) key: u64,
    pub(super) series: Option<u16>,
    pub(super) status: u8,
    pub(super) flags: u8,
}

/// [`GlobalDto`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(in crate::storage::snapshot) struct GlobalDtoV1 {
    pub(super) next_customer: u64,
    pub(super) currencies: Vec<[u8; 3]>,
    pub(super) levels: Vec<LevelDto>,
    pub(super) blocked: Vec<Box<str>>,
    pub(super) late: Vec<ArchivedFactDto>,
    pub(super) configured: Option<Box<str>>,
    pub(super) counted: Vec<CountedDto>,
    pub(super) overlay: Vec<u8>,
    pub(super) renames: Vec<RenameDto>,
}

impl PieceV1 {
    /// The piece in the shape of today.
    pub(in crate::storage::snapshot) fn upgrade(self) -> Piece {
        match self {
            Self::Customer(customer) => Piece::Customer(customer.upgrade()),
            Self::TransactionSummaries { customer, summaries } => {
                let summaries = summaries.into_iter().map(|(slot, summary)| (slot, summary.upgrade())).collect();
                Piece::TransactionSummaries { customer, summaries }
            }
            Self::Global(global) => Piece::Global(global.upgrade()),
            Self::End { end_lsn, pieces, customers, summaries } => Piece::End { end_lsn, pieces, customers, summaries },
        }
    }
}

impl CustomerDtoV1 {
    fn upgrade(self) -> CustomerDto {
        CustomerDto {
            number: self.number,
            merchant: self.merchant,
            identifier: self.identifier.map(IdentifierDto::Text),
            attributes: self.attributes,
            levels: self.levels,
            consent: self.consent,
            suspicion: self.suspicion,
            profile: self.profile,
            history: self.history,
            created: self.created,
            modified: self.modified,
            settled_at: self.settled_at,
            applied: self.applied,
            series: self.series.into_iter().map(UsageSeriesDtoV1::upgrade).collect(),
            first_slot: self.first_slot,
            next_slot: self.next_slot,
        }
    }
}

impl UsageSeriesDtoV1 {
    fn upgrade(self) -> UsageSeriesDto {
        let Self { direction, currency, level, gross, net, gross_count, net_count } = self;
        UsageSeriesDto { direction, currency, level: Some(level), gross, net, gross_count, net_count }
    }
}

impl TransactionSummaryDtoV1 {
    /// The summary in the shape of today, by [`TransactionOutcome::of_version_1`]. An invalid word is kept, and refused later.
    pub(super) fn upgrade(self) -> TransactionSummaryDto {
        let Self { at, hold_until, gross, net, offset, key, series, status, flags } = self;
        let known = Status::of_number(status).unwrap_or(Status::Cancelled);
        let none = flags_of(0).unwrap_or_default();
        let outcome = TransactionOutcome::of_version_1(known, (gross, net), hold_until.map(Millis), none);
        let counts = TransactionSummaryDto::counts_of(&outcome);
        let flags = u16::from(flags);
        TransactionSummaryDto {
            at,
            hold_until,
            gross,
            net,
            held_amount: outcome.held_amount,
            offset,
            key,
            series,
            status,
            counts,
            flags,
        }
    }
}

impl GlobalDtoV1 {
    fn upgrade(self) -> GlobalDto {
        let Self { next_customer, currencies, levels, blocked, late, configured, counted, overlay, renames } = self;
        GlobalDto {
            next_customer,
            currencies,
            levels,
            blocked,
            late,
            configured,
            counted,
            overlay,
            renames,
            ..GlobalDto::default()
        }
    }
}
