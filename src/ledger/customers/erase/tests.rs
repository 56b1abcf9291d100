//! Whoever is to be forgotten is, whatever the medium says at first.

use super::*;
use crate::{
    domain::{decision::decide::Skew, rules::configuration::Attribute, vocabulary::names::Name},
    ledger::{Bounds, Ground},
    storage::{
        fs::memory::{EIO, Fault, Memory},
        journal::{Journal, Keys},
    },
};
use std::sync::Arc;

#[test]
fn a_key_that_the_medium_did_not_let_go_is_erased_the_next_time() {
    let store = Memory::new();
    let keys = Arc::new(Keys::open(&store, [7; 16]).unwrap());
    let ground =
        Ground { journal: Arc::new(Journal::in_memory()), keys: Arc::clone(&keys), past: None, secret: (1, 2) };
    let bounds = Bounds { transactions_max: 1, skew: Skew { past_ms: 0, future_ms: 0 } };
    let ledger = Ledger::new(bounds, ground);
    let (merchant, number) = (Name::parse("m").unwrap(), ledger.next_number().unwrap());
    let mut attributes = Attributes::default();
    attributes.set(Attribute::Email, "a@example.com");
    let events = [
        CustomerEvent::Created { merchant, identifier: None, at: Millis(1) },
        CustomerEvent::AttributesFilled { attributes, at: Millis(1) },
        CustomerEvent::Changed(Change::DeletionDue(Some(Millis(5)))),
    ];
    let mut customer = Customer::new(number, merchant, None, Millis(1));
    ledger.record(&mut customer, 0, (Author::SYSTEM, Millis(1)), &events);
    ledger.customers.lock(number).insert(number, customer);
    keys.write().unwrap();
    keys.sync().unwrap();
    let on_medium = || Keys::open(&store.kill_image(), [7; 16]).unwrap().is_erased(number);

    let rules = Rules::default();
    assert_eq!(ledger.erase_due(&rules, Millis(4), 10).unwrap(), 0, "not yet");
    store.fail_at(store.calls() + 1, Fault::Error(EIO));
    assert!(ledger.erase_due(&rules, Millis(5), 10).is_err(), "the medium says no");
    assert!(!on_medium(), "and has the key");
    let shown = ledger.look("m", &number.to_string(), Millis(5), |customer, _| customer.attributes.is_empty());
    assert!(shown.unwrap(), "what it sealed is forgotten all the same");
    assert_eq!(ledger.erase_due(&rules, Millis(5), 10).unwrap(), 0, "nobody else is due");
    assert!(on_medium(), "and it is tried again");
    let calls = store.calls();
    ledger.erase_due(&rules, Millis(6), 10).unwrap();
    assert_eq!(store.calls(), calls, "once it is done nothing is written");
}
