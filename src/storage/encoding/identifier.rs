//! Identifiers of customers as bytes, and back.
//!
//! **A readable identifier** is a text. **A sealed identifier**: its digest (16 bytes), then length and sealed bytes; no
//! bytes if the text is forgotten. **Its text**, before it is sealed: the byte 255, which is the number of no attribute,
//! then UTF-8.

use crate::{
    domain::{
        customer::stored_identifier::StoredIdentifier,
        events::customer_event::CustomerEvent,
        vocabulary::{names::Name, time::Millis},
    },
    storage::encoding::{
        bytes::{Bytes, DecodeError, Put},
        seal::{Open, Seal},
        tags,
    },
};

/// The first byte of an identifier's text before it is sealed. It is the number of no attribute.
const TEXT_PREFIX: u8 = 255;

/// Seals the text of an identifier; empty if it is forgotten or may not be kept.
pub(crate) fn seal_identifier(identifier: &StoredIdentifier, seal: &mut Seal<'_>) -> Vec<u8> {
    let mut sealed = Vec::new();
    if let Some(text) = identifier.text() {
        let plain: Vec<u8> = std::iter::once(TEXT_PREFIX).chain(text.bytes()).collect();
        seal(&plain, &mut sealed);
    }
    sealed
}

/// Opens what [`seal_identifier`] returned; the text is forgotten if nothing was kept or the key is erased.
pub(crate) fn open_identifier(
    digest: u128,
    sealed: &[u8],
    at: usize,
    open: &mut Open<'_>,
) -> Result<StoredIdentifier, DecodeError> {
    let refused = |reason: String| DecodeError::Sealed { at, reason };
    if sealed.is_empty() {
        return Ok(StoredIdentifier::forgotten(digest));
    }
    let Some(plain) = open(sealed).map_err(refused)? else { return Ok(StoredIdentifier::forgotten(digest)) };
    let text = plain.strip_prefix(&[TEXT_PREFIX]).and_then(|text| std::str::from_utf8(text).ok());
    let text = text.filter(|text| !text.is_empty()).ok_or_else(|| refused("it is no identifier".to_owned()))?;
    Ok(StoredIdentifier::sealed(text, digest))
}

/// Appends an identifier, sealed or as a text. A bit of the record names the form.
pub(super) fn put(identifier: &StoredIdentifier, seal: &mut Seal<'_>, out: &mut Vec<u8>) {
    match identifier.digest() {
        None => out.put_text(identifier.text().unwrap_or_default()),
        Some(digest) => {
            out.extend_from_slice(&digest.to_le_bytes());
            let sealed = seal_identifier(identifier, seal);
            out.put_number(sealed.len() as u64);
            out.extend_from_slice(&sealed);
        }
    }
}

/// Reads what [`put`] wrote.
pub(super) fn read(
    bytes: &mut Bytes<'_>,
    is_sealed: bool,
    open: &mut Open<'_>,
) -> Result<StoredIdentifier, DecodeError> {
    if !is_sealed {
        return Ok(StoredIdentifier::clear(bytes.text()?));
    }
    let digest = u128::from_le_bytes(bytes.array()?);
    let at = bytes.at();
    open_identifier(digest, bytes.counted()?, at, open)
}

/// Appends [`CustomerEvent::Created`].
pub(super) fn put_created(
    merchant: Name,
    identifier: Option<&StoredIdentifier>,
    at: Millis,
    seal: &mut Seal<'_>,
    out: &mut Vec<u8>,
) {
    if identifier.is_some_and(StoredIdentifier::is_sealed) {
        out.push(tags::CREATED_SEALED);
        out.put_bits([true, true]);
    } else {
        out.push(tags::CREATED);
        out.put_bits([identifier.is_some()]);
    }
    out.put_name(merchant);
    identifier.iter().for_each(|identifier| put(identifier, seal, out));
    out.put_time(at);
}

/// Reads what [`put_created`] wrote for a sealed identifier, from the bits on.
pub(super) fn read_created_sealed(bytes: &mut Bytes<'_>, open: &mut Open<'_>) -> Result<CustomerEvent, DecodeError> {
    let at = bytes.at();
    let bits: [bool; 2] = bytes.bits("option of Created")?;
    if bits != [true, true] {
        // A readable identifier is written with the other tag.
        return Err(DecodeError::Word { what: "option of Created", number: u64::from(bits[0]), at });
    }
    let merchant = bytes.name()?;
    Ok(CustomerEvent::Created { merchant, identifier: Some(read(bytes, true, open)?), at: bytes.time()? })
}
