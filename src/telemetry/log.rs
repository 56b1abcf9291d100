//! The log's writer: no line holds a full card number, also where a message repeats one.

use crate::domain::vocabulary::card_numbers::masked;
use std::{io, str};

/// A writer that covers the middle of every card number. It is handed whole lines.
pub(crate) struct Covering<W>(pub(crate) W);

impl<W: io::Write> io::Write for Covering<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match str::from_utf8(line) {
            Ok(text) => self.0.write_all(masked(text).as_bytes())?,
            Err(_) => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_line_is_written_whole_and_without_a_card_number() {
        let mut log = Covering(Vec::new());
        log.write_all("WARN no gate 4111111111111111 é\n".as_bytes()).unwrap();
        log.write_all(b"\xff 12\n").unwrap();
        assert_eq!(log.0, ["WARN no gate 411111******1111 é\n".as_bytes(), b"\xff 12\n"].concat());
    }
}
