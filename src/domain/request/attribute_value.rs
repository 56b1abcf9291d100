//! Attributes as staff and tables write them: each value is read into the form that is stored.

use crate::domain::{
    request::{fields::check_length, identifier_text, refusal::Refusal},
    vocabulary::attributes::{ATTRIBUTE_BYTES_MAX, Attribute, COMMENT_CHARS_MAX, RATING_MAX},
};
use core::net::IpAddr;
use std::borrow::Cow;

/// Reads a value. A blank one is an empty text, which removes the attribute.
///
/// # Errors
/// The value is too long, or is none of the attribute.
pub(crate) fn parse(attribute: Attribute, value: &str) -> Result<Cow<'_, str>, Refusal> {
    let field = attribute.word();
    let wrong = |expected| Refusal::AttributeForm { field, expected };
    let trimmed = value.trim();
    match attribute {
        Attribute::Comment if value.chars().nth(COMMENT_CHARS_MAX).is_some() => return Err(wrong(COMMENT_EXPECTED)),
        Attribute::Comment => {}
        _ => check_length(field, value, ATTRIBUTE_BYTES_MAX)?,
    }
    if trimmed.is_empty() {
        return Ok(Cow::Borrowed(""));
    }
    Ok(match attribute {
        Attribute::ExternalId | Attribute::PaymentInstrument | Attribute::ReferredBy => {
            identifier_text::parse(field, value)?.unwrap_or_default().into()
        }
        Attribute::Rating => parse_rating(trimmed).ok_or(wrong(RATING_EXPECTED))?.to_string().into(),
        Attribute::RegistrationIp => trimmed.parse::<IpAddr>().map_err(|_| wrong(ADDRESS_EXPECTED))?.to_string().into(),
        // A spreadsheet writes TRUE.
        Attribute::PhoneVerified if trimmed.eq_ignore_ascii_case("true") => "true".into(),
        Attribute::PhoneVerified if trimmed.eq_ignore_ascii_case("false") => "false".into(),
        Attribute::PhoneVerified => return Err(wrong(FLAG_EXPECTED)),
        Attribute::Email
        | Attribute::Phone
        | Attribute::Name
        | Attribute::FirstName
        | Attribute::LastName
        | Attribute::Country
        | Attribute::City
        | Attribute::Address
        | Attribute::PostalCode
        | Attribute::DateOfBirth
        | Attribute::Language
        | Attribute::Comment => value.into(),
    })
}

/// The form of a rating.
pub(crate) const RATING_EXPECTED: &str = "a whole number from 0 to 100";
/// The form of `phone_verified`.
pub(crate) const FLAG_EXPECTED: &str = "true or false";
const COMMENT_EXPECTED: &str = "a text of at most 1000 characters";
const ADDRESS_EXPECTED: &str = "an IP address, such as 192.0.2.7 or 2001:db8::7";

fn parse_rating(text: &str) -> Option<u8> {
    let all_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|rating| all_digits && *rating <= RATING_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_into_the_form_that_is_stored() {
        for (attribute, value, want) in [
            (Attribute::Rating, " 085\t", Some("85")),
            (Attribute::Rating, "0", Some("0")),
            (Attribute::Rating, "100", Some("100")),
            (Attribute::Rating, "101", None),
            (Attribute::Rating, "+5", None),
            (Attribute::Rating, "5.0", None),
            (Attribute::Rating, "-1", None),
            (Attribute::Rating, "", Some("")),
            (Attribute::PhoneVerified, "TRUE", Some("true")),
            (Attribute::PhoneVerified, " False ", Some("false")),
            (Attribute::PhoneVerified, "yes", None),
            (Attribute::PhoneVerified, "1", None),
            (Attribute::PhoneVerified, " ", Some("")),
            (Attribute::RegistrationIp, " 192.0.2.7", Some("192.0.2.7")),
            (Attribute::RegistrationIp, "2001:DB8:0:0::07", Some("2001:db8::7")),
            (Attribute::RegistrationIp, "192.0.2.07", None),
            (Attribute::RegistrationIp, "192.0.2", None),
            (Attribute::RegistrationIp, "fe80::1%eth0", None),
            (Attribute::RegistrationIp, "example.com", None),
            (Attribute::ReferredBy, " partner-7 ", Some("partner-7")),
            (Attribute::ReferredBy, "a\u{7}b", None),
            (Attribute::Comment, " two\nlines ", Some(" two\nlines ")),
            (Attribute::Comment, " \n", Some("")),
            (Attribute::Name, "  ", Some("")),
        ] {
            let read = parse(attribute, value);
            assert_eq!(read.as_deref().ok(), want, "{attribute:?} {value:?}: {read:?}");
        }
    }

    #[test]
    fn a_comment_has_a_thousand_characters_and_other_attributes_fewer_bytes() {
        let comment = "\u{1f600}".repeat(COMMENT_CHARS_MAX);
        assert_eq!(parse(Attribute::Comment, &comment).unwrap(), comment);
        let refusal = parse(Attribute::Comment, &format!("{comment}x")).unwrap_err();
        assert_eq!(refusal.to_string(), "`comment` must be a text of at most 1000 characters");
        assert!(parse(Attribute::City, &"x".repeat(ATTRIBUTE_BYTES_MAX + 1)).is_err());
        assert!(parse(Attribute::ReferredBy, &"x".repeat(ATTRIBUTE_BYTES_MAX + 1)).is_err());
    }
}
