//! Changes of levels: what the forms describe, the preview, the typed count, and who did it.

use super::{
    ORIGIN, Visit, console_of,
    control::{AFFECTED, RecordingControl},
};
use crate::{
    console::{page_table::PageMethod, routes},
    service::configuration::change::{ConfigurationAction, ConfigurationChange},
};
use axum::body::to_bytes;
use serde_json::{Value, json};
use std::sync::Arc;

const GOLD: &str = "/console/m/acme/levels/deposit/EUR/gold";

/// Sends a form to a page as an operator; returns the status and the page.
async fn send(control: &Arc<RecordingControl>, path: &str, form: &str) -> (u16, String) {
    let console = console_of(Arc::clone(control) as _);
    let routes = routes(&console);
    let visit = Visit { console: &console, routes: &routes, token: Some("operator") };
    let response = visit.send(PageMethod::Post, path, Some(ORIGIN), form).await;
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn shown(path: &str, token: &str) -> String {
    let console = console_of(Arc::new(RecordingControl::default()));
    let routes = routes(&console);
    Visit { console: &console, routes: &routes, token: Some(token) }.page(path).await
}

/// The body of the only level that was set.
fn body_of(changes: &[ConfigurationChange]) -> Value {
    let [ConfigurationChange { action: ConfigurationAction::PutLevel(_, body), .. }] = changes else {
        panic!("one level is set: {changes:?}")
    };
    serde_json::from_slice(body).unwrap()
}

#[tokio::test]
async fn a_limit_is_previewed_then_set_by_the_person_and_the_other_settings_stay() {
    let before = shown(&format!("{GOLD}/filters"), "viewer").await;
    assert!(before.contains("daily") && !before.contains("Add a limit"), "a viewer sees no form: {before}");
    let page = format!("{GOLD}/filters/change");
    let form = "filter=daily&name=daily&window=weekly&calendar=true&week_starts_on=sunday&month=30d&amount_limit=77.00&\
                quantity_limit=3&mode=shadow&warn_at=80%25";
    let control = Arc::new(RecordingControl::default());
    let (status, preview) = send(&control, &page, form).await;
    for part in ["This will change", "quarter amount 1.00 -&gt; 2.00", "41 customers", "a warning", "version-1"] {
        assert!(status == 200 && preview.contains(part), "{part}: {preview}");
    }
    assert!(control.made.lock().is_empty(), "a preview changes nothing");
    let body = body_of(&control.tried.lock());
    let filters = body["filters"].as_array().unwrap();
    let names: Vec<&Value> = filters.iter().map(|filter| &filter["name"]).collect();
    assert!(names.len() > 1 && names.contains(&&json!("daily")), "the other limits stay: {body}");
    let changed = filters.iter().find(|filter| filter["name"] == "daily").unwrap();
    for (key, value) in [
        ("window", json!("weekly")),
        ("calendar", json!(true)),
        ("week_starts_on", json!("sunday")),
        ("month", Value::Null),
        ("amount_limit", json!("77.00")),
        ("quantity_limit", json!(3)),
        ("mode", json!("shadow")),
        ("warn_at", json!("80%")),
    ] {
        assert_eq!(changed[key], value, "{key} of {changed}");
    }
    let (_, stale) = send(&control, &page, &format!("{form}&step=confirm&seen=version-0")).await;
    assert!(stale.contains("has changed since the preview") && control.made.lock().is_empty(), "{stale}");
    let (status, _) = send(&control, &page, &format!("{form}&step=confirm&seen=version-1")).await;
    assert_eq!(status, 303);
    let made = control.made.lock();
    assert_eq!(made[0].by.unwrap().as_str(), "operator");
    assert_eq!(body_of(&made), body);
}

#[tokio::test]
async fn a_limit_is_added_and_removed() {
    let page = format!("{GOLD}/filters/change");
    let names = |control: &RecordingControl| {
        let body = body_of(&control.tried.lock());
        let filters = body["filters"].as_array().unwrap().iter();
        filters.map(|filter| filter["name"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let added = Arc::new(RecordingControl::default());
    send(&added, &page, "filter=&name=six&window=6h&amount_limit=5.00&mode=enforce").await;
    let with = names(&added);
    let removed = Arc::new(RecordingControl::default());
    send(&removed, &page, "filter=daily&name=daily&window=daily&mode=enforce&remove=yes").await;
    let without = names(&removed);
    assert!(with.contains(&"six".to_owned()) && with.contains(&"daily".to_owned()), "{with:?}");
    assert_eq!(without.len() + 2, with.len(), "{without:?} and {with:?}");
    assert!(!without.contains(&"daily".to_owned()), "{without:?}");
}

#[tokio::test]
async fn a_deletion_asks_for_the_number_of_customers() {
    for page in [format!("{GOLD}/delete"), "/console/m/acme/levels/delete/deposit/EUR".to_owned()] {
        let control = Arc::new(RecordingControl::default());
        let (_, preview) = send(&control, &page, "step=preview").await;
        assert!(preview.contains("Type the number of customers to confirm: 41"), "{preview}");
        for count in ["", "40", "041"] {
            let (status, again) = send(&control, &page, &format!("step=confirm&seen=version-1&count={count}")).await;
            assert!(status == 200 && again.contains("Nothing has changed"), "{count}: {again}");
        }
        assert!(control.made.lock().is_empty());
        let (status, _) = send(&control, &page, &format!("step=confirm&seen=version-1&count={AFFECTED}")).await;
        assert_eq!((status, control.made.lock().len()), (303, 1), "{page}");
    }
}

#[tokio::test]
async fn a_method_is_edited_and_reset_to_the_default() {
    let page = format!("{GOLD}/methods/change");
    let methods = |control: &RecordingControl| body_of(&control.tried.lock())["methods"].clone();
    let edited = Arc::new(RecordingControl::default());
    send(&edited, &page, "method=wallet&show_in_form=no&min_amount=&max_amount=9.00&gates=gate-b%2C+gate-a").await;
    let all = methods(&edited);
    let wallet = all.as_array().unwrap().iter().find(|method| method["method"] == "wallet").unwrap();
    let want = json!({
        "method": "wallet", "show_in_form": false, "min_amount": null, "max_amount": "9.00", "gates": ["gate-b", "gate-a"],
    });
    assert_eq!(*wallet, want);
    let known = all.as_array().unwrap().iter().find(|method| method["method"] != "wallet").unwrap();
    let name = known["method"].as_str().unwrap();
    let reset = Arc::new(RecordingControl::default());
    send(&reset, &page, &format!("method={name}&show_in_form=&max_amount=1.00&reset=yes")).await;
    assert!(methods(&reset).as_array().unwrap().iter().all(|method| method["method"] != name), "{name}");
    let tabs = shown(&format!("{GOLD}/methods?show=default"), "operator").await;
    assert!(tabs.contains("Default (") && tabs.contains(">wallet<"), "{tabs}");
}

#[tokio::test]
async fn levels_are_added_renamed_and_reset_and_a_wrong_name_is_refused() {
    let control = Arc::new(RecordingControl::default());
    let (_, refused) = send(&control, "/console/m/acme/levels/new", "direction=deposit&currency=EUR&name=").await;
    assert!(refused.contains("role=\"alert\"") && control.tried.lock().is_empty(), "{refused}");
    let (_, known) = send(&control, "/console/m/acme/levels/new", "direction=deposit&currency=EUR&name=gold").await;
    assert!(known.contains("role=\"alert\"") && control.tried.lock().is_empty(), "{known}");
    let new = "direction=withdrawal&currency=EUR&name=ruby&project=web";
    assert_eq!(
        send(&control, "/console/m/acme/levels/new", &format!("{new}&step=confirm&seen=version-1")).await.0,
        303
    );
    send(&control, &format!("{GOLD}/rename"), "to=golden&step=confirm&seen=version-1").await;
    send(&control, &format!("{GOLD}/reset"), "step=confirm&seen=version-1").await;
    let words: Vec<String> = control.made.lock().iter().map(|change| change.action.to_string()).collect();
    assert_eq!(
        words,
        [
            "level `ruby` for withdrawals in EUR of merchant `acme` was set",
            "level `gold` for deposits of merchant `acme` was renamed `golden`",
            "level `gold` for deposits in EUR of merchant `acme` was reset to its entry in the file",
        ]
    );
}

#[tokio::test]
async fn gates_are_shown_in_order_with_the_reason_of_those_that_are_left_out() {
    let page = format!("{GOLD}/gates");
    let general = shown("/console/m/acme/levels/withdrawal/EUR/unknown/gates", "viewer").await;
    assert!(general.contains("gate-a") && general.contains("direction not served"), "{general}");
    let by_wallet = shown(&format!("{page}?payment_method=wallet&amount=0.50"), "viewer").await;
    assert!(by_wallet.contains("method not served"), "{by_wallet}");
    let wrong = shown(&format!("{page}?amount=much"), "viewer").await;
    assert!(wrong.contains("role=\"alert\""), "{wrong}");
}

#[tokio::test]
async fn the_file_of_a_merchant_is_shown_as_text() {
    let page = shown("/console/m/acme/levels/file", "viewer").await;
    assert!(page.contains("merchants/acme.toml") && page.contains("id = &quot;acme&quot; # &lt;script&gt;"), "{page}");
    assert!(page.contains("Nothing: the file has no change"), "{page}");
}
