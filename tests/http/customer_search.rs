//! Customer search among thousands: every filter and pair of filters against a scan of the whole list, and pages while
//! customers are added and erased.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

use crate::staff_calls::{CUSTOMERS, amend, labels, of, register};
use support::daemon::Daemon;
use support::fixtures::{CRM, acme, at, level, level_in};

const MANY: i64 = 2_000;

fn shop() -> String {
    let head = labels(&[("plain", "active", &[]), ("vip", "internal", &[]), ("rare", "active", &[])]);
    let levels = [level("gold", ""), level("silver", ""), level_in("withdrawal", "EUR", "gold", "")];
    acme(&format!("{CRM}{head}"), &levels)
}

/// A customer whose fields follow from the number.
fn person(n: i64) -> Value {
    let mut body = json!({
        "merchant_customer_identifier": format!("c{n}"),
        // Not in the order in which they are registered.
        "created_at": at(-(n * 7_919 % MANY) * 60_000 - 60_000),
        "email": format!("mail{}@example.com", n % 1_500),
        "external_id": format!("x{n}"),
        "phone": format!("+4930{:07}", n % 1_990),
        "name": format!("{} Person{}", ["Zo\u{eb}", "Alice", "Bob"][usize::try_from(n % 3).expect("small")], n % 50),
        "payment_instrument": format!("tok{}", n % 10),
    });
    match n % 3 {
        0 => body["deposit_level"] = json!("gold"),
        1 => body["deposit_level"] = json!("silver"),
        _ => {}
    }
    if n % 5 == 0 {
        body["withdrawal_level"] = json!("gold");
    }
    if n % 4 == 0 {
        body["status"] = json!(if n % 8 == 0 { "member" } else { "suspicious" });
    }
    if n % 7 == 0 {
        body["labels"] = if n % 700 == 0 { json!(["vip", "rare"]) } else { json!(["vip"]) };
    }
    body
}

/// All customers that a query finds, page by page.
fn all(daemon: &Daemon, query: &str, limit: usize) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = daemon.get(&format!("{CUSTOMERS}?limit={limit}&{query}{cursor}")).ok();
        let customers = page["customers"].as_array().expect("customers");
        assert!(customers.len() <= limit);
        found.extend(customers.iter().cloned());
        match page["next_cursor"].as_str() {
            None => return found,
            Some(next) => {
                assert_eq!(customers.len(), limit, "only the last page may be short: {query}");
                cursor = format!("&cursor={next}");
            }
        }
    }
}

fn number(customer: &Value) -> u64 {
    customer["customer_id"].as_str().and_then(|id| id.parse().ok()).expect("a number")
}

/// The result of a scan for one filter.
fn takes(customer: &Value, field: &str, value: &str) -> bool {
    match field {
        "label" => customer["labels"].as_array().expect("labels").iter().any(|label| label == value),
        "created_from" => customer["created_at"].as_str().expect("a time") >= value,
        "created_to" => customer["created_at"].as_str().expect("a time") < value,
        "deposit_level" | "withdrawal_level" if value.is_empty() => customer[field].is_null(),
        "name" => {
            customer["name"].as_str().expect("a name").to_lowercase().split(' ').any(|word| word.starts_with(value))
        }
        "email" if !value.contains('@') => customer["email"].as_str().expect("an address").starts_with(value),
        _ => customer[field] == value,
    }
}

#[test]
fn every_filter_and_pair_of_filters_agrees_with_a_scan() {
    let daemon = Daemon::live(shop());
    (0..MANY).for_each(|n| _ = register(&daemon, &person(n)));
    let everybody = all(&daemon, "", 1_000);
    assert_eq!(i64::try_from(everybody.len()), Ok(MANY));
    assert!(everybody.is_sorted_by_key(number), "the oldest first");
    let some = number(&everybody[1_234]).to_string();
    let [from, to] = [at(-900 * 60_000), at(-300 * 60_000)];
    let filters: Vec<(&str, &str)> = vec![
        ("customer_id", &some),
        ("customer_id", "alice"),
        ("merchant_customer_identifier", "c1234"),
        ("merchant_customer_identifier", "c"),
        ("deposit_level", "gold"),
        ("deposit_level", ""),
        ("deposit_level", "nothing is called so"),
        ("withdrawal_level", "gold"),
        ("withdrawal_level", "silver"),
        ("email", "mail1234@example.com"),
        ("email", "mail7@example.com"),
        ("email", "mail123"),
        ("email", "ail"),
        ("name", "zo\u{eb}"),
        ("name", "person4"),
        ("name", "erson"),
        ("payment_instrument", "tok3"),
        ("payment_instrument", "tok"),
        ("phone", "+49300000003"),
        ("external_id", "x700"),
        ("status", "member"),
        ("status", "suspicious"),
        ("status", "fraud"),
        ("label", "vip"),
        ("label", "rare"),
        ("label", "plain"),
        ("created_from", &from),
        ("created_to", &to),
        ("created_to", &from),
    ];
    let mut found_any = 0;
    for (n, one) in filters.iter().enumerate() {
        for other in filters.iter().skip(n).filter(|other| one == *other || one.0 != other.0) {
            let want: Vec<u64> = everybody
                .iter()
                .filter(|customer| takes(customer, one.0, one.1) && takes(customer, other.0, other.1))
                .map(number)
                .collect();
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair(one.0, one.1);
            if one != other {
                query.append_pair(other.0, other.1);
            }
            let query = query.finish();
            found_any += usize::from(!want.is_empty());
            let got: Vec<u64> = all(&daemon, &query, 400).iter().map(number).collect();
            assert_eq!(got, want, "{query}");
            let mut backwards: Vec<u64> =
                all(&daemon, &format!("sort=-customer_id&{query}"), 90).iter().map(number).collect();
            backwards.reverse();
            assert_eq!(backwards, want, "{query}, the newest first");
        }
    }
    assert!(found_any > 60, "most of the questions have an answer: {found_any}");
}

