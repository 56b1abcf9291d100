//! JSON that is written directly, without a document of serde: for the answer to a payment, which is written most often.

use crate::{
    domain::vocabulary::{
        money::{Currency, Minor},
        time::Millis,
    },
    service::documents::as_text::AsText,
};
use serde::Serialize;

/// The powers of ten up to the most fraction digits of a currency.
const POWERS_OF_TEN: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// JSON that is being written.
#[derive(Debug)]
pub(crate) struct JsonText {
    bytes: Vec<u8>,
}

impl JsonText {
    /// JSON after other text.
    pub(crate) fn after(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Appends text that is JSON already: punctuation and names of fields.
    pub(crate) fn raw(&mut self, json: &str) {
        self.bytes.extend_from_slice(json.as_bytes());
    }

    /// Appends a string. A text without a character to escape is copied.
    ///
    /// # Errors
    /// None in practice; [`Self::document`] has the same type.
    pub(crate) fn string(&mut self, text: &str) -> serde_json::Result<()> {
        if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
            return self.document(text);
        }
        self.bytes.push(b'"');
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(b'"');
        Ok(())
    }

    /// Appends a string, or `null`.
    pub(crate) fn optional_string(&mut self, text: Option<&str>) -> serde_json::Result<()> {
        match text {
            Some(text) => self.string(text),
            None => {
                self.raw("null");
                Ok(())
            }
        }
    }

    /// Appends a list of strings.
    pub(crate) fn strings<'t>(&mut self, texts: impl IntoIterator<Item = &'t str>) -> serde_json::Result<()> {
        self.bytes.push(b'[');
        for (index, text) in texts.into_iter().enumerate() {
            if index > 0 {
                self.bytes.push(b',');
            }
            self.string(text)?;
        }
        self.bytes.push(b']');
        Ok(())
    }

    /// Appends a whole number.
    pub(crate) fn number(&mut self, number: u64) {
        self.bytes.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    /// Appends a whole number as a string.
    pub(crate) fn number_string(&mut self, number: u64) {
        self.bytes.push(b'"');
        self.number(number);
        self.bytes.push(b'"');
    }

    /// Appends an amount of minor units as a string with the fraction digits of its currency.
    pub(crate) fn amount(&mut self, value: u64, units: u8) -> serde_json::Result<()> {
        let Some(power) = POWERS_OF_TEN.get(usize::from(units)) else {
            return self.document(&AsText(Minor { value: u128::from(value), units }));
        };
        self.bytes.push(b'"');
        self.number(value / power);
        if units > 0 {
            self.bytes.push(b'.');
            let mut fraction = value % power;
            let from = self.bytes.len();
            self.bytes.resize(from + usize::from(units), b'0');
            for digit in self.bytes[from..].iter_mut().rev() {
                *digit += u8::try_from(fraction % 10).unwrap_or(0);
                fraction /= 10;
            }
        }
        self.bytes.push(b'"');
        Ok(())
    }

    /// Appends the code of a currency as a string.
    pub(crate) fn currency(&mut self, currency: Currency) {
        let [first, second, third] = currency.code();
        self.bytes.extend_from_slice(&[b'"', first, second, third, b'"']);
    }

    /// Appends a time as a string.
    pub(crate) fn time(&mut self, at: Millis) -> serde_json::Result<()> {
        let Some(text) = at.rfc3339() else { return self.document(&AsText(at)) };
        self.bytes.push(b'"');
        self.bytes.extend_from_slice(&text);
        self.bytes.push(b'"');
        Ok(())
    }

    /// Appends any document as serde writes it.
    pub(crate) fn document(&mut self, document: &(impl Serialize + ?Sized)) -> serde_json::Result<()> {
        serde_json::to_writer(&mut self.bytes, document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut JsonText) -> serde_json::Result<()>) -> String {
        let mut json = JsonText::after(Vec::new());
        write(&mut json).unwrap();
        String::from_utf8(json.into_bytes()).unwrap()
    }

    fn serde(document: &impl Serialize) -> String {
        serde_json::to_string(document).unwrap()
    }

    proptest! {
        #[test]
        fn each_value_is_written_as_serde_writes_it(
            text in any::<String>(), value in any::<u64>(), units in 0_u8..=12,
            at in prop_oneof![Millis::MIN.0..=Millis::MAX.0, -80_000_000_000_000_i64..400_000_000_000_000],
        ) {
            prop_assert_eq!(written(|json| json.string(&text)), serde(&text));
            prop_assert_eq!(written(|json| json.strings([text.as_str(), "", &text])), serde(&[text.as_str(), "", &text]));
            prop_assert_eq!(written(|json| { json.number(value); Ok(()) }), serde(&value));
            prop_assert_eq!(written(|json| { json.number_string(value); Ok(()) }), serde(&AsText(value)));
            let amount = Minor { value: u128::from(value), units };
            prop_assert_eq!(written(|json| json.amount(value, units)), serde(&AsText(amount)));
            prop_assert_eq!(written(|json| json.time(Millis(at))), serde(&AsText(Millis(at))));
        }
    }
}
