//! What operators do with customers, in a real browser, with scripts and without: create, upload a table with bad rows, change
//! many with a typed count, merge, erase.

use crate::{
    api,
    browser_flows::{address, pictures, sign_in},
    daemon_with, fill,
    webdriver::Browser,
};
use serde_json::{Value, json};
use support::daemon::Daemon;

const TABLE: &str = "merchant_customer_identifier,email,labels\npayer-0,zero@example.com,vip\nnew-1,one@example.com,vip\n\
                     new-2,not an address,vip\nnew-3,three@example.com,nope\n";

fn customer(daemon: &Daemon, number: &str) -> Value {
    api(daemon, "vera", "GET", &format!("customers/{number}"), &Value::Null)
}

/// The number of the customer that the address of the page names.
fn number_in(url: &str) -> String {
    url.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned()
}

fn create_and_erase(browser: &Browser, daemon: &Daemon) {
    browser.open(&address(daemon, "console/m/acme/customers"));
    browser.follow("New customer");
    browser.fill("merchant_customer_identifier", "dora");
    browser.fill("email", "dora@example.com");
    browser.fill("first_name", "Dora");
    browser.fill("rating", "200");
    browser.press("Show the new customer");
    browser.wait_for("a whole number from 0 to 100");
    browser.fill("rating", "80");
    browser.choose("deposit_level", "gold");
    browser.press("Show the new customer");
    browser.wait_for("This customer will be created");
    browser.press("Create the customer");
    browser.wait_for("The change is recorded.");
    let number = number_in(&browser.url());
    assert_eq!(customer(daemon, &number)["email"], "dora@example.com");
    browser.follow("Edit the profile");
    browser.fill("last_name", "Stone");
    browser.press("Show what changes");
    browser.wait_for("This will change");
    browser.press("Change the profile");
    browser.wait_for("Dora Stone");
    browser.follow("Delete");
    browser.wait_for(&format!("Type {number}"));
    browser.fill("typed", "1");
    browser.press("Delete the customer");
    browser.wait_for("is not that of the customer");
    assert_eq!(customer(daemon, &number)["deletion_due"], Value::Null, "a wrong number changes nothing");
    browser.fill("typed", &number);
    browser.press("Delete the customer");
    browser.wait_for("The change is recorded.");
    assert!(customer(daemon, &number)["deletion_due"].is_string());
    browser.follow("Delete");
    browser.press("Cancel the deletion");
    browser.wait_for("The change is recorded.");
    assert_eq!(customer(daemon, &number)["deletion_due"], Value::Null);
    browser.follow("History");
    browser.wait_for("deletion due");
    assert!(browser.text().contains("olga"), "{}", browser.text());
}

fn upload(browser: &Browser, daemon: &Daemon) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("customers.csv");
    std::fs::write(&file, TABLE).unwrap();
    let send = |mode: &str| {
        browser.open(&address(daemon, "console/m/acme/customers/upload"));
        browser.tick("mode", mode);
        browser.attach("file", &file);
        browser.press("Upload");
        browser.wait_for("Bad rows");
    };
    send("trial");
    let page = browser.text();
    for part in ["It was tried, and nothing was changed.", "email", "labels", "nope"] {
        assert!(page.contains(part), "{part}:\n{page}");
    }
    assert_eq!(customer(daemon, "1000002")["email"], Value::Null, "a trial changes nothing");
    send("all");
    assert!(browser.text().contains("It was refused, and nothing was changed."), "{}", browser.text());
    send("partial");
    assert!(browser.text().contains("It is done."), "{}", browser.text());
    let changed = api(daemon, "vera", "GET", "customers?email=zero@example.com", &Value::Null);
    assert_eq!(changed["customers"][0]["labels"], json!(["vip"]), "{changed}");
    browser.open(&address(daemon, "console/m/acme/customers/upload"));
    browser.write("text", "merchant_customer_identifier\npasted\n");
    browser.press("Upload");
    browser.wait_for("It was tried");
}

fn change_many(browser: &Browser, daemon: &Daemon) {
    browser.open(&address(daemon, "console/m/acme/customers"));
    browser.choose("label", "vip");
    browser.press("Search");
    browser.wait_for("label: vip");
    browser.follow("Change all that match");
    browser.choose("set_deposit_level", "=silver");
    browser.press("Show what changes");
    browser.wait_for("This will change");
    assert!(browser.text().contains("Type 2"), "{}", browser.text());
    browser.fill("count", "9");
    browser.press("Change these customers");
    browser.wait_for("Nothing was changed.");
    let silver = || {
        let found = api(daemon, "vera", "GET", "customers?deposit_level=silver", &Value::Null);
        found["customers"].as_array().unwrap().len()
    };
    assert_eq!(silver(), 0, "a wrong count changes nothing");
    browser.fill("count", "2");
    browser.press("Change these customers");
    browser.wait_for("It is done.");
    assert_eq!(silver(), 2);
    browser.follow("Customers");
    browser.tick("id", "1000001");
    browser.press("Change the selected");
    browser.wait_for("customer 1000001");
    browser.choose("set_status", "member");
    browser.press("Show what changes");
    browser.fill("count", "1");
    browser.press("Change these customers");
    browser.wait_for("It is done.");
    assert_eq!(customer(daemon, "1000001")["status"], "member");
}

