//! What a merchant's file says about customers: labels, registration, delays, the terminal's address.

use crate::config::{
    compile::merchant::{no_duplicates, or},
    lint::warn::Look,
    parse::{
        raw::{RawGeneration, RawIdentifier, RawLabel, RawMerchant, RawRegistration},
        read::{At, span_ms},
        source::Span,
    },
    report::report::Report,
};
use crate::domain::{
    rules::{
        configuration::Word,
        external_id::{Checksum, Contradiction, ExternalIds, Shape},
        labels::{Label, LabelKind, Restriction},
        raise_policy::RaisePolicy,
        registration::{Identifier, IdentifierRule, Registration},
        terminal::{Piece, Placeholder, pieces},
    },
    vocabulary::{
        calendar::Calendar,
        phone::Country,
        suggest::nearest,
        time::{DAY_MS, Millis, parse_span_ms},
    },
};

/// The most labels of one customer where the file says nothing.
pub(in crate::config) const LABELS_MAX: u64 = 10;
/// How long a raise can be confirmed where the file says nothing.
const CONFIRM_WITHIN_MS: i64 = 7 * DAY_MS;
/// The shortest wait of a raise that Sweden's rule of the period's end allows.
const PERIOD_END_DELAY_MS: i64 = 3 * DAY_MS;

/// Compiles the labels; what is wrong is reported.
pub(in crate::config) fn labels(raw: &[RawLabel], report: &Report) -> Vec<Label> {
    no_duplicates(raw.iter().map(|label| label.name.as_ref()), "label", "give it another name", report);
    raw.iter().filter_map(|raw| label(raw, report)).collect()
}

fn label(raw: &RawLabel, report: &Report) -> Option<Label> {
    let listed = raw.restrictions.as_ref().map_or(&[][..], |list| list.value.as_slice());
    no_duplicates(listed.iter().map(Some), "restriction", "write it once", report);
    Some(Label {
        name: raw.name.as_ref()?.value,
        kind: or(&raw.kind, LabelKind::Active),
        restrictions: listed.iter().map(|name| name.value).collect(),
    })
}

/// How long changes wait, in milliseconds.
pub(in crate::config) struct Delays {
    pub(in crate::config) raises: RaisePolicy,
    pub(in crate::config) deletion_grace_ms: i64,
}

/// Compiles the delays; what is wrong is reported, and its default stands in.
pub(in crate::config) fn delays(raw: &RawMerchant, report: &Report) -> Delays {
    let raise = raw.raise_delay.as_ref().map(|at| match is_no_time(&at.value) {
        true => Some(0),
        false => span_ms(report, "raise_delay", at, "\"0s\", or "),
    });
    let grace = raw.deletion_grace.as_ref().map(|at| span_ms(report, "deletion_grace", at, ""));
    let within = raw.confirm_within.as_ref().map(|at| span_ms(report, "confirm_within", at, ""));
    let raises = RaisePolicy {
        delay_ms: raise.flatten().unwrap_or(DAY_MS),
        confirm_within_ms: or(&raw.raise_confirm, false).then(|| within.flatten().unwrap_or(CONFIRM_WITHIN_MS)),
        waits_for_period_end: raw.raise_not_before.is_some(),
    };
    Delays { raises, deletion_grace_ms: grace.flatten().unwrap_or(30 * DAY_MS) }
}

/// Whether a span is written that is none: zero of some unit.
fn is_no_time(text: &str) -> bool {
    let unit = text.trim_start_matches('0');
    text.len() > unit.len()
        && !unit.starts_with(|c: char| c.is_ascii_digit())
        && parse_span_ms(&format!("1{unit}")).is_some()
}

/// Looks at the template of the terminal's address; what is wrong is reported.
pub(in crate::config) fn terminal_url(written: Option<&At<String>>, report: &Report) -> Option<String> {
    let at = written?;
    let is_web = ["https://", "http://"].iter().any(|scheme| at.value.starts_with(scheme));
    if !is_web || at.value.contains(|c: char| c.is_whitespace() || c.is_control()) {
        let help = "write https://..., without spaces, as \"https://terminal.example/{merchant}/{customer_id}\"";
        report.error(&at.span, "`terminal_url` is no address of a web page", help);
    }
    let words = || Placeholder::WORDS.iter().map(|(word, _)| *word);
    for piece in pieces(&at.value) {
        let Piece::Unknown(text) = piece else { continue };
        let known = words().map(|word| format!("{{{word}}}")).collect::<Vec<_>>().join(", ");
        let help = match nearest(text.trim_matches(['{', '}']), words()) {
            Some(near) => format!("did you mean `{{{near}}}`? known are {known}"),
            None => format!("only {known} may stand in braces; write another brace as %7B or %7D"),
        };
        report.error(&at.span, format!("`{text}` in `terminal_url` is no placeholder"), help);
    }
    Some(at.value.clone())
}

