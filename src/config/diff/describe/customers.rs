//! Labels and the registration policy of a merchant.

use crate::config::diff::item::{Field, Item, ItemRole, shown_list};
use crate::domain::rules::{
    labels::Label,
    registration::{
        external_id::ExternalIdFormat,
        policy::{IdentifierRule, RegistrationPolicy},
    },
};

pub(super) fn label(label: &Label) -> Item {
    let Label { name, kind, restrictions } = label;
    let restrictions = shown_list(restrictions.iter().map(|name| name.as_str()));
    let fields = vec![Field::new("kind", kind.word()), Field::new("restrictions", restrictions)];
    Item::named("label", name.as_str(), fields)
}

pub(super) fn registration(policy: &RegistrationPolicy) -> Item {
    let RegistrationPolicy {
        primary_identifier,
        allow_any_identifier,
        email,
        phone,
        external_id,
        strict_primary_check,
        skip_secondary_on_primary_mismatch,
        merge_on_duplicate,
        from_payments,
        min_registration_date,
        default_country,
        external_ids,
    } = policy;
    let mut fields = vec![
        Field::new("primary_identifier", primary_identifier.word()),
        Field::new("allow_any_identifier", allow_any_identifier),
        Field::new("strict_primary_check", strict_primary_check),
        Field::new("skip_secondary_on_primary_mismatch", skip_secondary_on_primary_mismatch),
        Field::new("merge_on_duplicate", merge_on_duplicate),
        Field::new("from_payments", from_payments.word()),
        Field::optional("min_registration_date", min_registration_date.map(|at| at.to_string())),
        Field::optional("default_country", default_country.map(|country| country.to_string())),
    ];
    for (name, rule) in [("email", email), ("phone", phone), ("external_id", external_id)] {
        let IdentifierRule { required, unique, allow_update } = rule;
        for (key, value) in [("required", required), ("unique", unique), ("allow_update", allow_update)] {
            fields.push(Field::new(format!("{name}.{key}"), value));
        }
    }
    if let Some(ids) = external_ids {
        fields.extend(generation(ids.format()));
    }
    Item { key: String::new(), title: "registration".to_owned(), role: ItemRole::Other, fields, lists: Vec::new() }
}

/// How external ids are generated. All of these fields are absent where they are not.
fn generation(format: &ExternalIdFormat) -> Vec<Field> {
    let ExternalIdFormat { length, prefix, suffix, offset, checksum, checksum_includes, replace, sources } = format;
    let sources = sources.as_ref().map(|listed| shown_list(listed.iter().map(|source| source.word())));
    vec![
        Field::new("external_id.length", length),
        Field::new("external_id.prefix", format!("{prefix:?}")),
        Field::new("external_id.suffix", format!("{suffix:?}")),
        Field::new("external_id.offset", offset),
        Field::new("external_id.checksum", checksum.word()),
        Field::optional("external_id.checksum_includes", checksum_includes.map(|word| word.word().to_owned())),
        Field::new("external_id.replace", replace),
        Field::optional("external_id.sources", sources),
    ]
}
