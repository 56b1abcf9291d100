//! The door as a whole: what the files mean, what is said about them, and that no file can make it panic.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use super::{Loaded, Problems, Severity, Style, changed_minor_units, incompatible, load};
use crate::domain::{
    calendar::{WeekStart, Window},
    common::Common,
    external_id::{Checksum, ChecksumIncludes},
    labels::{LabelKind, Restriction},
    money::{Currencies, Currency, Decimal},
    name::Name,
    overlay::{LevelKey, Origin, Overlay},
    registration::{Identifier, IdentifierRule, Registration, Source},
    rules::{
        Attribute, DefaultBehaviour, Direction, Filter, GateItem, HiddenMethods, Merchant, Mode, OperationMode,
        Projects, Refunds, Routing, Scope, WindowClass,
    },
    time::{DAY_MS, Millis},
};
use std::{fs, path::Path};

const SAMPLE: [(&str, &str); 4] = [
    ("levelgate.toml", include_str!("../../config/levelgate.toml")),
    ("rates.toml", include_str!("../../config/rates.toml")),
    ("merchants/acme.toml", include_str!("../../config/merchants/acme.toml")),
    ("merchants/globex.toml", include_str!("../../config/merchants/globex.toml")),
];

/// A merchant with one endpoint in EUR and a gate for it; tests add to it.
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

/// A level of that merchant; its keys and filters follow.
const LEVEL: &str = "[[levels]]\nname = \"gold\"\ndirection = \"deposit\"\ncurrency = \"EUR\"\nprojects = [\"p\"]\n";

fn load_files<'f>(files: impl IntoIterator<Item = (&'f str, impl AsRef<[u8]>)>) -> Result<Loaded, Problems> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("merchants")).unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    load(folder.path())
}

#[test]
fn the_archive_keeps_for_no_less_than_memory_does() {
    let load = |memory: &str| {
        let memory = format!("[memory]\n{memory}");
        load_files([("merchants/m.toml", MERCHANT), ("levelgate.toml", &memory)])
    };
    for (memory, days) in [("", 400), ("retention_days = 40\narchive_days = 40", 40), ("retention_days = 401", 401)] {
        assert_eq!(load(memory).unwrap().settings.memory.archive_days, days, "{memory}");
    }
    for below in ["retention_days = 41\narchive_days = 40", "archive_days = 39"] {
        let problems = load(below).map(|_| below).unwrap_err();
        let said: String = problems.list.iter().map(ToString::to_string).collect();
        assert!(said.contains("is less than `retention_days"), "{said}");
    }
}

fn load_merchant(text: &str) -> Result<Loaded, Problems> {
    load_files([("merchants/m.toml", text)])
}

fn merchant(loaded: &Loaded, id: &str) -> std::sync::Arc<Merchant> {
    std::sync::Arc::clone(loaded.rules.merchant(id).unwrap())
}

