//! Every write of the table of pages: it waits for a second person, or the table below says why it needs none.

use super::{control::AFFECTED, four_eyes::*, *};

const CUSTOMER: &str = "/console/m/acme/customers/1000001";
const ALL: [FourEyesWrite; 4] =
    [FourEyesWrite::RaiseLimit, FourEyesWrite::Unblock, FourEyesWrite::Erase, FourEyesWrite::Bulk];

/// A write that waits.
struct Hooked {
    /// The row of the table of pages, after `/console/m/{merchant}/`.
    path: &'static str,
    /// The confirmed write in words, one for each kind.
    kind: &'static str,
    /// Confirmed changes that come before, without a second person.
    before: &'static [(&'static str, &'static str)],
    form: &'static str,
    /// What the person types at the preview.
    typed: &'static str,
    /// A page, and a text that it has after the change only; for a level the control of the daemon counts changes.
    effect: Effect,
}

enum Effect {
    Appears(&'static str, &'static str),
    Disappears(&'static str, &'static str),
    Level,
}

use Effect::{Appears, Disappears, Level};

const fn level(path: &'static str, form: &'static str, typed: &'static str) -> Hooked {
    Hooked { path, kind: "allow more", before: &[], form, typed, effect: Level }
}

const SETTINGS: &str = "direction=deposit&currency=EUR&level=gold&max_amount=55.00";
const RATE: &str = "units=1&from=EUR&rate=1.25&to=USD&valid_from=";
const OWN: &str = "direction=deposit&currency=EUR&owner=customer&name=mine&window=daily&quantity_limit=";
const STATUS: &str = "/customers/1000001/change";
const GOLD_FRAUD: &str = "deposit_level=gold&withdrawal_level=&status=fraud&label=regular";
const GOLD_LEAVING: &str = "deposit_level=gold&withdrawal_level=&status=new&label=leaving";

