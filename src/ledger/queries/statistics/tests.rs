//! What is counted is what there is.

use crate::{
    config,
    domain::{
        customer::{profile::Author, update::CustomerUpdate},
        decision::decide::Skew,
        vocabulary::time::Millis,
    },
    ledger::{
        Bounds, Ground, Ledger,
        customers::register::{Admitted, Applying},
    },
};

const SHOP: &str = "id = \"m\"\nname = \"M\"\noperation_mode = \"crm\"\nadd_all_projects_to_unknown_level = true\n\
    [[gates]]\nid = \"g\"\n[[projects]]\nid = \"p\"\n[[projects.endpoints]]\nid = \"e\"\ncurrency = \"EUR\"\ngates = [\"g\"]\n";

/// A number is given out before its customer is recorded, and a kill may come in between while others are recorded.
#[test]
fn a_number_of_which_nothing_came_is_no_customer() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("merchants")).unwrap();
    std::fs::write(folder.path().join("merchants/m.toml"), SHOP).unwrap();
    let rules = config::load(folder.path()).unwrap().rules;
    let bounds = Bounds { transactions_max: 10, skew: Skew { past_ms: 0, future_ms: 0 } };
    let ledger = Ledger::new(bounds, Ground::memory((1, 2)));
    let (said, author) = (CustomerUpdate::default(), Author::SYSTEM);
    for (who, made) in [("alice", 1), ("bob", 2)] {
        let merchant = rules.merchant("m").unwrap();
        let identifier = Some(who);
        let applying = Applying { merchant, identifier, said: &said, created: None, author, is_trial: false };
        let (admitted, _) = ledger.register(&applying, Millis(1_700_000_000_000)).unwrap();
        assert!(matches!(admitted, Admitted::Made(_)), "{admitted:?}");
        assert_eq!(ledger.customers_len(), made);
        ledger.next_number().unwrap();
        assert_eq!(ledger.customers_len(), made, "behind a number of which nothing came");
    }
}
