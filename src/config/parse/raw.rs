//! The raw values of a merchant's file: every value with its place, references not resolved.

use crate::config::{
    parse::{
        located::Located,
        raise_not_before::RaiseNotBefore,
        raw_level::{NameList, RawLevel, RawMethod, SectionRef, each, level, method},
        section::WHOLE_MAX,
    },
    report::source::Span,
    schema::{
        amounts::DecimalText,
        described,
        texts::{AddressText, DurationText, SentenceText, TimeText},
    },
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
    vocabulary::{attributes::PaymentAttribute, direction::Direction, money::Currency, names::Name},
};
use schemars::JsonSchema;
use serde::Serialize;

described! {
    /// The name of a time zone of the IANA database.
    TimeZoneText { "type": "string", "maxLength": 64, "examples": ["Europe/Nicosia"] }

    /// A country by its two letters of ISO 3166-1.
    CountryText { "type": "string", "pattern": "^[A-Z]{2}$", "maxLength": 2, "examples": ["CY"] }

    /// The beginning or the end of generated ids.
    AffixText { "type": "string", "maxLength": 50, "examples": ["1112"] }
}

/// A merchant. Its document has the same keys, in this order.
///
/// `L` is a level: an entry of the file, or a level with more members in a document.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RawMerchant<L = RawLevel> {
    /// The id of the merchant.
    pub(in crate::config) id: Option<Located<Name>>,
    /// The name for people.
    #[schemars(with = "Option<SentenceText>")]
    pub(in crate::config) name: Option<Located<String>>,
    /// How payments name customers.
    #[serde(rename = "operation_mode")]
    pub(in crate::config) mode: Option<Located<OperationMode>>,
    /// The behaviour where no level is configured.
    pub(in crate::config) default_behaviour: Option<Located<DefaultBehaviour>>,
    /// The IANA time zone of days, weeks and months.
    #[schemars(with = "Option<TimeZoneText>")]
    pub(in crate::config) time_zone: Option<Located<String>>,
    /// Whether a change of the level removes individual settings.
    #[serde(rename = "reset_individual_settings_on_level_change")]
    pub(in crate::config) reset_settings_on_level_change: Option<Located<bool>>,
    /// Whether every project belongs to the level `unknown`.
    #[serde(rename = "add_all_projects_to_unknown_level")]
    pub(in crate::config) all_projects_to_unknown: Option<Located<bool>>,
    /// How long reservations are held.
    pub(in crate::config) hold: RawHold,
    /// Whether refunds give usage back.
    pub(in crate::config) refunds: Option<Located<RefundPolicy>>,
    /// Whether a hidden method denies payments.
    pub(in crate::config) hidden_methods: Option<Located<HiddenMethodPolicy>>,
    /// Whether blocks by tokens for some merchants apply everywhere.
    pub(in crate::config) trust_blocks: Option<Located<bool>>,
    /// Whether transaction ids are long numbers, which are not checked for card numbers.
    pub(in crate::config) numeric_ids: Option<Located<bool>>,
    /// Whether the merchant is for `levelgate bench` alone.
    pub(in crate::config) benchmark: Option<Located<bool>>,
    /// Whether it is a test merchant.
    pub(in crate::config) sandbox: Option<Located<bool>>,
    /// Whether identifiers are stored sealed.
    pub(in crate::config) seal_identifiers: Option<Located<bool>>,
    /// The registration of customers.
    pub(in crate::config) registration: RawRegistration,
    /// The labels of customers; new customers get the first one.
    pub(in crate::config) labels: Vec<RawLabel>,
    /// The most labels of a customer.
    pub(in crate::config) labels_max: Option<Located<u64>>,
    /// How long a raise of a customer's own limit waits.
    #[schemars(with = "Option<DurationText>")]
    pub(in crate::config) raise_delay: Option<Located<String>>,
    /// Whether a raise takes effect only after it is confirmed.
    pub(in crate::config) raise_confirm: Option<Located<bool>>,
    /// How long a raise can be confirmed. `null`: the key is not set.
    #[schemars(with = "Option<DurationText>")]
    pub(in crate::config) confirm_within: Option<Located<String>>,
    /// The period that a raise waits for as well. `null`: the key is not set.
    pub(in crate::config) raise_not_before: Option<Located<RaiseNotBefore>>,
    /// How long after a deletion request personal data is erased.
    #[schemars(with = "Option<DurationText>")]
    pub(in crate::config) deletion_grace: Option<Located<String>>,
    /// The template of `terminal_url` of customers. `null`: the key is not set.
    #[schemars(with = "Option<AddressText>")]
    pub(in crate::config) terminal_url: Option<Located<String>>,
    /// The gates.
    pub(in crate::config) gates: Vec<RawGate>,
    /// The routes: named lists of gates.
    pub(in crate::config) routes: Vec<RawRoute>,
    /// The projects.
    pub(in crate::config) projects: Vec<RawProject>,
    /// The levels.
    pub(in crate::config) levels: Vec<L>,
}

