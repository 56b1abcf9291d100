//! Events as bytes, and back. This file knows no record, no segment, no key: whoever calls seals and opens.
//!
//! A record's body is one or more events, one after another to its end. An event is a tag (one byte) and its fields in
//! the order of the table; each record can be read alone.
//!
//! | Written | As |
//! |---|---|
//! | number | unsigned LEB128 in the shortest way |
//! | signed number, time (ms since 1970) | zigzag (0, -1, 1, ... as 0, 1, 2, ...), then as a number |
//! | text, name | its length in bytes as a number, then UTF-8 |
//! | currency | its three letters |
//! | word | one byte, by the tables in `event/numbers.rs` |
//! | code | its number on the wire (19000, ...) |
//! | attributes of a definition, flags | bits by the numbers of the tables; a number |
//! | digest | 16 bytes, little-endian |
//! | bits | a number; the first named is the lowest; `?` marks what is there only if its bit is set |
//!
//! | Tag | Event | Fields |
//! |---|---|---|
//! | 1 | Created | bits (identifier), merchant, identifier?, at |
//! | 2 | Attributes filled | at, length and sealed bytes; none where there is nothing that may be kept |
//! | 3 | Level set | bits (level, drops settings), direction, level?, at |
//! | 4 | Signalled | signal, at; without an instrument. Before 27, also with one: fraud in it is the customer's |
//! | 5 | Instrument held | id, at |
//! | 9 | AuditEntry | bits (by, previous), at, source, by?, previous? (a place): what the record changes of the customer was done by somebody |
//! | 10 to 19 | Changed | by `event/change.rs`: attributes, status, labels, settings, limits, projects, rates, instrument, deletion due, erased |
//! | 20 | Instrument used | id, at, payments that succeeded |
//! | 21 to 23, 29 | Changed | by `event/change.rs`: merged into, merged, identifiers |
//! | 25 | Unlinked | bits (left), slot, at, left? (key of the id) |
//! | 26 | Created, with a sealed identifier | bits (identifier, sealed), both set; merchant, sealed identifier, at. Of a customer who exists: the identifier once more |
//! | 27 | Signalled | bits (instrument named), signal, at; always with an instrument |
//! | 28 | Changed | by `event/change.rs`: limits with what confirms a raise |
//! | 30 | FactRecorded | bits (hold until, left, book, level of the book), slot, place before + 1 (0: this record), at, fact, summary, left? |
//! | 31 | Compacted | bits (hold until, left), at, summary, number of facts and each (at, fact), then as Opened from its bits on |
//! | 32 | Assigned | as Compacted, but bits (hold until) |
//! | 33 | Changed | by `event/change.rs`: standing |
//! | 34 | Opened | below |
//! | 64 | Instrument blocked | bits (blocked), id, at; the old form of 75: one block that acts everywhere, or none |
//! | 65 | Level made | merchant, name, direction, currency, at |
//! | 66 | Configured | version, at |
//! | 67 | Counted | merchant, external ids made |
//! | 68 | Level put | bits (by), which (merchant, direction, currency, name), body (a text), created, at, by? |
//! | 69 | Level deleted | bits (by), which, at, by? |
//! | 70 | Level filed | bits (digest), which, digest?, created, at |
//! | 71 | Rates put | bits (by), body (a text), at, by? |
//! | 72 | Level renamed | bits (by), merchant, direction, from, to, at, by? |
//! | 73 | Clock accepted | bits (by, moves entries of the future), the time before, the time after, by?; reaches all customers |
//! | 74 | Segments let go | the number of the last record in them, at |
//! | 75 | Instrument blocks | id, number of blocks and each (bits (everywhere, by a caller for all), number of merchants and each), at |
//! | 76 | Loss of archived segments accepted | bits (by), first and last record's number, at, by? |
//!
//! A transaction's records lead from the last to the one that opened it, by the places before. **Compacted** is one without
//! a record before it: a transaction whole, what opened it and all that followed, written before a segment with a part
//! of its story is deleted. **Assigned** is another: a transaction that was nobody's becomes a customer's, and **Unlinked**,
//! in the same group, says so where it was.
//!
//! **Opened**: bits (hold until, level, method, stranger, instrument, suspicious, outlier, project not named, endpoint not
//! named), slot, id, merchant, at, recorded at, opened, content, hold until?, level?, level source, resolution,
//! stranger?, number of violations and each (code, bits (filter, pair), filter?, from and to?), number of gates and each,
//! instrument?. The two last bits are set only for an approval that opens its transaction. Without a level, and unless the
//! rules were bypassed, the transaction counts under no level.
//!
//! **Content**, what a repetition must say the same: direction, currency, amount, identity (digest), attributes of the
//! definition, level as sent (0 absent, 1 empty, 2 and its name), method?, project, endpoint.
//!
//! **A fact**: a byte, then
//!
//! | Byte | Fact | Fields |
//! |---|---|---|
//! | 2 | declined | bits (conflict) |
//! | 4 | refunded | bits (id, all, gives back), amount, id? |
//! | 6 | extended | until |
//! | 9 | approved | bits (capture, gate, instrument, names `final`, final, no amount sent), amount, flags, capture?, gate?, instrument? |
//! | 10 | cancelled | bits (id, all, names the money, approved money, `of` sent), amount, id? |
//! | 11 | charged back | bits (id, all, conflict), amount, id? |
//! | 12 | attempted | bits (unknown gate), attempt, gate, outcome |
//! | 13 | reserved after its approval | bits (hold until, content, method, instrument), hold until?, content or else the amount, instrument? |
//!
//! **A summary**, what a transaction has come to: status, bits (counts gross, counts net, approved money is left), gross,
//! net, held, hold until?, flags. Status and amounts are those until the hold ends; then `held` goes from both amounts: a
//! reserved transaction is expired and counts nowhere, an approved one of which no approved money is left is cancelled.
//! The end of a hold changes nothing where nothing is held.
//!
//! **Left**, of a transaction that had left memory: key of the id, bits (counted gross, counted net, time), time?, gross,
//! net, then the book? (direction, currency, level?). These are the amounts after the hold, at any time.
//!
//! ## The first version of the format
//!
//! These shapes are read and no longer written.
//!
//! | Tag | Event | Fields |
//! |---|---|---|
//! | 6 | Opened | as today, without the two last bits |
//! | 7 | FactRecorded | bits (hold until, left, book), slot, place before + 1, at, fact, summary, left? (key, gross, net), book? (direction, currency, level) |
//! | 8, 24 | Compacted, Assigned | as today, with the summary of then |
//!
//! A summary was status, gross, net, hold until?, flags (a byte): what contributes an amount counts, and only a reserved
//! transaction holds. Facts were 1 approved: bits (capture, gate, instrument, flag), amount, capture?, gate?, instrument?,
//! flag?; 3 cancelled and 5 charged back: bits (id, all), amount, id?; 7 attempted: attempt, gate, outcome; 8 reserved
//! after its approval: amount. A capture of then holds nothing for others to follow, and one that follows is no conflict. A
//! cancel of then is of the reservation while nothing is approved before it, else of approved money.
//!
//! ## Reserved shapes
//!
//! Format 2 knows these tags, and this version neither writes nor reads them: what holds one is refused in words.
//!
//! | Tag | Event | Fields |
//! |---|---|---|
//!
//! **Attributes**, before they are sealed: number (a byte) and text of each, ascending, none empty. **A sealed identifier**:
//! its digest, as in a content's identity, length and sealed bytes; none where the text is forgotten. **Its text**, before
//! it is sealed: the byte 255, which is the number of no attribute, then UTF-8. An identifier that is not sealed is a text.

