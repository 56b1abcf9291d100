//! The table as it is written.

use crate::domain::vocabulary::words::Word;
use crate::service::csv::{
    cell::{Expected, escaped},
    row::{Column, Row},
};
use std::io::{self, Write};

/// Writes a table: a header, then rows; commas, lines that end with CR LF, UTF-8 without a byte order mark.
pub struct Writer<W: Write> {
    csv: ::csv::Writer<W>,
    columns: Vec<Column>,
    expected: Expected,
}

impl<W: Write> Writer<W> {
    /// A table with these columns, which must be one or more; the header is written.
    ///
    /// # Errors
    /// Those of the output.
    pub fn new(output: W, columns: Vec<Column>, expected: Expected) -> io::Result<Self> {
        let mut csv = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(output);
        csv.write_record(columns.iter().map(|column| column.word()))?;
        Ok(Self { csv, columns, expected })
    }

    /// A table with every column.
    ///
    /// # Errors
    /// Those of the output.
    pub fn with_all_columns(output: W, expected: Expected) -> io::Result<Self> {
        Self::new(output, Column::WORDS.iter().map(|(_, column)| *column).collect(), expected)
    }

    /// Writes a row; a column that it does not have is empty.
    ///
    /// # Errors
    /// Those of the output.
    pub fn write(&mut self, row: &Row) -> io::Result<()> {
        for &column in &self.columns {
            let cell = escaped(column, row.cell(column).unwrap_or_default(), &self.expected);
            self.csv.write_field(cell.as_bytes())?;
        }
        Ok(self.csv.write_record(None::<&[u8]>)?)
    }

    /// Writes what is buffered and returns the output.
    ///
    /// # Errors
    /// Those of the output.
    pub fn finish(self) -> io::Result<W> {
        self.csv.into_inner().map_err(::csv::IntoInnerError::into_error)
    }
}
