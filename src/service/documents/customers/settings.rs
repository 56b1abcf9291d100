//! Individual payment settings as a document. [`crate::config::body::settings`] reads `methods` and
//! `global_limit`; the other members are in the path of the request.

use crate::{
    domain::{
        customer::individual_settings::{IndividualMethod, IndividualSettings},
        rules::configuration::Rules,
        vocabulary::money::Minor,
    },
    service::documents::as_text::{Amount, AsText},
};
use serde_json::{Value, json};

/// Individual settings of a customer for a direction, a currency and a level.
pub(crate) fn settings_document(settings: &IndividualSettings, rules: &Rules) -> Value {
    let units = rules.currencies.units(settings.currency);
    let amount =
        |value: Option<u64>| -> Option<Amount> { value.map(|value| AsText(Minor { value: u128::from(value), units })) };
    let method = |method: &IndividualMethod| {
        let gates = method.gates.as_ref().map(|gates| gates.iter().map(|gate| gate.as_str()).collect::<Vec<_>>());
        json!({
            "method": method.method.as_str(),
            "show_in_form": method.show_in_form,
            "min_amount": amount(method.min_amount),
            "max_amount": amount(method.max_amount),
            "gates": gates,
        })
    };
    json!({
        "direction": settings.direction.word(),
        "currency": AsText(settings.currency),
        "level": settings.level.as_str(),
        "methods": settings.methods.iter().map(method).collect::<Vec<_>>(),
        "global_limit": { "min_amount": amount(settings.global_min), "max_amount": amount(settings.global_max) },
    })
}
