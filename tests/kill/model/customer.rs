//! One customer: what is known of it, and every payment that named it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::rules::{LABELS, METHODS, resets};
use super::{CustomerLimits, CustomerRate, Transaction, Way, in_order, money};

/// A customer with everything that ever happened. Of one who is part of another by now, the transactions still count and
/// the name, the address and the number still lead there; the rest is over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Customer {
    pub(crate) merchant: &'static str,
    /// The merchant's own identifier; for customers of a gateway, what a test calls them.
    pub(crate) name: String,
    pub(crate) email: String,
    /// The e-mail address leads to this customer, or to whom it is part of.
    pub(crate) has_email: bool,
    /// The e-mail address that is shown: another one's where one came with a merge before this customer's own.
    pub(crate) shown_email: Option<String>,
    pub(crate) exists: bool,
    /// As the daemon named it.
    pub(crate) id: Option<String>,
    /// A `customer_id` that no customer has.
    pub(crate) is_bypassed: bool,
    /// Stored level names: of deposits, of withdrawals.
    pub(crate) stored: [Option<&'static str>; 2],
    pub(crate) consent: Option<&'static str>,
    pub(crate) suspected: Suspected,
    pub(crate) holds: BTreeSet<String>,
    pub(crate) labels: Vec<&'static str>,
    /// Projects that are switched off.
    pub(crate) off: Vec<&'static str>,
    /// By way and level.
    pub(crate) settings: BTreeMap<(Way, &'static str), Settings>,
    pub(crate) limits: BTreeMap<Way, CustomerLimits>,
    pub(crate) rates: Vec<CustomerRate>,
    /// The time that the daemon set for the requested erasure.
    pub(crate) due: Option<String>,
    pub(crate) fate: ErasureState,
    /// The customer into which this one is merged.
    pub(crate) into: Option<usize>,
    pub(crate) transactions: Vec<Transaction>,
}

/// What is suspected of a customer; the graver, the larger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Suspected {
    #[default]
    Nothing,
    Flagged,
    /// Fraud with instruments that were named.
    ByInstrument,
    /// Fraud with any instrument.
    Whole,
}

/// What becomes of a customer who asks to be forgotten where that takes no time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ErasureState {
    #[default]
    Stays,
    /// Is forgotten at some time.
    Leaves,
    /// Is forgotten.
    Gone,
}

/// Individual payment settings of one way and level.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) methods: BTreeMap<&'static str, Method>,
    /// The least and the most by any method.
    pub(crate) global: (Option<u64>, Option<u64>),
}

/// What a customer's own settings say of a method.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Method {
    pub(crate) shown: Option<bool>,
    pub(crate) least: Option<u64>,
    pub(crate) most: Option<u64>,
    pub(crate) gates: Option<Vec<&'static str>>,
}

/// What holds for a payment by a method.
#[derive(Debug, Clone, Default)]
pub(crate) struct Effective {
    pub(crate) shown: bool,
    pub(crate) least: Option<u64>,
    pub(crate) most: Option<u64>,
    pub(crate) gates: Option<Vec<&'static str>>,
}

impl Customer {
    /// Whether it can be named by a number.
    pub(crate) fn is_known(&self) -> bool {
        self.exists && self.id.is_some() && !self.is_bypassed
    }

    pub(crate) fn status(&self) -> &'static str {
        match self.suspected {
            Suspected::Nothing => self.consent.unwrap_or("new"),
            Suspected::Flagged => "suspicious",
            Suspected::ByInstrument | Suspected::Whole => "fraud",
        }
    }

    pub(crate) fn side(direction: &str) -> usize {
        usize::from(direction == "withdrawal")
    }

    /// Whether a label restricts so.
    pub(crate) fn bears(&self, restriction: &str) -> bool {
        let borne = LABELS.iter().filter(|(name, _, _)| self.labels.contains(name));
        borne.into_iter().any(|(_, _, restrictions)| restrictions.contains(&restriction))
    }

    /// The name that a payment takes the place of the stored one by, if any.
    pub(crate) fn takes(&self, sent: Option<&'static str>) -> Option<&'static str> {
        sent.filter(|_| !self.bears("block_level_change"))
    }

    /// Whether another level, if it comes, takes the individual settings with it.
    pub(crate) fn loses_settings(&self, direction: &str, level: Option<&str>) -> bool {
        resets(self.merchant) && self.stored[Customer::side(direction)] != level
    }

    /// The stored level is this one from now on.
    pub(crate) fn store(&mut self, direction: &str, level: Option<&'static str>) {
        if self.loses_settings(direction, level) {
            self.settings.retain(|((of, _), _), _| *of != direction);
        }
        self.stored[Customer::side(direction)] = level;
    }

    /// What holds for a method: the customer's own word goes before the endpoint's, and of two own ones the tighter.
    pub(crate) fn effective(&self, method: &str, own: Option<&Settings>) -> Effective {
        let (_, least, most) = *METHODS.iter().find(|(name, _, _)| *name == method).expect("a method");
        let global = own.map_or((None, None), |own| own.global);
        let own = own.and_then(|own| own.methods.get(method)).cloned().unwrap_or_default();
        Effective {
            shown: own.shown.unwrap_or(true),
            least: own.least.into_iter().chain(global.0).max().or(least),
            most: own.most.into_iter().chain(global.1).min().or(most),
            gates: own.gates,
        }
    }

    /// The standing after a signal, which may name an instrument.
    pub(crate) fn signalled(&mut self, signal: &str, names_instrument: bool) {
        match signal {
            "consent_given" => self.consent = Some("member"),
            "consent_refused" => self.consent = Some("deny"),
            "fraud_suspected" => self.suspect(Suspected::Flagged),
            "cleared" => self.suspected = Suspected::Nothing,
            _ if names_instrument => self.suspect(Suspected::ByInstrument),
            _ => self.suspect(Suspected::Whole),
        }
    }

    /// What is graver already stays.
    pub(crate) fn suspect(&mut self, suspected: Suspected) {
        self.suspected = self.suspected.max(suspected);
    }

    /// A status that is set by hand.
    pub(crate) fn stands(&mut self, status: &'static str) {
        match status {
            "suspicious" => self.suspected = Suspected::Flagged,
            "fraud" => self.suspected = Suspected::Whole,
            _ => (self.consent, self.suspected) = (Some(status), Suspected::Nothing),
        }
    }

    /// Own limits of every way that has any, as an answer shows them.
    pub(crate) fn shown_limits(&self) -> Value {
        let some = self.limits.iter().filter(|(_, own)| !own.is_empty());
        in_order(some.map(|(way, own)| json!([way.0, way.1, own.shown()])))
    }

    /// Individual settings, as an answer shows them.
    pub(crate) fn shown_settings(&self) -> Value {
        in_order(self.settings.iter().map(|((way, level), own)| json!([way.0, way.1, level, own.shown()])))
    }
}

impl Settings {
    pub(crate) fn is_empty(&self) -> bool {
        self.methods.is_empty() && self.global == (None, None)
    }

    /// As an answer shows them, in an order.
    pub(crate) fn shown(&self) -> Value {
        let method =
            |(name, of): (&&str, &Method)| json!([name, of.shown, of.least.map(money), of.most.map(money), of.gates]);
        json!([in_order(self.methods.iter().map(method)), self.global.0.map(money), self.global.1.map(money)])
    }
}
