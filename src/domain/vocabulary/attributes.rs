//! Attributes of a customer, and the form in which they are compared.

use crate::domain::vocabulary::{
    calendar::date,
    contact::{country, email, phone},
    time::Millis,
    words::{Word, words},
};
use std::{borrow::Cow, fmt};

words! {
    /// A common attribute of a customer.
    Attribute {
        /// E-mail address.
        Email = "email",
        /// Phone number.
        Phone = "phone",
        /// The id in another system.
        ExternalId = "external_id",
        /// The stored payment instrument: the gateway's token.
        PaymentInstrument = "payment_instrument",
        /// Full name.
        Name = "name",
        /// First name.
        FirstName = "first_name",
        /// Last name.
        LastName = "last_name",
        /// Country.
        Country = "country",
        /// City.
        City = "city",
        /// Street and number.
        Address = "address",
        /// Postal code.
        PostalCode = "postal_code",
        /// Date of birth.
        DateOfBirth = "date_of_birth",
        /// Language.
        Language = "language",
        /// A remark of staff.
        Comment = "comment",
        /// The rating that staff gave, from 0 to [`RATING_MAX`].
        Rating = "rating",
        /// The IP address of the registration.
        RegistrationIp = "registration_ip",
        /// Whether the phone number is verified.
        PhoneVerified = "phone_verified",
        /// Who referred the customer: an id of the merchant's choice.
        ReferredBy = "referred_by",
    }
}

/// An attribute that a payment can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentAttribute(pub Attribute);

impl Word for PaymentAttribute {
    const WORDS: &'static [(&'static str, Self)] = &{
        let mut words = [("", Self(Attribute::Email)); PAYMENT_ATTRIBUTES];
        let (mut from, mut to) = (0, 0);
        while from < Attribute::WORDS.len() {
            let (word, attribute) = Attribute::WORDS[from];
            if !attribute.is_of_staff() {
                words[to] = (word, Self(attribute));
                to += 1;
            }
            from += 1;
        }
        words
    };
}

/// The most bytes of one attribute, except a comment.
pub const ATTRIBUTE_BYTES_MAX: usize = 256;

/// The most characters of a comment.
pub const COMMENT_CHARS_MAX: usize = 1_000;

/// How many attributes a payment can have: those that are not of staff.
const PAYMENT_ATTRIBUTES: usize = {
    let (mut place, mut count) = (0, 0);
    while place < Attribute::WORDS.len() {
        if !Attribute::WORDS[place].1.is_of_staff() {
            count += 1;
        }
        place += 1;
    }
    count
};

/// The highest rating.
pub const RATING_MAX: u8 = 100;

impl Attribute {
    /// Whether staff and tables set the attribute, and no payment does.
    #[must_use]
    pub const fn is_of_staff(self) -> bool {
        match self {
            Self::Comment | Self::Rating | Self::RegistrationIp | Self::PhoneVerified | Self::ReferredBy => true,
            Self::Email
            | Self::Phone
            | Self::ExternalId
            | Self::PaymentInstrument
            | Self::Name
            | Self::FirstName
            | Self::LastName
            | Self::Country
            | Self::City
            | Self::Address
            | Self::PostalCode
            | Self::DateOfBirth
            | Self::Language => false,
        }
    }
}

/// A customer's common attributes, as written, sorted by attribute; never an empty value.
///
/// In memory they are one text, because most customers have one or two attributes and stay in memory: each value is
/// preceded by its attribute and its length, a character of seven bits for each digit.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Attributes(Box<str>);

/// The characters before a value: one for the attribute, the others for the length, the lowest digit first.
const HEAD: usize = 4;

impl Attributes {
    /// The value of an attribute.
    #[must_use]
    pub fn value(&self, attribute: Attribute) -> Option<&str> {
        self.iter().find(|(known, _)| *known == attribute).map(|(_, value)| value)
    }

    /// Sets a value; an empty one takes the attribute away.
    pub fn set(&mut self, attribute: Attribute, value: &str) {
        let before = self.iter().filter(|(known, _)| *known < attribute);
        let tail = self.iter().filter(|(known, _)| *known > attribute);
        *self = before.chain([(attribute, value)]).chain(tail).collect();
    }

