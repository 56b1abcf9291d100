//! Pages that change customers: each is previewed, confirmed, made, and in the history with who did it.

use super::{ORIGIN, Visit, console, console_with, update};
use crate::{
    config::FourEyesWrite,
    console::{Console, page_table::PageMethod, routes, sessions::SignedIn},
    service::jobs::{
        registry::{Admission, JobRequest},
        tracked_job::JobKind,
    },
};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, header},
};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;

const CUSTOMERS: &str = "/console/m/acme/customers";
/// A table whose third line is bad.
const TABLE: &str = "merchant_customer_identifier,first_name,country\r\neve,Eve,CY\r\nfay,Fay,Utopia\r\n";
const ALICE: &str = "/console/m/acme/customers/1000001";

/// What a form answers.
struct Sent {
    status: u16,
    location: String,
    body: String,
}

/// A session of an operator.
struct Staff {
    console: Arc<Console>,
    routes: Router,
}

impl Staff {
    fn new() -> Self {
        Self::of(console())
    }

    fn of(console: Arc<Console>) -> Self {
        let routes = routes(&console);
        Self { console, routes }
    }

    fn visit(&self) -> Visit<'_> {
        Visit { console: &self.console, routes: &self.routes, token: Some("operator") }
    }

    async fn page(&self, path: &str) -> String {
        self.visit().page(path).await
    }

    async fn send(&self, path: &str, form: &str) -> Sent {
        let response = self.visit().send(PageMethod::Post, path, Some(ORIGIN), form).await;
        sent(response).await
    }

    /// Sends a form, then the form of its preview with further fields. Checks that the preview shows a text.
    async fn change(&self, path: &str, form: &str, (shown, typed): (&str, &str)) -> Sent {
        let preview = self.send(path, form).await;
        assert!(preview.status == 200 && preview.body.contains(shown), "{path} {form}: {}", preview.body);
        self.send(path, &format!("{}{typed}", confirmation(&preview.body))).await
    }

    /// Uploads a form with files.
    async fn upload(&self, token: &str, parts: &[(&str, &str)]) -> Sent {
        let mut body = String::new();
        for (name, content) in parts {
            let file = if *name == "file" { "; filename=\"t.csv\"" } else { "" };
            body.push_str(&format!(
                "--xyz\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{content}\r\n"
            ));
        }
        body.push_str("--xyz--\r\n");
        let parts = &self.console.parts;
        let token = parts.access.of_text(token, parts.payments.clock.wall()).unwrap();
        let signed_in = SignedIn { token, person: None };
        let id = self.console.sessions.begin(signed_in, parts.payments.clock.running_ms()).unwrap();
        let request = Request::builder()
            .method("POST")
            .uri(format!("{CUSTOMERS}.csv"))
            .header(header::HOST, super::HOST)
            .header(header::ORIGIN, ORIGIN)
            .header(header::COOKIE, format!("levelgate-session={id}"))
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=xyz");
        let request = request.body(Body::from(body)).unwrap();
        sent(TowerToHyperService::new(self.routes.clone()).call(request).await.unwrap()).await
    }

    /// The page that a redirect leads to.
    async fn follow(&self, sent: &Sent) -> String {
        assert_eq!(sent.status, 303, "{}", sent.body);
        self.page(&format!("/{}", sent.location.trim_start_matches("../"))).await
    }

    /// The number of a new customer.
    async fn create(&self, form: &str) -> String {
        let created = self.change(&format!("{CUSTOMERS}/new"), form, ("will be created", "")).await;
        let page = self.follow(&created).await;
        assert!(page.contains("The change is recorded."));
        created.location.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned()
    }
}

async fn sent(response: axum::http::Response<Body>) -> Sent {
    let status = response.status().as_u16();
    let location = response.headers().get(header::LOCATION).map(|to| to.to_str().unwrap().to_owned());
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    Sent { status, location: location.unwrap_or_default(), body: String::from_utf8(body.to_vec()).unwrap() }
}

/// What the form of a preview sends: its hidden fields, and that it is confirmed.
fn confirmation(page: &str) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for field in page.split("<input type=\"hidden\" name=\"").skip(1) {
        let (name, rest) = field.split_once('"').unwrap();
        let value = rest.strip_prefix(" value=\"").unwrap().split('"').next().unwrap();
        let value = value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
        form.append_pair(name, &value);
    }
    form.append_pair("step", "confirm").finish()
}

