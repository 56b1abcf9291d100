//! The rows of an NDJSON file: one object a line, with the names of the columns.

use crate::{
    domain::vocabulary::{card_numbers::masked, words::Word},
    service::{
        csv::ROW_BYTES_MAX,
        documents::payments::fields::TextField,
        import_export::outcome::BadRow,
        transaction_history::{
            bad_rows::{RowError, RowResult},
            column::{HistoryColumn, TextRow},
            read_csv::unknown_column,
        },
    },
};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{
    fmt,
    io::{BufRead, Read},
};

/// The rows of an NDJSON file.
pub(super) struct NdjsonRows<R> {
    input: R,
    line: u64,
    bytes: Vec<u8>,
    ended: bool,
}

impl<R: BufRead> NdjsonRows<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, line: 0, bytes: Vec::new(), ended: false }
    }

    fn bad(&self, column: Option<String>, reason: &str) -> RowError {
        RowError::Bad(BadRow { line: self.line, column, reason: masked(reason).into_owned() })
    }

    fn row(&self) -> RowResult {
        let text = std::str::from_utf8(&self.bytes).map_err(|_| self.bad(None, "the text is not UTF-8"))?;
        let members: Members<'_> = serde_json::from_str(text).map_err(|error| {
            // The parser reads one line and counts it as the first.
            let reason = error.to_string();
            let reason = reason.split(" at line ").next().unwrap_or_default();
            self.bad(None, &format!("{reason} (at byte {} of the line)", error.column()))
        })?;
        let mut row = TextRow::at(self.line);
        for (name, value) in members.0 {
            let column = HistoryColumn::parse(&name.0);
            let column =
                column.ok_or_else(|| self.bad(Some(masked(&name.0).into_owned()), &unknown_column(&name.0)))?;
            let raw = value.get();
            let text = match raw.as_bytes().first() {
                Some(b'n') => continue,
                Some(b'"') => serde_json::from_str::<String>(raw).unwrap_or_default(),
                // The digits of a number exactly as written.
                Some(b'0'..=b'9' | b'-' | b't' | b'f') => raw.to_owned(),
                _ => return Err(self.bad(Some(column.word().to_owned()), "must be a string or a number")),
            };
            row.set(column, text);
        }
        Ok(row)
    }
}

/// The members of an object in their order.
struct Members<'a>(Vec<(TextField<'a>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members: Vec<(TextField<'de>, &'de RawValue)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<TextField<'de>, &'de RawValue>()? {
                    if members.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom(format_args!("duplicate field `{}`", name.0)));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

impl<R: BufRead> Iterator for NdjsonRows<R> {
    type Item = RowResult;

    fn next(&mut self) -> Option<RowResult> {
        while !self.ended {
            self.bytes.clear();
            self.line += 1;
            let limit = ROW_BYTES_MAX as u64 + 1;
            match self.input.by_ref().take(limit).read_until(b'\n', &mut self.bytes) {
                Err(error) => {
                    self.ended = true;
                    return Some(Err(RowError::Io(error)));
                }
                Ok(0) => self.ended = true,
                Ok(_) if self.bytes.len() > ROW_BYTES_MAX => {
                    self.ended = true;
                    let reason = format!("the line is longer than {ROW_BYTES_MAX} bytes; what follows was not read");
                    return Some(Err(self.bad(None, &reason)));
                }
                Ok(_) if self.bytes.trim_ascii().is_empty() => {}
                Ok(_) => return Some(self.row()),
            }
        }
        None
    }
}