    /// All of them, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (Attribute, &str)> {
        let mut rest = self.0.as_ref();
        std::iter::from_fn(move || {
            let (head, tail) = rest.split_at_checked(HEAD)?;
            let (attribute, len) = head.as_bytes().split_first()?;
            let len = len.iter().rev().fold(0, |len, digit| len << 7 | usize::from(*digit));
            let (value, tail) = tail.split_at_checked(len)?;
            rest = tail;
            Some((Attribute::WORDS.get(usize::from(*attribute))?.1, value))
        })
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The attributes of `offered` that are absent here.
    #[must_use]
    pub fn missing_from(&self, offered: &Self) -> Self {
        offered.iter().filter(|(attribute, _)| self.value(*attribute).is_none()).collect()
    }
}

/// Builds attributes from values in the order of their attributes; empty values are dropped.
impl<'a> FromIterator<(Attribute, &'a str)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (Attribute, &'a str)>>(values: I) -> Self {
        let mut text = String::new();
        for (attribute, value) in values.into_iter().filter(|(_, value)| !value.is_empty()) {
            let digit = |digit: usize| char::from((value.len() >> (7 * digit) & 0x7f).to_le_bytes()[0]);
            // Requests limit texts to far less than three digits can express.
            debug_assert!(value.len() >> (7 * (HEAD - 1)) == 0, "{} bytes of {}", value.len(), attribute.word());
            text.push(char::from(attribute as u8));
            text.extend((0..HEAD - 1).map(digit));
            text.push_str(value);
        }
        Self(text.into_boxed_str())
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// A set of attributes: a bit each, in the order of [`Attribute`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AttributeSet(pub u32);

impl AttributeSet {
    /// Of these.
    #[must_use]
    pub fn of(attributes: &[Attribute]) -> Self {
        attributes.iter().copied().collect()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its attributes.
    pub fn iter(self) -> impl Iterator<Item = Attribute> {
        Attribute::WORDS.iter().map(|(_, attribute)| *attribute).filter(move |attribute| self.contains(*attribute))
    }

    /// Whether an attribute is in it.
    #[must_use]
    pub fn contains(self, attribute: Attribute) -> bool {
        self.0 & (1 << attribute as u32) != 0
    }
}

impl FromIterator<Attribute> for AttributeSet {
    fn from_iter<I: IntoIterator<Item = Attribute>>(attributes: I) -> Self {
        Self(attributes.into_iter().fold(0, |bits, attribute| bits | 1 << attribute as u32))
    }
}

/// The form in which two values of an attribute are compared: an e-mail address as [`email::compared`] says, a phone
/// number as [`phone::compared`] does with the merchant's country, any other text trimmed. Empty where there is nothing
/// to compare by.
#[must_use]
pub fn normalised(attribute: Attribute, value: &str, country: Option<phone::Country>) -> Cow<'_, str> {
    match attribute {
        Attribute::Email => email::compared(value),
        Attribute::Phone => phone::compared(country, value).unwrap_or_else(|| value.trim().into()),
        _ => value.trim().into(),
    }
}

/// Checks the form of a value. A blank value means no value and is always allowed. Only e-mail addresses, countries and dates have a form; a phone number that cannot be read is compared as written.
///
/// # Errors
/// What was expected, for a message: `must be ...`.
pub fn check_form(attribute: Attribute, value: &str, now: Millis) -> Result<(), &'static str> {
    let value = value.trim();
    let (is_valid, expected) = match attribute {
        _ if value.is_empty() => return Ok(()),
        Attribute::Email => (email::is_address(value), "an e-mail address, such as alice@example.com"),
        Attribute::Country => {
            (country::code(value).is_some(), "a country as the two letters of ISO 3166-1, such as CY")
        }
        Attribute::DateOfBirth => {
            (date::is_date_of_birth(value, now), "a day from 1900 until today as YYYY-MM-DD, such as 1990-01-31")
        }
        Attribute::Phone
        | Attribute::ExternalId
        | Attribute::PaymentInstrument
        | Attribute::Name
        | Attribute::FirstName
        | Attribute::LastName
        | Attribute::City
        | Attribute::Address
        | Attribute::PostalCode
        | Attribute::Language => return Ok(()),
        // The reader of a request knows their form: nothing else stores them.
        Attribute::Comment
        | Attribute::Rating
        | Attribute::RegistrationIp
        | Attribute::PhoneVerified
        | Attribute::ReferredBy => return Ok(()),
    };
    if is_valid { Ok(()) } else { Err(expected) }
}

