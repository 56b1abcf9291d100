//! Loading a folder: what the files mean.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use crate::config::{
    Loaded, load,
    report::problem::{Problems, Severity, Style},
};
use crate::domain::{
    rules::{
        filter::{Filter, FilterMode, FilterScope, WindowClass},
        gates::{GateItem, RoutingStrategy},
        labels::{LabelKind, Restriction},
        level::ProjectList,
        merchant::{DefaultBehaviour, HiddenMethodPolicy, Merchant, OperationMode, RefundPolicy},
        raise_policy::RaisePolicy,
        registration::{identifier::RegistrationSource, policy::RegistrationPolicy},
    },
    vocabulary::{
        attributes::Attribute,
        calendar::{WeekStart, Window},
        direction::Direction,
        money::{Currency, Decimal},
        names::Name,
        time::{DAY_MS, Millis},
    },
};
use std::fs;

mod customers;
mod files;
mod losses;
mod overrides;

const SAMPLE: [(&str, &str); 4] = [
    ("levelgate.toml", include_str!("../../config/levelgate.toml")),
    ("rates.toml", include_str!("../../config/rates.toml")),
    ("merchants/acme.toml", include_str!("../../config/merchants/acme.toml")),
    ("merchants/globex.toml", include_str!("../../config/merchants/globex.toml")),
];

/// A merchant with one endpoint in EUR and a gate for it. Tests append to it.
const MERCHANT: &str = r#"id = "m"
operation_mode = "payment_gateway"
[[gates]]
id = "g"
[[projects]]
id = "p"
[[projects.endpoints]]
id = "e"
currency = "EUR"
gates = ["g"]
[[projects.endpoints.methods]]
method = "card"
min_amount = "5"
max_amount = "100"
"#;

/// A level of that merchant. Tests append keys and filters.
const LEVEL: &str = "[[levels]]\nname = \"gold\"\ndirection = \"deposit\"\ncurrency = \"EUR\"\nprojects = [\"p\"]\n";

fn load_files<'f>(files: impl IntoIterator<Item = (&'f str, impl AsRef<[u8]>)>) -> Result<Loaded, Problems> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("merchants")).unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    load(folder.path())
}

fn load_merchant(text: &str) -> Result<Loaded, Problems> {
    load_files([("merchants/m.toml", text)])
}

fn merchant(loaded: &Loaded, id: &str) -> std::sync::Arc<Merchant> {
    std::sync::Arc::clone(loaded.rules.merchant(id).unwrap())
}

/// The problems, one text each: line, severity, message.
fn problem_texts(loaded: Result<Loaded, Problems>) -> Vec<String> {
    let problems = loaded.map_or_else(|problems| problems.list, |loaded| loaded.warnings);
    problems.iter().map(|p| format!("{} {:?}: {}", p.line, p.severity, p.message)).collect()
}

