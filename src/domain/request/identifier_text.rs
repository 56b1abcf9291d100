//! The texts of identifiers: `merchant_customer_identifier`, `customer_id`, `external_id`, tokens of payment instruments.
//!
//! They are compared and stored without white space at their ends; a blank one counts as absent. They contain no
//! control characters. Ids of transactions and of their transitions are opaque and not trimmed.

use crate::domain::{
    request::{
        fields::{check_length, check_no_control},
        refusal::Refusal,
    },
    vocabulary::attributes::{ATTRIBUTE_BYTES_MAX, Attribute},
};
use std::borrow::Cow;

/// Whether an attribute is an identifier by this module's rules.
#[must_use]
pub(crate) fn is_identifier(attribute: Attribute) -> bool {
    matches!(attribute, Attribute::ExternalId | Attribute::PaymentInstrument)
}

/// Parses an identifier; `None`: it is blank.
///
/// # Errors
/// It is too long, or contains a control character.
pub(crate) fn parse<'t>(field: &'static str, text: &'t str) -> Result<Option<&'t str>, Refusal> {
    let trimmed = text.trim();
    check_length(field, trimmed, ATTRIBUTE_BYTES_MAX)?;
    check_no_control(field, trimmed)?;
    Ok((!trimmed.is_empty()).then_some(trimmed))
}

/// [`parse`], for a text that may be absent and may be owned.
///
/// # Errors
/// Those of [`parse`].
pub(crate) fn parse_cow<'t>(field: &'static str, text: Option<&Cow<'t, str>>) -> Result<Option<Cow<'t, str>>, Refusal> {
    Ok(match text {
        None => None,
        Some(Cow::Borrowed(text)) => parse(field, text)?.map(Cow::Borrowed),
        Some(Cow::Owned(text)) => parse(field, text)?.map(|text| Cow::Owned(text.to_owned())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_trimmed_and_contains_no_control_character() {
        for (text, want) in [
            ("alice", Ok(Some("alice"))),
            (" \u{a0}\u{2003}alice b\u{3000}\n", Ok(Some("alice b"))),
            ("", Ok(None)),
            (" \t\u{85}\u{2028}", Ok(None)),
            ("ali\tce", Err(())),
            ("ali\0ce", Err(())),
            ("\u{7}alice", Err(())),
            ("alice\u{9b}", Err(())),
        ] {
            assert_eq!(parse("customer_id", text).map_err(drop), want, "{text:?}");
        }
        let long = " ".repeat(50) + &"x".repeat(ATTRIBUTE_BYTES_MAX);
        assert!(parse("customer_id", &long).is_ok(), "white space at the ends does not count");
        assert!(parse("customer_id", &format!("{long}x")).is_err());
        let owned = Cow::Owned(" alice ".to_owned());
        assert_eq!(parse_cow("customer_id", Some(&owned)).unwrap().as_deref(), Some("alice"));
    }
}
