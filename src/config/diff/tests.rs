//! Differences of configurations: their words, and that no difference is silent.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use super::{Difference, DifferenceKind, DifferenceSubject, differences, is_tightened};
use crate::{
    config::{Loaded, Problems, load},
    domain::{
        rules::merchant::Merchant,
        vocabulary::names::{Map, Set},
    },
};
use std::{collections::BTreeMap, fs, sync::Arc};

mod completeness;

/// Every key of a merchant's file, one a line.
const MERCHANT: &str = r#"id = "acme"
name = "Acme Games"
operation_mode = "crm"
default_behaviour = "unknown_level"
time_zone = "Europe/Nicosia"
reset_individual_settings_on_level_change = true
add_all_projects_to_unknown_level = true
hold.deposit = "1h"
hold.withdrawal = "never"
refunds = "none"
hidden_methods = "deny"
trust_blocks = true
numeric_ids = true
sandbox = true
seal_identifiers = true
labels_max = 7
raise_delay = "72h"
raise_confirm = true
confirm_within = "3d"
raise_not_before = "period_end"
deletion_grace = "14d"
terminal_url = "https://terminal.example/{customer_id}"

[[labels]]
name = "regular"
kind = "active"

[[labels]]
name = "gone"
kind = "deleted"
restrictions = ["block_merge", "call first"]

[registration]
primary_identifier = "email"
allow_any_identifier = true
strict_primary_check = true
skip_secondary_on_primary_mismatch = false
merge_on_duplicate = true
from_payments = "create"
min_registration_date = 2020-01-01
default_country = "CY"
email.required = true
email.unique = true
email.allow_update = false
phone.required = true
phone.unique = true
phone.allow_update = false

[registration.external_id]
required = true
unique = true
allow_update = false
length = 15
prefix = "1112"
offset = 3000
checksum = "mod7"
checksum_includes = "none"
replace = true
sources = ["api", "import"]

[[gates]]
id = "gate-a"
enabled = true
directions = ["deposit"]
currencies = ["EUR", "USD"]
methods = ["card"]
min_amount = "1.00"
max_amount = "900.00"
weight = 70

[[gates]]
id = "gate-b"

[[routes]]
id = "cards"
gates = ["gate-a", "gate-b"]
routing = "weighted"

[[projects]]
id = "web"
client_definition = ["email", "phone"]
[[projects.endpoints]]
id = "web-eur"
currency = "EUR"
gates = ["gate-a", "cards"]
client_definition = ["phone"]
[[projects.endpoints.methods]]
method = "card"
show_in_form = true
min_amount = "1.00"
max_amount = "1000.00"
gates = ["gate-b"]
[[projects.endpoints.methods]]
method = "cash"
[[projects.endpoints]]
id = "web-usd"
currency = "USD"
gates = ["gate-b"]

[[projects]]
id = "app"

[[levels]]
name = "gold"
direction = "deposit"
currency = "EUR"
status = "active"
projects = ["web"]
gates = ["gate-b", "gate-a"]
routing = "priority"
[[levels.methods]]
method = "card"
show_in_form = false
min_amount = "2.00"
max_amount = "5000.00"
gates = ["gate-a"]
[[levels.filters]]
window = "daily"
amount_limit = "500.00"
quantity_limit = 10
calendar = true
subtract_cancel_transactions = true
for_all_merchant_currencies = true
mode = "enforce"
warn_at = "80%"
[[levels.filters]]
name = "week"
window = "weekly"
calendar = true
week_starts_on = "sunday"
quantity_limit = 30
[[levels.filters]]
name = "month"
window = "monthly"
month = "same_day"
amount_limit = "2000.00"
[[levels]]
name = "silver"
direction = "withdrawal"
currency = "USD"
projects = ["web", "app"]
"#;

/// Every key of `levelgate.toml` that this version serves, one a line.
const DAEMON: &str = r#"[http]
listen = "127.0.0.1:7400"
unix_socket = "levelgate.sock"
unix_socket_mode = "0660"
max_body_bytes = 65536
max_connections = 4096
listen_backlog = 4096
max_header_bytes = 16384
header_timeout_s = 10
body_timeout_s = 30
min_upload_bytes_per_s = 1024
max_inflight_bytes = 268435456
max_batches = 256
[admin]
listen = "127.0.0.1:7401"
[[auth.tokens]]
role = "gateway"
token_file = "gateway.token"
name = "shop"
merchants = ["acme"]
expires = 2100-01-01T00:00:00Z
requests_per_second = 50
burst = 100
[[auth.tokens]]
role = "operator"
token_file = "operator.token"
[clock]
source = "system"
max_past_seconds = 300
max_future_seconds = 5
[store]
kind = "disk"
path = "data"
sync = "interval"
sync_interval_ms = 100
snapshot_interval_s = 300
snapshot_records = 10000000
segment_bytes = 67108864
min_free_bytes = 1000
stop_snapshot_s = 60
[memory]
retention_days = 40
max_transactions = 100000000
archive_days = 400
huge_pages = true
[console]
enabled = true
secure_cookie = false
user_header = "x-user"
trusted_proxies = ["10.0.0.0/8"]
users = [{ name = "ann", role = "viewer" }]
four_eyes = ["bulk"]
[log]
level = "info"
format = "text"
[telemetry]
otlp_endpoint = "http://127.0.0.1:4318"
[currencies]
XTS = 3
"#;

const RATES: &str = r#"base = "EUR"
as_of = 2026-11-20T00:00:00Z
max_age = "24h"
[rates]
USD = "1.0872"
JPY = "163.21"
"#;

type Files = BTreeMap<&'static str, String>;

