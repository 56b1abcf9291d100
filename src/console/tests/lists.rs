//! Lists where people look at what came last: the newest come first, and a link turns the order.

use super::*;

const ALICE: &str = "/console/m/acme/customers/1000001";

/// A reserve of a customer, above the limit of a day or not.
fn pay(console: &Console, who: &str, id: &str, amount: &str) {
    let body = serde_json::json!({
        "transaction_id": id, "direction": "deposit", "amount": amount, "currency": "EUR", "payment_method": "card",
        "merchant_customer_identifier": who, "customer_level": "gold", "payment_instrument": "tok-1",
    });
    let payments = &console.parts.payments;
    payments.call(PaymentOperation::Reserve, "acme", None, body.to_string().as_bytes()).unwrap();
}

/// The addresses of the links of a page whose words are these.
fn link_of(page: &str, words: &str) -> String {
    let end = page.find(&format!("\">{words}</a>")).unwrap_or_else(|| panic!("{words}: {page}"));
    let begin = page[..end].rfind("href=\"").unwrap() + "href=\"".len();
    page[begin..end].split('"').next().unwrap().replace("&amp;", "&")
}

#[tokio::test]
async fn transactions_are_the_newest_first_and_a_link_turns_the_order() {
    let console = console();
    pay(&console, "bob", "t3", "1.00");
    pay(&console, "alice", "t4", "1.00");
    let routes = routes(&console);
    let visit = Visit { console: &console, routes: &routes, token: Some("viewer") };
    let order_of = async |address: &str, ids: &[&str]| {
        let page = visit.page(address).await;
        let place = |id: &&str| page.find(&format!("/transactions/{id}\"")).unwrap_or_else(|| panic!("{id}: {page}"));
        let places: Vec<usize> = ids.iter().map(place).collect();
        assert!(places.is_sorted(), "{address}: {ids:?} {places:?}");
        page
    };
    let wallet = format!("{ALICE}/wallet/tok-1");
    for (address, all, of_alice) in [
        ("/console/m/acme/transactions", ["t4", "t3", "t2", "t1"], ["t1", "t2", "t4"]),
        (
            "/console/m/acme/transactions?customer_id=1000001&from=2020-01-01",
            ["t4", "t2", "t1", "t1"],
            ["t1", "t2", "t4"],
        ),
        (&format!("{ALICE}/orders?from=2020-01-01"), ["t4", "t2", "t1", "t1"], ["t1", "t2", "t4"]),
        (&wallet, ["t4", "t2", "t1", "t1"], ["t1", "t2", "t4"]),
    ] {
        let page = order_of(address, &all).await;
        assert!(page.contains("The newest come first"), "{page}");
        let (folder, _) = address.rsplit_once('/').unwrap();
        let turned = link_of(&page, "Show the oldest first");
        let turned = turned.rsplit('/').next().unwrap();
        assert_eq!(turned.contains("from=2020-01-01"), address.contains("from="), "the filters stay: {turned}");
        let page = order_of(&format!("{folder}/{turned}"), &of_alice).await;
        assert!(page.contains("oldest") && page.contains("come first."), "{page}");
        let back = link_of(&page, "Show the newest first");
        order_of(&format!("{folder}/{}", back.rsplit('/').next().unwrap()), &all).await;
    }
    assert!(visit.page("/console/m/acme/transactions?order=nope").await.contains("role=\"alert\""));
}

#[tokio::test]
async fn a_page_continues_where_the_one_before_ended() {
    let console = console();
    (0..120).for_each(|n| pay(&console, "alice", &format!("n{n}"), "0.01"));
    let routes = routes(&console);
    let visit = Visit { console: &console, routes: &routes, token: Some("viewer") };
    for (mut address, count) in [(format!("{ALICE}/orders"), 122), ("/console/m/acme/transactions".to_owned(), 122)] {
        let (mut found, folder) = (Vec::new(), address.rsplit_once('/').unwrap().0.to_owned());
        loop {
            let page = visit.page(&address).await;
            let rows = page.split("/transactions/").skip(1).filter_map(|rest| rest.split_once("\">").map(|(id, _)| id));
            found.extend(rows.map(str::to_owned));
            // A payment that arrives between two pages changes none of them.
            pay(&console, "alice", &format!("late-{}", found.len()), "0.01");
            if !page.contains("rel=\"next\"") {
                break;
            }
            let end = page.find("\" rel=\"next\"").unwrap();
            let begin = page[..end].rfind("href=\"").unwrap() + "href=\"".len();
            address = format!("{folder}/{}", page[begin..end].replace("&amp;", "&"));
        }
        let earlier: Vec<&String> = found.iter().filter(|id| !id.starts_with("late-")).collect();
        let mut want: Vec<String> = (0..120).rev().map(|n| format!("n{n}")).collect();
        want.extend(["t2".to_owned(), "t1".to_owned()]);
        assert_eq!(earlier, want.iter().collect::<Vec<_>>());
        assert_eq!(earlier.len(), count);
    }
}

#[tokio::test]
async fn the_last_denial_of_many_is_shown() {
    let console = console();
    (0..130).for_each(|n| pay(&console, "alice", &format!("d{n}"), "499.00"));
    let routes = routes(&console);
    let visit = Visit { console: &console, routes: &routes, token: Some("viewer") };
    let page = visit.page(ALICE).await;
    let shown = page.find("/transactions/d129\"").unwrap_or_else(|| panic!("the last one: {page}"));
    let before = ["d128", "d127", "d126"].map(|id| page.find(&format!("/transactions/{id}\"")).unwrap());
    assert!(shown < before[0] && before.is_sorted(), "{page}");
    assert!(!page.contains("/transactions/d125\""), "{page}");
}

#[tokio::test]
async fn steps_jobs_and_the_audit_are_the_newest_first() {
    let console = console();
    let (parts, rules) = (&console.parts, console.parts.payments.rules());
    let merchant = rules.merchant("acme").unwrap();
    let author = Author { source: ChangeSource::Api, by: None, job: None };
    let (service, jobs) = (&*parts.payments, &*parts.jobs);
    let customers = CustomerService { service, jobs, rules: &rules, merchant, author, lesser: None };
    customers.update("1000001", br#"{"comment": "change-one"}"#).unwrap();
    customers.update("1000001", br#"{"city": "change-two"}"#).unwrap();
    let bulk = br#"{"select": {"ids": ["1000001"]}, "set": {"labels": ["vip"]}}"#;
    customers.bulk_change(jobs, Some("job-2"), bulk).unwrap();
    let routes = routes(&console);
    let visit = Visit { console: &console, routes: &routes, token: Some("viewer") };
    for (address, words) in [
        (format!("{ALICE}/history"), ["job-2", "change-two", "change-one"]),
        ("/console/audit?merchant=acme".to_owned(), ["job-2", "change-two", "change-one"]),
        ("/console/m/acme/jobs".to_owned(), ["/jobs/job-2\"", "/jobs/job-1\"", ""]),
    ] {
        let page = visit.page(&address).await;
        let body = &page[page.find("<main").unwrap_or(0)..];
        let place = |word: &&&str| body.find(**word).unwrap_or_else(|| panic!("{address}: {word}: {page}"));
        let places: Vec<usize> = words.iter().filter(|word| !word.is_empty()).map(|word| place(&word)).collect();
        assert!(places.is_sorted(), "{address}: {words:?} {places:?} {page}");
    }
}
