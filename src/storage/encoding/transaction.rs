//! Facts, summaries and contributions of transactions as bytes and back. The tables are in [`super`].
//!
//! The number of a fact has one shape, as a tag has. Numbers 1, 3, 5, 7 and 8 are of the first
//! version of the format: they are read and no longer written.

use crate::domain::{
    customer::attributes::AttributeSet,
    decision::payment::SentLevel,
    transaction::{
        record::{CancelOf, Content, Fact, Flag, LateContent, RecordedFact},
        summary::{Flags, Left, TransactionOutcome},
    },
    usage::series::{Contribution, UsageSeriesKey},
};
use crate::storage::encoding::{
    DecodeError,
    bytes::{Bytes, Put},
    numbers::{attribute_bits, attributes_of, flag_bits, flags_of},
    sent_level,
};

mod fact {
    pub(super) const APPROVED_1: u8 = 1;
    pub(super) const DECLINED: u8 = 2;
    pub(super) const CANCELLED_1: u8 = 3;
    pub(super) const REFUNDED: u8 = 4;
    pub(super) const CHARGED_BACK_1: u8 = 5;
    pub(super) const EXTENDED: u8 = 6;
    pub(super) const ATTEMPTED_1: u8 = 7;
    pub(super) const ASKED_1: u8 = 8;
    pub(super) const APPROVED: u8 = 9;
    pub(super) const CANCELLED: u8 = 10;
    pub(super) const CHARGED_BACK: u8 = 11;
    pub(super) const ATTEMPTED: u8 = 12;
    pub(super) const ASKED: u8 = 13;
}

/// Which of two shapes a record has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Of the first version: only reservations are held, and what contributes an amount counts.
    First,
    /// Of this version.
    Second,
}

pub(super) fn put_noted(recorded_fact: &RecordedFact, out: &mut Vec<u8>) {
    out.put_time(recorded_fact.at);
    put_fact(&recorded_fact.fact, out);
}

