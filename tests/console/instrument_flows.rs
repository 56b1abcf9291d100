//! What support staff do with a stored card, in a real browser, with scripts and without: change it, block it, lift the block,
//! remove it.

use crate::{
    api,
    browser_flows::{address, sign_in},
    daemon_with, fill,
    webdriver::Browser,
};
use serde_json::{Value, json};

fn change_block_and_remove(scripts: bool) {
    let daemon = daemon_with("");
    fill(&daemon);
    let stored = |member: &str| {
        let customer = api(&daemon, "vera", "GET", "customers/1000001", &Value::Null);
        customer["payment_instruments"][0][member].clone()
    };
    let browser = Browser::start(scripts);
    sign_in(&browser, &daemon, "olga");
    browser.open(&address(&daemon, "console/m/acme/customers/1000001/wallet"));
    browser.follow("tok_81");
    browser.follow("Change the instrument");
    browser.choose("type", "card");
    browser.fill("masked_number", "411111******1111");
    browser.fill("expires", "2099-04");
    browser.tick("default", "1");
    browser.press("Show what changes");
    browser.wait_for("This will change");
    assert!(browser.text().contains("visa"), "{}", browser.text());
    assert_eq!(stored("default"), json!(false), "a preview changes nothing");
    browser.press("Change the instrument");
    browser.wait_for("The change is recorded.");
    assert_eq!((stored("default"), stored("brand")), (json!(true), json!("visa")));
    browser.follow("Block the instrument");
    browser.press("Show what happens");
    browser.wait_for("Payments with the instrument are blocked");
    browser.press("Report the signal");
    browser.wait_for("The change is recorded.");
    assert_eq!(stored("state"), json!("blocked"));
    browser.follow("Lift the block");
    browser.press("Show what happens");
    browser.press("Report the signal");
    browser.wait_for("The change is recorded.");
    assert_eq!(stored("state"), json!("active"));
    browser.follow("Remove the instrument");
    browser.wait_for("The customer has no default then.");
    browser.press("Remove the instrument");
    browser.wait_for("The customer has no stored payment instruments.");
    assert_eq!(stored("state"), Value::Null);
    browser.open(&address(&daemon, "console/m/acme/customers/1000001/wallet/tok_81"));
    browser.wait_for("is not stored for this customer");
    assert!(browser.text().contains("tx-1") && browser.text().contains("olga"), "{}", browser.text());
    assert_eq!(browser.log(), Vec::<String>::new(), "the browser reports nothing");
}

#[test]
fn a_card_is_changed_blocked_and_removed() {
    change_block_and_remove(true);
}

#[test]
fn the_same_works_without_scripts() {
    change_block_and_remove(false);
}
