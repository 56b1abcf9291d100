//! What a configuration says, as far as the model follows it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::money;
use support::random::Random;

/// Ways in which money goes: a direction and a currency.
pub(crate) type Way = (&'static str, &'static str);

/// One filter, of a level or of a customer's own. All windows are longer than any run of these tests, so that a
/// payment that counts never stops counting.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Filter {
    pub(crate) name: &'static str,
    pub(crate) window: &'static str,
    /// Whose transactions it counts; empty: those of all levels.
    pub(crate) level: &'static str,
    pub(crate) direction: &'static str,
    pub(crate) currency: &'static str,
    pub(crate) codes: (u64, u64),
    pub(crate) amount: Option<u64>,
    pub(crate) quantity: Option<u64>,
    pub(crate) all: bool,
    pub(crate) subtract: bool,
}

const OTHER: (u64, u64) = (19006, 19007);
const DAILY: (u64, u64) = (19000, 19001);
const WEEKLY: (u64, u64) = (19002, 19003);
const MONTHLY: (u64, u64) = (19004, 19005);

/// The codes of a window.
pub(crate) fn codes_of(window: &str) -> (u64, u64) {
    match window {
        "daily" => DAILY,
        "weekly" => WEEKLY,
        "monthly" => MONTHLY,
        _ => OTHER,
    }
}

#[rustfmt::skip]
const FILTERS: &[Filter] = &[
    Filter { level: "gold", direction: "deposit", currency: "EUR", name: "ever", window: "lifetime", codes: OTHER, amount: Some(900_000), quantity: Some(500), all: false, subtract: true },
    Filter { level: "gold", direction: "deposit", currency: "EUR", name: "day", window: "daily", codes: DAILY, amount: Some(800_000), quantity: Some(400), all: false, subtract: false },
    Filter { level: "gold", direction: "deposit", currency: "EUR", name: "wide", window: "90d", codes: OTHER, amount: Some(990_000), quantity: Some(600), all: true, subtract: true },
    Filter { level: "silver", direction: "deposit", currency: "EUR", name: "small", window: "lifetime", codes: OTHER, amount: Some(20_000), quantity: Some(9), all: false, subtract: true },
    Filter { level: "unknown", direction: "deposit", currency: "EUR", name: "week", window: "weekly", codes: WEEKLY, amount: Some(300_000), quantity: Some(80), all: true, subtract: false },
    Filter { level: "gold", direction: "deposit", currency: "USD", name: "month", window: "monthly", codes: MONTHLY, amount: Some(600_000), quantity: Some(300), all: true, subtract: false },
    Filter { level: "gold", direction: "withdrawal", currency: "EUR", name: "out", window: "90d", codes: OTHER, amount: Some(70_000), quantity: Some(40), all: false, subtract: true },
];

/// Optional additions to a configuration: more filters, and levels that nothing else configures.
#[rustfmt::skip]
const MORE: &[Filter] = &[
    Filter { level: "gold", direction: "deposit", currency: "EUR", name: "more", window: "lifetime", codes: OTHER, amount: Some(500_000), quantity: Some(250), all: true, subtract: false },
    Filter { level: "bronze", direction: "deposit", currency: "EUR", name: "new", window: "90d", codes: OTHER, amount: Some(60_000), quantity: Some(30), all: false, subtract: true },
    Filter { level: "silver", direction: "withdrawal", currency: "EUR", name: "late", window: "lifetime", codes: OTHER, amount: Some(50_000), quantity: Some(20), all: true, subtract: true },
    Filter { level: "silver", direction: "deposit", currency: "EUR", name: "wider", window: "weekly", codes: WEEKLY, amount: Some(40_000), quantity: Some(15), all: true, subtract: false },
];

/// A configuration, as far as the model follows it, and what else is in its files.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    filters: Vec<Filter>,
    pub(crate) gates: &'static [&'static str],
    pub(crate) zone: &'static str,
    pub(crate) hold: &'static str,
    pub(crate) definition: &'static str,
    /// How long a raise waits: longer than any run, or not at all.
    pub(crate) raise_delay: &'static str,
    /// Whether a raise is to be confirmed, and for how long it can be: longer than any run.
    pub(crate) raise_confirm: bool,
    pub(crate) confirm_within: &'static str,
}

impl Rules {
    /// The one that every folder begins with.
    pub(crate) fn first() -> Rules {
        let definition = "[\"email\", \"phone\"]";
        Rules {
            filters: FILTERS.to_vec(),
            gates: &GATES,
            zone: "UTC",
            hold: "7d",
            definition,
            raise_delay: "0s",
            raise_confirm: true,
            confirm_within: "7d",
        }
    }

    /// Another one: limits raised and lowered, filters and levels that come and go.
    pub(crate) fn another(random: &mut Random) -> Rules {
        let mut filters = FILTERS.to_vec();
        // Some stay, so that a level always exists in both directions.
        filters.retain(|filter| random.percent(85) || matches!(filter.name, "ever" | "out"));
        filters.extend(MORE.iter().filter(|_| random.percent(30)).cloned());
        for filter in &mut filters {
            let (amount, quantity) = (*random.pick(&[40, 100, 100, 150]), *random.pick(&[40, 100, 100, 150]));
            filter.amount = filter.amount.map(|most| most * amount / 100);
            filter.quantity = filter.quantity.map(|most| (most * quantity / 100).max(1));
        }
        let gates = *random.pick(&GATE_LISTS);
        Rules {
            filters,
            gates,
            zone: random.word(&["UTC", "Europe/Nicosia", "Pacific/Apia"]),
            hold: random.word(&["7d", "9d", "36h"]),
            definition: random.word(&["[\"email\", \"phone\"]", "[\"phone\", \"email\"]", "[\"email\"]"]),
            raise_delay: random.word(&["400d", "90d", "0s", "0s"]),
            raise_confirm: random.percent(60),
            confirm_within: random.word(&["7d", "365d"]),
        }
    }

