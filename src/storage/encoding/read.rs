//! Bytes as events: the other direction of [`super::encode`], whose table it follows.

use crate::domain::{
    customer::{
        aggregate::CustomerEvent,
        attributes::Attributes,
        instrument_blocks::{Block, Blocks},
        profile::AuditEntry,
    },
    events::global_event::{ClockStep, GlobalEvent},
    rules::{configuration::Attribute, overrides::LevelKey},
    transaction::{
        record::{LogOffset, NamedPlaces, Opening, RecordedFact, Violation},
        summary::TransactionOutcome,
    },
    usage::conversion::Unavailable,
    vocabulary::time::Millis,
};
use crate::storage::encoding::{
    DecodeError, Recorded,
    bytes::Bytes,
    change, identifier,
    numbers::{Numbered, code_of},
    tag,
    transaction::{self, Shape},
};
use smallvec::SmallVec;

/// What was sealed; `None` where its key is erased; why not, where it cannot be opened.
pub type Open<'a> = dyn FnMut(&[u8]) -> Result<Option<Vec<u8>>, String> + 'a;

/// The events of a body, one by one.
#[derive(Debug, Clone)]
pub struct Events<'a>(Bytes<'a>);

/// All events of a body. Attributes whose key is erased are read as none, identifiers as forgotten.
///
/// # Errors
/// See [`DecodeError`]: bytes that [`super::encode`] and [`super::encode_common`] do not write, sealed bytes that `open` refuses, a
/// name that the process has no room for.
pub fn decode(body: &[u8], open: &mut Open<'_>) -> Result<SmallVec<[Recorded; 2]>, DecodeError> {
    let (mut events, mut found) = (Events::of(body), SmallVec::new());
    while let Some(event) = events.next(open)? {
        found.push(event);
    }
    if found.is_empty() { Err(DecodeError::Empty) } else { Ok(found) }
}

impl<'a> Events<'a> {
    /// Of this body.
    #[must_use]
    pub fn of(body: &'a [u8]) -> Self {
        Self(Bytes::of(body))
    }

