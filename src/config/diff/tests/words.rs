//! Differences are described in words.

use super::*;

#[test]
fn differences_are_described_in_words() {
    const ACME: &str = "merchants/acme.toml";
    const TOML: &str = "levelgate.toml";
    for (file, from, to, want) in [
        (
            ACME,
            "amount_limit = \"500.00\"",
            "amount_limit = \"300\"",
            "acme: gold deposits in EUR: daily amount 500.00 -> 300.00",
        ),
        (ACME, "quantity_limit = 10\n", "", "acme: gold deposits in EUR: daily quantity 10 -> not set"),
        (ACME, "mode = \"enforce\"", "mode = \"shadow\"", "acme: gold deposits in EUR: daily mode enforce -> shadow"),
        (
            ACME,
            "gates = [\"gate-b\", \"gate-a\"]",
            "gates = [\"gate-a\", \"gate-b\"]",
            "acme: gold deposits in EUR: gates gate-b, gate-a -> gate-a, gate-b",
        ),
        (
            ACME,
            "max_amount = \"1000.00\"",
            "max_amount = \"900.00\"",
            "acme: project web, endpoint web-eur, method card: max_amount 1000.00 -> 900.00",
        ),
        (
            ACME,
            "[[projects.endpoints.methods]]\nmethod = \"cash\"\n",
            "",
            "acme: project web, endpoint web-eur, method cash: removed",
        ),
        (
            ACME,
            "[[projects]]\nid = \"app\"\n",
            "[[projects]]\nid = \"app\"\n[[projects]]\nid = \"tv\"\n",
            "acme: project tv: added (client_definition (none))",
        ),
        (ACME, "hold.deposit = \"1h\"", "hold.deposit = \"30m\"", "acme: hold of deposits 1h -> 30m"),
        (ACME, "email.unique = true", "email.unique = false", "acme: registration: email.unique true -> false"),
        (
            ACME,
            "restrictions = [\"block_merge\", \"call first\"]",
            "restrictions = []",
            "acme: label gone: restrictions block_merge, call first -> (none)",
        ),
        (ACME, "weight = 70", "weight = 7", "acme: gate gate-a: weight 70 -> 7"),
        (ACME, "routing = \"weighted\"", "routing = \"priority\"", "acme: route cards: routing weighted -> priority"),
        (TOML, "max_batches = 256", "max_batches = 64", "[http] max_batches 256 -> 64; takes effect at the next start"),
        (TOML, "level = \"info\"", "level = \"debug\"", "[log] level info -> debug"),
        (TOML, "format = \"text\"", "format = \"json\"", "[log] format text -> json; takes effect at the next start"),
        (
            TOML,
            "otlp_endpoint = \"http://127.0.0.1:4318\"\n",
            "",
            "[telemetry] otlp_endpoint http://127.0.0.1:4318 -> not set; takes effect at the next start",
        ),
        (TOML, "XTS = 3", "XTS = 4", "[currencies] XTS 3 minor units -> 4 minor units"),
        (
            TOML,
            "name = \"shop\"\n",
            "name = \"till\"\n",
            "token till: added (role gateway, token_file \"gateway.token\", merchants acme, expires 2100-01-01T00:00:00.000Z, requests_per_second 50, burst 100)",
        ),
        (TOML, "merchants = [\"acme\"]\n", "", "token shop: merchants acme -> not set"),
        ("rates.toml", "JPY = \"163.21\"\n", "", "rates: JPY 163.21 -> not set"),
        ("rates.toml", "USD = \"1.0872\"", "USD = \"1.10\"", "rates: USD 1.0872 -> 1.10"),
    ] {
        let differences = lines(&files(), &edited(file, from, to));
        assert!(differences.iter().any(|line| line == want), "{from} -> {to}: {differences:?}, not {want}");
    }
}

#[test]
fn whole_items_are_described_with_their_content() {
    let mut without = files();
    without.remove("merchants/acme.toml");
    let text = without.get_mut("levelgate.toml").unwrap();
    *text = text.replace("merchants = [\"acme\"]\n", "");
    let differences = lines(&files(), &without);
    assert!(
        differences.contains(
            &"acme: merchant removed (1 registration policies, 2 labels, 2 gates, 1 routes, 2 projects, 2 levels)"
                .to_owned()
        ),
        "{differences:?}"
    );
    let silver = MERCHANT.find("[[levels]]\nname = \"silver\"").unwrap();
    let mut cut = files();
    cut.insert("merchants/acme.toml", MERCHANT[..silver].to_owned());
    assert_eq!(lines(&files(), &cut), ["acme: silver withdrawals in USD: removed (status active, projects web, app)"]);
    let found = compared(&valid(&files()), &valid(&cut));
    assert!(matches!(found[0].subject, DifferenceSubject::Level(level) if level.name.as_str() == "silver"));
    assert_eq!((found[0].kind, found[0].merchant.unwrap().as_str()), (DifferenceKind::Removed, "acme"));
    let filter = edited(
        "merchants/acme.toml",
        "[[levels.filters]]\nname = \"month\"\n",
        "[[levels.filters]]\nname = \"moon\"\n",
    );
    let differences = lines(&files(), &filter);
    let content = "amount 2000.00, window the last month, kind of window monthly, scope level, \
                   subtract_cancel_transactions false, mode enforce";
    assert_eq!(
        differences,
        [
            format!("acme: gold deposits in EUR: filter moon added ({content})"),
            format!("acme: gold deposits in EUR: filter month removed ({content})"),
        ]
    );
}
