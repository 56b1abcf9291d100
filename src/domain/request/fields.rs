//! Reads the fields of a request: each function returns the value or the refusal that names the field.

use crate::domain::{
    request::refusal::Refusal,
    rules::configuration::Rules,
    vocabulary::{
        money::{Currency, parse_amount},
        names::{NAME_BYTES_MAX, Name, NameError},
        time::Millis,
        words::Word,
    },
};
use std::borrow::Cow;

pub(in crate::domain) fn required<'t>(field: &'static str, value: Option<&'t str>) -> Result<&'t str, Refusal> {
    value.filter(|text| !text.is_empty()).ok_or(Refusal::Missing(field))
}

/// Checks a transaction id: one to 128 bytes without control characters. It is opaque: white space at its ends is
/// part of it.
pub(crate) fn check_transaction_id(id: Cow<'_, str>) -> Result<Cow<'_, str>, Refusal> {
    const FIELD: &str = "transaction_id";
    check_length(FIELD, &id, NAME_BYTES_MAX)?;
    check_no_control(FIELD, &id)?;
    Ok(id)
}

/// Refuses a text that is longer than the maximum.
pub(crate) fn check_length(field: &'static str, text: &str, bytes_max: usize) -> Result<(), Refusal> {
    if text.len() > bytes_max { Err(Refusal::TooLong { field, bytes_max }) } else { Ok(()) }
}

/// Parses a word of a vocabulary.
pub(crate) fn parse_word<W: Word>(field: &'static str, text: &str) -> Result<W, Refusal> {
    W::parse(text).ok_or_else(|| Refusal::Word {
        field,
        value: text.chars().take(40).collect(),
        words: W::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", "),
    })
}

/// Looks a sent name up without interning it: see [`Name::look_up`].
pub(crate) fn look_up_name(field: &'static str, text: &str) -> Result<Name, Refusal> {
    Name::look_up(text).map_err(|error| Refusal::Name { field, error })
}

/// As [`look_up_name`], where a name is sent.
pub(crate) fn look_up_optional_name(field: &'static str, text: Option<&str>) -> Result<Option<Name>, Refusal> {
    text.filter(|text| !text.is_empty()).map(|text| look_up_name(field, text)).transpose()
}

/// Interns a sent name that is about to be recorded: see [`Name::intern_for`].
pub(crate) fn intern_name(field: &'static str, merchant: Name, text: &str) -> Result<Name, Refusal> {
    Name::intern_for(merchant, text).map_err(|error| Refusal::Name { field, error })
}

/// Parses a time, where one is sent.
pub(crate) fn parse_time(field: &'static str, text: Option<&str>) -> Result<Option<Millis>, Refusal> {
    text.map(|text| Millis::parse(text).ok_or(Refusal::Time(field))).transpose()
}

pub(crate) fn parse_currency(rules: &Rules, code: &str) -> Result<Currency, Refusal> {
    Currency::parse(code)
        .filter(|&currency| rules.currencies.minor_units(currency).is_some())
        .ok_or_else(|| Refusal::UnknownCurrency(code.chars().take(40).collect()))
}

/// Parses an amount in minor units, more than zero.
pub(crate) fn parse_positive_amount(
    field: &'static str,
    text: &str,
    rules: &Rules,
    currency: Currency,
) -> Result<u64, Refusal> {
    parse_amount(text, rules.currencies.units(currency)).map_err(|error| Refusal::Amount { field, error })
}

/// Refuses control characters.
///
/// # Errors
/// The text contains one.
pub(crate) fn check_no_control(field: &'static str, text: &str) -> Result<(), Refusal> {
    if text.chars().any(char::is_control) {
        return Err(Refusal::Name { field, error: NameError::Control });
    }
    Ok(())
}