/// Compiles the registration policy; what is wrong is reported, and its default stands in.
pub(in crate::config) fn registration(
    raw: &RawRegistration,
    calendar: Option<&Calendar>,
    report: &Report,
) -> Registration {
    let default = Registration::default();
    if let (Some(strict), Some(skip)) = (&raw.strict_primary_check, &raw.skip_secondary)
        && strict.value
        && skip.value
    {
        let message = "`skip_secondary_on_primary_mismatch` does not go with `strict_primary_check`: \
                       one refuses what the other leaves out";
        let also = crate::config::report::problem::Also::new(&report.source, &strict.span, "this one refuses");
        report.error_with(&skip.span, message.to_owned(), "write true for one of the two", also);
    }
    let date = |at: &At<String>| instant(at, calendar?, report);
    Registration {
        primary_identifier: or(&raw.primary_identifier, default.primary_identifier),
        allow_any_identifier: or(&raw.allow_any_identifier, default.allow_any_identifier),
        email: rule(&raw.email, default.email),
        phone: rule(&raw.phone, default.phone),
        external_id: rule(&raw.external_id, default.external_id),
        strict_primary_check: or(&raw.strict_primary_check, default.strict_primary_check),
        skip_secondary_on_primary_mismatch: or(&raw.skip_secondary, default.skip_secondary_on_primary_mismatch),
        merge_on_duplicate: or(&raw.merge_on_duplicate, default.merge_on_duplicate),
        min_registration_date: raw.min_registration_date.as_ref().and_then(date),
        default_country: raw.default_country.as_ref().and_then(|at| country(at, report)),
        external_ids: external_ids(&raw.generation, report),
    }
}

fn rule(raw: &RawIdentifier, default: IdentifierRule) -> IdentifierRule {
    IdentifierRule {
        required: or(&raw.required, default.required),
        unique: or(&raw.unique, default.unique),
        allow_update: or(&raw.allow_update, default.allow_update),
    }
}

/// An instant as written, or the beginning of a day in the merchant's time zone.
fn instant(at: &At<String>, calendar: &Calendar, report: &Report) -> Option<Millis> {
    let day = || {
        let zone = jiff::tz::TimeZoneDatabase::bundled().get(calendar.name()).ok()?;
        let start = at.value.parse::<jiff::civil::Date>().ok().filter(|_| at.value.len() == 10)?.to_zoned(zone).ok()?;
        let start = Millis(start.timestamp().as_millisecond());
        (Millis::MIN..=Millis::MAX).contains(&start).then_some(start)
    };
    let instant = Millis::parse(&at.value).or_else(day);
    if instant.is_none() {
        let help = "write a day, as 2020-01-31, which begins in the merchant's time zone, or an instant, as \
                    2020-01-31T00:00:00Z";
        report.error(&at.span, format!("`{}` is no date for `min_registration_date`", at.value), help);
    }
    instant
}

fn country(at: &At<String>, report: &Report) -> Option<Country> {
    let country = Country::parse(&at.value);
    if country.is_none() {
        let upper = at.value.trim().to_ascii_uppercase();
        let help = match Country::parse(&upper) {
            Some(_) => format!("write it in capital letters: \"{upper}\""),
            None => "write the two capital letters of ISO 3166, as \"CY\"".to_owned(),
        };
        report.error(&at.span, format!("`{}` is no country code", at.value), help);
    }
    country
}