mod bytes;
mod change;
mod identifier;
pub(crate) mod numbers;
mod read;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod transaction;

pub(crate) use crate::storage::encoding::identifier::{open_identifier, seal_identifier};
pub(crate) use crate::storage::encoding::read::open_attributes;
pub use crate::storage::encoding::{
    bytes::DecodeError,
    read::{Events, Open, decode},
};

use crate::domain::{
    customer::{
        aggregate::CustomerEvent,
        attributes::Attributes,
        instrument_blocks::{Block, Blocks},
        profile::AuditEntry,
    },
    events::global_event::{ClockStep, GlobalEvent},
    rules::overrides::LevelKey,
    transaction::{
        record::{Opening, RecordedFact, Violation},
        summary::TransactionOutcome,
    },
    usage::conversion::Unavailable,
    vocabulary::time::Millis,
};
use crate::storage::encoding::{bytes::Put, numbers::Numbered};

mod tag {
    pub(crate) const CREATED: u8 = 1;
    pub(crate) const ATTRIBUTES_FILLED: u8 = 2;
    pub(crate) const LEVEL_SET: u8 = 3;
    pub(crate) const SIGNALLED: u8 = 4;
    pub(crate) const INSTRUMENT_HELD: u8 = 5;
    pub(crate) const OPENED_1: u8 = 6;
    pub(crate) const OPENED: u8 = 34;
    pub(crate) const HAPPENED_1: u8 = 7;
    pub(crate) const CARRIED_1: u8 = 8;
    pub(crate) const LINKED_1: u8 = 24;
    pub(crate) const HAPPENED: u8 = 30;
    pub(crate) const CARRIED: u8 = 31;
    pub(crate) const LINKED: u8 = 32;
    pub(crate) const UNLINKED: u8 = 25;
    pub(crate) const CREATED_SEALED: u8 = 26;
    pub(crate) const SIGNALLED_OF_INSTRUMENT: u8 = 27;
    pub(crate) const CHRONICLED: u8 = 9;
    pub(crate) const INSTRUMENT_USED: u8 = 20;
    pub(crate) const INSTRUMENT_BLOCKED: u8 = 64;
    pub(crate) const LEVEL_MADE: u8 = 65;
    pub(crate) const CONFIGURED: u8 = 66;
    pub(crate) const COUNTED: u8 = 67;
    pub(crate) const LEVEL_PUT: u8 = 68;
    pub(crate) const LEVEL_DELETED: u8 = 69;
    pub(crate) const LEVEL_FILED: u8 = 70;
    pub(crate) const RATES_PUT: u8 = 71;
    pub(crate) const LEVEL_RENAMED: u8 = 72;
    pub(crate) const CLOCK_ACCEPTED: u8 = 73;
    pub(crate) const SEGMENTS_LET_GO: u8 = 74;
    pub(crate) const INSTRUMENT_BLOCKS: u8 = 75;
    pub(crate) const ARCHIVE_LOSS_ACCEPTED: u8 = 76;
}

