//! The daemon against a naive model of its domain. The model keeps every transaction with its facts in a list and sums
//! afresh for every decision; it shares no module with the daemon, which is driven as the program that people run.
//!
//! `LEVELGATE_SEEDS` sets how many generated streams are played, `LEVELGATE_SEED` the first of their seeds,
//! `LEVELGATE_OPERATIONS` how many operations each has. `LEVELGATE_DATA` names the folder of given streams.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stdout, reason = "a test prints the seeds and streams that it played")]
#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "numbers of a test are small")]
#![allow(missing_docs, unreachable_pub, reason = "nothing outside of this program sees the model")]

mod backtest;
mod fact_order;
mod past_faults;
mod replay;
mod window_edges;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use support::{
    environment::{number, seeds, seeds_from, shared_data},
    model::{
        compare,
        generate::Generator,
        oracle::{Answer, Oracle, Transitioned},
        random_configuration,
        rules::Rules,
    },
    random::Random,
};

/// One line with what the model says to it and whose it is.
struct Played {
    line: String,
    answer: Answer,
    customer: Option<String>,
}

/// Lets the model answer a line.
fn play(oracle: &mut Oracle, line: String) -> Played {
    let answer = oracle.answer(&line);
    let customer = oracle.customer_behind(&line, &answer);
    Played { line, answer, customer }
}

/// Generates a stream, the model answering as it grows.
fn generated(seed: u64, config: &Path, explain_all: bool) -> Vec<Played> {
    let operations = number("LEVELGATE_OPERATIONS", 1_500) as usize;
    let mut random = Random::seeded(seed);
    let setup = random_configuration::configure(&mut random, config);
    let mut oracle = Oracle::new(Rules::read(config));
    let mut generator = Generator::new(random, setup, operations);
    generator.explain_all = explain_all;
    let mut played = Vec::new();
    for _ in 0..operations {
        let line = play(&mut oracle, generator.next_line());
        generator.learn(&line.answer);
        played.push(line);
    }
    played
}

/// Where the daemon's answers differ from the model's: the first place with what led to it, and a count by field.
fn disagreement(played: &[Played], answers: &[Value]) -> Option<String> {
    let differences: Vec<Vec<String>> =
        played.iter().zip(answers).map(|(p, got)| compare::differences(&p.answer, got)).collect();
    let first = differences.iter().position(|d| !d.is_empty())?;
    let count = differences.iter().filter(|d| !d.is_empty()).count();
    let mut fields: BTreeMap<&str, usize> = BTreeMap::new();
    for difference in differences.iter().flatten() {
        *fields.entry(difference.split(": the model").next().unwrap_or_default()).or_default() += 1;
    }
    let mut text =
        format!("{count} of {} answers differ, by field {fields:?}; the first is line {}:", played.len(), first + 1);
    for difference in &differences[first] {
        text.push_str(&format!("\n    {difference}"));
    }
    text.push_str(&format!("\n  {}\n  {}", played[first].line, answers[first]));
    let customer = &played[first].customer;
    let before: Vec<usize> = (0..first).filter(|n| customer.is_some() && played[*n].customer == *customer).collect();
    text.push_str("\n  before it, of the same customer:");
    for n in before.iter().skip(before.len().saturating_sub(40)) {
        text.push_str(&format!("\n  {:5} {}\n        {}", n + 1, played[*n].line, answers[*n]));
    }
    Some(text)
}

fn lines_of(played: &[Played]) -> String {
    played.iter().map(|p| format!("{}\n", p.line)).collect()
}

/// Plays generated streams through model and daemon; one entry for each seed that differs.
fn generated_disagreements(seeds: impl Iterator<Item = u64>) -> Vec<String> {
    let mut failures = Vec::new();
    for seed in seeds {
        println!("seed {seed}");
        let config = tempfile::tempdir().expect("a temporary folder");
        let played = generated(seed, config.path(), false);
        let answers = replay::replay(config.path(), &lines_of(&played), None);
        failures
            .extend(disagreement(&played, &answers).map(|d| format!("LEVELGATE_SEED={seed} LEVELGATE_SEEDS=1: {d}")));
    }
    failures
}

