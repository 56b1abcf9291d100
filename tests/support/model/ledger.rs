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

/// Which money a cancel takes away: what is only held, or what was paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelSource {
    Reservation,
    Approved,
}

/// What a transition said, for telling a repetition from something else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransitionContent {
    pub amount: Option<i128>,
    pub of: Option<CancelSource>,
    pub is_final: bool,
    /// Gate and outcome of an attempt.
    pub attempt: Option<(String, String)>,
}

/// One thing that happened to a transaction, under the id that names it among facts of its kind.
#[derive(Clone, Debug)]
pub struct Fact {
    pub kind: Kind,
    pub id: Option<String>,
    pub sent: TransitionContent,
    /// Minor units that it moved; 0 where it moves none.
    pub amount: i128,
    /// What a cancel took it from.
    pub of: Option<CancelSource>,
    /// The new end of the hold, of an extension.
    pub until: Option<i64>,
}

/// What a reserve or payment said, as compared with a later one under the same id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReserveContent {
    pub direction: String,
    pub currency: String,
    pub amount: i128,
    pub who: Who,
    pub level: Option<String>,
    pub method: Option<String>,
    pub instrument: Option<String>,
    pub project: String,
    pub endpoint: String,
    /// Whether project and endpoint were named, or found because nothing else fits.
    pub named: (bool, bool),
}

impl ReserveContent {
    /// Whether a later reserve says the same. After an approval that came first, only what that approval said counts,
    /// but for amount and instrument.
    pub fn agrees(&self, later: &Self, after_approval: bool) -> bool {
        let who = match (&self.who, &later.who) {
            (Who::Attributes(before), Who::Attributes(now)) if after_approval => {
                before.iter().all(|attribute| now.contains(attribute))
            }
            (before, now) => before == now,
        };
        let text =
            |before: &Option<String>, now: &Option<String>| before == now || (after_approval && before.is_none());
        let asked = self.amount == later.amount && self.instrument == later.instrument;
        who && (after_approval || asked)
            && self.direction == later.direction
            && self.currency == later.currency
            && text(&self.level, &later.level)
            && text(&self.method, &later.method)
            && (self.project == later.project || (after_approval && !self.named.0))
            && (self.endpoint == later.endpoint || (after_approval && !self.named.1))
    }
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
    /// The level that the answer named, with its source; without a name where no level applied.
    pub level: Option<(Option<String>, &'static str)>,
    /// Whether refunds reduce what it contributes; chargebacks never do.
    pub refunds_original: bool,
    pub at: i64,
    pub sent: ReserveContent,
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

    fn sum_of_cancels(&self, of: CancelSource) -> i128 {
        self.facts_of(Kind::Cancel).filter(|f| f.of == Some(of)).map(|f| f.amount).sum()
    }

    /// B, once there is a capture.
    pub fn approved(&self) -> Option<i128> {
        self.facts_of(Kind::Capture).next().map(|_| self.sum(Kind::Capture))
    }

    /// V.
    pub fn released(&self) -> i128 {
        self.sum_of_cancels(CancelSource::Reservation)
    }

    /// C.
    pub fn cancelled(&self) -> i128 {
        self.sum_of_cancels(CancelSource::Approved)
    }

    /// R.
    pub fn refunded(&self) -> i128 {
        self.sum(Kind::Refund)
    }

    /// K.
    pub fn charged_back(&self) -> i128 {
        self.sum(Kind::Chargeback)
    }

    /// The end of the hold: what the last extension says, else what the reserve said; none for a hold without end.
    pub fn expires_at(&self) -> Option<i64> {
        self.facts_of(Kind::Extend).filter_map(|f| f.until).max().or(self.hold_ends)
    }

    pub fn hold_has_ended(&self, now: i64) -> bool {
        self.expires_at().is_some_and(|end| end <= now)
    }

    /// Whether captures may still follow, so that the rest of the reservation is held for them.
    pub fn is_open(&self, now: i64) -> bool {
        let mut captures = self.facts_of(Kind::Capture).peekable();
        captures.peek().is_some() && captures.all(|f| !f.sent.is_final) && !self.hold_has_ended(now) && !self.denied
    }

    /// H: the amount that an open transaction still holds.
    fn held_open(&self, now: i64) -> i128 {
        let approved = self.approved().unwrap_or(0);
        if self.is_open(now) { (self.reserved.unwrap_or(0) - self.released() - approved).max(0) } else { 0 }
    }

    /// What is held and not paid: A - V before an approval, H after.
    pub fn held_amount(&self, now: i64) -> i128 {
        match self.approved() {
            Some(_) => self.held_open(now),
            None if self.status(now) == "reserved" => (self.reserved.unwrap_or(0) - self.released()).max(0),
            None => 0,
        }
    }

    /// What is left of the money that was approved: B - C - R - K.
    pub fn left(&self) -> i128 {
        self.approved().unwrap_or(0) - self.cancelled() - self.refunded() - self.charged_back()
    }

    pub fn status(&self, now: i64) -> &'static str {
        let declined = self.facts_of(Kind::Decline).next().is_some();
        match self.approved() {
            Some(approved) if self.cancelled() >= approved && self.held_open(now) == 0 => "cancelled",
            Some(_) => "approved",
            None if self.denied => "denied",
            None if declined => "declined",
            None if self.reserved.is_some_and(|a| self.released() >= a) => "cancelled",
            None if self.hold_has_ended(now) => "expired",
            None => "reserved",
        }
    }

    /// What it adds to a filter's amount and quantity, as far as its window and scope let it.
    pub fn contributes(&self, subtract: bool, now: i64) -> (i128, i64) {
        let Some(approved) = self.approved() else {
            let held_amount = self.held_amount(now);
            return (held_amount, i64::from(held_amount > 0));
        };
        let whole = approved - if subtract { self.cancelled() } else { 0 } + self.held_open(now);
        let back = if self.refunds_original { self.refunded() } else { 0 };
        ((whole - back).max(0), i64::from(whole > 0))
    }

    /// All flags: those that came with the facts, and `over_limit` where more was approved than was left reserved.
    pub fn all_flags(&self) -> BTreeSet<&'static str> {
        let mut flags = self.flags.clone();
        if let (Some(approved), Some(reserved)) = (self.approved(), self.reserved)
            && approved > reserved - self.released()
        {
            flags.insert("over_limit");
        }
        flags
    }
}
