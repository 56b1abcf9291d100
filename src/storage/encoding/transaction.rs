//! PaymentContent, facts, outcomes and contributions of transactions as bytes and back.
//!
//! The number of a fact has one shape, like a tag.
//!
//! **PaymentContent**, which a repetition must repeat: direction, currency, amount, identity (digest), attributes of the
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
//! **An outcome**, the state of a transaction: status, bits (counts gross, counts net, approved money is left), gross, net,
//! held, hold until?, flags. Status and amounts apply until the hold ends. Then `held` is subtracted from both amounts: a
//! reserved transaction expires and counts nowhere, and an approved one without approved money left is cancelled. The end
//! of a hold changes nothing if nothing is held.
//!
//! **EvictedTransaction**, of a transaction that had left memory: key of the id, bits (counted gross, counted net, time), time?, gross,
//! net, then the series? (direction, currency, level?). The amounts are those after the hold.
//!
//! # The first version of the format
//!
//! These shapes are read and no longer written. An outcome was status, gross, net, hold until?, flags (a byte): an amount
//! above zero counts, and only a reserved transaction holds. Facts were 1 approved: bits (capture, gate, instrument,
//! flag), amount, capture?, gate?, instrument?, flag?; 3 cancelled and 5 charged back: bits (id, all), amount, id?;
//! 7 attempted: attempt, gate, outcome; 8 reserved after its approval: amount. A capture of the first version holds nothing
//! for later captures, and a later capture is no conflict. A cancel of the first version cancels the reservation if nothing
//! was approved before it, else approved money.

use crate::{
    domain::{
        transaction::{
            fact::{CancelOf, Fact, LateReserveContent, RecordedFact},
            opening::{PaymentContent, SentLevel},
            outcome::TransactionOutcome,
            status::{Flag, Flags},
            summary::EvictedTransaction,
        },
        usage::{contribution::Contribution, series::UsageSeriesKey},
        vocabulary::attributes::AttributeSet,
    },
    storage::encoding::{
        bytes::{Bytes, DecodeError, Put},
        numbers::{attribute_bits, attributes_of, flag_bits, flags_of},
    },
};

mod fact {
    pub(super) const APPROVED_V1: u8 = 1;
    pub(super) const DECLINED: u8 = 2;
    pub(super) const CANCELLED_V1: u8 = 3;
    pub(super) const REFUNDED: u8 = 4;
    pub(super) const CHARGED_BACK_V1: u8 = 5;
    pub(super) const EXTENDED: u8 = 6;
    pub(super) const ATTEMPTED_V1: u8 = 7;
    pub(super) const RESERVED_LATE_V1: u8 = 8;
    pub(super) const APPROVED: u8 = 9;
    pub(super) const CANCELLED: u8 = 10;
    pub(super) const CHARGED_BACK: u8 = 11;
    pub(super) const ATTEMPTED: u8 = 12;
    pub(super) const RESERVED_LATE: u8 = 13;
}

/// How the level of a content was sent.
mod sent_level {
    pub(super) const ABSENT: u8 = 0;
    pub(super) const EMPTY: u8 = 1;
    pub(super) const NAMED: u8 = 2;
}

/// The shape of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// That of the first version: only reservations hold, and an amount above zero counts.
    First,
    /// That of this version.
    Second,
}

/// The optional fields of a recorded fact, by its bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct FactFields {
    pub(super) hold: bool,
    pub(super) left: bool,
    pub(super) series: bool,
    pub(super) level: bool,
}

pub(super) fn put_recorded_fact(recorded_fact: &RecordedFact, out: &mut Vec<u8>) {
    out.put_time(recorded_fact.at);
    put_fact(&recorded_fact.fact, out);
}

