//! Many customers at once: bulk changes, tables, made-up customers, and the jobs that do it.

use super::{console_with, staff::*, update};
use crate::{
    config::FourEyesWrite,
    console::page_table::PageMethod,
    service::jobs::{
        registry::{Admission, JobRequest},
        tracked_job::JobKind,
    },
};

/// A table whose third line is bad.
const TABLE: &str = "merchant_customer_identifier,first_name,country\r\neve,Eve,CY\r\nfay,Fay,Utopia\r\n";

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