#[test]
fn every_stream_of_the_shared_data_agrees() {
    let Some(data) = shared_data() else {
        let failures = generated_disagreements(seeds(1));
        assert!(failures.is_empty(), "{}", failures.join("\n\n"));
        return;
    };
    let mut failures = Vec::new();
    let mut folders: Vec<PathBuf> = std::fs::read_dir(&data)
        .expect("the shared data")
        .map(|entry| entry.expect("an entry").path())
        .filter(|folder| folder.join("ops.ndjson").is_file())
        .collect();
    folders.sort();
    for folder in folders {
        let name = folder.file_name().and_then(|name| name.to_str()).expect("a name");
        let defaults = match name {
            "retail" => Some(("giftware", "web")),
            "bank" => Some(("bank", "web")),
            _ => None,
        };
        let operations = std::fs::read_to_string(folder.join("ops.ndjson")).expect("operations");
        let expected = std::fs::read_to_string(folder.join("expected.ndjson")).expect("expected answers");
        let expected: Vec<Value> = expected.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
        let mut oracle = Oracle::new(Rules::read(&folder.join("config")));
        oracle.defaults = defaults;
        let answers = replay::replay(&folder.join("config"), &operations, defaults);
        let mut played = Vec::new();
        for (n, line) in operations.lines().enumerate() {
            let line = play(&mut oracle, line.to_owned());
            let mut found = compare::differences_from_given(&line.answer, &expected[n]);
            found.extend(compare::given_differences(&expected[n], &answers[n]));
            if !found.is_empty() {
                let (got, want) = (&answers[n], &expected[n]);
                failures.push(format!("{name}, line {}: {found:?}\n  {}\n  {want}\n  {got}", n + 1, line.line));
            }
            played.push(line);
        }
        failures.extend(disagreement(&played, &answers).map(|d| format!("{name}: {d}")));
        println!("{name}: {} operations played", played.len());
    }
    let shown = failures.len().min(12);
    assert!(failures.is_empty(), "{} differences\n{}", failures.len(), failures[..shown].join("\n"));
}

#[test]
fn every_generated_stream_is_answered_as_the_model_does() {
    let failures = generated_disagreements(seeds(12));
    assert!(failures.is_empty(), "{} seeds fail\n{}", failures.len(), failures[..failures.len().min(3)].join("\n\n"));
}

#[test]
fn window_edges_agree_with_the_model() {
    let config = tempfile::tempdir().expect("a temporary folder");
    window_edges::configure(config.path());
    let mut failures = Vec::new();
    for seed in seeds_from(3_000_001, 4) {
        println!("seed {seed}");
        let mut oracle = Oracle::new(Rules::read(config.path()));
        let played: Vec<Played> = window_edges::stream(&mut Random::seeded(seed), 160)
            .into_iter()
            .map(|line| play(&mut oracle, line))
            .collect();
        let answers = replay::replay(config.path(), &lines_of(&played), None);
        failures.extend(disagreement(&played, &answers).map(|d| format!("seed {seed}: {d}")));
    }
    assert!(failures.is_empty(), "{} seeds fail\n{}", failures.len(), failures[..failures.len().min(3)].join("\n\n"));
}

#[test]
fn the_usage_that_a_check_explains_is_the_sum_over_the_list() {
    let mut explained = 0;
    for seed in seeds_from(1_000_001, 3) {
        println!("seed {seed}");
        let config = tempfile::tempdir().expect("a temporary folder");
        let played = generated(seed, config.path(), true);
        let answers = replay::replay(config.path(), &lines_of(&played), None);
        for (n, (played, got)) in played.iter().zip(&answers).enumerate() {
            let Answer::Decided(decided) = &played.answer else { continue };
            let Some(limits) = &decided.limits else { continue };
            explained += limits.len();
            let mut found = compare::differences(&played.answer, got);
            found.retain(|d| d.starts_with("limits"));
            assert!(found.is_empty(), "seed {seed}, line {}: {found:#?}\n  {}\n  {got}", n + 1, played.line);
        }
    }
    println!("{explained} filters explained");
    assert!(explained > 0, "the streams hold checks of customers with filters");
}

