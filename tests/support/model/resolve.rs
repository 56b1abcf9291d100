//! Who pays, by which endpoint, when, and under which level: everything about a payment that is settled before the
//! decision.

use crate::model::ledger::{Customer, ReserveContent, Transaction, Who};
use crate::model::money::{iso_digits, minor};
use crate::model::oracle::Oracle;
use crate::model::request::Line;
use crate::model::rules::{Endpoint, Level, Merchant};
use crate::model::transition::{IMPOSSIBLE, MALFORMED, Refusal, UNKNOWN};

/// A payment whose form is in order, resolved as far as it goes without looking at customers.
pub struct ParsedPayment {
    pub direction: String,
    pub amount: i128,
    pub endpoint: Endpoint,
    pub sent: ReserveContent,
}

/// Who pays and under which level.
pub struct Resolved {
    pub customer: Option<usize>,
    pub resolution: &'static str,
    pub stored_level: Option<String>,
    pub level: Option<(Option<String>, &'static str)>,
    pub filtered: bool,
}

impl ParsedPayment {
    /// What was sent, the customer as under another client definition.
    pub fn sent_under(&self, line: &Line, crm: bool, defined_by: &[String]) -> ReserveContent {
        ReserveContent { who: who(line, crm, defined_by), ..self.sent.clone() }
    }
}

impl Oracle {
    /// The form of a payment, its merchant, and the endpoint that it comes in by.
    pub fn ask<'a>(&self, line: &'a Line) -> Result<(&'a str, ParsedPayment), Refusal> {
        if line.merchant.is_empty() {
            return Err(MALFORMED);
        }
        let merchant = self.rules.merchants.get(&line.merchant).ok_or(UNKNOWN)?;
        let direction = line.direction.clone().filter(|d| d == "deposit" || d == "withdrawal").ok_or(MALFORMED)?;
        let currency = line.currency.clone().ok_or(MALFORMED)?;
        let digits = self.rules.digits.get(&currency).copied().unwrap_or_else(|| iso_digits(&currency));
        let written = line.amount.as_ref().ok_or(MALFORMED)?;
        let amount = minor(written, digits).filter(|a| *a > 0).ok_or(MALFORMED)?;
        if if merchant.crm { line.customer_id.is_some() } else { line.identifier.is_some() } {
            return Err(IMPOSSIBLE);
        }
        let fits = |e: &&Endpoint| {
            e.currency == currency
                && line.project.as_ref().is_none_or(|p| *p == e.project)
                && line.endpoint.as_ref().is_none_or(|id| *id == e.id)
        };
        let candidates: Vec<&Endpoint> = merchant.endpoints.iter().filter(fits).collect();
        let [endpoint] = candidates.as_slice() else { return Err(IMPOSSIBLE) };
        let who = who(line, merchant.crm, &endpoint.client_definition);
        let sent = ReserveContent {
            direction: direction.clone(),
            currency,
            amount,
            who,
            level: line.customer_level.clone(),
            method: line.method.clone(),
            instrument: line.instrument.clone(),
            project: endpoint.project.clone(),
            endpoint: endpoint.id.clone(),
            named: (line.project.is_some(), line.endpoint.is_some()),
        };
        Ok((&line.merchant, ParsedPayment { direction, amount, endpoint: (*endpoint).clone(), sent }))
    }

    /// The time at which a line is placed: its own, unless that is further back than the skew allows.
    pub fn placed(&self, line: &Line) -> Result<i64, Refusal> {
        let oldest = self.clock - self.rules.max_past_ms;
        let placed = line.occurred_at.unwrap_or(line.at);
        let ahead = placed > self.clock + 5_000;
        if line.at < oldest || placed < oldest || ahead { Err(IMPOSSIBLE) } else { Ok(placed.min(self.clock)) }
    }

