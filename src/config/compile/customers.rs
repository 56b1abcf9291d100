//! The part of a merchant's file about customers: labels, registration, delays, the terminal's address.

use crate::config::{
    compile::duplicates::refuse_duplicates,
    parse::{
        located::{Located, duration_ms, value_or},
        raw::{RawGeneration, RawIdentifier, RawLabel, RawMerchant, RawRegistration},
    },
    report::{file_report::FileReport, problem::RelatedPlace},
};
use crate::domain::{
    rules::{
        labels::{Label, LabelKind},
        merchant::OperationMode,
        raise_policy::RaisePolicy,
        registration::{
            external_id::{Checksum, ExternalIdFormat, ExternalIds, FormatError},
            identifier::Identifier,
            policy::{IdentifierRule, RegistrationPolicy},
        },
        terminal::{Placeholder, TemplatePart, template_parts},
    },
    vocabulary::{
        calendar::Calendar,
        contact::phone::Country,
        text::suggest::nearest,
        time::{DAY_MS, Millis, parse_span_ms},
        words::Word,
    },
};

/// The default of `labels_max`.
pub(in crate::config) const LABELS_MAX: u64 = 10;
/// The default of `confirm_within`.
const CONFIRM_WITHIN_MS: i64 = 7 * DAY_MS;

/// Compiles the labels. Problems are reported.
pub(in crate::config) fn labels(raw: &[RawLabel], report: &FileReport) -> Vec<Label> {
    refuse_duplicates(raw.iter().map(|label| label.name.as_ref()), "label", "write another name", report);
    raw.iter().filter_map(|raw| label(raw, report)).collect()
}

fn label(raw: &RawLabel, report: &FileReport) -> Option<Label> {
    let listed = raw.restrictions.as_ref().map_or(&[][..], |list| list.value.as_slice());
    refuse_duplicates(listed.iter().map(Some), "restriction", "write it once", report);
    Some(Label {
        name: raw.name.as_ref()?.value,
        kind: value_or(&raw.kind, LabelKind::Active),
        restrictions: listed.iter().map(|name| name.value).collect(),
    })
}

/// The delays of changes, in milliseconds.
pub(in crate::config) struct Delays {
    pub(in crate::config) raises: RaisePolicy,
    pub(in crate::config) deletion_grace_ms: i64,
}

/// Compiles the delays. Problems are reported; an invalid value is replaced by its default.
pub(in crate::config) fn delays(raw: &RawMerchant, report: &FileReport) -> Delays {
    let raise = raw.raise_delay.as_ref().map(|at| match is_zero_duration(&at.value) {
        true => Some(0),
        false => duration_ms(report, "raise_delay", at, "\"0s\", or "),
    });
    let grace = raw.deletion_grace.as_ref().map(|at| {
        if is_zero_duration(&at.value) {
            let help =
                "write \"1s\" to erase at once, or a time in which the request can be withdrawn, such as \"30d\"";
            report.error(
                &at.span,
                "`deletion_grace` is zero, and a deletion request needs some time to be withdrawn",
                help,
            );
            return None;
        }
        duration_ms(report, "deletion_grace", at, "")
    });
    let within = raw.confirm_within.as_ref().map(|at| duration_ms(report, "confirm_within", at, ""));
    let raises = RaisePolicy {
        delay_ms: raise.flatten().unwrap_or(DAY_MS),
        confirm_within_ms: value_or(&raw.raise_confirm, false).then(|| within.flatten().unwrap_or(CONFIRM_WITHIN_MS)),
        waits_for_period_end: raw.raise_not_before.is_some(),
    };
    Delays { raises, deletion_grace_ms: grace.flatten().unwrap_or(30 * DAY_MS) }
}

/// Whether a text is a duration of zero, such as `0h`.
fn is_zero_duration(text: &str) -> bool {
    let unit = text.trim_start_matches('0');
    text.len() > unit.len()
        && !unit.starts_with(|c: char| c.is_ascii_digit())
        && parse_span_ms(&format!("1{unit}")).is_some()
}

/// Checks the template of the terminal's address. Problems are reported.
pub(in crate::config) fn terminal_url(written: Option<&Located<String>>, report: &FileReport) -> Option<String> {
    let at = written?;
    let is_web = ["https://", "http://"].iter().any(|scheme| at.value.starts_with(scheme));
    if !is_web || at.value.contains(|c: char| c.is_whitespace() || c.is_control()) {
        let help = "write https://..., without spaces, such as \"https://terminal.example/{merchant}/{customer_id}\"";
        report.error(&at.span, "`terminal_url` is not the address of a web page", help);
    }
    let words = || Placeholder::WORDS.iter().map(|(word, _)| *word);
    for piece in template_parts(&at.value) {
        let TemplatePart::Unknown(text) = piece else { continue };
        let known = words().map(|word| format!("{{{word}}}")).collect::<Vec<_>>().join(", ");
        let help = match nearest(text.trim_matches(['{', '}']), words()) {
            Some(near) => format!("did you mean `{{{near}}}`? known are {known}"),
            None => format!("only {known} are allowed in braces; write other braces as %7B and %7D"),
        };
        report.error(&at.span, format!("`{text}` in `terminal_url` is not a placeholder"), help);
    }
    Some(at.value.clone())
}