#[tokio::test]
async fn many_customers_change_once_their_count_is_typed() {
    let staff = Staff::new();
    for name in ["bob", "carol"] {
        staff.create(&format!("merchant_customer_identifier={name}&country=CY&label=regular")).await;
    }
    let list = staff.page(&format!("{CUSTOMERS}?status=new&country=&column=country")).await;
    assert!(list.contains("class=\"chip\"") && list.contains("href=\"customers?column=country\""), "{list}");
    assert!(list.contains(">CY<") && !list.contains("<th scope=\"col\">E-mail"), "the chosen column alone: {list}");
    assert_eq!(list.matches("type=\"checkbox\" name=\"id\"").count(), 3);
    let bulk = format!("{CUSTOMERS}/bulk");
    for nobody in ["", "?selected=ids", "?id=1000002"] {
        let page = staff.page(&format!("{bulk}{nobody}")).await;
        assert!(page.contains("no customer is selected") && !page.contains("action=\"bulk\""), "{page}");
    }
    let form =
        "selected=ids&id=1000002&id=1000003&set_deposit_level==silver&set_status=member&set_labels=1&set_label=vip";
    let form = form.replace("==", "=%3D");
    let preview = staff.send(&bulk, &form).await;
    assert!(
        preview.body.contains("Type 2, the number") && preview.body.contains("undoes the change"),
        "{}",
        preview.body
    );
    let confirm = confirmation(&preview.body);
    for wrong in ["", "&count=", "&count=3", "&count=two"] {
        let page = staff.send(&bulk, &format!("{confirm}{wrong}")).await;
        assert!(page.status == 200 && page.body.contains("is not the number of customers"), "{wrong}: {}", page.body);
    }
    let profile = format!("{CUSTOMERS}/1000002");
    assert!(!staff.page(&profile).await.contains(">silver<"), "a wrong count changes nothing");
    let done = staff.send(&bulk, &format!("{confirm}&count=2")).await;
    let job = staff.follow(&done).await;
    assert!(job.contains("It is done.") && job.contains(">operator<"), "{job}");
    assert!(staff.page(&profile).await.contains(">silver<"));
    let history = staff.page(&format!("{profile}/history")).await;
    assert!(history.contains("<strong>operator</strong>") && history.contains("/jobs/console-"), "{history}");
    assert!(!staff.page(ALICE).await.contains(">silver<"), "who is not selected stays");
    // The same form again is the same job.
    let again = staff.send(&bulk, &format!("{confirm}&count=0")).await;
    assert!(again.body.contains("Other customers would change") || again.body.contains("Nothing changes"));
    // The table of the job sets the old values again.
    let address = format!("/{}", done.location.trim_start_matches("../"));
    let undo = staff.page(&format!("{address}/undo.csv")).await;
    assert!(undo.starts_with("customer_id,deposit_level,status,labels\r\n"), "{undo}");
    assert!(undo.contains("1000002,,new,regular\r\n") && undo.contains("1000003,,new,regular\r\n"), "{undo}");
    for everyone in ["selected=all", "selected=all&status=new"] {
        let preview = staff.send(&bulk, &format!("{everyone}&set_limit=1&set_limit_direction=deposit&set_limit_currency=EUR&set_limit_max_amount=50.00")).await;
        assert!(preview.body.contains("individual payment settings of"), "{}", preview.body);
    }
    for (wrong, words) in [("selected=all", "nothing was chosen"), ("selected=all&set_deposit_level=%3Dnope", "nope")] {
        let page = staff.send(&bulk, wrong).await;
        assert!(page.body.contains("role=\"alert\"") && page.body.contains(words), "{}", page.body);
    }
}