/// What is said, one line each: line, severity, message.
fn said(loaded: Result<Loaded, Problems>) -> Vec<String> {
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
fn the_sample_is_taken_without_a_word_and_means_what_it_says() {
    let loaded = load_files(SAMPLE).unwrap_or_else(|problems| panic!("{}", problems.render(Style::Plain)));
    assert_eq!(loaded.warnings, [], "{}", super::render(&loaded.warnings, Style::Plain));
    let acme = merchant(&loaded, "acme");
    assert_eq!((acme.mode, acme.default_behaviour), (OperationMode::Crm, DefaultBehaviour::UnknownLevel));
    assert_eq!((acme.calendar.name(), acme.hold_ms), ("Europe/Nicosia", [Some(3_600_000), Some(7 * DAY_MS)]));
    assert!(acme.reset_settings_on_level_change && acme.all_projects_to_unknown);
    let eur_endpoints = acme.projects.iter().flat_map(|p| &p.endpoints).filter(|e| e.currency == eur()).count();
    assert_eq!(eur_endpoints, 1, "so that project and endpoint may be left out");
    let gold = acme.level(Direction::Deposit, eur(), name("gold")).unwrap();
    assert_eq!(gold.gates.as_deref(), Some([GateItem::Gate(1), GateItem::Gate(0)].as_slice()));
    assert_eq!((gold.methods[0].min_amount, gold.methods[0].max_amount), (None, Some(500_000)));
    let windows: Vec<Window> = gold.filters.iter().map(|filter| filter.window).collect();
    assert_eq!(windows, [Window::Day, Window::Week(WeekStart::Sunday), Window::Month, Window::Rolling(90 * DAY_MS)]);
    assert_eq!(acme.level(Direction::Deposit, eur(), name("unknown")).unwrap().projects, Projects::All);
    let labels: Vec<(&str, LabelKind)> = acme.labels.iter().map(|label| (label.name.as_str(), label.kind)).collect();
    assert_eq!(labels[..2], [("regular", LabelKind::Active), ("vip", LabelKind::Active)]);
    assert_eq!(acme.labels[1].restrictions, [name("block_level_change"), name("personal_manager")]);
    assert!(acme.label(name("gone")).is_some_and(|gone| gone.forbids(Restriction::BlockDeposits)));
    let registration = &acme.registration;
    assert_eq!(registration.min_registration_date, Millis::parse("2019-12-31T22:00:00Z"), "midnight in Nicosia");
    assert!(registration.email.unique && registration.phone.unique && registration.phone.allow_update);
    let ids = registration.external_ids.as_ref().unwrap();
    assert_eq!(ids.nth(0).as_deref(), Ok("111200000030004"));
    assert!(ids.made_for(Source::Import) && !ids.made_for(Source::Payment));
    let app = &acme.project("app").unwrap().endpoints[0];
    assert_eq!(app.client_definition, [Attribute::Phone], "the endpoint's own goes before the project's");
    let globex = merchant(&loaded, "globex");
    assert_eq!((globex.hold_ms, globex.refunds), ([Some(1_800_000), None], Refunds::Original));
    assert_eq!(globex.hidden_methods, HiddenMethods::HideOnly);
    assert_eq!(globex.projects[0].endpoints[2].methods[0].min_amount, Some(3_500), "three digits of KWD");
    assert_eq!(loaded.rules.rates.as_of, Millis::parse("2026-11-20T00:00:00Z"));
    assert_eq!(loaded.settings, super::Settings::default(), "the sample shows the defaults");
}

#[test]
fn absent_keys_have_the_documented_defaults() {
    let loaded =
        load_merchant(&format!("{MERCHANT}{LEVEL}").replace("operation_mode = \"payment_gateway\"\n", "")).unwrap();
    assert_eq!(loaded.settings, super::Settings::default());
    let m = merchant(&loaded, "m");
    assert_eq!((m.name.as_str(), m.mode, m.calendar.name()), ("m", OperationMode::Crm, "UTC"));
    assert_eq!((m.default_behaviour, m.refunds), (DefaultBehaviour::UnknownLevel, Refunds::None));
    assert_eq!((m.hidden_methods, m.hold_ms), (HiddenMethods::Deny, [Some(3_600_000), Some(7 * DAY_MS)]));
    assert!(!m.reset_settings_on_level_change && !m.all_projects_to_unknown);
    let gate = &m.gates[0];
    assert!(gate.enabled && gate.directions.is_none() && gate.currencies.is_none() && gate.methods.is_none());
    assert_eq!((gate.weight, gate.min_amount, gate.max_amount), (1, None, None));
    let level = &m.levels[0];
    assert!(level.active && level.gates.is_none() && level.routing.is_none() && level.filters.is_empty());
    assert!(m.projects[0].endpoints[0].client_definition.is_empty());
    assert_eq!((m.labels.as_slice(), m.labels_max, m.terminal_url.as_deref()), ([].as_slice(), 10, None));
    assert_eq!((m.raise_delay_ms, m.deletion_grace_ms), (DAY_MS, 30 * DAY_MS));
    assert_eq!(m.registration, Registration::default());
}

#[test]
fn what_is_said_of_customers_is_compiled() {
    let registration = |text: &str| {
        let loaded =
            load_merchant(&format!("{MERCHANT}{text}")).unwrap_or_else(|problems| panic!("{text}: {problems}"));
        merchant(&loaded, "m").registration.clone()
    };
    let every = registration(
        "[registration]\nprimary_identifier = \"email\"\nallow_any_identifier = true\nstrict_primary_check = true
        min_registration_date = 2020-03-01T00:00:00+02:00\ndefault_country = \"DE\"
        email = { required = true, unique = true, allow_update = false }\nphone.required = true
        [registration.external_id]\nunique = true\nlength = 12\nprefix = \"1234\"\nsuffix = \"3401\"\noffset = 3000",
    );
    assert_eq!(every.primary_identifier, Identifier::Email);
    assert!(every.allow_any_identifier && every.strict_primary_check);
    assert!(!every.skip_secondary_on_primary_mismatch && !every.merge_on_duplicate);
    assert_eq!(every.email, IdentifierRule { required: true, unique: true, allow_update: false });
    assert_eq!(every.phone, IdentifierRule { required: true, unique: false, allow_update: true });
    assert_eq!(every.external_id, IdentifierRule { required: false, unique: true, allow_update: true });
    assert_eq!(every.min_registration_date, Millis::parse("2020-02-29T22:00:00Z"));
    assert_eq!(every.default_country, Some(phonenumber::country::Id::DE));
    let ids = every.external_ids.as_ref().unwrap();
    assert_eq!((ids.nth(0).as_deref(), ids.shape().checksum), (Ok("123430003401"), Checksum::AutoInc));
    assert!(ids.made_for(Source::Payment));
    let other = registration(
        "[registration]\nskip_secondary_on_primary_mismatch = true\nmin_registration_date = \"2020-03-01\"
        external_id = { length = 9, checksum = \"luhn\", checksum_includes = \"prefix\", sources = [\"api\"] }",
    );
    assert!(other.skip_secondary_on_primary_mismatch);
    assert_eq!(other.min_registration_date, Millis::parse("2020-03-01T00:00:00Z"), "midnight in UTC");
    let shape = other.external_ids.as_ref().unwrap().shape();
    assert_eq!((shape.checksum, shape.checksum_includes), (Checksum::Luhn, Some(ChecksumIncludes::Prefix)));
    assert_eq!(shape.sources.as_deref(), Some([Source::Api].as_slice()));
    assert!(registration("[registration]\nmerge_on_duplicate = true\nemail.unique = true").merge_on_duplicate);
    assert_eq!(registration("[registration]"), Registration::default());
}

#[test]
fn delays_labels_and_the_terminal_are_compiled() {
    let top = "labels_max = 100\nraise_delay = \"0s\"\ndeletion_grace = \"2w\"\nterminal_url = \"https://t.example/{merchant}?c={customer_id}\"\n";
    let text = format!(
        "{top}{MERCHANT}[[labels]]\nname = \"vip\"\n[[labels]]\nname = \"gone\"\nkind = \"deleted\"\nrestrictions = [\"mark_outlier\", \"x\"]\n"
    );
    let loaded = load_merchant(&text).unwrap();
    assert_eq!(loaded.warnings, [], "{}", super::render(&loaded.warnings, Style::Plain));
    let m = merchant(&loaded, "m");
    assert_eq!((m.labels_max, m.raise_delay_ms, m.deletion_grace_ms), (100, 0, 14 * DAY_MS));
    assert_eq!(m.terminal_url.as_deref(), Some("https://t.example/{merchant}?c={customer_id}"));
    assert_eq!(m.default_label().map(|label| (label.name, label.kind)), Some((name("vip"), LabelKind::Active)));
    assert_eq!(m.label(name("gone")).unwrap().restrictions, [name("mark_outlier"), name("x")]);
    assert!(m.label(name("x")).is_none());
}

#[test]
fn spans_of_no_time_are_taken_for_raises_alone() {
    for (key, span, taken) in [
        ("raise_delay", "0s", true),
        ("raise_delay", "00d", true),
        ("raise_delay", "10m", true),
        ("raise_delay", "0", false),
        ("raise_delay", "0y", false),
        ("raise_delay", "", false),
        ("raise_delay", "-1s", false),
        ("deletion_grace", "0s", false),
        ("deletion_grace", "1s", true),
    ] {
        let loaded = load_merchant(&format!("{key} = \"{span}\"\n{MERCHANT}"));
        assert_eq!(loaded.is_ok(), taken, "{key} = {span:?}");
    }
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
    assert_eq!((first.mode, first.scope, first.subtract_cancels), (Mode::Shadow, Scope::Merchant, true));
    assert_eq!((second.amount_limit, second.mode, second.scope), (Some(150), Mode::Enforce, Scope::Level));
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
    assert_eq!((m.routes[0].gates.as_slice(), m.routes[0].routing), ([0].as_slice(), Routing::Weighted));
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
fn the_version_names_merchants_and_rates_and_not_the_daemon() {
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
fn folders_and_files_that_cannot_be_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert!(said(load(&path.join("nowhere")))[0].contains("no such configuration folder"));
    fs::write(path.join("file"), "").unwrap();
    assert!(said(load(&path.join("file")))[0].contains("this is a file"));
    assert!(said(load(path))[0].contains("0 Warning: there are no merchants"), "all files are optional");
    fs::create_dir_all(path.join("merchants/folder.toml")).unwrap();
    fs::write(path.join("merchants/.hidden.toml"), "nonsense").unwrap();
    fs::write(path.join("merchants/bytes.toml"), b"id = \"a\"\nname = \"\xff\"\n").unwrap();
    fs::write(path.join("merchants/good.toml"), MERCHANT.replace("\"m\"", "\"good\"") + "nonsense = 1\n").unwrap();
    let said = said(load(path));
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].starts_with("0 Error: the file cannot be read"), "{said:?}");
    assert_eq!(said[1], "2 Error: the file is not UTF-8 from here on");
    assert_eq!(
        said[2], "15 Error: unknown key `nonsense` in a payment method",
        "the other files are checked all the same"
    );
}

#[test]
fn paths_are_shown_under_the_folder_as_it_was_typed() {
    let problems = load_merchant("id = 1").unwrap_err();
    let shown = problems.render(Style::Plain);
    assert!(shown.contains("merchants/m.toml:1:6"), "{shown}");
    let relative = load(Path::new("no-such-folder")).unwrap_err();
    assert!(relative.to_string().starts_with("no-such-folder: error:"), "{relative}");
}

#[test]
fn a_byte_order_mark_and_carriage_returns_move_no_place() {
    let text = format!("\u{feff}{}colour = 1\r\n", MERCHANT.replace('\n', "\r\n"));
    assert_eq!(said(load_merchant(&text)), ["15 Error: unknown key `colour` in a payment method"]);
    let problems = load_merchant("\u{feff}colour = 1\r\nid = \"m\"\r\n").unwrap_err();
    assert_eq!(
        (problems.list[0].line, problems.list[0].message.as_str()),
        (1, "unknown key `colour` in a merchant's file")
    );
}

#[test]
fn strictness_makes_errors_of_warnings() {
    let text = format!("{MERCHANT}[[gates]]\nid = \"spare\"\n");
    let strict = load_merchant(&text).unwrap().strict().unwrap_err();
    assert_eq!(strict.list.len(), 1);
    assert_eq!(strict.list[0].severity, Severity::Error);
    assert!(load_merchant(MERCHANT).unwrap().strict().is_ok());
}

#[test]
fn a_password_in_a_url_is_never_shown() {
    let text = "[redis]\nurl = \"http://user:secret@host\"\n";
    let problems = load_files([("levelgate.toml", text)]).unwrap_err();
    let shown = problems.render(Style::Plain) + &problems.to_string();
    assert!(shown.contains("is no address of a Redis") && !shown.contains("secret"), "{shown}");
    let loaded = load_files([("levelgate.toml", text.replace("http", "redis"))]).unwrap();
    let url = loaded.settings.redis.as_ref().unwrap().url.clone();
    assert_eq!((url.as_str(), url.to_string().as_str()), ("redis://user:secret@host", "redis://***********@host"));
    assert!(!format!("{:?}", loaded.settings).contains("secret"));
}

#[test]
fn settings_that_need_a_restart_and_currencies_that_changed_are_named() {
    let settings = |text: &str| load_files([("levelgate.toml", text)]).unwrap().settings;
    let old = settings("");
    assert_eq!(incompatible(&old, &old), Vec::<String>::new());
    let new = settings(
        "[http]\nlisten = \"127.0.0.1:1\"\n[store]\nsync = \"always\"\n[redis]\nurl = \"redis://h\"\n[currencies]\nISK = 2\n",
    );
    assert_eq!(incompatible(&old, &new), ["[http] listen", "[store] sync", "[redis]"]);
    let mut currencies = Currencies::default();
    for (code, units) in [("ISK", 2), ("EUR", 2), ("XQX", 3)] {
        currencies.set(Currency::parse(code).unwrap(), units);
    }
    let codes = |old: &Currencies, new: &Currencies| -> Vec<String> {
        changed_minor_units(old, new).iter().map(ToString::to_string).collect()
    };
    assert_eq!(codes(&Currencies::default(), &currencies), ["ISK"]);
    assert_eq!(codes(&currencies, &Currencies::default()), ["ISK", "XQX"]);
}

/// Files that differ from the sample by random cuts, copies and bytes, by a generator that a seed makes repeatable.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }

    fn mutate(&mut self, text: &str) -> Vec<u8> {
        const PIECES: [&str; 16] = [
            "\"",
            "[",
            "]",
            "[[",
            "{",
            "}",
            "=",
            "\n",
            "-1",
            "1e9",
            "0x1F",
            "é",
            "\0",
            "id = 1\n",
            "[redis]\nack = 1\n",
            "2026-13-01",
        ];
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            match self.below(5) {
                0 => _ = bytes.drain(at..(at + self.below(40)).min(bytes.len())),
                1 => bytes.extend_from_within(at..(at + self.below(200)).min(bytes.len())),
                2 if at < bytes.len() => bytes[at] = u8::try_from(self.below(256)).unwrap(),
                3 => bytes.truncate(at.max(bytes.len() / 2)),
                _ => {
                    let piece = PIECES[self.below(PIECES.len())];
                    bytes.splice(at..at, piece.bytes());
                }
            }
        }
        bytes
    }
}

