//! Names, currencies and words in a snapshot.

use crate::{
    domain::vocabulary::{money::Currency, names::Name},
    storage::{
        encoding::numbers::Numbered,
        snapshot::error::{SnapshotError, invalid},
    },
};
use std::borrow::Cow;

/// A name. It is written without a copy.
pub(super) type Text = Cow<'static, str>;

/// The word of a number.
pub(super) fn word<W: Numbered>(number: u8) -> Result<W, SnapshotError> {
    W::of_number(number).ok_or_else(|| invalid(format_args!("{number} is not a {}", W::WHAT)))
}

pub(super) fn text(name: Name) -> Text {
    Cow::Borrowed(name.as_str())
}

pub(super) fn name(text: &str) -> Result<Name, SnapshotError> {
    Name::parse(text).map_err(|error| invalid(format_args!("{text:?} is not a name: {error}")))
}

pub(super) fn currency_of(letters: [u8; 3]) -> Result<Currency, SnapshotError> {
    let code = std::str::from_utf8(&letters).ok().and_then(Currency::parse);
    code.ok_or_else(|| invalid(format_args!("{letters:?} is not a currency")))
}
