//! The reasons why a row or a whole table cannot be read. Every reason includes the remedy.

use crate::{
    domain::vocabulary::words::Word,
    service::csv::row::{Column, ROW_BYTES_MAX},
};
use std::{fmt, io};

/// The reason why a row or a whole table cannot be read, with the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The table is empty.
    #[error("the table is empty; its first line must name the columns, as `customer_id,email`")]
    NoHeader,
    /// The table is UTF-16.
    #[error("this is UTF-16; save the table as \"CSV UTF-8\"")]
    Utf16,
    /// The text is not UTF-8.
    #[error("the text is not UTF-8; save the table as \"CSV UTF-8\"")]
    NotUtf8,
    /// The columns are separated by tabs.
    #[error("the columns are separated by tabs; save the table with commas or semicolons between them")]
    Tabs,
    /// The first line names another delimiter.
    #[error(
        "the first line says that {0:?} separates the columns; save the table with commas or semicolons between them"
    )]
    Delimiter(String),
    /// The header has an unknown column.
    #[error("unknown column {written:?}; {}", help(*.near))]
    UnknownColumn {
        /// The name in the header.
        written: String,
        /// A known column with a similar name.
        near: Option<&'static str>,
    },
    /// The header has a column twice.
    #[error("the column is twice in the header; keep one of the two")]
    DuplicateColumn,
    /// The row has too many cells, or one cell with all values.
    #[error(
        "the row has {found} cells, and the header names {columns} columns; put a cell that contains the delimiter in quotation marks"
    )]
    Cells {
        /// The number of cells of the row.
        found: usize,
        /// The number of columns of the header.
        columns: usize,
    },
    /// The row has no end within the limit.
    #[error(
        "the row is longer than {ROW_BYTES_MAX} bytes: perhaps a quotation mark is never closed; what follows was not read"
    )]
    TooLong,
    /// A quotation mark that opens or closes nothing.
    #[error(
        "a quotation mark does not pair; put a cell that contains one in quotation marks, and double the mark inside"
    )]
    StrayQuote,
    /// A quotation mark that opens and nothing closes.
    #[error("a quotation mark opens here and is never closed; what follows was not read")]
    Unclosed,
    /// A formula that failed, or a column that was too narrow.
    #[error("{0:?} is what a spreadsheet shows where it has no value; write the value{MEANT}")]
    SpreadsheetError(String),
    /// A long number that was rounded.
    #[error(
        "{0:?} is a number that a spreadsheet has shortened, and its digits are lost; format the column as text and write it again{MEANT}"
    )]
    Exponent(String),
    /// An id that was taken for a date.
    #[error(
        "{0:?} is a date that a spreadsheet has made of something else; format the column as text and write it again{MEANT}"
    )]
    Date(String),
    /// A date in the form of a spreadsheet. It can be personal, so it is not repeated.
    #[error(
        "this is a date as a spreadsheet shows it, in which day and month can be mistaken for each other; {}",
        written_date(*.0)
    )]
    DateForm(Column),
    /// A date as the number by which a spreadsheet stores it.
    #[error("this is a number, by which a spreadsheet stores a date; {}", written_date(*.0))]
    DateNumber(Column),
    /// An id that was taken for a number.
    #[error(
        "{text:?} has fewer than {digits} digits: a spreadsheet has cut off its leading zeros; format the column as text and write it again{MEANT}"
    )]
    LostZeros {
        /// The digits that are left.
        text: String,
        /// The number of digits that an id has.
        digits: usize,
    },
    /// A phone number that was taken for a number.
    #[error(
        "{0:?} is an international phone number that has lost its plus; format the column as text and write +{0}{MEANT}"
    )]
    LostPlus(String),
    /// A phone number that was taken for a number and has lost its first zero.
    #[error("{0:?} is a phone number that has lost its leading zero; format the column as text and write 0{0}{MEANT}")]
    LostZero(String),
    /// The cell has a full card number.
    #[error("this looks like a full card number; write a token or the masked number")]
    CardNumber,
    /// The input failed.
    #[error("the table cannot be read on: {0}")]
    Io(io::ErrorKind),
}

/// How a date is written in a column.
fn written_date(column: Column) -> &'static str {
    match column {
        Column::CreatedAt => "format the column as text and write a time with its zone, such as 2026-11-20T10:00:00Z",
        _ => "format the column as yyyy-mm-dd and write the date again, such as 1990-12-31",
    }
}

const MEANT: &str = "; to keep it as it is, write an apostrophe before it";

fn help(near: Option<&'static str>) -> String {
    let known = || Column::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
    near.map_or_else(|| format!("known are {}", known()), |near| format!("did you mean `{near}`?"))
}

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// The line where the row begins, counted from 1.
    pub line: u64,
    /// The column at fault, as the header names it; `None`: the whole row.
    pub column: Option<Box<str>>,
    /// What is wrong and what to do.
    pub reason: Reason,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(column) = &self.column {
            write!(f, ", column {column}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl std::error::Error for RowError {}
