//! Keyed digests: the index keys of transactions, identifiers, attributes and instruments.

use crate::domain::vocabulary::{attributes::Attribute, names::Name};
use siphasher::{
    sip::SipHasher13,
    sip128::{Hasher128, SipHasher24},
};
use std::hash::Hasher;

/// The key of the digests: a secret of the data directory, generated with it.
#[derive(Clone, Copy)]
pub(in crate::ledger) struct DigestKey(u64, u64);

/// Digests a text that arrives in pieces.
pub struct Digester(SipHasher24);

impl Digester {
    pub(in crate::ledger) fn new(key: DigestKey) -> Self {
        Self(key.hasher())
    }

    /// Adds a piece. The boundaries of pieces do not change the digest.
    pub fn take(&mut self, piece: &[u8]) {
        self.0.write(piece);
    }

    /// The digest of all pieces.
    #[must_use]
    pub fn digest(&self) -> u128 {
        self.0.finish128().as_u128()
    }
}

impl DigestKey {
    pub(in crate::ledger) fn new(words: (u64, u64)) -> Self {
        Self(words.0, words.1)
    }

    /// The secret that it was made from.
    pub(in crate::ledger) fn secret(self) -> (u64, u64) {
        (self.0, self.1)
    }

    fn hasher(&self) -> SipHasher24 {
        SipHasher24::new_with_keys(self.0, self.1)
    }

    /// The digest of a transaction id. 64 bits are enough because a reader compares the id itself.
    pub(in crate::ledger) fn transaction(&self, merchant: &str, id: &str) -> u64 {
        let hasher = SipHasher13::new_with_keys(self.0, self.1);
        if let Some([text @ .., _]) = joined(&[merchant, id], &mut [0; JOINED_MAX]) {
            return hasher.hash(text);
        }
        let mut hasher = hasher;
        hasher.write(merchant.as_bytes());
        hasher.write_u8(0xff);
        hasher.write(id.as_bytes());
        hasher.finish()
    }

    pub(in crate::ledger) fn attribute(&self, merchant: Name, attribute: Attribute, normalised: &str) -> u128 {
        self.parts(&["a", merchant.as_str(), attribute.word(), normalised])
    }

    pub(in crate::ledger) fn instrument(&self, id: &str) -> u128 {
        self.parts(&["p", id.trim()])
    }

    /// The digest of an identifier as a request contains it, which is also what a record of a sealed identifier contains.
    pub(in crate::ledger) fn identifier(&self, id: &str) -> u128 {
        self.parts(&["identifier", id])
    }

    /// The digest of several texts, each of which is delimited.
    pub(in crate::ledger) fn parts(&self, parts: &[&str]) -> u128 {
        let hasher = self.hasher();
        if let Some(text) = joined(parts, &mut [0; JOINED_MAX]) {
            return hasher.hash(text).as_u128();
        }
        let mut hasher = hasher;
        for part in parts {
            hasher.write(part.as_bytes());
            hasher.write_u8(0xff);
        }
        hasher.finish128().as_u128()
    }
}

/// The most bytes that are digested in one piece.
const JOINED_MAX: usize = 192;

/// The texts in one piece, each followed by a byte that no text contains. `None`: they are too long. A digest of one
/// piece costs half as much as a digest of several.
#[inline]
fn joined<'t>(parts: &[&str], text: &'t mut [u8; JOINED_MAX]) -> Option<&'t [u8]> {
    let mut len = 0;
    for part in parts {
        let end = len + part.len();
        text.get_mut(len..end)?.copy_from_slice(part.as_bytes());
        *text.get_mut(end)? = 0xff;
        len = end + 1;
    }
    text.get(..len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_of_one_piece_equals_a_digest_of_several() {
        let key = DigestKey::new((7, 9));
        for len in [0, 1, 7, 8, 9, 100, 180, 181, 182, 183, 184, 185, 186, 200, 300] {
            let text = "x".repeat(len);
            let (mut wide, mut narrow) = (SipHasher24::new_with_keys(7, 9), SipHasher13::new_with_keys(7, 9));
            for part in ["merchant", &text] {
                wide.write(part.as_bytes());
                wide.write_u8(0xff);
            }
            narrow.write(b"merchant");
            narrow.write_u8(0xff);
            narrow.write(text.as_bytes());
            assert_eq!(key.parts(&["merchant", &text]), wide.finish128().as_u128(), "{len}");
            assert_eq!(key.transaction("merchant", &text), narrow.finish(), "{len}");
        }
    }
}
