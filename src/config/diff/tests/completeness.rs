//! Every difference in meaning between two configurations is reported.

use super::*;

/// The meaning of a configuration, without what is derived from it or does not affect it. `Debug` is derived, so it shows
/// every field, also one that no description names yet.
fn meaning(loaded: &Loaded) -> String {
    let rates = &loaded.rules.rates;
    let shown = |merchant: &Arc<Merchant>| {
        // The order of a map may differ between two runs.
        let (level_indexes, level_names, project_indexes) = (Map::default(), Set::default(), Map::default());
        format!("{:?}", Merchant { level_indexes, level_names, project_indexes, ..Merchant::clone(merchant) })
    };
    let mut merchants: Vec<String> = loaded.rules.merchants.values().map(shown).collect();
    merchants.sort();
    let mut listed: Vec<String> = rates.rates.iter().map(|rate| format!("{rate:?}")).collect();
    listed.sort();
    let rates = format!("{:?} {:?} {:?} {listed:?}", rates.base, rates.as_of, rates.max_age_ms);
    format!("{merchants:?} {rates} {:?}", loaded.settings)
}

/// Other values of the type of a value.
fn other_values(value: &str) -> impl Iterator<Item = &'static str> {
    const FLAGS: &[&str] = &["true", "false"];
    const NUMBERS: &[&str] = &["1", "3", "16", "9000", "536870912"];
    const LISTS: &[&str] = &[
        "[]",
        "[\"gate-b\"]",
        "[\"cards\"]",
        "[\"app\"]",
        "[\"EUR\"]",
        "[\"email\"]",
        "[\"payment\"]",
        "[\"withdrawal\"]",
        "[\"cash\"]",
        "[\"10.1.2.3\"]",
    ];
    const DATES: &[&str] = &["2021-02-03", "2101-01-01T00:00:00Z"];
    const TEXTS: &[&str] = &[
        "\"x\"",
        "\"30m\"",
        "\"never\"",
        "\"payment_gateway\"",
        "\"project\"",
        "\"UTC\"",
        "\"original\"",
        "\"hide_only\"",
        "\"suspended\"",
        "\"phone\"",
        "\"luhn\"",
        "\"auto_inc\"",
        "\"prefix\"",
        "\"GR\"",
        "\"priority\"",
        "\"weighted\"",
        "\"disabled\"",
        "\"withdrawal\"",
        "\"deposit\"",
        "\"USD\"",
        "\"EUR\"",
        "\"GBP\"",
        "\"match\"",
        "\"45m\"",
        "\"lifetime\"",
        "\"monthly\"",
        "\"monday\"",
        "\"30d\"",
        "\"shadow\"",
        "\"12.5%\"",
        "\"0.50\"",
        "\"1113\"",
        "\"https://other.example/\"",
        "\"viewer\"",
        "\"127.0.0.1:7999\"",
        "\"memory\"",
        "\"always\"",
        "\"request\"",
        "\"warn\"",
        "\"json\"",
        "\"0600\"",
    ];
    let values = match value.as_bytes().first() {
        Some(b'"') => TEXTS,
        Some(b'[') => LISTS,
        Some(b't' | b'f') => FLAGS,
        _ if value.contains('-') => DATES,
        _ => NUMBERS,
    };
    let value = value.to_owned();
    values.iter().copied().filter(move |other| *other != value)
}

#[test]
fn no_difference_of_a_valid_configuration_is_silent() {
    /// So many valid edits of a line are tried.
    const VALID_EDITS: usize = 3;
    let base = valid(&files());
    let (mut changed, mut equal, mut unchanged) = (0, 0, Vec::new());
    for (name, text) in files() {
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
            let mut edits = vec![String::new()];
            if let Some((key, value)) = line.split_once(" = ") {
                edits.extend(other_values(value).map(|other| format!("{key} = {other}")));
            }
            let mut differing = 0;
            for edit in edits {
                let mut edited = lines.clone();
                edited[at] = &edit;
                let mut files = files();
                files.insert(name, edited.join("\n"));
                let Ok(other) = loaded(&files) else { continue };
                let is_equal = meaning(&base) == meaning(&other);
                for (old, new) in [(&base, &other), (&other, &base)] {
                    let found = compared(old, new);
                    assert_eq!(found.is_empty(), is_equal, "{name}: `{line}` and `{edit}`: {found:?}");
                }
                if is_equal {
                    equal += 1;
                } else {
                    (changed, differing) = (changed + 1, differing + 1);
                }
                if differing == VALID_EDITS {
                    break;
                }
            }
            if line.contains(" = ") && differing == 0 {
                unchanged.push((*line).to_owned());
            }
        }
    }
    // An id is named by others, and these keys depend on each other, so that no single edit is valid.
    let dependent = ["id = ", "skip_secondary", "window = \"weekly\"", "calendar = true", "window = \"monthly\""];
    unchanged.retain(|line: &String| !dependent.iter().any(|key| line.starts_with(key)));
    assert!(changed > 200 && equal > 0, "{changed} edits changed something, {equal} did not");
    assert_eq!(unchanged, Vec::<String>::new(), "every other key was changed");
}

#[test]
fn the_order_of_a_list_has_a_meaning() {
    let gates = "[[gates]]\nid = \"gate-b\"\n\n";
    let mut moved = edited("merchants/acme.toml", gates, "");
    let text = moved.get_mut("merchants/acme.toml").unwrap();
    *text = text.replacen("[[gates]]\n", &format!("{gates}[[gates]]\n"), 1);
    assert_eq!(lines(&files(), &moved), ["acme: order of gates gate-a, gate-b -> gate-b, gate-a"]);
}
