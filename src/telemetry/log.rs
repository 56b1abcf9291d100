//! The log: its filter, which a reload can change, its form, and a writer that masks card numbers.

use crate::domain::vocabulary::card_numbers::masked;
use std::{
    env, io, str,
    sync::{OnceLock, atomic::AtomicBool, atomic::Ordering},
};
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry, layer::SubscriberExt as _, reload, util::SubscriberInitExt as _,
};

/// The filter where nothing else names one.
const DEFAULT_LEVEL: &str = "info";
/// The variable with a filter.
const FILTER_VARIABLE: &str = "LEVELGATE_LOG";

/// The library of HTTP/2 writes paths of malformed requests, which may contain personal attributes.
const SILENT: &str = "h2=off";

/// The filter in force.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();
/// Whether a configuration has named the level in force.
static IS_CONFIGURED: AtomicBool = AtomicBool::new(false);

/// The form of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineFormat {
    /// For people.
    Text,
    /// A JSON object a line, with `timestamp`, `level` and `message`.
    Json,
}

/// The filter of a configured level; without one that of the environment, or the default.
fn filter(level: Option<&str>) -> EnvFilter {
    let filter: EnvFilter = match level {
        Some(level) => level.into(),
        None => {
            env::var(FILTER_VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| DEFAULT_LEVEL.into())
        }
    };
    match SILENT.parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    }
}

/// Writes the log to standard error from now on. `level` is that of the configuration.
pub(crate) fn init(format: LineFormat, level: Option<&str>) {
    let (filter, handle) = reload::Layer::new(filter(level));
    let lines = tracing_subscriber::fmt::layer().with_writer(|| CardMaskingWriter(io::stderr())).with_target(false);
    let lines = match format {
        LineFormat::Text => lines.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).boxed(),
        LineFormat::Json => lines.with_ansi(false).json().flatten_event(true).boxed(),
    };
    // A second start in one process keeps the first log.
    if tracing_subscriber::registry().with(filter).with(lines).try_init().is_ok() {
        IS_CONFIGURED.store(level.is_some(), Ordering::Relaxed);
        let _kept = FILTER.set(handle);
    }
}

/// Puts the level of a reloaded configuration in force. If none is configured, that of the start comes back.
pub(crate) fn set_level(level: Option<&str>) {
    let was_configured = IS_CONFIGURED.swap(level.is_some(), Ordering::Relaxed);
    if let Some(handle) = FILTER.get().filter(|_| was_configured || level.is_some()) {
        // The log exists as long as the process, so that its filter can be replaced.
        let _replaced = handle.reload(filter(level));
    }
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