mod sent_level {
    pub(crate) const ABSENT: u8 = 0;
    pub(crate) const EMPTY: u8 = 1;
    pub(crate) const NAMED: u8 = 2;
}

/// Appends the sealed form of its first argument to its second; nothing where nothing may be kept.
pub type Seal<'a> = dyn FnMut(&[u8], &mut Vec<u8>) + 'a;

/// An event as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// Of one customer.
    Customer(CustomerEvent),
    /// Of none.
    GlobalEvent(GlobalEvent),
}

impl Recorded {
    /// When.
    #[must_use]
    pub fn at(&self) -> Option<Millis> {
        match self {
            Self::Customer(event) => event.recorded_at(),
            Self::GlobalEvent(common) => common.recorded_at(),
        }
    }
}

/// Whether a body is about customers besides the one whose record it is: it begins with a level's new name, or with a
/// clock that was accepted.
#[must_use]
pub fn is_for_all(body: &[u8]) -> bool {
    matches!(body.first(), Some(&(tag::LEVEL_RENAMED | tag::CLOCK_ACCEPTED)))
}

/// Whether a body is about the archive's segments.
#[must_use]
pub fn is_of_archive(body: &[u8]) -> bool {
    matches!(body.first(), Some(&(tag::SEGMENTS_LET_GO | tag::ARCHIVE_LOSS_ACCEPTED)))
}

