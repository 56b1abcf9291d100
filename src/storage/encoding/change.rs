//! Changes of a customer as bytes, and back.
//!
//! | Tag | CustomerChange | Fields |
//! |---|---|---|
//! | 10 | Attributes | attributes removed (bits), length and sealed bytes of those set |
//! | 11 | Status | status |
//! | 12 | Labels | number, each a name |
//! | 13 | Settings | bits (global min, global max), direction, currency, level, global min?, global max?, number of methods and each |
//! | 14 | Limits, read only: written before a raise could need a confirmation | bits (pending, until), direction, currency, filters, from and filters?, the operator's filters, until? |
//! | 15 | Switched off | number, each a name |
//! | 16 | Rates | number, each: from, to, digits and scale of the rate, units, valid from |
//! | 17 | Instrument | bits (masked, expires, last success, default, on file, brand, type on file, stored otherwise), id, type, masked?, expires?, saved at, last success?, successes, state, brand?, type on file? |
//! | 18 | Deletion due | bits (due), due? |
//! | 19 | Erased | |
//! | 21 | Merged into | the number of a customer |
//! | 22 | Merged | number, each the number of a customer |
//! | 23 | Identifiers | number, each a text |
//! | 29 | Identifiers, one or more of them sealed | number, each: bits (sealed), a text or a sealed identifier |
//! | 28 | Limits | bits (pending, needs a confirmation, until, confirmed), direction, currency, filters, (from, confirm until?, filters)?, the operator's filters, until?, confirmed at? |
//! | 35 | Instrument removed | id |
//! | 33 | StatusFactors | bits (suspicion, only of instruments), consent, suspicion? (a status); only in snapshots |
//!
//! **A method**: bits (shown is set, shown, min, max, gates), name, min?, max?, (number and each a name)?. **Filters**:
//! number, and each: bits (amount, quantity, subtracts cancels, warns), name, class, window, scope, mode, amount?,
//! quantity?, warning share?. **A window**: a byte, then 1 rolling: milliseconds; 2 rolling month; 3 lifetime; 4 day;
//! 5 week from Monday; 6 week from Sunday; 7 month.

use crate::{
    domain::{
        customer::{
            change::CustomerChange,
            individual_settings::{IndividualMethod, IndividualSettings},
            own_limits::{OwnLimits, PendingRaise},
            status::{CustomerStatus, StatusFactors, Suspicion},
            stored_identifier::StoredIdentifier,
        },
        rules::{filter::Filter, rates::OwnRate},
        vocabulary::{money::Decimal, names::Name},
    },
    storage::encoding::{
        bytes::{Bytes, DecodeError, Put},
        identifier, instrument,
        numbers::{Numbered, attribute_bits, attributes_of},
        seal::{Open, Seal, open_attributes, seal_attributes},
        window,
    },
};

/// Whether a tag is that of a change.
pub(super) fn is_tag_of_change(tag: u8) -> bool {
    matches!(
        tag,
        tag::ATTRIBUTES..=tag::ERASED | tag::MERGED_INTO..=tag::IDENTIFIERS | tag::LIMITS..=tag::IDENTIFIERS_SEALED | tag::STANDING | tag::INSTRUMENT_REMOVED
    )
}

mod tag {
    pub(super) const ATTRIBUTES: u8 = 10;
    pub(super) const STATUS: u8 = 11;
    pub(super) const LABELS: u8 = 12;
    pub(super) const SETTINGS: u8 = 13;
    pub(super) const LIMITS_WITHOUT_CONFIRMATION: u8 = 14;
    pub(super) const SWITCHED_OFF: u8 = 15;
    pub(super) const RATES: u8 = 16;
    pub(super) const INSTRUMENT: u8 = 17;
    pub(super) const DELETION_DUE: u8 = 18;
    pub(super) const ERASED: u8 = 19;
    pub(super) const MERGED_INTO: u8 = 21;
    pub(super) const MERGED: u8 = 22;
    pub(super) const IDENTIFIERS: u8 = 23;
    pub(super) const LIMITS: u8 = 28;
    pub(super) const IDENTIFIERS_SEALED: u8 = 29;
    pub(super) const STANDING: u8 = 33;
    pub(super) const INSTRUMENT_REMOVED: u8 = 35;
}

