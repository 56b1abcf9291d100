//! Licences, bans, sources and duplicates of all dependencies, judged by cargo-deny with the rules of `.deny.toml`.

use std::fs;
use std::path::Path;

use crate::{judges, printed, run_system};
use support::environment::repository;

const RULES: &str = ".deny.toml";

/// What cargo-deny says about a workspace. It reads the metadata of crates that the build has fetched.
fn deny(rules: &Path, workspace: &Path, options: &[&str]) -> (bool, String) {
    let program = judges().join("cargo-deny");
    let manifest = workspace.join("Cargo.toml");
    let rules = ["--offline", "--config", rules.to_str().unwrap(), "--manifest-path", manifest.to_str().unwrap()];
    let check = [&["check", "--hide-inclusion-graph"], options, &["licenses", "bans", "sources"]].concat();
    let judged = run_system(program.to_str().unwrap(), &[&rules[..], &check].concat(), "");
    (judged.status.success(), printed(&judged))
}

#[test]
fn every_dependency_has_an_allowed_licence_and_source_and_none_is_banned_or_there_twice() {
    let (is_clean, found) = deny(&repository().join(RULES), &repository(), &["--deny", "warnings"]);
    assert!(is_clean, "{found}");
}

#[test]
fn every_ban_and_every_exception_has_a_reason() {
    let rules: toml::Table = fs::read_to_string(repository().join(RULES)).unwrap().parse().unwrap();
    for list in ["deny", "skip"] {
        let entries = rules["bans"][list].as_array().unwrap();
        assert!(!entries.is_empty(), "{list}");
        for entry in entries {
            let reason = entry.get("reason").and_then(|reason| reason.as_str());
            assert!(reason.is_some_and(|reason| reason.len() > 3), "{list}: {entry} needs a reason");
        }
    }
}

#[test]
fn stricter_rules_find_what_they_forbid() {
    let text = fs::read_to_string(repository().join(RULES)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (from, to, found) in [
        ("\"ISC\",", "", "error[rejected]: failed to satisfy license requirements"),
        ("deny = [\n", "deny = [\n  { crate = \"ring\", reason = \"a test\" },\n", "error[banned]: crate 'ring ="),
        ("{ crate = \"syn@", "# ", "error[duplicate]: found 2 duplicate entries for crate 'syn'"),
        ("skip = [\n", "skip = [\n  { crate = \"none@1.0.0\", reason = \"a test\" },\n", "error[unmatched-skip]"),
        ("[sources]\n", "[sources]\nallow-registry = []\n", "error[source-not-allowed]"),
    ] {
        assert!(text.contains(from), "{from}");
        let rules = folder.path().join("deny.toml");
        fs::write(&rules, text.replacen(from, to, 1)).unwrap();
        let (is_clean, judged) = deny(&rules, &repository(), &["--deny", "warnings"]);
        assert!(!is_clean && judged.contains(found), "{found}: {judged}");
    }
}

#[test]
fn a_new_dependency_with_another_licence_or_a_banned_name_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let plant = |path: &str, name: &str, licence: &str, more: &str| {
        let folder = folder.path().join(path);
        fs::create_dir_all(folder.join("src")).unwrap();
        fs::write(folder.join("src/lib.rs"), "").unwrap();
        let package = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
        fs::write(folder.join("Cargo.toml"), format!("{package}{licence}{more}")).unwrap();
    };
    let judged = || deny(&repository().join(RULES), folder.path(), &["--allow", "unmatched-skip"]);
    let dependencies = |names: &[&str]| {
        let lines: String = names.iter().map(|name| format!("{name} = {{ path = \"{name}\" }}\n")).collect();
        plant(".", "program", "publish = false\n", &format!("[dependencies]\n{lines}"));
    };
    plant("permissive", "permissive", "license = \"MIT\"\n", "");
    plant("copyleft", "copyleft", "license = \"GPL-3.0-only\"\n", "");
    plant("native-tls", "native-tls", "license = \"MIT\"\n", "");
    dependencies(&["permissive"]);
    let (is_clean, found) = judged();
    assert!(is_clean, "{found}");
    dependencies(&["permissive", "copyleft"]);
    let (is_clean, found) = judged();
    assert!(!is_clean && found.contains("error[rejected]") && found.contains("copyleft"), "{found}");
    dependencies(&["permissive", "native-tls"]);
    let (is_clean, found) = judged();
    assert!(!is_clean && found.contains("error[banned]: crate 'native-tls"), "{found}");
}
