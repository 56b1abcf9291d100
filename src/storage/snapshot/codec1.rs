//! The shapes of the first codec, for snapshots that an older version wrote. They are read and no longer written.
//!
//! The order of fields is the format, as in [`super::shapes`].

use crate::storage::snapshot::{
    Piece,
    global::{CountedDto, LateDto, LevelDto, RenameDto, WorldDto},
    shapes::{HeadDto, IdentifierDto, TransactionSummaryDto, UsageSeriesDto},
};
use crate::{
    domain::{
        transaction::{record::Status, summary::TransactionOutcome},
        vocabulary::time::Millis,
    },
    storage::encoding::numbers::{Numbered, flags_of},
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

type Text = Cow<'static, str>;

/// [`Piece`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Piece1 {
    Head(HeadDto1),
    TransactionSummaries { customer: u64, summaries: Vec<(u32, TransactionSummaryDto1)> },
    World(WorldDto1),
    End { end_lsn: u64, pieces: u64, customers: u64, summaries: u64 },
}

/// [`HeadDto`], with a level in every book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HeadDto1 {
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
    pub(super) books: Vec<UsageSeriesDto1>,
    pub(super) first_slot: u32,
    pub(super) next_slot: u32,
}

/// [`UsageSeriesDto`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UsageSeriesDto1 {
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
pub(super) struct TransactionSummaryDto1 {
    pub(super) at: i64,
    pub(super) hold_until: Option<i64>,
    pub(super) gross: u64,
    pub(super) net: u64,
    pub(super) place: u64,
    pub(super) key: u64,
    pub(super) series: Option<u16>,
    pub(super) status: u8,
    pub(super) flags: u8,
}

/// [`WorldDto`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct WorldDto1 {
    pub(super) next_customer: u64,
    pub(super) currencies: Vec<[u8; 3]>,
    pub(super) levels: Vec<LevelDto>,
    pub(super) blocked: Vec<Box<str>>,
    pub(super) late: Vec<LateDto>,
    pub(super) configured: Option<Box<str>>,
    pub(super) counted: Vec<CountedDto>,
    pub(super) overlay: Vec<u8>,
    pub(super) renames: Vec<RenameDto>,
}

impl Piece1 {
    /// The same in the shapes of today.
    pub(super) fn piece(self) -> Piece {
        match self {
            Self::Head(head) => Piece::Head(head.head()),
            Self::TransactionSummaries { customer, summaries } => {
                let summaries = summaries.into_iter().map(|(slot, summary)| (slot, summary.summary())).collect();
                Piece::TransactionSummaries { customer, summaries }
            }
            Self::World(world) => Piece::World(world.world()),
            Self::End { end_lsn, pieces, customers, summaries } => Piece::End { end_lsn, pieces, customers, summaries },
        }
    }
}

impl HeadDto1 {
    fn head(self) -> HeadDto {
        HeadDto {
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
            books: self.books.into_iter().map(UsageSeriesDto1::series).collect(),
            first_slot: self.first_slot,
            next_slot: self.next_slot,
        }
    }
}

impl UsageSeriesDto1 {
    fn series(self) -> UsageSeriesDto {
        let Self { direction, currency, level, gross, net, gross_count, net_count } = self;
        UsageSeriesDto { direction, currency, level: Some(level), gross, net, gross_count, net_count }
    }
}

impl TransactionSummaryDto1 {
    /// What is held and what counts, by [`TransactionOutcome::of_version_1`]; words that are none stay and are refused as today's.
    pub(super) fn summary(self) -> TransactionSummaryDto {
        let Self { at, hold_until, gross, net, place, key, series, status, flags } = self;
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
            held: outcome.held,
            place,
            key,
            series,
            status,
            counts,
            flags,
        }
    }
}

impl WorldDto1 {
    fn world(self) -> WorldDto {
        let Self { next_customer, currencies, levels, blocked, late, configured, counted, overlay, renames } = self;
        WorldDto {
            next_customer,
            currencies,
            levels,
            blocked,
            late,
            configured,
            counted,
            overlay,
            renames,
            ..WorldDto::default()
        }
    }
}
