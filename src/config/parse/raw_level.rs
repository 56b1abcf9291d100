//! The raw values of a level: of an entry in a merchant's file, of a request's body, and of the document that shows the
//! level. Every value has its place, references are not resolved.

use crate::config::{
    parse::{
        level_entry::LevelEntry,
        located::Located,
        section::{Section, WHOLE_MAX},
    },
    report::source::Span,
    schema::{
        amounts::{AmountText, ShareText},
        described,
        texts::WindowText,
    },
};
use crate::domain::{
    rules::{filter::FilterMode, gates::RoutingStrategy, level::LevelKey},
    vocabulary::{calendar::WeekStart, direction::Direction, money::Currency, names::Name, words::Word},
};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

/// The `status` of a level.
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

/// The length of a rolling month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum MonthSpan {
    ThirtyDays,
    SameDay,
}

impl Word for MonthSpan {
    const WORDS: &'static [(&'static str, Self)] = &[("30d", Self::ThirtyDays), ("same_day", Self::SameDay)];
}

/// A list of names with their places.
pub(in crate::config) type NameList = Located<Vec<Located<Name>>>;

/// The projects of a level.
#[derive(Debug)]
pub(crate) enum RawProjects {
    /// `"all"`: every one.
    All,
    /// These.
    Listed(NameList),
}

impl Serialize for RawProjects {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str(ALL_PROJECTS),
            Self::Listed(listed) => listed.serialize(serializer),
        }
    }
}

described! {
    /// The projects of a level: their names, or `all`.
    ProjectsText {
        "anyOf": [
            { "type": "string", "const": "all" },
            { "type": "array", "items": { "type": "string", "minLength": 1, "maxLength": 128 }, "maxItems": 4_294_967_295_u64 }
        ],
        "examples": [["web"]]
    }
}

/// The word for every project.
const ALL_PROJECTS: &str = "all";

/// The settings of a payment method, of an endpoint, a level or a customer.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "MethodSettings")]
pub(crate) struct RawMethod {
    /// The payment method.
    pub(in crate::config) method: Option<Located<Name>>,
    /// Whether payment forms show the method. `null`: the settings below apply.
    pub(in crate::config) show_in_form: Option<Located<bool>>,
    /// The smallest amount. `null`: the settings below apply.
    #[schemars(with = "Option<AmountText>")]
    pub(in crate::config) min_amount: Option<Located<String>>,
    /// The largest amount. `null`: the settings below apply.
    #[schemars(with = "Option<AmountText>")]
    pub(in crate::config) max_amount: Option<Located<String>>,
    /// The gates and routes of the method. `null`: the settings below apply.
    pub(in crate::config) gates: Option<NameList>,
}

/// A level. The document has the same keys, in this order.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LevelSettings")]
pub(crate) struct RawLevel {
    #[serde(skip)]
    pub(in crate::config) span: Span,
    /// The keys of the entry without its identity (name, direction, currency), as JSON.
    #[serde(skip)]
    pub(in crate::config) body: String,
    /// The name of the level.
    pub(in crate::config) name: Option<Located<Name>>,
    /// The direction of payments.
    pub(in crate::config) direction: Option<Located<Direction>>,
    /// The currency of payments.
    pub(in crate::config) currency: Option<Located<Currency>>,
    /// Whether the level applies to payments.
    pub(in crate::config) status: Option<Located<Status>>,
    /// The projects to which it applies, or `all`.
    #[schemars(with = "Option<ProjectsText>")]
    pub(in crate::config) projects: Option<RawProjects>,
    /// The settings of payment methods, which override those of the endpoint.
    pub(in crate::config) methods: Vec<RawMethod>,
    /// The gates and routes of the level. `null`: those of the endpoint.
    pub(in crate::config) gates: Option<NameList>,
    /// The order of the gates. `null`: `priority`.
    pub(in crate::config) routing: Option<Located<RoutingStrategy>>,
    /// The usage limits of the level.
    pub(in crate::config) filters: Vec<RawFilter>,
}

