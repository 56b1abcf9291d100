//! What pages show of payments, events, gates and merchants.

use super::*;

#[tokio::test]
async fn the_figures_of_a_denial_and_what_would_pass_are_shown() {
    let console = console();
    let routes = routes(&console);
    let visit = Visit { console: &console, routes: &routes, token: Some("viewer") };
    let denied = visit.page("/console/m/acme/transactions/t2").await;
    for part in
        ["daily amount limit exceeded", "500.00 EUR", "10.00 EUR", "490.00 EUR", "499.00 EUR", "Why it was denied"]
    {
        assert!(denied.contains(part), "{part}: {denied}");
    }
    let ask = "/console/m/acme/decide?merchant_customer_identifier=alice&direction=deposit&amount=499.00&currency=EUR&payment_method=card";
    let answer = visit.page(ask).await;
    for part in ["What would pass", "490.00 EUR", "quarter", "A denied payment has no gates"] {
        assert!(answer.contains(part), "{part}: {answer}");
    }
    let passes = visit.page(&ask.replace("499.00", "490.00")).await;
    for part in ["The bounds", "gate-a", "As it would be after this payment", "0.00 left"] {
        assert!(passes.contains(part), "{part}: {passes}");
    }
    let card = visit.send(PageMethod::Get, "/console/m/acme/customers?name=4111111111111111", None, "").await;
    assert_eq!(card.status(), 400, "a full card number is refused");
}

#[tokio::test]
async fn pages_about_all_merchants_show_a_token_its_merchants_alone() {
    let console = console();
    let routes = routes(&console);
    let visit = Visit { console: &console, routes: &routes, token: Some("globex-operator") };
    let all = Visit { console: &console, routes: &routes, token: Some("operator") };
    for path in ["live", "gates", "rates", "events", "audit", "system"] {
        let page = visit.page(&format!("/console/{path}")).await.to_lowercase();
        assert!(!page.contains("acme"), "{path}: {page}");
        assert!(
            !page.contains("/change\"") && !page.contains("/snapshot") && !page.contains("/reload"),
            "{path}: {page}"
        );
    }
    for path in ["live", "gates", "events", "audit"] {
        let path = format!("/console/{path}?merchant=acme");
        assert_eq!(visit.send(PageMethod::Get, &path, None, "").await.status(), 403, "{path}");
        assert_eq!(all.send(PageMethod::Get, &path, None, "").await.status(), 200, "{path}");
        let unknown = path.replace("acme", "nowhere");
        assert_eq!(all.send(PageMethod::Get, &unknown, None, "").await.status(), 404, "{path}");
    }
    let live = all.page("/console/live").await;
    for part in ["Decisions", "limit exceeded", "Acme", "Gates of", "id=\"live\""] {
        assert!(live.contains(part), "{part}: {live}");
    }
    assert!(all.page("/console/system").await.contains("Settings in force"));
}

#[tokio::test]
async fn events_are_the_newest_first_with_filters() {
    let console = console();
    let routes = routes(&console);
    let visit = Visit { console: &console, routes: &routes, token: Some("viewer") };
    let page = visit.page("/console/events").await;
    let place = |id: &str| page.find(&format!("/transactions/{id}\"")).expect("the transaction");
    assert!(place("t1") < place("t2"), "the approval of t1 is the newest: {page}");
    let denied = visit.page("/console/events?merchant=acme&event=denied").await;
    assert!(denied.contains("/transactions/t2\"") && !denied.contains("/transactions/t1\""), "{denied}");
    let none = visit.page("/console/events?event=charged_back").await;
    assert!(none.contains("There is no such event"), "{none}");
    assert!(visit.page("/console/events?event=nope").await.contains("role=\"alert\""));
    let overview = visit.page("/console/m/acme").await;
    assert!(overview.contains("Recent denials") && overview.contains("/transactions/t2\""), "{overview}");
}

#[tokio::test]
async fn gates_show_their_attempts() {
    let console = console();
    let routes = routes(&console);
    let visit = Visit { console: &console, routes: &routes, token: Some("viewer") };
    let before = visit.page("/console/gates?merchant=acme").await;
    assert!(before.contains("No attempt was reported") && before.contains("gate-a"), "{before}");
    let payments = &console.parts.payments;
    for (attempt, outcome) in [(1, "declined"), (2, "approved")] {
        let body = serde_json::json!({ "attempt": attempt, "gate": "gate-a", "outcome": outcome }).to_string();
        payments.call(PaymentOperation::Attempt, "acme", Some("t1"), body.as_bytes()).unwrap();
    }
    let after = visit.page("/console/gates?merchant=acme&span=1h").await;
    for part in ["Attempts at gate-a", "50 %", "1 failed", "1 approved"] {
        assert!(after.contains(part), "{part}: {after}");
    }
}