#[test]
fn pages_lose_and_repeat_no_customer_under_changes() {
    for sort in ["customer_id", "-customer_id"] {
        let daemon = Daemon::live(shop());
        let mut ids: Vec<String> = Vec::new();
        for n in 0..300 {
            ids.push(register(&daemon, &person(n)));
        }
        let has = |n: i64| n % 7 == 0;
        let mut throughout: BTreeSet<u64> =
            (0..300).zip(&ids).filter(|(n, _)| has(*n)).map(|(_, id)| id.parse().expect("a number")).collect();
        let (mut times_found, mut cursor, mut turn) = (BTreeMap::<u64, u32>::new(), String::new(), 0_i64);
        loop {
            let page = daemon.get(&format!("{CUSTOMERS}?label=vip&limit=3&sort={sort}{cursor}")).ok();
            for customer in page["customers"].as_array().expect("customers") {
                *times_found.entry(number(customer)).or_default() += 1;
            }
            // One who was shown, one who waits to be shown, and one at the cursor itself lose the label; others get it.
            let place = page["customers"].as_array().and_then(|c| c.last()).map(number);
            for gone in [Some(turn * 14 % 300), place.map(|n| i64::try_from(n).expect("small") - 1_000_001)]
                .into_iter()
                .flatten()
            {
                let Some(id) = ids.get(usize::try_from(gone).expect("a place")) else { continue };
                amend(&daemon, id, &json!({ "labels": ["plain"] }));
                throughout.remove(&id.parse().expect("a number"));
            }
            amend(
                &daemon,
                &ids[usize::try_from((turn * 31 + 1) % 300).expect("a place")],
                &json!({ "labels": ["rare", "vip"] }),
            );
            register(&daemon, &person(700 + turn));
            turn += 1;
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
            assert!(turn < 300, "pages come to an end");
        }
        assert!(turn > 8 && throughout.len() > 5, "{turn} pages, {} throughout", throughout.len());
        for (number, times) in &times_found {
            assert_eq!(*times, 1, "{number} is shown once, sorted by {sort}");
        }
        for number in &throughout {
            assert!(times_found.contains_key(number), "{number} was there all the time, sorted by {sort}");
        }
    }
}

#[test]
fn invalid_searches_are_refused() {
    let daemon = Daemon::live(shop());
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=-1", "cursor"),
        ("sort=name", "sort"),
        ("sort=created_at&cursor=1000001", "cursor"),
        ("sort=last_payment&cursor=1000001", "cursor"),
        ("cursor=1000001_5", "cursor"),
        ("name=al", "name"),
        ("name=al*", "name"),
        ("email=al", "email"),
        ("email=%20a*", "email"),
        ("created_from=2026-02-30", "created_from"),
        ("created_to=20261120", "created_to"),
        ("email=a@example.com&email=b@example.com", "email"),
        ("name=alice&name=bob", "name"),
        ("status=dead", "status"),
        ("created_from=yesterday", "created_from"),
        ("levels=gold", "levels"),
        ("label=vip&label=rare", "label"),
        ("status=", "status"),
    ] {
        assert_eq!(daemon.get(&format!("{CUSTOMERS}?{query}")).problem(400)["field"], field, "{query}");
    }
    let many = "customer_id=1000001&".repeat(1_001);
    assert_eq!(daemon.get(&format!("{CUSTOMERS}?{many}")).problem(422)["code"], "too_many");
    let id = register(&daemon, &person(1));
    for query in ["limit=0", "cursor=x", "page=2"] {
        daemon.get(&of(&id, &format!("/history?{query}"))).problem(400);
    }
    for query in [
        "email=",
        "name=%20",
        "payment_instrument=",
        "phone=%20",
        "external_id=",
        "label=",
        "customer_id=",
        "cursor=99999999999999999999",
    ] {
        let answer = daemon.get(&format!("{CUSTOMERS}?{query}"));
        match answer.status {
            200 => assert_eq!(answer.ok()["customers"], json!([]), "{query}"),
            _ => drop(answer.problem(400)),
        }
    }
}