/// A filter of a level or of a customer's own limits. The document has the same keys, in this order.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Filter")]
pub(crate) struct RawFilter {
    #[serde(skip)]
    pub(in crate::config) span: Span,
    /// The name of the filter, unique in its list; the window by default.
    pub(in crate::config) name: Option<Located<Name>>,
    /// The window.
    #[schemars(with = "Option<WindowText>")]
    pub(in crate::config) window: Option<Located<String>>,
    /// The most that can pass in the window. `null`: unlimited; zero blocks.
    #[schemars(with = "Option<AmountText>")]
    pub(in crate::config) amount_limit: Option<Located<String>>,
    /// The most transactions in the window. `null`: unlimited; zero blocks.
    pub(in crate::config) quantity_limit: Option<Located<u64>>,
    /// Whether the window is aligned to the calendar in the merchant's time zone; otherwise it rolls.
    pub(in crate::config) calendar: Option<Located<bool>>,
    /// The first day of a calendar week. `null`: the window is no calendar week.
    pub(in crate::config) week_starts_on: Option<Located<WeekStart>>,
    /// The length of a rolling month. `null`: the window is no rolling month.
    pub(in crate::config) month: Option<Located<MonthSpan>>,
    /// Whether it counts all levels and currencies of the merchant.
    pub(in crate::config) for_all_merchant_currencies: Option<Located<bool>>,
    /// Whether cancelled amounts no longer count.
    #[serde(rename = "subtract_cancel_transactions")]
    pub(in crate::config) subtract_cancels: Option<Located<bool>>,
    /// Whether it denies payments, is evaluated only, or is off.
    pub(in crate::config) mode: Option<Located<FilterMode>>,
    /// The share of the limit at which an allowed payment is reported. `null`: none.
    #[schemars(with = "Option<ShareText>")]
    pub(in crate::config) warn_at: Option<Located<String>>,
}

/// A table that is read.
pub(in crate::config) type SectionRef<'s, 'd> = &'s Section<'d>;

/// Reads all tables of the key. Reports the unknown keys of each.
pub(in crate::config) fn each<T>(
    s: SectionRef<'_, '_>,
    key: &'static str,
    what: &'static str,
    read: fn(SectionRef<'_, '_>) -> T,
) -> Vec<T> {
    let of = |section: &Section<'_>| {
        let entry = read(section);
        section.close();
        entry
    };
    s.tables(key, what).iter().map(of).collect()
}

/// Reads the settings of a payment method.
pub(in crate::config) fn method(s: SectionRef<'_, '_>) -> RawMethod {
    RawMethod {
        method: s.required_name("method", "write the payment method, such as method = \"card\""),
        show_in_form: s.flag("show_in_form"),
        min_amount: s.decimal("min_amount"),
        max_amount: s.decimal("max_amount"),
        gates: s.names("gates"),
    }
}

/// Reads a level of a merchant's file.
pub(in crate::config) fn level(s: SectionRef<'_, '_>) -> RawLevel {
    let name = s.required_name("name", "write name = \"...\": the level of customers");
    let (direction, currency) = (s.required_word("direction"), s.required_currency("currency"));
    RawLevel { name, direction, currency, ..level_body(s) }
}

impl RawLevel {
    /// The projects that are listed one by one.
    pub(in crate::config) fn listed_projects(&self) -> Option<&NameList> {
        match self.projects.as_ref()? {
            RawProjects::All => None,
            RawProjects::Listed(listed) => Some(listed),
        }
    }

    /// The entry, if its name, direction and currency are known.
    pub(in crate::config) fn entry(self, merchant: Name) -> Option<LevelEntry> {
        let (direction, currency, name) = (self.direction?.value, self.currency?.value, self.name?.value);
        Some(LevelEntry { key: LevelKey { merchant, direction, currency, name }, body: self.body })
    }
}

/// Reads a level without its name, direction and currency.
pub(in crate::config) fn level_body(s: SectionRef<'_, '_>) -> RawLevel {
    RawLevel {
        span: s.span.clone(),
        body: s.json(&["name", "direction", "currency"]),
        name: None,
        direction: None,
        currency: None,
        status: s.word("status"),
        projects: projects(s),
        methods: each(s, "methods", "a payment method", method),
        gates: s.names("gates"),
        routing: s.word("routing"),
        filters: each(s, "filters", "a filter", filter),
    }
}

fn projects(s: SectionRef<'_, '_>) -> Option<RawProjects> {
    if s.is_text("projects", ALL_PROJECTS) {
        s.accept(&["projects"]);
        return Some(RawProjects::All);
    }
    s.names("projects").map(RawProjects::Listed)
}

/// Reads a filter.
pub(in crate::config) fn filter(s: SectionRef<'_, '_>) -> RawFilter {
    RawFilter {
        span: s.span.clone(),
        name: s.name("name"),
        window: s.required_text("window", "write a window, such as window = \"daily\""),
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
