//! What operators do, in a real browser: watch the numbers move, read events and audit, see what a reload would change.

use crate::{api, daemon_with, fill, token_of, webdriver::Browser};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
};
use support::daemon::Daemon;
use support::fixtures::{pay, with};

fn address(daemon: &Daemon, path: &str) -> String {
    format!("http://127.0.0.1:{}/{path}", daemon.port())
}

fn sign_in(browser: &Browser, daemon: &Daemon, name: &str, page: &str) {
    browser.open(&address(daemon, page));
    browser.fill("token", &token_of(name));
    browser.press("Sign in");
}

/// The figure of the live page with the number of decisions.
const DECISIONS: &str = "//dt[normalize-space()='Decisions']/following-sibling::dd[1]";

fn reserve(daemon: &Daemon, id: &str) {
    let who = json!({ "merchant_customer_identifier": format!("payer-of-{id}") });
    api(daemon, "till", "POST", "transactions", &with(pay(id, "1.00"), &who));
}

#[test]
fn numbers_move_by_themselves_and_what_a_reader_opened_stays_open() {
    let daemon = daemon_with("");
    fill(&daemon);
    let browser = Browser::start(true);
    sign_in(&browser, &daemon, "vera", "console/live");
    browser.wait_for_text(DECISIONS, "10");
    browser.open_details("The numbers");
    let table = "//details[@open]//th[normalize-space()='denied']";
    browser.wait_for_text(table, "denied");
    // Each refresh is the answer to a request of the part that the one before has brought.
    for n in 0..3 {
        reserve(&daemon, &format!("moved-{n}"));
        browser.wait_for_text(DECISIONS, &(11 + n).to_string());
    }
    browser.wait_for_text(table, "denied");
    // An element that arrives by morphing is alive: its own trigger works.
    browser.run(
        "const probe = document.createElement('div'); document.body.append(probe); \
         htmx.swap({ target: probe, sourceElement: probe, swap: 'innerMorph', \
         text: '<button id=\"arrived\" hx-get=\"rates\" hx-select=\"h1\" hx-swap=\"innerHTML\">Arrived</button>' })",
    );
    browser.press("Arrived");
    browser.wait_for_text("//*[@id='arrived']", "Rates");
    // A link of the refreshed part leads to its page.
    browser.follow("Acme Games");
    browser.wait_for("Recent denials");
    browser.wait_for_text(DECISIONS, "13");
    for n in 3..5 {
        reserve(&daemon, &format!("moved-{n}"));
        browser.wait_for_text(DECISIONS, &(11 + n).to_string());
    }
    assert_eq!(browser.log(), Vec::<String>::new(), "the browser reports nothing");
}

#[test]
fn without_scripts_a_link_refreshes_the_numbers() {
    let daemon = daemon_with("");
    fill(&daemon);
    let browser = Browser::start(false);
    sign_in(&browser, &daemon, "vera", "console/live");
    browser.wait_for_text(DECISIONS, "10");
    reserve(&daemon, "moved");
    browser.follow("Refresh");
    browser.wait_for_text(DECISIONS, "11");
    browser.follow("1 hour");
    browser.wait_for_text(DECISIONS, "11");
    browser.follow("Gates");
    browser.wait_for("No attempt was reported");
    api(
        &daemon,
        "till",
        "POST",
        "transactions/moved/attempts",
        &json!({ "attempt": 1, "gate": "gate-a", "outcome": "declined" }),
    );
    browser.follow("Refresh");
    browser.wait_for("Attempts over time");
    browser.wait_for_text("//h3[normalize-space()='gate-a']", "gate-a");
    assert_eq!(browser.log(), Vec::<String>::new(), "the browser reports nothing");
}

#[test]
fn a_page_whose_session_has_ended_leads_to_the_sign_in() {
    let daemon = daemon_with("");
    let browser = Browser::start(true);
    sign_in(&browser, &daemon, "vera", "console/live");
    browser.wait_for("No decision in the last 5 minutes");
    // Signs out in the daemon, while the page stays.
    browser.run("fetch('logout', { method: 'POST' })");
    browser.wait_for("Access token");
    assert!(browser.url().ends_with("/console/login?to=%2Fconsole%2Flive"), "{}", browser.url());
}

