//! The changes between the figures of two files.

use crate::cli::{
    bench::{
        figures::{Figure, Machine, median},
        table::print_table,
    },
    support::print::print_line,
};
use anyhow::Context;
use serde::Deserialize;
use std::{fs, path::Path};

/// A file of `levelgate bench --json`.
#[derive(Deserialize)]
struct BenchFile {
    machine: Option<Machine>,
    figures: Vec<Figure>,
}

/// The figures of a file: that of `levelgate bench --json`, or the lines that the benches write.
fn read_figures(text: &str) -> anyhow::Result<Vec<Figure>> {
    if let Ok(file) = serde_json::from_str::<BenchFile>(text) {
        let of_machine = |figure| Figure { machine: file.machine.clone(), ..figure };
        return Ok(file.figures.into_iter().map(of_machine).collect());
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let figures =
        lines.map(|(n, line)| serde_json::from_str(line).with_context(|| format!("line {} is no figure", n + 1)));
    figures.collect()
}

fn read(path: &Path) -> anyhow::Result<Vec<Figure>> {
    let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    read_figures(&text).with_context(|| format!("{} has no figures of a bench", path.display()))
}

/// One figure over all its occurrences in a file.
#[derive(Debug, PartialEq, Eq)]
struct Combined {
    unit: String,
    median: u64,
    p99: Option<u64>,
}

fn combine(all: &[Figure], name: &str) -> Option<Combined> {
    let of_name = || all.iter().filter(|figure| figure.name == name);
    let p99: Vec<u64> = of_name().filter_map(|figure| figure.p99).collect();
    Some(Combined {
        unit: of_name().next()?.unit.clone(),
        median: median(of_name().map(|figure| figure.median).collect()),
        p99: (!p99.is_empty()).then(|| median(p99)),
    })
}

/// The change in tenths of a percent, with its sign.
fn change(old: u64, new: u64) -> String {
    if old == 0 {
        return if new == 0 { "0.0 %".to_owned() } else { "-".to_owned() };
    }
    let permille = (i128::from(new) - i128::from(old)) * 1_000 / i128::from(old);
    let sign = if permille < 0 { "-" } else { "+" };
    format!("{sign}{}.{} %", permille.abs() / 10, permille.abs() % 10)
}

/// The rows of the table, in the order of the old file, then what only the new one has.
fn rows(old: &[Figure], new: &[Figure]) -> Vec<Vec<String>> {
    let mut names: Vec<&str> = Vec::new();
    for figure in old.iter().chain(new) {
        if !names.contains(&figure.name.as_str()) {
            names.push(&figure.name);
        }
    }
    let row = |name: &str| {
        let (before, after) = (combine(old, name), combine(new, name));
        let unit = before.as_ref().or(after.as_ref()).map(|figure| figure.unit.clone()).unwrap_or_default();
        let shown = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
        let changed = |before: Option<u64>, after: Option<u64>| match before.zip(after) {
            Some((before, after)) => change(before, after),
            None => "-".to_owned(),
        };
        let medians = (before.as_ref().map(|one| one.median), after.as_ref().map(|one| one.median));
        let p99s = (before.and_then(|one| one.p99), after.and_then(|one| one.p99));
        vec![
            name.to_owned(),
            unit,
            shown(medians.0),
            shown(medians.1),
            changed(medians.0, medians.1),
            shown(p99s.0),
            shown(p99s.1),
            changed(p99s.0, p99s.1),
        ]
    };
    names.into_iter().map(row).collect()
}

/// Prints the changes from one file to another.
///
/// # Errors
/// A file cannot be read.
pub(super) fn run(old: &Path, new: &Path) -> anyhow::Result<()> {
    let (old, new) = (read(old)?, read(new)?);
    let machine = |figures: &[Figure]| figures.iter().find_map(|figure| figure.machine.clone());
    if let Some((before, after)) = machine(&old).zip(machine(&new)).filter(|(before, after)| before != after) {
        print_line!("The machines differ, so the changes say little: {before:?}, {after:?}\n");
    }
    print_table(&["figure", "unit", "old", "new", "change", "old p99", "new p99", "change"], &rows(&old, &new));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_those_of_the_medians_of_each_name() {
        let line = |name: &str, median: u64, p99: &str| {
            format!(r#"{{"name":"{name}","unit":"ns","median":{median}{p99},"n":1}}"#)
        };
        let old =
            [line("a", 100, r#","p99":200"#), line("a", 90, r#","p99":100"#), line("a", 300, ""), line("b", 0, "")];
        let new = [line("c", 7, ""), line("a", 150, r#","p99":100"#)];
        let (old, new) = (read_figures(&old.join("\n")).unwrap(), read_figures(&new.join("\n\n")).unwrap());
        assert_eq!(
            rows(&old, &new),
            [
                ["a", "ns", "100", "150", "+50.0 %", "200", "100", "-50.0 %"],
                ["b", "ns", "0", "-", "-", "-", "-", "-"],
                ["c", "ns", "-", "7", "-", "-", "-", "-"],
            ]
        );
    }

    #[test]
    fn a_file_of_the_command_is_read_too() {
        let text = r#"{"machine":null,"runs":[],"figures":[{"name":"a","unit":"ns","median":1,"n":2}]}"#;
        assert_eq!(read_figures(text).unwrap().len(), 1);
        assert!(read_figures("not a figure").is_err());
        assert_eq!((change(100, 99).as_str(), change(3, 3).as_str(), change(0, 5).as_str()), ("-1.0 %", "+0.0 %", "-"));
    }
}
