//! Which differences tighten a limit.

use super::*;

#[test]
fn a_lower_or_newly_enforced_limit_is_tightened_and_a_higher_one_is_not() {
    for (from, to, want) in [
        ("amount_limit = \"500.00\"", "amount_limit = \"300.00\"", true),
        ("amount_limit = \"500.00\"", "amount_limit = \"501.00\"", false),
        ("amount_limit = \"500.00\"\n", "", false),
        ("quantity_limit = 10", "quantity_limit = 9", true),
        ("name = \"month\"", "name = \"moon\"", true),
        ("mode = \"enforce\"", "mode = \"off\"", false),
        ("weight = 70", "weight = 7", false),
    ] {
        let (old, new) = (valid(&files()), valid(&edited("merchants/acme.toml", from, to)));
        let tightened = compared(&old, &new).iter().any(|found| is_tightened(&found.subject, &old.rules, &new.rules));
        assert_eq!(tightened, want, "{from} -> {to}");
    }
    let (old, new) = (edited("merchants/acme.toml", "mode = \"enforce\"", "mode = \"shadow\""), files());
    let (old, new) = (valid(&old), valid(&new));
    assert!(compared(&old, &new).iter().all(|found| is_tightened(&found.subject, &old.rules, &new.rules)));
}
