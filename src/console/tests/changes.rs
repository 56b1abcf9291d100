//! Changes are previewed before they are made.

use super::*;

#[tokio::test]
async fn a_change_is_previewed_then_made_and_refused_if_the_customer_has_changed() {
    let console = console();
    let routes = routes(&console);
    let visit = Visit { console: &console, routes: &routes, token: Some("operator") };
    let path = "/console/m/acme/customers/1000001/change";
    let modified_at = |page: &str| {
        let (_, rest) = page.split_once("name=\"modified_at\" value=\"").expect("a form");
        rest.split('"').next().unwrap().to_owned()
    };
    let send = async |form: &str| {
        let response = visit.send(PageMethod::Post, path, Some(ORIGIN), form).await;
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    };
    let begun = modified_at(&visit.page(path).await);
    let fields = "deposit_level=silver&withdrawal_level=&status=new&label=regular";
    let (status, preview) = send(&format!("{fields}&step=preview&modified_at=x")).await;
    assert!(status == 200 && preview.contains("This will change") && preview.contains("silver"), "{preview}");
    let profile = "/console/m/acme/customers/1000001";
    assert!(!visit.page(profile).await.contains(">silver<"), "a preview changes nothing");
    let (status, again) = send(&format!("{fields}&step=confirm&modified_at=x")).await;
    assert!(status == 200 && again.contains("has changed since the preview"), "{again}");
    let (status, _) = send(&format!("{fields}&step=confirm&modified_at={begun}")).await;
    assert_eq!(status, 303);
    assert!(visit.page(profile).await.contains(">silver<"));
    assert!(visit.page(&format!("{profile}/history")).await.contains("<strong>operator</strong>"));
    let (_, same) = send(&format!("{fields}&step=preview&modified_at={begun}")).await;
    assert!(same.contains("Nothing changes"), "{same}");
    let (status, refused) = send("deposit_level=nope&status=new&label=regular&step=preview").await;
    assert!(status == 200 && refused.contains("role=\"alert\""), "{refused}");
}

#[tokio::test]
async fn limits_are_previewed_then_set() {
    let console = console();
    let routes = routes(&console);
    let visit = Visit { console: &console, routes: &routes, token: Some("operator") };
    let path = "/console/m/acme/customers/1000001/limits";
    let send = async |form: &str| {
        let response = visit.send(PageMethod::Post, &format!("{path}/change"), Some(ORIGIN), form).await;
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    };
    // What the hidden fields of a preview send.
    let confirmation = |page: &str| {
        let (_, rest) = page.split_once("name=\"seen\" value=\"").expect("a preview");
        let seen = rest.split('"').next().unwrap().replace("&quot;", "\"");
        form_urlencoded::Serializer::new(String::new())
            .append_pair("step", "confirm")
            .append_pair("seen", &seen)
            .finish()
    };
    let subject = &LIMITS_QUERY[1..];
    let own = format!(
        "{subject}&name=mine&window=daily&amount_limit=77.00&quantity_limit=3&name=&window=&amount_limit=&quantity_limit="
    );
    let (status, preview) = send(&own).await;
    assert!(status == 200 && preview.contains("This will change") && preview.contains("77.00 EUR"), "{preview}");
    assert!(!visit.page(path).await.contains("77.00"), "a preview changes nothing");
    let (_, stale) = send(&format!("{own}&step=confirm&seen=x")).await;
    assert!(stale.contains("have changed since the preview"), "{stale}");
    assert_eq!(send(&format!("{own}&{}", confirmation(&preview))).await.0, 303);
    assert!(visit.page(path).await.contains("77.00 EUR, 3 payments"));
    // A raise waits; the preview says until when.
    let raise = own.replace("77.00", "88.00");
    let (_, preview) = send(&raise).await;
    assert!(preview.contains("Waits") && preview.contains("takes effect at"), "{preview}");
    let operator =
        format!("{}&until=2999-01-31", own.replace("owner=customer", "owner=operator").replace("77.00", "66.00"));
    let (_, preview) = send(&operator).await;
    assert!(preview.contains("Until ") && preview.contains("66.00 EUR"), "{preview}");
    assert_eq!(send(&format!("{operator}&{}", confirmation(&preview))).await.0, 303);
    assert!(visit.page(path).await.contains("Set by an operator"));
    for (form, words) in [
        (own.replace("window=daily", "window=never"), "window"),
        (own.replace("77.00", "much"), "amount_limit"),
        (own.replace("quantity_limit=3", "quantity_limit=few"), "quantity_limit"),
        (operator.replace("2999-01-31", ""), "until"),
    ] {
        let (status, refused) = send(&form).await;
        assert!(status == 200 && refused.contains("role=\"alert\"") && refused.contains(words), "{form}: {refused}");
    }
}

#[tokio::test]
async fn rates_are_previewed_before_they_are_set() {
    let console = console();
    let routes = routes(&console);
    let visit = Visit { console: &console, routes: &routes, token: Some("operator") };
    let send = async |form: &str| {
        let response = visit.send(PageMethod::Post, "/console/rates/change", Some(ORIGIN), form).await;
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    };
    let page = visit.page("/console/rates/change").await;
    let (_, rest) = page.split_once("name=\"version\" value=\"").expect("a form");
    let version = rest.split('"').next().unwrap();
    let fields = "base=EUR&as_of=2036-11-20T10:00:00Z&max_age=2d&currency=USD&rate=1.5&currency=&rate=";
    let (status, preview) = send(&format!("{fields}&step=preview")).await;
    assert!(status == 200 && preview.contains("This will change") && preview.contains("1.5"), "{preview}");
    let (_, stale) = send(&format!("{fields}&step=confirm&version=x")).await;
    assert!(stale.contains("have changed since the preview"), "{stale}");
    assert_eq!(send(&format!("{fields}&step=confirm&version={version}")).await.0, 303);
}
