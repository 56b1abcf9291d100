//! Pages that change one customer: each is previewed, confirmed, made, and in the history with who did it.

use super::staff::*;

#[tokio::test]
async fn a_customer_is_created_and_a_fault_is_shown_at_its_field() {
    let staff = Staff::new();
    let new = format!("{CUSTOMERS}/new");
    let refused = staff.send(&new, "merchant_customer_identifier=dora&country=Utopia").await;
    assert!(
        refused.body.contains("id=\"country-fault\"") && refused.body.contains("value=\"dora\""),
        "{}",
        refused.body
    );
    let nobody = staff.send(&new, "first_name=Dora").await;
    assert!(nobody.body.contains("class=\"fault\"") || nobody.body.contains("role=\"alert\""), "{}", nobody.body);
    let taken = staff.send(&new, "merchant_customer_identifier=alice").await;
    assert!(taken.body.contains("merchant_customer_identifier-fault"), "{}", taken.body);
    let number = staff
        .create("merchant_customer_identifier=dora&first_name=Dora&rating=80&phone_verified=yes&deposit_level=gold")
        .await;
    let page = staff.page(&format!("{CUSTOMERS}/{number}")).await;
    assert!(page.contains("Dora") && page.contains(">gold<"), "{page}");
    let history = staff.page(&format!("{CUSTOMERS}/{number}/history")).await;
    assert!(history.contains("<strong>operator</strong>"), "{history}");
    let card = staff.send(&new, "merchant_customer_identifier=4111111111111111").await;
    assert_eq!(card.status, 400, "a full card number is refused");
}

#[tokio::test]
async fn a_profile_rates_and_settings_are_edited() {
    let staff = Staff::new();
    let edit = format!("{ALICE}/edit");
    let form = "modified_at=x&first_name=Alice&last_name=Ng&disabled_project=app";
    let preview = staff.send(&edit, form).await;
    assert!(preview.body.contains("last name") && preview.body.contains("app"), "{}", preview.body);
    assert!(!preview.body.contains("comment"), "a field that the form does not have stays: {}", preview.body);
    let wrong = staff.send(&edit, "modified_at=x&rating=200").await;
    assert!(wrong.body.contains("id=\"rating-fault\""), "{}", wrong.body);
    let done = staff.send(&edit, &confirmation(&preview.body)).await;
    assert!(staff.follow(&done).await.contains("Alice Ng"));
    let stale = staff.send(&edit, &confirmation(&preview.body).replace("Ng", "Li")).await;
    assert!(stale.body.contains("has changed since the preview"), "{}", stale.body);

    let rates = format!("{ALICE}/rates/change");
    let form = "units=&from=EUR&rate=1.10&to=USD&valid_from=2026-01-31&units=&from=&rate=&to=&valid_from=";
    let done = staff.change(&rates, form, ("1.10 USD", "")).await;
    let page = staff.follow(&done).await;
    assert!(page.contains("1.10 USD") && page.contains("2026-01-31 00:00:00"), "{page}");
    let wrong = staff.send(&rates, &form.replace("1.10", "much")).await;
    assert!(wrong.body.contains("role=\"alert\"") && wrong.body.contains("value=\"much\""), "{}", wrong.body);
    let done = staff.change(&rates, "units=&from=&rate=&to=&valid_from=", ("no personal exchange rates", "")).await;
    assert!(staff.follow(&done).await.contains("no personal exchange rates"));

    let settings = format!("{ALICE}/settings/change");
    let of = "direction=deposit&currency=EUR&level=gold";
    let form = format!(
        "{of}&min_amount=5.00&max_amount=50.00&method=card&show_in_form=no&method_min=&method_max=20.00&gates=gate-a"
    );
    let done = staff.change(&settings, &form, ("50.00 EUR", "")).await;
    let page = staff.follow(&done).await;
    assert!(page.contains("50.00 EUR") && page.contains("20.00 EUR") && page.contains("gate-a"), "{page}");
    let wrong = staff.send(&settings, &form.replace("gate-a", "gate-z")).await;
    assert!(wrong.body.contains("role=\"alert\"") && wrong.body.contains("gate-z"), "{}", wrong.body);
    let done = staff.change(&settings, &format!("{of}&min_amount=&max_amount="), ("Reset to the level", "")).await;
    assert!(staff.follow(&done).await.contains("no individual payment settings"));
    let history = staff.page(&format!("{ALICE}/history")).await;
    assert_eq!(history.matches("<strong>operator</strong>").count(), 5, "{history}");
}

