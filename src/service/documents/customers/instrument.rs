//! A stored payment instrument as a document, and the update of one.

use crate::{
    config::{
        body::object,
        schema::{
            texts::{BrandText, InstrumentTokenText, MaskedNumberText},
            words::WordOf,
        },
    },
    domain::{
        customer::instruments::{
            CardOnFile, CardOnFileType, Instrument, InstrumentState, InstrumentType, brand_of_number,
        },
        request::{
            fields::{check_length, check_no_control, parse_word},
            refusal::Refusal,
        },
        vocabulary::{
            calendar::{LocalTime, month::Month},
            card_numbers::brand_as_stored,
        },
    },
    service::{
        documents::{
            as_text::{AsText, Time},
            description::Description,
            json::{boolean, text},
        },
        error::ServiceError,
    },
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{json, value::RawValue};

/// The most bytes of a brand.
const BRAND_BYTES_MAX: usize = 64;

/// An instrument as it is shown. [`InstrumentUpdate`] takes the same members. Those that follow from payments, signals and
/// other instruments are taken where they are equal to what is in force.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Instrument")]
pub(crate) struct InstrumentDocument<'a> {
    /// The gateway's token.
    #[schemars(with = "InstrumentTokenText")]
    payment_instrument: &'a str,
    /// What it is.
    #[schemars(with = "WordOf<InstrumentType>")]
    r#type: &'static str,
    /// Its masked number.
    #[schemars(with = "Option<MaskedNumberText>")]
    masked_number: Option<&'a str>,
    /// Its brand, as sent or as the masked number says.
    #[schemars(with = "Option<BrandText>")]
    brand: Option<&'a str>,
    /// The last month in which it is valid.
    expires: Option<AsText<Month>>,
    /// When it was stored.
    saved_at: Time,
    /// When a payment with it last succeeded. `null`: none did.
    last_success_at: Option<Time>,
    /// How many payments with it succeeded.
    successful_payments: u64,
    /// Its place by the last use; 1: it was used last.
    order: usize,
    /// Whether it can pay.
    #[schemars(extend("enum" = ["active", "expired", "invalid", "blocked"]))]
    state: &'static str,
    /// Whether it is the customer's default.
    default: bool,
    /// Whether the customer agreed to store it.
    card_on_file: bool,
    /// The kind of payments to which the customer agreed.
    #[schemars(with = "Option<WordOf<CardOnFileType>>")]
    card_on_file_type: Option<&'static str>,
}

/// What the document of an instrument depends on besides the instrument.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InstrumentContext<'a> {
    pub(crate) local: LocalTime<'a>,
    /// Whether payments with the instrument are blocked at the merchant.
    pub(crate) is_blocked: bool,
    /// The place of the instrument in the order of the last use.
    pub(crate) order: usize,
}

impl<'a> InstrumentDocument<'a> {
    pub(crate) fn of(instrument: &'a Instrument, context: &InstrumentContext<'_>) -> Self {
        Self {
            payment_instrument: instrument.id.trim(),
            r#type: instrument.kind.word(),
            masked_number: instrument.masked.as_deref(),
            brand: instrument.brand(),
            expires: instrument.expires.map(AsText),
            saved_at: AsText(instrument.saved_at),
            last_success_at: instrument.last_success_at.map(AsText),
            successful_payments: instrument.successes,
            order: context.order,
            state: if context.is_blocked { BLOCKED } else { instrument.state(context.local).word() },
            default: instrument.is_default,
            card_on_file: instrument.on_file.is_agreed(),
            card_on_file_type: instrument.on_file.known_type().map(CardOnFileType::word),
        }
    }

    /// Whether a payment with it may pass.
    pub(crate) fn may_pay(&self) -> bool {
        self.state == InstrumentState::Active.word()
    }

    /// The order of a payment form: the default first, then the last used one.
    pub(crate) fn form_order(&self) -> (bool, usize) {
        (!self.default, self.order)
    }
}

/// The state of an instrument with which payments are blocked at the merchant. Signals set it.
const BLOCKED: &str = "blocked";

/// A state as it is sent.
#[derive(Debug, Clone, Copy)]
enum SentState {
    Blocked,
    Recorded(InstrumentState),
}

/// The fields of an update; `None`: the field stays as it is.
#[derive(Debug)]
pub(crate) struct InstrumentUpdate {
    kind: Option<InstrumentType>,
    masked: Option<Option<Box<str>>>,
    brand: Option<Option<Box<str>>>,
    expires: Option<Option<Month>>,
    state: Option<SentState>,
    is_default: Option<bool>,
    on_file: Option<bool>,
    type_on_file: Option<Option<CardOnFileType>>,
    description: Description,
}

/// Members that follow from payments. They are compared and never set.
const DESCRIPTION: [&str; 5] = ["payment_instrument", "saved_at", "last_success_at", "successful_payments", "order"];

impl InstrumentUpdate {
    fn describing(description: Description) -> Self {
        Self {
            kind: None,
            masked: None,
            brand: None,
            expires: None,
            state: None,
            is_default: None,
            on_file: None,
            type_on_file: None,
            description,
        }
    }

