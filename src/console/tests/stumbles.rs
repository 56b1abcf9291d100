//! What pages say where a person would hesitate: what blocks a customer and who can end it, labels, times of the audit.

use super::{four_eyes::hidden, *};

const CUSTOMER: &str = "/console/m/acme/customers/1000001";

/// The page of the customer after a denied payment of now, for a token.
async fn page_after_denial(console: &Arc<Console>, id: &str, token: &str) -> String {
    let body = serde_json::json!({
        "transaction_id": id, "direction": "deposit", "amount": "10.00", "currency": "EUR", "payment_method": "card",
        "merchant_customer_identifier": "alice", "payment_instrument": "tok-1",
    });
    console.parts.payments.call(PaymentOperation::Reserve, "acme", None, body.to_string().as_bytes()).unwrap();
    let routes = routes(console);
    Visit { console, routes: &routes, token: Some(token) }.page(CUSTOMER).await
}

#[tokio::test]
async fn a_blocked_customer_has_links_to_what_ends_the_block_and_only_as_long_as_it_applies() {
    let console = console_with(|_| ());
    update(&console, "1000001", r#"{"status": "fraud"}"#);
    let page = page_after_denial(&console, "b1", "operator").await;
    for shown in [
        "the status is <strong>fraud</strong>",
        "No amount would pass now.",
        ">Clear the fraud<",
        "signals?signal=cleared",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    update(&console, "1000001", r#"{"status": "member", "labels": ["on hold"]}"#);
    let page = page_after_denial(&console, "b2", "operator").await;
    assert!(
        page.contains(">Change the label on hold<") && page.contains("the label <strong>on hold</strong>"),
        "{page}"
    );
    assert!(!page.contains("Clear the fraud"), "{page}");
    let viewer = page_after_denial(&console, "b3", "viewer").await;
    assert!(viewer.contains("the label <strong>on hold</strong>") && !viewer.contains("Change the label"), "{viewer}");
    update(&console, "1000001", r#"{"labels": ["regular"]}"#);
    let routes = routes(&console);
    let page = Visit { console: &console, routes: &routes, token: Some("operator") }.page(CUSTOMER).await;
    assert!(page.contains("The same payment would pass now.") && !page.contains("Change the label"), "{page}");
}

#[tokio::test]
async fn a_blocked_instrument_is_named_and_linked() {
    let console = console_with(|_| ());
    let routes_of = routes(&console);
    let staff = Visit { console: &console, routes: &routes_of, token: Some("operator") };
    let signals = format!("{CUSTOMER}/signals");
    let form = "signal=fraud_confirmed&payment_instrument=tok-1";
    let preview = staff.send(PageMethod::Post, &signals, Some(ORIGIN), form).await;
    let preview = String::from_utf8(to_bytes(preview.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap();
    let mut confirm = form_urlencoded::Serializer::new(format!("{form}&"));
    confirm.append_pair("seen", &hidden(&preview, "seen")).append_pair("step", "confirm");
    assert_eq!(staff.send(PageMethod::Post, &signals, Some(ORIGIN), &confirm.finish()).await.status(), 303);
    let page = page_after_denial(&console, "i1", "operator").await;
    assert!(page.contains("Instrument: <code>tok-1</code>") && page.contains("Look at the instrument tok-1"), "{page}");
    let transaction = staff.page("/console/m/acme/transactions/i1").await;
    for page in [page, transaction] {
        assert!(page.contains("payment_instrument=tok-1"), "the question is about the same payment: {page}");
    }
}

#[tokio::test]
async fn a_label_says_what_it_does() {
    let console = console_with(|_| ());
    let routes = routes(&console);
    let staff = Visit { console: &console, routes: &routes, token: Some("operator") };
    for path in [format!("{CUSTOMER}/change"), "/console/m/acme/customers/new".to_owned()] {
        let page = staff.page(&path).await;
        for shown in ["(suspended, block transactions)", "(blocks everything)", "(pending deletion, block deposits)"] {
            assert!(page.contains(shown), "{path} {shown}: {page}");
        }
    }
    let limits = staff.page(&format!("{CUSTOMER}/limits")).await;
    assert!(limits.contains("the tightest one decides"), "{limits}");
}

#[tokio::test]
async fn the_audit_ends_at_a_minute() {
    let console = console_with(|_| ());
    update(&console, "1000001", r#"{"status": "member"}"#);
    let routes = routes(&console);
    let staff = Visit { console: &console, routes: &routes, token: Some("operator") };
    for (query, is_listed) in
        [("", true), ("&to=2099-01-01&to_time=10:30", true), ("&to=2020-01-01&to_time=10:30", false)]
    {
        let page = staff.page(&format!("/console/audit?merchant=acme&kind=customer{query}")).await;
        assert_eq!(page.contains("customers/1000001\""), is_listed, "{query}: {page}");
    }
    let wrong = staff.page("/console/audit?merchant=acme&to_time=25:99").await;
    assert!(wrong.contains("hours and minutes"), "{wrong}");
}
