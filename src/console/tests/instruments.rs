//! Pages that change and remove a stored payment instrument.

use super::{four_eyes::hidden, *};

const WALLET: &str = "/console/m/acme/customers/1000001/wallet";
const CARD: &str =
    "type=card&masked_number=411111******1111&brand=&expires=2099-04&state=active&on_file=unscheduled&default=1";

struct Staff {
    console: Arc<Console>,
    routes: Router,
}

impl Staff {
    fn new() -> Self {
        let console = console_with(|_| ());
        Self { routes: routes(&console), console }
    }

    async fn send(&self, token: &str, path: &str, form: Option<&str>) -> (u16, String) {
        let visit = Visit { console: &self.console, routes: &self.routes, token: Some(token) };
        let method = if form.is_some() { PageMethod::Post } else { PageMethod::Get };
        let response = visit.send(method, path, Some(ORIGIN), form.unwrap_or_default()).await;
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn page(&self, path: &str) -> String {
        let (status, page) = self.send("operator", path, None).await;
        assert_eq!(status, 200, "{path}: {page}");
        page
    }

    async fn preview(&self, path: &str, form: &str) -> String {
        let (status, page) = self.send("operator", path, Some(form)).await;
        assert_eq!(status, 200, "{path}: {page}");
        page
    }

    /// Sends the form with what its preview showed.
    async fn confirm(&self, path: &str, form: &str) -> (u16, String) {
        let preview = self.preview(path, form).await;
        let mut confirm = form_urlencoded::Serializer::new(format!("{form}&"));
        confirm.append_pair("seen", &hidden(&preview, "seen")).append_pair("step", "confirm");
        self.send("operator", path, Some(&confirm.finish())).await
    }

    fn put(&self, instrument: &str, body: &str) {
        let put = |customers: &CustomerService<'_>| {
            customers.put_instrument("1000001", instrument, body.as_bytes()).map(drop)
        };
        with_customers(&self.console, put).unwrap();
    }
}