/// How external ids are made; `None` where they are not, or where it is wrong.
fn external_ids(raw: &RawGeneration, report: &Report) -> Option<ExternalIds> {
    if !raw.length_written {
        for (key, span) in raw.written() {
            let message = format!("`{key}` has no meaning without `length`");
            report.error(&span, message, "write length = 12, say: the digits of an external id that is made here");
        }
        return None;
    }
    let text = |written: &Option<At<String>>| written.as_ref().map(|at| at.value.clone()).unwrap_or_default();
    let listed = raw.sources.as_ref().map(|list| list.value.iter().map(|at| at.value).collect());
    let shape = Shape {
        length: raw.length.as_ref()?.value,
        prefix: text(&raw.prefix),
        suffix: text(&raw.suffix),
        offset: or(&raw.offset, 0),
        checksum: or(&raw.checksum, Checksum::AutoInc),
        checksum_includes: raw.checksum_includes.as_ref().map(|at| at.value),
        sources: listed,
    };
    let written = raw.written();
    let at =
        |why: &Contradiction| written.iter().find(|(key, _)| *key == why.key()).map_or(&raw.span, |(_, span)| span);
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

impl RawGeneration {
    /// The keys that are written, each with its place.
    fn written(&self) -> Vec<(&'static str, Span)> {
        let span = |key: &'static str, span: Option<&Span>| Some((key, span?.clone()));
        let keys = [
            span("length", self.length.as_ref().map(|at| &at.span)),
            span("prefix", self.prefix.as_ref().map(|at| &at.span)),
            span("suffix", self.suffix.as_ref().map(|at| &at.span)),
            span("offset", self.offset.as_ref().map(|at| &at.span)),
            span("checksum", self.checksum.as_ref().map(|at| &at.span)),
            span("checksum_includes", self.checksum_includes.as_ref().map(|at| &at.span)),
            span("sources", self.sources.as_ref().map(|at| &at.span)),
        ];
        keys.into_iter().flatten().collect()
    }
}

/// A warning: every new customer would be blocked.
pub(in crate::config) fn a_first_label_that_blocks(look: &Look<'_>) {
    let (Some(raw), Some(label)) = (look.raw.labels.first(), look.merchant.labels.first()) else { return };
    if label.forbids(Restriction::BlockTransactions)
        && let Some(name) = &raw.name
    {
        let message = format!("every new customer is blocked: label `{}` is the first one", label.name);
        let help = "the first label is a new customer's: put one before it that blocks nothing";
        look.report.warning(&name.span, message, help);
    }
}

/// A warning: a restriction that is enforced nowhere here, and reads like one that is.
pub(in crate::config) fn restrictions_that_nearly_are_enforced(look: &Look<'_>) {
    let words = || Restriction::WORDS.iter().map(|(word, _)| *word);
    let listed = look.raw.labels.iter().filter_map(|label| label.restrictions.as_ref()).flat_map(|list| &list.value);
    for name in listed.filter(|name| Restriction::parse(name.value.as_str()).is_none()) {
        if let Some(near) = nearest(name.value.as_str(), words()) {
            let message = format!("restriction `{}` is not enforced here, only returned", name.value);
            look.report.warning(&name.span, message, format!("did you mean `{near}`?"));
        }
    }
}

/// A warning: merging is on, and nothing ever merges.
pub(in crate::config) fn merging_that_never_happens(look: &Look<'_>) {
    let Some(at) = look.raw.registration.merge_on_duplicate.as_ref().filter(|at| at.value) else { return };
    let policy = &look.merchant.registration;
    let secondary_is_unique = policy.primary_identifier != Identifier::MerchantCustomerIdentifier
        || [policy.email, policy.phone, policy.external_id].iter().any(|rule| rule.unique);
    let why = if policy.strict_primary_check {
        "`strict_primary_check` refuses before"
    } else if policy.skip_secondary_on_primary_mismatch {
        "`skip_secondary_on_primary_mismatch` leaves out before"
    } else if !secondary_is_unique {
        "no identifier is `unique`"
    } else {
        return;
    };
    let help = "leave `merge_on_duplicate` out, or change the other key";
    look.report.warning(&at.span, format!("`merge_on_duplicate` never merges anybody: {why}"), help);
}

/// A warning: a raise waits for the end of a period, but not as long as the rule that asks for this demands.
pub(in crate::config) fn a_period_end_with_a_short_delay(look: &Look<'_>) {
    let Some(at) = &look.raw.raise_not_before else { return };
    if look.merchant.raises.delay_ms < PERIOD_END_DELAY_MS {
        let delay = look.raw.raise_delay.as_ref().map_or("24h", |written| written.value.as_str());
        let message = format!("`raise_not_before` with a `raise_delay` of {delay}: Sweden asks for 72h as well");
        look.report.warning(&at.span, message, "write raise_delay = \"72h\", or more");
    }
}

/// A warning: raises are to be confirmed within a time, and none is to be confirmed.
pub(in crate::config) fn a_time_for_no_confirmation(look: &Look<'_>) {
    let Some(at) = look.raw.confirm_within.as_ref().filter(|_| look.merchant.raises.confirm_within_ms.is_none()) else {
        return;
    };
    let message = "`confirm_within` has no effect without `raise_confirm`: raises take effect by themselves";
    look.report.warning(&at.span, message, "write raise_confirm = true, or leave `confirm_within` out");
}

/// A warning: customers are known by something personal, and what is sent as their identifier is recorded in clear.
pub(in crate::config) fn personal_identifiers_in_clear(look: &Look<'_>) {
    let Some(at) = &look.raw.registration.primary_identifier else { return };
    let is_personal = matches!(at.value, Identifier::Email | Identifier::Phone);
    if is_personal && !look.merchant.seal_identifiers {
        let word = at.value.word();
        let message = format!(
            "customers are known by `{word}`: a value that is sent as `merchant_customer_identifier` is in the journal, the \
             snapshots and the archive in clear; one that is sent as `{word}` is sealed"
        );
        let help = "write seal_identifiers = true; records from before then keep what they hold for archive_days";
        look.report.warning(&at.span, message, help);
    }
}