/// The form in which earlier versions compared a value. Journals contain digests of it. A phone number without a plus
/// sign was compared as written.
#[must_use]
pub fn legacy_normalised(attribute: Attribute, value: &str) -> Cow<'_, str> {
    match attribute {
        Attribute::Email => value.trim().to_lowercase().into(),
        Attribute::Phone if phone::has_plus(value) => normalised(attribute, value, None),
        _ => value.into(),
    }
}

/// Whether an attribute can identify a customer; an attribute that thousands share, or that no payment has, cannot.
#[must_use]
pub fn identifies_customer(attribute: Attribute) -> bool {
    !matches!(attribute, Attribute::Country | Attribute::City | Attribute::Language) && !attribute.is_of_staff()
}

/// The words of the attributes that a payment can have, for messages.
#[must_use]
pub fn payment_attribute_words() -> String {
    PaymentAttribute::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn attributes_behave_like_a_map(sets in proptest::collection::vec((0..Attribute::WORDS.len(), 0..300_usize), 1..40)) {
            let (mut attributes, mut map) = (Attributes::default(), BTreeMap::new());
            for (place, len) in sets {
                let attribute = Attribute::WORDS[place].1;
                // A length that is often 0, on both sides of one digit and of two, in bytes that are no digits.
                // A comment can need three digits.
                let value = "é\0".repeat([0, len, 30 * len][usize::from(len > 40) + usize::from(len > 280)]);
                attributes.set(attribute, &value);
                map.remove(&attribute);
                if !value.is_empty() {
                    map.insert(attribute, value);
                }
                let want: Vec<_> = map.iter().map(|(attribute, value)| (*attribute, value.as_str())).collect();
                prop_assert_eq!(attributes.iter().collect::<Vec<_>>(), want);
                prop_assert_eq!(attributes.value(attribute), map.get(&attribute).map(String::as_str));
                prop_assert_eq!(attributes.is_empty(), map.is_empty());
            }
        }
    }

    #[test]
    fn the_number_of_an_attribute_is_its_place_among_the_words() {
        for (place, (_, attribute)) in Attribute::WORDS.iter().enumerate() {
            assert_eq!(*attribute as usize, place);
        }
    }

    #[test]
    fn values_are_compared_normalised() {
        for (attribute, value, want) in [
            (Attribute::Email, "  Alice@Example.COM ", "alice@example.com"),
            (Attribute::Phone, "+49 30 1234-502", "+49301234502"),
            (Attribute::Phone, " x2\u{a0}", "x2"),
            (Attribute::Phone, "030 1234502", "+49301234502"),
            (Attribute::Phone, "030 1", "030 1"),
            (Attribute::ExternalId, " A\u{3000}", "A"),
            (Attribute::Name, " \u{2003}", ""),
        ] {
            assert_eq!(normalised(attribute, value, phone::Country::parse("DE")), want, "{value:?}");
        }
        assert_eq!(normalised(Attribute::Phone, " 030 1234502", None), "030 1234502");
    }

    #[test]
    fn addresses_countries_and_dates_have_a_form() {
        let now = Millis::parse("2026-11-20T10:00:00Z").unwrap();
        for (attribute, valid, invalid) in [
            (Attribute::Email, &["a@example.com", " A@Example.com "][..], &["alice", "a@b", "a b@example.com"][..]),
            (Attribute::Country, &["CY", "cy", " DE"], &["CYP", "196", "Cyprus", "ZZ"]),
            (Attribute::DateOfBirth, &["1990-01-31", " 2026-11-20"], &["1990-02-30", "31.01.1990", "2026-11-21"]),
            (Attribute::Phone, &["x", "030 1"], &[]),
            (Attribute::Name, &["x@", "1990-02-30"], &[]),
        ] {
            for value in valid.iter().chain(&["", " \u{2003}"]) {
                assert_eq!(check_form(attribute, value, now), Ok(()), "{value:?}");
            }
            for value in invalid {
                assert!(check_form(attribute, value, now).is_err(), "{value:?}");
            }
        }
    }

    #[test]
    fn absent_attributes_are_filled_and_none_is_overwritten() {
        let (mut known, mut offered) = (Attributes::default(), Attributes::default());
        known.set(Attribute::Email, "a@example.com");
        offered.set(Attribute::Email, "b@example.com");
        offered.set(Attribute::Phone, "+49301234502");
        offered.set(Attribute::Name, "");
        let fill = known.missing_from(&offered);
        assert_eq!(fill.iter().collect::<Vec<_>>(), [(Attribute::Phone, "+49301234502")]);
    }
}
