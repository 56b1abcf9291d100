//! The bill of materials: the schema of CycloneDX, and what it lists.

use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;

use crate::{judges, printed, run_system};
use support::environment::repository;

/// The bill of a build with these features.
fn bill(features: &str) -> String {
    let output = Command::new(repository().join("packaging/sbom")).arg(features).output().unwrap();
    assert!(output.status.success(), "{}", printed(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The version, the licence and the checksum of each crate, by name and version.
fn components(bill: &str) -> BTreeMap<String, (String, String)> {
    let bill: Value = serde_json::from_str(bill).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let component = |one: &Value| {
        let key = format!("{} {}", text(&one["name"]), text(&one["version"]));
        assert_eq!(text(&one["purl"]), format!("pkg:cargo/{}", key.replace(' ', "@")));
        (key, (text(&one["licenses"][0]["expression"]), text(&one["hashes"][0]["content"])))
    };
    bill["components"].as_array().unwrap().iter().map(component).collect()
}

/// Which dependencies are followed.
#[derive(Clone, Copy, PartialEq)]
enum Followed {
    /// Those that no feature can leave out, and those of the feature `otlp`.
    Required,
    /// Those of the tests' features too.
    All,
}

/// The crates that are linked, by the graph of `cargo metadata`: normal dependencies that are no procedural macros, from the
/// program on. The graph has the features of the tests.
fn linked(followed: Followed) -> BTreeMap<String, String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform"]);
    let output = command.arg("x86_64-unknown-linux-gnu").current_dir(repository()).output().unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let of_id = |list: &Value| -> BTreeMap<String, Value> {
        list.as_array().unwrap().iter().map(|one| (one["id"].as_str().unwrap().to_owned(), one.clone())).collect()
    };
    let (packages, nodes) = (of_id(&metadata["packages"]), of_id(&metadata["resolve"]["nodes"]));
    let is_macro = |id: &str| packages[id]["targets"].to_string().contains("proc-macro");
    let root = metadata["resolve"]["root"].as_str().unwrap().to_owned();
    let (mut found, mut left) = (BTreeMap::new(), vec![root.clone()]);
    while let Some(id) = left.pop() {
        let package = &packages[&id];
        let key = format!("{} {}", package["name"].as_str().unwrap(), package["version"].as_str().unwrap());
        let licence = package["license"].as_str().unwrap().replace(" / ", " OR ").replace('/', " OR ");
        if found.insert(key, licence).is_some() {
            continue;
        }
        for dependency in nodes[&id]["deps"].as_array().unwrap() {
            let next = dependency["pkg"].as_str().unwrap();
            let is_normal = dependency["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null());
            let is_required = package["dependencies"].as_array().unwrap().iter().any(|declared| {
                declared["name"] == packages[next]["name"]
                    && declared["kind"].is_null()
                    && declared["optional"] == false
            });
            let is_followed = followed == Followed::All || is_required || id == root;
            if is_normal && is_followed && !is_macro(next) {
                left.push(next.to_owned());
            }
        }
    }
    found.retain(|key, _| !key.starts_with("levelgate "));
    found
}

#[test]
fn the_bill_is_valid_and_lists_every_linked_crate_with_its_licence() {
    let (with_traces, without) = (bill("otlp"), bill(""));
    let validate = "import sys\n\
                    from cyclonedx.schema import SchemaVersion\n\
                    from cyclonedx.validation.json import JsonStrictValidator\n\
                    print(JsonStrictValidator(SchemaVersion.V1_5).validate_str(sys.stdin.read()) or 'valid')\n";
    for bill in [&with_traces, &without] {
        let python = judges().join("python");
        let judged = run_system(python.to_str().unwrap(), &["-c", validate], bill);
        assert_eq!(printed(&judged), "valid\n");
    }
    let (listed, required, all) = (components(&with_traces), linked(Followed::Required), linked(Followed::All));
    assert!(required.len() > 100, "the graph was read: {}", required.len());
    for key in required.keys() {
        assert!(listed.contains_key(key), "{key} is not in the bill");
    }
    for (key, (licence, _)) in &listed {
        assert_eq!(all.get(key), Some(licence), "{key}");
    }
    let lock: toml::Table = std::fs::read_to_string(repository().join("Cargo.lock")).unwrap().parse().unwrap();
    let locked: BTreeMap<String, String> = lock["package"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|package| {
            let text = |key: &str| package.get(key).and_then(toml::Value::as_str);
            Some((format!("{} {}", text("name")?, text("version")?), text("checksum")?.to_owned()))
        })
        .collect();
    for (key, (_, checksum)) in &listed {
        assert_eq!(locked.get(key), Some(checksum), "{key} is in Cargo.lock");
    }
    // Crates of builds and tests are not linked, and traces only with their feature.
    for absent in ["serde_derive ", "proptest ", "bolero ", "protox "] {
        assert!(!listed.keys().any(|key| key.starts_with(absent)), "{absent}");
    }
    assert!(listed.keys().any(|key| key.starts_with("opentelemetry ")));
    assert!(!without.contains("opentelemetry") && without.contains("pkg:cargo/rustls@"));
}
