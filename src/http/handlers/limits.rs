//! The customer's own limits over the wire: what is in force, raises that are pending, and an operator's limits.

use crate::{
    config::parse::body::{self, LimitsBody, object},
    domain::{
        customer::{
            aggregate::CustomerEvent,
            own_limits::{LimitKind, OWN_FILTERS_MAX, OwnLimits, RaiseTerms},
            profile::Change,
        },
        decision::refusal::Refusal,
        rules::configuration::{Filter, Scope},
        vocabulary::time::Millis,
    },
};
use crate::{
    http::{
        dto::problem::{Problem, Told},
        handlers::{admin_request::Staff, customers::once_each},
    },
    service::payments::render,
};
use axum::response::Response;
use serde_json::{Value, json};

/// `GET .../limits/{direction}/{currency}`.
pub(crate) async fn limits(staff: Staff) -> Response {
    let read = no_limits(&staff).and_then(|none| {
        staff.tell_of(|customer, now| {
            staff.shown(now).limits(customer.limits_for(none.direction, none.currency).unwrap_or(&none))
        })
    });
    staff.tell(read).await
}

fn told(shown: &Value) -> Told {
    Told::of(render(shown))
}

/// No limits, of the direction and currency in the path.
fn no_limits(staff: &Staff) -> Result<OwnLimits, Problem> {
    Ok(OwnLimits::none(staff.direction(1)?, staff.currency(2)?))
}

fn read_limits(staff: &Staff) -> Result<Value, Problem> {
    let none = no_limits(staff)?;
    staff.look(|customer, now| {
        staff.shown(now).limits(customer.limits_for(none.direction, none.currency).unwrap_or(&none))
    })
}

/// `PUT .../limits/{direction}/{currency}`. Where raises need a confirmation, the answer has `warnings`.
pub(crate) async fn set_limits(staff: Staff) -> Response {
    let done = put_limits(&staff).and_then(|warnings| {
        let mut shown = read_limits(&staff)?;
        if let (Some(warnings), Some(shown)) = (warnings, shown.as_object_mut()) {
            shown.insert("warnings".to_owned(), json!(warnings));
        }
        Ok(told(&shown))
    });
    staff.tell(done).await
}

/// Sets the limits; the warnings, where the merchant's raises need a confirmation.
fn put_limits(staff: &Staff) -> Result<Option<Vec<String>>, Problem> {
    let none = no_limits(staff)?;
    let sent = body::limits(&staff.body, none.currency, &staff.rules.currencies, staff.merchant.id)?;
    if sent.filters.len() > OWN_FILTERS_MAX {
        return Err(Refusal::TooMany { field: "filters", most: OWN_FILTERS_MAX }.into());
    }
    check_kinds(staff, &none, &sent)?;
    if sent.until.is_some() {
        staff.operates("a limit with `until`, which is the operator's,")?;
    }
    let terms = RaiseTerms::of(&staff.merchant);
    change_limits(staff, &none, &mut |known, now| match sent.until {
        None => Ok(known.asked(&sent.filters, now, &terms)),
        Some(until) if until <= now => Err(Refusal::NotLater(now.to_string())),
        Some(_) => Ok(OwnLimits { operator: sent.filters.clone(), until: sent.until, ..known.clone() }),
    })?;
    let is_own = sent.until.is_none();
    Ok(terms.policy.confirm_within_ms.map(|_| match is_own {
        true => sent.filters.iter().flat_map(|filter| warnings(staff, &none, filter)).collect(),
        false => Vec::new(),
    }))
}

fn kind_of(staff: &Staff, none: &OwnLimits, filter: &Filter) -> LimitKind {
    LimitKind::of(filter, none.direction, staff.merchant.refunds)
}

/// A `kind` that is sent must be the kind of the filter. It changes nothing.
fn check_kinds(staff: &Staff, none: &OwnLimits, sent: &LimitsBody) -> Result<(), Refusal> {
    for (filter, sent) in sent.filters.iter().zip(&sent.kinds) {
        let kind = kind_of(staff, none, filter).word();
        if let Some(sent) = sent.as_ref().filter(|sent| *sent != kind) {
            let reason = format!(
                "{sent:?} is not the kind of filter `{}`, which is {kind:?}: send that, or leave `kind` out",
                filter.name
            );
            return Err(Refusal::NotAllowed { field: "kind", reason });
        }
    }
    Ok(())
}

