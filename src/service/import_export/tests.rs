//! Tables as a whole: downloads, templates and what spreadsheets make of them.

use super::{
    export::{TableSelection, export},
    import::{TrialFindings, import_rows, try_rows},
    outcome::ImportOutcome,
    row::ImportTarget,
    template::template,
};
use crate::{
    config,
    domain::{
        customer::{
            audit::{Author, ChangeSource},
            change::CustomerChange,
            status::CustomerStatus,
            update::CustomerUpdate,
        },
        decision::clock_skew::ClockSkew,
        events::customer_event::CustomerEvent,
        request::{attribute_value, identifier_text},
        rules::{configuration::Rules, merchant::Merchant},
        vocabulary::{
            attributes::{Attribute, AttributeSet, Attributes, check_form},
            card_numbers::has_card_number,
            contact::phone,
            time::Millis,
            words::Word,
        },
    },
    ledger::{Actor, CustomerRef, Ledger, LedgerLimits, LedgerStorage, Registration, RegistrationOutcome},
};
use proptest::prelude::*;
use std::fmt::Write;

const NOW: Millis = Millis(1_800_000_000_000);
const AUTHOR: Author = Author { source: ChangeSource::Api, by: None, job: None };
const REST: &str = "[[gates]]\nid = \"g\"\n[[projects]]\nid = \"p\"\n[[projects.endpoints]]\nid = \"e\"\n\
                    currency = \"EUR\"\ngates = [\"g\"]\n";

/// A merchant and its customers.
struct Shop {
    rules: Rules,
    ledger: Ledger,
}

impl Shop {
    /// `None`: the configuration is not valid.
    fn of(head: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("merchants")).unwrap();
        std::fs::write(folder.path().join("merchants/m.toml"), format!("id = \"m\"\nname = \"M\"\n{head}{REST}"))
            .unwrap();
        let rules = config::load(folder.path()).ok()?.rules;
        let limits = LedgerLimits { transactions_max: 1, skew: ClockSkew { past_ms: 0, future_ms: 5_000 } };
        Some(Self { rules, ledger: Ledger::new(limits, LedgerStorage::in_memory((1, 2))) })
    }

    fn merchant(&self) -> &Merchant {
        self.rules.merchant("m").unwrap()
    }

    fn target(&self) -> ImportTarget<'_> {
        let new_from = self.ledger.next_customer();
        ImportTarget {
            ledger: &self.ledger,
            merchant: self.merchant(),
            by: None,
            job: None,
            now: NOW,
            new_from,
            resumed_after: None,
        }
    }

    fn tried(&self, table: &[u8]) -> ImportOutcome {
        try_rows(&self.target(), table, &mut |_| Ok(())).unwrap().outcome
    }

    fn imported(&self, table: &[u8]) -> ImportOutcome {
        let mut outcome = ImportOutcome::default();
        import_rows(&self.target(), table, TrialFindings::default(), &mut outcome, &mut |_| Ok(())).unwrap();
        outcome
    }

    fn exported(&self) -> Vec<u8> {
        let mut table = Vec::new();
        export(&self.ledger, self.merchant(), TableSelection::default(), NOW, &mut table).unwrap();
        table
    }

    fn register(&self, identifier: Option<&str>, update: &CustomerUpdate) -> Option<u64> {
        let merchant = self.merchant();
        let registration =
            Registration { merchant, identifier, update, created: None, author: AUTHOR, is_trial: false };
        match self.ledger.register(&registration, NOW) {
            Ok((RegistrationOutcome::Created(number), _)) => Some(number),
            _ => None,
        }
    }

    /// Stores attributes as an earlier version may have stored them.
    fn store(&self, number: u64, set: &Attributes) {
        let customer_id = number.to_string();
        let customer = CustomerRef { merchant: self.merchant().id, customer_id: &customer_id };
        let changed = CustomerChange::Attributes { set: set.clone(), removed: AttributeSet::default() };
        let changed = CustomerEvent::CustomerChanged(changed);
        let actor = Actor { author: AUTHOR, now: NOW };
        self.ledger.change(customer, actor, set, &mut |_, _| Ok(vec![changed.clone()])).unwrap();
    }
}