const HOOKED: [Hooked; 23] = [
    Hooked {
        path: "customers/bulk",
        kind: "change many customers",
        before: &[],
        form: "selected=ids&id=1000001&set_status=member",
        typed: "&count=1",
        effect: Appears(CUSTOMER, ">member<"),
    },
    Hooked {
        path: "customers/mock",
        kind: "change many customers",
        before: &[],
        form: "count=3&seed=1",
        typed: "&typed=3",
        effect: Appears("/console/m/acme/customers", "customers/1000002\""),
    },
    Hooked {
        path: "customers/{customer}/edit",
        kind: "end a block",
        before: &[("/customers/1000001/edit", "modified_at=x&disabled_project=web")],
        form: "modified_at=x",
        typed: "",
        effect: Disappears("/console/m/acme/customers/1000001/edit", "value=\"web\" checked"),
    },
    Hooked {
        path: "customers/{customer}/signals",
        kind: "end a block",
        before: &[("/customers/1000001/signals", "signal=fraud_confirmed&payment_instrument=")],
        form: "signal=cleared&payment_instrument=",
        typed: "",
        effect: Disappears(CUSTOMER, ">fraud<"),
    },
    Hooked {
        path: "customers/{customer}/wallet/{instrument}/change",
        kind: "end a block",
        before: &[("/customers/1000001/signals", "signal=card_invalid&payment_instrument=tok-1")],
        form: "type=card&masked_number=&brand=&expires=&state=active&on_file=no",
        typed: "",
        effect: Disappears(CUSTOMER, ">not active<"),
    },
    Hooked {
        path: "customers/{customer}/merge",
        kind: "erase a customer",
        before: &[("/customers/new", "merchant_customer_identifier=zoe&email=zoe@example.com")],
        form: "into=1000002",
        typed: "&typed=1000001",
        effect: Appears("/console/m/acme/customers/1000001", "zoe@example.com"),
    },
    Hooked {
        path: "customers/{customer}/erase",
        kind: "erase a customer",
        before: &[],
        form: "",
        typed: "&typed=1000001&step=confirm",
        effect: Appears(CUSTOMER, ">leaving<"),
    },
    Hooked {
        path: "customers/{customer}/settings/change",
        kind: "allow more",
        before: &[],
        form: SETTINGS,
        typed: "",
        effect: Appears("/console/m/acme/customers/1000001/settings", "55.00"),
    },
    Hooked {
        path: "customers/{customer}/rates/change",
        kind: "allow more",
        before: &[],
        form: RATE,
        typed: "",
        effect: Appears("/console/m/acme/customers/1000001/rates", "1.25"),
    },
    Hooked {
        path: "customers/{customer}/change",
        kind: "end a block",
        before: &[(STATUS, GOLD_FRAUD)],
        form: "deposit_level=gold&withdrawal_level=&status=new&label=regular",
        typed: "",
        effect: Disappears(CUSTOMER, ">fraud<"),
    },
    Hooked {
        path: "customers/{customer}/change",
        kind: "allow more",
        before: &[],
        form: "deposit_level=silver&withdrawal_level=&status=new&label=regular",
        typed: "",
        effect: Appears(CUSTOMER, ">silver<"),
    },
    Hooked {
        path: "customers/{customer}/change",
        kind: "erase a customer",
        before: &[],
        form: GOLD_LEAVING,
        typed: "",
        effect: Appears(CUSTOMER, ">leaving<"),
    },
    Hooked {
        path: "customers/{customer}/erase",
        kind: "end a block",
        before: &[(STATUS, GOLD_LEAVING)],
        form: "",
        typed: "&step=withdraw",
        effect: Disappears(CUSTOMER, ">leaving<"),
    },
    Hooked {
        path: "customers/{customer}/limits/change",
        kind: "allow more",
        before: &[("/customers/1000001/limits/change", "AMOUNT=77.00")],
        form: "AMOUNT=88.00",
        typed: "",
        effect: Appears("/console/m/acme/customers/1000001/limits", "88.00"),
    },
    Hooked {
        path: "customers/{customer}/limits/raise",
        kind: "allow more",
        before: &[
            ("/customers/1000001/limits/change", "AMOUNT=77.00"),
            ("/customers/1000001/limits/change", "AMOUNT=88.00"),
        ],
        form: "direction=deposit&currency=EUR",
        typed: "",
        effect: Disappears("/console/m/acme/customers/1000001/limits", "77.00"),
    },
    level("levels/new", "direction=withdrawal&currency=EUR&name=ruby&project=web", ""),
    level("levels/delete/{direction}/{currency}", "step=preview", "&count=41"),
    level("levels/{direction}/{currency}/{level}/edit", "status=disabled&project=all&gates=&routing=", ""),
    level("levels/{direction}/{currency}/{level}/rename", "to=golden", ""),
    level("levels/{direction}/{currency}/{level}/reset", "step=preview", ""),
    level("levels/{direction}/{currency}/{level}/delete", "step=preview", "&count=41"),
    level(
        "levels/{direction}/{currency}/{level}/methods/change",
        "method=wallet&show_in_form=no&min_amount=&max_amount=9.00&gates=",
        "",
    ),
    level(
        "levels/{direction}/{currency}/{level}/filters/change",
        "filter=&name=six&window=6h&amount_limit=5.00&mode=enforce",
        "",
    ),
];

/// The writes that need no second person, and why.
const FREE: [(&str, &str); 10] = [
    ("/console/login", "it begins a session"),
    ("/console/logout", "it ends a session"),
    ("/console/m/{merchant}/customers/new", "a new customer; a known one gets attributes that it lacks, and no more"),
    ("/console/m/{merchant}/customers.csv", "a table cannot wait: a trial alone is taken, see the test below"),
    (
        "/console/m/{merchant}/customers/{customer}/wallet/{instrument}/remove",
        "a card less on the payment form; a block of the card remains",
    ),
    ("/console/m/{merchant}/confirmations/{change}", "it is the confirmation"),
    ("/console/m/{merchant}/transactions/{transaction}/link", "a payment that counts for a customer allows less"),
    ("/console/rates/change", "the common table is of all merchants, and is no limit"),
    ("/console/system/reload", "the files are changed outside of the console"),
    ("/console/system/snapshot", "it changes nothing"),
];

