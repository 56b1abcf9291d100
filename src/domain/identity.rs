//! Attributes of a customer and how they are compared.

use super::rules::{Attribute, Word};
use std::borrow::Cow;

/// The most bytes of one attribute.
pub const ATTRIBUTE_BYTES_MAX: usize = 256;

/// A customer's common attributes, as written, sorted by attribute; never an empty value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes(Vec<(Attribute, Box<str>)>);

impl Attributes {
    /// The value of an attribute.
    #[must_use]
    pub fn value(&self, attribute: Attribute) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == attribute).map(|(_, value)| value.as_ref())
    }

    /// Sets a value; an empty one takes the attribute away.
    pub fn set(&mut self, attribute: Attribute, value: &str) {
        let place = self.0.partition_point(|(known, _)| *known < attribute);
        let found = self.0.get(place).is_some_and(|(known, _)| *known == attribute);
        match (found, value.is_empty()) {
            (true, true) => drop(self.0.remove(place)),
            (true, false) => self.0[place].1 = value.into(),
            (false, false) => self.0.insert(place, (attribute, value.into())),
            (false, true) => {}
        }
    }

    /// All of them, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (Attribute, &str)> {
        self.0.iter().map(|(attribute, value)| (*attribute, value.as_ref()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of `offered` that are missing here.
    #[must_use]
    pub fn missing_from(&self, offered: &Self) -> Self {
        Self(offered.0.iter().filter(|(attribute, _)| self.value(*attribute).is_none()).cloned().collect())
    }
}

/// A set of attributes: a bit each, in the order of [`Attribute`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AttributeSet(pub u16);

impl AttributeSet {
    /// Of these.
    #[must_use]
    pub fn of(attributes: &[Attribute]) -> Self {
        Self(attributes.iter().fold(0, |bits, attribute| bits | 1 << *attribute as u16))
    }

    /// Its attributes.
    pub fn iter(self) -> impl Iterator<Item = Attribute> {
        Attribute::WORDS.iter().map(|(_, attribute)| *attribute).filter(move |attribute| self.contains(*attribute))
    }

    /// Whether an attribute is in it.
    #[must_use]
    pub fn contains(self, attribute: Attribute) -> bool {
        self.0 & (1 << attribute as u16) != 0
    }
}

/// The form in which two values of an attribute are compared: e-mail trimmed and lower-cased, phone in E.164 where it
/// reads as one, anything else as it is. Empty where there is nothing to compare by.
#[must_use]
pub fn normalised(attribute: Attribute, value: &str) -> Cow<'_, str> {
    match attribute {
        Attribute::Email => Cow::Owned(value.trim().to_lowercase()),
        Attribute::Phone => match phonenumber::parse(None, value) {
            Ok(number) => Cow::Owned(number.format().mode(phonenumber::Mode::E164).to_string()),
            Err(_) => Cow::Borrowed(value),
        },
        _ => Cow::Borrowed(value),
    }
}

/// Whether a customer can be recognised by the attribute; what thousands share recognises nobody.
#[must_use]
pub fn recognises(attribute: Attribute) -> bool {
    !matches!(attribute, Attribute::Country | Attribute::City | Attribute::Language)
}

/// The words of all attributes, for messages.
#[must_use]
pub fn attribute_words() -> String {
    Attribute::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_normalised() {
        for (attribute, value, want) in [
            (Attribute::Email, "  Alice@Example.COM ", "alice@example.com"),
            (Attribute::Phone, "+49 30 1234-502", "+49301234502"),
            (Attribute::Phone, "x2", "x2"),
            (Attribute::Phone, "030 1234502", "030 1234502"),
            (Attribute::ExternalId, " A ", " A "),
        ] {
            assert_eq!(normalised(attribute, value), want, "{value:?}");
        }
    }

    #[test]
    fn what_is_missing_is_filled_and_nothing_overwritten() {
        let (mut known, mut offered) = (Attributes::default(), Attributes::default());
        known.set(Attribute::Email, "a@example.com");
        offered.set(Attribute::Email, "b@example.com");
        offered.set(Attribute::Phone, "+49301234502");
        offered.set(Attribute::Name, "");
        let fill = known.missing_from(&offered);
        assert_eq!(fill.iter().collect::<Vec<_>>(), [(Attribute::Phone, "+49301234502")]);
    }
}
