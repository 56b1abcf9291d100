//! Requests as bytes, and the hash of a workload.

use crate::cli::bench::{
    connection::ServerAddress,
    workload::{Lane, Operation, Step, Transaction, Workload},
};
use sha2::{Digest, Sha256};
use std::io::Write;

/// The level of all payments of the bench.
pub(super) const LEVEL: &str = "gold";

/// Where requests go, and who sends them.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    /// The server.
    pub(super) address: ServerAddress,
    /// The merchant of the bench.
    pub(super) merchant: String,
    /// The bearer token.
    pub(super) token: Option<String>,
    /// The beginning of all ids and identifiers, which separates a bench from earlier ones at the same daemon.
    pub(super) prefix: String,
}

/// Writes the requests of one connection.
#[derive(Debug)]
pub(super) struct RequestWriter {
    path: String,
    /// The head after the path and before the length of the body.
    head: String,
    transactions: String,
    customers: String,
    body: Vec<u8>,
}

impl RequestWriter {
    /// A writer whose transaction ids begin with `ids`, after the prefix of the bench.
    pub(super) fn new(endpoint: &Endpoint, ids: &str) -> Self {
        let Endpoint { address: ServerAddress { host_port, .. }, merchant, token, prefix } = endpoint;
        let authorization =
            token.as_ref().map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
        Self {
            path: format!("/v1/merchants/{merchant}"),
            head: format!(
                " HTTP/1.1\r\nhost: {host_port}\r\n{authorization}content-type: application/json\r\ncontent-length: "
            ),
            transactions: format!("{prefix}{ids}"),
            customers: format!("{prefix}c"),
            body: Vec::with_capacity(512),
        }
    }

    /// Replaces the contents of `request` with a whole request.
    pub(super) fn write(&mut self, step: &Step, request: &mut Vec<u8>) {
        self.body.clear();
        write_body(&mut self.body, step, &self.transactions, &self.customers);
        request.clear();
        let number = step.transaction.number;
        // Writing to memory cannot fail.
        let _ = match step.operation {
            Operation::Reserve | Operation::Retry => write!(request, "POST {}/transactions", self.path),
            Operation::Check => write!(request, "POST {}/decisions", self.path),
            Operation::Approve | Operation::Decline | Operation::Cancel => {
                write!(
                    request,
                    "POST {}/transactions/{}{number}/{}",
                    self.path,
                    self.transactions,
                    step.operation.word()
                )
            }
        };
        let _ = write!(request, "{}{}\r\n\r\n", self.head, self.body.len());
        request.extend_from_slice(&self.body);
    }

    /// The request that reads a customer's usage.
    pub(super) fn write_usage(&self, customer_id: u64, request: &mut Vec<u8>) {
        request.clear();
        let _ = write!(request, "GET {}/customers/{customer_id}/usage{}0\r\n\r\n", self.path, self.head);
    }
}

fn write_body(body: &mut Vec<u8>, step: &Step, transactions: &str, customers: &str) {
    let Transaction { number, customer, cents } = step.transaction;
    let (units, cents) = (cents / 100, cents % 100);
    let _ = match step.operation {
        Operation::Reserve | Operation::Retry => write!(
            body,
            "{{\"transaction_id\":\"{transactions}{number}\",\"project\":\"web\",\"direction\":\"deposit\",\
             \"amount\":\"{units}.{cents:02}\",\"currency\":\"EUR\",\"payment_method\":\"card\",\
             \"merchant_customer_identifier\":\"{customers}{customer}\",\"customer_level\":\"{LEVEL}\"}}"
        ),
        Operation::Check => write!(
            body,
            "{{\"project\":\"web\",\"direction\":\"deposit\",\"amount\":\"{units}.{cents:02}\",\"currency\":\"EUR\",\
             \"payment_method\":\"card\",\"merchant_customer_identifier\":\"{customers}{customer}\",\
             \"customer_level\":\"{LEVEL}\"}}"
        ),
        Operation::Approve | Operation::Decline | Operation::Cancel => write!(body, "{{}}"),
    };
}

/// The requests of a workload in the order in which they are due, as at a daemon that the bench starts.
pub(super) struct WorkloadRequests {
    lanes: Vec<(Lane, RequestWriter)>,
    next: usize,
}

impl WorkloadRequests {
    /// The requests of a workload over this many connections.
    pub(super) fn new(workload: &Workload, connections: u32) -> Self {
        let endpoint = Endpoint {
            address: ServerAddress::plain("localhost".to_owned()),
            merchant: "bench".to_owned(),
            token: None,
            prefix: String::new(),
        };
        let lane = |number| (workload.lane(number), RequestWriter::new(&endpoint, &workload.ids(number)));
        Self { lanes: (0..connections).map(lane).collect(), next: 0 }
    }

    /// Writes the next request.
    pub(super) fn write_next(&mut self, request: &mut Vec<u8>) {
        let place = self.next % self.lanes.len().max(1);
        self.next += 1;
        if let Some((lane, writer)) = self.lanes.get_mut(place) {
            writer.write(&lane.next(), request);
        }
    }

    /// The hash of the next requests: the first 8 bytes of a SHA-256, in hexadecimal digits.
    pub(super) fn hash(mut self, requests: u64) -> String {
        let (mut hasher, mut request) = (Sha256::new(), Vec::new());
        for _ in 0..requests {
            self.write_next(&mut request);
            hasher.update(&request);
        }
        hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::{workload::Mix, zipf::Zipf};
    use std::sync::Arc;

    fn requests(seed: u64, customers: u32, mix: Mix, connections: u32) -> WorkloadRequests {
        let workload = Workload { seed, run: 1, mix, zipf: Arc::new(Zipf::new(customers)) };
        WorkloadRequests::new(&workload, connections)
    }

    /// Results can be compared between versions only while a seed means the same requests.
    #[test]
    fn the_hash_of_a_seed_never_changes() {
        let reserves: Mix = "reserve=1".parse().unwrap();
        for (seed, customers, mix, connections, expected) in [
            (1, 100_000, Mix::DEFAULT, 64, "580b9476bdb2ef48"),
            (2, 100_000, Mix::DEFAULT, 64, "2ed4129263bbcb36"),
            (1, 1_000, Mix::DEFAULT, 64, "c24a6986d8120137"),
            (1, 100_000, reserves, 64, "da474326549c580e"),
            (1, 100_000, Mix::DEFAULT, 8, "92c051eb59240f7a"),
        ] {
            assert_eq!(requests(seed, customers, mix, connections).hash(10_000), expected, "{seed} {customers}");
        }
    }

    #[test]
    fn the_first_requests_of_a_seed_are_written_as_expected() {
        let (mut requests, mut request) = (requests(1, 1_000, Mix::DEFAULT, 2), Vec::new());
        let mut text = String::new();
        for _ in 0..12 {
            requests.write_next(&mut request);
            text.push_str(&String::from_utf8(request.clone()).unwrap().replace('\r', ""));
            text.push('\n');
        }
        assert_eq!(text, include_str!("first_requests.txt"));
    }
}
