//! The raw values of a merchant's file: every value with its place, references not resolved.

use crate::config::{
    parse::{
        located::Located,
        raw_level::{NameList, RawLevel, RawMethod, SectionRef, each, level, method},
        section::WHOLE_MAX,
    },
    report::source::Span,
};
use crate::domain::{
    rules::{
        gates::RoutingStrategy,
        labels::LabelKind,
        merchant::{DefaultBehaviour, HiddenMethodPolicy, OperationMode, RefundPolicy},
        registration::{
            external_id::{Checksum, ChecksumIncludes, EXTERNAL_ID_DIGITS_MAX},
            identifier::{Identifier, PaymentRegistration, RegistrationSource},
        },
    },
    vocabulary::{attributes::PaymentAttribute, direction::Direction, money::Currency, names::Name, words::Word},
};
use serde::Serialize;

/// The period that a raise of a customer's own limit waits for, in addition to its delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum RaiseNotBefore {
    PeriodEnd,
}

impl Word for RaiseNotBefore {
    const WORDS: &'static [(&'static str, Self)] = &[("period_end", Self::PeriodEnd)];
}

/// A merchant. Its document has the same keys, in this order.
///
/// `L` is a level: an entry of the file, or a level with more members in a document.
#[derive(Debug, Serialize)]
pub(crate) struct RawMerchant<L = RawLevel> {
    pub(in crate::config) id: Option<Located<Name>>,
    pub(in crate::config) name: Option<Located<String>>,
    #[serde(rename = "operation_mode")]
    pub(in crate::config) mode: Option<Located<OperationMode>>,
    pub(in crate::config) default_behaviour: Option<Located<DefaultBehaviour>>,
    pub(in crate::config) time_zone: Option<Located<String>>,
    #[serde(rename = "reset_individual_settings_on_level_change")]
    pub(in crate::config) reset_settings_on_level_change: Option<Located<bool>>,
    #[serde(rename = "add_all_projects_to_unknown_level")]
    pub(in crate::config) all_projects_to_unknown: Option<Located<bool>>,
    pub(in crate::config) hold: RawHold,
    pub(in crate::config) refunds: Option<Located<RefundPolicy>>,
    pub(in crate::config) hidden_methods: Option<Located<HiddenMethodPolicy>>,
    pub(in crate::config) trust_blocks: Option<Located<bool>>,
    pub(in crate::config) numeric_ids: Option<Located<bool>>,
    pub(in crate::config) seal_identifiers: Option<Located<bool>>,
    pub(in crate::config) registration: RawRegistration,
    pub(in crate::config) labels: Vec<RawLabel>,
    pub(in crate::config) labels_max: Option<Located<u64>>,
    pub(in crate::config) raise_delay: Option<Located<String>>,
    pub(in crate::config) raise_confirm: Option<Located<bool>>,
    pub(in crate::config) confirm_within: Option<Located<String>>,
    pub(in crate::config) raise_not_before: Option<Located<RaiseNotBefore>>,
    pub(in crate::config) deletion_grace: Option<Located<String>>,
    pub(in crate::config) terminal_url: Option<Located<String>>,
    pub(in crate::config) gates: Vec<RawGate>,
    pub(in crate::config) routes: Vec<RawRoute>,
    pub(in crate::config) projects: Vec<RawProject>,
    pub(in crate::config) levels: Vec<L>,
}

/// How long reservations are held.
#[derive(Debug, Default, Serialize)]
pub(crate) struct RawHold {
    pub(in crate::config) deposit: Option<Located<String>>,
    pub(in crate::config) withdrawal: Option<Located<String>>,
}

/// A label.
#[derive(Debug, Serialize)]
pub(crate) struct RawLabel {
    pub(in crate::config) name: Option<Located<Name>>,
    pub(in crate::config) kind: Option<Located<LabelKind>>,
    pub(in crate::config) restrictions: Option<NameList>,
}

/// The registration of customers.
#[derive(Debug, Default, Serialize)]
pub(crate) struct RawRegistration {
    pub(in crate::config) primary_identifier: Option<Located<Identifier>>,
    pub(in crate::config) allow_any_identifier: Option<Located<bool>>,
    pub(in crate::config) email: RawIdentifier,
    pub(in crate::config) phone: RawIdentifier,
    pub(in crate::config) external_id: RawExternalId,
    pub(in crate::config) strict_primary_check: Option<Located<bool>>,
    #[serde(rename = "skip_secondary_on_primary_mismatch")]
    pub(in crate::config) skip_secondary: Option<Located<bool>>,
    pub(in crate::config) merge_on_duplicate: Option<Located<bool>>,
    pub(in crate::config) from_payments: Option<Located<PaymentRegistration>>,
    pub(in crate::config) min_registration_date: Option<Located<String>>,
    pub(in crate::config) default_country: Option<Located<String>>,
}