#[test]
fn the_order_of_the_same_facts_changes_no_counter() {
    let config = tempfile::tempdir().expect("a temporary folder");
    fact_order::configure(config.path());
    for seed in seeds_from(2_000_001, 12) {
        println!("seed {seed}");
        let (lines, rounds) = fact_order::stream(&mut Random::seeded(seed), config.path(), 6);
        let all: Vec<String> = lines.iter().chain(rounds.iter().flat_map(|round| &round.lines)).cloned().collect();
        let answers = replay::replay(config.path(), &format!("{}\n", all.join("\n")), None);
        let mut oracle = Oracle::new(Rules::read(config.path()));
        for (n, (line, answer)) in all.iter().zip(&answers).enumerate() {
            let found = compare::differences(&oracle.answer(line), answer);
            assert!(found.is_empty(), "seed {seed}, line {}: {found:#?}\n{}", n + 1, all.join("\n"));
        }
        let mut answers = answers[lines.len()..].iter();
        for round in &rounds {
            let given: Vec<Vec<&Value>> = answers
                .by_ref()
                .take(round.lines.len())
                .map(|answer| round.same.iter().map(|field| &answer[field]).collect())
                .collect();
            let context = || format!("seed {seed}: {:#?}\n{}", round.lines, all.join("\n"));
            assert!(given.iter().all(|s| *s == given[0]), "{given:#?}\n{}", context());
        }
    }
}

#[test]
fn rates_are_fresh_up_to_their_greatest_age_and_before_their_time() {
    let config = tempfile::tempdir().expect("a temporary folder");
    fact_order::configure(config.path());
    let mut oracle = Oracle::new(Rules::read(config.path()));
    let played: Vec<Played> =
        fact_order::questions_while_rates_age().into_iter().map(|line| play(&mut oracle, line)).collect();
    let answers = replay::replay(config.path(), &lines_of(&played), None);
    let codes: Vec<&Value> = answers.iter().map(|a| &a["code"]).collect();
    assert_eq!(codes, [&Value::Null, &Value::Null, &Value::Null, &Value::Null, &serde_json::json!(19104)]);
    assert_eq!(disagreement(&played, &answers), None);
}

#[test]
fn model_is_independent_of_fact_order() {
    let config = tempfile::tempdir().expect("a temporary folder");
    fact_order::configure(config.path());
    for seed in seeds_from(2_000_001, 12) {
        println!("seed {seed}");
        let (lines, rounds) = fact_order::stream(&mut Random::seeded(seed), config.path(), 6);
        let mut oracle = Oracle::new(Rules::read(config.path()));
        for line in &lines {
            assert!(!matches!(oracle.answer(line), Answer::Refused(_)), "seed {seed}: a legal line is refused: {line}");
        }
        for round in &rounds {
            let given: Vec<String> = round
                .lines
                .iter()
                .map(|line| match oracle.answer(line) {
                    Answer::Decided(decided) => format!("{:?} {:?}", decided.remaining, decided.limits),
                    Answer::Transitioned(moved) => {
                        // Flags tell of the order; whose it is and whether it was asked before are no counters.
                        let (flags, transaction_id, replay) = (BTreeSet::new(), String::new(), false);
                        format!("{:?}", Transitioned { flags, transaction_id, replay, ..moved })
                    }
                    Answer::Refused(status) => panic!("seed {seed}: a question is refused with {status}: {line}"),
                })
                .collect();
            assert!(given.iter().all(|s| *s == given[0]), "seed {seed}: {given:#?}\n{}", lines.join("\n"));
        }
    }
}