fn form_of(form: &str) -> String {
    form.strip_prefix("AMOUNT=").map_or_else(|| form.to_owned(), |amount| format!("{OWN}&amount_limit={amount}"))
}

#[test]
fn every_write_of_the_table_of_pages_is_listed() {
    let hooked = HOOKED.iter().map(|row| format!("/console/m/{{merchant}}/{}", row.path));
    let free = FREE.iter().map(|(path, _)| (*path).to_owned());
    let listed: std::collections::BTreeSet<String> = hooked.chain(free).collect();
    let posts = PAGES.iter().filter(|row| row.method == PageMethod::Post).map(|row| row.path.to_owned());
    assert_eq!(listed, posts.collect(), "each write waits for a second person, or says why not");
}

/// People at a merchant whose raises wait for the confirmation alone.
fn people(four_eyes: &[FourEyesWrite], control: &Arc<RecordingControl>) -> People {
    People::of(|parts| {
        parts.four_eyes = four_eyes.to_vec();
        parts.status = status_with(&parts.payments, Arc::clone(control) as _);
        let loaded = config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config"));
        let Ok(config::Loaded { mut rules, .. }) = loaded else { panic!("the example configuration is valid") };
        let merchant = Arc::make_mut(rules.merchants.get_mut("acme").unwrap());
        merchant.raises.delay_ms = 0;
        merchant.raises.confirm_within_ms = Some(3_600_000);
        parts.payments.rules.store(Arc::new(rules));
    })
}

/// The preview of a form, and what its confirmation sends.
async fn confirmation(people: &People, path: &str, form: &str, typed: &str) -> String {
    let form = form_of(form);
    let is_raise = path.ends_with("/limits/raise");
    let preview = match is_raise {
        true => people.page("operator", &format!("{path}?{form}")).await,
        false => people.send("operator", path, Some(&form)).await.2,
    };
    let fields = crate::console::preview_form::confirming_fields(&preview.replace("\"withdraw\"", "\"confirm\""));
    let fields = fields.unwrap_or_else(|| panic!("{path} {form} has no preview: {preview}"));
    let mut confirm = form_urlencoded::Serializer::new(String::new());
    confirm.extend_pairs(fields);
    if !typed.contains("step=") {
        confirm.append_pair("step", "confirm");
    }
    format!("{}{typed}", confirm.finish())
}

/// Whether the effect of a write is there.
async fn has_effect(people: &People, control: &RecordingControl, effect: &Effect) -> bool {
    match effect {
        Level => !control.made.lock().is_empty(),
        Appears(path, text) => people.page("viewer", path).await.contains(text),
        Disappears(path, text) => {
            let token = if path.ends_with("/edit") { "operator" } else { "viewer" };
            !people.page(token, path).await.contains(text)
        }
    }
}

