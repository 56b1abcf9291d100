//! A merchant's file as it is written: every value with its place, no reference followed yet.

use crate::config::parse::{
    entry::Entry,
    read::{At, Section, WHOLE_MAX},
    source::Span,
};
use crate::domain::{
    rules::{
        configuration::{
            Attribute, DefaultBehaviour, Direction, HiddenMethods, Mode, OperationMode, Refunds, Routing, Word,
        },
        external_id::{Checksum, ChecksumIncludes, LENGTH_MAX},
        labels::LabelKind,
        overrides::LevelKey,
        registration::{Identifier, Source},
    },
    vocabulary::{calendar::WeekStart, money::Currency, names::Name},
};

/// Whether a level applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Status {
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
pub(in crate::config) enum MonthSpan {
    ThirtyDays,
    SameDay,
}

impl Word for MonthSpan {
    const WORDS: &'static [(&'static str, Self)] = &[("30d", Self::ThirtyDays), ("same_day", Self::SameDay)];
}

/// The period that a raise of a customer's own limit waits for, in addition to its delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum RaiseNotBefore {
    PeriodEnd,
}

impl Word for RaiseNotBefore {
    const WORDS: &'static [(&'static str, Self)] = &[("period_end", Self::PeriodEnd)];
}

/// A list of names, each with its place.
pub(in crate::config) type Names = At<Vec<At<Name>>>;

pub(in crate::config) struct RawMerchant {
    pub(in crate::config) id: Option<At<Name>>,
    pub(in crate::config) name: Option<At<String>>,
    pub(in crate::config) mode: Option<At<OperationMode>>,
    pub(in crate::config) default_behaviour: Option<At<DefaultBehaviour>>,
    pub(in crate::config) time_zone: Option<At<String>>,
    pub(in crate::config) reset_settings_on_level_change: Option<At<bool>>,
    pub(in crate::config) all_projects_to_unknown: Option<At<bool>>,
    pub(in crate::config) hold: [Option<At<String>>; 2],
    pub(in crate::config) refunds: Option<At<Refunds>>,
    pub(in crate::config) hidden_methods: Option<At<HiddenMethods>>,
    pub(in crate::config) trust_blocks: Option<At<bool>>,
    pub(in crate::config) numeric_ids: Option<At<bool>>,
    pub(in crate::config) seal_identifiers: Option<At<bool>>,
    pub(in crate::config) registration: RawRegistration,
    pub(in crate::config) labels: Vec<RawLabel>,
    pub(in crate::config) labels_max: Option<At<u64>>,
    pub(in crate::config) raise_delay: Option<At<String>>,
    pub(in crate::config) raise_confirm: Option<At<bool>>,
    pub(in crate::config) confirm_within: Option<At<String>>,
    pub(in crate::config) raise_not_before: Option<At<RaiseNotBefore>>,
    pub(in crate::config) deletion_grace: Option<At<String>>,
    pub(in crate::config) terminal_url: Option<At<String>>,
    pub(in crate::config) gates: Vec<RawGate>,
    pub(in crate::config) routes: Vec<RawRoute>,
    pub(in crate::config) projects: Vec<RawProject>,
    pub(in crate::config) levels: Vec<RawLevel>,
}

pub(in crate::config) struct RawLabel {
    pub(in crate::config) name: Option<At<Name>>,
    pub(in crate::config) kind: Option<At<LabelKind>>,
    pub(in crate::config) restrictions: Option<Names>,
}

#[derive(Default)]
pub(in crate::config) struct RawRegistration {
    pub(in crate::config) primary_identifier: Option<At<Identifier>>,
    pub(in crate::config) allow_any_identifier: Option<At<bool>>,
    pub(in crate::config) email: RawIdentifier,
    pub(in crate::config) phone: RawIdentifier,
    pub(in crate::config) external_id: RawIdentifier,
    pub(in crate::config) strict_primary_check: Option<At<bool>>,
    pub(in crate::config) skip_secondary: Option<At<bool>>,
    pub(in crate::config) merge_on_duplicate: Option<At<bool>>,
    pub(in crate::config) min_registration_date: Option<At<String>>,
    pub(in crate::config) default_country: Option<At<String>>,
    pub(in crate::config) generation: RawGeneration,
}

#[derive(Default)]
pub(in crate::config) struct RawIdentifier {
    pub(in crate::config) required: Option<At<bool>>,
    pub(in crate::config) unique: Option<At<bool>>,
    pub(in crate::config) allow_update: Option<At<bool>>,
}

