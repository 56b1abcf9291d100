//! The usage of each customer, as the bench adds it up from the answers.

use crate::cli::bench::workload::{Operation, Step, Transaction};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// An amount in cents, and a number of transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Used {
    pub(super) cents: u64,
    pub(super) quantity: u32,
}

/// The usage of a customer: `net` is without payments that were cancelled after their approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct CustomerUsage {
    pub(super) gross: Used,
    pub(super) net: Used,
}

#[derive(Debug, Default)]
struct Sum {
    cents: AtomicU64,
    quantity: AtomicU32,
}

impl Sum {
    fn add(&self, cents: u32) {
        self.cents.fetch_add(u64::from(cents), Ordering::Relaxed);
        self.quantity.fetch_add(1, Ordering::Relaxed);
    }

    fn subtract(&self, cents: u32) {
        self.cents.fetch_sub(u64::from(cents), Ordering::Relaxed);
        self.quantity.fetch_sub(1, Ordering::Relaxed);
    }

    fn read(&self) -> Used {
        Used { cents: self.cents.load(Ordering::Relaxed), quantity: self.quantity.load(Ordering::Relaxed) }
    }
}

#[derive(Debug, Default)]
struct Customer {
    /// The daemon's `customer_id`; zero: it never named one.
    id: AtomicU64,
    /// Whether a request about it failed, so that its usage is not known exactly.
    is_uncertain: AtomicBool,
    gross: Sum,
    net: Sum,
}

/// The sums of all customers. Connections on several threads add to them.
#[derive(Debug)]
pub(super) struct ExpectedUsage {
    customers: Vec<Customer>,
}

impl ExpectedUsage {
    /// No usage of this many customers.
    pub(super) fn new(customers: u32) -> Self {
        Self { customers: (0..customers).map(|_| Customer::default()).collect() }
    }

    /// Adds what a request did that was answered with 200, other than a denied reserve.
    pub(super) fn add(&self, step: &Step, answer: &[u8]) {
        let Transaction { customer, cents, .. } = step.transaction;
        let Some(customer) = self.customer(customer) else { return };
        match step.operation {
            Operation::Reserve => {
                if customer.id.load(Ordering::Relaxed) == 0 {
                    customer.id.store(customer_id(answer).unwrap_or_default(), Ordering::Relaxed);
                }
                customer.gross.add(cents);
                customer.net.add(cents);
            }
            Operation::Decline => {
                customer.gross.subtract(cents);
                customer.net.subtract(cents);
            }
            Operation::Cancel => {
                if !step.is_approved {
                    customer.gross.subtract(cents);
                }
                customer.net.subtract(cents);
            }
            // An approval takes what the reserve took.
            Operation::Approve | Operation::Retry | Operation::Check => {}
        }
    }

    /// Notes that a request about a customer failed.
    pub(super) fn set_uncertain(&self, customer: u32) {
        if let Some(customer) = self.customer(customer) {
            customer.is_uncertain.store(true, Ordering::Relaxed);
        }
    }

    /// The customers that the daemon has named: its id and the sum.
    pub(super) fn certain(&self) -> Vec<(u64, CustomerUsage)> {
        let known = self.customers.iter().filter(|customer| !customer.is_uncertain.load(Ordering::Relaxed));
        let known = known.map(|customer| {
            (
                customer.id.load(Ordering::Relaxed),
                CustomerUsage { gross: customer.gross.read(), net: customer.net.read() },
            )
        });
        known.filter(|(id, _)| *id != 0).collect()
    }

    /// The number of customers whose usage is not known exactly.
    pub(super) fn uncertain(&self) -> usize {
        self.customers.iter().filter(|customer| customer.is_uncertain.load(Ordering::Relaxed)).count()
    }

    fn customer(&self, number: u32) -> Option<&Customer> {
        self.customers.get(usize::try_from(number).ok()?)
    }
}

/// The `customer_id` of an answer. The answer is searched, not parsed, because the generator shares the machine with the
/// daemon.
fn customer_id(answer: &[u8]) -> Option<u64> {
    let digits = after(answer, b"\"customer_id\":\"")?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}

/// What follows the first occurrence of some bytes.
pub(super) fn after<'a>(text: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let place = text.windows(wanted.len()).position(|window| window == wanted)?;
    text.get(place + wanted.len()..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_changes_the_sums_as_the_rules_say() {
        let answer = br#"{"decision":"allow","customer":{"customer_id":"1000007","status":"new"}}"#;
        let used = |cents, quantity| Used { cents, quantity };
        for (steps, gross, net) in [
            (&[(Operation::Reserve, false)][..], used(150, 1), used(150, 1)),
            (
                &[(Operation::Reserve, false), (Operation::Retry, false), (Operation::Check, false)],
                used(150, 1),
                used(150, 1),
            ),
            (&[(Operation::Reserve, false), (Operation::Approve, false)], used(150, 1), used(150, 1)),
            (&[(Operation::Reserve, false), (Operation::Decline, false)], used(0, 0), used(0, 0)),
            (&[(Operation::Reserve, false), (Operation::Cancel, false)], used(0, 0), used(0, 0)),
            (
                &[(Operation::Reserve, false), (Operation::Approve, false), (Operation::Cancel, true)],
                used(150, 1),
                used(0, 0),
            ),
        ] {
            let expected = ExpectedUsage::new(3);
            for &(operation, is_approved) in steps {
                let transaction = Transaction { number: 1, customer: 2, cents: 150 };
                expected.add(&Step { operation, transaction, is_approved }, answer);
            }
            assert_eq!(expected.certain(), [(1_000_007, CustomerUsage { gross, net })], "{steps:?}");
        }
    }

    #[test]
    fn a_customer_with_a_failed_request_is_not_compared() {
        let expected = ExpectedUsage::new(1);
        let transaction = Transaction { number: 1, customer: 0, cents: 150 };
        expected.add(&Step { operation: Operation::Reserve, transaction, is_approved: false }, br#""customer_id":"7""#);
        expected.set_uncertain(0);
        assert_eq!((expected.certain(), expected.uncertain()), (Vec::new(), 1));
    }
}
