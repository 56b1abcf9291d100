//! Losses of a configuration that a start and a reload refuse.

use super::*;
use crate::config::{Occasion, PriorConfiguration, RecordedState, losses};

const TOKENS: &str = "[auth]\ntokens = [{ role = \"viewer\", token_file = \"x.token\" }]\n";
const RATES: &str = "base = \"EUR\"\n[rates]\nUSD = \"1.1\"\n";

/// The merchant with two endpoints and a level whose filter sums both currencies.
fn full() -> String {
    let endpoint = "[[projects.endpoints]]\nid = \"u\"\ncurrency = \"USD\"\ngates = [\"g\"]\n";
    let filter = "[[levels.filters]]\nwindow = \"daily\"\namount_limit = \"5\"\nfor_all_merchant_currencies = true\n";
    format!("{MERCHANT}{endpoint}{LEVEL}{filter}")
}

fn folder(files: &[(&str, &str)]) -> Loaded {
    load_files(files.iter().copied()).unwrap_or_else(|problems| panic!("{problems}"))
}

fn loss_texts(before: &[(&str, &str)], after: &[(&str, &str)], occasion: Occasion) -> Vec<String> {
    let before = folder(before);
    let state = RecordedState { merchants: [name("m")].into(), currencies: [eur()].into() };
    let prior = PriorConfiguration::new(&before, &before.rules, &state);
    losses(&prior, &folder(after), occasion).iter().map(|problem| problem.message.clone()).collect()
}

#[test]
fn what_a_broken_folder_loses_is_refused_and_what_the_files_state_is_not() {
    let full = full();
    let other = MERCHANT.replace("\"m\"", "\"other\"");
    let without_levels = full.split("[[levels]]").next().unwrap();
    let without_filters = full.split("[[levels.filters]]").next().unwrap();
    let stated_levels = format!("levels = []\n{without_levels}");
    let stated_filters = format!("{without_filters}filters = []\n");
    let stated_projects = "levels = []\nprojects = []\nid = \"m\"\n";
    let start = [
        ("merchants/m.toml", full.as_str()),
        ("merchants/other.toml", &other),
        ("rates.toml", RATES),
        ("levelgate.toml", TOKENS),
    ];
    let with = |name: &str, text: Option<&'static str>| -> Vec<(String, String)> {
        let kept = start.iter().filter(|(known, _)| *known != name);
        let added = text.map(|text| (name.to_owned(), text.to_owned()));
        kept.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).chain(added).collect()
    };
    let leak = |text: &str| -> Option<&'static str> { Some(Box::leak(text.to_owned().into_boxed_str())) };
    let refused = "refused at both";
    for (name, text, want, at_reload) in [
        ("merchants/m.toml", None, Some("merchant `m` has customers or transactions and is in no file"), refused),
        ("merchants/m.toml", leak("id = \"m\"\nremoved = true\n"), None, refused),
        ("merchants/m.toml", leak(without_levels), Some("its file has no level any more; it had 1 level"), refused),
        ("merchants/m.toml", leak(&stated_levels), None, refused),
        ("merchants/m.toml", leak(without_filters), Some("its file has no filter any more; it had 1 filter"), refused),
        ("merchants/m.toml", leak(&stated_filters), None, refused),
        ("merchants/m.toml", leak("levels = []\nid = \"m\"\n"), Some("its file has no project any more"), refused),
        ("merchants/m.toml", leak(stated_projects), None, refused),
        ("merchants/other.toml", None, None, refused),
        ("rates.toml", None, Some("there are no rates any more, and filters of m sum all currencies"), refused),
        ("rates.toml", leak(""), Some("there are no rates any more"), refused),
        ("levelgate.toml", None, Some("the file is missing, and the configuration before it had 1 token"), refused),
        ("levelgate.toml", leak("[http]\n"), Some("no tokens are configured"), "allowed at a reload"),
        ("levelgate.toml", leak("[auth]\ntokens = []\n"), None, refused),
    ] {
        let after = with(name, text);
        let after: Vec<(&str, &str)> = after.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        for occasion in [Occasion::Start, Occasion::Reload] {
            let texts = loss_texts(&start, &after, occasion);
            let want = want.filter(|_| occasion == Occasion::Start || at_reload == refused);
            match want {
                None => assert_eq!(texts, Vec::<String>::new(), "{name} {text:?} {occasion:?}"),
                Some(want) => {
                    assert!(texts.len() == 1 && texts[0].contains(want), "{name} {text:?} {occasion:?}: {texts:?}");
                }
            }
        }
    }
}