/// The flags of an identifier.
#[derive(Debug, Default, Serialize)]
pub(crate) struct RawIdentifier {
    pub(in crate::config) required: Option<Located<bool>>,
    pub(in crate::config) unique: Option<Located<bool>>,
    pub(in crate::config) allow_update: Option<Located<bool>>,
}

/// The table `external_id`: the flags of the identifier, and how external ids are generated.
#[derive(Debug, Default, Serialize)]
pub(crate) struct RawExternalId {
    #[serde(flatten)]
    pub(in crate::config) flags: RawIdentifier,
    #[serde(flatten)]
    pub(in crate::config) generation: RawGeneration,
}

/// How external ids are generated.
#[derive(Debug, Default, Serialize)]
pub(crate) struct RawGeneration {
    #[serde(skip)]
    pub(in crate::config) span: Span,
    pub(in crate::config) length: Option<Located<u64>>,
    /// Whether the key is present, valid or not.
    #[serde(skip)]
    pub(in crate::config) length_written: bool,
    pub(in crate::config) prefix: Option<Located<String>>,
    pub(in crate::config) suffix: Option<Located<String>>,
    pub(in crate::config) offset: Option<Located<u64>>,
    pub(in crate::config) checksum: Option<Located<Checksum>>,
    pub(in crate::config) checksum_includes: Option<Located<ChecksumIncludes>>,
    pub(in crate::config) replace: Option<Located<bool>>,
    pub(in crate::config) sources: Option<Located<Vec<Located<RegistrationSource>>>>,
}

impl RawGeneration {
    /// The keys that are present, each with its place.
    pub(in crate::config) fn written(&self) -> Vec<(&'static str, Span)> {
        let span = |key: &'static str, span: Option<&Span>| Some((key, span?.clone()));
        let keys = [
            span("length", self.length.as_ref().map(|at| &at.span)),
            span("prefix", self.prefix.as_ref().map(|at| &at.span)),
            span("suffix", self.suffix.as_ref().map(|at| &at.span)),
            span("offset", self.offset.as_ref().map(|at| &at.span)),
            span("checksum", self.checksum.as_ref().map(|at| &at.span)),
            span("checksum_includes", self.checksum_includes.as_ref().map(|at| &at.span)),
            span("replace", self.replace.as_ref().map(|at| &at.span)),
            span("sources", self.sources.as_ref().map(|at| &at.span)),
        ];
        keys.into_iter().flatten().collect()
    }
}

/// A gate.
#[derive(Debug, Serialize)]
pub(crate) struct RawGate {
    pub(in crate::config) id: Option<Located<Name>>,
    pub(in crate::config) enabled: Option<Located<bool>>,
    pub(in crate::config) directions: Option<Located<Vec<Located<Direction>>>>,
    pub(in crate::config) currencies: Option<Located<Vec<Located<Currency>>>>,
    pub(in crate::config) methods: Option<NameList>,
    pub(in crate::config) min_amount: Option<Located<String>>,
    pub(in crate::config) max_amount: Option<Located<String>>,
    pub(in crate::config) weight: Option<Located<u64>>,
}

/// A route.
#[derive(Debug, Serialize)]
pub(crate) struct RawRoute {
    pub(in crate::config) id: Option<Located<Name>>,
    pub(in crate::config) gates: Option<NameList>,
    pub(in crate::config) routing: Option<Located<RoutingStrategy>>,
}

/// A project.
#[derive(Debug, Serialize)]
pub(crate) struct RawProject {
    pub(in crate::config) id: Option<Located<Name>>,
    pub(in crate::config) client_definition: Option<Located<Vec<Located<PaymentAttribute>>>>,
    pub(in crate::config) endpoints: Vec<RawEndpoint>,
}

/// An endpoint.
#[derive(Debug, Serialize)]
pub(crate) struct RawEndpoint {
    pub(in crate::config) id: Option<Located<Name>>,
    pub(in crate::config) currency: Option<Located<Currency>>,
    pub(in crate::config) gates: Option<NameList>,
    pub(in crate::config) methods: Vec<RawMethod>,
    pub(in crate::config) client_definition: Option<Located<Vec<Located<PaymentAttribute>>>>,
}

/// The largest weight of a gate.
const WEIGHT_MAX: u64 = 1_000_000;

/// The largest `labels_max`.
const LABELS_MAX: u64 = 100;

