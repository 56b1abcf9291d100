//! The fields of events as bytes, and back. This file knows no event.
//!
//! | Field | Bytes |
//! |---|---|
//! | number | unsigned LEB128 in the shortest form |
//! | signed number, time (ms since 1970) | zigzag (0, -1, 1, ... as 0, 1, 2, ...), then as a number |
//! | text, name | its length in bytes as a number, then UTF-8 |
//! | currency | its three letters |
//! | word | one byte, by the tables in `numbers.rs` |
//! | code | its number on the wire (19000, ...) |
//! | attributes of a definition, flags | bits by the numbers of the tables; a number |
//! | digest | 16 bytes, little-endian |
//! | bits | a number; the first named is the lowest; `?` marks a field that is present only if its bit is set |
//!
//! Reading trusts nothing: a length is compared with the available bytes before anything is taken or allocated. Each
//! number has one form, so that a decoded event is encoded to the same bytes.

use crate::{
    domain::vocabulary::{
        money::Currency,
        names::{Name, NameError},
        time::Millis,
    },
    storage::encoding::numbers::Numbered,
};

/// Why bytes are not events. `at` counts bytes from the beginning of the body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The body has no event.
    #[error("the record holds no event")]
    Empty,
    /// The body ends within an event.
    #[error("byte {at}: the record ends within an event")]
    Truncated {
        /// The offset.
        at: usize,
    },
    /// A number is too large or not in the shortest form.
    #[error("byte {at}: no number that this format writes")]
    Number {
        /// The offset.
        at: usize,
    },
    /// The tag is unknown to this version.
    #[error("byte {at}: no event has the tag {tag}; a newer levelgate may have written it")]
    Tag {
        /// The tag.
        tag: u8,
        /// The offset.
        at: usize,
    },
    /// The number of a word is unknown to this version.
    #[error("byte {at}: {number} is no {what}; a newer levelgate may have written it")]
    Word {
        /// The kind of word.
        what: &'static str,
        /// The number.
        number: u64,
        /// The offset.
        at: usize,
    },
    /// A text is not UTF-8.
    #[error("byte {at}: the text is not UTF-8")]
    Text {
        /// The offset.
        at: usize,
    },
    /// A currency is not three capital letters.
    #[error("byte {at}: no currency")]
    Currency {
        /// The offset.
        at: usize,
    },
    /// A text is not a valid name.
    #[error("byte {at}: no name: {error}")]
    Name {
        /// The offset.
        at: usize,
        /// The reason.
        error: NameError,
    },
    /// The process has no room for a name that was valid when it was written.
    #[error(
        "byte {at}: the record is valid, but the process has no room for its name: {}; remove unused levels and methods from \
         the configuration",
        NameError::TooMany
    )]
    NamesFull {
        /// The offset.
        at: usize,
    },
    /// Attributes are unsorted, repeated or empty.
    #[error("byte {at} of the attributes: they are not sorted or one of them is empty")]
    Attributes {
        /// The offset.
        at: usize,
    },
    /// Sealed attributes or a sealed identifier cannot be opened.
    #[error("byte {at}: what is sealed cannot be opened: {reason}")]
    Sealed {
        /// The offset.
        at: usize,
        /// The reason.
        reason: String,
    },
}

/// Appends fields to bytes.
pub(crate) trait Put {
    /// Appends the first `count` of these bytes. It copies a constant number of bytes, which takes few instructions.
    fn put_first<const N: usize>(&mut self, bytes: &[u8; N], count: usize);
    /// An unsigned number: seven bits a byte, the lowest first, the highest bit set where more follow.
    fn put_number(&mut self, number: u64);
    /// A signed number: 0, -1, 1, -2, ... as 0, 1, 2, 3, ...
    fn put_signed(&mut self, number: i64);
    /// A text: its length in bytes, then UTF-8.
    fn put_text(&mut self, text: &str);
    /// A text if there is one. A bit of the record tells whether.
    fn put_text_if(&mut self, text: Option<&str>);
    /// A name: its text.
    fn put_name(&mut self, name: Name);
    /// A name if there is one. A bit of the record tells whether.
    fn put_name_if(&mut self, name: Option<Name>);
    /// Milliseconds since 1970, signed.
    fn put_time(&mut self, at: Millis);
    /// Its three letters.
    fn put_currency(&mut self, currency: Currency);
    /// The number of a word.
    fn put_word<W: Numbered>(&mut self, word: W);
    /// A set of bits, the first the lowest.
    fn put_bits<const N: usize>(&mut self, bits: [bool; N]);
}

