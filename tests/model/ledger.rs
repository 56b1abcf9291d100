//! What the naive model remembers: every customer, and every transaction with the list of its facts. Status, sums and
//! flags are worked out from that list each time that someone asks.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default)]
pub struct Customer {
    pub merchant: String,
    pub number: u64,
    pub identifier: Option<String>,
    pub attributes: BTreeMap<String, String>,
    pub levels: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Capture,
    Decline,
    Cancel,
    Refund,
    Chargeback,
    Extend,
    Attempt,
}

/// One thing that happened to a transaction, under the id that names it among facts of its kind.
#[derive(Clone, Debug)]
pub struct Fact {
    pub kind: Kind,
    pub id: Option<String>,
    /// What was sent, for telling a repetition from something else.
    pub sent: String,
    /// Minor units that it moved; 0 where it moves none.
    pub amount: i128,
    /// The new end of the hold, of an extension.
    pub until: Option<i64>,
}

/// What a reserve or payment said, as compared with a later one under the same id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub direction: String,
    pub currency: String,
    pub amount: i128,
    pub who: Who,
    pub level: Option<String>,
    pub method: Option<String>,
    pub project: String,
    pub endpoint: String,
}

/// The customer as sent: by identifier, and where none was sent by the attributes of the client definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    Identifier(String),
    Attributes(Vec<(String, String)>),
}

#[derive(Clone, Debug)]
pub struct Transaction {
    pub id: String,
    /// The place of its customer in the list; none where the customer rules were bypassed.
    pub customer: Option<usize>,
    pub resolution: &'static str,
    /// The level that the answer named, with its source.
    pub level: Option<(String, &'static str)>,
    /// Whether refunds add to the cancels; chargebacks never do.
    pub refunds_original: bool,
    pub at: i64,
    pub sent: Sent,
    /// The client definition under which it was sent: a repetition is compared under the same.
    pub defined_by: Vec<String>,
    /// A: what was reserved. None where the reserve was denied or has not come.
    pub reserved: Option<i128>,
    pub denied: bool,
    pub codes: Vec<(i64, Option<String>)>,
    pub gates: Vec<String>,
    pub hold_ends: Option<i64>,
    pub facts: Vec<Fact>,
    pub flags: BTreeSet<&'static str>,
}

impl Transaction {
    pub fn facts_of(&self, kind: Kind) -> impl Iterator<Item = &Fact> {
        self.facts.iter().filter(move |f| f.kind == kind)
    }

    fn sum(&self, kind: Kind) -> i128 {
        self.facts_of(kind).map(|f| f.amount).sum()
    }

    /// B, once there is a capture.
    pub fn approved(&self) -> Option<i128> {
        self.facts_of(Kind::Capture).next().map(|_| self.sum(Kind::Capture))
    }

    /// C.
    pub fn cancelled(&self) -> i128 {
        self.sum(Kind::Cancel)
    }

    /// R.
    pub fn refunded(&self) -> i128 {
        self.sum(Kind::Refund)
    }

    pub fn charged_back(&self) -> i128 {
        self.sum(Kind::Chargeback)
    }

    /// What no longer counts of what was approved: C, and R where the merchant says that refunds give usage back.
    fn given_back(&self) -> i128 {
        self.cancelled() + if self.refunds_original { self.refunded() } else { 0 }
    }

    /// The end of the hold: what the last extension says, else what the reserve said; none for a hold without end.
    pub fn expires_at(&self) -> Option<i64> {
        self.facts_of(Kind::Extend).filter_map(|f| f.until).max().or(self.hold_ends)
    }

    pub fn status(&self, now: i64) -> &'static str {
        let declined = self.facts_of(Kind::Decline).next().is_some();
        match self.approved() {
            Some(approved) if self.given_back() >= approved => "cancelled",
            Some(_) => "approved",
            None if self.denied => "denied",
            None if declined => "declined",
            None if self.reserved.is_some_and(|a| self.cancelled() >= a) => "cancelled",
            None if self.expires_at().is_some_and(|end| end <= now) => "expired",
            None => "reserved",
        }
    }

    /// What it adds to a filter's amount and quantity, as far as its window and scope let it.
    pub fn contributes(&self, subtract: bool, now: i64) -> (i128, i64) {
        let cancelled = self.cancelled();
        match self.approved() {
            None if self.status(now) == "reserved" => {
                let reserved = self.reserved.unwrap_or(0);
                ((reserved - cancelled).max(0), i64::from(cancelled < reserved))
            }
            None => (0, 0),
            Some(approved) if !subtract => (approved, 1),
            Some(approved) => {
                let back = self.given_back();
                ((approved - back).max(0), i64::from(back < approved))
            }
        }
    }

    /// All flags: those that came with the facts, and `over_limit` where more was approved than reserved.
    pub fn all_flags(&self) -> BTreeSet<&'static str> {
        let mut flags = self.flags.clone();
        if let (Some(approved), Some(reserved)) = (self.approved(), self.reserved)
            && approved > reserved
        {
            flags.insert("over_limit");
        }
        flags
    }
}
