//! The naive oracle: answers every line of a stream as the domain's rules say, from a plain list of customers and a
//! plain list of transactions with their facts. It knows no cursor, no cache and nothing of the daemon's code.

use crate::model::calendar::written;
use crate::model::decide::{Explained, Question, Remaining, decide, standing};
use crate::model::ledger::{Customer, Kind, ReserveContent, Transaction, Who};
use crate::model::money::{minor, shown};
use crate::model::request::{Line, Malformed};
use crate::model::resolve::{ParsedPayment, Resolved, bears_on, who};
use crate::model::rules::{Level, Merchant, Rules};
use crate::model::transition::{
    DIFFERS, IMPOSSIBLE, MALFORMED, Refusal, UNKNOWN, capture, flags_of_a_capture, next_fact, outcome,
};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// What the model expects the daemon to say.
#[derive(Clone, Debug)]
pub enum Answer {
    Refused(u16),
    Decided(Decided),
    Transitioned(Transitioned),
}

#[derive(Clone, Debug)]
pub struct Decided {
    pub transaction_id: Option<String>,
    pub allowed: bool,
    pub status: &'static str,
    pub codes: Vec<(i64, Option<String>)>,
    pub resolution: &'static str,
    pub customer_id: Option<String>,
    pub level: Option<(Option<String>, &'static str)>,
    /// None where the contract leaves open which gates an answer names.
    pub gates: Option<Vec<String>>,
    pub remaining: Remaining,
    /// The end of the hold, where this very line opened one.
    pub expires_at: Option<String>,
    pub limits: Option<Vec<Explained>>,
    /// Of a transaction that is known.
    pub flags: BTreeSet<&'static str>,
    /// Whether it only repeats what was recorded; None where the contract leaves that open.
    pub replay: Option<bool>,
    /// The end of the hold as it stands now: for the generator of operations.
    pub hold_ends: Option<i64>,
}

#[derive(Clone, Debug)]
pub struct Transitioned {
    pub transaction_id: String,
    pub status: &'static str,
    pub amount: String,
    pub held: String,
    pub cancelled: String,
    pub released: String,
    pub refunded: String,
    pub charged_back: String,
    pub flags: BTreeSet<&'static str>,
    pub remaining: Remaining,
    pub replay: bool,
    /// The end of the hold as it stands now: for the generator of operations.
    pub hold_ends: Option<i64>,
}

#[derive(Clone)]
pub struct Oracle {
    pub rules: Rc<Rules>,
    /// The merchant and project of lines that name none.
    pub defaults: Option<(&'static str, &'static str)>,
    /// The newest time seen: the clock never goes back.
    pub clock: i64,
    pub customers: Vec<Customer>,
    pub transactions: Vec<Transaction>,
    /// Places in the list, by merchant and id.
    pub by_id: HashMap<(String, String), usize>,
}

impl Oracle {
    pub fn new(rules: Rules) -> Self {
        Self {
            rules: Rc::new(rules),
            defaults: None,
            clock: i64::MIN,
            customers: Vec::new(),
            transactions: Vec::new(),
            by_id: HashMap::new(),
        }
    }

    /// Hears the time that something came with, be it something of which the model knows no more than that.
    pub fn hear(&mut self, at: Option<i64>) {
        self.clock = at.map_or(self.clock, |at| self.clock.max(at));
    }

    /// Answers one line and remembers what it did.
    pub fn answer(&mut self, text: &str) -> Answer {
        let parsed = Line::parse(text);
        self.hear(parsed.as_ref().map_or_else(Malformed::at, |l| Some(l.at)));
        let mut line = match parsed {
            Ok(line) => line,
            Err(malformed) => return Answer::Refused(self.refuse(&malformed)),
        };
        if let Some((merchant, project)) = self.defaults {
            if line.merchant.is_empty() {
                merchant.clone_into(&mut line.merchant);
            }
            line.project.get_or_insert_with(|| project.to_owned());
        }
        let answered = match line.op.as_str() {
            "check" => self.check(&line).map(Answer::Decided),
            "reserve" | "payment" => self.reserve(&line).map(Answer::Decided),
            "approve" | "decline" | "cancel" | "refund" | "chargeback" | "extend" | "attempt" => {
                self.transition(&line).map(Answer::Transitioned)
            }
            _ => Err(MALFORMED),
        };
        answered.unwrap_or_else(Answer::Refused)
    }