    /// Finds the customer and the level; nothing is stored yet, a customer to be created has no place yet.
    pub fn resolve(
        &self,
        line: &Line,
        merchant: &Merchant,
        asked: &ParsedPayment,
        name: &str,
    ) -> Result<Resolved, Refusal> {
        let mine = |c: &&Customer| c.merchant == name;
        let place = |found: &Customer| self.customers.iter().position(|c| std::ptr::eq(c, found));
        let by_identifier = match &asked.sent.who {
            Who::Identifier(sent) if merchant.crm => {
                Some(self.customers.iter().filter(mine).find(|c| c.identifier.as_ref() == Some(sent)))
            }
            Who::Identifier(sent) => Some(self.customers.iter().filter(mine).find(|c| c.number.to_string() == *sent)),
            Who::Attributes(_) => None,
        };
        let (customer, resolution) = match by_identifier {
            Some(Some(found)) => (place(found), "found"),
            Some(None) if merchant.crm => (None, "created"),
            Some(None) => {
                let (customer, stored_level, level) = (None, None, None);
                return Ok(Resolved { customer, resolution: "bypassed", stored_level, level, filtered: false });
            }
            None => {
                let Who::Attributes(sent) = &asked.sent.who else { return Err(IMPOSSIBLE) };
                if merchant.crm && sent.is_empty() {
                    return Err(IMPOSSIBLE);
                }
                let matching = sent.iter().find_map(|(attribute, v)| {
                    self.customers.iter().filter(mine).find(|c| c.attributes.get(attribute) == Some(v))
                });
                match matching {
                    Some(found) => (place(found), "client_definition"),
                    None => (None, "created"),
                }
            }
        };
        let stored = customer.and_then(|c| self.customers[c].levels.get(&asked.direction).cloned()).unwrap_or_default();
        let (wanted, source, keep) = match line.customer_level.as_deref() {
            None => (stored.as_str(), "stored", None),
            Some("") if merchant.crm => ("", "", Some(if merchant.unknown_level { "unknown" } else { "" })),
            Some("") => ("", "", None),
            Some(name) => (name, "request", Some(name)),
        };
        let (direction, currency) = (asked.direction.as_str(), asked.endpoint.currency.as_str());
        let is_there = |name| configured(merchant, (direction, currency), &asked.endpoint.project, name);
        let (level, filtered) = if is_there(wanted) {
            ((Some(wanted.to_owned()), source), true)
        } else if merchant.unknown_level {
            ((Some("unknown".to_owned()), "default"), is_there("unknown"))
        } else {
            ((None, "project"), false)
        };
        Ok(Resolved { customer, resolution, stored_level: keep.map(str::to_owned), level: Some(level), filtered })
    }

    /// Creates the customer where there is none, fills what is missing and stores the level: what only a call that
    /// is not refused may do.
    pub fn commit(&mut self, line: &Line, found: Option<usize>, resolved: &Resolved, direction: &str) -> Option<usize> {
        if resolved.resolution == "bypassed" {
            return None;
        }
        let place = found.unwrap_or_else(|| {
            let number = 1_000_001 + self.customers.len() as u64;
            let identifier = line.identifier.clone();
            self.customers.push(Customer {
                merchant: line.merchant.clone(),
                number,
                identifier,
                ..Customer::default()
            });
            self.customers.len() - 1
        });
        let customer = &mut self.customers[place];
        for (name, value) in &line.attributes {
            customer.attributes.entry(name.clone()).or_insert_with(|| value.clone());
        }
        if let Some(level) = &resolved.stored_level {
            customer.levels.insert(direction.to_owned(), level.clone());
        }
        Some(place)
    }
}

/// The customer that a line names, under a client definition.
pub fn who(line: &Line, crm: bool, defined_by: &[String]) -> Who {
    let identifier = if crm { line.identifier.clone() } else { line.customer_id.clone() };
    let known = defined_by.iter().filter_map(|name| line.attributes.get(name).map(|v| (name.clone(), v.clone())));
    identifier.map_or_else(|| Who::Attributes(known.collect()), Who::Identifier)
}

/// Whether an active level of that name exists for the payment's project. `unknown` exists everywhere.
fn configured(merchant: &Merchant, (direction, currency): (&str, &str), project: &str, name: &str) -> bool {
    match merchant.level(direction, currency, name) {
        None => name == "unknown",
        Some(level) => {
            let for_all = name == "unknown" && (merchant.add_all_projects_to_unknown || level.projects.is_none());
            level.active && (for_all || level.projects.as_ref().is_some_and(|p| p.iter().any(|p| p == project)))
        }
    }
}

/// The level whose filters bear, by the configuration of now, on what was decided under a name before.
pub fn bears_on<'a>(merchant: &'a Merchant, transaction: &Transaction) -> Option<&'a Level> {
    let sent = &transaction.sent;
    let (name, source) = transaction.level.as_ref()?;
    let is_there = |name| configured(merchant, (&sent.direction, &sent.currency), &sent.project, name);
    let decided = name.as_deref().filter(|name| *source != "default" && is_there(name));
    let applied = decided.or((merchant.unknown_level && is_there("unknown")).then_some("unknown"))?;
    merchant.level(&sent.direction, &sent.currency, applied)
}
