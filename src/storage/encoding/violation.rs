//! Violations as bytes and back.
//!
//! **Plain**: code, bits (filter, pair), filter?, from and to?.
//!
//! **Explained**: code, bits (filter, pair, limit, bound, block), filter?, from and to?, then at most one of
//!
//! | | Fields |
//! |---|---|
//! | limit | bits (used, start), owner, scope, limit, used?, window, start?, end |
//! | bound | owner, bound |
//! | block | bits (fraud, fraud with instruments, erased, project, label), label and restriction? |
//!
//! The violations of a transaction are all plain, or at least one has one of the three.

use crate::{
    domain::{
        rules::rates::MissingRate,
        transaction::{
            opening::Opening,
            violation::{CustomerBlocks, LimitFigures, Violation, ViolationDetail},
        },
    },
    storage::encoding::{
        bytes::{Bytes, DecodeError, Put},
        numbers::code_of,
        window,
    },
};

/// The shape of the violations of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ViolationShape {
    /// That of formats 1 to 3.
    Plain,
    /// With what explains them.
    Explained,
}

/// The shape in which the violations of a transaction are written.
pub(super) fn shape_of<Text>(opening: &Opening<Text>) -> ViolationShape {
    match opening.violations.iter().any(|violation| violation.detail.is_some()) {
        true => ViolationShape::Explained,
        false => ViolationShape::Plain,
    }
}

pub(super) fn put(violation: &Violation, shape: ViolationShape, out: &mut Vec<u8>) {
    let Violation { code, filter, pair, detail } = violation;
    out.put_number(u64::from(code.number()));
    match shape {
        ViolationShape::Plain => out.put_bits([filter.is_some(), pair.is_some()]),
        ViolationShape::Explained => out.put_bits([
            filter.is_some(),
            pair.is_some(),
            matches!(detail, Some(ViolationDetail::Limit(_))),
            matches!(detail, Some(ViolationDetail::Bound { .. })),
            matches!(detail, Some(ViolationDetail::Block(_))),
        ]),
    }
    out.put_name_if(*filter);
    if let Some(MissingRate { from, to }) = pair {
        out.put_currency(*from);
        out.put_currency(*to);
    }
    match detail {
        Some(ViolationDetail::Limit(figures)) => {
            let LimitFigures { owner, scope, limit, used, window, start, end } = *figures;
            out.put_bits([used.is_some(), start.is_some()]);
            out.put_word(owner);
            out.put_word(scope);
            out.put_number(limit);
            used.into_iter().for_each(|used| out.put_number(used));
            window::put(window, out);
            start.into_iter().for_each(|start| out.put_time(start));
            out.put_time(end);
        }
        Some(ViolationDetail::Bound { owner, bound }) => {
            out.put_word(*owner);
            out.put_number(*bound);
        }
        Some(ViolationDetail::Block(blocks)) => {
            let CustomerBlocks { fraud, instrument_fraud, erased, project, label } = *blocks;
            out.put_bits([fraud, instrument_fraud, erased, project, label.is_some()]);
            if let Some((label, restriction)) = label {
                out.put_name(label);
                out.put_word(restriction);
            }
        }
        None => {}
    }
}

pub(super) fn read(bytes: &mut Bytes<'_>, shape: ViolationShape) -> Result<Violation, DecodeError> {
    let (at, number) = (bytes.at(), bytes.number()?);
    let code = code_of(number).ok_or(DecodeError::Word { what: "code", number, at })?;
    let at = bytes.at();
    let [has_filter, has_pair, has_limit, has_bound, has_block] = match shape {
        ViolationShape::Plain => {
            let [has_filter, has_pair] = bytes.bits("option of a violation")?;
            [has_filter, has_pair, false, false, false]
        }
        ViolationShape::Explained => bytes.bits("option of a violation")?,
    };
    let filter = bytes.name_if(has_filter)?;
    let pair = if has_pair { Some(MissingRate { from: bytes.currency()?, to: bytes.currency()? }) } else { None };
    let detail = match [has_limit, has_bound, has_block] {
        [false, false, false] => None,
        [true, false, false] => Some(ViolationDetail::Limit(read_figures(bytes)?)),
        [false, true, false] => Some(ViolationDetail::Bound { owner: bytes.word()?, bound: bytes.number()? }),
        [false, false, true] => Some(ViolationDetail::Block(read_blocks(bytes)?)),
        _ => return Err(DecodeError::Word { what: "option of a violation", number, at }),
    };
    Ok(Violation { code, filter, pair, detail })
}

fn read_figures(bytes: &mut Bytes<'_>) -> Result<LimitFigures, DecodeError> {
    let [has_used, has_start] = bytes.bits("option of a limit")?;
    Ok(LimitFigures {
        owner: bytes.word()?,
        scope: bytes.word()?,
        limit: bytes.number()?,
        used: if has_used { Some(bytes.number()?) } else { None },
        window: window::read(bytes)?,
        start: bytes.time_if(has_start)?,
        end: bytes.time()?,
    })
}

fn read_blocks(bytes: &mut Bytes<'_>) -> Result<CustomerBlocks, DecodeError> {
    let [fraud, instrument_fraud, erased, project, has_label] = bytes.bits("option of a block")?;
    let label = if has_label { Some((bytes.name()?, bytes.word()?)) } else { None };
    Ok(CustomerBlocks { fraud, instrument_fraud, erased, project, label })
}