    /// The next one; `None` behind the last.
    ///
    /// # Errors
    /// As [`decode`]; nothing can be read behind an error.
    pub fn next(&mut self, open: &mut Open<'_>) -> Result<Option<Recorded>, DecodeError> {
        let bytes = &mut self.0;
        if bytes.is_at_end() {
            return Ok(None);
        }
        let (at, tag) = (bytes.at(), bytes.byte()?);
        let event = match tag {
            tag::CREATED => {
                let [has_identifier] = bytes.bits("option of Created")?;
                let merchant = bytes.name()?;
                let identifier = has_identifier.then(|| identifier::read(bytes, false, open)).transpose()?;
                CustomerEvent::Created { merchant, identifier, at: bytes.time()? }
            }
            tag::CREATED_SEALED => identifier::created_sealed(bytes, open)?,
            tag::ATTRIBUTES_FILLED => {
                let at = bytes.time()?;
                let place = bytes.at();
                let attributes = open_attributes(bytes.counted()?, place, open)?;
                CustomerEvent::AttributesFilled { attributes, at }
            }
            tag::LEVEL_SET => {
                let [has_level, drops_settings] = bytes.bits("option of LevelSet")?;
                let direction = bytes.word()?;
                CustomerEvent::LevelSet {
                    direction,
                    level: bytes.name_if(has_level)?,
                    drops_settings,
                    at: bytes.time()?,
                }
            }
            tag::SIGNALLED => {
                CustomerEvent::Signalled { signal: bytes.word()?, names_instrument: false, at: bytes.time()? }
            }
            tag::SIGNALLED_OF_INSTRUMENT => {
                let place = bytes.at();
                let [names_instrument] = bytes.bits("option of Signalled")?;
                if !names_instrument {
                    // That is written in the other way.
                    return Err(DecodeError::Word { what: "option of Signalled", number: 0, at: place });
                }
                CustomerEvent::Signalled { signal: bytes.word()?, names_instrument, at: bytes.time()? }
            }
            tag::INSTRUMENT_HELD => CustomerEvent::InstrumentHeld { id: bytes.text()?.into(), at: bytes.time()? },
            tag::INSTRUMENT_USED => CustomerEvent::InstrumentUsed {
                id: bytes.text()?.into(),
                at: bytes.time()?,
                successes: bytes.number()?,
            },
            tag::CHRONICLED => {
                let [has_author, has_previous] = bytes.bits("option of AuditEntry")?;
                let (at, source) = (bytes.time()?, bytes.word()?);
                let by = bytes.name_if(has_author)?;
                let previous = if has_previous { Some(LogOffset(bytes.number()?)) } else { None };
                CustomerEvent::AuditEntry(AuditEntry { at, source, by, previous })
            }
            tag if change::is_one(tag) => CustomerEvent::Changed(change::read(tag, bytes, open)?),
            tag::OPENED_1 | tag::OPENED => {
                let (slot, opening) = opening(bytes)?;
                CustomerEvent::Opened { slot, opening }
            }
            tag::HAPPENED_1 => {
                let [has_hold, has_left, has_book] = bytes.bits("option of FactRecorded")?;
                happened(
                    bytes,
                    Has { hold: has_hold, left: has_left, series: has_book, level: has_book },
                    Shape::First,
                )?
            }
            tag::HAPPENED => {
                let [hold, left, series, level] = bytes.bits("option of FactRecorded")?;
                happened(bytes, Has { hold, left, series, level }, Shape::Second)?
            }
            tag::CARRIED_1 | tag::CARRIED => {
                let shape = if tag == tag::CARRIED { Shape::Second } else { Shape::First };
                let [has_hold, left] = bytes.bits("option of Compacted")?;
                let (slot, opening, facts, outcome, at) = whole(bytes, has_hold, shape)?;
                CustomerEvent::Compacted { slot, opening, facts, outcome, left, at }
            }
            tag::LINKED_1 | tag::LINKED => {
                let shape = if tag == tag::LINKED { Shape::Second } else { Shape::First };
                let [has_hold] = bytes.bits("option of Linked")?;
                let (slot, opening, facts, outcome, at) = whole(bytes, has_hold, shape)?;
                CustomerEvent::Assigned { slot, opening, facts, outcome, at }
            }
            tag::UNLINKED => {
                let [has_left] = bytes.bits("option of Unlinked")?;
                let (slot, at) = (bytes.small()?, bytes.time()?);
                let left = if has_left { Some(bytes.number()?) } else { None };
                CustomerEvent::Unlinked { slot, left, at }
            }
            _ => return common(tag, at, bytes).map(|event| Some(Recorded::GlobalEvent(event))),
        };
        Ok(Some(Recorded::Customer(event)))
    }
}

