//! A merchant's file as it is written: every value with its place, no reference followed yet.

use super::{
    entry::Entry,
    read::{At, Section, WHOLE_MAX},
    source::Span,
};
use crate::domain::{
    calendar::WeekStart,
    external_id::{Checksum, ChecksumIncludes, LENGTH_MAX},
    labels::LabelKind,
    money::Currency,
    name::Name,
    overlay::LevelKey,
    registration::{Identifier, Source},
    rules::{Attribute, DefaultBehaviour, Direction, HiddenMethods, Mode, OperationMode, Refunds, Routing, Word},
};

/// Whether a level applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Active,
    Disabled,
}

impl Word for Status {
    const WORDS: &'static [(&'static str, Self)] = &[("active", Self::Active), ("disabled", Self::Disabled)];
}

impl Word for WeekStart {
    const WORDS: &'static [(&'static str, Self)] = &[("monday", Self::Monday), ("sunday", Self::Sunday)];
}

/// How long a rolling month is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MonthSpan {
    ThirtyDays,
    SameDay,
}

impl Word for MonthSpan {
    const WORDS: &'static [(&'static str, Self)] = &[("30d", Self::ThirtyDays), ("same_day", Self::SameDay)];
}

/// The period that a raise of a customer's own limit waits for, in addition to its delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RaiseNotBefore {
    PeriodEnd,
}

impl Word for RaiseNotBefore {
    const WORDS: &'static [(&'static str, Self)] = &[("period_end", Self::PeriodEnd)];
}

/// A list of names, each with its place.
pub(super) type Names = At<Vec<At<Name>>>;

pub(super) struct RawMerchant {
    pub(super) id: Option<At<Name>>,
    pub(super) name: Option<At<String>>,
    pub(super) mode: Option<At<OperationMode>>,
    pub(super) default_behaviour: Option<At<DefaultBehaviour>>,
    pub(super) time_zone: Option<At<String>>,
    pub(super) reset_settings_on_level_change: Option<At<bool>>,
    pub(super) all_projects_to_unknown: Option<At<bool>>,
    pub(super) hold: [Option<At<String>>; 2],
    pub(super) refunds: Option<At<Refunds>>,
    pub(super) hidden_methods: Option<At<HiddenMethods>>,
    pub(super) trust_blocks: Option<At<bool>>,
    pub(super) numeric_ids: Option<At<bool>>,
    pub(super) seal_identifiers: Option<At<bool>>,
    pub(super) registration: RawRegistration,
    pub(super) labels: Vec<RawLabel>,
    pub(super) labels_max: Option<At<u64>>,
    pub(super) raise_delay: Option<At<String>>,
    pub(super) raise_confirm: Option<At<bool>>,
    pub(super) confirm_within: Option<At<String>>,
    pub(super) raise_not_before: Option<At<RaiseNotBefore>>,
    pub(super) deletion_grace: Option<At<String>>,
    pub(super) terminal_url: Option<At<String>>,
    pub(super) gates: Vec<RawGate>,
    pub(super) routes: Vec<RawRoute>,
    pub(super) projects: Vec<RawProject>,
    pub(super) levels: Vec<RawLevel>,
}

pub(super) struct RawLabel {
    pub(super) name: Option<At<Name>>,
    pub(super) kind: Option<At<LabelKind>>,
    pub(super) restrictions: Option<Names>,
}

#[derive(Default)]
pub(super) struct RawRegistration {
    pub(super) primary_identifier: Option<At<Identifier>>,
    pub(super) allow_any_identifier: Option<At<bool>>,
    pub(super) email: RawIdentifier,
    pub(super) phone: RawIdentifier,
    pub(super) external_id: RawIdentifier,
    pub(super) strict_primary_check: Option<At<bool>>,
    pub(super) skip_secondary: Option<At<bool>>,
    pub(super) merge_on_duplicate: Option<At<bool>>,
    pub(super) min_registration_date: Option<At<String>>,
    pub(super) default_country: Option<At<String>>,
    pub(super) generation: RawGeneration,
}