/// Reads a merchant's file. A wrong value is reported, and its field is `None`.
pub(in crate::config) fn merchant(s: SectionRef<'_, '_>) -> RawMerchant {
    let merchant = RawMerchant {
        id: s.required_name("id", "write id = \"...\" at the top of the file: requests name the merchant by it"),
        name: s.text("name"),
        mode: s.word("operation_mode"),
        default_behaviour: s.word("default_behaviour"),
        time_zone: s.text("time_zone"),
        reset_settings_on_level_change: s.flag("reset_individual_settings_on_level_change"),
        all_projects_to_unknown: s.flag("add_all_projects_to_unknown_level"),
        hold: s.table("hold", "hold").map(|table| hold(&table)).unwrap_or_default(),
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

fn hold(s: SectionRef<'_, '_>) -> RawHold {
    let hold = RawHold { deposit: s.text("deposit"), withdrawal: s.text("withdrawal") };
    s.close();
    hold
}

fn label(s: SectionRef<'_, '_>) -> RawLabel {
    RawLabel {
        name: s.required_name("name", "write name = \"...\": the label of customers"),
        kind: s.word("kind"),
        restrictions: s.names("restrictions"),
    }
}

fn registration(s: SectionRef<'_, '_>) -> RawRegistration {
    let identifier = |key, what| s.table(key, what).map(|table| identifier(&table)).unwrap_or_default();
    let (email, phone) = (identifier("email", "email"), identifier("phone", "phone"));
    let external_id = s.table("external_id", "[registration.external_id]");
    let external_id = external_id.map(|table| external_id_and_generation(&table)).unwrap_or_default();
    let registration = RawRegistration {
        primary_identifier: s.word("primary_identifier"),
        allow_any_identifier: s.flag("allow_any_identifier"),
        email,
        phone,
        external_id,
        strict_primary_check: s.flag("strict_primary_check"),
        skip_secondary: s.flag("skip_secondary_on_primary_mismatch"),
        merge_on_duplicate: s.flag("merge_on_duplicate"),
        from_payments: s.word("from_payments"),
        min_registration_date: s.day_or_instant("min_registration_date"),
        default_country: s.text("default_country"),
    };
    s.close();
    registration
}

fn identifier(s: SectionRef<'_, '_>) -> RawIdentifier {
    let flags =
        RawIdentifier { required: s.flag("required"), unique: s.flag("unique"), allow_update: s.flag("allow_update") };
    s.close();
    flags
}

fn external_id_and_generation(s: SectionRef<'_, '_>) -> RawExternalId {
    let generation = RawGeneration {
        span: s.span.clone(),
        length: s.whole("length", 1..=EXTERNAL_ID_DIGITS_MAX),
        length_written: s.has("length"),
        prefix: s.text("prefix"),
        suffix: s.text("suffix"),
        offset: s.whole("offset", 0..=WHOLE_MAX),
        checksum: s.word("checksum"),
        checksum_includes: s.word("checksum_includes"),
        replace: s.flag("replace"),
        sources: s.words("sources"),
    };
    RawExternalId { flags: identifier(s), generation }
}

fn gate(s: SectionRef<'_, '_>) -> RawGate {
    RawGate {
        id: s.required_name("id", "write id = \"...\": gate lists name the gate by it"),
        enabled: s.flag("enabled"),
        directions: s.words("directions"),
        currencies: s.currencies("currencies"),
        methods: s.names("methods"),
        min_amount: s.decimal("min_amount"),
        max_amount: s.decimal("max_amount"),
        weight: s.whole("weight", 0..=WEIGHT_MAX),
    }
}

fn route(s: SectionRef<'_, '_>) -> RawRoute {
    RawRoute {
        id: s.required_name("id", "write id = \"...\": gate lists name the route by it"),
        gates: s.required_names("gates", "write gates = [\"...\"]: a route is a list of gates"),
        routing: s.word("routing"),
    }
}

fn project(s: SectionRef<'_, '_>) -> RawProject {
    RawProject {
        id: s.required_name("id", "write id = \"...\": requests name the project by it"),
        client_definition: s.words("client_definition"),
        endpoints: each(s, "endpoints", "an endpoint", endpoint),
    }
}

fn endpoint(s: SectionRef<'_, '_>) -> RawEndpoint {
    RawEndpoint {
        id: s.required_name("id", "write id = \"...\": requests name the endpoint by it"),
        currency: s.required_currency("currency"),
        gates: s.required_names("gates", "write gates = [\"...\"]: the gates of payments through this endpoint"),
        methods: each(s, "methods", "a payment method", method),
        client_definition: s.words("client_definition"),
    }
}