fn common(tag: u8, at: usize, bytes: &mut Bytes<'_>) -> Result<GlobalEvent, DecodeError> {
    Ok(match tag {
        tag::INSTRUMENT_BLOCKS => {
            let id = bytes.text()?.into();
            let blocks = (0..bytes.number()?).map(|_| block(bytes)).collect::<Result<_, _>>()?;
            GlobalEvent::InstrumentBlocks { id, blocks: Blocks(blocks), at: bytes.time()? }
        }
        tag::INSTRUMENT_BLOCKED => {
            let [blocked] = bytes.bits("option of InstrumentBlocked")?;
            GlobalEvent::InstrumentBlocked { blocked, id: bytes.text()?.into(), at: bytes.time()? }
        }
        tag::LEVEL_MADE => GlobalEvent::LevelMade {
            merchant: bytes.name()?,
            name: bytes.name()?,
            direction: bytes.word()?,
            currency: bytes.currency()?,
            at: bytes.time()?,
        },
        tag::COUNTED => GlobalEvent::Counted { merchant: bytes.name()?, made: bytes.number()? },
        tag::CONFIGURED => GlobalEvent::Configured { version: bytes.text()?.into(), at: bytes.time()? },
        tag::LEVEL_PUT => {
            let [has_author] = bytes.bits("option of LevelPut")?;
            let (key, body) = (key(bytes)?, bytes.text()?.into());
            GlobalEvent::LevelPut {
                key,
                body,
                created: bytes.time()?,
                at: bytes.time()?,
                by: bytes.name_if(has_author)?,
            }
        }
        tag::LEVEL_DELETED => {
            let [has_author] = bytes.bits("option of LevelDeleted")?;
            GlobalEvent::LevelDeleted { key: key(bytes)?, at: bytes.time()?, by: bytes.name_if(has_author)? }
        }
        tag::LEVEL_FILED => {
            let [has_digest] = bytes.bits("option of LevelFiled")?;
            let key = key(bytes)?;
            let digest = if has_digest { Some(u128::from_le_bytes(bytes.array()?)) } else { None };
            GlobalEvent::LevelFiled { key, digest, created: bytes.time()?, at: bytes.time()? }
        }
        tag::LEVEL_RENAMED => {
            let [has_author] = bytes.bits("option of LevelRenamed")?;
            let (merchant, direction) = (bytes.name()?, bytes.word()?);
            let (from, to, at) = (bytes.name()?, bytes.name()?, bytes.time()?);
            GlobalEvent::LevelRenamed { merchant, direction, from, to, at, by: bytes.name_if(has_author)? }
        }
        tag::CLOCK_ACCEPTED => {
            let [has_author, moves_entries] = bytes.bits("option of ClockAccepted")?;
            let step = ClockStep { before: bytes.time()?, after: bytes.time()?, moves_entries };
            GlobalEvent::ClockAccepted { step, by: bytes.name_if(has_author)? }
        }
        tag::SEGMENTS_LET_GO => GlobalEvent::SegmentsLetGo { last: bytes.number()?, at: bytes.time()? },
        tag::ARCHIVE_LOSS_ACCEPTED => {
            let [has_author] = bytes.bits("option of ArchiveLossAccepted")?;
            let (first, last) = (bytes.number()?, bytes.number()?);
            GlobalEvent::ArchiveLossAccepted { first, last, at: bytes.time()?, by: bytes.name_if(has_author)? }
        }
        tag::RATES_PUT => {
            let [has_author] = bytes.bits("option of RatesPut")?;
            GlobalEvent::RatesPut { body: bytes.text()?.into(), at: bytes.time()?, by: bytes.name_if(has_author)? }
        }
        _ => return Err(DecodeError::Tag { tag, at }),
    })
}

fn block(bytes: &mut Bytes<'_>) -> Result<Block, DecodeError> {
    let [everywhere, by_all] = bytes.bits("option of a block")?;
    let merchants = (0..bytes.number()?).map(|_| bytes.name()).collect::<Result<_, _>>()?;
    Ok(Block { everywhere, by_all, merchants })
}

fn key(bytes: &mut Bytes<'_>) -> Result<LevelKey, DecodeError> {
    Ok(LevelKey { merchant: bytes.name()?, direction: bytes.word()?, currency: bytes.currency()?, name: bytes.name()? })
}

/// Attributes as they were before they were sealed; none where nothing was kept or the key is erased.
pub(crate) fn open_attributes(sealed: &[u8], at: usize, open: &mut Open<'_>) -> Result<Attributes, DecodeError> {
    let mut attributes = Attributes::default();
    if sealed.is_empty() {
        return Ok(attributes);
    }
    let Some(plain) = open(sealed).map_err(|reason| DecodeError::Sealed { at, reason })? else {
        return Ok(attributes);
    };
    let (mut bytes, mut last) = (Bytes::of(&plain), None);
    while !bytes.is_at_end() {
        let at = bytes.at();
        let attribute: Attribute = bytes.word()?;
        let value = bytes.text()?;
        if value.is_empty() || last.replace(attribute.number()).is_some_and(|last| last >= attribute.number()) {
            return Err(DecodeError::Attributes { at });
        }
        attributes.set(attribute, value);
    }
    Ok(attributes)
}

