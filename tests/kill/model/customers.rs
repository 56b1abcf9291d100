//! All customers of a client, who is part of whom, and what is decided about them: each question sums the lists afresh.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::customer::{Effective, Suspected};
use super::exchange_rates;
use super::{
    Customer, CustomerLimits, ErasureState, Filter, LABELS, LEAVING, METHODS, Rules, Transaction, Way,
    default_behaviour, in_order, money,
};

/// The customers, and the instruments that are blocked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Customers {
    pub(crate) all: Vec<Customer>,
    pub(crate) blocked: BTreeSet<String>,
}

/// What a payment asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Payment<'a> {
    pub(crate) way: Way,
    pub(crate) amount: u64,
    pub(crate) level: Option<&'static str>,
    pub(crate) instrument: Option<&'a str>,
    pub(crate) method: Option<&'static str>,
}

/// What a decision comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decided {
    pub(crate) level: Option<(&'static str, &'static str)>,
    /// Numbers, each with the filter that it comes from: sorted.
    pub(crate) codes: Vec<(u64, String)>,
    pub(crate) gates: Vec<&'static str>,
}

/// What is used of a filter.
struct Used {
    /// So many parts of a minor unit, that sums over both currencies are whole.
    amount: u64,
    /// The parts of one.
    parts: u64,
    quantity: u64,
    /// Something of it was in the other currency.
    is_converted: bool,
}

impl Customers {
    /// The customer into which a customer is merged, or itself.
    pub(crate) fn head(&self, place: usize) -> usize {
        self.all[place].into.map_or(place, |into| self.head(into))
    }

    /// The customer into which a customer is merged, or itself.
    pub(crate) fn head_of(&self, place: usize) -> &Customer {
        &self.all[self.head(place)]
    }

    /// The customer into which a customer is merged, or itself.
    pub(crate) fn head_mut(&mut self, place: usize) -> &mut Customer {
        let head = self.head(place);
        &mut self.all[head]
    }

    /// Whether a customer is neither forgotten nor about to be.
    pub(crate) fn stays(&self, place: usize) -> bool {
        self.head_of(place).fate == ErasureState::Stays
    }

    /// When a customer is to be forgotten, as the daemon said it once and must go on saying it.
    pub(crate) fn is_due(&mut self, place: usize, shown: Option<&str>) -> bool {
        let head = self.head_mut(place);
        if !head.labels.contains(&LEAVING) {
            head.due = None;
        } else if head.due.is_none() {
            head.due = shown.map(str::to_owned);
            return shown.is_some();
        }
        head.due.as_deref() == shown
    }

    /// A customer with all who are one with it.
    pub(crate) fn members(&self, place: usize) -> impl Iterator<Item = &Customer> {
        let head = self.head(place);
        self.all.iter().enumerate().filter(move |(other, _)| self.head(*other) == head).map(|(_, customer)| customer)
    }

    /// Their transactions.
    pub(crate) fn transactions(&self, place: usize) -> impl Iterator<Item = &Transaction> {
        self.members(place).flat_map(|customer| &customer.transactions)
    }

    /// The level that applies, without a name where none does, and where it comes from.
    fn level(&self, place: usize, rules: &Rules, payment: &Payment<'_>) -> (&'static str, &'static str) {
        let head = self.head_of(place);
        let (name, source) = match head.takes(payment.level) {
            Some(name) => (Some(name), "request"),
            None => (head.stored[Customer::side(payment.way.0)], "stored"),
        };
        let is_there = |name: &&str| *name == "unknown" || rules.filters(name, payment.way).next().is_some();
        let default = match default_behaviour(head.merchant) {
            "project" => ("", "project"),
            _ => ("unknown", "default"),
        };
        name.filter(is_there).map_or(default, |name| (name, source))
    }

    /// How much of a filter is used.
    fn used(&self, place: usize, filter: &Filter) -> Used {
        let (times, parts) = exchange_rates::into(filter.currency, &self.head_of(place).rates);
        let mut sum = Used { amount: 0, parts, quantity: 0, is_converted: false };
        for transaction in self
            .transactions(place)
            .filter(|transaction| transaction.way.0 == filter.direction && !transaction.passes_by)
        {
            let is_of_level = filter.level.is_empty() || transaction.level == filter.level;
            if filter.all || (is_of_level && transaction.way.1 == filter.currency) {
                let (amount, quantity) = transaction.counts(filter.subtract);
                let is_foreign = transaction.way.1 != filter.currency;
                sum.amount += amount * if is_foreign { times } else { parts };
                sum.quantity += quantity;
                sum.is_converted |= is_foreign && amount > 0;
            }
        }
        sum
    }

    /// The filters of a level, and the customer's own.
    fn filters<'a>(&'a self, place: usize, rules: &'a Rules, level: &str, way: Way) -> Vec<&'a Filter> {
        let own = self.head_of(place).limits.get(&way).into_iter().flat_map(CustomerLimits::in_force);
        rules.filters(level, way).chain(own).collect()
    }