#[tokio::test]
async fn an_instrument_is_changed_after_a_preview() {
    let staff = Staff::new();
    staff.put("tok-2", r#"{"default": true}"#);
    let change = format!("{WALLET}/tok-1/change");
    let preview = staff.preview(&change, CARD).await;
    for shown in ["masked number", "411111******1111", "visa", "tok-2 is the default no more.", "card on file type"] {
        assert!(preview.contains(shown), "{shown}: {preview}");
    }
    assert!(!staff.page(&format!("{WALLET}/tok-1")).await.contains("2099-04"), "a preview changes nothing");
    assert_eq!(staff.confirm(&change, CARD).await.0, 303);
    let page = staff.page(&format!("{WALLET}/tok-1?done=1")).await;
    for shown in ["The change is recorded.", "2099-04", ">visa<", ">unscheduled<", "<strong>operator</strong>"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert_eq!(staff.page(WALLET).await.matches("\u{2665} default").count(), 1, "one default");
    let expired = staff.preview(&change, &CARD.replace("2099-04", "2020-01")).await;
    assert!(expired.contains(">expired<") && expired.contains("does not offer it"), "{expired}");
    let same = staff.preview(&change, CARD).await;
    assert!(same.contains("Nothing changes"), "{same}");
    // The brand of the form is that of the number, and follows another number.
    let other = CARD.replace("brand=", "brand=visa").replace("411111******1111", "555555******4444");
    let preview = staff.preview(&change, &other).await;
    assert!(preview.contains(">mastercard<"), "{preview}");
    for (wrong, words) in [
        (CARD.replace("411111******1111", "4111111111111111"), "card number"),
        (CARD.replace("2099-04", "April"), "2027-04"),
    ] {
        let (_, page) = staff.send("operator", &change, Some(&wrong)).await;
        assert!(page.contains("role=\"alert\"") && page.contains(words), "{wrong}: {page}");
    }
}

#[tokio::test]
async fn an_instrument_that_has_changed_since_the_preview_is_shown_again() {
    let staff = Staff::new();
    for (path, form) in [("change", CARD), ("remove", "")] {
        let path = format!("{WALLET}/tok-1/{path}");
        let seen = hidden(&staff.preview(&path, form).await, "seen");
        staff.put("tok-1", &format!(r#"{{"brand": "{}"}}"#, path.rsplit('/').next().unwrap()));
        let mut confirm = form_urlencoded::Serializer::new(format!("{form}&"));
        confirm.append_pair("seen", &seen).append_pair("step", "confirm");
        let (status, page) = staff.send("operator", &path, Some(&confirm.finish())).await;
        assert!(status == 200 && page.contains("has changed"), "{path}: {page}");
    }
    assert!(staff.page(&format!("{WALLET}/tok-1")).await.contains("Remove the instrument"), "it is there");
}

#[tokio::test]
async fn the_preview_names_the_status_that_follows() {
    let staff = Staff::new();
    let invalid = CARD.replace("state=active", "state=invalid");
    let preview = staff.preview(&format!("{WALLET}/tok-1/change"), &invalid).await;
    assert!(preview.contains("from new to not active"), "{preview}");
    staff.put("tok-2", r#"{"state": "invalid"}"#);
    let removal = staff.page(&format!("{WALLET}/tok-1/remove")).await;
    assert!(removal.contains("from new to not active"), "{removal}");
    let removal = staff.page(&format!("{WALLET}/tok-2/remove")).await;
    assert!(!removal.contains("not active"), "{removal}");
}

#[tokio::test]
async fn a_removed_instrument_keeps_its_transactions_and_its_history() {
    let staff = Staff::new();
    let page = staff.page(&format!("{WALLET}/tok-1")).await;
    assert!(page.contains("signals?signal=fraud_confirmed&amp;payment_instrument=tok-1"), "{page}");
    let removal = staff.page(&format!("{WALLET}/tok-1/remove")).await;
    assert!(removal.contains("does not offer it any more"), "{removal}");
    assert_eq!(staff.confirm(&format!("{WALLET}/tok-1/remove"), "").await.0, 303);
    assert!(staff.page(&format!("{WALLET}?done=1")).await.contains("no stored payment instruments"));
    let page = staff.page(&format!("{WALLET}/tok-1")).await;
    assert!(page.contains("is not stored for this customer") && page.contains("/transactions/t1"), "{page}");
    assert!(page.contains("<strong>operator</strong>") && !page.contains("/remove"), "{page}");
    let never = staff.send("operator", &format!("{WALLET}/tok-9"), None).await;
    assert_eq!(never.0, 404, "{}", never.1);
    for word in ["change", "remove"] {
        assert_eq!(staff.send("operator", &format!("{WALLET}/tok-1/{word}"), None).await.0, 404);
    }
}

#[tokio::test]
async fn a_blocked_instrument_is_unblocked_by_its_signal() {
    let staff = Staff::new();
    let signals = "/console/m/acme/customers/1000001/signals";
    let form = staff.page(&format!("{signals}?signal=fraud_confirmed&payment_instrument=tok-1")).await;
    assert!(form.contains("value=\"fraud_confirmed\" selected") && form.contains("value=\"tok-1\" list"), "{form}");
    let signal = "signal=fraud_confirmed&payment_instrument=tok-1";
    assert_eq!(staff.confirm(signals, signal).await.0, 303);
    let page = staff.page(&format!("{WALLET}/tok-1")).await;
    assert!(page.contains(">blocked<") && page.contains("Lift the block"), "{page}");
    let change = staff.page(&format!("{WALLET}/tok-1/change")).await;
    assert!(!change.contains("name=\"state\"") && change.contains("lifts the block"), "{change}");
    assert_eq!(staff.confirm(&format!("{WALLET}/tok-1/change"), &CARD.replace("state=active&", "")).await.0, 303);
    assert!(staff.page(&format!("{WALLET}/tok-1")).await.contains(">blocked<"), "a change is no unblocking");
    assert_eq!(staff.confirm(signals, "signal=cleared&payment_instrument=tok-1").await.0, 303);
    assert!(staff.page(&format!("{WALLET}/tok-1")).await.contains(">active<"));
    let viewer = staff.send("viewer", &format!("{WALLET}/tok-1"), None).await.1;
    assert!(!viewer.contains("Change the instrument"), "{viewer}");
}
