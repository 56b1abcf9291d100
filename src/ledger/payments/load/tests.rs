//! Transactions are found by their ids: among many of one customer, and among keys that share an entry of the index.

use crate::{
    config,
    domain::{
        decision::{
            clock_skew::ClockSkew,
            payment::{Payment, PaymentPurpose, PaymentRequest},
        },
        rules::configuration::Rules,
        vocabulary::time::Millis,
    },
    ledger::{
        Ledger, LedgerLimits, LedgerStorage,
        index::transaction_index::{TransactionIndex, TransactionSlot},
    },
};

const NOW: Millis = Millis(1_700_000_000_000);
const SHOP: &str = "id = \"m\"\nname = \"M\"\noperation_mode = \"crm\"\n[[gates]]\nid = \"g\"\n[[projects]]\nid = \"p\"\n\
    [[projects.endpoints]]\nid = \"e\"\ncurrency = \"EUR\"\ngates = [\"g\"]\n";

fn rules() -> Rules {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("merchants")).unwrap();
    std::fs::write(folder.path().join("merchants/m.toml"), SHOP).unwrap();
    config::load(folder.path()).unwrap().rules
}

fn payment<'a>(rules: &'a Rules, id: &str, customer: &'a str) -> Payment<'a> {
    let request = PaymentRequest {
        transaction_id: Some(id.to_owned().into()),
        direction: Some("deposit".into()),
        amount: Some("1.00".into()),
        currency: Some("EUR".into()),
        merchant_customer_identifier: Some(customer.into()),
        ..PaymentRequest::default()
    };
    Payment::admit(rules, "m", request, PaymentPurpose::Record).unwrap()
}

/// Slots of one customer that agree in their lowest eight bits share an entry of the index with the same key bits.
#[test]
fn every_transaction_of_customers_with_many_is_found_once() {
    let rules = rules();
    let limits = LedgerLimits { transactions_max: 10_000, skew: ClockSkew { past_ms: 0, future_ms: 0 } };
    let ledger = Ledger::new(limits, LedgerStorage::in_memory((1, 2)));
    let customers = ["alice", "bob"];
    for is_known in [false, true] {
        for n in 0..700 {
            for customer in customers {
                let id = format!("{customer}-{n}");
                let payment = payment(&rules, &id, customer);
                let answer = ledger.reserve(&rules, &payment, None, NOW).unwrap();
                assert_eq!(answer.replay, is_known, "{id}");
            }
        }
    }
    assert_eq!(ledger.transactions_len(), 1_400);
}

#[test]
fn an_entry_of_the_index_is_found_by_each_key_with_its_first_bits() {
    let mut index = TransactionIndex::default();
    let (key, other) = (0xABCD_EF01_2345_6789, 0xABCD_EF10_0000_0000);
    let slot = |customer, slot| TransactionSlot { customer, slot };
    let largest = u64::from(u32::MAX) - 1;
    for (customer, number) in [(0, 0), (7, 255), (7, 256), (7, 511), (largest, u32::MAX - 1)] {
        index.insert(key, slot(customer, number));
    }
    let found = |index: &TransactionIndex, key: u64| {
        let mut found: Vec<_> = index.find(key).map(|entry| (entry.customer(), entry.slot_bits())).collect();
        found.sort_unstable();
        found
    };
    let all = [(0, 0), (7, 0), (7, 255), (7, 255), (largest, 254)];
    assert_eq!(found(&index, key), all);
    assert_eq!(found(&index, other), all, "the caller compares whole keys");
    assert_eq!(found(&index, !key), []);
    index.remove(key, slot(7, 255));
    index.remove(key, slot(largest, u32::MAX - 1));
    index.remove(!key, slot(0, 0));
    assert_eq!(found(&index, key), [(0, 0), (7, 0), (7, 255)]);
}