pub(super) fn encode(change: &CustomerChange, seal: &mut Seal<'_>, out: &mut Vec<u8>) {
    match change {
        CustomerChange::Attributes { set, removed } => {
            out.push(tag::ATTRIBUTES);
            out.put_number(u64::from(attribute_bits(*removed)));
            let sealed = seal_attributes(set, seal);
            out.put_number(sealed.len() as u64);
            out.extend_from_slice(&sealed);
        }
        CustomerChange::StatusFactors(standing) => {
            let suspicion = standing.suspicion();
            out.push(tag::STANDING);
            out.put_bits([suspicion.is_some(), suspicion == Some(Suspicion::InstrumentFraud)]);
            out.put_word(standing.consent());
            suspicion.iter().for_each(|suspicion| out.put_word(suspicion.status()));
        }
        CustomerChange::Status(status) => {
            out.push(tag::STATUS);
            out.put_word(*status);
        }
        CustomerChange::Labels(labels) => {
            out.push(tag::LABELS);
            put_names(labels, out);
        }
        CustomerChange::Settings(settings) => put_settings(settings, out),
        CustomerChange::Limits(limits) => put_limits(limits, out),
        CustomerChange::DisabledProjects(projects) => {
            out.push(tag::SWITCHED_OFF);
            put_names(projects, out);
        }
        CustomerChange::Rates(rates) => {
            out.push(tag::RATES);
            out.put_number(rates.len() as u64);
            for OwnRate { from, to, rate, units, valid_from } in rates {
                out.put_currency(*from);
                out.put_currency(*to);
                out.extend_from_slice(&rate.mantissa.to_le_bytes());
                out.push(rate.scale);
                out.put_number(u64::from(*units));
                out.put_time(*valid_from);
            }
        }
        CustomerChange::Instrument(stored) => {
            out.push(tag::INSTRUMENT);
            instrument::put(stored, out);
        }
        CustomerChange::InstrumentRemoved(id) => {
            out.push(tag::INSTRUMENT_REMOVED);
            out.put_text(id);
        }
        CustomerChange::DeletionDue(due) => {
            out.push(tag::DELETION_DUE);
            out.put_bits([due.is_some()]);
            due.iter().for_each(|due| out.put_time(*due));
        }
        CustomerChange::Erased => out.push(tag::ERASED),
        CustomerChange::MergedInto(into) => {
            out.push(tag::MERGED_INTO);
            out.put_number(*into);
        }
        CustomerChange::Merged(merged) => {
            out.push(tag::MERGED);
            out.put_number(merged.len() as u64);
            merged.iter().for_each(|number| out.put_number(*number));
        }
        CustomerChange::Identifiers(identifiers) => {
            let any_sealed = identifiers.iter().any(StoredIdentifier::is_sealed);
            out.push(if any_sealed { tag::IDENTIFIERS_SEALED } else { tag::IDENTIFIERS });
            out.put_number(identifiers.len() as u64);
            for identifier in identifiers {
                if any_sealed {
                    out.put_bits([identifier.is_sealed()]);
                }
                identifier::put(identifier, seal, out);
            }
        }
    }
}

fn put_settings(settings: &IndividualSettings, out: &mut Vec<u8>) {
    let IndividualSettings { direction, currency, level, methods, global_min, global_max } = settings;
    out.push(tag::SETTINGS);
    out.put_bits([global_min.is_some(), global_max.is_some()]);
    out.put_word(*direction);
    out.put_currency(*currency);
    out.put_name(*level);
    put_numbers([*global_min, *global_max], out);
    out.put_number(methods.len() as u64);
    for IndividualMethod { method, show_in_form, min_amount, max_amount, gates } in methods {
        let shown = show_in_form.unwrap_or_default();
        let (min, max) = (min_amount.is_some(), max_amount.is_some());
        out.put_bits([show_in_form.is_some(), shown, min, max, gates.is_some()]);
        out.put_name(*method);
        put_numbers([*min_amount, *max_amount], out);
        gates.iter().for_each(|gates| put_names(gates, out));
    }
}

fn put_limits(limits: &OwnLimits, out: &mut Vec<u8>) {
    let OwnLimits { direction, currency, own, pending, confirmed_at, operator, until } = limits;
    let needs_confirmation = pending.as_ref().is_some_and(|raise| raise.confirm_until.is_some());
    out.push(tag::LIMITS);
    out.put_bits([pending.is_some(), needs_confirmation, until.is_some(), confirmed_at.is_some()]);
    out.put_word(*direction);
    out.put_currency(*currency);
    put_filters(own, out);
    if let Some(PendingRaise { from, confirm_until, filters }) = pending {
        out.put_time(*from);
        confirm_until.iter().for_each(|until| out.put_time(*until));
        put_filters(filters, out);
    }
    put_filters(operator, out);
    until.iter().chain(confirmed_at).for_each(|time| out.put_time(*time));
}

