//! The state that calls need: customers, transactions, levels, each made when a call asks for it.

use serde_json::{Value, json};
use std::cell::Cell;
use support::{answer::Answer, daemon::Daemon};

/// A daemon on the sample configuration, and what was made in it.
pub(crate) struct World {
    pub(crate) daemon: Daemon,
    /// A customer with payments, an instrument, settings and limits.
    pub(crate) seeded: String,
    count: Cell<u32>,
}

impl World {
    pub(crate) fn new(daemon: Daemon) -> Self {
        let mut world = Self { daemon, seeded: String::new(), count: Cell::new(0) };
        world.seeded = world.customer();
        world
    }

    /// Calls the daemon.
    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        match method {
            "GET" => self.daemon.get(path),
            "DELETE" => self.daemon.delete(path),
            _ => self.daemon.send(method, path, body),
        }
    }

    /// A call that must succeed.
    pub(crate) fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.send(method, path, body);
        assert!(answer.status < 300, "{method} {path} {body}: {} {}", answer.status, answer.body);
        serde_json::from_str(&answer.body).unwrap_or_default()
    }

    /// A name that nothing has yet.
    pub(crate) fn name(&self, what: &str) -> String {
        self.count.set(self.count.get() + 1);
        format!("{what}-{}", self.count.get())
    }

    /// A path of the merchant `acme`.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!("/v1/merchants/acme{rest}")
    }

    /// A path of the customer with a history.
    pub(crate) fn seeded_path(&self, rest: &str) -> String {
        self.path(&format!("/customers/{}{rest}", self.seeded))
    }

    /// The id of a new customer.
    pub(crate) fn customer(&self) -> String {
        let body = json!({ "merchant_customer_identifier": self.name("customer") });
        let made = self.done("POST", &self.path("/customers"), &body);
        made["customer_id"].as_str().unwrap().to_owned()
    }

    /// A path of a new customer.
    pub(crate) fn customer_path(&self, rest: &str) -> String {
        self.path(&format!("/customers/{}{rest}", self.customer()))
    }

    /// A path of a new customer whose raise of a limit waits.
    pub(crate) fn raised_path(&self, rest: &str) -> String {
        let customer = self.customer();
        let path = |rest: &str| self.path(&format!("/customers/{customer}{rest}"));
        for limit in ["5.00", "50.00"] {
            let body = json!({ "filters": [{ "window": "daily", "amount_limit": limit }] });
            self.done("PUT", &path("/limits/deposit/EUR"), &body);
        }
        path(rest)
    }

    /// The body of a payment of a new customer.
    pub(crate) fn payment(&self) -> Value {
        json!({
            "transaction_id": self.name("tx"), "direction": "deposit", "amount": "10.00", "currency": "EUR",
            "payment_method": "card", "merchant_customer_identifier": self.name("payer"), "customer_level": "gold",
        })
    }

    /// The id of a new transaction.
    pub(crate) fn reserved(&self) -> String {
        let body = self.payment();
        let answer = self.done("POST", &self.path("/transactions"), &body);
        assert_eq!(answer["decision"], "allow", "{answer}");
        body["transaction_id"].as_str().unwrap().to_owned()
    }

    /// The id of a new transaction that is approved.
    pub(crate) fn approved(&self) -> String {
        let id = self.reserved();
        self.done("POST", &self.step(&id, "approve"), &json!({}));
        id
    }

    /// The path of a fact about a transaction.
    pub(crate) fn step(&self, id: &str, operation: &str) -> String {
        self.path(&format!("/transactions/{id}/{operation}"))
    }

    /// The id of a new transaction of `globex` without a customer.
    pub(crate) fn unlinked(&self) -> String {
        let id = self.name("unlinked");
        let body = json!({
            "transaction_id": id, "direction": "deposit", "amount": "10.00", "currency": "USD",
            "payment_method": "card", "customer_id": self.name("unknown"),
        });
        self.done("POST", "/v1/merchants/globex/transactions", &body);
        id
    }

    /// The name of a new level of deposits in EUR.
    pub(crate) fn level(&self) -> String {
        let name = self.name("level");
        self.done("PUT", &self.path(&format!("/levels/deposit/EUR/{name}")), &json!({ "projects": ["web"] }));
        name
    }
}