fn put_fact(fact: &Fact, out: &mut Vec<u8>) {
    match fact {
        Fact::Approved { capture_id, amount, all, is_final, gate, instrument, flags } => {
            out.push(fact::APPROVED);
            let [has_final, closes] = [is_final.is_some(), *is_final == Some(true)];
            out.put_bits([capture_id.is_some(), gate.is_some(), instrument.is_some(), has_final, closes, *all]);
            out.put_number(*amount);
            out.put_number(flag_bits(*flags).into());
            [capture_id, gate, instrument].into_iter().for_each(|text| out.put_text_if(text.as_deref()));
        }
        Fact::Declined { conflict } => {
            out.push(fact::DECLINED);
            out.put_bits([*conflict]);
        }
        Fact::Cancelled { cancel_id: id, amount, all, of, names_of } => {
            out.push(fact::CANCELLED);
            let [names_money, of_approved] = [of.is_some(), *of == Some(CancelOf::Approved)];
            out.put_bits([id.is_some(), *all, names_money, of_approved, *names_of]);
            out.put_number(*amount);
            out.put_text_if(id.as_deref());
        }
        Fact::Refunded { refund_id, amount, all, gives_back } => {
            out.push(fact::REFUNDED);
            out.put_bits([refund_id.is_some(), *all, *gives_back]);
            out.put_number(*amount);
            out.put_text_if(refund_id.as_deref());
        }
        Fact::ChargedBack { chargeback_id: id, amount, all, conflict } => {
            out.push(fact::CHARGED_BACK);
            out.put_bits([id.is_some(), *all, *conflict]);
            out.put_number(*amount);
            out.put_text_if(id.as_deref());
        }
        Fact::Extended { until } => {
            out.push(fact::EXTENDED);
            out.put_time(*until);
        }
        Fact::Attempted { attempt, gate, outcome, unknown_gate } => {
            out.push(fact::ATTEMPTED);
            out.put_bits([*unknown_gate]);
            out.put_number(u64::from(*attempt));
            out.put_text(gate);
            out.put_text(outcome);
        }
        Fact::ReservedLate { amount, hold_until, content } => {
            out.push(fact::RESERVED_LATE);
            let late = content.as_deref();
            let (method, instrument) =
                (late.and_then(|late| late.content.method), late.and_then(|late| late.instrument.as_deref()));
            out.put_bits([hold_until.is_some(), late.is_some(), method.is_some(), instrument.is_some()]);
            hold_until.iter().for_each(|until| out.put_time(*until));
            match late {
                Some(late) => put_content(&late.content, out),
                None => out.put_number(*amount),
            }
            out.put_text_if(instrument);
        }
    }
}

pub(super) fn read_recorded_fact(bytes: &mut Bytes<'_>) -> Result<RecordedFact, DecodeError> {
    Ok(RecordedFact { at: bytes.time()?, fact: read_fact(bytes)? })
}

fn read_fact(bytes: &mut Bytes<'_>) -> Result<Fact, DecodeError> {
    let (at, number) = (bytes.at(), bytes.byte()?);
    Ok(match number {
        fact::APPROVED_V1 => {
            let [has_capture, has_gate, has_instrument, has_flag] = bytes.bits("option of Approved")?;
            Fact::Approved {
                amount: bytes.number()?,
                all: false,
                is_final: None,
                capture_id: bytes.text_if(has_capture)?,
                gate: bytes.text_if(has_gate)?,
                instrument: bytes.text_if(has_instrument)?,
                flags: if has_flag { Flags::NONE.with(bytes.word::<Flag>()?, true) } else { Flags::NONE },
            }
        }
        fact::APPROVED => {
            let at = bytes.at();
            let [has_capture, has_gate, has_instrument, has_final, closes, all] = bytes.bits("option of Approved")?;
            refuse_if(closes && !has_final, "option of Approved", number, at)?;
            Fact::Approved {
                amount: bytes.number()?,
                all,
                is_final: has_final.then_some(closes),
                flags: read_flags(bytes)?,
                capture_id: bytes.text_if(has_capture)?,
                gate: bytes.text_if(has_gate)?,
                instrument: bytes.text_if(has_instrument)?,
            }
        }
        fact::DECLINED => {
            let [conflict] = bytes.bits("option of Declined")?;
            Fact::Declined { conflict }
        }
        fact::CANCELLED_V1 => {
            let [has_id, all] = bytes.bits("option of Cancelled")?;
            let (amount, cancel_id) = (bytes.number()?, bytes.text_if(has_id)?);
            Fact::Cancelled { cancel_id, amount, all, of: None, names_of: false }
        }
        fact::CANCELLED => {
            let at = bytes.at();
            let [has_id, all, names_money, of_approved, names_of] = bytes.bits("option of Cancelled")?;
            refuse_if(!names_money && (of_approved || names_of), "option of Cancelled", number, at)?;
            let of = if of_approved { CancelOf::Approved } else { CancelOf::Reservation };
            let (amount, cancel_id) = (bytes.number()?, bytes.text_if(has_id)?);
            Fact::Cancelled { cancel_id, amount, all, of: names_money.then_some(of), names_of }
        }
        fact::REFUNDED => {
            let [has_id, all, gives_back] = bytes.bits("option of Refunded")?;
            Fact::Refunded { amount: bytes.number()?, refund_id: bytes.text_if(has_id)?, all, gives_back }
        }
        fact::CHARGED_BACK_V1 => {
            let [has_id, all] = bytes.bits("option of ChargedBack")?;
            let (amount, chargeback_id) = (bytes.number()?, bytes.text_if(has_id)?);
            Fact::ChargedBack { amount, chargeback_id, all, conflict: false }
        }
        fact::CHARGED_BACK => {
            let [has_id, all, conflict] = bytes.bits("option of ChargedBack")?;
            Fact::ChargedBack { amount: bytes.number()?, chargeback_id: bytes.text_if(has_id)?, all, conflict }
        }
        fact::EXTENDED => Fact::Extended { until: bytes.time()? },
        fact::ATTEMPTED_V1 => read_attempted(bytes, false)?,
        fact::ATTEMPTED => {
            let [unknown_gate] = bytes.bits("option of Attempted")?;
            read_attempted(bytes, unknown_gate)?
        }
        fact::RESERVED_LATE_V1 => Fact::ReservedLate { amount: bytes.number()?, hold_until: None, content: None },
        fact::RESERVED_LATE => read_reserved_late(bytes)?,
        _ => return Err(DecodeError::Word { what: "fact", number: u64::from(number), at }),
    })
}