#[derive(Default)]
pub(super) struct RawIdentifier {
    pub(super) required: Option<At<bool>>,
    pub(super) unique: Option<At<bool>>,
    pub(super) allow_update: Option<At<bool>>,
}

/// How external ids are made: keys of the same table as the flags of `external_id`.
#[derive(Default)]
pub(super) struct RawGeneration {
    pub(super) span: Span,
    pub(super) length: Option<At<u64>>,
    /// Whether the key is there, rightly or not.
    pub(super) length_written: bool,
    pub(super) prefix: Option<At<String>>,
    pub(super) suffix: Option<At<String>>,
    pub(super) offset: Option<At<u64>>,
    pub(super) checksum: Option<At<Checksum>>,
    pub(super) checksum_includes: Option<At<ChecksumIncludes>>,
    pub(super) sources: Option<At<Vec<At<Source>>>>,
}

pub(super) struct RawGate {
    pub(super) id: Option<At<Name>>,
    pub(super) enabled: Option<At<bool>>,
    pub(super) directions: Option<At<Vec<At<Direction>>>>,
    pub(super) currencies: Option<At<Vec<At<Currency>>>>,
    pub(super) methods: Option<Names>,
    pub(super) min_amount: Option<At<String>>,
    pub(super) max_amount: Option<At<String>>,
    pub(super) weight: Option<At<u64>>,
}

pub(super) struct RawRoute {
    pub(super) id: Option<At<Name>>,
    pub(super) gates: Option<Names>,
    pub(super) routing: Option<At<Routing>>,
}

pub(super) struct RawProject {
    pub(super) id: Option<At<Name>>,
    pub(super) client_definition: Option<At<Vec<At<Attribute>>>>,
    pub(super) endpoints: Vec<RawEndpoint>,
}

pub(super) struct RawEndpoint {
    pub(super) id: Option<At<Name>>,
    pub(super) currency: Option<At<Currency>>,
    pub(super) gates: Option<Names>,
    pub(super) methods: Vec<RawMethod>,
    pub(super) client_definition: Option<At<Vec<At<Attribute>>>>,
}

pub(super) struct RawMethod {
    pub(super) method: Option<At<Name>>,
    pub(super) show_in_form: Option<At<bool>>,
    pub(super) min_amount: Option<At<String>>,
    pub(super) max_amount: Option<At<String>>,
    pub(super) gates: Option<Names>,
}

pub(super) struct RawLevel {
    pub(super) span: Span,
    /// All that is said but for the key, as JSON.
    pub(super) body: String,
    pub(super) name: Option<At<Name>>,
    pub(super) direction: Option<At<Direction>>,
    pub(super) currency: Option<At<Currency>>,
    pub(super) status: Option<At<Status>>,
    pub(super) projects: Option<Names>,
    pub(super) methods: Vec<RawMethod>,
    pub(super) gates: Option<Names>,
    pub(super) routing: Option<At<Routing>>,
    pub(super) filters: Vec<RawFilter>,
}

pub(super) struct RawFilter {
    pub(super) span: Span,
    pub(super) name: Option<At<Name>>,
    pub(super) window: Option<At<String>>,
    pub(super) amount_limit: Option<At<String>>,
    pub(super) quantity_limit: Option<At<u64>>,
    pub(super) calendar: Option<At<bool>>,
    pub(super) week_starts_on: Option<At<WeekStart>>,
    pub(super) month: Option<At<MonthSpan>>,
    pub(super) for_all_merchant_currencies: Option<At<bool>>,
    pub(super) subtract_cancels: Option<At<bool>>,
    pub(super) mode: Option<At<Mode>>,
    pub(super) warn_at: Option<At<String>>,
}

/// The largest weight of a gate.
const WEIGHT_MAX: u64 = 1_000_000;

/// The most labels of one customer that a file may allow.
const LABELS_MAX: u64 = 100;

type Of<'s, 'd, 'i> = &'s Section<'d, 'i>;