/// What opens a transaction, from its bits on. The first version of the format has the two last bits never set.
fn opening(bytes: &mut Bytes<'_>) -> Result<(u32, Opening), DecodeError> {
    let [
        has_hold,
        has_level,
        has_method,
        has_stranger,
        has_instrument,
        suspicious,
        outlier,
        leaves_project_out,
        leaves_endpoint_out,
    ] = bytes.bits("option of Opened")?;
    let slot = bytes.small()?;
    let id = bytes.text()?.into();
    let merchant = bytes.name()?;
    let (at, recorded_at) = (bytes.time()?, bytes.time()?);
    let opened = bytes.word()?;
    let content = transaction::content(bytes, has_method)?;
    let opening = Opening {
        id,
        merchant,
        at,
        recorded_at,
        opened,
        content,
        hold_until: bytes.time_if(has_hold)?,
        level: bytes.name_if(has_level)?,
        level_source: bytes.word()?,
        resolution: bytes.word()?,
        names: NamedPlaces { project: !leaves_project_out, endpoint: !leaves_endpoint_out },
        stranger: bytes.text_if(has_stranger)?,
        // A count is no reason to allocate: what is not there ends the reading at the first that is missing.
        violations: (0..bytes.number()?).map(|_| violation(bytes)).collect::<Result<_, _>>()?,
        gates: (0..bytes.number()?).map(|_| bytes.name()).collect::<Result<_, _>>()?,
        instrument: bytes.text_if(has_instrument)?,
        suspicious,
        outlier,
    };
    Ok((slot, opening))
}

fn violation(bytes: &mut Bytes<'_>) -> Result<Violation, DecodeError> {
    let (at, number) = (bytes.at(), bytes.number()?);
    let code = code_of(number).ok_or(DecodeError::Word { what: "code", number, at })?;
    let [has_filter, has_pair] = bytes.bits("option of a violation")?;
    let filter = bytes.name_if(has_filter)?;
    let pair = if has_pair { Some(Unavailable { from: bytes.currency()?, to: bytes.currency()? }) } else { None };
    Ok(Violation { code, filter, pair })
}

/// What is there of a fact about a transaction, by its bits.
#[derive(Debug, Clone, Copy)]
struct Has {
    hold: bool,
    left: bool,
    series: bool,
    level: bool,
}

fn happened(bytes: &mut Bytes<'_>, has: Has, shape: Shape) -> Result<CustomerEvent, DecodeError> {
    let at = bytes.at();
    // A book needs what has left, and its level needs a book.
    if has.series && !has.left || has.level && !has.series {
        return Err(DecodeError::Word { what: "option of FactRecorded", number: u64::from(tag::HAPPENED), at });
    }
    let (slot, previous) = (bytes.small()?, LogOffset(bytes.number()?.wrapping_sub(1)));
    let (recorded_fact, outcome) = (transaction::recorded_fact(bytes)?, transaction::outcome(bytes, has.hold, shape)?);
    let left = if has.left { Some(transaction::left(bytes, has.series, has.level, shape)?) } else { None };
    Ok(CustomerEvent::FactRecorded { slot, previous, recorded_fact, outcome, left })
}

/// A transaction with all that followed: its slot, what opened it, the facts, what it has come to, when it was written.
type Whole = (u32, Opening, Vec<RecordedFact>, TransactionOutcome, Millis);

fn whole(bytes: &mut Bytes<'_>, has_hold: bool, shape: Shape) -> Result<Whole, DecodeError> {
    let (at, outcome) = (bytes.time()?, transaction::outcome(bytes, has_hold, shape)?);
    let facts = (0..bytes.number()?).map(|_| transaction::recorded_fact(bytes)).collect::<Result<_, _>>()?;
    let (slot, opening) = opening(bytes)?;
    Ok((slot, opening, facts, outcome, at))
}
