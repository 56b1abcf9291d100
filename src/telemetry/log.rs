//! The log: its filter, and a writer that masks card numbers.

use crate::domain::vocabulary::card_numbers::masked;
use std::{io, str};

/// Writes the log to standard error. `LEVELGATE_LOG` sets the filter; the default is `info`.
pub(crate) fn init() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("LEVELGATE_LOG").unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| CardMaskingWriter(io::stderr()))
        .with_target(false)
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
        .init();
}

/// A writer that masks the middle digits of every card number, also in messages that repeat input. Each call gets whole
/// lines.
struct CardMaskingWriter<W>(W);

impl<W: io::Write> io::Write for CardMaskingWriter<W> {
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
    fn a_line_is_written_with_its_card_numbers_masked() {
        let mut log = CardMaskingWriter(Vec::new());
        log.write_all("WARN no gate 4111111111111111 é\n".as_bytes()).unwrap();
        log.write_all(b"\xff 12\n").unwrap();
        assert_eq!(log.0, ["WARN no gate 411111******1111 é\n".as_bytes(), b"\xff 12\n"].concat());
    }
}