/// Appends an event of a customer; attributes and sealed identifiers are sealed. Nothing is allocated but room in `out`.
pub fn encode(event: &CustomerEvent, seal: &mut Seal<'_>, out: &mut Vec<u8>) {
    match event {
        CustomerEvent::Created { merchant, identifier, at } => {
            identifier::put_created(*merchant, identifier.as_ref(), *at, seal, out);
        }
        CustomerEvent::AttributesFilled { attributes, at } => {
            out.push(tag::ATTRIBUTES_FILLED);
            out.put_time(*at);
            let sealed = seal_attributes(attributes, seal);
            out.put_number(sealed.len() as u64);
            out.extend_from_slice(&sealed);
        }
        CustomerEvent::LevelSet { direction, level, drops_settings, at } => {
            out.push(tag::LEVEL_SET);
            out.put_bits([level.is_some(), *drops_settings]);
            out.put_word(*direction);
            out.put_name_if(*level);
            out.put_time(*at);
        }
        CustomerEvent::Signalled { signal, names_instrument, at } => {
            if *names_instrument {
                out.push(tag::SIGNALLED_OF_INSTRUMENT);
                out.put_bits([true]);
            } else {
                out.push(tag::SIGNALLED);
            }
            out.put_word(*signal);
            out.put_time(*at);
        }
        CustomerEvent::InstrumentHeld { id, at } => {
            out.push(tag::INSTRUMENT_HELD);
            out.put_text(id);
            out.put_time(*at);
        }
        CustomerEvent::InstrumentUsed { id, at, successes } => {
            out.push(tag::INSTRUMENT_USED);
            out.put_text(id);
            out.put_time(*at);
            out.put_number(*successes);
        }
        CustomerEvent::AuditEntry(AuditEntry { at, source, by, previous }) => {
            out.push(tag::CHRONICLED);
            out.put_bits([by.is_some(), previous.is_some()]);
            out.put_time(*at);
            out.put_word(*source);
            out.put_name_if(*by);
            previous.iter().for_each(|place| out.put_number(place.0));
        }
        CustomerEvent::Changed(change) => change::encode(change, seal, out),
        CustomerEvent::Opened { slot, opening } => encode_opened(*slot, opening, out),
        CustomerEvent::FactRecorded { slot, previous, recorded_fact, outcome, left } => {
            out.push(tag::HAPPENED);
            let series = left.as_ref().and_then(|left| left.series);
            let has_level = series.is_some_and(|series| series.level.is_some());
            out.put_bits([outcome.hold_until.is_some(), left.is_some(), series.is_some(), has_level]);
            out.put_number(u64::from(*slot));
            // One more, so that the record itself, which is the most frequent value, takes one byte.
            out.put_number(previous.0.wrapping_add(1));
            crate::storage::encoding::transaction::put_noted(recorded_fact, out);
            crate::storage::encoding::transaction::put_upshot(outcome, out);
            left.iter().for_each(|left| crate::storage::encoding::transaction::put_left(left, out));
        }
        CustomerEvent::Compacted { slot, opening, facts, outcome, left, at } => {
            out.push(tag::CARRIED);
            out.put_bits([outcome.hold_until.is_some(), *left]);
            put_whole((*slot, opening), facts, outcome, *at, out);
        }
        CustomerEvent::Assigned { slot, opening, facts, outcome, at } => {
            out.push(tag::LINKED);
            out.put_bits([outcome.hold_until.is_some()]);
            put_whole((*slot, opening), facts, outcome, *at, out);
        }
        CustomerEvent::Unlinked { slot, left, at } => {
            out.push(tag::UNLINKED);
            out.put_bits([left.is_some()]);
            out.put_number(u64::from(*slot));
            out.put_time(*at);
            left.iter().for_each(|key| out.put_number(*key));
        }
    }
}

/// Appends an event of no customer.
pub fn encode_common(event: &GlobalEvent, out: &mut Vec<u8>) {
    match event {
        GlobalEvent::InstrumentBlocks { id, blocks: Blocks(blocks), at } => {
            out.push(tag::INSTRUMENT_BLOCKS);
            out.put_text(id);
            out.put_number(blocks.len() as u64);
            for Block { everywhere, by_all, merchants } in blocks {
                out.put_bits([*everywhere, *by_all]);
                out.put_number(merchants.len() as u64);
                merchants.iter().for_each(|merchant| out.put_name(*merchant));
            }
            out.put_time(*at);
        }
        GlobalEvent::InstrumentBlocked { id, blocked, at } => {
            out.push(tag::INSTRUMENT_BLOCKED);
            out.put_bits([*blocked]);
            out.put_text(id);
            out.put_time(*at);
        }
        GlobalEvent::LevelMade { merchant, name, direction, currency, at } => {
            out.push(tag::LEVEL_MADE);
            out.put_name(*merchant);
            out.put_name(*name);
            out.put_word(*direction);
            out.put_currency(*currency);
            out.put_time(*at);
        }
        GlobalEvent::Counted { merchant, made } => {
            out.push(tag::COUNTED);
            out.put_name(*merchant);
            out.put_number(*made);
        }
        GlobalEvent::Configured { version, at } => {
            out.push(tag::CONFIGURED);
            out.put_text(version);
            out.put_time(*at);
        }
        GlobalEvent::LevelPut { key, body, created, at, by } => {
            out.push(tag::LEVEL_PUT);
            out.put_bits([by.is_some()]);
            put_key(key, out);
            out.put_text(body);
            out.put_time(*created);
            out.put_time(*at);
            out.put_name_if(*by);
        }
        GlobalEvent::LevelDeleted { key, at, by } => {
            out.push(tag::LEVEL_DELETED);
            out.put_bits([by.is_some()]);
            put_key(key, out);
            out.put_time(*at);
            out.put_name_if(*by);
        }
        GlobalEvent::LevelFiled { key, digest, created, at } => {
            out.push(tag::LEVEL_FILED);
            out.put_bits([digest.is_some()]);
            put_key(key, out);
            digest.iter().for_each(|digest| out.extend_from_slice(&digest.to_le_bytes()));
            out.put_time(*created);
            out.put_time(*at);
        }
        GlobalEvent::LevelRenamed { merchant, direction, from, to, at, by } => {
            out.push(tag::LEVEL_RENAMED);
            out.put_bits([by.is_some()]);
            out.put_name(*merchant);
            out.put_word(*direction);
            out.put_name(*from);
            out.put_name(*to);
            out.put_time(*at);
            out.put_name_if(*by);
        }
        GlobalEvent::ClockAccepted { step: ClockStep { before, after, moves_entries }, by } => {
            out.push(tag::CLOCK_ACCEPTED);
            out.put_bits([by.is_some(), *moves_entries]);
            out.put_time(*before);
            out.put_time(*after);
            out.put_name_if(*by);
        }
        GlobalEvent::SegmentsLetGo { last, at } => {
            out.push(tag::SEGMENTS_LET_GO);
            out.put_number(*last);
            out.put_time(*at);
        }
        GlobalEvent::ArchiveLossAccepted { first, last, at, by } => {
            out.push(tag::ARCHIVE_LOSS_ACCEPTED);
            out.put_bits([by.is_some()]);
            out.put_number(*first);
            out.put_number(*last);
            out.put_time(*at);
            out.put_name_if(*by);
        }
        GlobalEvent::RatesPut { body, at, by } => {
            out.push(tag::RATES_PUT);
            out.put_bits([by.is_some()]);
            out.put_text(body);
            out.put_time(*at);
            out.put_name_if(*by);
        }
    }
}