#[tokio::test]
async fn a_change_of_many_is_refused_where_the_same_number_of_other_customers_matches() {
    let staff = Staff::new();
    staff.create("merchant_customer_identifier=bob&label=vip").await;
    let form = "selected=all&label=vip&set_status=member";
    let preview = staff.send(&format!("{CUSTOMERS}/bulk"), form).await;
    assert!(preview.body.contains("Type 1, the number"), "{}", preview.body);
    // Bob leaves the selection, and alice enters it.
    update(&staff.console, "1000002", r#"{"labels": ["regular"]}"#);
    update(&staff.console, "1000001", r#"{"labels": ["vip"]}"#);
    let confirm = format!("{}&count=1", confirmation(&preview.body));
    let refused = staff.send(&format!("{CUSTOMERS}/bulk"), &confirm).await;
    let words = "Other customers would change now than in the preview. Nothing was changed.";
    assert!(refused.status == 200 && refused.body.contains(words), "{}", refused.body);
    for number in ["1000001", "1000002"] {
        assert!(!staff.page(&format!("{CUSTOMERS}/{number}")).await.contains(">member<"), "{number}");
    }
    // The form that is shown again is of the customers of now.
    let done = staff.send(&format!("{CUSTOMERS}/bulk"), &format!("{}&count=1", confirmation(&refused.body))).await;
    assert!(staff.follow(&done).await.contains("It is done."));
    assert!(staff.page(ALICE).await.contains(">member<"));
    assert!(!staff.page(&format!("{CUSTOMERS}/1000002")).await.contains(">member<"));
}

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

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_tried_imported_in_part_or_refused_with_its_bad_rows() {
    let staff = Staff::new();
    let trial = staff.upload("operator", &[("mode", "trial"), ("text", ""), ("file", TABLE)]).await;
    let page = staff.follow(&trial).await;
    for part in ["nothing was changed", "Would be created", "Bad rows", ">3<", "country", "Download the bad rows"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let all = staff.upload("operator", &[("mode", "all"), ("file", TABLE)]).await;
    assert!(staff.follow(&all).await.contains("It was refused, and nothing was changed."));
    let none = staff.page(&format!("{CUSTOMERS}?merchant_customer_identifier=eve")).await;
    assert!(none.contains("No customer matches"), "{none}");
    let partial = staff.upload("operator", &[("mode", "partial"), ("text", TABLE), ("file", "")]).await;
    assert!(staff.follow(&partial).await.contains("It is done."));
    let found = staff.page(&format!("{CUSTOMERS}?merchant_customer_identifier=eve")).await;
    assert!(found.contains(">Eve<"), "{found}");
    let address = format!("/{}", partial.location.trim_start_matches("../"));
    let bad = staff.page(&format!("{address}/bad_rows.csv")).await;
    assert!(bad.starts_with("line,column,reason\n3,country,"), "{bad}");
    assert!(staff.page(&format!("{address}/result.json")).await.contains("\"created\": 1"));
    // The template passes a trial.
    let template = staff.page(&format!("{CUSTOMERS}/template.csv")).await;
    let tried = staff.upload("operator", &[("mode", "trial"), ("text", &template)]).await;
    let page = staff.follow(&tried).await;
    assert!(!page.contains("<h2>Bad rows"), "{page}");
    for (parts, words) in [
        (&[("mode", "trial"), ("text", TABLE), ("file", TABLE)][..], "not both"),
        (&[("mode", "never"), ("file", TABLE)], "mode"),
        (&[("mode", "trial")], "choose a file"),
        (&[("mode", "trial"), ("shape", "x"), ("file", TABLE)], "shape"),
        (&[("mode", "trial"), ("job", "a b"), ("file", TABLE)], "job"),
    ] {
        let refused = staff.upload("operator", parts).await;
        assert!(refused.status == 200 && refused.body.contains(words), "{words}: {}", refused.body);
        assert!(refused.body.contains("Nothing was changed"), "{}", refused.body);
    }
    // The limits are those of the API's uploads.
    let limits = staff.console.parts.jobs.limits();
    let merchant = staff.console.parts.payments.rules().merchant("acme").unwrap().id;
    let others: Vec<_> = (0..4).map(|_| limits.arrive(merchant).unwrap()).collect();
    let refused = staff.upload("operator", &[("mode", "partial"), ("file", TABLE)]).await;
    assert!(refused.body.contains("has 4 jobs under way"), "{}", refused.body);
    drop(others);
    assert_eq!(staff.upload("viewer", &[("mode", "partial"), ("file", TABLE)]).await.status, 403);
    let table = staff.page(&format!("{CUSTOMERS}.csv?merchant_customer_identifier=eve&columns=first_name")).await;
    assert_eq!(table.lines().count(), 2, "{table}");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_tried_only_where_changes_need_a_second_person() {
    for four_eyes in [FourEyesWrite::Bulk, FourEyesWrite::RaiseLimit] {
        let staff = Staff::of(console_with(|parts| parts.four_eyes = vec![four_eyes]));
        let page = staff.page(&format!("{CUSTOMERS}/upload?mode=all")).await;
        assert_eq!(page.matches("name=\"mode\"").count(), 1, "{page}");
        assert!(page.contains("value=\"trial\" checked") && page.contains("for a trial only"), "{page}");
        let good = "merchant_customer_identifier,first_name\r\neve,Eve\r\n";
        for parts in [
            &[("mode", "all"), ("file", good)][..],
            &[("mode", "partial"), ("text", good)],
            &[("file", good)],
            // The mode is not known when the table begins.
            &[("file", good), ("mode", "trial")],
            &[("mode", "all"), ("file", "")],
        ] {
            let refused = staff.upload("operator", parts).await;
            let is_refused = refused.body.contains("takes tables for a trial only");
            assert!(
                refused.status == 200 && is_refused && refused.body.contains("Nothing was changed"),
                "{}",
                refused.body
            );
        }
        let jobs = staff.page("/console/m/acme/jobs").await;
        assert!(!jobs.contains("/jobs/console-"), "no job was begun: {jobs}");
        let trial = staff.upload("operator", &[("mode", "trial"), ("text", ""), ("file", good)]).await;
        assert!(staff.follow(&trial).await.contains("It was tried, and nothing was changed."));
        assert!(!staff.page(CUSTOMERS).await.contains("customers/1000002\""), "a trial changes nothing");
    }
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
async fn customers_are_made_up_once_their_number_is_typed() {
    let staff = Staff::new();
    let mock = format!("{CUSTOMERS}/mock");
    let wrong = staff.send(&mock, "count=5&seed=1&step=confirm&typed=6").await;
    assert!(wrong.body.contains("is not the number of customers"), "{}", wrong.body);
    let made = staff.change(&mock, "count=5&seed=1", ("5 customers will be created", "&typed=5")).await;
    assert!(made.status == 200 && made.body.contains("The customers are made up."), "{}", made.body);
    for wrong in ["count=0", "count=x", "count=1000001", "count=1&seed=x"] {
        assert!(staff.send(&mock, wrong).await.body.contains("role=\"alert\""), "{wrong}");
    }
}

#[tokio::test]
async fn the_page_of_a_job_loads_itself_again_until_the_job_has_ended() {
    let staff = Staff::new();
    let parts = &staff.console.parts;
    let now = parts.payments.time().unwrap();
    let draft = parts.jobs.draft(now).unwrap();
    let request = JobRequest {
        merchant: parts.payments.rules().merchant("acme").unwrap().id,
        id: Some("slow"),
        kind: JobKind::Upload,
        mode: "partial",
        by: None,
        digest: 7,
        now,
    };
    let Ok(Admission::New(active)) = parts.jobs.admit(&draft, &request) else { panic!("the job is new") };
    active.count(10);
    active.step(4).unwrap();
    let page = staff.page("/console/m/acme/jobs/slow").await;
    for part in ["http-equiv=\"refresh\"", "4 of 10 rows so far", "It is tried.", "href=\"slow\""] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(staff.page("/console/m/acme/jobs").await.contains("4 of 10"));
    drop(active);
    let page = staff.page("/console/m/acme/jobs/slow").await;
    assert!(!page.contains("http-equiv") && page.contains("It was refused"), "{page}");
    let unknown = staff.visit().send(PageMethod::Get, "/console/m/acme/jobs/none", None, "").await;
    assert_eq!(unknown.status(), 404);
}

#[tokio::test]
async fn an_instrument_has_its_transactions_and_its_history() {
    let staff = Staff::new();
    let page = staff.page(&format!("{ALICE}/wallet/tok-1")).await;
    assert!(page.contains("/transactions/t1\"") && page.contains("History"), "{page}");
    assert!(staff.page(&format!("{ALICE}/wallet")).await.contains("/wallet/tok-1\""));
}
