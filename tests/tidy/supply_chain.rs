//! Licences, banned crates, sources and duplicates of all dependencies, by `.deny.toml`, the configuration of cargo-deny. The
//! check needs only `cargo metadata`.

use crate::{report, root};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// A crate of the graph of this platform, also one that only a build or a test needs.
struct Crate {
    name: String,
    version: String,
    licence: String,
    source: Option<String>,
    dependents: Vec<String>,
}

fn crates() -> Vec<Crate> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform", PLATFORM]);
    let output = command.current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let names: BTreeMap<String, String> = list(&metadata["packages"])
        .iter()
        .map(|package| (text(&package["id"]), format!("{} {}", text(&package["name"]), text(&package["version"]))))
        .collect();
    let mut dependents: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for node in list(&metadata["resolve"]["nodes"]) {
        dependents.entry(text(&node["id"])).or_default();
        for dependency in list(&node["dependencies"]) {
            dependents.entry(text(&dependency)).or_default().push(names[&text(&node["id"])].clone());
        }
    }
    let used = |package: &Value| {
        let dependents = dependents.get(&text(&package["id"]))?.clone();
        let (name, version) = (text(&package["name"]), text(&package["version"]));
        let source = package["source"].as_str().map(str::to_owned);
        Some(Crate { name, version, licence: text(&package["license"]), source, dependents })
    };
    list(&metadata["packages"]).iter().filter_map(used).collect()
}

fn settings() -> toml::Table {
    fs::read_to_string(root().join(".deny.toml")).unwrap().parse().unwrap()
}

/// The texts of a key in a list of tables, or of a list of texts.
fn listed(list: &toml::Value, key: &str) -> BTreeSet<String> {
    let text = |item: &toml::Value| item.get(key).unwrap_or(item).as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(text).collect()
}

/// Whether an expression (SPDX, with `/` as in older crates) permits one of the allowed licences.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let outside = |word: &str| {
        let mut depth = 0;
        expression.char_indices().find_map(|(at, c)| {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            (depth == 0 && expression[at..].starts_with(word)).then_some(at)
        })
    };
    let both = |at: usize, word: &str| (&expression[..at], &expression[at + word.len()..]);
    for word in [" OR ", "/"] {
        if let Some((first, rest)) = outside(word).map(|at| both(at, word)) {
            return is_allowed(first.trim(), allowed) || is_allowed(rest.trim(), allowed);
        }
    }
    if let Some((first, rest)) = outside(" AND ").map(|at| both(at, " AND ")) {
        return is_allowed(first.trim(), allowed) && is_allowed(rest.trim(), allowed);
    }
    match expression.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) => is_allowed(inner, allowed),
        None => allowed.contains(expression),
    }
}

#[test]
fn expressions_of_licences_are_read() {
    let allowed: BTreeSet<String> = ["MIT", "Apache-2.0", "Unicode-3.0"].map(str::to_owned).into();
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("Apache-2.0 / MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("(MIT OR GPL-3.0) AND Unicode-3.0", true),
        ("(MIT OR GPL-3.0) AND GPL-2.0", false),
        ("", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}

#[test]
fn dependencies_have_allowed_licences_and_sources_and_none_is_banned() {
    let settings = settings();
    let allowed = listed(&settings["licenses"]["allow"], "license");
    let banned = listed(&settings["bans"]["deny"], "crate");
    let crates = crates();
    assert!(crates.len() > 100, "the dependencies were found: {}", crates.len());
    let mut problems = Vec::new();
    for Crate { name, version, licence, source, dependents } in &crates {
        let of = dependents.join(", ");
        match source {
            // The members of the workspace.
            None => continue,
            Some(source) if source == REGISTRY => {}
            Some(source) => problems.push(format!("{name} {version} (of {of}) comes from {source}")),
        }
        if !is_allowed(licence, &allowed) {
            problems.push(format!(
                "{name} {version} (of {of}) has the licence `{licence}`, which .deny.toml does not allow"
            ));
        }
        if banned.contains(name) {
            problems.push(format!("{name} {version} (of {of}) is banned in .deny.toml"));
        }
    }
    report(&problems);
}

#[test]
fn every_older_version_of_a_crate_is_explained() {
    let settings = settings();
    let skip = &settings["bans"]["skip"];
    let explained = listed(skip, "crate");
    for entry in skip.as_array().unwrap() {
        assert!(entry["reason"].as_str().is_some_and(|reason| reason.len() > 3), "{entry} has a reason");
    }
    let crates = crates();
    let mut versions: BTreeMap<&str, Vec<&Crate>> = BTreeMap::new();
    crates.iter().for_each(|known| versions.entry(&known.name).or_default().push(known));
    let (mut problems, mut older) = (Vec::new(), BTreeSet::new());
    for versions in versions.values_mut().filter(|versions| versions.len() > 1) {
        let numbers = |known: &Crate| {
            known.version.split(['.', '+', '-']).map(|n| n.parse::<u64>().unwrap_or(0)).collect::<Vec<_>>()
        };
        versions.sort_by_key(|known| numbers(known));
        versions.pop();
        for Crate { name, version, dependents, .. } in versions.iter() {
            let id = format!("{name}@{version}");
            if !explained.contains(&id) {
                let of = dependents.join(", ");
                problems.push(format!("write into `skip` of .deny.toml: {{ crate = \"{id}\", reason = \"{of}\" }},"));
            }
            older.insert(id);
        }
    }
    problems.extend(
        explained.difference(&older).map(|id| format!("`skip` of .deny.toml: {id} is no older version any more")),
    );
    report(&problems);
}
