//! The tags of events. A tag is never reused, and each tag has one shape, which golden bytes hold.
//!
//! | Tag | Event | Fields |
//! |---|---|---|
//! | 1 | Created | bits (identifier), merchant, identifier?, at |
//! | 2 | Attributes filled | at, length and sealed bytes; none if nothing may be kept |
//! | 3 | Level set | bits (level, drops settings), direction, level?, at |
//! | 4 | Signalled | signal, at; without an instrument. Before tag 27 existed, also with one: the fraud is then that of the customer |
//! | 5 | Instrument held | id, at |
//! | 9 | Audit entry | bits (by, previous), at, source, by?, previous? (a place): who made the change of the customer in this record |
//! | 10 to 19 | Changed | see `change.rs`: attributes, status, labels, settings, limits, projects, rates, instrument, deletion due, erased |
//! | 20 | Instrument used | id, at, payments that succeeded |
//! | 21 to 23, 29 | Changed | see `change.rs`: merged into, merged, identifiers |
//! | 25 | Unlinked | bits (left), slot, at, left? (key of the id) |
//! | 26 | Created, with a sealed identifier | bits (identifier, sealed), both set; merchant, sealed identifier, at. Of an existing customer: the identifier again |
//! | 27 | Signalled | bits (instrument named), signal, at; always with an instrument |
//! | 28 | Changed | see `change.rs`: limits with what confirms a raise |
//! | 30 | Fact recorded | bits (hold until, left, series, level of the series), slot, offset of the previous record + 1 (0: this record), at, fact, outcome, left? |
//! | 31 | Compacted | bits (hold until, left), at, outcome, number of facts and each (at, fact), then Opened from its bits on |
//! | 32 | Assigned | as Compacted, but bits (hold until) |
//! | 33 | Changed | see `change.rs`: standing |
//! | 34 | Opened | see `opening.rs` |
//! | 35 | Changed | see `change.rs`: instrument removed |
//! | 36 | Opened, with what explains a violation | as tag 34, with explained violations; see `violation.rs` |
//! | 37, 38 | Compacted, Assigned, of such a transaction | as tags 31 and 32, with the opening of tag 36 |
//! | 64 | Instrument blocked | bits (blocked), id, at; the older form of 75: one block for all merchants, or none |
//! | 65 | Level created | merchant, name, direction, currency, at |
//! | 66 | Configured | version, at |
//! | 67 | Counted | merchant, external ids assigned |
//! | 68 | Level put | bits (by), key (merchant, direction, currency, name), body (a text), created, at, by? |
//! | 69 | Level deleted | bits (by), key, at, by? |
//! | 70 | Level filed | bits (digest), key, digest?, created, at |
//! | 71 | Rates put | bits (by), body (a text), at, by? |
//! | 72 | Level renamed | bits (by), merchant, direction, from, to, at, by? |
//! | 73 | Clock accepted | bits (by, moves entries of the future), the time before, the time after, by?; concerns all customers |
//! | 74 | Segments released | the number of the last record in them, at |
//! | 75 | Instrument blocks | id, number of blocks and each (bits (everywhere, by a caller for all merchants), number of merchants and each), at |
//! | 79 | Instrument blocks by a known caller, or after another change | bits (by, previous), then as 75, by?, previous? (a LogOffset) |
//! | 76 | Loss of archived segments accepted | bits (by), first and last record's number, at, by? |
//! | 80 | Rates filed | bits (body), body? (a text), at |
//! | 81 | Merchant filed | bits (test merchant), merchant, at |
//! | 78 | Operation audited | bits (by, version), kind (1 reload, 2 level, 3 rates, 4 upload, 5 bulk, 6 import), source, at, version? (a text), by?, number of details and each (bits (merchant, old, new), merchant?, subject (a text), old? (a text), new? (a text)) |
//!
//! # Tags of the first version of the format
//!
//! These shapes are read and no longer written.
//!
//! | Tag | Event | Fields |
//! |---|---|---|
//! | 6 | Opened | as tag 34, without the two last bits |
//! | 7 | Fact recorded | bits (hold until, left, series), slot, offset of the previous record + 1, at, fact, outcome, left? (key, gross, net), series? (direction, currency, level) |
//! | 8, 24 | Compacted, Assigned | as tags 31 and 32, with the outcome of the first version |

pub(super) const CREATED: u8 = 1;
pub(super) const ATTRIBUTES_FILLED: u8 = 2;
pub(super) const LEVEL_SET: u8 = 3;
pub(super) const SIGNALLED: u8 = 4;
pub(super) const INSTRUMENT_HELD: u8 = 5;
pub(super) const OPENED_V1: u8 = 6;
pub(super) const OPENED: u8 = 34;
pub(super) const FACT_RECORDED_V1: u8 = 7;
pub(super) const COMPACTED_V1: u8 = 8;
pub(super) const ASSIGNED_V1: u8 = 24;
pub(super) const FACT_RECORDED: u8 = 30;
pub(super) const COMPACTED: u8 = 31;
pub(super) const ASSIGNED: u8 = 32;
pub(super) const OPENED_EXPLAINED: u8 = 36;
pub(super) const COMPACTED_EXPLAINED: u8 = 37;
pub(super) const ASSIGNED_EXPLAINED: u8 = 38;
pub(super) const UNLINKED: u8 = 25;
pub(super) const CREATED_SEALED: u8 = 26;
pub(super) const SIGNALLED_OF_INSTRUMENT: u8 = 27;
pub(super) const AUDIT_ENTRY: u8 = 9;
pub(super) const INSTRUMENT_USED: u8 = 20;
pub(super) const INSTRUMENT_BLOCKED: u8 = 64;
pub(super) const LEVEL_MADE: u8 = 65;
pub(super) const CONFIGURED: u8 = 66;
pub(super) const COUNTED: u8 = 67;
pub(super) const LEVEL_PUT: u8 = 68;
pub(super) const LEVEL_DELETED: u8 = 69;
pub(super) const LEVEL_FILED: u8 = 70;
pub(super) const RATES_PUT: u8 = 71;
pub(super) const LEVEL_RENAMED: u8 = 72;
pub(super) const CLOCK_ACCEPTED: u8 = 73;
pub(super) const SEGMENTS_LET_GO: u8 = 74;
pub(super) const INSTRUMENT_BLOCKS: u8 = 75;
pub(super) const ARCHIVE_LOSS_ACCEPTED: u8 = 76;
pub(super) const OPERATION_AUDITED: u8 = 78;
pub(super) const INSTRUMENT_BLOCKS_CHANGED: u8 = 79;
pub(super) const RATES_FILED: u8 = 80;
pub(super) const MERCHANT_FILED: u8 = 81;
