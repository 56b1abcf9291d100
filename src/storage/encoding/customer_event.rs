//! Events of a customer as bytes and back.

use crate::{
    domain::{
        customer::audit::AuditEntry,
        events::customer_event::CustomerEvent,
        transaction::{log_offset::LogOffset, opening::Opening},
    },
    storage::encoding::{
        bytes::{Bytes, DecodeError, Put},
        change, identifier,
        opening::{WholeTransaction, put_opening, put_whole, read_fact_recorded, read_opening, read_whole},
        seal::{Open, Seal, open_attributes, seal_attributes},
        tags,
        transaction::{self, FactFields, Shape},
        violation::{self, ViolationShape},
    },
};

/// Appends an event of a customer. Attributes and sealed identifiers are sealed. Nothing is allocated but room in `out`.
pub fn encode(event: &CustomerEvent, seal: &mut Seal<'_>, out: &mut Vec<u8>) {
    match event {
        CustomerEvent::Created { merchant, identifier, at } => {
            identifier::put_created(*merchant, identifier.as_ref(), *at, seal, out);
        }
        CustomerEvent::AttributesFilled { attributes, at } => {
            out.push(tags::ATTRIBUTES_FILLED);
            out.put_time(*at);
            let sealed = seal_attributes(attributes, seal);
            out.put_number(sealed.len() as u64);
            out.extend_from_slice(&sealed);
        }
        CustomerEvent::LevelSet { direction, level, drops_settings, at } => {
            out.push(tags::LEVEL_SET);
            out.put_bits([level.is_some(), *drops_settings]);
            out.put_word(*direction);
            out.put_name_if(*level);
            out.put_time(*at);
        }
        CustomerEvent::SignalReceived { signal, names_instrument, at } => {
            if *names_instrument {
                out.push(tags::SIGNALLED_OF_INSTRUMENT);
                out.put_bits([true]);
            } else {
                out.push(tags::SIGNALLED);
            }
            out.put_word(*signal);
            out.put_time(*at);
        }
        CustomerEvent::InstrumentAdded { id, at } => {
            out.push(tags::INSTRUMENT_HELD);
            out.put_text(id);
            out.put_time(*at);
        }
        CustomerEvent::InstrumentUsed { id, at, successes } => {
            out.push(tags::INSTRUMENT_USED);
            out.put_text(id);
            out.put_time(*at);
            out.put_number(*successes);
        }
        CustomerEvent::AuditEntry(AuditEntry { at, source, by, previous, job }) => {
            out.push(tags::AUDIT_ENTRY);
            // An entry without a job has the bytes of format 3.
            out.put_bits([by.is_some(), previous.is_some(), job.is_some()]);
            out.put_time(*at);
            out.put_word(*source);
            out.put_name_if(*by);
            previous.iter().for_each(|offset| out.put_number(offset.0));
            job.iter().for_each(|job| out.put_number(*job));
        }
        CustomerEvent::CustomerChanged(change) => change::encode(change, seal, out),
        CustomerEvent::TransactionOpened { slot, opening } => encode_opened(*slot, opening, out),
        CustomerEvent::FactRecorded { slot, previous, recorded_fact, outcome, left } => {
            out.push(tags::FACT_RECORDED);
            let series = left.as_ref().and_then(|left| left.series);
            let has_level = series.is_some_and(|series| series.level.is_some());
            out.put_bits([outcome.hold_until.is_some(), left.is_some(), series.is_some(), has_level]);
            out.put_number(u64::from(*slot));
            // Plus one, so that the most frequent value, the record itself, takes one byte.
            out.put_number(previous.0.wrapping_add(1));
            transaction::put_recorded_fact(recorded_fact, out);
            transaction::put_outcome(outcome, out);
            left.iter().for_each(|left| transaction::put_left(left, out));
        }
        CustomerEvent::Compacted { slot, opening, facts, outcome, left, at } => {
            let is_explained = violation::shape_of(opening) == ViolationShape::Explained;
            out.push(if is_explained { tags::COMPACTED_EXPLAINED } else { tags::COMPACTED });
            out.put_bits([outcome.hold_until.is_some(), *left]);
            put_whole((*slot, opening), facts, outcome, *at, out);
        }
        CustomerEvent::Assigned { slot, opening, facts, outcome, at } => {
            let is_explained = violation::shape_of(opening) == ViolationShape::Explained;
            out.push(if is_explained { tags::ASSIGNED_EXPLAINED } else { tags::ASSIGNED });
            out.put_bits([outcome.hold_until.is_some()]);
            put_whole((*slot, opening), facts, outcome, *at, out);
        }
        CustomerEvent::AssignedElsewhere { slot, left, at } => {
            out.push(tags::UNLINKED);
            out.put_bits([left.is_some()]);
            out.put_number(u64::from(*slot));
            out.put_time(*at);
            left.iter().for_each(|key| out.put_number(*key));
        }
    }
}

/// [`encode`] of [`CustomerEvent::TransactionOpened`] for a caller that has only the fields of the event.
pub fn encode_opened<Text: AsRef<str>>(slot: u32, opening: &Opening<Text>, out: &mut Vec<u8>) {
    out.reserve(256);
    let is_explained = violation::shape_of(opening) == ViolationShape::Explained;
    out.push(if is_explained { tags::OPENED_EXPLAINED } else { tags::OPENED });
    put_opening(slot, opening, out);
}