fn put_fact(fact: &Fact, out: &mut Vec<u8>) {
    match fact {
        Fact::Approved { capture_id, amount, all, is_final, gate, instrument, flags } => {
            out.push(fact::APPROVED);
            let [says_final, closes] = [is_final.is_some(), *is_final == Some(true)];
            out.put_bits([capture_id.is_some(), gate.is_some(), instrument.is_some(), says_final, closes, *all]);
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
        Fact::Asked { amount, hold_until, content } => {
            out.push(fact::ASKED);
            let said = content.as_deref();
            let (method, instrument) =
                (said.and_then(|said| said.content.method), said.and_then(|said| said.instrument.as_deref()));
            out.put_bits([hold_until.is_some(), said.is_some(), method.is_some(), instrument.is_some()]);
            hold_until.iter().for_each(|until| out.put_time(*until));
            match said {
                Some(said) => put_content(&said.content, out),
                None => out.put_number(*amount),
            }
            out.put_text_if(instrument);
        }
    }
}

pub(super) fn recorded_fact(bytes: &mut Bytes<'_>) -> Result<RecordedFact, DecodeError> {
    Ok(RecordedFact { at: bytes.time()?, fact: read_fact(bytes)? })
}

fn read_fact(bytes: &mut Bytes<'_>) -> Result<Fact, DecodeError> {
    let (at, number) = (bytes.at(), bytes.byte()?);
    Ok(match number {
        fact::APPROVED_1 => {
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
            let [has_capture, has_gate, has_instrument, says_final, closes, all] = bytes.bits("option of Approved")?;
            refuse_if(closes && !says_final, "option of Approved", number, at)?;
            Fact::Approved {
                amount: bytes.number()?,
                all,
                is_final: says_final.then_some(closes),
                flags: flags(bytes)?,
                capture_id: bytes.text_if(has_capture)?,
                gate: bytes.text_if(has_gate)?,
                instrument: bytes.text_if(has_instrument)?,
            }
        }
        fact::DECLINED => {
            let [conflict] = bytes.bits("option of Declined")?;
            Fact::Declined { conflict }
        }
        fact::CANCELLED_1 => {
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
        fact::CHARGED_BACK_1 => {
            let [has_id, all] = bytes.bits("option of ChargedBack")?;
            let (amount, chargeback_id) = (bytes.number()?, bytes.text_if(has_id)?);
            Fact::ChargedBack { amount, chargeback_id, all, conflict: false }
        }
        fact::CHARGED_BACK => {
            let [has_id, all, conflict] = bytes.bits("option of ChargedBack")?;
            Fact::ChargedBack { amount: bytes.number()?, chargeback_id: bytes.text_if(has_id)?, all, conflict }
        }
        fact::EXTENDED => Fact::Extended { until: bytes.time()? },
        fact::ATTEMPTED_1 => attempted(bytes, false)?,
        fact::ATTEMPTED => {
            let [unknown_gate] = bytes.bits("option of Attempted")?;
            attempted(bytes, unknown_gate)?
        }
        fact::ASKED_1 => Fact::Asked { amount: bytes.number()?, hold_until: None, content: None },
        fact::ASKED => asked(bytes)?,
        _ => return Err(DecodeError::Word { what: "fact", number: u64::from(number), at }),
    })
}

fn attempted(bytes: &mut Bytes<'_>, unknown_gate: bool) -> Result<Fact, DecodeError> {
    let (attempt, gate) = (bytes.small()?, bytes.text()?.into());
    Ok(Fact::Attempted { attempt, gate, outcome: bytes.text()?.into(), unknown_gate })
}

fn asked(bytes: &mut Bytes<'_>) -> Result<Fact, DecodeError> {
    let at = bytes.at();
    let [has_hold, has_content, has_method, has_instrument] = bytes.bits("option of Asked")?;
    refuse_if(!has_content && (has_method || has_instrument), "option of Asked", fact::ASKED, at)?;
    let hold_until = bytes.time_if(has_hold)?;
    if !has_content {
        return Ok(Fact::Asked { amount: bytes.number()?, hold_until, content: None });
    }
    let content = content(bytes, has_method)?;
    let said = LateContent { content, instrument: bytes.text_if(has_instrument)? };
    Ok(Fact::Asked { amount: content.amount, hold_until, content: Some(Box::new(said)) })
}

/// Refuses bits that no writer sets together.
fn refuse_if(is: bool, what: &'static str, number: u8, at: usize) -> Result<(), DecodeError> {
    if is { Err(DecodeError::Word { what, number: number.into(), at }) } else { Ok(()) }
}

/// The content of a transaction; a bit elsewhere says whether there is a method.
pub(super) fn put_content(content: &Content, out: &mut Vec<u8>) {
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

/// The other direction of [`put_content`].
pub(super) fn content(bytes: &mut Bytes<'_>, has_method: bool) -> Result<Content, DecodeError> {
    Ok(Content {
        direction: bytes.word()?,
        currency: bytes.currency()?,
        amount: bytes.number()?,
        identity: u128::from_le_bytes(bytes.array()?),
        defined_by: attribute_set(bytes)?,
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

fn attribute_set(bytes: &mut Bytes<'_>) -> Result<AttributeSet, DecodeError> {
    let (at, bits) = (bytes.at(), bytes.small()?);
    attributes_of(bits).ok_or(DecodeError::Word { what: "set of attributes", number: u64::from(bits), at })
}

fn flags(bytes: &mut Bytes<'_>) -> Result<Flags, DecodeError> {
    let at = bytes.at();
    let bits = bytes.number()?;
    let flags = u8::try_from(bits).ok().and_then(flags_of);
    flags.ok_or(DecodeError::Word { what: "set of flags", number: bits, at })
}

pub(super) fn put_upshot(outcome: &TransactionOutcome, out: &mut Vec<u8>) {
    let TransactionOutcome { status, counts, held, counts_after_hold, hold_until, flags } = *outcome;
    out.put_word(status);
    out.put_bits([counts.gross_counts, counts.net_counts, counts_after_hold]);
    out.put_number(counts.gross);
    out.put_number(counts.net);
    out.put_number(held);
    hold_until.into_iter().for_each(|until| out.put_time(until));
    out.put_number(flag_bits(flags).into());
}

pub(super) fn outcome(bytes: &mut Bytes<'_>, has_hold: bool, shape: Shape) -> Result<TransactionOutcome, DecodeError> {
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
            let (gross, net, held) = (bytes.number()?, bytes.number()?, bytes.number()?);
            let counts = Contribution { gross, net, gross_counts, net_counts };
            let (hold_until, flags) = (bytes.time_if(has_hold)?, flags(bytes)?);
            Ok(TransactionOutcome { status, counts, held, counts_after_hold, hold_until, flags })
        }
    }
}

/// What was known of a transaction that had left memory; bits elsewhere say whether there are a book and its level.
pub(super) fn put_left(left: &Left, out: &mut Vec<u8>) {
    let Left { key, series, at, was } = left;
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

/// The other direction of [`put_left`], of either shape.
pub(super) fn left(bytes: &mut Bytes<'_>, has_book: bool, has_level: bool, shape: Shape) -> Result<Left, DecodeError> {
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
    let series = if has_book {
        Some(UsageSeriesKey { direction: bytes.word()?, currency: bytes.currency()?, level: bytes.name_if(has_level)? })
    } else {
        None
    };
    Ok(Left { key, series, at, was })
}