/// How long reservations are held.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "Hold")]
pub(crate) struct RawHold {
    /// Of deposits: a duration, or `never`.
    #[schemars(with = "Option<DurationText>")]
    pub(in crate::config) deposit: Option<Located<String>>,
    /// Of withdrawals: a duration, or `never`.
    #[schemars(with = "Option<DurationText>")]
    pub(in crate::config) withdrawal: Option<Located<String>>,
}

/// A label.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Label")]
pub(crate) struct RawLabel {
    /// The label.
    pub(in crate::config) name: Option<Located<Name>>,
    /// The kind of the label.
    pub(in crate::config) kind: Option<Located<LabelKind>>,
    /// What the label forbids, or a name that other systems enforce.
    pub(in crate::config) restrictions: Option<NameList>,
}

/// The registration of customers.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "Registration")]
pub(crate) struct RawRegistration {
    /// The identifier by which customers are registered.
    pub(in crate::config) primary_identifier: Option<Located<Identifier>>,
    /// Whether any identifier is enough.
    pub(in crate::config) allow_any_identifier: Option<Located<bool>>,
    /// The rules of e-mail addresses.
    pub(in crate::config) email: RawIdentifier,
    /// The rules of phone numbers.
    pub(in crate::config) phone: RawIdentifier,
    /// The rules of external ids, and how they are generated.
    pub(in crate::config) external_id: RawExternalId,
    /// Whether a secondary identifier of another customer is refused.
    pub(in crate::config) strict_primary_check: Option<Located<bool>>,
    /// Whether a secondary identifier of another customer is left out.
    #[serde(rename = "skip_secondary_on_primary_mismatch")]
    pub(in crate::config) skip_secondary: Option<Located<bool>>,
    /// Whether a duplicate is merged with the known customer.
    pub(in crate::config) merge_on_duplicate: Option<Located<bool>>,
    /// Whether payments register customers.
    pub(in crate::config) from_payments: Option<Located<PaymentRegistration>>,
    /// The earliest registration. `null`: the key is not set.
    #[schemars(with = "Option<TimeText>")]
    pub(in crate::config) min_registration_date: Option<Located<String>>,
    /// The country of phone numbers without a country code. `null`: the key is not set.
    #[schemars(with = "Option<CountryText>")]
    pub(in crate::config) default_country: Option<Located<String>>,
}

/// The flags of an identifier.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "IdentifierRules")]
pub(crate) struct RawIdentifier {
    /// Whether it is required.
    pub(in crate::config) required: Option<Located<bool>>,
    /// Whether it is unique.
    pub(in crate::config) unique: Option<Located<bool>>,
    /// Whether it can be changed.
    pub(in crate::config) allow_update: Option<Located<bool>>,
}

