//! Values that documents show as texts: amounts, times, currencies, ids.

use crate::domain::vocabulary::{
    calendar::{WeekStart, Window},
    money::Minor,
    time::{Millis, show_span},
};
use serde::{Serialize, Serializer};
use std::fmt::Display;

/// A value that is serialized as its text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AsText<T>(pub(crate) T);

impl<T: Display> Serialize for AsText<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// An amount as a decimal number in a text.
pub(crate) type Amount = AsText<Minor>;
/// A time as RFC 3339.
pub(crate) type Time = AsText<Millis>;

/// The span of a window in words.
pub(crate) fn span_word(window: Window) -> String {
    match window {
        Window::Rolling(ms) => show_span(ms),
        Window::RollingMonth => "same_day_month".to_owned(),
        Window::Lifetime => "lifetime".to_owned(),
        Window::Day => "day".to_owned(),
        Window::Week(WeekStart::Monday) => "week_from_monday".to_owned(),
        Window::Week(WeekStart::Sunday) => "week_from_sunday".to_owned(),
        Window::Month => "month".to_owned(),
    }
}