fn operate(scripts: bool) {
    let daemon = daemon_with("");
    fill(&daemon);
    let browser = Browser::start(scripts);
    sign_in(&browser, &daemon, "olga", "console/events");
    browser.choose("event", "denied");
    browser.press("Show");
    browser.wait_for("tx-2");
    assert!(!browser.text().contains("tx-1"), "{}", browser.text());
    browser.follow("tx-2");
    browser.wait_for("Why it was denied");
    browser.follow("Rates");
    browser.wait_for("Units for one EUR");
    assert!(browser.text().contains("rates.toml"), "{}", browser.text());
    browser.follow("Change the rates");
    browser.fill("rate", "1.6125");
    browser.press("Show what changes");
    browser.wait_for("This will change");
    browser.press("Set the rates");
    browser.wait_for("The rates are set.");
    assert!(browser.text().contains("the API, by olga"), "{}", browser.text());
    let file = daemon.folder.path().join("merchants/acme.toml");
    let text = fs::read_to_string(&file).expect("the merchant");
    daemon.folder.write("merchants/acme.toml", &text.replace("500.00", "300.00"));
    browser.follow("System");
    browser.follow("Show what a reload would change");
    browser.wait_for("500.00 -> 300.00");
    browser.choose("merchant", "acme");
    browser.press("Show the file");
    browser.wait_for("as it is on the disk now");
    assert!(browser.text().contains("amount_limit = \"300.00\""), "{}", browser.text());
    browser.press("Reload");
    browser.wait_for("The configuration was reloaded.");
    browser.follow("Audit");
    browser.choose("kind", "reload");
    browser.press("Show");
    browser.wait_for("300.00");
    assert!(browser.text().contains("olga"), "{}", browser.text());
    assert_eq!(browser.log(), Vec::<String>::new(), "the browser reports nothing");
}

#[test]
fn an_operator_reads_events_sets_rates_and_reloads() {
    operate(true);
}

#[test]
fn an_operator_does_the_same_without_scripts() {
    operate(false);
}

fn pictures() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("console-pictures");
    fs::create_dir_all(&folder).expect("a folder for the pictures");
    folder
}

#[test]
fn operator_pages_fit_their_window_light_dark_narrow_and_zoomed() {
    let daemon = daemon_with("");
    fill(&daemon);
    for (attempt, outcome) in [(1, "declined"), (2, "approved")] {
        let body = json!({ "attempt": attempt, "gate": "gate-a", "outcome": outcome });
        api(&daemon, "till", "POST", "transactions/other-1/attempts", &body);
    }
    let folder = pictures();
    let browser = Browser::start(true);
    sign_in(&browser, &daemon, "olga", "console/live");
    browser.wait_for_text(DECISIONS, "10");
    let pages = [
        ("operator-live", "live"),
        ("operator-live-empty", "live?merchant=globex"),
        ("operator-gates", "gates?merchant=acme"),
        ("operator-rates", "rates"),
        ("operator-rates-form", "rates/change"),
        ("operator-events", "events"),
        ("operator-audit", "audit?merchant=acme"),
        ("operator-system", "system"),
        ("operator-reload", "system/reload?merchant=acme"),
        ("operator-merchant", "m/acme"),
    ];
    for (view, size, colours) in [
        ("light", (1_280, 1_400), "light"),
        ("dark", (1_280, 1_400), "dark"),
        ("narrow", (390, 1_400), "light"),
        ("zoomed", (640, 500), "light"),
    ] {
        browser.display(size, colours);
        for (name, path) in pages {
            browser.open(&address(&daemon, &format!("console/{path}")));
            browser.picture(&folder.join(format!("{name}-{view}.png")));
            let (taken, has) = browser.widths();
            assert!(taken <= has, "{name} takes {taken} of {has} pixels in {view}");
        }
    }
    assert_eq!(browser.log(), Vec::<String>::new(), "the browser reports nothing");
}