impl Put for Vec<u8> {
    #[inline]
    fn put_first<const N: usize>(&mut self, bytes: &[u8; N], count: usize) {
        let end = self.len() + count;
        self.extend_from_slice(bytes);
        self.truncate(end);
    }

    #[inline]
    fn put_number(&mut self, mut number: u64) {
        if number < 0x80 {
            return self.push(number.to_le_bytes()[0]);
        }
        // Spreads seven bits to each byte in three steps for all bytes at once: most numbers of a record are times.
        if number >> 56 == 0 {
            let halves = (number & 0x0fff_ffff) | (number & 0x00ff_ffff_f000_0000) << 4;
            let quarters = (halves & 0x0000_3fff_0000_3fff) | (halves & 0x0fff_c000_0fff_c000) << 2;
            let bytes = (quarters & 0x007f_007f_007f_007f) | (quarters & 0x3f80_3f80_3f80_3f80) << 1;
            let unused_bits = bytes.leading_zeros() & !7;
            let more_follow = 0x0080_8080_8080_8080 >> unused_bits;
            return self.put_first(&(bytes | more_follow).to_le_bytes(), 8 - (unused_bits / 8) as usize);
        }
        while number >= 0x80 {
            self.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.push(number.to_le_bytes()[0]);
    }

    #[inline]
    fn put_signed(&mut self, number: i64) {
        self.put_number(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    #[inline]
    fn put_text(&mut self, text: &str) {
        self.put_number(text.len() as u64);
        self.extend_from_slice(text.as_bytes());
    }

    #[inline]
    fn put_text_if(&mut self, text: Option<&str>) {
        if let Some(text) = text {
            self.put_text(text);
        }
    }

    #[inline]
    fn put_name(&mut self, name: Name) {
        match name.length_prefixed() {
            Some((counted, len)) => self.put_first(counted, len),
            None => self.put_text(name.as_str()),
        }
    }

    #[inline]
    fn put_name_if(&mut self, name: Option<Name>) {
        if let Some(name) = name {
            self.put_name(name);
        }
    }

    #[inline]
    fn put_time(&mut self, at: Millis) {
        self.put_signed(at.0);
    }

    #[inline]
    fn put_currency(&mut self, currency: Currency) {
        self.extend_from_slice(&currency.code());
    }

    #[inline]
    fn put_word<W: Numbered>(&mut self, word: W) {
        self.push(word.number());
    }

    #[inline]
    fn put_bits<const N: usize>(&mut self, bits: [bool; N]) {
        self.put_number(bits.into_iter().rev().fold(0, |all, bit| all << 1 | u64::from(bit)));
    }
}

/// Reads fields from bytes.
#[derive(Debug, Clone)]
pub(crate) struct Bytes<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    /// Reads from the first byte on.
    pub(crate) fn of(all: &'a [u8]) -> Self {
        Self { all, at: 0 }
    }

    /// How many bytes were read.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Whether all bytes were read.
    pub(crate) fn is_at_end(&self) -> bool {
        self.at == self.all.len()
    }

    /// The next `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let taken = self.at.checked_add(len).and_then(|end| self.all.get(self.at..end));
        let taken = taken.ok_or(DecodeError::Truncated { at: self.at })?;
        self.at += len;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let at = self.at;
        self.take(N)?.try_into().map_err(|_| DecodeError::Truncated { at })
    }

    /// The next byte.
    pub(crate) fn byte(&mut self) -> Result<u8, DecodeError> {
        self.array().map(|[byte]| byte)
    }

    /// An unsigned number.
    pub(crate) fn number(&mut self) -> Result<u64, DecodeError> {
        let at = self.at;
        let (mut number, mut shift) = (0_u64, 0_u32);
        loop {
            let byte = self.byte()?;
            let is_last = byte & 0x80 == 0;
            // The tenth byte has room for one bit. The shortest form never ends in a zero byte.
            if (shift == 63 && byte > 1) || (is_last && byte == 0 && shift > 0) {
                return Err(DecodeError::Number { at });
            }
            number |= u64::from(byte & 0x7f) << shift;
            if is_last {
                return Ok(number);
            }
            shift += 7;
        }
    }

    /// An unsigned number that fits into `T`.
    pub(crate) fn small<T: TryFrom<u64>>(&mut self) -> Result<T, DecodeError> {
        let at = self.at;
        T::try_from(self.number()?).map_err(|_| DecodeError::Number { at })
    }

    /// A signed number.
    pub(crate) fn signed(&mut self) -> Result<i64, DecodeError> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// Bytes after their length.
    pub(crate) fn counted(&mut self) -> Result<&'a [u8], DecodeError> {
        let at = self.at;
        let len = usize::try_from(self.number()?).map_err(|_| DecodeError::Truncated { at })?;
        self.take(len)
    }

