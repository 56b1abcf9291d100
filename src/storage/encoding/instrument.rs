//! A stored payment instrument as bytes, and back. The shape is in `change.rs`.

use crate::{
    domain::{
        customer::instruments::{CardOnFile, Instrument},
        vocabulary::calendar::month::Month,
    },
    storage::encoding::bytes::{Bytes, DecodeError, Put},
};

/// Appends an instrument.
pub(super) fn put(instrument: &Instrument, out: &mut Vec<u8>) {
    let Instrument { id, kind, masked, expires, saved_at, last_success_at, successes, .. } = instrument;
    let Instrument { recorded_state, is_default, on_file, sent_brand, .. } = instrument;
    // The last bit is set where the other fields imply the opposite: a record of an earlier version never has it.
    let type_on_file = on_file.known_type();
    out.put_bits([
        masked.is_some(),
        expires.is_some(),
        last_success_at.is_some(),
        *is_default,
        on_file.is_agreed(),
        sent_brand.is_some(),
        type_on_file.is_some(),
        instrument.is_stored != instrument.is_stored_unless_stated(),
    ]);
    out.put_text(id);
    out.put_word(*kind);
    out.put_text_if(masked.as_deref());
    expires.iter().for_each(|month| out.put_number(u64::from(month.0)));
    out.put_time(*saved_at);
    last_success_at.iter().for_each(|at| out.put_time(*at));
    out.put_number(*successes);
    out.put_word(*recorded_state);
    out.put_text_if(sent_brand.as_deref());
    type_on_file.iter().for_each(|kind| out.put_word(*kind));
}

/// Reads an instrument.
///
/// # Errors
/// See [`DecodeError`].
pub(super) fn read(bytes: &mut Bytes<'_>) -> Result<Instrument, DecodeError> {
    let at = bytes.at();
    let bits: [bool; 8] = bytes.bits("option of Instrument")?;
    let [has_masked, has_expiry, has_success, is_default, is_on_file, has_brand, has_type_on_file, is_reversed] = bits;
    if has_type_on_file && !is_on_file {
        return Err(DecodeError::Word { what: "option of Instrument", number: 1 << 6, at });
    }
    let instrument = Instrument {
        id: bytes.text()?.into(),
        kind: bytes.word()?,
        masked: bytes.text_if(has_masked)?,
        expires: if has_expiry { Some(Month(bytes.small()?)) } else { None },
        saved_at: bytes.time()?,
        last_success_at: bytes.time_if(has_success)?,
        successes: bytes.number()?,
        recorded_state: bytes.word()?,
        is_stored: false,
        is_default,
        sent_brand: bytes.text_if(has_brand)?,
        on_file: match (is_on_file, has_type_on_file) {
            (false, _) => CardOnFile::No,
            (true, false) => CardOnFile::OfUnknownType,
            (true, true) => CardOnFile::OfType(bytes.word()?),
        },
    };
    Ok(Instrument { is_stored: instrument.is_stored_unless_stated() != is_reversed, ..instrument })
}