/// (created, changed, unchanged, bad).
fn counts(outcome: &ImportOutcome) -> (u64, u64, u64, u64) {
    (outcome.created, outcome.changed, outcome.unchanged, outcome.bad)
}

/// The table as a spreadsheet saves it: its delimiter is named in the first line, and empty columns and rows surround it.
fn as_a_spreadsheet_saves(table: &[u8]) -> Vec<u8> {
    let mut written = "\u{feff}sep=;\r\n".as_bytes().to_vec();
    let mut output = ::csv::WriterBuilder::new().delimiter(b';').flexible(true).from_writer(&mut written);
    let rows = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(table);
    let mut columns = 0;
    for row in rows.into_byte_records() {
        let mut row = row.unwrap();
        columns = row.len();
        row.push_field(b"");
        output.write_byte_record(&row).unwrap();
    }
    for cells in [columns, columns + 3] {
        output.write_record(std::iter::repeat_n("", cells)).unwrap();
    }
    output.flush().unwrap();
    drop(output);
    written
}

/// The file of a merchant with random rules of registration, labels and levels.
fn merchant_file() -> impl Strategy<Value = String> {
    let identifier = || {
        proptest::option::of(prop::sample::select(vec![
            "merchant_customer_identifier",
            "email",
            "phone",
            "external_id",
        ]))
    };
    let rule = || (any::<bool>(), any::<bool>(), any::<bool>());
    let duplicates = prop::sample::select(vec![
        "",
        "strict_primary_check = true\n",
        "skip_secondary_on_primary_mismatch = true\n",
        "merge_on_duplicate = true\n",
    ]);
    let country = proptest::option::of(prop::sample::select(vec![
        "DE", "CY", "IT", "IN", "US", "AR", "CN", "BR", "GB", "AC", "NF",
    ]));
    let external_id = prop::sample::select(vec![
        "",
        "[registration.external_id]\nlength = 12\nchecksum = \"luhn\"\n",
        "[registration.external_id]\nlength = 15\nprefix = \"1112\"\nchecksum = \"mod7\"\n",
        "[registration.external_id]\nlength = 6\nsources = [\"payment\"]\n",
        "[registration.external_id]\nlength = 6\nsources = [\"import\"]\n",
    ]);
    let labels = proptest::sample::subsequence(
        vec![("on|hold", "suspended"), ("=vip", "active"), ("plain", "active"), ("3-Jan", "internal")],
        0..=4,
    );
    let levels = proptest::sample::subsequence(
        vec![("deposit", "gold"), ("deposit", "007"), ("withdrawal", "-x"), ("withdrawal", "1E+05")],
        0..=4,
    );
    let policy =
        (identifier(), any::<bool>(), [rule(), rule(), rule()], duplicates, any::<bool>(), country, external_id);
    (any::<bool>(), policy, labels, 1_usize..4, levels).prop_map(|(is_crm, policy, labels, labels_max, levels)| {
        let (primary, any, rules, duplicates, has_earliest, country, external_id) = policy;
        let mut text = format!(
            "operation_mode = \"{}\"\nlabels_max = {labels_max}\n",
            if is_crm { "crm" } else { "payment_gateway" }
        );
        for (name, kind) in labels {
            write!(text, "[[labels]]\nname = {name:?}\nkind = {kind:?}\n").unwrap();
        }
        text.push_str("[registration]\n");
        primary.iter().for_each(|primary| writeln!(text, "primary_identifier = {primary:?}").unwrap());
        if any {
            text.push_str("allow_any_identifier = true\n");
        }
        for (name, (required, unique, update)) in ["email", "phone", "external_id"].into_iter().zip(rules) {
            // The section of the generator has the rules of external ids too.
            if name != "external_id" || external_id.is_empty() {
                writeln!(text, "{name} = {{ required = {required}, unique = {unique}, allow_update = {update} }}")
                    .unwrap();
            }
        }
        text.push_str(duplicates);
        if has_earliest {
            text.push_str("min_registration_date = 2026-01-01T00:00:00Z\n");
        }
        country.iter().for_each(|country| writeln!(text, "default_country = {country:?}").unwrap());
        text.push_str(external_id);
        for (direction, name) in levels {
            write!(text, "[[levels]]\nname = {name:?}\ndirection = {direction:?}\ncurrency = \"EUR\"\n").unwrap();
        }
        text
    })
}