/// Reads every table of the key and reports what is unknown in each.
fn each<T>(s: Of<'_, '_, '_>, key: &'static str, what: &'static str, read: fn(Of<'_, '_, '_>) -> T) -> Vec<T> {
    let of = |section: &Section<'_, '_>| {
        let entry = read(section);
        section.close();
        entry
    };
    s.tables(key, what).iter().map(of).collect()
}

/// Reads a merchant's file; a key that is wrong is reported and absent here.
pub(super) fn merchant(s: Of<'_, '_, '_>) -> RawMerchant {
    let merchant = RawMerchant {
        id: s.needed_name("id", "write id = \"...\" at the top of the file: by it requests name the merchant"),
        name: s.text("name"),
        mode: s.word("operation_mode"),
        default_behaviour: s.word("default_behaviour"),
        time_zone: s.text("time_zone"),
        reset_settings_on_level_change: s.flag("reset_individual_settings_on_level_change"),
        all_projects_to_unknown: s.flag("add_all_projects_to_unknown_level"),
        hold: s.table("hold", "hold").map_or([None, None], |hold| spans(&hold)),
        refunds: s.word("refunds"),
        hidden_methods: s.word("hidden_methods"),
        trust_blocks: s.flag("trust_blocks"),
        numeric_ids: s.flag("numeric_ids"),
        seal_identifiers: s.flag("seal_identifiers"),
        registration: s.table("registration", "[registration]").map(|table| registration(&table)).unwrap_or_default(),
        labels: each(s, "labels", "a label", label),
        labels_max: s.whole("labels_max", 1..=LABELS_MAX),
        raise_delay: s.text("raise_delay"),
        raise_confirm: s.flag("raise_confirm"),
        confirm_within: s.text("confirm_within"),
        raise_not_before: s.word("raise_not_before"),
        deletion_grace: s.text("deletion_grace"),
        terminal_url: s.nonempty("terminal_url"),
        gates: each(s, "gates", "a gate", gate),
        routes: each(s, "routes", "a route", route),
        projects: each(s, "projects", "a project", project),
        levels: each(s, "levels", "a level", level),
    };
    s.close();
    merchant
}

fn spans(hold: Of<'_, '_, '_>) -> [Option<At<String>>; 2] {
    let spans = [hold.text("deposit"), hold.text("withdrawal")];
    hold.close();
    spans
}

fn label(s: Of<'_, '_, '_>) -> RawLabel {
    RawLabel {
        name: s.needed_name("name", "write name = \"...\": by it customers are labelled"),
        kind: s.word("kind"),
        restrictions: s.names("restrictions"),
    }
}

fn registration(s: Of<'_, '_, '_>) -> RawRegistration {
    let identifier = |key, what| s.table(key, what).map(|table| identifier(&table)).unwrap_or_default();
    let (email, phone) = (identifier("email", "email"), identifier("phone", "phone"));
    let external_id = s.table("external_id", "[registration.external_id]");
    let (external_id, generation) = external_id.map(|table| external_id_and_generation(&table)).unwrap_or_default();
    let registration = RawRegistration {
        primary_identifier: s.word("primary_identifier"),
        allow_any_identifier: s.flag("allow_any_identifier"),
        email,
        phone,
        external_id,
        strict_primary_check: s.flag("strict_primary_check"),
        skip_secondary: s.flag("skip_secondary_on_primary_mismatch"),
        merge_on_duplicate: s.flag("merge_on_duplicate"),
        min_registration_date: s.day_or_instant("min_registration_date"),
        default_country: s.text("default_country"),
        generation,
    };
    s.close();
    registration
}

fn identifier(s: Of<'_, '_, '_>) -> RawIdentifier {
    let flags =
        RawIdentifier { required: s.flag("required"), unique: s.flag("unique"), allow_update: s.flag("allow_update") };
    s.close();
    flags
}

fn external_id_and_generation(s: Of<'_, '_, '_>) -> (RawIdentifier, RawGeneration) {
    let generation = RawGeneration {
        span: s.span.clone(),
        length: s.whole("length", 1..=LENGTH_MAX),
        length_written: s.has("length"),
        prefix: s.text("prefix"),
        suffix: s.text("suffix"),
        offset: s.whole("offset", 0..=WHOLE_MAX),
        checksum: s.word("checksum"),
        checksum_includes: s.word("checksum_includes"),
        sources: s.words("sources"),
    };
    (identifier(s), generation)
}