fn put_names(names: &[Name], out: &mut Vec<u8>) {
    out.put_number(names.len() as u64);
    names.iter().for_each(|name| out.put_name(*name));
}

fn put_numbers(numbers: [Option<u64>; 2], out: &mut Vec<u8>) {
    numbers.into_iter().flatten().for_each(|number| out.put_number(number));
}

fn put_filters(filters: &[Filter], out: &mut Vec<u8>) {
    out.put_number(filters.len() as u64);
    for filter in filters {
        let Filter { name, class, window, amount_limit, quantity_limit, scope, subtract_cancels, mode, warn_at } =
            filter;
        out.put_bits([amount_limit.is_some(), quantity_limit.is_some(), *subtract_cancels, warn_at.is_some()]);
        out.put_name(*name);
        out.put_word(*class);
        window::put(*window, out);
        out.put_word(*scope);
        out.put_word(*mode);
        put_numbers([*amount_limit, *quantity_limit], out);
        warn_at.iter().for_each(|share| out.put_number(u64::from(*share)));
    }
}

pub(super) fn read(tag: u8, bytes: &mut Bytes<'_>, open: &mut Open<'_>) -> Result<CustomerChange, DecodeError> {
    Ok(match tag {
        tag::ATTRIBUTES => {
            let (at, bits) = (bytes.at(), bytes.small()?);
            let number = u64::from(bits);
            let removed = attributes_of(bits).ok_or(DecodeError::Word { what: "set of attributes", number, at })?;
            let place = bytes.at();
            CustomerChange::Attributes { set: open_attributes(bytes.counted()?, place, open)?, removed }
        }
        tag::STATUS => CustomerChange::Status(bytes.word()?),
        tag::STANDING => CustomerChange::StatusFactors(read_standing(bytes)?),
        tag::LABELS => CustomerChange::Labels(read_names(bytes)?),
        tag::SETTINGS => CustomerChange::Settings(read_settings(bytes)?),
        tag::LIMITS_WITHOUT_CONFIRMATION => {
            let [has_pending, has_until] = bytes.bits("option of Limits")?;
            CustomerChange::Limits(read_limits([has_pending, false, has_until, false], bytes)?)
        }
        tag::LIMITS => {
            let at = bytes.at();
            let bits: [bool; 4] = bytes.bits("option of Limits")?;
            if bits[1] && !bits[0] {
                return Err(DecodeError::Word { what: "option of Limits", number: 2, at });
            }
            CustomerChange::Limits(read_limits(bits, bytes)?)
        }
        tag::SWITCHED_OFF => CustomerChange::DisabledProjects(read_names(bytes)?),
        tag::RATES => {
            let rate = |bytes: &mut Bytes<'_>| {
                Ok(OwnRate {
                    from: bytes.currency()?,
                    to: bytes.currency()?,
                    rate: Decimal { mantissa: u128::from_le_bytes(bytes.array()?), scale: bytes.byte()? },
                    units: bytes.small()?,
                    valid_from: bytes.time()?,
                })
            };
            CustomerChange::Rates(read_list(bytes, rate)?)
        }
        tag::INSTRUMENT => CustomerChange::Instrument(instrument::read(bytes)?),
        tag::INSTRUMENT_REMOVED => CustomerChange::InstrumentRemoved(bytes.text()?.into()),
        tag::DELETION_DUE => {
            let [is_due] = bytes.bits("option of DeletionDue")?;
            CustomerChange::DeletionDue(bytes.time_if(is_due)?)
        }
        tag::MERGED_INTO => CustomerChange::MergedInto(bytes.number()?),
        tag::MERGED => CustomerChange::Merged(read_list(bytes, Bytes::number)?),
        tag::IDENTIFIERS => {
            CustomerChange::Identifiers(read_list(bytes, |bytes| identifier::read(bytes, false, open))?)
        }
        tag::IDENTIFIERS_SEALED => {
            let at = bytes.at();
            let identifiers = read_list(bytes, |bytes| {
                let [is_sealed] = bytes.bits("option of an identifier")?;
                identifier::read(bytes, is_sealed, open)
            })?;
            if !identifiers.iter().any(StoredIdentifier::is_sealed) {
                // Readable identifiers are written with the other tag.
                return Err(DecodeError::Word { what: "option of Identifiers", number: 0, at });
            }
            CustomerChange::Identifiers(identifiers)
        }
        _ => CustomerChange::Erased,
    })
}

