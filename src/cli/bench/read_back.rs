//! Reads the usage of all customers back and compares it with the bench's own sum.

use crate::cli::bench::{
    connection::Answer,
    expected_usage::{CustomerUsage, ExpectedUsage, Used},
    generator::{Caller, Generator, Pace},
    requests::{Endpoint, LEVEL, RequestWriter},
};
use serde::{Deserialize, Serialize};

/// How many differences are described.
const DESCRIBED_MAX: usize = 10;

/// The result of the comparison.
#[derive(Debug, Default, Serialize)]
pub(super) struct ReadBack {
    /// Customers whose usage was compared.
    pub(super) customers: u64,
    /// Transactions that the bench's own sum counts.
    pub(super) transactions: u64,
    /// The bench's own sum, in cents.
    pub(super) gross_cents: u64,
    /// The same without what was cancelled after its approval.
    pub(super) net_cents: u64,
    /// Customers whose usage differs.
    pub(super) different: u64,
    /// The first of them, in words.
    pub(super) differences: Vec<String>,
    /// Customers that were not compared, because a request about them failed.
    pub(super) uncertain: u64,
}

impl ReadBack {
    /// Whether the daemon's usage is that of the bench.
    pub(super) const fn is_equal(&self) -> bool {
        self.different == 0
    }
}

/// Compares the usage of all customers.
///
/// # Errors
/// The daemon does not answer.
pub(super) fn read_back(endpoint: &Endpoint, expected: &ExpectedUsage, connections: u32) -> anyhow::Result<ReadBack> {
    let mut all = expected.certain();
    all.sort_unstable_by_key(|(id, _)| *id);
    let mut whole =
        ReadBack { customers: all.len() as u64, uncertain: expected.uncertain() as u64, ..ReadBack::default() };
    for (_, usage) in &all {
        whole.transactions += u64::from(usage.gross.quantity);
        whole.gross_cents += usage.gross.cents;
        whole.net_cents += usage.net.cents;
    }
    let connections = (connections as usize).clamp(1, all.len().max(1));
    let readers = (0..connections).map(|number| UsageReader {
        writer: RequestWriter::new(endpoint, ""),
        left: all.iter().skip(number).step_by(connections).rev().copied().collect(),
        waiting: None,
        different: 0,
        differences: Vec::new(),
    });
    let mut generator = Generator::connect(&endpoint.address, readers.collect(), 1, 1)?;
    generator.run(Pace::Exhausted)?;
    for reader in generator.callers() {
        whole.different += reader.different;
        whole.differences.append(&mut reader.differences);
    }
    whole.differences.sort_unstable();
    whole.differences.truncate(DESCRIBED_MAX);
    Ok(whole)
}

/// Reads the usage of some customers over one connection.
struct UsageReader {
    writer: RequestWriter,
    left: Vec<(u64, CustomerUsage)>,
    waiting: Option<(u64, CustomerUsage)>,
    different: u64,
    differences: Vec<String>,
}

impl Caller for UsageReader {
    fn next(&mut self, request: &mut Vec<u8>) -> Option<usize> {
        let customer = self.left.pop()?;
        self.writer.write_usage(customer.0, request);
        self.waiting = Some(customer);
        Some(0)
    }

    fn answered(&mut self, answer: Answer<'_>) -> anyhow::Result<()> {
        let Some((id, expected)) = self.waiting.take() else { return Ok(()) };
        let difference = match usage_of(answer) {
            Ok(found) if found == expected => return Ok(()),
            Ok(found) => format!("customer {id}: the daemon has {}, and the bench {}", text(found), text(expected)),
            Err(problem) => format!("customer {id}: {problem}"),
        };
        self.different += 1;
        if self.differences.len() < DESCRIBED_MAX {
            self.differences.push(difference);
        }
        Ok(())
    }
}

fn text(usage: CustomerUsage) -> String {
    let used = |used: Used| format!("{}.{:02} in {}", used.cents / 100, used.cents % 100, used.quantity);
    format!("{} gross and {} net", used(usage.gross), used(usage.net))
}

#[derive(Deserialize)]
struct UsageDocument {
    totals: Vec<Total>,
}

#[derive(Deserialize)]
struct Total {
    direction: String,
    currency: String,
    level: Option<String>,
    gross: UsedDocument,
    net: UsedDocument,
}

#[derive(Deserialize)]
struct UsedDocument {
    amount: String,
    quantity: u32,
}

impl UsedDocument {
    fn read(&self) -> Result<Used, String> {
        let cents = self.amount.split_once('.').filter(|(_, cents)| cents.len() == 2);
        let cents = cents
            .and_then(|(units, cents)| units.parse::<u64>().ok()?.checked_mul(100)?.checked_add(cents.parse().ok()?));
        let cents = cents.ok_or_else(|| format!("{:?} is not an amount in EUR", self.amount))?;
        Ok(Used { cents, quantity: self.quantity })
    }
}

/// The usage that an answer shows. Usage that is not there is zero.
fn usage_of(answer: Answer<'_>) -> Result<CustomerUsage, String> {
    let Answer { status, body } = answer;
    if status != 200 {
        return Err(format!("status {status}: {}", String::from_utf8_lossy(body)));
    }
    let document: UsageDocument =
        serde_json::from_slice(body).map_err(|error| format!("not a usage document: {error}"))?;
    let mut usage = CustomerUsage::default();
    for total in &document.totals {
        if (total.direction.as_str(), total.currency.as_str(), total.level.as_deref())
            != ("deposit", "EUR", Some(LEVEL))
        {
            return Err(format!("usage of {} in {} at {:?}", total.direction, total.currency, total.level));
        }
        usage = CustomerUsage { gross: total.gross.read()?, net: total.net.read()? };
    }
    Ok(usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usage_document_is_read() {
        let total = |level: &str, gross: &str| {
            format!(
                r#"{{"usage":[],"totals":[{{"direction":"deposit","currency":"EUR","level":{level},"gross":{gross},"net":{{"amount":"0.00","quantity":0}}}}],"server_time":"x"}}"#
            )
        };
        let read = |text: &str| usage_of(Answer { status: 200, body: text.as_bytes() });
        let gross = Used { cents: 1_250, quantity: 1 };
        let expected = CustomerUsage { gross, net: Used::default() };
        assert_eq!(read(&total("\"gold\"", r#"{"amount":"12.50","quantity":1}"#)), Ok(expected));
        assert_eq!(read(r#"{"totals":[]}"#), Ok(CustomerUsage::default()));
        for wrong in [
            "{}",
            &total("null", r#"{"amount":"12.50","quantity":1}"#),
            &total("\"gold\"", r#"{"amount":"12.5","quantity":1}"#),
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(usage_of(Answer { status: 404, body: b"{}" }).is_err());
    }
}