fn gate(s: Of<'_, '_, '_>) -> RawGate {
    RawGate {
        id: s.needed_name("id", "write id = \"...\": by it gate lists name the gate"),
        enabled: s.flag("enabled"),
        directions: s.words("directions"),
        currencies: s.currencies("currencies"),
        methods: s.names("methods"),
        min_amount: s.decimal("min_amount"),
        max_amount: s.decimal("max_amount"),
        weight: s.whole("weight", 0..=WEIGHT_MAX),
    }
}

fn route(s: Of<'_, '_, '_>) -> RawRoute {
    RawRoute {
        id: s.needed_name("id", "write id = \"...\": by it gate lists name the route"),
        gates: s.needed_names("gates", "write gates = [\"...\"]: a route is a list of gates"),
        routing: s.word("routing"),
    }
}

fn project(s: Of<'_, '_, '_>) -> RawProject {
    RawProject {
        id: s.needed_name("id", "write id = \"...\": by it requests name the project"),
        client_definition: s.words("client_definition"),
        endpoints: each(s, "endpoints", "an endpoint", endpoint),
    }
}

fn endpoint(s: Of<'_, '_, '_>) -> RawEndpoint {
    RawEndpoint {
        id: s.needed_name("id", "write id = \"...\": by it requests name the endpoint"),
        currency: s.needed_currency("currency"),
        gates: s.needed_names("gates", "write gates = [\"...\"]: the gates that payments here go through"),
        methods: each(s, "methods", "a payment method", method),
        client_definition: s.words("client_definition"),
    }
}

pub(super) fn method(s: Of<'_, '_, '_>) -> RawMethod {
    RawMethod {
        method: s.needed_name("method", "write which one, as method = \"card\""),
        show_in_form: s.flag("show_in_form"),
        min_amount: s.decimal("min_amount"),
        max_amount: s.decimal("max_amount"),
        gates: s.names("gates"),
    }
}

fn level(s: Of<'_, '_, '_>) -> RawLevel {
    let name = s.needed_name("name", "write name = \"...\": by it customers are put on the level");
    let (direction, currency) = (s.needed_word("direction"), s.needed_currency("currency"));
    RawLevel { name, direction, currency, ..level_body(s) }
}

impl RawLevel {
    /// The entry, where it names the level.
    pub(super) fn entry(self, merchant: Name) -> Option<Entry> {
        let (direction, currency, name) = (self.direction?.value, self.currency?.value, self.name?.value);
        Some(Entry { key: LevelKey { merchant, direction, currency, name }, body: self.body })
    }
}

/// What is said of a level but for its key.
pub(super) fn level_body(s: Of<'_, '_, '_>) -> RawLevel {
    RawLevel {
        span: s.span.clone(),
        body: s.json(&["name", "direction", "currency"]),
        name: None,
        direction: None,
        currency: None,
        status: s.word("status"),
        projects: s.names("projects"),
        methods: each(s, "methods", "a payment method", method),
        gates: s.names("gates"),
        routing: s.word("routing"),
        filters: each(s, "filters", "a filter", filter),
    }
}

pub(super) fn filter(s: Of<'_, '_, '_>) -> RawFilter {
    RawFilter {
        span: s.span.clone(),
        name: s.name("name"),
        window: s.needed_text("window", "write a window, as window = \"daily\""),
        amount_limit: s.decimal("amount_limit"),
        quantity_limit: s.whole("quantity_limit", 0..=WHOLE_MAX),
        calendar: s.flag("calendar"),
        week_starts_on: s.word("week_starts_on"),
        month: s.word("month"),
        for_all_merchant_currencies: s.flag("for_all_merchant_currencies"),
        subtract_cancels: s.flag("subtract_cancel_transactions"),
        mode: s.word("mode"),
        warn_at: s.text("warn_at"),
    }
}
