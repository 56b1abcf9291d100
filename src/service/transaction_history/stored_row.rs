//! A row in a temporary file, sorted by its time and then by its line.

use crate::{
    domain::vocabulary::{time::Millis, words::Word},
    service::transaction_history::column::{HistoryColumn, TextRow},
};

/// The bytes of the key: time and line.
const KEY_BYTES: usize = 16;

/// Appends the bytes of a row; their order is the order of time and line.
pub fn encode_row(row: &TextRow, at: Millis, out: &mut Vec<u8>) {
    // The sign bit is flipped, so that times before 1970 come first.
    out.extend_from_slice(&(at.0 ^ i64::MIN).to_be_bytes());
    out.extend_from_slice(&row.line.to_be_bytes());
    for (_, column) in HistoryColumn::WORDS {
        let Some(text) = row.cell(*column) else { continue };
        out.push(*column as u8);
        out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
}

/// The row of the bytes. `None`: they are not those of a row.
#[must_use]
pub fn decode_row(bytes: &[u8]) -> Option<TextRow> {
    let (key, mut rest) = bytes.split_at_checked(KEY_BYTES)?;
    let mut row = TextRow::at(u64::from_be_bytes(key.get(8..)?.try_into().ok()?));
    while let Some((column, after)) = rest.split_first() {
        let (_, column) = HistoryColumn::WORDS.get(usize::from(*column))?;
        let (length, after) = after.split_at_checked(4)?;
        let length = usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).ok()?;
        let (text, after) = after.split_at_checked(length)?;
        row.set(*column, std::str::from_utf8(text).ok()?);
        rest = after;
    }
    Some(row)
}
