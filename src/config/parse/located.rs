//! Values with their places in a file.

use crate::config::report::{file_report::FileReport, source::Span};
use crate::domain::vocabulary::time::parse_span_ms;

/// A value with its place in the file.
#[derive(Debug, Clone)]
pub(in crate::config) struct Located<T> {
    pub(in crate::config) value: T,
    pub(in crate::config) span: Span,
}

/// The written value, or the default.
pub(in crate::config) fn value_or<T: Copy>(written: &Option<Located<T>>, default: T) -> T {
    written.as_ref().map_or(default, |located| located.value)
}

/// The milliseconds of a duration. `more` names words that are also allowed, for the help text.
pub(in crate::config) fn duration_ms(
    report: &FileReport,
    key: &str,
    text: &Located<String>,
    more: &str,
) -> Option<i64> {
    let ms = parse_span_ms(&text.value);
    if ms.is_none() {
        let help =
            format!("write {more}a whole number and a unit of ms, s, m, h, d or w, such as \"45m\"; at most 100 years");
        report.error(&text.span, format!("`{}` is not a duration for `{key}`", text.value), help);
    }
    ms
}
