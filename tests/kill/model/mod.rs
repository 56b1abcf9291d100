//! The naive model: every customer has a list of transactions with their facts, and every question sums it afresh. It
//! knows the contract, and nothing of the daemon's inside.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::chance::Chance;

/// One filter of a level. All windows are longer than any run of these tests, so that whatever counts goes on counting.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    level: &'static str,
    direction: &'static str,
    currency: &'static str,
    pub(crate) name: &'static str,
    window: &'static str,
    codes: (u64, u64),
    amount: u64,
    quantity: u64,
    all: bool,
    subtract: bool,
}

const OTHER: (u64, u64) = (19006, 19007);
const DAILY: (u64, u64) = (19000, 19001);
const WEEKLY: (u64, u64) = (19002, 19003);
const MONTHLY: (u64, u64) = (19004, 19005);

#[rustfmt::skip]
const FILTERS: &[Filter] = &[
    Filter { level: "gold", direction: "deposit", currency: "EUR", name: "ever", window: "lifetime", codes: OTHER, amount: 900_000, quantity: 500, all: false, subtract: true },
    Filter { level: "gold", direction: "deposit", currency: "EUR", name: "day", window: "daily", codes: DAILY, amount: 800_000, quantity: 400, all: false, subtract: false },
    Filter { level: "gold", direction: "deposit", currency: "EUR", name: "wide", window: "90d", codes: OTHER, amount: 990_000, quantity: 600, all: true, subtract: true },
    Filter { level: "silver", direction: "deposit", currency: "EUR", name: "small", window: "lifetime", codes: OTHER, amount: 20_000, quantity: 9, all: false, subtract: true },
    Filter { level: "unknown", direction: "deposit", currency: "EUR", name: "week", window: "weekly", codes: WEEKLY, amount: 300_000, quantity: 80, all: true, subtract: false },
    Filter { level: "gold", direction: "deposit", currency: "USD", name: "month", window: "monthly", codes: MONTHLY, amount: 600_000, quantity: 300, all: true, subtract: false },
    Filter { level: "gold", direction: "withdrawal", currency: "EUR", name: "out", window: "90d", codes: OTHER, amount: 70_000, quantity: 40, all: false, subtract: true },
];

/// What a configuration may have besides: filters more, and levels that nothing else configures.
#[rustfmt::skip]
const MORE: &[Filter] = &[
    Filter { level: "gold", direction: "deposit", currency: "EUR", name: "more", window: "lifetime", codes: OTHER, amount: 500_000, quantity: 250, all: true, subtract: false },
    Filter { level: "bronze", direction: "deposit", currency: "EUR", name: "new", window: "90d", codes: OTHER, amount: 60_000, quantity: 30, all: false, subtract: true },
    Filter { level: "silver", direction: "withdrawal", currency: "EUR", name: "late", window: "lifetime", codes: OTHER, amount: 50_000, quantity: 20, all: true, subtract: true },
    Filter { level: "silver", direction: "deposit", currency: "EUR", name: "wider", window: "weekly", codes: WEEKLY, amount: 40_000, quantity: 15, all: true, subtract: false },
];

/// A configuration, as far as the model follows it, and what else is in its files.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    filters: Vec<Filter>,
    pub(crate) gates: &'static str,
    pub(crate) zone: &'static str,
    pub(crate) hold: &'static str,
    pub(crate) definition: &'static str,
}

impl Rules {
    /// The one that every folder begins with.
    pub(crate) fn first() -> Rules {
        let (gates, definition) = ("[\"gate-a\", \"gate-b\"]", "[\"email\", \"phone\"]");
        Rules { filters: FILTERS.to_vec(), gates, zone: "UTC", hold: "7d", definition }
    }