fn read_attempted(bytes: &mut Bytes<'_>, unknown_gate: bool) -> Result<Fact, DecodeError> {
    let (attempt, gate) = (bytes.small()?, bytes.text()?.into());
    Ok(Fact::Attempted { attempt, gate, outcome: bytes.text()?.into(), unknown_gate })
}

fn read_reserved_late(bytes: &mut Bytes<'_>) -> Result<Fact, DecodeError> {
    let at = bytes.at();
    let [has_hold, has_content, has_method, has_instrument] = bytes.bits("option of Asked")?;
    refuse_if(!has_content && (has_method || has_instrument), "option of Asked", fact::RESERVED_LATE, at)?;
    let hold_until = bytes.time_if(has_hold)?;
    if !has_content {
        return Ok(Fact::ReservedLate { amount: bytes.number()?, hold_until, content: None });
    }
    let content = read_content(bytes, has_method)?;
    let late = LateReserveContent { content, instrument: bytes.text_if(has_instrument)? };
    Ok(Fact::ReservedLate { amount: content.amount, hold_until, content: Some(Box::new(late)) })
}

/// Refuses a combination of bits that is never written.
fn refuse_if(is_invalid: bool, what: &'static str, number: u8, at: usize) -> Result<(), DecodeError> {
    if is_invalid { Err(DecodeError::Word { what, number: number.into(), at }) } else { Ok(()) }
}

/// Appends the content of a transaction. A bit of the record tells whether it has a method.
pub(super) fn put_content(content: &PaymentContent, out: &mut Vec<u8>) {
    out.put_word(content.direction);
    out.put_currency(content.currency);
    out.put_number(content.amount);
    out.extend_from_slice(&content.identity.to_le_bytes());
    out.put_number(u64::from(attribute_bits(content.defined_by)));
    match content.level {
        SentLevel::Absent => out.push(sent_level::ABSENT),
        SentLevel::Empty => out.push(sent_level::EMPTY),
        SentLevel::Named(name) => {
            out.push(sent_level::NAMED);
            out.put_name(name);
        }
    }
    out.put_name_if(content.method);
    out.put_name(content.project);
    out.put_name(content.endpoint);
}

/// Reads what [`put_content`] wrote.
pub(super) fn read_content(bytes: &mut Bytes<'_>, has_method: bool) -> Result<PaymentContent, DecodeError> {
    Ok(PaymentContent {
        direction: bytes.word()?,
        currency: bytes.currency()?,
        amount: bytes.number()?,
        identity: u128::from_le_bytes(bytes.array()?),
        defined_by: read_attribute_set(bytes)?,
        level: match (bytes.at(), bytes.byte()?) {
            (_, sent_level::ABSENT) => SentLevel::Absent,
            (_, sent_level::EMPTY) => SentLevel::Empty,
            (_, sent_level::NAMED) => SentLevel::Named(bytes.name()?),
            (at, number) => {
                return Err(DecodeError::Word { what: "level as sent", number: u64::from(number), at });
            }
        },
        method: bytes.name_if(has_method)?,
        project: bytes.name()?,
        endpoint: bytes.name()?,
    })
}

