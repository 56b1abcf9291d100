//! The steps of a list of one customer's transactions.

use super::*;
use crate::{
    config,
    domain::{
        decision::{
            clock_skew::ClockSkew,
            payment::{Payment, PaymentPurpose, PaymentRequest},
        },
        rules::configuration::Rules,
    },
    ledger::{LedgerLimits, LedgerStorage},
};

mod newest;

const NOW: Millis = Millis(1_700_000_000_000);
const SHOP: &str = "id = \"m\"\nname = \"M\"\noperation_mode = \"crm\"\n[[gates]]\nid = \"g\"\n[[projects]]\nid = \"p\"\n\
    [[projects.endpoints]]\nid = \"e\"\ncurrency = \"EUR\"\ngates = [\"g\"]\n";

fn rules() -> Rules {
    rules_of(SHOP)
}

fn rules_of(merchant: &str) -> Rules {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("merchants")).unwrap();
    std::fs::write(folder.path().join("merchants/m.toml"), merchant).unwrap();
    config::load(folder.path()).unwrap().rules
}

/// A customer with so many reservations. Returns the id.
fn customer_with(ledger: &Ledger, rules: &Rules, payments: u64) -> String {
    let mut customer = None;
    for n in 0..payments {
        let request = PaymentRequest {
            transaction_id: Some(format!("t{n}").into()),
            direction: Some("deposit".into()),
            amount: Some("1.00".into()),
            currency: Some("EUR".into()),
            merchant_customer_identifier: Some("alice".into()),
            ..PaymentRequest::default()
        };
        let payment = Payment::admit(rules, "m", request, PaymentPurpose::Record).unwrap();
        ledger.reserve(rules, &payment, None, NOW).unwrap();
        customer = customer.or_else(|| ledger.merge_group_numbers("m", "1000001").ok());
    }
    customer.unwrap()[0].to_string()
}

/// The transactions of all pages, and the most slots that a page examined.
fn read_pages(ledger: &Ledger, query: TransactionQuery) -> (usize, u64) {
    let (mut query, mut found, mut most) = (query, 0, 0);
    loop {
        let page = ledger.list_transactions("m", &query, LocalTime::utc(NOW)).unwrap();
        found += page.transactions.len();
        most = most.max(page.visited);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return (found, most),
        }
    }
}

#[test]
fn a_page_of_one_customer_costs_its_own_size() {
    let rules = rules();
    for payments in [500_u64, 8_000] {
        let limits = LedgerLimits { transactions_max: 10_000, skew: ClockSkew { past_ms: 0, future_ms: 0 } };
        let ledger = Ledger::new(limits, LedgerStorage::in_memory((1, 2)));
        let customer_id = Some(customer_with(&ledger, &rules, payments));
        let query = TransactionQuery { customer_id, limit: 20, ..TransactionQuery::default() };
        let (found, most) = read_pages(&ledger, query.clone());
        assert_eq!(found as u64, payments);
        assert!(most <= 3 * 20, "{most} slots for a page of 20 of {payments}");
        // A page that shows none examines more at a time, and each slot once.
        let none = TransactionQuery { status: Some(Status::Declined), ..query };
        let (found, most) = read_pages(&ledger, none);
        assert_eq!(found, 0);
        assert!(most <= payments + 64, "{most} slots of {payments}");
    }
}