    /// What is used of each filter: its name, then limit and use of the amount as shown, then of the quantity; `more` is
    /// what is paid on top.
    pub(crate) fn usage(&self, place: usize, rules: &Rules, level: &str, way: Way, more: Option<u64>) -> Value {
        in_order(self.filters(place, rules, level, way).into_iter().map(|filter| {
            let Used { amount, parts, quantity, .. } = self.used(place, filter);
            let (amount, quantity) = (amount + more.unwrap_or(0) * parts, quantity + u64::from(more.is_some()));
            json!([filter.name, filter.amount.map(money), money(amount.div_ceil(parts)), filter.quantity, quantity])
        }))
    }

    /// The own rate by which that was counted, if any was.
    pub(crate) fn counted_by(&self, place: usize, rules: &Rules, level: &str, way: Way) -> Value {
        let is_converted = |filter: &Filter| self.used(place, filter).is_converted;
        let reads_any = self.filters(place, rules, level, way).into_iter().any(is_converted);
        exchange_rates::shown(exchange_rates::newest(&self.head_of(place).rates).filter(|_| reads_any))
    }

    /// What holds for the method of a payment; `None`: it names none.
    pub(crate) fn effective(&self, place: usize, rules: &Rules, payment: &Payment<'_>) -> Option<Effective> {
        payment.method.map(|method| self.effective_by(place, rules, payment, method))
    }

    fn effective_by(&self, place: usize, rules: &Rules, payment: &Payment<'_>, method: &str) -> Effective {
        let head = self.head_of(place);
        let (level, _) = self.level(place, rules, payment);
        // A level that comes with the payment takes the settings away before anything is asked of them.
        let goes = head.takes(payment.level).is_some_and(|name| head.loses_settings(payment.way.0, Some(name)));
        let own = head.settings.get(&(payment.way, level)).filter(|_| !goes && !head.is_bypassed);
        head.effective(method, own)
    }

    /// Why no method on offer takes a payment that names none.
    fn refused_by_all(&self, place: usize, rules: &Rules, payment: &Payment<'_>) -> Option<u64> {
        let all = METHODS.iter().map(|(method, ..)| self.effective_by(place, rules, payment, method));
        let payable: Vec<Effective> = all.filter(|method| method.shown).collect();
        let is_below = |method: &Effective| method.least.is_some_and(|least| payment.amount < least);
        let is_above = |method: &Effective| method.most.is_some_and(|most| payment.amount > most);
        match payable.as_slice() {
            [] => Some(19101),
            some if some.iter().any(|method| !is_below(method) && !is_above(method)) => None,
            some if some.iter().all(is_below) => Some(19102),
            _ => Some(19103),
        }
    }

    /// What is answered to a payment.
    pub(crate) fn decide(&self, place: usize, rules: &Rules, payment: &Payment<'_>) -> Decided {
        let (head, Payment { way, amount, .. }) = (self.head_of(place), *payment);
        let mut codes = Vec::new();
        let mut refuse = |code: u64, name: &str| codes.push((code, name.to_owned()));
        if payment.instrument.is_some_and(|id| self.blocked.contains(id)) {
            refuse(19106, "");
        }
        let no_way = if way.0 == "deposit" { "block_deposits" } else { "block_withdrawals" };
        let is_fraud = match head.suspected {
            Suspected::Whole => true,
            Suspected::ByInstrument => payment.instrument.is_none(),
            Suspected::Flagged | Suspected::Nothing => false,
        };
        let is_stopped = head.bears("block_transactions") || head.bears(no_way) || head.off.contains(&"web");
        if is_fraud || is_stopped {
            refuse(19100, "");
        }
        let effective = self.effective(place, rules, payment);
        match &effective {
            Some(method) if !method.shown => refuse(19101, ""),
            Some(method) => {
                if method.least.is_some_and(|least| amount < least) {
                    refuse(19102, "");
                }
                if method.most.is_some_and(|most| amount > most) {
                    refuse(19103, "");
                }
            }
            None => self.refused_by_all(place, rules, payment).into_iter().for_each(|code| refuse(code, "")),
        }
        let level = (!head.is_bypassed).then(|| self.level(place, rules, payment));
        for filter in level.map_or_else(Vec::new, |level| self.filters(place, rules, level.0, way)) {
            let Used { amount: used, parts, quantity, .. } = self.used(place, filter);
            if filter.amount.is_some_and(|most| used + amount * parts > most * parts) {
                refuse(filter.codes.0, filter.name);
            }
            if filter.quantity.is_some_and(|most| quantity + 1 > most) {
                refuse(filter.codes.1, filter.name);
            }
        }
        codes.sort_unstable();
        let listed = effective.and_then(|method| method.gates).unwrap_or_else(|| rules.gates.to_vec());
        Decided { level, gates: if codes.is_empty() { listed } else { Vec::new() }, codes }
    }