/// Compiles the registration policy of a merchant of this mode. Problems are reported; an invalid value is replaced by its
/// default.
pub(in crate::config) fn registration(
    raw: &RawRegistration,
    mode: OperationMode,
    calendar: Option<&Calendar>,
    report: &FileReport,
) -> RegistrationPolicy {
    let default = RegistrationPolicy::default();
    if let (Some(strict), Some(skip)) = (&raw.strict_primary_check, &raw.skip_secondary)
        && strict.value
        && skip.value
    {
        let message = "`skip_secondary_on_primary_mismatch` conflicts with `strict_primary_check`: one ignores the mismatch \
                       that the other refuses";
        let related = RelatedPlace::new(&report.source, &strict.span, "this one refuses");
        report.error_with(&skip.span, message.to_owned(), "write true for one of the two", related);
    }
    let date = |at: &Located<String>| instant(at, calendar?, report);
    // The identifier by which payments of the mode name their customer.
    let primary = match mode {
        OperationMode::Crm => Identifier::MerchantCustomerIdentifier,
        OperationMode::PaymentGateway => Identifier::CustomerId,
    };
    RegistrationPolicy {
        primary_identifier: value_or(&raw.primary_identifier, primary),
        allow_any_identifier: value_or(&raw.allow_any_identifier, default.allow_any_identifier),
        email: rule(&raw.email, default.email),
        phone: rule(&raw.phone, default.phone),
        external_id: rule(&raw.external_id.flags, default.external_id),
        strict_primary_check: value_or(&raw.strict_primary_check, default.strict_primary_check),
        skip_secondary_on_primary_mismatch: value_or(&raw.skip_secondary, default.skip_secondary_on_primary_mismatch),
        merge_on_duplicate: value_or(&raw.merge_on_duplicate, default.merge_on_duplicate),
        from_payments: value_or(&raw.from_payments, default.from_payments),
        min_registration_date: raw.min_registration_date.as_ref().and_then(date),
        default_country: raw.default_country.as_ref().and_then(|at| country(at, report)),
        external_ids: external_ids(&raw.external_id.generation, report),
    }
}

fn rule(raw: &RawIdentifier, default: IdentifierRule) -> IdentifierRule {
    IdentifierRule {
        required: value_or(&raw.required, default.required),
        unique: value_or(&raw.unique, default.unique),
        allow_update: value_or(&raw.allow_update, default.allow_update),
    }
}

/// An instant, or the start of a day in the merchant's time zone.
fn instant(at: &Located<String>, calendar: &Calendar, report: &FileReport) -> Option<Millis> {
    let day = || {
        let zone = jiff::tz::TimeZoneDatabase::bundled().get(calendar.name()).ok()?;
        let start = at.value.parse::<jiff::civil::Date>().ok().filter(|_| at.value.len() == 10)?.to_zoned(zone).ok()?;
        let start = Millis(start.timestamp().as_millisecond());
        (Millis::MIN..=Millis::MAX).contains(&start).then_some(start)
    };
    let instant = Millis::parse(&at.value).or_else(day);
    if instant.is_none() {
        let help = "write a day, such as 2020-01-31, which starts at midnight in the merchant's time zone, or an instant, \
                    such as 2020-01-31T00:00:00Z";
        report.error(&at.span, format!("`{}` is not a date for `min_registration_date`", at.value), help);
    }
    instant
}

fn country(at: &Located<String>, report: &FileReport) -> Option<Country> {
    let country = Country::parse(&at.value);
    if country.is_none() {
        let upper = at.value.trim().to_ascii_uppercase();
        let help = match Country::parse(&upper) {
            Some(_) => format!("write it in capital letters: \"{upper}\""),
            None => "write the two capital letters of ISO 3166, such as \"CY\"".to_owned(),
        };
        report.error(&at.span, format!("`{}` is not a country code", at.value), help);
    }
    country
}

/// How external ids are generated; `None`: they are not, or the keys are invalid.
fn external_ids(raw: &RawGeneration, report: &FileReport) -> Option<ExternalIds> {
    if !raw.length_written {
        for (key, span) in raw.written() {
            let message = format!("`{key}` has no effect without `length`");
            report.error(
                &span,
                message,
                "write the number of characters of a generated external id, such as length = 12",
            );
        }
        return None;
    }
    let text = |written: &Option<Located<String>>| written.as_ref().map(|at| at.value.clone()).unwrap_or_default();
    let listed = raw.sources.as_ref().map(|list| list.value.iter().map(|at| at.value).collect());
    let shape = ExternalIdFormat {
        length: raw.length.as_ref()?.value,
        prefix: text(&raw.prefix),
        suffix: text(&raw.suffix),
        offset: value_or(&raw.offset, 0),
        checksum: value_or(&raw.checksum, Checksum::AutoInc),
        checksum_includes: raw.checksum_includes.as_ref().map(|at| at.value),
        replace: value_or(&raw.replace, false),
        sources: listed,
    };
    let written = raw.written();
    let at = |why: &FormatError| written.iter().find(|(key, _)| *key == why.key()).map_or(&raw.span, |(_, span)| span);
    match ExternalIds::new(shape) {
        Ok(ids) => Some(ids),
        Err(wrong) => {
            for why in wrong {
                report.error(at(&why), why.to_string(), why.remedy());
            }
            None
        }
    }
}