#[tokio::test]
async fn no_write_is_made_before_the_second_person_confirms_it() {
    for hooked in &HOOKED {
        let path = format!("/console/m/acme/{}", hooked.path);
        let path = [
            ("{customer}", "1000001"),
            ("{instrument}", "tok-1"),
            ("{direction}", "deposit"),
            ("{currency}", "EUR"),
            ("{level}", "gold"),
        ]
        .iter()
        .fold(path, |path, (name, value)| path.replace(name, value));
        let control = Arc::new(RecordingControl::default());
        let mut people = people(&[], &control);
        for (path, form) in hooked.before {
            let path = format!("/console/m/acme{path}");
            let confirm = confirmation(&people, &path, form, "").await;
            let (status, _, page) = people.send("operator", &path, Some(&confirm)).await;
            assert_eq!(status, 303, "{path} {form}: {page}");
        }
        people = people.with_four_eyes(&ALL);
        let name = format!("{} {}", hooked.path, hooked.form);
        assert!(!has_effect(&people, &control, &hooked.effect).await, "{name}: the effect is there already");
        let confirm = confirmation(&people, &path, hooked.form, hooked.typed).await;
        let (status, location, page) = people.send("operator", &path, Some(&confirm)).await;
        assert!(status == 303 && location.ends_with("?kept=1"), "{name}: {status} {location} {page}");
        let waits = page_of(&location);
        let page = people.page("petra", &waits).await;
        assert!(page.contains(&format!("To confirm: {}", hooked.kind)), "{name}: {page}");
        assert!(page.contains("Confirm the change"), "{name}: {page}");
        let own = people.page("operator", &waits).await;
        assert!(!own.contains("Confirm the change"), "{name}: {own}");
        let second = format!("step=confirm&seen={}", hidden(&page, "seen"));
        assert_eq!(people.send("operator", &waits, Some(&second)).await.0, 403, "{name}");
        assert!(!has_effect(&people, &control, &hooked.effect).await, "{name}: made before the confirmation");
        let (status, location, page) = people.send("petra", &waits, Some(&second)).await;
        assert!(status == 303 && !location.contains("confirmations"), "{name}: {location} {page}");
        assert!(has_effect(&people, &control, &hooked.effect).await, "{name}: not made after the confirmation");
        assert_eq!(people.send("petra", &waits, Some(&second)).await.0, 404, "{name}: it was made once");
    }
    assert_eq!(AFFECTED, 41, "the number that is typed for a deletion");
}

#[tokio::test]
async fn a_typed_number_that_has_changed_cannot_be_confirmed() {
    let people = people(&ALL, &Arc::default());
    let bulk = "/console/m/acme/customers/bulk";
    let confirm = confirmation(&people, bulk, "selected=all&set_status=member", "&count=1").await;
    let waits = page_of(&people.send("operator", bulk, Some(&confirm)).await.1);
    let seen = hidden(&people.page("petra", &waits).await, "seen");
    let new = "/console/m/acme/customers/new";
    let created = confirmation(&people, new, "merchant_customer_identifier=zoe", "").await;
    assert_eq!(people.send("operator", new, Some(&created)).await.0, 303);
    let (status, _, page) = people.send("petra", &waits, Some(&format!("step=confirm&seen={seen}"))).await;
    assert!(status == 200 && page.contains("is not the number of now"), "{page}");
    assert!(page.contains("This will change") && !page.contains("Confirm the change"), "{page}");
    assert!(!people.page("viewer", CUSTOMER).await.contains(">member<"), "nothing was changed");
    // The same number of customers, and other ones: alice does not match any more, and zoe does.
    update(&people.console, "1000001", r#"{"labels": ["vip"]}"#);
    let confirm = confirmation(&people, bulk, "selected=all&label=vip&set_status=member", "&count=1").await;
    let waits = page_of(&people.send("operator", bulk, Some(&confirm)).await.1);
    let seen = hidden(&people.page("petra", &waits).await, "seen");
    update(&people.console, "1000001", r#"{"labels": ["regular"]}"#);
    update(&people.console, "1000002", r#"{"labels": ["vip"]}"#);
    let (status, _, page) = people.send("petra", &waits, Some(&format!("step=confirm&seen={seen}"))).await;
    assert!(status == 200 && page.contains("Other customers would change now"), "{page}");
    assert!(page.contains("This will change") && !page.contains("Confirm the change"), "{page}");
    // The page of deletions has two writes. A kept deletion never becomes a cancellation.
    let erase = format!("{CUSTOMER}/erase");
    let asked = async || {
        let confirm = confirmation(&people, &erase, "", "&typed=1000001&step=confirm").await;
        page_of(&people.send("operator", &erase, Some(&confirm)).await.1)
    };
    let waits = asked().await;
    let made = page_of(&people.send("petra", &erase, Some("step=confirm&typed=1000001")).await.1);
    let seen = hidden(&people.page("operator", &made).await, "seen");
    assert_eq!(people.send("operator", &made, Some(&format!("step=confirm&seen={seen}"))).await.0, 303);
    let page = people.page("petra", &waits).await;
    assert!(page.contains("requested already") && !page.contains("Confirm the change"), "{page}");
}