    /// The instrument after the update; `before` is a bare one where it is new.
    ///
    /// # Errors
    /// The masked number shows too many digits; a member that follows from payments, signals or the time differs from what
    /// is in force.
    pub(crate) fn applied_to(
        &self,
        before: Instrument,
        context: &InstrumentContext<'_>,
    ) -> Result<Instrument, Refusal> {
        self.description.check(&json!(InstrumentDocument::of(&before, context)))?;
        let kind = self.kind.unwrap_or(before.kind);
        let masked = self.masked.clone().unwrap_or_else(|| before.masked.clone());
        if let Some(masked) = &masked {
            check_mask(kind, masked)?;
        }
        let sent_brand = match &self.brand {
            None => before.sent_brand.clone(),
            // A shown brand that is sent back stays as it is recorded.
            Some(sent) if sent.as_deref() == before.brand() && masked == before.masked && kind == before.kind => {
                before.sent_brand.clone()
            }
            Some(sent) => sent.clone().filter(|sent| Some(&**sent) != brand_of_number(kind, masked.as_deref())),
        };
        let expires = self.expires.unwrap_or(before.expires);
        let recorded_state =
            self.recorded_state(&Instrument { expires, ..before.clone() }, before.state(context.local), context)?;
        Ok(Instrument {
            kind,
            masked,
            sent_brand,
            expires,
            recorded_state,
            is_default: self.is_default.unwrap_or(before.is_default),
            on_file: self.card_on_file(before.on_file)?,
            ..before
        })
    }

    /// The state to record for an instrument with its new last month; `shown`: its state before the update.
    fn recorded_state(
        &self,
        instrument: &Instrument,
        shown: InstrumentState,
        context: &InstrumentContext<'_>,
    ) -> Result<InstrumentState, Refusal> {
        let refused = |reason: String| Err(Refusal::NotAllowed { field: "state", reason });
        match self.state {
            None => Ok(instrument.recorded_state),
            Some(SentState::Blocked) if context.is_blocked => Ok(instrument.recorded_state),
            Some(SentState::Blocked) => {
                let shown = shown.word();
                refused(format!("is {shown}; only a signal blocks an instrument: send fraud_confirmed or card_stolen"))
            }
            Some(SentState::Recorded(InstrumentState::Active)) if context.is_blocked => {
                refused("is blocked; only the signal cleared lifts a block".to_owned())
            }
            // The state that is shown, also one that follows from the last month, is no change.
            Some(SentState::Recorded(sent)) if sent == shown => Ok(instrument.recorded_state),
            Some(SentState::Recorded(sent)) => match (sent, instrument.expires) {
                (InstrumentState::Active, Some(last)) if last < context.local.month() => refused(format!(
                    "is expired, because the last month, {last}, is over; a later `expires` makes it active"
                )),
                _ => Ok(sent),
            },
        }
    }

    fn card_on_file(&self, before: CardOnFile) -> Result<CardOnFile, Refusal> {
        let agreed = |known: Option<CardOnFileType>| known.map_or(CardOnFile::OfUnknownType, CardOnFile::OfType);
        match (self.on_file, self.type_on_file) {
            (None, None) => Ok(before),
            (Some(true), None) => Ok(before.or(CardOnFile::OfUnknownType)),
            (None, Some(None)) if !before.is_agreed() => Ok(CardOnFile::No),
            (Some(true) | None, Some(known)) => Ok(agreed(known)),
            (Some(false), None | Some(None)) => Ok(CardOnFile::No),
            (Some(false), Some(Some(known))) => Err(Refusal::NotAllowed {
                field: "card_on_file",
                reason: format!(
                    "is false, and the type {} needs true; send `card_on_file_type` as null, or `card_on_file` as true",
                    known.word()
                ),
            }),
        }
    }
}

/// Reads the body of an update.
pub(crate) fn read_instrument(body: &[u8]) -> Result<InstrumentUpdate, ServiceError> {
    const TAKEN: &str = "type, masked_number, brand, expires, state, default, card_on_file, card_on_file_type, \
                         payment_instrument, saved_at, last_success_at, successful_payments, order";
    let mut update = InstrumentUpdate::describing(Description::read(body, &DESCRIPTION)?);
    for (key, raw) in object(body)?.0 {
        match key.as_str() {
            "type" => update.kind = text("type", raw)?.map(|kind| parse_word("type", &kind)).transpose()?,
            "masked_number" => {
                update.masked = Some(text("masked_number", raw)?.filter(|text| !text.is_empty()).map(Into::into));
            }
            "brand" => update.brand = Some(read_brand(raw)?),
            "expires" => update.expires = Some(text("expires", raw)?.map(|month| parse_month(&month)).transpose()?),
            "state" => {
                update.state = match text("state", raw)?.as_deref() {
                    None => None,
                    Some(BLOCKED) => Some(SentState::Blocked),
                    Some(state) => Some(SentState::Recorded(parse_word("state", state)?)),
                }
            }
            "default" => update.is_default = Some(boolean("default", raw)?),
            "card_on_file" => update.on_file = Some(boolean("card_on_file", raw)?),
            "card_on_file_type" => {
                let sent = text("card_on_file_type", raw)?.filter(|text| !text.is_empty());
                update.type_on_file = Some(sent.map(|text| parse_word("card_on_file_type", &text)).transpose()?);
            }
            key if DESCRIPTION.contains(&key) => {}
            _ => {
                return Err(ServiceError::unknown_field(&key, TAKEN));
            }
        }
    }
    Ok(update)
}

/// A brand as it is stored; `None`: none is sent.
fn read_brand(raw: &RawValue) -> Result<Option<Box<str>>, ServiceError> {
    const FIELD: &str = "brand";
    let Some(sent) = text(FIELD, raw)? else { return Ok(None) };
    let sent = sent.trim();
    check_length(FIELD, sent, BRAND_BYTES_MAX)?;
    check_no_control(FIELD, sent)?;
    Ok((!sent.is_empty()).then(|| brand_as_stored(sent).into()))
}

/// A month as `2027-04`.
fn parse_month(text: &str) -> Result<Month, ServiceError> {
    Month::parse(text).ok_or_else(|| ServiceError::unknown_value("expires", "is a month, as 2027-04"))
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
}