fn put_key(LevelKey { merchant, direction, currency, name }: &LevelKey, out: &mut Vec<u8>) {
    out.put_name(*merchant);
    out.put_word(*direction);
    out.put_currency(*currency);
    out.put_name(*name);
}

/// Attributes, sealed; empty where there are none.
pub(crate) fn seal_attributes(attributes: &Attributes, seal: &mut Seal<'_>) -> Vec<u8> {
    let (mut plain, mut sealed) = (Vec::new(), Vec::new());
    for (attribute, value) in attributes.iter() {
        plain.put_word(attribute);
        plain.put_text(value);
    }
    if !plain.is_empty() {
        seal(&plain, &mut sealed);
    }
    sealed
}

/// [`encode`] of [`CustomerEvent::Opened`], for whoever has only what the event would hold.
pub fn encode_opened<Text: AsRef<str>>(slot: u32, opening: &Opening<Text>, out: &mut Vec<u8>) {
    out.reserve(256);
    out.push(tag::OPENED);
    put_opening(slot, opening, out);
}

fn put_opening<Text: AsRef<str>>(slot: u32, opening: &Opening<Text>, out: &mut Vec<u8>) {
    let content = &opening.content;
    out.put_bits([
        opening.hold_until.is_some(),
        opening.level.is_some(),
        content.method.is_some(),
        opening.stranger.is_some(),
        opening.instrument.is_some(),
        opening.suspicious,
        opening.outlier,
        !opening.names.project,
        !opening.names.endpoint,
    ]);
    out.put_number(u64::from(slot));
    out.put_text(opening.id.as_ref());
    out.put_name(opening.merchant);
    out.put_time(opening.at);
    out.put_time(opening.recorded_at);
    out.put_word(opening.opened);
    crate::storage::encoding::transaction::put_content(content, out);
    opening.hold_until.into_iter().for_each(|until| out.put_time(until));
    out.put_name_if(opening.level);
    out.extend_from_slice(&[opening.level_source.number(), opening.resolution.number()]);
    out.put_text_if(opening.stranger.as_ref().map(AsRef::as_ref));
    out.put_number(opening.violations.len() as u64);
    for Violation { code, filter, pair } in &opening.violations {
        out.put_number(u64::from(code.number()));
        out.put_bits([filter.is_some(), pair.is_some()]);
        out.put_name_if(*filter);
        if let Some(Unavailable { from, to }) = pair {
            out.put_currency(*from);
            out.put_currency(*to);
        }
    }
    out.put_number(opening.gates.len() as u64);
    opening.gates.iter().for_each(|gate| out.put_name(*gate));
    out.put_text_if(opening.instrument.as_ref().map(AsRef::as_ref));
}

/// A transaction with all that followed.
fn put_whole(
    (slot, opening): (u32, &Opening),
    facts: &[RecordedFact],
    outcome: &TransactionOutcome,
    at: Millis,
    out: &mut Vec<u8>,
) {
    out.put_time(at);
    crate::storage::encoding::transaction::put_upshot(outcome, out);
    out.put_number(facts.len() as u64);
    facts.iter().for_each(|recorded_fact| crate::storage::encoding::transaction::put_noted(recorded_fact, out));
    put_opening(slot, opening, out);
}