/// Texts that a spreadsheet would run, spoil or cut, and any others.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "'{0,2}[=+@\t-]?[0-9]{0,12}",
        "'{0,2}[0-9](\\.[0-9]{1,5})?E[+-][0-9]{1,3}",
        "[0-9]{1,4}[-/.]([0-9]{1,2}|Jan|Mrz)[-/.]?[0-9]{0,4}( 00:00)?",
        " {0,2}'{0,2}[a-z|\\\\]{0,4} {0,2}",
        "'?=\"[0-9\"]{0,5}\"",
        "[\",;'\r\n \u{feff}\u{a0}a]{0,8}",
        prop::sample::select(vec![
            "#REF!",
            "sep=;",
            "TRUE",
            "0",
            "030 1234502",
            "+49 30 1234502",
            "35799123456",
            "true",
            "85",
            "::1",
            "A@Example.com",
            "cy",
            "1990-05-17",
        ])
        .prop_map(str::to_owned),
    ]
}

/// One customer: an identifier, attributes that a call sets, and attributes as earlier versions stored them.
type Made = (String, Vec<(usize, String)>, Vec<(usize, String)>);

fn customers() -> impl Strategy<Value = Vec<Made>> {
    let values = || proptest::collection::vec((0..Attribute::WORDS.len(), text()), 0..6);
    proptest::collection::vec((text(), values(), values()), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_download_that_is_uploaded_unchanged_changes_nothing(
        made in customers(), labels in proptest::sample::subsequence(vec!["on|hold", "=vip", "3-Jan"], 0..=3),
        country in proptest::option::of(prop::sample::select(vec!["DE", "IT", "IN"])), status in 0..3_usize,
    ) {
        let mut head = "operation_mode = \"crm\"\n".to_owned();
        for name in ["on|hold", "=vip", "3-Jan"] {
            write!(head, "[[labels]]\nname = {name:?}\n").unwrap();
        }
        head.push_str("[registration]\nallow_any_identifier = true\n");
        country.iter().for_each(|country| writeln!(head, "default_country = {country:?}").unwrap());
        head.push_str("[[levels]]\nname = \"1E+05\"\ndirection = \"deposit\"\ncurrency = \"EUR\"\n");
        let shop = Shop::of(&head).unwrap();
        for (identifier, sent, stored) in &made {
            let is_card = |field: &str, text: &str| has_card_number(field, text, |_| false);
            let mut update = CustomerUpdate::default();
            for (place, text) in sent {
                let attribute = Attribute::WORDS[*place].1;
                let value = attribute_value::parse(attribute, text).unwrap_or_default();
                let is_taken = !is_card(attribute.word(), &value) && check_form(attribute, &value, NOW).is_ok();
                if is_taken && update.attributes.iter().all(|(known, _)| *known != attribute) {
                    update.attributes.push((attribute, value.into()));
                }
            }
            let names = labels.iter().map(|label| update.name("labels", label).unwrap()).collect();
            update.labels = Some(names);
            update.levels[0] = Some(Some(update.name("deposit_level", "1E+05").unwrap()));
            update.status = Some(CustomerStatus::WORDS[status].1);
            let identifier = identifier_text::parse("merchant_customer_identifier", identifier).ok().flatten();
            let identifier = identifier.filter(|id| !is_card("merchant_customer_identifier", id));
            let Some(number) = shop.register(identifier, &update) else { continue };
            let mut legacy = Attributes::default();
            for (place, text) in stored {
                let attribute = Attribute::WORDS[*place].1;
                if !attribute.is_of_staff() && !text.trim().is_empty() && text.len() < 200 && !is_card(attribute.word(), text) {
                    legacy.set(attribute, text);
                }
            }
            if !legacy.is_empty() {
                shop.store(number, &legacy);
            }
        }
        let table = shop.exported();
        let customers = shop.ledger.next_customer() - 1_000_001;
        for (table, blank) in [(table.clone(), 0), (as_a_spreadsheet_saves(&table), 2)] {
            for outcome in [shop.tried(&table), shop.imported(&table)] {
                let shown = || format!("{outcome:?} {}", String::from_utf8_lossy(&table));
                prop_assert_eq!(counts(&outcome), (0, 0, customers + blank, 0), "{}", shown());
            }
        }
        prop_assert_eq!(shop.exported(), table);
    }

    #[test]
    fn a_template_passes_a_trial_of_its_merchant(file in merchant_file()) {
        // Some rules exclude each other.
        let Some(shop) = Shop::of(&file) else { return Ok(()) };
        for _ in 0..3 {
            let table = template(&shop.target()).unwrap();
            let shown = || format!("{file}\n{}", String::from_utf8_lossy(&table));
            let tried = shop.tried(&table);
            prop_assert_eq!(counts(&tried), (2, 0, 0, 0), "{:?} {}", tried, shown());
            // Identifiers of the examples are taken now, and the next template has others.
            let imported = shop.imported(&table);
            prop_assert_eq!(counts(&imported), (2, 0, 0, 0), "{:?} {}", imported, shown());
        }
    }
}

#[test]
fn most_random_merchants_are_valid() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let strategy = merchant_file();
    let valid = (0..100).filter(|_| Shop::of(&strategy.new_tree(&mut runner).unwrap().current()).is_some()).count();
    assert!(valid > 50, "{valid}");
}