/// Reads limits from the direction on, with the bits of tag 28.
fn read_limits(
    [has_pending, needs_confirmation, has_until, is_confirmed]: [bool; 4],
    bytes: &mut Bytes<'_>,
) -> Result<OwnLimits, DecodeError> {
    let raise = |bytes: &mut Bytes<'_>| {
        Ok(PendingRaise {
            from: bytes.time()?,
            confirm_until: bytes.time_if(needs_confirmation)?,
            filters: read_filters(bytes)?,
        })
    };
    Ok(OwnLimits {
        direction: bytes.word()?,
        currency: bytes.currency()?,
        own: read_filters(bytes)?,
        pending: has_pending.then(|| raise(bytes)).transpose()?,
        operator: read_filters(bytes)?,
        until: bytes.time_if(has_until)?,
        confirmed_at: bytes.time_if(is_confirmed)?,
    })
}

fn read_standing(bytes: &mut Bytes<'_>) -> Result<StatusFactors, DecodeError> {
    let place = bytes.at();
    let [is_suspected, of_instruments] = bytes.bits("option of Standing")?;
    let consent = bytes.word()?;
    let status: Option<CustomerStatus> = is_suspected.then(|| bytes.word()).transpose()?;
    let suspicion = match (status.map(Suspicion::of_status), of_instruments) {
        (None, false) => Some(None),
        (Some(Some(suspicion)), false) => Some(Some(suspicion)),
        (Some(Some(Suspicion::CustomerFraud)), true) => Some(Some(Suspicion::InstrumentFraud)),
        _ => None,
    };
    let standing = suspicion.and_then(|suspicion| StatusFactors::new(consent, suspicion));
    let number = u64::from(consent.number());
    standing.ok_or(DecodeError::Word { what: "standing", number, at: place })
}

fn read_settings(bytes: &mut Bytes<'_>) -> Result<IndividualSettings, DecodeError> {
    let [has_min, has_max] = bytes.bits("option of Settings")?;
    Ok(IndividualSettings {
        direction: bytes.word()?,
        currency: bytes.currency()?,
        level: bytes.name()?,
        global_min: read_number_if(bytes, has_min)?,
        global_max: read_number_if(bytes, has_max)?,
        methods: read_list(bytes, |bytes| {
            let [is_set, shown, has_min, has_max, has_gates] = bytes.bits("option of a method")?;
            if shown && !is_set {
                return Err(DecodeError::Word { what: "option of a method", number: 2, at: bytes.at() });
            }
            Ok(IndividualMethod {
                method: bytes.name()?,
                show_in_form: is_set.then_some(shown),
                min_amount: read_number_if(bytes, has_min)?,
                max_amount: read_number_if(bytes, has_max)?,
                gates: has_gates.then(|| read_names(bytes)).transpose()?,
            })
        })?,
    })
}

/// Reads a count and as many elements. The count allocates nothing in advance: a missing element ends the reading.
fn read_list<'a, T>(
    bytes: &mut Bytes<'a>,
    mut one: impl FnMut(&mut Bytes<'a>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    (0..bytes.number()?).map(|_| one(bytes)).collect()
}

fn read_names(bytes: &mut Bytes<'_>) -> Result<Vec<Name>, DecodeError> {
    read_list(bytes, Bytes::name)
}

fn read_number_if(bytes: &mut Bytes<'_>, is_there: bool) -> Result<Option<u64>, DecodeError> {
    is_there.then(|| bytes.number()).transpose()
}

fn read_filters(bytes: &mut Bytes<'_>) -> Result<Vec<Filter>, DecodeError> {
    read_list(bytes, |bytes| {
        let [has_amount, has_quantity, subtract_cancels, warns] = bytes.bits("option of a filter")?;
        let (name, class) = (bytes.name()?, bytes.word()?);
        let window = window::read(bytes)?;
        let (scope, mode) = (bytes.word()?, bytes.word()?);
        Ok(Filter {
            name,
            class,
            window,
            scope,
            mode,
            subtract_cancels,
            amount_limit: read_number_if(bytes, has_amount)?,
            quantity_limit: read_number_if(bytes, has_quantity)?,
            warn_at: if warns { Some(bytes.small()?) } else { None },
        })
    })
}