    /// Of several refusals: fields that no such operation has, then an unknown merchant or transaction, then a value.
    fn refuse(&self, malformed: &Malformed) -> Refusal {
        let Malformed::Value { merchant, needs, .. } = malformed else { return MALFORMED };
        let key = needs.as_ref().map(|id| (merchant.clone(), id.clone()));
        let is_unknown = key.is_some_and(|key| !self.by_id.contains_key(&key));
        let is_nowhere = !merchant.is_empty() && !self.rules.merchants.contains_key(merchant);
        if is_nowhere || is_unknown { UNKNOWN } else { MALFORMED }
    }

    /// The customer whom a line is about, by its number, for showing what came before a difference.
    pub fn customer_behind(&self, text: &str, answer: &Answer) -> Option<String> {
        if let Answer::Decided(decided) = answer {
            return decided.customer_id.clone();
        }
        let line = Line::parse(text).ok()?;
        let place = self.by_id.get(&(line.merchant, line.transaction_id?))?;
        self.transactions[*place].customer.map(|c| self.customers[c].number.to_string())
    }

    fn check(&mut self, line: &Line) -> Result<Decided, Refusal> {
        let rules = Rc::clone(&self.rules);
        let (merchant, asked) = self.ask(line)?;
        let placed = self.placed(line)?;
        let resolved = self.resolve(line, merchant_of(&rules, merchant), &asked, line.merchant.as_str())?;
        let decision = self.decide(line, merchant_of(&rules, merchant), &asked, &resolved, placed);
        Ok(Decided {
            transaction_id: line.transaction_id.clone(),
            allowed: decision.codes.is_empty(),
            status: "checked",
            codes: decision.codes,
            resolution: resolved.resolution,
            customer_id: resolved.customer.map(|c| self.customers[c].number.to_string()),
            level: resolved.level,
            gates: Some(decision.gates),
            remaining: decision.remaining,
            expires_at: None,
            limits: line.explain.then_some(decision.limits),
            flags: BTreeSet::new(),
            replay: Some(false),
            hold_ends: None,
        })
    }

    fn reserve(&mut self, line: &Line) -> Result<Decided, Refusal> {
        let rules = Rc::clone(&self.rules);
        let id = line.transaction_id.clone().ok_or(MALFORMED)?;
        let known = self.by_id.get(&(line.merchant.clone(), id.clone())).copied();
        let (name, asked) = match (self.ask(line), known) {
            (Err(IMPOSSIBLE), Some(known)) => {
                // A place that was left out is the recorded one, also where several fit. One that does not exist differs.
                let sent = &self.transactions[known].sent;
                let mut completed = line.clone();
                completed.project.get_or_insert_with(|| sent.project.clone());
                completed.endpoint.get_or_insert_with(|| sent.endpoint.clone());
                let is_complete = line.project.is_some() && line.endpoint.is_some();
                return if !is_complete && self.ask(&completed).is_ok() {
                    self.reserve(&completed)
                } else {
                    Err(self.fits_nowhere(&completed, known))
                };
            }
            (asked, _) => asked?,
        };
        let merchant = merchant_of(&rules, name);
        if let Some(known) = known {
            return self.repeat(line, merchant, known, &asked);
        }
        let placed = self.placed(line)?;
        let resolved = self.resolve(line, merchant, &asked, &line.merchant)?;
        let decision = self.decide(line, merchant, &asked, &resolved, placed);
        let customer = self.commit(line, resolved.customer, &resolved, &asked.direction);
        let allowed = decision.codes.is_empty();
        let hold_ends = merchant.hold_ms(&asked.direction).map(|hold| self.clock + hold);
        let mut transaction = Transaction {
            id: id.clone(),
            customer,
            resolution: resolved.resolution,
            level: resolved.level.clone(),
            refunds_original: merchant.refunds_original,
            at: placed,
            reserved: allowed.then_some(asked.amount),
            denied: !allowed,
            codes: decision.codes.clone(),
            gates: decision.gates.clone(),
            hold_ends,
            facts: Vec::new(),
            flags: BTreeSet::new(),
            sent: asked.sent,
            defined_by: asked.endpoint.client_definition,
        };
        if line.op == "payment" && allowed {
            transaction.facts.push(outcome(line.declined, asked.amount));
        }
        let status = transaction.status(self.clock);
        self.by_id.insert((line.merchant.clone(), id.clone()), self.transactions.len());
        self.transactions.push(transaction);
        Ok(Decided {
            transaction_id: Some(id),
            allowed,
            status,
            codes: decision.codes,
            resolution: resolved.resolution,
            customer_id: customer.map(|c| self.customers[c].number.to_string()),
            level: resolved.level,
            gates: Some(decision.gates),
            remaining: decision.remaining,
            expires_at: hold_ends.filter(|_| status == "reserved").map(written),
            limits: line.explain.then_some(decision.limits),
            flags: BTreeSet::new(),
            replay: Some(false),
            hold_ends,
        })
    }