fn read_attribute_set(bytes: &mut Bytes<'_>) -> Result<AttributeSet, DecodeError> {
    let (at, bits) = (bytes.at(), bytes.small()?);
    attributes_of(bits).ok_or(DecodeError::Word { what: "set of attributes", number: u64::from(bits), at })
}

fn read_flags(bytes: &mut Bytes<'_>) -> Result<Flags, DecodeError> {
    let at = bytes.at();
    let bits = bytes.number()?;
    let flags = u8::try_from(bits).ok().and_then(flags_of);
    flags.ok_or(DecodeError::Word { what: "set of flags", number: bits, at })
}

pub(super) fn put_outcome(outcome: &TransactionOutcome, out: &mut Vec<u8>) {
    let TransactionOutcome { status, counts, held_amount, counts_after_hold, hold_until, flags } = *outcome;
    out.put_word(status);
    out.put_bits([counts.gross_counts, counts.net_counts, counts_after_hold]);
    out.put_number(counts.gross);
    out.put_number(counts.net);
    out.put_number(held_amount);
    hold_until.into_iter().for_each(|until| out.put_time(until));
    out.put_number(flag_bits(flags).into());
}

pub(super) fn read_outcome(
    bytes: &mut Bytes<'_>,
    has_hold: bool,
    shape: Shape,
) -> Result<TransactionOutcome, DecodeError> {
    let status = bytes.word()?;
    match shape {
        Shape::First => {
            let amounts = (bytes.number()?, bytes.number()?);
            let hold_until = bytes.time_if(has_hold)?;
            let (at, bits) = (bytes.at(), bytes.byte()?);
            let flags = flags_of(bits).ok_or(DecodeError::Word { what: "set of flags", number: bits.into(), at })?;
            Ok(TransactionOutcome::of_version_1(status, amounts, hold_until, flags))
        }
        Shape::Second => {
            let [gross_counts, net_counts, counts_after_hold] = bytes.bits("quantity of a transaction")?;
            let (gross, net, held_amount) = (bytes.number()?, bytes.number()?, bytes.number()?);
            let counts = Contribution { gross, net, gross_counts, net_counts };
            let (hold_until, flags) = (bytes.time_if(has_hold)?, read_flags(bytes)?);
            Ok(TransactionOutcome { status, counts, held_amount, counts_after_hold, hold_until, flags })
        }
    }
}

/// Appends what a transaction counted that had left memory. Bits of the record tell whether it has a series and a level.
pub(super) fn put_left(left: &EvictedTransaction, out: &mut Vec<u8>) {
    let EvictedTransaction { key, series, at, was } = left;
    out.put_number(*key);
    out.put_bits([was.gross_counts, was.net_counts, at.is_some()]);
    at.iter().for_each(|at| out.put_time(*at));
    out.put_number(was.gross);
    out.put_number(was.net);
    if let Some(UsageSeriesKey { direction, currency, level }) = series {
        out.put_word(*direction);
        out.put_currency(*currency);
        out.put_name_if(*level);
    }
}

/// Reads what [`put_left`] wrote, in either shape.
pub(super) fn read_left(
    bytes: &mut Bytes<'_>,
    has: FactFields,
    shape: Shape,
) -> Result<EvictedTransaction, DecodeError> {
    let key = bytes.number()?;
    let (at, was) = match shape {
        Shape::First => {
            let (gross, net) = (bytes.number()?, bytes.number()?);
            (None, Contribution { gross, net, gross_counts: gross > 0, net_counts: net > 0 })
        }
        Shape::Second => {
            let [gross_counts, net_counts, has_time] = bytes.bits("quantity of a transaction")?;
            let at = bytes.time_if(has_time)?;
            (at, Contribution { gross: bytes.number()?, net: bytes.number()?, gross_counts, net_counts })
        }
    };
    let series = if has.series {
        Some(UsageSeriesKey { direction: bytes.word()?, currency: bytes.currency()?, level: bytes.name_if(has.level)? })
    } else {
        None
    };
    Ok(EvictedTransaction { key, series, at, was })
}
