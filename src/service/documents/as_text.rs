//! Values that documents show as texts: amounts, times, currencies, ids.

use crate::domain::vocabulary::{money::Minor, time::Millis};
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
