//! Every page at 200 %: nothing is cut off, and nothing lies over something else.
//!
//! Pictures of whole pages are written to `console-pictures/zoomed` in the folder of the tests' temporary files.

use crate::{
    accessibility::{STATES, address_of},
    api,
    browser_flows::{address, pictures, sign_in},
    people::{daemon_of_two, pending_change},
    webdriver::Browser,
};
use levelgate::console::page_paths;
use serde_json::{Value, json};
use std::{fs, path::Path};

/// The faults of a page: what a reader cannot reach, and controls that overlap. A part that scrolls hides nothing.
const FAULTS: &str = "\
const width = document.documentElement.clientWidth, faults = [];\
const scrolls = (element) => { for (let at = element.parentElement; at; at = at.parentElement) {\
  if (['auto', 'scroll'].includes(getComputedStyle(at).overflowX)) return true; } return false; };\
const name = (element) => element.tagName.toLowerCase() + ' ' + (element.name || element.textContent.trim().slice(0, 40));\
const shown = [...document.querySelectorAll('a, button, input, select, textarea, th, td, dt, dd, p, li, h1, h2, h3, label, meter')]\
  .filter((element) => element.checkVisibility() && !element.matches('.skip, [type=hidden]'));\
for (const element of shown) { const box = element.getBoundingClientRect();\
  if (box.width && !scrolls(element) && (box.right > width + 1 || box.left < -1)) faults.push('cut: ' + name(element));\
  if (getComputedStyle(element).overflowX === 'hidden' && element.scrollWidth > element.clientWidth + 1)\
    faults.push('clipped: ' + name(element)); }\
const controls = shown.filter((element) => element.matches('a.button, button, input, select, textarea'));\
for (let i = 0; i < controls.length; i++) for (let j = i + 1; j < controls.length; j++) {\
  if (scrolls(controls[i]) !== scrolls(controls[j])) continue;\
  const [a, b] = [controls[i].getBoundingClientRect(), controls[j].getBoundingClientRect()];\
  if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)\
    faults.push('overlap: ' + name(controls[i]) + ' / ' + name(controls[j])); }\
return faults";

/// The name of a picture of a page.
fn file_name(path: &str) -> String {
    let name: String = path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    name.trim_matches('-').chars().take(90).collect()
}

#[test]
fn nothing_is_cut_or_covered_at_200_percent() {
    let daemon = daemon_of_two("four_eyes = [\"raise_limit\"]\n");
    let limits = json!({ "filters": [{ "name": "mine", "window": "daily", "amount_limit": "300.00" }] });
    api(&daemon, "till", "PUT", "customers/1000001/limits/deposit/EUR", &limits);
    let settings =
        json!({ "global_limit": { "max_amount": "200.00" }, "methods": [{ "method": "card", "max_amount": "50.00" }] });
    api(&daemon, "olga", "PUT", "customers/1000001/settings/deposit/EUR/gold", &settings);
    let rates = json!({ "rates": [{ "from": "EUR", "to": "USD", "rate": "1.0872" }] });
    api(&daemon, "olga", "PATCH", "customers/1000001", &rates);
    let bulk = json!({ "select": { "all": true }, "set": { "labels": ["regular", "vip"] } });
    api(&daemon, "olga", "POST", "customers/bulk?job=job-1", &bulk);
    let change = pending_change(&daemon);
    let (folder, browser) = (pictures().join("zoomed"), Browser::start(true));
    fs::create_dir_all(&folder).expect("a folder for the pictures");
    sign_in(&browser, &daemon, "olga");
    let rows = page_paths().map(|path| address_of(path, &change));
    let pages: Vec<String> = rows.chain(STATES.map(str::to_owned)).collect();
    let mut faults = Vec::new();
    // A window of 1,280 pixels has 640 at 200 %, and 320 at 400 %.
    for (view, width, colours) in [("light", 640, "light"), ("dark", 640, "dark"), ("narrow", 320, "light")] {
        browser.display((width, 900), colours);
        for page in &pages {
            browser.open(&address(&daemon, page.trim_start_matches('/')));
            browser.whole_picture(&folder.join(format!("{}-{view}.png", file_name(page))));
            let (taken, has) = browser.widths();
            let found = browser.execute(FAULTS, &json!([]));
            let found = found.as_array().expect("a list").iter().filter_map(Value::as_str).map(str::to_owned);
            let too_wide = (taken > has).then(|| format!("it takes {taken} of {has} pixels"));
            faults.extend(found.chain(too_wide).map(|fault| format!("{page} ({view}): {fault}")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(Path::new(&folder).join("console-system-light.png").exists());
    // The same look finds planted faults.
    let plant = "const main = document.querySelector('main');\n\
                 for (const left of ['0', '4rem']) { const button = document.createElement('button'); button.textContent = 'planted';\n\
                 button.style.position = 'absolute'; button.style.left = left; main.append(button); }\n\
                 const wide = document.createElement('p'); wide.textContent = 'wide'; wide.style.width = '90rem'; main.append(wide);\n\
                 return true";
    assert_eq!(browser.execute(plant, &json!([])), Value::Bool(true));
    let found = browser.execute(FAULTS, &json!([])).to_string();
    assert!(found.contains("overlap: button planted") && found.contains("cut: p wide"), "{found}");
}