#[test]
fn an_upload_asks_the_phone_library_once_a_row() {
    const ROWS: u64 = 50;
    let head = "operation_mode = \"crm\"\n[registration]\ndefault_country = \"IN\"\nphone = { unique = true }\n";
    let table = |write: &dyn Fn(u64) -> String| {
        let rows: String = (0..ROWS).map(|n| format!("c{n},{}\n", write(n))).collect();
        format!("merchant_customer_identifier,phone\n{rows}")
    };
    for (write, asked) in [
        (&(|n| format!("+9191234{n:05}")) as &dyn Fn(u64) -> String, 0),
        (&|n| format!("091234 {n:05}"), ROWS),
        // Digits alone are judged by the reader too: they may have lost a plus.
        (&|n| format!("91234{n:05}"), ROWS),
    ] {
        let shop = Shop::of(head).unwrap();
        let table = table(write);
        for pass in ["created", "unchanged"] {
            for outcome in [Shop::tried, Shop::imported] {
                let before = phone::asked();
                let outcome = outcome(&shop, table.as_bytes());
                assert_eq!(outcome.bad, 0, "{outcome:?}");
                assert_eq!(if pass == "created" { outcome.created } else { outcome.unchanged }, ROWS, "{outcome:?}");
                assert_eq!(phone::asked() - before, asked, "{pass}: {}", write(0));
            }
        }
    }
}

#[test]
fn the_import_of_a_tried_table_asks_the_phone_library_no_more() {
    const ROWS: u64 = 50;
    let head = "operation_mode = \"crm\"\n[registration]\ndefault_country = \"IN\"\nphone = { unique = true }\n";
    let numbers = |n| match n % 3 {
        0 => format!("091234 {n:05}"),
        1 => format!("91234{n:05}"),
        _ => format!("+9191234{n:05}"),
    };
    let rows: String = (0..ROWS).map(|n| format!("c{n},{}\n", numbers(n))).collect();
    let table = format!("merchant_customer_identifier,phone\n{rows}");
    // The second upload finds each customer.
    let shop = Shop::of(head).unwrap();
    for _ in 0..2 {
        let before = phone::asked();
        let tried = try_rows(&shop.target(), table.as_bytes(), &mut |_| Ok(())).unwrap();
        let (in_trial, outcome) = (phone::asked() - before, tried.outcome);
        assert!((ROWS / 2..=ROWS).contains(&in_trial), "{in_trial}");
        let mut imported = ImportOutcome::default();
        import_rows(&shop.target(), table.as_bytes(), tried.findings, &mut imported, &mut |_| Ok(())).unwrap();
        assert_eq!(counts(&imported), counts(&outcome));
        assert_eq!(phone::asked() - before, in_trial, "the import asks nothing");
    }
}