    /// A reserve that fits no endpoint, under an id that is known: other content. Only where an approval came first and
    /// carried nothing that differs is it impossible instead.
    fn fits_nowhere(&self, completed: &Line, known: usize) -> Refusal {
        let transaction = &self.transactions[known];
        let before = &transaction.sent;
        let sent = ReserveContent {
            direction: completed.direction.clone().unwrap_or_default(),
            currency: completed.currency.clone().unwrap_or_default(),
            who: who(completed, self.rules.merchants[&completed.merchant].crm, &transaction.defined_by),
            level: completed.customer_level.clone(),
            method: completed.method.clone(),
            project: completed.project.clone().unwrap_or_default(),
            endpoint: completed.endpoint.clone().unwrap_or_default(),
            ..before.clone()
        };
        let awaits_reserve = transaction.reserved.is_none() && !transaction.denied;
        if awaits_reserve && before.agrees(&sent, true) { IMPOSSIBLE } else { DIFFERS }
    }

    /// A reserve or payment under an id that is known: compared, and answered from what was recorded.
    fn repeat(
        &mut self,
        line: &Line,
        merchant: &Merchant,
        known: usize,
        asked: &ParsedPayment,
    ) -> Result<Decided, Refusal> {
        let now = self.clock;
        let in_time = self.placed(line);
        let transaction = &mut self.transactions[known];
        let awaits_reserve = transaction.reserved.is_none() && !transaction.denied;
        let sent = asked.sent_under(line, merchant.crm, &transaction.defined_by);
        if !transaction.sent.agrees(&sent, awaits_reserve) {
            return Err(DIFFERS);
        }
        let outcome_known = transaction.approved().is_some() || transaction.facts_of(Kind::Decline).next().is_some();
        let brings_outcome = line.op == "payment" && !outcome_known && !transaction.denied;
        if awaits_reserve || brings_outcome {
            in_time?;
        }
        if awaits_reserve {
            // From now on it is what every repetition is held against.
            transaction.sent = sent;
            transaction.reserved = Some(asked.amount);
            transaction.hold_ends = merchant.hold_ms(&asked.direction).map(|hold| now + hold);
        }
        if brings_outcome {
            if !line.declined {
                let flags = flags_of_a_capture(transaction, now);
                transaction.flags.extend(flags);
            }
            transaction.facts.push(outcome(line.declined, asked.amount));
        }
        let transaction = &self.transactions[known];
        Ok(Decided {
            transaction_id: Some(transaction.id.clone()),
            allowed: !transaction.denied,
            status: transaction.status(now),
            codes: transaction.codes.clone(),
            resolution: transaction.resolution,
            customer_id: transaction.customer.map(|c| self.customers[c].number.to_string()),
            level: transaction.level.clone(),
            gates: (!transaction.flags.contains("unreserved")).then(|| transaction.gates.clone()),
            remaining: self.standing(merchant, transaction),
            expires_at: None,
            limits: None,
            flags: transaction.all_flags(),
            replay: (!brings_outcome).then_some(!awaits_reserve),
            hold_ends: transaction.expires_at(),
        })
    }

    fn transition(&mut self, line: &Line) -> Result<Transitioned, Refusal> {
        let rules = Rc::clone(&self.rules);
        let id = line.transaction_id.clone().ok_or(MALFORMED)?;
        if line.merchant.is_empty() {
            return Err(MALFORMED);
        }
        let merchant = rules.merchants.get(&line.merchant).ok_or(UNKNOWN)?;
        let Some(place) = self.by_id.get(&(line.merchant.clone(), id)).copied() else {
            let carries_fields = line.op == "approve" && line.direction.is_some() && line.currency.is_some();
            return if carries_fields { self.approve_unreserved(line) } else { Err(UNKNOWN) };
        };
        if (line.op == "extend" && line.until.is_none())
            || (line.op == "attempt" && (line.attempt.is_none() || line.gate.is_none() || line.outcome.is_none()))
            || line.direction.as_ref().is_some_and(|d| d != "deposit" && d != "withdrawal")
        {
            return Err(MALFORMED);
        }
        let digits = rules.digits(&self.transactions[place].sent.currency);
        let amount = line.amount.as_ref().map(|a| minor(a, digits).ok_or(MALFORMED)).transpose()?;
        let named = match line.op.as_str() {
            "cancel" => line.cancel_id.is_some(),
            "refund" => line.refund_id.is_some(),
            "chargeback" => line.chargeback_id.is_some(),
            _ => true,
        };
        if amount.is_some() && !named {
            return Err(MALFORMED);
        }
        if amount == Some(0) {
            return Err(MALFORMED);
        }
        let known = &self.transactions[place].sent;
        if line.direction.as_ref().is_some_and(|d| *d != known.direction)
            || line.currency.as_ref().is_some_and(|c| *c != known.currency)
        {
            return Err(DIFFERS);
        }
        let in_time = self.placed(line).is_ok();
        let fact = next_fact(line, amount, &self.transactions[place], self.clock, in_time)?;
        let is_new = fact.is_some();
        if let Some((fact, flags)) = fact {
            let transaction = &mut self.transactions[place];
            transaction.facts.push(fact);
            transaction.flags.extend(flags);
            transaction.flags.extend(merchant.flag_of(line.gate.as_deref()));
        }
        Ok(self.moved(merchant, place, !is_new))
    }

