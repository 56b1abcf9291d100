//! A customer is erased also where the medium fails at first.

use super::*;
use crate::{
    domain::{
        decision::clock_skew::ClockSkew,
        vocabulary::{attributes::Attribute, names::Name},
    },
    ledger::{LedgerLimits, LedgerStorage},
    storage::{
        fs::memory::{EIO, Fault, Memory},
        journal::{Journal, Keys},
    },
};
use std::sync::Arc;

#[test]
fn a_key_that_could_not_be_erased_is_erased_by_the_next_call() {
    let store = Memory::new();
    let keys = Arc::new(Keys::open(&store, [7; 16]).unwrap());
    let ground = LedgerStorage {
        journal: Arc::new(Journal::in_memory()),
        keys: Arc::clone(&keys),
        archive: None,
        secret: (1, 2),
    };
    let bounds = LedgerLimits { transactions_max: 1, skew: ClockSkew { past_ms: 0, future_ms: 0 } };
    let ledger = Ledger::new(bounds, ground);
    let (merchant, number) = (Name::parse("m").unwrap(), ledger.next_number().unwrap());
    let mut attributes = Attributes::default();
    attributes.set(Attribute::Email, "a@example.com");
    let events = [
        CustomerEvent::Created { merchant, identifier: None, at: Millis(1) },
        CustomerEvent::AttributesFilled { attributes, at: Millis(1) },
        CustomerEvent::CustomerChanged(CustomerChange::DeletionDue(Some(Millis(5)))),
    ];
    let mut customer = Customer::new(number, merchant, None, Millis(1));
    ledger.record(&mut customer, Actor::system(Millis(1)), RecordEvents { after: &events, ..RecordEvents::default() });
    ledger.customers.lock(number).insert(number, customer);
    keys.write().unwrap();
    keys.sync().unwrap();
    let on_medium = || Keys::open(&store.kill_image(), [7; 16]).unwrap().is_erased(number);

    let rules = Rules::default();
    assert_eq!(ledger.erase_due(&rules, Millis(4), 10).unwrap(), 0, "not yet");
    store.fail_at(store.calls() + 1, Fault::Error(EIO));
    assert!(ledger.erase_due(&rules, Millis(5), 10).is_err(), "the medium fails");
    assert!(!on_medium(), "and still has the key");
    let shown = ledger.with_customer("m", &number.to_string(), Millis(5), |customer, _| customer.attributes.is_empty());
    assert!(shown.unwrap(), "the sealed attributes are erased nevertheless");
    assert_eq!(ledger.erase_due(&rules, Millis(5), 10).unwrap(), 0, "no other customer is due");
    assert!(on_medium(), "the erasure of the key is tried again");
    let calls = store.calls();
    ledger.erase_due(&rules, Millis(6), 10).unwrap();
    assert_eq!(store.calls(), calls, "nothing is written once the key is erased");
}
