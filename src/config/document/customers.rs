//! Labels and the registration of customers.

use crate::config::{
    document::written::{list, set},
    parse::{
        located::Located,
        raw::{RawExternalId, RawGeneration, RawIdentifier, RawLabel, RawRegistration},
    },
};
use crate::domain::rules::{
    labels::Label,
    registration::{
        external_id::{Checksum, ChecksumIncludes, ExternalIdFormat, ExternalIds},
        policy::{IdentifierRule, RegistrationPolicy},
    },
};

/// A label.
pub(super) fn label(label: &Label) -> RawLabel {
    RawLabel {
        name: set(label.name),
        kind: set(label.kind),
        restrictions: Some(list(label.restrictions.iter().copied())),
    }
}

/// The registration policy.
pub(super) fn registration(policy: &RegistrationPolicy) -> RawRegistration {
    RawRegistration {
        primary_identifier: set(policy.primary_identifier),
        allow_any_identifier: set(policy.allow_any_identifier),
        email: identifier(policy.email),
        phone: identifier(policy.phone),
        external_id: RawExternalId {
            flags: identifier(policy.external_id),
            generation: policy.external_ids.as_ref().map(generation).unwrap_or_default(),
        },
        strict_primary_check: set(policy.strict_primary_check),
        skip_secondary: set(policy.skip_secondary_on_primary_mismatch),
        merge_on_duplicate: set(policy.merge_on_duplicate),
        min_registration_date: policy.min_registration_date.map(|at| Located::unplaced(at.to_string())),
        from_payments: set(policy.from_payments),
        default_country: policy.default_country.map(|country| Located::unplaced(country.to_string())),
    }
}

fn identifier(rule: IdentifierRule) -> RawIdentifier {
    RawIdentifier { required: set(rule.required), unique: set(rule.unique), allow_update: set(rule.allow_update) }
}

/// How external ids are generated. Without generation all keys are `null`.
fn generation(ids: &ExternalIds) -> RawGeneration {
    let ExternalIdFormat { length, prefix, suffix, offset, checksum, checksum_includes, sources, replace } =
        ids.format().clone();
    // Only check digits cover something, and only ids without one have a suffix.
    let has_check_digit = checksum != Checksum::AutoInc;
    RawGeneration {
        span: 0..0,
        length: set(length),
        length_written: true,
        prefix: set(prefix),
        suffix: if has_check_digit { None } else { set(suffix) },
        offset: set(offset),
        checksum: set(checksum),
        checksum_includes: has_check_digit
            .then(|| Located::unplaced(checksum_includes.unwrap_or(ChecksumIncludes::Prefix))),
        sources: sources.map(list),
        replace: set(replace),
    }
}