fn files() -> Files {
    [("merchants/acme.toml", MERCHANT), ("levelgate.toml", DAEMON), ("rates.toml", RATES)]
        .map(|(name, text)| (name, text.to_owned()))
        .into()
}

fn loaded(files: &Files) -> Result<Loaded, Problems> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("merchants")).unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    load(folder.path())
}

fn valid(files: &Files) -> Loaded {
    loaded(files).unwrap_or_else(|problems| panic!("{problems}"))
}

fn compared(old: &Loaded, new: &Loaded) -> Vec<Difference> {
    differences(old.compared(&old.rules), new.compared(&new.rules))
}

fn lines(old: &Files, new: &Files) -> Vec<String> {
    compared(&valid(old), &valid(new)).iter().map(ToString::to_string).collect()
}

/// The files with one text replaced.
fn edited(file: &'static str, from: &str, to: &str) -> Files {
    let mut files = files();
    let text = files.get_mut(file).unwrap();
    assert!(text.contains(from), "{from} is in {file}");
    *text = text.replacen(from, to, 1);
    files
}

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

#[test]
fn the_text_of_a_token_and_a_password_are_compared_and_not_shown() {
    let (mut old, mut new) = (valid(&files()), valid(&files()));
    let credential =
        |files: &Loaded, digest| crate::config::Credential { token: files.settings.auth.tokens[0].clone(), digest };
    old.credentials = vec![credential(&old, [1; 32])];
    new.credentials = vec![credential(&new, [2; 32])];
    let differences: Vec<String> = compared(&old, &new).iter().map(ToString::to_string).collect();
    assert_eq!(differences, ["token shop: text changed"]);
    let redis =
        |url: &str| Some(crate::config::Redis::new(crate::config::RedisUrl::parse(url).unwrap(), "redis.key".into()));
    new.credentials = old.credentials.clone();
    old.settings.redis = redis("redis://me:one@host");
    new.settings.redis = redis("redis://me:two@host");
    let differences: Vec<String> = compared(&old, &new).iter().map(ToString::to_string).collect();
    assert_eq!(differences, ["[redis] url changed; takes effect at the next start"]);
}

#[test]
fn every_key_of_redis_takes_effect_at_the_next_start() {
    const SECTION: &str = r#"[redis]
url = "rediss://host"
key_file = "redis.key"
ack = "redis"
on_outage = "continue"
lease_ms = 3000
renew_ms = 500
prefix = "levelgate"
snapshot_interval_s = 300
password_file = "redis.password"
ca = "ca.pem"
timeouts.connect_ms = 1000
timeouts.response_ms = 1000
timeouts.total_ms = 3000
"#;
    let with = |section: &str| {
        let mut files = files();
        files.get_mut("levelgate.toml").unwrap().push_str(section);
        files
    };
    for (key, to, want) in [
        ("url", "\"rediss://other\"", "url changed"),
        ("key_file", "\"other.key\"", "key_file \"redis.key\" -> \"other.key\""),
        ("ack", "\"redis+2\"", "ack redis -> redis+2"),
        ("on_outage", "\"refuse\"", "on_outage continue -> refuse"),
        ("lease_ms", "2000", "lease_ms 3000 -> 2000"),
        ("renew_ms", "1000", "renew_ms 500 -> 1000"),
        ("prefix", "\"eu-1\"", "prefix levelgate -> eu-1"),
        ("snapshot_interval_s", "60", "snapshot_interval_s 300 -> 60"),
        ("password_file", "\"other\"", "password_file \"redis.password\" -> \"other\""),
        ("ca", "\"other.pem\"", "ca \"ca.pem\" -> \"other.pem\""),
        ("timeouts.connect_ms", "500", "timeouts.connect_ms 1000 -> 500"),
        ("timeouts.response_ms", "500", "timeouts.response_ms 1000 -> 500"),
        ("timeouts.total_ms", "2000", "timeouts.total_ms 3000 -> 2000"),
    ] {
        let line = SECTION.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap();
        let told = lines(&with(SECTION), &with(&SECTION.replace(line, &format!("{key} = {to}"))));
        assert_eq!(told, [format!("[redis] {want}; takes effect at the next start")]);
    }
    let told = lines(&files(), &with(SECTION));
    assert_eq!(told.len(), 13, "{told:?}");
    assert!(told.iter().all(|line| line.starts_with("[redis] ") && line.contains("next start")), "{told:?}");
}

#[test]
fn a_lower_or_newly_enforced_limit_is_tightened_and_a_higher_one_is_not() {
    for (from, to, want) in [
        ("amount_limit = \"500.00\"", "amount_limit = \"300.00\"", true),
        ("amount_limit = \"500.00\"", "amount_limit = \"501.00\"", false),
        ("amount_limit = \"500.00\"\n", "", false),
        ("quantity_limit = 10", "quantity_limit = 9", true),
        ("name = \"month\"", "name = \"moon\"", true),
        ("mode = \"enforce\"", "mode = \"off\"", false),
        ("weight = 70", "weight = 7", false),
    ] {
        let (old, new) = (valid(&files()), valid(&edited("merchants/acme.toml", from, to)));
        let tightened = compared(&old, &new).iter().any(|found| is_tightened(&found.subject, &old.rules, &new.rules));
        assert_eq!(tightened, want, "{from} -> {to}");
    }
    let (old, new) = (edited("merchants/acme.toml", "mode = \"enforce\"", "mode = \"shadow\""), files());
    let (old, new) = (valid(&old), valid(&new));
    assert!(compared(&old, &new).iter().all(|found| is_tightened(&found.subject, &old.rules, &new.rules)));
}