fn merge(browser: &Browser, daemon: &Daemon) {
    let found = api(daemon, "vera", "GET", "customers?merchant_customer_identifier=payer-1", &Value::Null);
    let number = found["customers"][0]["customer_id"].as_str().unwrap().to_owned();
    api(daemon, "olga", "PATCH", &format!("customers/{number}"), &json!({ "email": "alice@example.com" }));
    browser.open(&address(daemon, &format!("console/m/acme/customers/{number}")));
    browser.follow("Merge");
    browser.wait_for("The same e-mail or phone");
    browser.follow("Alice Ng (1000001)");
    browser.press("Show what happens");
    browser.wait_for("It cannot be taken back.");
    assert_eq!(customer(daemon, &number)["customer_id"], number.as_str(), "a preview merges nothing");
    browser.fill("typed", &number);
    browser.press("Merge the customers");
    browser.wait_for("Alice Ng (1000001)");
    assert_eq!(customer(daemon, &number)["customer_id"], "1000001");
}

fn every_flow(scripts: bool) {
    let daemon = daemon_with("");
    fill(&daemon);
    let browser = Browser::start(scripts);
    sign_in(&browser, &daemon, "olga");
    create_and_erase(&browser, &daemon);
    upload(&browser, &daemon);
    change_many(&browser, &daemon);
    merge(&browser, &daemon);
    assert_eq!(browser.log(), Vec::<String>::new(), "the browser reports nothing");
}

#[test]
fn operators_create_upload_change_merge_and_erase() {
    every_flow(true);
}

#[test]
fn the_same_works_without_scripts() {
    every_flow(false);
}

#[test]
fn pages_of_customers_fit_their_window() {
    let daemon = daemon_with("");
    fill(&daemon);
    let folder = pictures();
    let browser = Browser::start(true);
    sign_in(&browser, &daemon, "olga");
    let rates = json!({ "rates": [{ "from": "EUR", "to": "USD", "rate": "1.0872" }] });
    api(&daemon, "olga", "PATCH", "customers/1000001", &rates);
    let settings = json!({
        "global_limit": { "max_amount": "200.00" }, "methods": [{ "method": "card", "max_amount": "50.00" }],
    });
    api(&daemon, "olga", "PUT", "customers/1000001/settings/deposit/EUR/gold", &settings);
    let bulk = json!({ "select": { "all": true }, "set": { "labels": ["vip"] } });
    api(&daemon, "olga", "POST", "customers/bulk?job=all-vip", &bulk);
    browser.open(&address(&daemon, "console/m/acme/customers/upload"));
    browser.write("text", TABLE);
    browser.press("Upload");
    browser.wait_for("Bad rows");
    let job = browser.url().rsplit_once("/console/").unwrap().1.to_owned();
    let job = format!("/{job}");
    let pages = [
        ("customers-chips", "/m/acme/customers?status=new&label=vip&column=name&column=status&column=labels"),
        ("customer-new", "/m/acme/customers/new"),
        ("customers-upload", "/m/acme/customers/upload"),
        ("customers-mock", "/m/acme/customers/mock"),
        ("customers-bulk", "/m/acme/customers/bulk?selected=all&label=vip"),
        ("jobs", "/m/acme/jobs"),
        ("job-bad-rows", job.as_str()),
        ("job-bulk", "/m/acme/jobs/all-vip"),
        ("customer-edit", "/m/acme/customers/1000001/edit"),
        ("customer-signals", "/m/acme/customers/1000001/signals"),
        ("customer-merge", "/m/acme/customers/1000001/merge"),
        ("customer-erase", "/m/acme/customers/1000001/erase"),
        ("customer-rates", "/m/acme/customers/1000001/rates"),
        ("customer-rates-form", "/m/acme/customers/1000001/rates/change"),
        ("customer-settings", "/m/acme/customers/1000001/settings"),
        (
            "customer-settings-form",
            "/m/acme/customers/1000001/settings/change?direction=deposit&currency=EUR&level=gold",
        ),
        ("customer-instrument", "/m/acme/customers/1000001/wallet/tok_81"),
    ];
    for (view, size, colours) in
        [("light", (1_280, 1_000), "light"), ("dark", (1_280, 1_000), "dark"), ("narrow", (390, 1_400), "light")]
    {
        browser.display(size, colours);
        for (name, path) in pages {
            browser.open(&address(&daemon, &format!("console{path}")));
            browser.picture(&folder.join(format!("{name}-{view}.png")));
            let (taken, has) = browser.widths();
            assert!(taken <= has, "{name} takes {taken} of {has} pixels in {view}");
        }
    }
    assert_eq!(browser.log(), Vec::<String>::new(), "the browser reports nothing");
}
