//! The shapes of the first codec, for snapshots that an older version wrote. They are read and no longer written.
//!
//! The order of fields is the format, as in [`super::shapes`].

use super::{
    Piece,
    shapes::{BookDto, BriefDto, HeadDto, IdentifierDto},
    world::{CountedDto, LateDto, LevelDto, RenameDto, WorldDto},
};
use crate::{
    domain::{brief::Upshot, time::Millis, transaction::Status},
    journal::event::numbers::{Numbered, flags_of},
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

type Text = Cow<'static, str>;

/// [`Piece`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Piece1 {
    Head(HeadDto1),
    Briefs { customer: u64, briefs: Vec<(u32, BriefDto1)> },
    World(WorldDto1),
    End { end_lsn: u64, pieces: u64, customers: u64, briefs: u64 },
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
    pub(super) books: Vec<BookDto1>,
    pub(super) first_slot: u32,
    pub(super) next_slot: u32,
}

/// [`BookDto`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BookDto1 {
    pub(super) direction: u8,
    pub(super) currency: [u8; 3],
    pub(super) level: Text,
    pub(super) gross: u128,
    pub(super) net: u128,
    pub(super) gross_count: u64,
    pub(super) net_count: u64,
}

/// [`BriefDto`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BriefDto1 {
    pub(super) at: i64,
    pub(super) hold_until: Option<i64>,
    pub(super) gross: u64,
    pub(super) net: u64,
    pub(super) place: u64,
    pub(super) key: u64,
    pub(super) book: Option<u16>,
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
            Self::Briefs { customer, briefs } => {
                let briefs = briefs.into_iter().map(|(slot, brief)| (slot, brief.brief())).collect();
                Piece::Briefs { customer, briefs }
            }
            Self::World(world) => Piece::World(world.world()),
            Self::End { end_lsn, pieces, customers, briefs } => Piece::End { end_lsn, pieces, customers, briefs },
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
            books: self.books.into_iter().map(BookDto1::book).collect(),
            first_slot: self.first_slot,
            next_slot: self.next_slot,
        }
    }
}

impl BookDto1 {
    fn book(self) -> BookDto {
        let Self { direction, currency, level, gross, net, gross_count, net_count } = self;
        BookDto { direction, currency, level: Some(level), gross, net, gross_count, net_count }
    }
}

impl BriefDto1 {
    /// What is held and what counts, by [`Upshot::of_version_1`]; words that are none stay and are refused as today's.
    pub(super) fn brief(self) -> BriefDto {
        let Self { at, hold_until, gross, net, place, key, book, status, flags } = self;
        let known = Status::of_number(status).unwrap_or(Status::Cancelled);
        let none = flags_of(0).unwrap_or_default();
        let upshot = Upshot::of_version_1(known, (gross, net), hold_until.map(Millis), none);
        let counts = BriefDto::counts_of(&upshot);
        let flags = u16::from(flags);
        BriefDto { at, hold_until, gross, net, held: upshot.held, place, key, book, status, counts, flags }
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