#[test]
fn customers_that_share_a_value_from_before_it_was_unique_can_be_uploaded() {
    let shop = Shop::of("operation_mode = \"crm\"\n[registration]\nemail = { unique = true }\n").unwrap();
    let made = shop.imported(b"merchant_customer_identifier,email\nann,a@example.com\nben,b@example.com\n");
    assert_eq!(made.created, 2);
    let mut shared = Attributes::default();
    shared.set(Attribute::Email, "a@example.com");
    shop.store(1_000_002, &shared);
    let table = shop.exported();
    assert_eq!(counts(&shop.tried(&table)), (0, 0, 2, 0));
    // A shared value may stay when another cell changes.
    let renamed = b"customer_id,email,city\n1000001,a@example.com,Wien\n1000002,a@example.com,Graz\n";
    assert_eq!(counts(&shop.tried(renamed)), (0, 2, 0, 0));
    // A third one gets none of it, and two rows get no new value together.
    let third = b"merchant_customer_identifier,email\ncat,a@example.com\n";
    assert_eq!(counts(&shop.tried(third)), (0, 0, 0, 1));
    let both = b"customer_id,email\n1000001,c@example.com\n1000002,C@example.com\n";
    let tried = shop.tried(both);
    assert_eq!(counts(&tried), (0, 1, 0, 1));
    assert_eq!(tried.bad_rows[0].reason, "line 2 has the same value; keep one of the two rows");
}

#[test]
fn an_identifier_that_has_lost_its_zeros_is_refused_where_it_is_known() {
    let shop = Shop::of("operation_mode = \"crm\"\n").unwrap();
    assert_eq!(shop.imported(b"merchant_customer_identifier\n'00123\n'045\n45\n").created, 3);
    let tried = shop.tried(b"merchant_customer_identifier,city\n123,Wien\n45,Graz\n0123,Linz\n9,Enns\n");
    assert_eq!(counts(&tried), (2, 1, 0, 1), "{tried:?}");
    let bad = &tried.bad_rows[0];
    assert_eq!((bad.line, bad.column.as_deref()), (2, Some("merchant_customer_identifier")));
    assert!(bad.reason.contains("\"00123\"") && bad.reason.contains("format the column as text"), "{}", bad.reason);
    let meant = shop.tried(b"merchant_customer_identifier,city\n'123,Wien\n\"=\"\"123\"\"\",Wien\n");
    assert_eq!(counts(&meant), (1, 0, 0, 1), "meant as it is, once");
    let both = b"merchant_customer_identifier\n'0777\n777\n";
    assert_eq!(counts(&shop.tried(both)), (2, 0, 0, 0), "a table may create both");
    assert_eq!(shop.imported(both).created, 2);
}

#[test]
fn rows_of_nothing_but_delimiters_change_nothing_and_create_nobody() {
    // Without an identifier that is required, any row could create a customer.
    let head = "operation_mode = \"payment_gateway\"\n[registration]\nprimary_identifier = \"external_id\"\n\
                [registration.external_id]\nlength = 6\n";
    let shop = Shop::of(head).unwrap();
    let table = b"email;city;\r\n;;\r\na@example.com;Wien;\r\n ; \t;\r\n;;;;;\r\n;\r\n";
    for outcome in [Shop::tried, Shop::imported] {
        let outcome = outcome(&shop, table);
        assert_eq!((counts(&outcome), outcome.rows), ((1, 0, 4, 0), 5), "{outcome:?}");
    }
}

#[test]
fn external_ids_that_are_replaced_may_be_equal() {
    let shop = |replace: bool| {
        let generation = format!("length = 6, replace = {replace}");
        let head =
            format!("operation_mode = \"crm\"\n[registration]\nexternal_id = {{ unique = true, {generation} }}\n");
        Shop::of(&head).expect("a valid merchant")
    };
    let table = b"merchant_customer_identifier,external_id\nann,x1\nbob,x1\n";
    assert_eq!(shop(true).tried(table).bad, 0);
    assert_eq!(shop(false).tried(table).bad, 1);
}