#[test]
fn an_emptied_folder_and_changed_minor_units_are_refused() {
    let start = [("merchants/m.toml", MERCHANT)];
    let texts = loss_texts(&start, &[], Occasion::Reload);
    assert_eq!(texts, ["there are no merchants, and there were 1 merchant before: m"]);
    let units = [("merchants/m.toml", MERCHANT), ("levelgate.toml", "[currencies]\nEUR = 3\nUSD = 3\n")];
    let texts = loss_texts(&start, &units, Occasion::Start);
    assert_eq!(texts, ["[currencies] EUR: its minor units cannot change while amounts in it are held"]);
    let prior = PriorConfiguration::default();
    assert!(losses(&prior, &folder(&[]), Occasion::Start).is_empty(), "a first start");
}

#[test]
fn removed_is_alone_in_the_file() {
    let removed = folder(&[
        ("merchants/m.toml", "id = \"m\"\nremoved = true\n"),
        ("levelgate.toml", "[auth]\ntokens = [{ role = \"gateway\", token_file = \"x\", merchants = [\"m\"] }]\n"),
    ]);
    assert!(removed.rules.merchants.is_empty() && removed.statements.removed.contains(&name("m")));
    assert_eq!(removed.warnings, [], "a token may still send facts of its transactions");
    let texts = problem_texts(load_merchant(&MERCHANT.replace("id = \"m\"\n", "id = \"m\"\nremoved = true\n")));
    assert_eq!(
        texts,
        ["3 Error: a file with `removed = true` contains only `id`, and this one contains `operation_mode`"]
    );
    assert!(merchant(&load_merchant(&format!("removed = false\n{MERCHANT}")).unwrap(), "m").projects.len() == 1);
}

#[test]
fn a_merchant_with_state_keeps_its_sandbox() {
    let [real, test] = ["", "sandbox = true\n"].map(|key| [("merchants/m.toml", format!("{key}{MERCHANT}"))]);
    let removed = [("merchants/m.toml", "id = \"m\"\nremoved = true\n".to_owned())];
    let load =
        |files: &[(&'static str, String); 1]| folder(&files.each_ref().map(|(name, text)| (*name, text.as_str())));
    let full = RecordedState { merchants: [name("m")].into(), currencies: [eur()].into() };
    for (before, after, words) in [
        (&real, &real, None),
        (&test, &test, None),
        (&real, &test, Some("cannot become a test merchant")),
        (&test, &real, Some("cannot become a real one")),
    ] {
        let (known, next) = (load(before), load(after));
        for state in [&full, &RecordedState::default()] {
            let prior = PriorConfiguration::new(&known, &known.rules, state);
            // Also after the merchant was removed for a while.
            let gone = load(&removed);
            let mut later = PriorConfiguration::new(&gone, &gone.rules, state);
            later.add_sandboxes_of(&prior);
            for prior in [prior, later] {
                for occasion in [Occasion::Start, Occasion::Reload] {
                    let found = losses(&prior, &next, occasion);
                    let expected = words.filter(|_| !state.merchants.is_empty());
                    assert_eq!(found.len(), usize::from(expected.is_some()), "{found:?}");
                    let is_named = |words| found.iter().any(|problem| problem.message.contains(words));
                    assert!(expected.is_none_or(is_named), "{found:?}");
                }
            }
        }
        // A start takes the missing facts from the files.
        let mut unknown = PriorConfiguration::default();
        unknown.set_state(&full);
        assert_eq!(losses(&unknown, &next, Occasion::Start), []);
    }
}