/// The reasons why a regulator that requires confirmed raises would not accept a limit.
fn warnings(staff: &Staff, none: &OwnLimits, filter: &Filter) -> Vec<String> {
    let (kind, name) = (kind_of(staff, none, filter), filter.name);
    let mut warnings = Vec::new();
    if !kind.is_gross() {
        warnings.push(format!(
            "filter `{name}` is a {}: cancels or refunds are subtracted, and a customer must be offered a gross limit",
            kind.word()
        ));
    }
    if filter.scope != Scope::Merchant {
        warnings.push(format!(
            "filter `{name}` counts {} alone: write for_all_merchant_currencies = true, so that it counts all currencies",
            none.currency
        ));
    }
    warnings
}

/// Changes the limits to what `make` makes of them.
fn change_limits(
    staff: &Staff,
    none: &OwnLimits,
    make: &mut dyn FnMut(&OwnLimits, Millis) -> Result<OwnLimits, Refusal>,
) -> Result<(), Problem> {
    staff.change(&mut |customer, now| {
        let known = customer.limits_for(none.direction, none.currency).unwrap_or(none);
        let limits = make(known, now)?.settled(now);
        // Limits that are to go hold until then. They count together with those that are to come, so that their number stays bounded.
        if limits.own.len() > OWN_FILTERS_MAX {
            return Err(Refusal::TooMany { field: "filters", most: OWN_FILTERS_MAX });
        }
        Ok(if limits == known.settled(now) { Vec::new() } else { vec![CustomerEvent::Changed(Change::Limits(limits))] })
    })
}

/// `DELETE .../limits/{direction}/{currency}`: asks for none; with `?operator=true` takes away the operator's.
pub(crate) async fn drop_limits(staff: Staff) -> Response {
    let done = take_limits(&staff).and_then(|()| read_limits(&staff)).map(|shown| told(&shown));
    staff.tell(done).await
}

fn take_limits(staff: &Staff) -> Result<(), Problem> {
    let none = no_limits(staff)?;
    let mut is_operator = false;
    for (field, value) in once_each(&staff.query, &["operator"])? {
        is_operator = value
            .parse()
            .map_err(|_| Problem::malformed("value_unknown", format!("`{field}` is true or false")).at(field))?;
    }
    if is_operator {
        staff.operates("taking away the operator's limits")?;
    }
    let terms = RaiseTerms::of(&staff.merchant);
    change_limits(staff, &none, &mut |known, now| {
        Ok(if is_operator {
            OwnLimits { operator: Vec::new(), until: None, ..known.clone() }
        } else {
            known.asked(&[], now, &terms)
        })
    })
}

/// `DELETE .../limits/{direction}/{currency}/pending`: cancels the pending raise.
pub(crate) async fn drop_pending(staff: Staff) -> Response {
    let done = no_limits(&staff)
        .and_then(|none| {
            change_limits(&staff, &none, &mut |known, now| Ok(OwnLimits { pending: None, ..known.settled(now) }))
        })
        .and_then(|()| read_limits(&staff))
        .map(|shown| told(&shown));
    staff.tell(done).await
}

/// `POST .../limits/{direction}/{currency}/pending/confirm`: the customer confirms the pending raise.
pub(crate) async fn confirm_pending(staff: Staff) -> Response {
    let done = confirm(&staff).and_then(|()| read_limits(&staff)).map(|shown| told(&shown));
    staff.tell(done).await
}

fn confirm(staff: &Staff) -> Result<(), Problem> {
    let none = no_limits(staff)?;
    if !staff.body.trim_ascii().is_empty()
        && let Some((key, _)) = object(&staff.body)?.0.first()
    {
        let detail = format!("`{key}` is not taken here: a confirmation has no fields");
        return Err(Problem::malformed("unknown_field", detail).at(key));
    }
    change_limits(staff, &none, &mut |known, now| known.confirmed(now).map_err(Refusal::NotConfirmed))
}