/// How external ids are made: keys of the same table as the flags of `external_id`.
#[derive(Default)]
pub(in crate::config) struct RawGeneration {
    pub(in crate::config) span: Span,
    pub(in crate::config) length: Option<At<u64>>,
    /// Whether the key is there, rightly or not.
    pub(in crate::config) length_written: bool,
    pub(in crate::config) prefix: Option<At<String>>,
    pub(in crate::config) suffix: Option<At<String>>,
    pub(in crate::config) offset: Option<At<u64>>,
    pub(in crate::config) checksum: Option<At<Checksum>>,
    pub(in crate::config) checksum_includes: Option<At<ChecksumIncludes>>,
    pub(in crate::config) sources: Option<At<Vec<At<Source>>>>,
}

pub(in crate::config) struct RawGate {
    pub(in crate::config) id: Option<At<Name>>,
    pub(in crate::config) enabled: Option<At<bool>>,
    pub(in crate::config) directions: Option<At<Vec<At<Direction>>>>,
    pub(in crate::config) currencies: Option<At<Vec<At<Currency>>>>,
    pub(in crate::config) methods: Option<Names>,
    pub(in crate::config) min_amount: Option<At<String>>,
    pub(in crate::config) max_amount: Option<At<String>>,
    pub(in crate::config) weight: Option<At<u64>>,
}

pub(in crate::config) struct RawRoute {
    pub(in crate::config) id: Option<At<Name>>,
    pub(in crate::config) gates: Option<Names>,
    pub(in crate::config) routing: Option<At<Routing>>,
}

pub(in crate::config) struct RawProject {
    pub(in crate::config) id: Option<At<Name>>,
    pub(in crate::config) client_definition: Option<At<Vec<At<Attribute>>>>,
    pub(in crate::config) endpoints: Vec<RawEndpoint>,
}

pub(in crate::config) struct RawEndpoint {
    pub(in crate::config) id: Option<At<Name>>,
    pub(in crate::config) currency: Option<At<Currency>>,
    pub(in crate::config) gates: Option<Names>,
    pub(in crate::config) methods: Vec<RawMethod>,
    pub(in crate::config) client_definition: Option<At<Vec<At<Attribute>>>>,
}

pub(in crate::config) struct RawMethod {
    pub(in crate::config) method: Option<At<Name>>,
    pub(in crate::config) show_in_form: Option<At<bool>>,
    pub(in crate::config) min_amount: Option<At<String>>,
    pub(in crate::config) max_amount: Option<At<String>>,
    pub(in crate::config) gates: Option<Names>,
}

pub(in crate::config) struct RawLevel {
    pub(in crate::config) span: Span,
    /// All that is said but for the key, as JSON.
    pub(in crate::config) body: String,
    pub(in crate::config) name: Option<At<Name>>,
    pub(in crate::config) direction: Option<At<Direction>>,
    pub(in crate::config) currency: Option<At<Currency>>,
    pub(in crate::config) status: Option<At<Status>>,
    pub(in crate::config) projects: Option<Names>,
    pub(in crate::config) methods: Vec<RawMethod>,
    pub(in crate::config) gates: Option<Names>,
    pub(in crate::config) routing: Option<At<Routing>>,
    pub(in crate::config) filters: Vec<RawFilter>,
}

pub(in crate::config) struct RawFilter {
    pub(in crate::config) span: Span,
    pub(in crate::config) name: Option<At<Name>>,
    pub(in crate::config) window: Option<At<String>>,
    pub(in crate::config) amount_limit: Option<At<String>>,
    pub(in crate::config) quantity_limit: Option<At<u64>>,
    pub(in crate::config) calendar: Option<At<bool>>,
    pub(in crate::config) week_starts_on: Option<At<WeekStart>>,
    pub(in crate::config) month: Option<At<MonthSpan>>,
    pub(in crate::config) for_all_merchant_currencies: Option<At<bool>>,
    pub(in crate::config) subtract_cancels: Option<At<bool>>,
    pub(in crate::config) mode: Option<At<Mode>>,
    pub(in crate::config) warn_at: Option<At<String>>,
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
pub(in crate::config) fn merchant(s: Of<'_, '_, '_>) -> RawMerchant {
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

pub(in crate::config) fn method(s: Of<'_, '_, '_>) -> RawMethod {
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
    pub(in crate::config) fn entry(self, merchant: Name) -> Option<Entry> {
        let (direction, currency, name) = (self.direction?.value, self.currency?.value, self.name?.value);
        Some(Entry { key: LevelKey { merchant, direction, currency, name }, body: self.body })
    }
}

/// What is said of a level but for its key.
pub(in crate::config) fn level_body(s: Of<'_, '_, '_>) -> RawLevel {
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

pub(in crate::config) fn filter(s: Of<'_, '_, '_>) -> RawFilter {
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