    /// Remembers what a payment told of the customer.
    pub(crate) fn learn(&mut self, place: usize, payment: &Payment<'_>, holds: bool, sends_email: bool) {
        if self.all[place].is_bypassed {
            return;
        }
        self.all[place].exists = true;
        let email = self.all[place].email.clone();
        let head = self.head_mut(place);
        // A known attribute is not overwritten.
        let is_filled = sends_email && head.shown_email.is_none();
        if is_filled {
            head.shown_email = Some(email);
        }
        if let Some(level) = head.takes(payment.level) {
            head.store(payment.way.0, Some(level));
        }
        head.holds.extend(payment.instrument.filter(|_| holds).map(str::to_owned));
        self.all[place].has_email |= is_filled;
    }

    /// A transaction that named an instrument was approved, whether it had been allowed or not.
    pub(crate) fn pays_by(&mut self, place: usize, id: &str) {
        let is_blocked = self.blocked.contains(id);
        let head = self.head_mut(place);
        // A new holder of a blocked instrument becomes suspicious.
        if head.holds.insert(id.to_owned()) && is_blocked {
            head.suspect(Suspected::ByInstrument);
        }
    }

    /// A signal about a customer, which reaches all who hold the instrument that it names where it is about fraud.
    pub(crate) fn signal(&mut self, place: usize, signal: &str, instrument: Option<&str>) {
        let mut reached = BTreeSet::from([self.head(place)]);
        if let Some(id) = instrument {
            let is_fraud = matches!(signal, "fraud_suspected" | "fraud_confirmed" | "card_stolen");
            let holders = (0..self.all.len()).filter(|n| is_fraud && self.all[*n].holds.contains(id));
            reached.extend(holders.map(|holder| self.head(holder)));
            match signal {
                "fraud_confirmed" | "card_stolen" => drop(self.blocked.insert(id.to_owned())),
                "cleared" => drop(self.blocked.remove(id)),
                _ => {}
            }
        }
        reached.into_iter().for_each(|head| self.all[head].signalled(signal, instrument.is_some()));
    }

    /// Makes a customer part of another. `Err`: the refusal, which changes nothing.
    pub(crate) fn merge(&mut self, place: usize, into: usize) -> Result<(), u16> {
        let (source, target) = (self.head(place), self.head(into));
        if source != place {
            return if source == target { Ok(()) } else { Err(409) };
        }
        if source == target || self.all[source].bears("block_merge") || self.all[target].bears("block_merge") {
            return Err(422);
        }
        let gone = self.all[source].clone();
        let blocked = self.blocked.clone();
        let head = &mut self.all[target];
        head.suspect(gone.suspected);
        // A new holder of a blocked instrument becomes suspicious.
        if gone.holds.difference(&head.holds).any(|id| blocked.contains(id)) {
            head.suspect(Suspected::ByInstrument);
        }
        head.holds.extend(gone.holds.iter().cloned());
        head.shown_email = head.shown_email.take().or(gone.shown_email);
        let (asks, was_asked) = (head.labels.contains(&LEAVING), gone.labels.contains(&LEAVING));
        for name in gone.labels {
            let (_, kind, restrictions) = LABELS.iter().find(|(label, _, _)| *label == name).expect("a label");
            let says_more = !restrictions.is_empty() || !matches!(*kind, "active" | "internal");
            if says_more && !head.labels.contains(&name) {
                head.labels.push(name);
            }
        }
        // The earlier of two requests counts; a request without a known time is read from the daemon again.
        let unsaid = [asks && head.due.is_none(), was_asked && gone.due.is_none()];
        head.due = head.due.take().into_iter().chain(gone.due).min().filter(|_| unsaid == [false, false]);
        head.off.extend(gone.off.iter().filter(|project| !head.off.contains(project)).copied().collect::<Vec<_>>());
        for (way, own) in &gone.limits {
            let joined = head.limits.get(way).cloned().unwrap_or_default().joined(own);
            head.limits.insert(*way, joined);
        }
        self.all[source].into = Some(target);
        Ok(())
    }

    /// What is shown of a customer, lists without an order of their own in one.
    pub(crate) fn document(&self, place: usize) -> Value {
        let head = self.head_of(place);
        let others = |of: fn(&Customer) -> Option<&str>| {
            let others = self.members(place).filter(|other| other.id != head.id).filter_map(of);
            in_order(others.map(Value::from))
        };
        let named = head.merchant == "acme";
        json!({
            "customer_id": head.id, "merchant_customer_identifier": named.then_some(&head.name),
            "other_identifiers": others(|other| (other.merchant == "acme").then_some(&other.name)),
            "merged_customers": others(|other| other.id.as_deref()),
            "deposit_level": head.stored[0], "withdrawal_level": head.stored[1], "status": head.status(),
            "labels": head.labels,
            "disabled_projects": in_order(head.off.iter().map(|project| json!(project))), "email": head.shown_email,
            "settings": head.shown_settings(), "limits": head.shown_limits(), "rates": exchange_rates::shown(&head.rates),
        })
    }
}