fn eur() -> Currency {
    Currency::parse("EUR").unwrap()
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

#[test]
fn the_sample_is_valid_without_warnings_and_has_the_described_meaning() {
    let loaded = load_files(SAMPLE).unwrap_or_else(|problems| panic!("{}", problems.render(Style::Plain)));
    assert_eq!(loaded.warnings, [], "{}", super::report::problem::render(&loaded.warnings, Style::Plain));
    let acme = merchant(&loaded, "acme");
    assert_eq!((acme.mode, acme.default_behaviour), (OperationMode::Crm, DefaultBehaviour::UnknownLevel));
    assert_eq!((acme.calendar.name(), acme.hold_ms), ("Europe/Nicosia", [Some(3_600_000), Some(7 * DAY_MS)]));
    assert!(acme.reset_settings_on_level_change && acme.all_projects_to_unknown);
    let eur_endpoints = acme.projects.iter().flat_map(|p| &p.endpoints).filter(|e| e.currency == eur()).count();
    assert_eq!(eur_endpoints, 1, "requests may omit project and endpoint");
    let gold = acme.level(Direction::Deposit, eur(), name("gold")).unwrap();
    assert_eq!(gold.gates.as_deref(), Some([GateItem::Gate(1), GateItem::Gate(0)].as_slice()));
    assert_eq!((gold.methods[0].min_amount, gold.methods[0].max_amount), (None, Some(500_000)));
    let windows: Vec<Window> = gold.filters.iter().map(|filter| filter.window).collect();
    assert_eq!(windows, [Window::Day, Window::Week(WeekStart::Sunday), Window::Month, Window::Rolling(90 * DAY_MS)]);
    assert_eq!(acme.level(Direction::Deposit, eur(), name("unknown")).unwrap().projects, ProjectList::All);
    let labels: Vec<(&str, LabelKind)> = acme.labels.iter().map(|label| (label.name.as_str(), label.kind)).collect();
    assert_eq!(labels[..2], [("regular", LabelKind::Active), ("vip", LabelKind::Active)]);
    assert_eq!(acme.labels[1].restrictions, [name("block_level_change"), name("personal_manager")]);
    assert!(acme.label(name("gone")).is_some_and(|gone| gone.forbids(Restriction::BlockDeposits)));
    let registration = &acme.registration;
    assert_eq!(registration.min_registration_date, Millis::parse("2019-12-31T22:00:00Z"), "midnight in Nicosia");
    assert!(registration.email.unique && registration.phone.unique && registration.phone.allow_update);
    let ids = registration.external_ids.as_ref().unwrap();
    assert_eq!(ids.nth(0).as_deref(), Ok("111200000030004"));
    assert!(ids.covers_source(RegistrationSource::Import) && !ids.covers_source(RegistrationSource::Payment));
    let app = &acme.project("app").unwrap().endpoints[0];
    assert_eq!(app.client_definition, [Attribute::Phone], "the endpoint's value replaces the project's");
    let globex = merchant(&loaded, "globex");
    assert_eq!((globex.hold_ms, globex.refunds), ([Some(1_800_000), None], RefundPolicy::Original));
    assert_eq!(globex.hidden_methods, HiddenMethodPolicy::HideOnly);
    assert_eq!(globex.projects[0].endpoints[2].methods[0].min_amount, Some(3_500), "three digits of KWD");
    assert_eq!(loaded.rules.rates.as_of, Millis::parse("2026-11-20T00:00:00Z"));
    assert_eq!(loaded.settings, super::daemon::settings::Settings::default(), "the sample shows the defaults");
}

#[test]
fn absent_keys_have_the_documented_defaults() {
    let loaded =
        load_merchant(&format!("{MERCHANT}{LEVEL}").replace("operation_mode = \"payment_gateway\"\n", "")).unwrap();
    assert_eq!(loaded.settings, super::daemon::settings::Settings::default());
    let m = merchant(&loaded, "m");
    assert_eq!((m.name.as_str(), m.mode, m.calendar.name()), ("m", OperationMode::Crm, "UTC"));
    assert_eq!((m.default_behaviour, m.refunds), (DefaultBehaviour::UnknownLevel, RefundPolicy::None));
    assert_eq!((m.hidden_methods, m.hold_ms), (HiddenMethodPolicy::Deny, [Some(3_600_000), Some(7 * DAY_MS)]));
    assert!(!m.reset_settings_on_level_change && !m.all_projects_to_unknown && !m.trust_blocks);
    let gate = &m.gates[0];
    assert!(gate.enabled && gate.directions.is_none() && gate.currencies.is_none() && gate.methods.is_none());
    assert_eq!((gate.weight, gate.min_amount, gate.max_amount), (1, None, None));
    let level = &m.levels[0];
    assert!(level.active && level.gates.is_none() && level.routing.is_none() && level.filters.is_empty());
    assert!(m.projects[0].endpoints[0].client_definition.is_empty());
    assert_eq!((m.labels.as_slice(), m.labels_max, m.terminal_url.as_deref()), ([].as_slice(), 10, None));
    let raises = RaisePolicy { delay_ms: DAY_MS, confirm_within_ms: None, waits_for_period_end: false };
    assert_eq!((m.raises, m.deletion_grace_ms), (raises, 30 * DAY_MS));
    assert_eq!(m.registration, RegistrationPolicy::default());
}

#[test]
fn tokens_have_names() {
    let names = |tokens: &str| -> Vec<String> {
        let settings = load_files([("levelgate.toml", format!("[auth]\ntokens = [{tokens}]\n"))]).unwrap().settings;
        settings.auth.tokens.iter().map(|token| token.name.to_string()).collect()
    };
    let token = |more: &str| format!("{{ role = \"viewer\", {more} }},");
    let three = [
        token("token_file = \"/etc/back office.token\""),
        token("token_file = \"b/x.token\", name = \"y\""),
        token("token_file = \"x\""),
    ];
    assert_eq!(names(&three.concat()), ["back office", "y", "x"]);
}

#[test]
fn every_window_is_compiled_to_its_span_and_its_codes() {
    use WindowClass::{Daily, Monthly, Other, Weekly};
    for (written, class, window, shown) in [
        ("window = \"daily\"", Daily, Window::Rolling(DAY_MS), "daily"),
        ("window = \"daily\"\ncalendar = true", Daily, Window::Day, "daily"),
        ("window = \"weekly\"\ncalendar = false", Weekly, Window::Rolling(7 * DAY_MS), "weekly"),
        ("window = \"weekly\"\ncalendar = true", Weekly, Window::Week(WeekStart::Monday), "weekly"),
        (
            "window = \"weekly\"\ncalendar = true\nweek_starts_on = \"sunday\"",
            Weekly,
            Window::Week(WeekStart::Sunday),
            "weekly",
        ),
        ("window = \"monthly\"", Monthly, Window::Rolling(30 * DAY_MS), "monthly"),
        ("window = \"monthly\"\nmonth = \"30d\"", Monthly, Window::Rolling(30 * DAY_MS), "monthly"),
        ("window = \"monthly\"\nmonth = \"same_day\"", Monthly, Window::RollingMonth, "monthly"),
        ("window = \"monthly\"\ncalendar = true", Monthly, Window::Month, "monthly"),
        ("window = \"45m\"", Other, Window::Rolling(2_700_000), "45m"),
        ("window = \"24h\"", Other, Window::Rolling(DAY_MS), "24h"),
        ("window = \"lifetime\"\nname = \"trial\"", Other, Window::Lifetime, "trial"),
    ] {
        let text = format!("{MERCHANT}{LEVEL}[[levels.filters]]\n{written}\nquantity_limit = 1\n");
        let loaded = load_merchant(&text).unwrap_or_else(|problems| panic!("{written}: {problems}"));
        let filter = &merchant(&loaded, "m").levels[0].filters[0];
        assert_eq!((filter.class, filter.window, filter.name.as_str()), (class, window, shown), "{written}");
    }
}

#[test]
fn the_options_of_a_filter_are_compiled() {
    let text = format!(
        "{MERCHANT}{LEVEL}[[levels.filters]]\nwindow = \"daily\"\namount_limit = 0\nwarn_at = \"99.5%\"\nmode = \"shadow\"
        for_all_merchant_currencies = true\nsubtract_cancel_transactions = true\n[[levels.filters]]\nwindow = \"weekly\"\namount_limit = \"1.5\"\n"
    );
    let filters = |loaded: &Loaded| -> Vec<Filter> { merchant(loaded, "m").levels[0].filters.clone() };
    let filters = filters(&load_merchant(&text).unwrap());
    let (first, second) = (&filters[0], &filters[1]);
    assert_eq!((first.amount_limit, first.quantity_limit, first.warn_at), (Some(0), None, Some(9_950)));
    assert_eq!((first.mode, first.scope, first.subtract_cancels), (FilterMode::Shadow, FilterScope::Merchant, true));
    assert_eq!((second.amount_limit, second.mode, second.scope), (Some(150), FilterMode::Enforce, FilterScope::Level));
    assert!(!second.subtract_cancels && second.warn_at.is_none());
}

#[test]
fn routes_gates_and_rates_are_compiled() {
    let text = MERCHANT
        .replace("[[gates]]\n", "[[gates]]\nmin_amount = \"0.5\"\nweight = 7\ndirections = [\"deposit\"]\n")
        + "gates = [\"r\"]\n[[routes]]\nid = \"r\"\ngates = [\"g\"]\nrouting = \"weighted\"\n";
    let rates = "base = \"EUR\"\nas_of = \"2026-11-20T02:00:00+02:00\"\nmax_age = \"24h\"\nrates = { USD = \"1.10\", JPY = 160 }\n";
    let loaded = load_files([("merchants/m.toml", text.as_str()), ("rates.toml", rates)]).unwrap();
    let m = merchant(&loaded, "m");
    assert_eq!((m.routes[0].gates.as_slice(), m.routes[0].routing), ([0].as_slice(), RoutingStrategy::Weighted));
    assert_eq!(m.projects[0].endpoints[0].methods[0].gates.as_deref(), Some([GateItem::Route(0)].as_slice()));
    assert_eq!((m.gates[0].min_amount, m.gates[0].weight), (Decimal::parse("0.5").ok(), 7));
    assert_eq!(m.gates[0].directions.as_deref(), Some([Direction::Deposit].as_slice()));
    let rates = &loaded.rules.rates;
    assert_eq!((rates.base, rates.max_age_ms), (Some(eur()), Some(DAY_MS)));
    assert_eq!(rates.as_of, Millis::parse("2026-11-20T00:00:00Z"));
    assert_eq!(rates.rates[&Currency::parse("JPY").unwrap()], Decimal::parse("160").unwrap());
}

#[test]
fn minor_units_are_overridden_before_any_amount_is_read() {
    let text =
        format!("{MERCHANT}{LEVEL}").replace("EUR", "XTS").replace("min_amount = \"5\"", "min_amount = \"5.1234\"");
    let settings = "[currencies]\nXTS = 4\n";
    let loaded = load_files([("merchants/m.toml", text.as_str()), ("levelgate.toml", settings)]).unwrap();
    assert_eq!(merchant(&loaded, "m").projects[0].endpoints[0].methods[0].min_amount, Some(51_234));
}

#[test]
fn the_version_depends_on_merchants_and_rates_only() {
    let version = |edits: &[(&str, &str)]| {
        let files = SAMPLE
            .map(|(name, text)| (name, text.to_owned() + edits.iter().find(|(n, _)| *n == name).map_or("", |e| e.1)));
        let loaded = load_files(files).unwrap();
        (loaded.rules.version.clone(), loaded.rules.rates.version.clone())
    };
    let plain = version(&[]);
    assert_eq!((plain.0.len(), plain.1.len()), (16, 16));
    assert_eq!(version(&[("levelgate.toml", "# x\n")]), plain);
    let rates = version(&[("rates.toml", "# x\n")]);
    assert!(rates.0 != plain.0 && rates.1 != plain.1);
    let merchant = version(&[("merchants/acme.toml", "# x\n")]);
    assert!(merchant.0 != plain.0 && merchant.1 == plain.1);
}

#[test]
fn the_archive_keeps_transactions_for_at_least_as_long_as_memory() {
    let load = |memory: &str| {
        let memory = format!("[memory]\n{memory}");
        load_files([("merchants/m.toml", MERCHANT), ("levelgate.toml", &memory)])
    };
    for (memory, days) in [("", 400), ("retention_days = 40\narchive_days = 40", 40), ("retention_days = 401", 401)] {
        assert_eq!(load(memory).unwrap().settings.memory.archive_days, days, "{memory}");
    }
    for below in ["retention_days = 41\narchive_days = 40", "archive_days = 39"] {
        let problems = load(below).map(|_| below).unwrap_err();
        let texts: String = problems.list.iter().map(ToString::to_string).collect();
        assert!(texts.contains("is less than `retention_days"), "{texts}");
    }
}
