//! The statistics count what exists.

use crate::{
    config,
    domain::{
        customer::{audit::Author, update::CustomerUpdate},
        decision::clock_skew::ClockSkew,
        vocabulary::time::Millis,
    },
    ledger::{
        Ledger, LedgerLimits, LedgerStorage,
        customers::registration::{Registration, RegistrationOutcome},
    },
};

const SHOP: &str = "id = \"m\"\nname = \"M\"\noperation_mode = \"crm\"\nadd_all_projects_to_unknown_level = true\n\
    [[gates]]\nid = \"g\"\n[[projects]]\nid = \"p\"\n[[projects.endpoints]]\nid = \"e\"\ncurrency = \"EUR\"\ngates = [\"g\"]\n";

/// A number is assigned before its customer is recorded. A kill may come in between, while other customers are recorded.
#[test]
fn an_assigned_number_without_a_customer_is_not_counted() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("merchants")).unwrap();
    std::fs::write(folder.path().join("merchants/m.toml"), SHOP).unwrap();
    let rules = config::load(folder.path()).unwrap().rules;
    let bounds = LedgerLimits { transactions_max: 10, skew: ClockSkew { past_ms: 0, future_ms: 0 } };
    let ledger = Ledger::new(bounds, LedgerStorage::in_memory((1, 2)));
    let (update, author) = (CustomerUpdate::default(), Author::SYSTEM);
    for (who, made) in [("alice", 1), ("bob", 2)] {
        let merchant = rules.merchant("m").unwrap();
        let identifier = Some(who);
        let applying = Registration { merchant, identifier, update: &update, created: None, author, is_trial: false };
        let (admitted, _) = ledger.register(&applying, Millis(1_700_000_000_000)).unwrap();
        assert!(matches!(admitted, RegistrationOutcome::Created(_)), "{admitted:?}");
        assert_eq!(ledger.customers_len(), made);
        ledger.next_number().unwrap();
        assert_eq!(ledger.customers_len(), made, "after an unused number");
    }
}
