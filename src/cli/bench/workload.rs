//! The seeded workload: which operation each request is, on which transaction of which customer.
//!
//! Each connection has a lane. The requests of a lane are sent one after the other, so a transaction's steps arrive in
//! their order. The lanes of a seed are always the same, unless the daemon denies or refuses a reserve: its transaction
//! has no further steps.

use crate::cli::bench::zipf::{Random, Zipf};
use std::{fmt, str::FromStr, sync::Arc};

/// The operation of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// Reserves a new transaction.
    Reserve,
    /// Approves a reserved transaction, whole.
    Approve,
    /// Declines a reserved transaction.
    Decline,
    /// Cancels a reserved or an approved transaction, whole.
    Cancel,
    /// Repeats the reserve of a recent transaction.
    Retry,
    /// Asks for a decision, and records nothing.
    Check,
}

impl Operation {
    /// All operations, in the order of tables.
    pub(super) const ALL: [Self; 6] =
        [Self::Reserve, Self::Approve, Self::Decline, Self::Cancel, Self::Retry, Self::Check];

    /// The name in arguments and tables.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Reserve => "reserve",
            Self::Approve => "approve",
            Self::Decline => "decline",
            Self::Cancel => "cancel",
            Self::Retry => "retry",
            Self::Check => "check",
        }
    }
}

/// How often each operation is drawn, in the order of [`Operation::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mix([u32; 6]);

impl Mix {
    /// The mix of a gateway: most reserves have an outcome.
    pub(super) const DEFAULT: Self = Self([50, 22, 5, 5, 6, 12]);

    fn draw(&self, random: &mut Random) -> Operation {
        let mut place = random.below(self.0.iter().map(|&weight| u64::from(weight)).sum());
        for (operation, weight) in Operation::ALL.into_iter().zip(self.0) {
            match place.checked_sub(u64::from(weight)) {
                None => return operation,
                Some(rest) => place = rest,
            }
        }
        Operation::Reserve
    }
}

/// As in the argument.
impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weights = Operation::ALL.into_iter().zip(self.0).filter(|(_, weight)| *weight > 0);
        let weights: Vec<String> =
            weights.map(|(operation, weight)| format!("{}={weight}", operation.word())).collect();
        f.write_str(&weights.join(","))
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut weights = [0; 6];
        for part in text.split(',') {
            let expected = || {
                let words: Vec<&str> = Operation::ALL.into_iter().map(Operation::word).collect();
                format!("{part:?} is not OPERATION=WEIGHT, where the operation is one of {}", words.join(", "))
            };
            let (word, weight) = part.trim().split_once('=').ok_or_else(expected)?;
            let place = Operation::ALL.iter().position(|operation| operation.word() == word).ok_or_else(expected)?;
            *weights.get_mut(place).ok_or_else(expected)? = weight.parse().map_err(|_| expected())?;
        }
        if weights.iter().all(|&weight| weight == 0) {
            return Err("every weight is zero".to_owned());
        }
        Ok(Self(weights))
    }
}

/// A transaction of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transaction {
    /// Its number in the lane.
    pub(super) number: u32,
    /// The number of its customer.
    pub(super) customer: u32,
    /// Its amount.
    pub(super) cents: u32,
}

/// One request of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// What it does.
    pub(super) operation: Operation,
    /// With which transaction.
    pub(super) transaction: Transaction,
    /// Whether the transaction was approved before.
    pub(super) is_approved: bool,
}

/// The transactions of a lane that later steps choose from. The oldest ones are left as they are.
const RECENT_MAX: usize = 64;

/// Recent transactions of a lane.
#[derive(Debug, Default)]
struct Recent(Vec<Transaction>);

impl Recent {
    fn push(&mut self, transaction: Transaction) {
        if self.0.len() == RECENT_MAX {
            self.0.remove(0);
        }
        self.0.push(transaction);
    }

    fn draw_place(&self, random: &mut Random) -> usize {
        usize::try_from(random.below(self.0.len() as u64)).unwrap_or_default()
    }

    fn take(&mut self, random: &mut Random) -> Option<Transaction> {
        let place = self.draw_place(random);
        (place < self.0.len()).then(|| self.0.swap_remove(place))
    }

    fn pick(&self, random: &mut Random) -> Option<Transaction> {
        self.0.get(self.draw_place(random)).copied()
    }
}

/// The source of the requests of a run.
#[derive(Debug, Clone)]
pub(super) struct Workload {
    /// The seed of the whole bench.
    pub(super) seed: u64,
    /// The number of the run, which its ids contain.
    pub(super) run: u32,
    /// How often each operation occurs.
    pub(super) mix: Mix,
    /// Which customers pay.
    pub(super) zipf: Arc<Zipf>,
}

impl Workload {
    /// The beginning of the transaction ids of a connection.
    pub(super) fn ids(&self, lane: u32) -> String {
        format!("t{}-{lane}-", self.run)
    }

    /// The requests of one connection.
    pub(super) fn lane(&self, number: u32) -> Lane {
        // Two steps of the source separate the seeds of neighbours.
        let mut random = Random::new(self.seed ^ (u64::from(self.run) << 40) ^ (u64::from(number) << 16));
        let random = Random::new(random.next() ^ random.next().rotate_left(32));
        Lane {
            random,
            workload: self.clone(),
            reserved: 0,
            open: Recent::default(),
            paid: Recent::default(),
            sent: Recent::default(),
        }
    }
}

