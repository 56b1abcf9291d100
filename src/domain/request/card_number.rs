//! Refuses fields of a request that contain a full card number.

use crate::domain::{
    request::refusal::Refusal,
    vocabulary::card_numbers::{has_card_number, id_has_card_number, masked},
};

/// Refuses a text that contains a full card number. The name of its field decides what the text means. `is_phone` is
/// called only for a phone that looks like a card number.
///
/// # Errors
/// The text contains a full card number.
#[inline]
pub(crate) fn refuse_card_number(field: &str, text: &str, is_phone: impl FnOnce(&str) -> bool) -> Result<(), Refusal> {
    if has_card_number(field, text, is_phone) { Err(refusal(field)) } else { Ok(()) }
}

/// Refuses an id that contains a full card number.
///
/// # Errors
/// The id contains a full card number.
pub(crate) fn refuse_card_number_in_id(field: &str, text: &str) -> Result<(), Refusal> {
    if id_has_card_number(text) { Err(refusal(field)) } else { Ok(()) }
}

#[cold]
fn refusal(field: &str) -> Refusal {
    Refusal::CardNumber(masked(field).into_owned().into())
}