    /// Another one: limits raised and lowered, filters and levels that come and go.
    pub(crate) fn another(chance: &mut Chance) -> Rules {
        let mut filters = FILTERS.to_vec();
        filters.retain(|_| chance.percent(85));
        filters.extend(MORE.iter().filter(|_| chance.percent(30)).cloned());
        for filter in &mut filters {
            filter.amount = filter.amount * chance.pick(&[40, 100, 100, 150]) / 100;
            filter.quantity = (filter.quantity * chance.pick(&[40, 100, 100, 150]) / 100).max(1);
        }
        Rules {
            filters,
            gates: chance.pick(&["[\"gate-a\", \"gate-b\"]", "[\"gate-b\", \"gate-a\"]", "[\"gate-b\"]"]),
            zone: chance.pick(&["UTC", "Europe/Nicosia", "Pacific/Apia"]),
            hold: chance.pick(&["7d", "9d", "36h"]),
            definition: chance.pick(&["[\"email\", \"phone\"]", "[\"phone\", \"email\"]", "[\"email\"]"]),
        }
    }

    fn filters(&self, level: &str, way: (&str, &str)) -> impl Iterator<Item = &Filter> {
        self.filters.iter().filter(move |f| (f.level, f.direction, f.currency) == (level, way.0, way.1))
    }
}

/// Levels by name, direction and currency, with names that nothing configures among them.
pub(crate) const LEVELS: &[&str] = &["gold", "silver", "bronze"];
/// The ways in which money goes here.
pub(crate) const WAYS: &[(&str, &str)] = &[("deposit", "EUR"), ("deposit", "USD"), ("withdrawal", "EUR")];

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
                money(f.amount),
                f.quantity,
                f.all,
                f.subtract
            );
        }
    }
    text
}

/// Minor units as the wire writes them.
pub(crate) fn money(minor: u64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

/// A transaction: what was asked, and what happened.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tx {
    pub(crate) id: String,
    pub(crate) way: (&'static str, &'static str),
    pub(crate) level: &'static str,
    pub(crate) asked: u64,
    pub(crate) approved: u64,
    pub(crate) cancelled: u64,
    pub(crate) refunded: u64,
    pub(crate) declined: bool,
    pub(crate) denied: bool,
    /// Nobody's: it counts nowhere.
    pub(crate) passes_by: bool,
    pub(crate) until: Option<String>,
    /// Facts behind the opening.
    pub(crate) facts: usize,
}

impl Tx {
    pub(crate) fn status(&self) -> &'static str {
        if self.approved > 0 {
            if self.cancelled >= self.approved { "cancelled" } else { "approved" }
        } else if self.denied {
            "denied"
        } else if self.declined {
            "declined"
        } else if self.cancelled >= self.asked {
            "cancelled"
        } else {
            "reserved"
        }
    }

    /// What it puts into a filter: an amount, and itself or nothing.
    fn counts(&self, subtract: bool) -> (u64, u64) {
        let left = if self.approved > 0 {
            if subtract { self.approved.saturating_sub(self.cancelled) } else { return (self.approved, 1) }
        } else if self.denied || self.declined {
            0
        } else {
            self.asked.saturating_sub(self.cancelled)
        };
        (left, u64::from(left > 0))
    }

    /// What may still be cancelled or paid back.
    pub(crate) fn left(&self) -> u64 {
        let whole = if self.approved > 0 { self.approved } else { self.asked };
        whole.saturating_sub(self.cancelled + self.refunded)
    }
}

/// A customer with everything that ever happened.
#[derive(Debug, Clone, Default)]
pub(crate) struct Person {
    pub(crate) merchant: &'static str,
    /// The merchant's own identifier; for customers of a gateway, what a test calls them.
    pub(crate) name: String,
    pub(crate) email: String,
    /// The daemon has the e-mail address.
    pub(crate) has_email: bool,
    pub(crate) exists: bool,
    /// As the daemon named it.
    pub(crate) id: Option<String>,
    /// A `customer_id` that nobody has.
    pub(crate) stranger: bool,
    /// Stored level names: of deposits, of withdrawals.
    pub(crate) stored: [Option<&'static str>; 2],
    pub(crate) consent: Option<&'static str>,
    pub(crate) suspicion: Option<&'static str>,
    pub(crate) holds: BTreeSet<String>,
    pub(crate) txs: Vec<Tx>,
}

/// What a decision comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decided {
    pub(crate) level: Option<(&'static str, &'static str)>,
    /// Numbers, each with the filter that it comes from.
    pub(crate) codes: BTreeSet<(u64, String)>,
}