/// The requests of one connection.
#[derive(Debug)]
pub(super) struct Lane {
    random: Random,
    workload: Workload,
    /// The number of the next transaction.
    reserved: u32,
    /// Reserved, without an outcome.
    open: Recent,
    /// Approved, and not cancelled.
    paid: Recent,
    /// Reserved in the past, with any outcome.
    sent: Recent,
}

impl Lane {
    /// The next request.
    pub(super) fn next(&mut self) -> Step {
        let random = &mut self.random;
        let operation = self.workload.mix.draw(random);
        let step = |transaction, is_approved| Step { operation, transaction, is_approved };
        let drawn = match operation {
            Operation::Reserve => None,
            Operation::Check => {
                let transaction = new_transaction(random, &self.workload.zipf, self.reserved);
                Some(step(transaction, false))
            }
            Operation::Retry => self.sent.pick(random).map(|transaction| step(transaction, false)),
            Operation::Approve => self.open.take(random).map(|transaction| {
                self.paid.push(transaction);
                step(transaction, false)
            }),
            Operation::Decline => self.open.take(random).map(|transaction| step(transaction, false)),
            Operation::Cancel => {
                let is_approved = random.below(2) == 0;
                let of = if is_approved { &mut self.paid } else { &mut self.open };
                of.take(random).map(|transaction| step(transaction, is_approved))
            }
        };
        drawn.unwrap_or_else(|| {
            let transaction = new_transaction(random, &self.workload.zipf, self.reserved);
            self.reserved += 1;
            self.open.push(transaction);
            self.sent.push(transaction);
            Step { operation: Operation::Reserve, transaction, is_approved: false }
        })
    }

    /// Forgets a transaction that the daemon denied or refused.
    pub(super) fn forget(&mut self, transaction: Transaction) {
        for recent in [&mut self.open, &mut self.paid, &mut self.sent] {
            recent.0.retain(|known| known.number != transaction.number);
        }
    }
}

/// A transaction of 1.00 to 99.99.
fn new_transaction(random: &mut Random, zipf: &Zipf, number: u32) -> Transaction {
    let cents = 100 + u32::try_from(random.below(9_900)).unwrap_or_default();
    Transaction { number, customer: zipf.draw(random), cents }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn workload(mix: Mix) -> Workload {
        Workload { seed: 1, run: 1, mix, zipf: Arc::new(Zipf::new(1_000)) }
    }

    #[test]
    fn a_mix_is_read_as_it_is_written() {
        for text in ["reserve=50,approve=22,decline=5,cancel=5,retry=6,check=12", "reserve=1", "reserve=1,check=3"] {
            assert_eq!(text.parse::<Mix>().unwrap().to_string(), text);
        }
        assert_eq!(Mix::DEFAULT.to_string().parse(), Ok(Mix::DEFAULT));
        for wrong in ["", "reserve", "reserve=", "reserve=x", "refund=1", "reserve=0", "reserve=1,"] {
            assert!(wrong.parse::<Mix>().is_err(), "{wrong:?}");
        }
    }

    /// A naive model follows each transaction: no step comes before its reserve, and none after a final one.
    #[test]
    fn each_step_fits_the_state_of_its_transaction() {
        for number in 0..4 {
            let mut lane = workload(Mix::DEFAULT).lane(number);
            let mut states: BTreeMap<u32, (&str, Transaction)> = BTreeMap::new();
            for _ in 0..20_000 {
                let Step { operation, transaction, is_approved } = lane.next();
                let before = states.get(&transaction.number).copied();
                let state = match operation {
                    Operation::Check => continue,
                    Operation::Reserve => {
                        assert_eq!(before, None);
                        "reserved"
                    }
                    Operation::Retry => {
                        assert_eq!(before.map(|(_, reserved)| reserved), Some(transaction));
                        continue;
                    }
                    Operation::Approve | Operation::Decline => {
                        assert_eq!(before, Some(("reserved", transaction)));
                        if operation == Operation::Approve { "approved" } else { "over" }
                    }
                    Operation::Cancel => {
                        assert_eq!(before, Some((if is_approved { "approved" } else { "reserved" }, transaction)));
                        "over"
                    }
                };
                states.insert(transaction.number, (state, transaction));
            }
        }
    }

    #[test]
    fn operations_occur_as_often_as_the_mix_says() {
        let mut lane = workload(Mix::DEFAULT).lane(7);
        let mut counts = [0_u32; 6];
        for _ in 0..100_000 {
            let drawn = lane.next().operation;
            counts[Operation::ALL.iter().position(|&one| one == drawn).unwrap()] += 1;
        }
        for (count, weight) in counts.into_iter().zip(Mix::DEFAULT.0) {
            let expected = weight * 1_000;
            assert!(count.abs_diff(expected) < 1_000, "{counts:?}");
        }
    }

    #[test]
    fn a_forgotten_transaction_has_no_further_steps() {
        let mut lane = workload(Mix::DEFAULT).lane(1);
        for _ in 0..10_000 {
            let step = lane.next();
            match step.operation {
                Operation::Reserve => lane.forget(step.transaction),
                Operation::Check => {}
                other => panic!("{other:?}"),
            }
        }
    }
}
