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
mod settings;
mod tightened;
mod words;

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