/// Reads the event of a tag; `None`: it is not the tag of a customer event.
///
/// # Errors
/// See [`DecodeError`].
pub(super) fn read_customer(
    tag: u8,
    bytes: &mut Bytes<'_>,
    open: &mut Open<'_>,
) -> Result<Option<CustomerEvent>, DecodeError> {
    Ok(Some(match tag {
        tags::CREATED => {
            let [has_identifier] = bytes.bits("option of Created")?;
            let merchant = bytes.name()?;
            let identifier = has_identifier.then(|| identifier::read(bytes, false, open)).transpose()?;
            CustomerEvent::Created { merchant, identifier, at: bytes.time()? }
        }
        tags::CREATED_SEALED => identifier::read_created_sealed(bytes, open)?,
        tags::ATTRIBUTES_FILLED => {
            let at = bytes.time()?;
            let place = bytes.at();
            let attributes = open_attributes(bytes.counted()?, place, open)?;
            CustomerEvent::AttributesFilled { attributes, at }
        }
        tags::LEVEL_SET => {
            let [has_level, drops_settings] = bytes.bits("option of LevelSet")?;
            let direction = bytes.word()?;
            CustomerEvent::LevelSet { direction, level: bytes.name_if(has_level)?, drops_settings, at: bytes.time()? }
        }
        tags::SIGNALLED => {
            CustomerEvent::SignalReceived { signal: bytes.word()?, names_instrument: false, at: bytes.time()? }
        }
        tags::SIGNALLED_OF_INSTRUMENT => {
            let place = bytes.at();
            let [names_instrument] = bytes.bits("option of Signalled")?;
            if !names_instrument {
                // An event without an instrument is written with the other tag.
                return Err(DecodeError::Word { what: "option of Signalled", number: 0, at: place });
            }
            CustomerEvent::SignalReceived { signal: bytes.word()?, names_instrument, at: bytes.time()? }
        }
        tags::INSTRUMENT_HELD => CustomerEvent::InstrumentAdded { id: bytes.text()?.into(), at: bytes.time()? },
        tags::INSTRUMENT_USED => {
            CustomerEvent::InstrumentUsed { id: bytes.text()?.into(), at: bytes.time()?, successes: bytes.number()? }
        }
        tags::AUDIT_ENTRY => {
            let [has_author, has_previous, has_job] = bytes.bits("option of AuditEntry")?;
            let (at, source) = (bytes.time()?, bytes.word()?);
            let by = bytes.name_if(has_author)?;
            let previous = if has_previous { Some(LogOffset(bytes.number()?)) } else { None };
            let job = if has_job { Some(bytes.number()?) } else { None };
            CustomerEvent::AuditEntry(AuditEntry { at, source, by, previous, job })
        }
        tag if change::is_tag_of_change(tag) => CustomerEvent::CustomerChanged(change::read(tag, bytes, open)?),
        tags::OPENED_V1 | tags::OPENED | tags::OPENED_EXPLAINED => {
            let (slot, opening) = read_opening(bytes, shape_of_tag(tag))?;
            CustomerEvent::TransactionOpened { slot, opening }
        }
        tags::FACT_RECORDED_V1 => {
            let [has_hold, has_left, has_series] = bytes.bits("option of FactRecorded")?;
            read_fact_recorded(
                bytes,
                FactFields { hold: has_hold, left: has_left, series: has_series, level: has_series },
                Shape::First,
            )?
        }
        tags::FACT_RECORDED => {
            let [hold, left, series, level] = bytes.bits("option of FactRecorded")?;
            read_fact_recorded(bytes, FactFields { hold, left, series, level }, Shape::Second)?
        }
        tags::COMPACTED_V1 | tags::COMPACTED | tags::COMPACTED_EXPLAINED => {
            let shape = if tag == tags::COMPACTED_V1 { Shape::First } else { Shape::Second };
            let [has_hold, left] = bytes.bits("option of Compacted")?;
            let WholeTransaction { slot, opening, facts, outcome, at } =
                read_whole(bytes, has_hold, shape, shape_of_tag(tag))?;
            CustomerEvent::Compacted { slot, opening, facts, outcome, left, at }
        }
        tags::ASSIGNED_V1 | tags::ASSIGNED | tags::ASSIGNED_EXPLAINED => {
            let shape = if tag == tags::ASSIGNED_V1 { Shape::First } else { Shape::Second };
            let [has_hold] = bytes.bits("option of Linked")?;
            let WholeTransaction { slot, opening, facts, outcome, at } =
                read_whole(bytes, has_hold, shape, shape_of_tag(tag))?;
            CustomerEvent::Assigned { slot, opening, facts, outcome, at }
        }
        tags::UNLINKED => {
            let [has_left] = bytes.bits("option of Unlinked")?;
            let (slot, at) = (bytes.small()?, bytes.time()?);
            let left = if has_left { Some(bytes.number()?) } else { None };
            CustomerEvent::AssignedElsewhere { slot, left, at }
        }
        _ => return Ok(None),
    }))
}

/// The shape of the violations in an event of a tag.
fn shape_of_tag(tag: u8) -> ViolationShape {
    match tag {
        tags::OPENED_EXPLAINED | tags::COMPACTED_EXPLAINED | tags::ASSIGNED_EXPLAINED => ViolationShape::Explained,
        _ => ViolationShape::Plain,
    }
}