    /// Money that moved without a reservation: it resolves customer and level as a reserve would, without checks.
    fn approve_unreserved(&mut self, line: &Line) -> Result<Transitioned, Refusal> {
        let rules = Rc::clone(&self.rules);
        let names_direction = matches!(line.direction.as_deref(), Some("deposit" | "withdrawal"));
        let (name, asked) = match self.ask(line) {
            Err(MALFORMED) if line.amount.is_none() && names_direction => return Err(IMPOSSIBLE),
            asked => asked?,
        };
        if matches!(&asked.sent.who, Who::Attributes(sent) if sent.is_empty()) {
            return Err(IMPOSSIBLE);
        }
        let merchant = merchant_of(&rules, name);
        let placed = self.placed(line)?;
        let resolved = self.resolve(line, merchant, &asked, &line.merchant)?;
        let customer = self.commit(line, resolved.customer, &resolved, &asked.direction);
        let mut flags = BTreeSet::from(["unreserved"]);
        flags.extend(merchant.flag_of(line.gate.as_deref()));
        let place = self.transactions.len();
        let id = line.transaction_id.clone().unwrap_or_default();
        self.by_id.insert((line.merchant.clone(), id.clone()), place);
        self.transactions.push(Transaction {
            id,
            customer,
            resolution: resolved.resolution,
            level: resolved.level,
            refunds_original: merchant.refunds_original,
            at: placed,
            sent: asked.sent,
            defined_by: asked.endpoint.client_definition,
            reserved: None,
            denied: false,
            codes: Vec::new(),
            gates: Vec::new(),
            hold_ends: None,
            facts: vec![capture(line.capture_id.clone(), asked.amount, line.is_final)],
            flags,
        });
        Ok(self.moved(merchant, place, false))
    }

    fn moved(&self, merchant: &Merchant, place: usize, replay: bool) -> Transitioned {
        let transaction = &self.transactions[place];
        let digits = self.rules.digits(&transaction.sent.currency);
        Transitioned {
            transaction_id: transaction.id.clone(),
            status: transaction.status(self.clock),
            amount: shown(transaction.approved().unwrap_or(transaction.sent.amount), digits),
            held: shown(transaction.held_amount(self.clock), digits),
            cancelled: shown(transaction.cancelled(), digits),
            released: shown(transaction.released(), digits),
            refunded: shown(transaction.refunded(), digits),
            charged_back: shown(transaction.charged_back(), digits),
            flags: transaction.all_flags(),
            remaining: self.standing(merchant, transaction),
            replay,
            hold_ends: transaction.expires_at(),
        }
    }

    fn standing(&self, merchant: &Merchant, transaction: &Transaction) -> Remaining {
        let sent = &transaction.sent;
        let level = bears_on(merchant, transaction);
        standing(&self.rules, merchant, level, &sent.currency, &self.past_of(transaction.customer), self.clock)
    }

    fn past_of(&self, customer: Option<usize>) -> Vec<&Transaction> {
        self.transactions.iter().filter(|t| customer.is_some() && t.customer == customer).collect()
    }

    fn decide(
        &self,
        line: &Line,
        merchant: &Merchant,
        asked: &ParsedPayment,
        resolved: &Resolved,
        placed: i64,
    ) -> crate::model::decide::Decision {
        let level: Option<&Level> = resolved
            .level
            .as_ref()
            .filter(|_| resolved.filtered)
            .and_then(|(name, _)| name.as_ref())
            .and_then(|name| merchant.level(&asked.direction, &asked.endpoint.currency, name));
        let question = Question {
            rules: &self.rules,
            merchant,
            endpoint: &asked.endpoint,
            direction: &asked.direction,
            amount: asked.amount,
            method: line.method.as_deref(),
            level,
            now: self.clock,
            placed,
        };
        decide(&question, &self.past_of(resolved.customer))
    }
}

fn merchant_of<'a>(rules: &'a Rules, name: &str) -> &'a Merchant {
    &rules.merchants[name]
}