#[tokio::test]
async fn a_signal_a_merge_and_a_deletion_say_what_happens_first() {
    let staff = Staff::new();
    let other = staff.create("merchant_customer_identifier=alice-2&email=alice@example.com").await;
    let signals = format!("{CUSTOMERS}/{other}/signals");
    let done = staff.change(&signals, "signal=fraud_suspected&payment_instrument=", ("becomes suspicious", "")).await;
    assert!(staff.follow(&done).await.contains("suspicious"));
    let nameless = staff.send(&signals, "signal=card_expired&step=confirm").await;
    assert!(nameless.body.contains("name it"), "{}", nameless.body);

    let merge = format!("{CUSTOMERS}/{other}/merge");
    for (into, words) in [("", "Name the other"), ("7", "7"), (other.as_str(), "itself")] {
        let refused = staff.send(&merge, &format!("into={into}")).await;
        assert!(refused.status == 200 && refused.body.contains("role=\"alert\"") && refused.body.contains(words));
    }
    let preview = staff.send(&merge, "into=1000001").await;
    for part in ["alice-2", "alice@example.com", "cannot be taken back", "suspicious"] {
        assert!(preview.body.contains(part), "{part}: {}", preview.body);
    }
    assert!(!staff.page(ALICE).await.contains("alice@example.com"), "a preview merges nothing");
    let wrong = staff.send(&merge, &format!("{}&typed=1000001", confirmation(&preview.body))).await;
    assert!(wrong.body.contains("is not that of the customer"), "{}", wrong.body);
    assert!(!staff.page(ALICE).await.contains("alice@example.com"));
    let done = staff.send(&merge, &format!("{}&typed={other}", confirmation(&preview.body))).await;
    assert!(done.location.contains("/1000001?"), "{}", done.location);
    assert!(staff.follow(&done).await.contains("alice@example.com"));

    let erase = format!("{ALICE}/erase");
    let page = staff.page(&erase).await;
    assert!(page.contains("30 days") && page.contains("leaving") && page.contains("Type 1000001"), "{page}");
    let wrong = staff.send(&erase, "step=confirm&typed=1").await;
    assert!(wrong.body.contains("is not that of the customer"));
    assert!(!staff.page(ALICE).await.contains("leaving"));
    let done = staff.send(&erase, "step=confirm&typed=1000001").await;
    assert!(staff.follow(&done).await.contains("leaving"));
    let pending = staff.page(&erase).await;
    assert!(pending.contains("Cancel the deletion"), "{pending}");
    assert!(staff.send(&erase, "step=withdraw&due=x").await.body.contains("changed in the meantime"));
    let form = confirmation(&pending).replace("step=confirm", "step=withdraw");
    let done = staff.send(&erase, &form).await;
    assert!(!staff.follow(&done).await.contains("leaving"), "the label of the deletion is gone");
    assert!(staff.page(&erase).await.contains("Type 1000001"));
    let history = staff.page(&format!("{ALICE}/history")).await;
    assert!(history.contains("deletion due") && history.contains("<strong>operator</strong>"), "{history}");
}

#[tokio::test]
async fn a_form_without_limits_removes_all_of_them() {
    let staff = Staff::new();
    let (path, limits) = (format!("{ALICE}/limits/change"), format!("{ALICE}/limits"));
    let of = |owner: &str| format!("direction=deposit&currency=EUR&owner={owner}");
    let row = "name=mine&window=daily&amount_limit=77.00&quantity_limit=";
    let empty = "name=mine&window=daily&amount_limit=&quantity_limit=";
    for owner in ["customer", "operator"] {
        let nothing = staff.send(&path, &format!("{}&{empty}", of(owner))).await;
        assert!(nothing.body.contains("no limit to remove"), "{}", nothing.body);
        let until = if owner == "operator" { "&until=2999-01-31" } else { "" };
        let set = staff.change(&path, &format!("{}&{row}{until}", of(owner)), ("77.00 EUR", "")).await;
        assert!(staff.follow(&set).await.contains("77.00 EUR"));
    }
    // The operator's end at once.
    let form = format!("{}&{empty}", of("operator"));
    let done = staff.change(&path, &form, ("All of these limits will be removed", "")).await;
    let page = staff.follow(&done).await;
    assert!(!page.contains("Set by an operator") && page.contains("77.00 EUR"), "{page}");
    // The customer's own wait for the merchant's delay, and stay until then.
    let form = format!("{}&{empty}", of("customer"));
    let done = staff.change(&path, &form, ("takes effect at", "")).await;
    let page = staff.follow(&done).await;
    assert!(page.contains("All limits of the customer are removed.") && page.contains("77.00 EUR"), "{page}");
    let raise = format!("{limits}/raise");
    let shown = staff.page(&format!("{raise}?direction=deposit&currency=EUR")).await;
    assert!(shown.contains("Cancel the raise") && !shown.contains("Confirm it"), "{shown}");
    let form = confirmation(&shown).replace("step=confirm", "step=cancel");
    let done = staff.send(&raise, &form).await;
    assert!(!staff.follow(&done).await.contains("A raise that waits"));
    assert!(staff.send(&raise, &form).await.body.contains("has changed since"));
}

#[tokio::test]
async fn an_instrument_has_its_transactions_and_its_history() {
    let staff = Staff::new();
    let page = staff.page(&format!("{ALICE}/wallet/tok-1")).await;
    assert!(page.contains("/transactions/t1\"") && page.contains("History"), "{page}");
    assert!(staff.page(&format!("{ALICE}/wallet")).await.contains("/wallet/tok-1\""));
}
