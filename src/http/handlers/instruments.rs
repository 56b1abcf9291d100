//! Stored payment instruments over the wire.

use crate::{
    config::parse::body::object,
    domain::{
        customer::{
            aggregate::{Customer, CustomerEvent},
            attributes::Attributes,
            profile::{Change, Instrument, InstrumentState, InstrumentType},
        },
        decision::{
            payment::{short, word},
            refusal::Refusal,
        },
        vocabulary::identifier_text,
    },
};
use crate::{
    http::{
        dto::problem::{Problem, Told},
        handlers::{admin_request::Staff, history},
    },
    service::payments::render,
};
use axum::response::Response;
use serde_json::value::RawValue;

/// What is said of an instrument; `None` says nothing.
#[derive(Default)]
struct Sent {
    kind: Option<InstrumentType>,
    masked: Option<Option<Box<str>>>,
    expires: Option<Option<u32>>,
    state: Option<InstrumentState>,
    is_default: Option<bool>,
    on_file: Option<bool>,
}

/// `GET /v1/merchants/{m}/customers/{customer_id}/instruments/{instrument}/history`.
pub(crate) async fn history(staff: Staff) -> Response {
    staff.aside(|staff| history::of_instrument(staff).map(Told::of)).await
}

/// `PUT /v1/merchants/{m}/customers/{customer_id}/instruments/{instrument}`: stores one, or says more of it.
pub(crate) async fn put(staff: Staff) -> Response {
    let done = store(&staff);
    staff.tell(done).await
}

fn store(staff: &Staff) -> Result<Told, Problem> {
    const FIELD: &str = "payment_instrument";
    let id = identifier_text::parse(FIELD, staff.named(1))?.ok_or(Refusal::Missing(FIELD))?;
    let sent = read(&staff.body)?;
    let (ledger, now) = (&staff.daemon.desk.ledger, staff.now()?);
    let merchant = staff.merchant.id;
    ledger.change(
        merchant,
        staff.customer_id(),
        (staff.author, now),
        &Attributes::default(),
        &mut |customer, now| {
            let known = customer.profile().and_then(|profile| profile.instrument(id)).cloned();
            let before = known.clone().unwrap_or_else(|| Instrument::bare(id, now));
            let kind = sent.kind.unwrap_or(before.kind);
            let masked = sent.masked.clone().unwrap_or(before.masked.clone());
            if let Some(masked) = &masked {
                is_masked(kind, masked)?;
            }
            let after = Instrument {
                kind,
                masked,
                expires: sent.expires.unwrap_or(before.expires),
                state: sent.state.unwrap_or(before.state),
                is_default: sent.is_default.unwrap_or(before.is_default),
                on_file: sent.on_file.unwrap_or(before.on_file),
                ..before
            };
            Ok(if known.as_ref() == Some(&after) {
                Vec::new()
            } else {
                vec![CustomerEvent::Changed(Change::Instrument(after))]
            })
        },
    )?;
    let show = |customer: &Customer, now| {
        let stored = customer.profile().and_then(|profile| profile.instrument(id));
        stored.map(|instrument| staff.shown(now).instrument(instrument))
    };
    let shown = ledger.look(merchant.as_str(), staff.customer_id(), now, show)?;
    Ok(Told::of(render(&shown)))
}

fn read(body: &[u8]) -> Result<Sent, Problem> {
    const TAKEN: &str = "type, masked_number, expires, state, default, card_on_file";
    let mut sent = Sent::default();
    let bad = |field: &str, what: &str| Problem::malformed("wrong_type", format!("`{field}` is {what}")).at(field);
    let text = |field: &'static str, raw: &RawValue| -> Result<Option<String>, Problem> {
        serde_json::from_str(raw.get()).map_err(|_| bad(field, "a string"))
    };
    let flag = |field: &'static str, raw: &RawValue| -> Result<bool, Problem> {
        serde_json::from_str(raw.get()).map_err(|_| bad(field, "true or false"))
    };
    for (key, raw) in object(body)?.0 {
        match key.as_str() {
            "type" => sent.kind = text("type", raw)?.map(|kind| word("type", &kind)).transpose()?,
            "masked_number" => {
                sent.masked = Some(text("masked_number", raw)?.filter(|text| !text.is_empty()).map(Into::into));
            }
            "expires" => sent.expires = Some(text("expires", raw)?.map(|month| month_of(&month)).transpose()?),
            "state" => sent.state = text("state", raw)?.map(|state| word("state", &state)).transpose()?,
            "default" => sent.is_default = Some(flag("default", raw)?),
            "card_on_file" => sent.on_file = Some(flag("card_on_file", raw)?),
            _ => {
                let detail = format!("`{key}` is not taken here; taken are {TAKEN}");
                return Err(Problem::malformed("unknown_field", detail).at(&key));
            }
        }
    }
    Ok(sent)
}

/// A month as `2027-04`, counted from the year 0.
fn month_of(text: &str) -> Result<u32, Problem> {
    let parts = text.split_once('-').filter(|(year, month)| year.len() == 4 && month.len() == 2);
    let month = parts.and_then(|(year, month)| {
        let (year, month): (u32, u32) = (year.parse().ok()?, month.parse().ok()?);
        (1..=12).contains(&month).then(|| year * 12 + month - 1)
    });
    month.ok_or_else(|| Problem::malformed("value_unknown", "`expires` is a month, as 2027-04").at("expires"))
}

/// Whether no more of a number stands there than may be known: of a card the first six and the last four digits, of
/// anything else the last four.
fn is_masked(kind: InstrumentType, masked: &str) -> Result<(), Refusal> {
    const FIELD: &str = "masked_number";
    short(FIELD, masked, 64)?;
    let digits_first = masked.bytes().take_while(u8::is_ascii_digit).count();
    let digits_last = masked.bytes().rev().take_while(u8::is_ascii_digit).count();
    let digits = masked.bytes().filter(u8::is_ascii_digit).count();
    let first_max = if kind == InstrumentType::Card { 6 } else { 0 };
    // Digits of another script are digits all the same.
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
    fn no_more_of_a_number_than_may_be_known() {
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
            assert_eq!(is_masked(kind, masked).is_ok(), want, "{} {masked}", kind.word());
        }
    }

    #[test]
    fn a_month_is_read() {
        assert_eq!(month_of("2027-04").unwrap(), 2027 * 12 + 3);
        for bad in ["2027", "2027-13", "2027-00", "27-04", "2027-4", "x"] {
            assert!(month_of(bad).is_err(), "{bad}");
        }
    }
}