#[test]
fn no_file_makes_loading_or_printing_panic() {
    const ROUNDS: u64 = 400;
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_120);
    eprintln!("seed {seed}, to be given again as SEED");
    let mut refused = 0;
    for round in seed..seed + ROUNDS {
        let mut chance = Chance(round);
        let chosen = chance.below(SAMPLE.len());
        let files: Vec<(&str, Vec<u8>)> = SAMPLE
            .iter()
            .enumerate()
            .map(|(n, (name, text))| (*name, if n == chosen { chance.mutate(text) } else { text.as_bytes().to_vec() }))
            .collect();
        if let Err(problems) = load_files(files.iter().map(|(name, text)| (*name, text))) {
            refused += 1;
            assert!(!problems.list.is_empty(), "round {round}");
            assert!(!problems.render(Style::Plain).is_empty() && !problems.render(Style::Coloured).is_empty());
        }
    }
    assert!(refused > ROUNDS / 4, "the mutations hit something: {refused} of {ROUNDS}");
}

#[test]
fn what_stands_beside_the_files_is_joined_with_them() {
    let file = format!("{MERCHANT}{LEVEL}");
    let loaded = load_merchant(&file).unwrap();
    let mut overlay = Overlay::default();
    let filed = loaded.filed(&overlay, Millis(1));
    let key = LevelKey { merchant: name("m"), direction: Direction::Deposit, currency: eur(), name: name("gold") };
    assert!(matches!(filed.as_slice(), [Common::LevelFiled { key: of, digest: Some(_), .. }] if *of == key));
    assert_eq!(loaded.in_force(&overlay).unwrap().version, loaded.rules.version, "the files alone name themselves");
    filed.iter().for_each(|event| overlay.apply(event));
    assert_eq!(load_merchant(&file).unwrap().filed(&overlay, Millis(2)), [], "nothing has changed");
    assert_eq!(loaded.in_force(&overlay).unwrap().version, loaded.rules.version);

    // The entry as JSON is the level that the file makes.
    let entry = &loaded.entries[0];
    let of_file = merchant(&loaded, "m");
    let of_body = super::body::level(entry.body.as_bytes(), &key, &of_file, &loaded.rules.currencies).unwrap();
    assert_eq!(format!("{of_body:?}"), format!("{:?}", of_file.levels[0]));

    let put = |key: LevelKey, body: &str| Common::LevelPut {
        key,
        body: body.into(),
        created: Millis(1),
        at: Millis(3),
        by: Some(name("ops")),
    };
    let silver = LevelKey { name: name("silver"), ..key };
    overlay.apply(&put(key, r#"{"status": "disabled"}"#));
    overlay.apply(&put(silver, r#"{"projects": ["p"], "gates": ["g"]}"#));
    let rules = loaded.in_force(&overlay).unwrap();
    assert_ne!(rules.version, loaded.rules.version);
    let m = rules.merchant("m").unwrap();
    let of = |key: LevelKey| m.level(key.direction, key.currency, key.name);
    assert!(of(key).is_some_and(|level| !level.active && level.known.origin == Origin::Api));
    assert!(of(silver).is_some_and(|level| level.gates == Some(vec![GateItem::Gate(0)])));
    assert!(m.names_level(name("silver")));

    // A gate that goes: the files that do not have it are refused in words.
    let other = load_merchant(&file.replace("\"g\"", "\"h\"")).unwrap();
    let problems = other.in_force(&overlay).unwrap_err();
    assert!(
        problems.len() == 1 && problems[0].contains("level `silver`") && problems[0].contains("`g`"),
        "{problems:?}"
    );

    // The file wins where its entry says something else, and says so.
    let changed = load_merchant(&format!("{file}status = \"active\"\n")).unwrap();
    let filed = changed.filed(&overlay, Millis(4));
    let told = super::superseded(&filed, &overlay);
    assert!(told.len() == 1 && told[0].contains("level `gold`") && told[0].contains("by ops"), "{told:?}");
    filed.iter().for_each(|event| overlay.apply(event));
    let rules = changed.in_force(&overlay).unwrap();
    let gold = rules.merchant("m").unwrap().level(key.direction, key.currency, key.name).unwrap();
    assert_eq!(
        (gold.known.origin, gold.known.created, gold.known.modified),
        (Origin::File, Some(Millis(1)), Some(Millis(4)))
    );

    // A merchant of whom the files know nothing keeps what was said.
    let without = load_files([("merchants/n.toml", MERCHANT.replace("\"m\"", "\"n\""))]).unwrap();
    assert_eq!(without.filed(&overlay, Millis(5)), []);
    assert!(without.in_force(&overlay).is_ok());

    // Deletions, one in the middle of the list.
    let three = format!("{file}{}{}", LEVEL.replace("gold", "a"), LEVEL.replace("gold", "b"));
    let loaded = load_merchant(&three).unwrap();
    overlay = Overlay::default();
    overlay.apply(&Common::LevelDeleted { key: LevelKey { name: name("a"), ..key }, at: Millis(1), by: None });
    let rules = loaded.in_force(&overlay).unwrap();
    let names: Vec<&str> = rules.merchant("m").unwrap().levels.iter().map(|level| level.name.as_str()).collect();
    assert_eq!(names, ["gold", "b"]);
    assert!(rules.merchant("m").unwrap().level(key.direction, key.currency, name("b")).is_some());
}
