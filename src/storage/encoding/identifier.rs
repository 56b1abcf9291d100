//! Identifiers of customers as bytes, and back: readable ones, and sealed ones. The table is in [`super`].

use crate::domain::{
    customer::{aggregate::CustomerEvent, stored_identifier::StoredIdentifier},
    vocabulary::{names::Name, time::Millis},
};
use crate::storage::encoding::{
    DecodeError, Seal,
    bytes::{Bytes, Put},
    read::Open,
    tag,
};

/// What the text of an identifier begins with before it is sealed: the number of no attribute.
const PLAIN: u8 = 255;

/// The text of a sealed identifier, sealed; empty where it is forgotten or may not be kept.
pub(crate) fn seal_identifier(identifier: &StoredIdentifier, seal: &mut Seal<'_>) -> Vec<u8> {
    let mut sealed = Vec::new();
    if let Some(text) = identifier.text() {
        let plain: Vec<u8> = std::iter::once(PLAIN).chain(text.bytes()).collect();
        seal(&plain, &mut sealed);
    }
    sealed
}

/// The other direction of [`seal_identifier`]; forgotten where nothing was kept or the key is erased.
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
    let text = plain.strip_prefix(&[PLAIN]).and_then(|text| std::str::from_utf8(text).ok());
    let text = text.filter(|text| !text.is_empty()).ok_or_else(|| refused("it is no identifier".to_owned()))?;
    Ok(StoredIdentifier::sealed(text, digest))
}

/// Appends one, as its bit elsewhere says: sealed, or a text.
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

/// The other direction of [`put`].
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
        out.push(tag::CREATED_SEALED);
        out.put_bits([true, true]);
    } else {
        out.push(tag::CREATED);
        out.put_bits([identifier.is_some()]);
    }
    out.put_name(merchant);
    identifier.iter().for_each(|identifier| put(identifier, seal, out));
    out.put_time(at);
}

/// The other direction of [`put_created`], from the bits of a sealed one on.
pub(super) fn created_sealed(bytes: &mut Bytes<'_>, open: &mut Open<'_>) -> Result<CustomerEvent, DecodeError> {
    let at = bytes.at();
    let bits: [bool; 2] = bytes.bits("option of Created")?;
    if bits != [true, true] {
        // That is written in the other way.
        return Err(DecodeError::Word { what: "option of Created", number: u64::from(bits[0]), at });
    }
    let merchant = bytes.name()?;
    Ok(CustomerEvent::Created { merchant, identifier: Some(read(bytes, true, open)?), at: bytes.time()? })
}