    /// The filters of a level.
    pub(crate) fn filters(&self, level: &str, way: (&str, &str)) -> impl Iterator<Item = &Filter> {
        self.filters.iter().filter(move |f| (f.level, f.direction, f.currency) == (level, way.0, way.1))
    }

    /// The levels that exist in a direction without anybody's having asked for them.
    pub(crate) fn levels(&self, direction: &str) -> Vec<&'static str> {
        let configured = self.filters.iter().filter(|filter| filter.direction == direction).map(|filter| filter.level);
        configured.chain(["unknown"]).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// Levels by name, direction and currency, with names that nothing configures among them.
pub(crate) const LEVELS: &[&str] = &["gold", "silver", "bronze"];
/// The ways in which money goes here.
pub(crate) const WAYS: &[Way] = &[("deposit", "EUR"), ("deposit", "USD"), ("withdrawal", "EUR")];
/// The gates.
pub(crate) const GATES: [&str; 2] = ["gate-a", "gate-b"];
/// The gates that an endpoint may offer, in the order of preference.
const GATE_LISTS: [&[&str]; 3] = [&GATES, &["gate-b", "gate-a"], &["gate-b"]];
/// The project of every payment, and another one.
pub(crate) const PROJECTS: [&str; 2] = ["web", "shop"];

/// Payment methods as every endpoint has them: name, least and most amount.
pub(crate) const METHODS: &[(&str, Option<u64>, Option<u64>)] =
    &[("card", Some(150), Some(3_500)), ("bank", None, Some(3_900))];

/// Labels: name, kind, restrictions. The first one is a new customer's.
pub(crate) const LABELS: &[(&str, &str, &[&str])] = &[
    ("regular", "active", &[]),
    ("guest", "internal", &[]),
    ("watched", "suspended", &[]),
    ("odd", "active", &["mark_outlier"]),
    ("no deposits", "active", &["block_deposits"]),
    ("no payouts", "fraud_suspected", &["block_withdrawals"]),
    ("stopped", "suspended", &["block_transactions", "personal_manager"]),
    ("stuck", "active", &["block_level_change"]),
    ("alone", "internal", &["block_merge"]),
    (LEAVING, "pending_deletion", &[]),
    ("gone", "deleted", &[]),
    (MARKS[0], "active", &[]),
    (MARKS[1], "active", &[]),
    (MARKS[2], "active", &[]),
    (MARKS[3], "active", &[]),
];

/// The label of customers who requested erasure.
pub(crate) const LEAVING: &str = "leaving";

/// Labels by which some clients choose customers in bulk, each client has its own: no other client's customers bear it.
pub(crate) const MARKS: [&str; 4] = ["picked by w0", "picked by w1", "picked by w2", "picked by w3"];

/// Whether a merchant's customers lose individual settings with another level.
pub(crate) fn resets(merchant: &str) -> bool {
    merchant == "acme"
}

/// The behaviour of a merchant where no level applies.
pub(crate) fn default_behaviour(merchant: &str) -> &'static str {
    if merchant == "acme" { "unknown_level" } else { "project" }
}

/// The time from a deletion request to the erasure: longer than any run, or almost none.
pub(crate) fn deletion_grace(merchant: &str) -> &'static str {
    if merchant == "acme" { "400d" } else { "1s" }
}

/// The labels as a merchant's file has them.
pub(crate) fn labels_text() -> String {
    let one = |(name, kind, restrictions): &(&str, &str, &[&str])| {
        format!("\n[[labels]]\nname = \"{name}\"\nkind = \"{kind}\"\nrestrictions = {restrictions:?}\n")
    };
    LABELS.iter().map(one).collect()
}

/// The payment methods as each endpoint has them.
pub(crate) fn methods_text() -> String {
    let mut text = String::new();
    for (method, min, max) in METHODS {
        let _ = writeln!(text, "    [[projects.endpoints.methods]]\n    method = \"{method}\"");
        for (key, value) in [("min_amount", min), ("max_amount", max)] {
            if let Some(value) = value {
                let _ = writeln!(text, "    {key} = \"{}\"", money(*value));
            }
        }
    }
    text
}

/// The levels as a merchant's file has them.
pub(crate) fn levels_text(rules: &Rules) -> String {
    let (mut text, mut known) = (String::new(), BTreeSet::new());
    for Filter { level, direction, currency, .. } in &rules.filters {
        if !known.insert((level, direction, currency)) {
            continue;
        }
        let _ =
            write!(text, "\n[[levels]]\nname = \"{level}\"\ndirection = \"{direction}\"\ncurrency = \"{currency}\"\n");
        if *level != "unknown" {
            text.push_str("projects = [\"web\"]\n");
        }
        for f in rules.filters(level, (direction, currency)) {
            let _ = write!(
                text,
                "  [[levels.filters]]\n  name = \"{}\"\n  window = \"{}\"\n  amount_limit = \"{}\"\n  quantity_limit = {}\n  \
                 for_all_merchant_currencies = {}\n  subtract_cancel_transactions = {}\n",
                f.name,
                f.window,
                money(f.amount.expect("a level's filter has both bounds")),
                f.quantity.expect("a level's filter has both bounds"),
                f.all,
                f.subtract
            );
        }
    }
    text
}