/// The table `external_id`: the flags of the identifier, and how external ids are generated.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "ExternalIdRules")]
pub(crate) struct RawExternalId {
    /// The rules.
    #[serde(flatten)]
    pub(in crate::config) flags: RawIdentifier,
    /// How ids are generated.
    #[serde(flatten)]
    pub(in crate::config) generation: RawGeneration,
}

/// How external ids are generated.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "ExternalIdGeneration")]
pub(crate) struct RawGeneration {
    #[serde(skip)]
    pub(in crate::config) span: Span,
    /// The number of digits of generated ids. `null`: none are generated.
    pub(in crate::config) length: Option<Located<u64>>,
    /// Whether the key is present, valid or not.
    #[serde(skip)]
    pub(in crate::config) length_written: bool,
    /// The beginning of generated ids. `null`: the key is not set.
    #[schemars(with = "Option<AffixText>")]
    pub(in crate::config) prefix: Option<Located<String>>,
    /// The end of generated ids. `null`: the key is not set.
    #[schemars(with = "Option<AffixText>")]
    pub(in crate::config) suffix: Option<Located<String>>,
    /// The first number. `null`: the key is not set.
    pub(in crate::config) offset: Option<Located<u64>>,
    /// The check digit. `null`: the key is not set.
    pub(in crate::config) checksum: Option<Located<Checksum>>,
    /// What the check digit covers. `null`: the key is not set.
    pub(in crate::config) checksum_includes: Option<Located<ChecksumIncludes>>,
    /// Whether generated ids replace sent ones. `null`: the key is not set.
    pub(in crate::config) replace: Option<Located<bool>>,
    /// The registrations for which ids are generated. `null`: all.
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
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Gate")]
pub(crate) struct RawGate {
    /// The id of the gate.
    pub(in crate::config) id: Option<Located<Name>>,
    /// Whether it takes payments.
    pub(in crate::config) enabled: Option<Located<bool>>,
    /// The directions. `null`: both.
    pub(in crate::config) directions: Option<Located<Vec<Located<Direction>>>>,
    /// The currencies. `null`: all.
    pub(in crate::config) currencies: Option<Located<Vec<Located<Currency>>>>,
    /// The payment methods. `null`: all.
    pub(in crate::config) methods: Option<NameList>,
    /// The smallest amount, in the currency of the payment. `null`: the key is not set.
    #[schemars(with = "Option<DecimalText>")]
    pub(in crate::config) min_amount: Option<Located<String>>,
    /// The largest amount, in the currency of the payment. `null`: the key is not set.
    #[schemars(with = "Option<DecimalText>")]
    pub(in crate::config) max_amount: Option<Located<String>>,
    /// The weight for `weighted` routing.
    pub(in crate::config) weight: Option<Located<u64>>,
}

/// A route.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Route")]
pub(crate) struct RawRoute {
    /// The id of the route.
    pub(in crate::config) id: Option<Located<Name>>,
    /// Its gates.
    pub(in crate::config) gates: Option<NameList>,
    /// The order of its gates.
    pub(in crate::config) routing: Option<Located<RoutingStrategy>>,
}

/// A project.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Project")]
pub(crate) struct RawProject {
    /// The id of the project.
    pub(in crate::config) id: Option<Located<Name>>,
    /// The attributes that recognise customers, in their order.
    pub(in crate::config) client_definition: Option<Located<Vec<Located<PaymentAttribute>>>>,
    /// Its endpoints.
    pub(in crate::config) endpoints: Vec<RawEndpoint>,
}

/// An endpoint.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Endpoint")]
pub(crate) struct RawEndpoint {
    /// The id of the endpoint.
    pub(in crate::config) id: Option<Located<Name>>,
    /// Its currency.
    pub(in crate::config) currency: Option<Located<Currency>>,
    /// Its gates and routes.
    pub(in crate::config) gates: Option<NameList>,
    /// The settings of its payment methods.
    pub(in crate::config) methods: Vec<RawMethod>,
    /// The attributes that recognise customers, in their order.
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
        benchmark: s.flag("benchmark"),
        sandbox: s.flag("sandbox"),
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