impl Person {
    pub(crate) fn status(&self) -> &'static str {
        self.suspicion.or(self.consent).unwrap_or("new")
    }

    fn side(way: (&str, &str)) -> usize {
        usize::from(way.0 == "withdrawal")
    }

    /// The level that applies, and where it comes from.
    fn level(&self, rules: &Rules, way: (&str, &str), sent: Option<&'static str>) -> (&'static str, &'static str) {
        let (name, source) = match sent {
            Some(name) => (Some(name), "request"),
            None => (self.stored[Person::side(way)], "stored"),
        };
        let configured = name.filter(|name| rules.filters(name, way).next().is_some());
        configured.map_or(("unknown", "default"), |name| (name, source))
    }

    /// How much of a filter is used: five times the euro cents or four times the dollar cents, so that sums over both
    /// are whole; and how many.
    fn used(&self, filter: &Filter) -> (u64, u64) {
        let mut sum = (0, 0);
        for tx in self.txs.iter().filter(|tx| tx.way.0 == filter.direction && !tx.passes_by) {
            if filter.all || (tx.level == filter.level && tx.way.1 == filter.currency) {
                let (amount, quantity) = tx.counts(filter.subtract);
                sum = (sum.0 + amount * scale(tx.way.1), sum.1 + quantity);
            }
        }
        sum
    }

    /// What is used of each filter of a level: name, amount as shown, quantity; `more` is what is paid on top.
    pub(crate) fn usage(
        &self,
        rules: &Rules,
        level: &str,
        way: (&str, &str),
        more: Option<u64>,
    ) -> Vec<(&'static str, String, u64)> {
        let scale = scale(way.1);
        let shown = rules.filters(level, way).map(|filter| {
            let (amount, quantity) = self.used(filter);
            let amount = amount + more.unwrap_or(0) * scale;
            (filter.name, money(amount.div_ceil(scale)), quantity + u64::from(more.is_some()))
        });
        shown.collect()
    }

    /// What is answered to a payment of so much.
    pub(crate) fn decide(
        &self,
        rules: &Rules,
        way: (&str, &str),
        amount: u64,
        sent: Option<&'static str>,
        instrument: Option<&str>,
        blocked: &BTreeSet<String>,
    ) -> Decided {
        let mut codes = BTreeSet::new();
        if instrument.is_some_and(|id| blocked.contains(id)) {
            codes.insert((19106, String::new()));
        }
        if self.stranger {
            return Decided { level: None, codes };
        }
        if self.suspicion == Some("fraud") && instrument.is_none() {
            codes.insert((19100, String::new()));
        }
        let level = self.level(rules, way, sent);
        for filter in rules.filters(level.0, way) {
            let (used, quantity) = self.used(filter);
            if used + amount * scale(way.1) > filter.amount * scale(way.1) {
                codes.insert((filter.codes.0, filter.name.to_owned()));
            }
            if quantity + 1 > filter.quantity {
                codes.insert((filter.codes.1, filter.name.to_owned()));
            }
        }
        Decided { level: Some(level), codes }
    }

    /// Remembers what a payment told of the customer.
    pub(crate) fn learn(&mut self, way: (&str, &str), sent: Option<&'static str>, held: Option<&str>, has_email: bool) {
        if self.stranger {
            return;
        }
        self.exists = true;
        self.has_email |= has_email;
        if sent.is_some() {
            self.stored[Person::side(way)] = sent;
        }
        self.holds.extend(held.map(str::to_owned));
    }

    pub(crate) fn holds(&self, instrument: &str) -> bool {
        self.holds.contains(instrument)
    }

    /// What a signal makes of it.
    pub(crate) fn signalled(&mut self, signal: &str) {
        match signal {
            "consent_given" => self.consent = Some("member"),
            "consent_refused" => self.consent = Some("deny"),
            "fraud_suspected" => self.suspicion = self.suspicion.or(Some("suspicious")),
            "cleared" => self.suspicion = None,
            _ => self.suspicion = Some("fraud"),
        }
    }
}

fn scale(currency: &str) -> u64 {
    if currency == "EUR" { 5 } else { 4 }
}
