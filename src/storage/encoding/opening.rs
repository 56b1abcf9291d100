//! Opened transactions, and whole transactions, as bytes and back.
//!
//! **Opened**: bits (hold until, level, method, bypassed id, instrument, suspicious, outlier, project not named, endpoint not
//! named), slot, id, merchant, at, recorded at, opened, content, hold until?, level?, level source, resolution,
//! bypassed id?, number of violations and each (see `violation.rs`), number of gates and each,
//! instrument?. The two last bits are set only for an approval that opens its transaction. A transaction without a level
//! counts under no level, unless the rules were bypassed: then it does not count.
//!
//! The records of a transaction form a chain from the last one to the one that opened it, by the offsets of the previous
//! records. **Compacted** has no previous record: it contains the whole transaction, its opening and all facts, and is
//! written before a segment with one of its records is deleted. **Assigned** is the same for a transaction without a
//! customer that becomes a customer's; **Unlinked**, in the same group, is the tombstone at its old location.

use crate::{
    domain::{
        events::customer_event::CustomerEvent,
        transaction::{
            fact::RecordedFact,
            log_offset::LogOffset,
            opening::{ExplicitFields, Opening},
            outcome::TransactionOutcome,
        },
        vocabulary::time::Millis,
    },
    storage::encoding::{
        bytes::{Bytes, DecodeError, Put},
        numbers::Numbered,
        tags,
        transaction::{self, FactFields, Shape},
        violation::{self, ViolationShape},
    },
};

/// Appends an opening from its bits on.
pub(super) fn put_opening<Text: AsRef<str>>(slot: u32, opening: &Opening<Text>, out: &mut Vec<u8>) {
    let content = &opening.content;
    out.put_bits([
        opening.hold_until.is_some(),
        opening.level.is_some(),
        content.method.is_some(),
        opening.bypassed_id.is_some(),
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
    transaction::put_content(content, out);
    opening.hold_until.into_iter().for_each(|until| out.put_time(until));
    out.put_name_if(opening.level);
    out.extend_from_slice(&[opening.level_source.number(), opening.resolution.number()]);
    out.put_text_if(opening.bypassed_id.as_ref().map(AsRef::as_ref));
    out.put_number(opening.violations.len() as u64);
    let shape = violation::shape_of(opening);
    opening.violations.iter().for_each(|violation| violation::put(violation, shape, out));
    out.put_number(opening.gates.len() as u64);
    opening.gates.iter().for_each(|gate| out.put_name(*gate));
    out.put_text_if(opening.instrument.as_ref().map(AsRef::as_ref));
}

/// A whole transaction: its slot, opening, facts and outcome, and when it was written.
pub(super) struct WholeTransaction {
    pub(super) slot: u32,
    pub(super) opening: Opening,
    pub(super) facts: Vec<RecordedFact>,
    pub(super) outcome: TransactionOutcome,
    pub(super) at: Millis,
}

/// Appends a whole transaction after its bits.
pub(super) fn put_whole(
    (slot, opening): (u32, &Opening),
    facts: &[RecordedFact],
    outcome: &TransactionOutcome,
    at: Millis,
    out: &mut Vec<u8>,
) {
    out.put_time(at);
    transaction::put_outcome(outcome, out);
    out.put_number(facts.len() as u64);
    facts.iter().for_each(|recorded_fact| transaction::put_recorded_fact(recorded_fact, out));
    put_opening(slot, opening, out);
}

/// Reads an opening from its bits on. The first version of the format never sets the two last bits.
pub(super) fn read_opening(bytes: &mut Bytes<'_>, violations: ViolationShape) -> Result<(u32, Opening), DecodeError> {
    let place = bytes.at();
    let [
        has_hold,
        has_level,
        has_method,
        has_bypassed_id,
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
    let content = transaction::read_content(bytes, has_method)?;
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
        names: ExplicitFields { project: !leaves_project_out, endpoint: !leaves_endpoint_out },
        bypassed_id: bytes.text_if(has_bypassed_id)?,
        // A count allocates nothing in advance: a missing element ends the reading.
        violations: (0..bytes.number()?).map(|_| violation::read(bytes, violations)).collect::<Result<_, _>>()?,
        gates: (0..bytes.number()?).map(|_| bytes.name()).collect::<Result<_, _>>()?,
        instrument: bytes.text_if(has_instrument)?,
        suspicious,
        outlier,
    };
    if violation::shape_of(&opening) != violations {
        // An opening whose violations explain nothing is written with the other tag.
        return Err(DecodeError::Word {
            what: "shape of the violations",
            number: u64::from(tags::OPENED_EXPLAINED),
            at: place,
        });
    }
    Ok((slot, opening))
}

/// Reads a recorded fact after its bits.
pub(super) fn read_fact_recorded(
    bytes: &mut Bytes<'_>,
    has: FactFields,
    shape: Shape,
) -> Result<CustomerEvent, DecodeError> {
    let at = bytes.at();
    // A series needs `left`, and its level needs a series.
    if has.series && !has.left || has.level && !has.series {
        return Err(DecodeError::Word { what: "option of FactRecorded", number: u64::from(tags::FACT_RECORDED), at });
    }
    let (slot, previous) = (bytes.small()?, LogOffset(bytes.number()?.wrapping_sub(1)));
    let (recorded_fact, outcome) =
        (transaction::read_recorded_fact(bytes)?, transaction::read_outcome(bytes, has.hold, shape)?);
    let left = if has.left { Some(transaction::read_left(bytes, has, shape)?) } else { None };
    Ok(CustomerEvent::FactRecorded { slot, previous, recorded_fact, outcome, left })
}

/// Reads a whole transaction after its bits.
pub(super) fn read_whole(
    bytes: &mut Bytes<'_>,
    has_hold: bool,
    shape: Shape,
    violations: ViolationShape,
) -> Result<WholeTransaction, DecodeError> {
    let (at, outcome) = (bytes.time()?, transaction::read_outcome(bytes, has_hold, shape)?);
    let facts = (0..bytes.number()?).map(|_| transaction::read_recorded_fact(bytes)).collect::<Result<_, _>>()?;
    let (slot, opening) = read_opening(bytes, violations)?;
    Ok(WholeTransaction { slot, opening, facts, outcome, at })
}
