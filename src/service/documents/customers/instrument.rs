//! A stored payment instrument as a document, and the update of one.

use crate::{
    config::body::object,
    domain::{
        customer::instruments::{Instrument, InstrumentState, InstrumentType},
        request::{
            fields::{check_length, parse_word},
            refusal::Refusal,
        },
    },
    service::{
        documents::{
            as_text::{AsText, Time},
            json::{boolean, text},
        },
        error::ServiceError,
    },
};
use serde::Serialize;

/// An instrument as it is shown. [`InstrumentUpdate`] takes `type`, `masked_number`, `expires`, `state`, `default` and
/// `card_on_file` in the same form; the state `blocked` follows from signals and is not taken.
#[derive(Debug, Serialize)]
pub(crate) struct InstrumentDocument<'a> {
    payment_instrument: &'a str,
    r#type: &'static str,
    masked_number: Option<&'a str>,
    expires: Option<String>,
    saved_at: Time,
    last_success_at: Option<Time>,
    successful_payments: u64,
    state: &'static str,
    default: bool,
    card_on_file: bool,
}

impl<'a> InstrumentDocument<'a> {
    pub(crate) fn of(instrument: &'a Instrument, is_blocked: bool) -> Self {
        Self {
            payment_instrument: instrument.id.trim(),
            r#type: instrument.kind.word(),
            masked_number: instrument.masked.as_deref(),
            expires: instrument.expires.map(month),
            saved_at: AsText(instrument.saved_at),
            last_success_at: instrument.last_success_at.map(AsText),
            successful_payments: instrument.successes,
            state: if is_blocked { "blocked" } else { instrument.state.word() },
            default: instrument.is_default,
            card_on_file: instrument.on_file,
        }
    }
}

/// A month as `2027-04`.
fn month(months: u32) -> String {
    format!("{:04}-{:02}", months / 12, months % 12 + 1)
}

/// The fields of an update; `None`: the field stays as it is.
#[derive(Debug, Default)]
pub(crate) struct InstrumentUpdate {
    kind: Option<InstrumentType>,
    masked: Option<Option<Box<str>>>,
    expires: Option<Option<u32>>,
    state: Option<InstrumentState>,
    is_default: Option<bool>,
    on_file: Option<bool>,
}

impl InstrumentUpdate {
    /// The instrument after the update; `before` is a bare one where it is new.
    ///
    /// # Errors
    /// The masked number shows too many digits.
    pub(crate) fn applied_to(&self, before: Instrument) -> Result<Instrument, Refusal> {
        let kind = self.kind.unwrap_or(before.kind);
        let masked = self.masked.clone().unwrap_or_else(|| before.masked.clone());
        if let Some(masked) = &masked {
            check_mask(kind, masked)?;
        }
        Ok(Instrument {
            kind,
            masked,
            expires: self.expires.unwrap_or(before.expires),
            state: self.state.unwrap_or(before.state),
            is_default: self.is_default.unwrap_or(before.is_default),
            on_file: self.on_file.unwrap_or(before.on_file),
            ..before
        })
    }
}

/// Reads the body of an update.
pub(crate) fn read_instrument(body: &[u8]) -> Result<InstrumentUpdate, ServiceError> {
    const TAKEN: &str = "type, masked_number, expires, state, default, card_on_file";
    let mut update = InstrumentUpdate::default();
    for (key, raw) in object(body)?.0 {
        match key.as_str() {
            "type" => update.kind = text("type", raw)?.map(|kind| parse_word("type", &kind)).transpose()?,
            "masked_number" => {
                update.masked = Some(text("masked_number", raw)?.filter(|text| !text.is_empty()).map(Into::into));
            }
            "expires" => update.expires = Some(text("expires", raw)?.map(|month| parse_month(&month)).transpose()?),
            "state" => update.state = text("state", raw)?.map(|state| parse_word("state", &state)).transpose()?,
            "default" => update.is_default = Some(boolean("default", raw)?),
            "card_on_file" => update.on_file = Some(boolean("card_on_file", raw)?),
            _ => {
                return Err(ServiceError::unknown_field(&key, TAKEN));
            }
        }
    }
    Ok(update)
}

/// A month as `2027-04`, counted from the year 0.
fn parse_month(text: &str) -> Result<u32, ServiceError> {
    let parts = text.split_once('-').filter(|(year, month)| year.len() == 4 && month.len() == 2);
    let month = parts.and_then(|(year, month)| {
        let (year, month): (u32, u32) = (year.parse().ok()?, month.parse().ok()?);
        (1..=12).contains(&month).then(|| year * 12 + month - 1)
    });
    month.ok_or_else(|| ServiceError::malformed("value_unknown", "`expires` is a month, as 2027-04").at("expires"))
}

/// Refuses a masked number that shows too much: of a card only the first six and the last four digits may be shown, of
/// any other instrument only the last four.
pub(crate) fn check_mask(kind: InstrumentType, masked: &str) -> Result<(), Refusal> {
    const FIELD: &str = "masked_number";
    check_length(FIELD, masked, 64)?;
    let digits_first = masked.bytes().take_while(u8::is_ascii_digit).count();
    let digits_last = masked.bytes().rev().take_while(u8::is_ascii_digit).count();
    let digits = masked.bytes().filter(u8::is_ascii_digit).count();
    let first_max = if kind == InstrumentType::Card { 6 } else { 0 };
    // Digits of other scripts count as digits.
    if masked.chars().any(|c| c.is_control() || (c.is_numeric() && !c.is_ascii())) {
        return Err(Refusal::NotAllowed {
            field: FIELD,
            reason: "holds what is neither a digit nor a mask".to_owned(),
        });
    }
    let is_masked = digits < masked.chars().count() || digits <= 4;
    let fits = digits_first.max(digits.saturating_sub(digits_last)) <= first_max || digits == digits_last;
    if is_masked && fits && digits_last <= 4 && digits <= first_max + 4 {
        return Ok(());
    }
    let what = if first_max > 0 { "the first six and the last four digits" } else { "the last four digits" };
    Err(Refusal::NotAllowed { field: FIELD, reason: format!("may hold {what} of a number, and no other") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_shows_at_most_the_permitted_digits() {
        for (kind, masked, want) in [
            (InstrumentType::Card, "411111******1111", true),
            (InstrumentType::Card, "****1111", true),
            (InstrumentType::Card, "1111", true),
            (InstrumentType::Card, "4111111*****1111", false),
            (InstrumentType::Card, "411111*****11111", false),
            (InstrumentType::Card, "4111111111111111", false),
            (InstrumentType::Card, "411111**22**1111", false),
            (InstrumentType::BankAccount, "******3210", true),
            (InstrumentType::BankAccount, "DE****3210", true),
            (InstrumentType::BankAccount, "12****3210", false),
            (InstrumentType::Other, "12345", false),
            (InstrumentType::Card, "•••• 1111", true),
            (InstrumentType::Card, "411111\u{664}\u{664}\u{664}\u{664}\u{664}\u{664}1111", false),
            (InstrumentType::Card, "411111\n1111", false),
        ] {
            assert_eq!(check_mask(kind, masked).is_ok(), want, "{} {masked}", kind.word());
        }
    }

    #[test]
    fn months_are_parsed() {
        assert_eq!(parse_month("2027-04").unwrap(), 2027 * 12 + 3);
        for bad in ["2027", "2027-13", "2027-00", "27-04", "2027-4", "x"] {
            assert!(parse_month(bad).is_err(), "{bad}");
        }
    }
}
