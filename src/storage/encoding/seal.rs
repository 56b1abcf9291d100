//! Sealed attributes: the caller seals and opens bytes, so that this module knows no key.
//!
//! **Attributes**, before they are sealed: the number (a byte) and the text of each, ascending by number, none empty.

use crate::{
    domain::vocabulary::attributes::{Attribute, Attributes},
    storage::encoding::{
        bytes::{Bytes, DecodeError, Put},
        numbers::Numbered,
    },
};

/// Appends the sealed form of its first argument to its second, or nothing if the plaintext may not be kept.
pub type Seal<'a> = dyn FnMut(&[u8], &mut Vec<u8>) + 'a;

/// Opens sealed bytes. `None`: their key is erased. The error is the reason why they cannot be opened.
pub type Open<'a> = dyn FnMut(&[u8]) -> Result<Option<Vec<u8>>, String> + 'a;

/// Seals attributes; empty if there are none.
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

/// Opens sealed attributes; none if nothing was kept or the key is erased.
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