    /// A text.
    pub(crate) fn text(&mut self) -> Result<&'a str, DecodeError> {
        let at = self.at;
        std::str::from_utf8(self.counted()?).map_err(|_| DecodeError::Text { at })
    }

    /// A text, if its bit is set.
    pub(crate) fn text_if(&mut self, is_present: bool) -> Result<Option<Box<str>>, DecodeError> {
        is_present.then(|| self.text().map(Box::from)).transpose()
    }

    /// A name.
    pub(crate) fn name(&mut self) -> Result<Name, DecodeError> {
        let at = self.at;
        let bytes = self.counted()?;
        if let Some(met) = Name::cached(bytes) {
            return Ok(met);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::Text { at })?;
        Name::parse(text).map_err(|error| match error {
            NameError::TooMany => DecodeError::NamesFull { at },
            error => DecodeError::Name { at, error },
        })
    }

    /// A name, if its bit is set.
    pub(crate) fn name_if(&mut self, is_present: bool) -> Result<Option<Name>, DecodeError> {
        is_present.then(|| self.name()).transpose()
    }

    /// An instant.
    pub(crate) fn time(&mut self) -> Result<Millis, DecodeError> {
        self.signed().map(Millis)
    }

    /// An instant, if its bit is set.
    pub(crate) fn time_if(&mut self, is_present: bool) -> Result<Option<Millis>, DecodeError> {
        is_present.then(|| self.time()).transpose()
    }

    /// A currency.
    pub(crate) fn currency(&mut self) -> Result<Currency, DecodeError> {
        let at = self.at;
        let letters = std::str::from_utf8(self.take(3)?).ok();
        letters.and_then(Currency::parse).ok_or(DecodeError::Currency { at })
    }

    /// A word.
    pub(crate) fn word<W: Numbered>(&mut self) -> Result<W, DecodeError> {
        let (at, number) = (self.at, self.byte()?);
        W::of_number(number).ok_or(DecodeError::Word { what: W::WHAT, number: u64::from(number), at })
    }

    /// A set of `N` bits.
    pub(crate) fn bits<const N: usize>(&mut self, what: &'static str) -> Result<[bool; N], DecodeError> {
        let (at, bits) = (self.at, self.number()?);
        if bits >> N != 0 {
            return Err(DecodeError::Word { what, number: bits, at });
        }
        Ok(std::array::from_fn(|bit| bits >> bit & 1 == 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_any_length_is_written_seven_bits_a_byte() {
        let edges = (0..64).flat_map(|bit| [-1, 0, 1].map(|by| (1_u64 << bit).wrapping_add_signed(by)));
        for number in edges.chain([0, u64::MAX, 0x5555_5555_5555_5555, 1_790_000_000_000]) {
            let (mut bytes, mut want, mut rest) = (vec![7], vec![7], number);
            bytes.put_number(number);
            while rest >= 0x80 {
                want.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
                rest >>= 7;
            }
            want.push(u8::try_from(rest).unwrap());
            assert_eq!(bytes, want, "{number:#x}");
            assert_eq!(Bytes::of(&bytes[1..]).number(), Ok(number));
        }
    }

    #[test]
    fn a_name_of_any_length_is_written_as_its_text() {
        for len in [1, 15, 16, 17, 127, 128] {
            let text = "n".repeat(len);
            let (mut bytes, mut want) = (vec![7], vec![7]);
            bytes.put_name(Name::parse(&text).unwrap());
            want.put_text(&text);
            assert_eq!(bytes, want, "{len} bytes");
        }
    }
}
