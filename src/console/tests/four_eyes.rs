//! Writes that need a second person.

use super::*;

const CUSTOMER: &str = "/console/m/acme/customers/1000001";

/// Two operators, a viewer, and an operator of another merchant, with other parts of the console.
fn console_of_two(alter: impl FnOnce(&mut ConsoleParts)) -> Arc<Console> {
    let mut all = credentials();
    let mut petra = credentials().remove(1);
    petra.token.name = Name::parse("petra").unwrap();
    petra.digest = Sha256::digest("petra".as_bytes()).into();
    all.push(petra);
    console_with(|parts| {
        parts.access = Arc::new(AccessTokens::new(&all, &Auth::default()));
        alter(parts);
    })
}

pub(super) struct People {
    pub(super) console: Arc<Console>,
    routes: Router,
}

impl People {
    fn new() -> Self {
        Self::of(|parts| parts.four_eyes = vec![FourEyesWrite::RaiseLimit, FourEyesWrite::Unblock])
    }

    pub(super) fn of(alter: impl FnOnce(&mut ConsoleParts)) -> Self {
        let console = console_of_two(alter);
        Self { routes: routes(&console), console }
    }

    /// The same people, with the kinds that need a second person.
    pub(super) fn with_four_eyes(self, four_eyes: &[FourEyesWrite]) -> Self {
        let Self { mut console, routes: of_console } = self;
        drop(of_console);
        Arc::get_mut(&mut console).expect("the routes alone share the console").parts.four_eyes = four_eyes.to_vec();
        Self { routes: routes(&console), console }
    }

    /// Status, location and page of a request by a token.
    pub(super) async fn send(&self, token: &str, path: &str, form: Option<&str>) -> (u16, String, String) {
        let visit = Visit { console: &self.console, routes: &self.routes, token: Some(token) };
        let method = if form.is_some() { PageMethod::Post } else { PageMethod::Get };
        let response = visit.send(method, path, Some(ORIGIN), form.unwrap_or_default()).await;
        let location = response.headers().get(header::LOCATION).map(|it| it.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, location.unwrap_or_default(), String::from_utf8(body.to_vec()).unwrap())
    }

    pub(super) async fn page(&self, token: &str, path: &str) -> String {
        let (status, _, page) = self.send(token, path, None).await;
        assert_eq!(status, 200, "{path}: {page}");
        page
    }

    /// A confirmed change of the customer by a token.
    async fn change(&self, token: &str, fields: &str) -> (u16, String, String) {
        let page = self.page(token, &format!("{CUSTOMER}/change")).await;
        let form = format!("{fields}&step=confirm&modified_at={}", hidden(&page, "modified_at"));
        self.send(token, &format!("{CUSTOMER}/change"), Some(&form)).await
    }
}

/// The value of a hidden field.
pub(super) fn hidden(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{name}: {page}"));
    rest.split('"').next().unwrap().replace("&quot;", "\"")
}

/// The path of the page that a location leads to.
pub(super) fn page_of(location: &str) -> String {
    let (_, rest) = location.split_once("console/m/").unwrap_or_else(|| panic!("{location}"));
    format!("/console/m/{}", rest.split('?').next().unwrap())
}

const SILVER: &str = "deposit_level=silver&withdrawal_level=&status=new&label=regular";

#[tokio::test]
async fn a_second_person_sees_the_preview_and_confirms() {
    let people = People::new();
    let (status, location, _) = people.change("operator", SILVER).await;
    assert_eq!(status, 303);
    assert!(location.contains("/confirmations/") && location.ends_with("?kept=1"), "{location}");
    assert!(!people.page("viewer", CUSTOMER).await.contains(">silver<"), "nothing has changed");
    let waits = page_of(&location);
    let own = people.page("operator", &waits).await;
    assert!(own.contains("Another person must confirm it") && !own.contains("Confirm the change"), "{own}");
    let list = people.page("operator", "/console/confirmations").await;
    assert!(list.contains("allow more") && list.contains("a restart drops them") && list.contains("(you)"), "{list}");
    // The person who asked cannot confirm, also with a complete form.
    let seen = hidden(&people.page("petra", &waits).await, "seen");
    let confirm = format!("step=confirm&seen={seen}");
    assert_eq!(people.send("operator", &waits, Some(&confirm)).await.0, 403);
    for (token, want) in [("viewer", 403), ("gateway", 403), ("globex-operator", 403)] {
        assert_eq!(people.send(token, &waits, Some(&confirm)).await.0, want, "{token}");
        assert_eq!(people.send(token, &waits, None).await.0, want, "{token}");
    }
    let elsewhere = waits.replace("/m/acme/", "/m/globex/");
    assert_eq!(people.send("globex-operator", &elsewhere, Some(&confirm)).await.0, 404, "of another merchant");
    let list = people.page("globex-operator", "/console/confirmations").await;
    assert!(list.contains("No change waits"), "{list}");
    let other = people.page("petra", &waits).await;
    for part in ["<strong>operator</strong> asked for it", "This will change", ">silver<", "Confirm the change"] {
        assert!(other.contains(part), "{part}: {other}");
    }
    assert_eq!(other.matches("<form").count(), 2, "the buttons of the preview are left out: {other}");
    let (status, location, page) = people.send("petra", &waits, Some(&confirm)).await;
    assert_eq!(status, 303, "{page}");
    assert!(location.ends_with("customers/1000001?done=1"), "{location}");
    assert!(people.page("viewer", CUSTOMER).await.contains(">silver<"));
    let history = people.page("viewer", &format!("{CUSTOMER}/history")).await;
    assert!(history.contains("<strong>operator, petra</strong>"), "{history}");
    assert_eq!(people.send("petra", &waits, Some(&confirm)).await.0, 404, "it was made once");
}

#[tokio::test]
async fn a_change_in_the_meantime_is_shown_before_it_is_confirmed() {
    let people = People::new();
    let waits = page_of(&people.change("operator", SILVER).await.1);
    let seen = hidden(&people.page("petra", &waits).await, "seen");
    // Consent needs no second person.
    let (status, location, _) =
        people.change("operator", "deposit_level=gold&withdrawal_level=&status=member&label=regular").await;
    assert!(status == 303 && location.ends_with("?done=1"), "{location}");
    let (status, _, page) = people.send("petra", &waits, Some(&format!("step=confirm&seen={seen}"))).await;
    assert!(status == 200 && page.contains("It has changed since you looked at it"), "{page}");
    let seen = hidden(&page, "seen");
    assert_eq!(people.send("petra", &waits, Some(&format!("step=confirm&seen={seen}"))).await.0, 303);
    assert!(people.page("viewer", CUSTOMER).await.contains(">silver<"));
}

#[tokio::test]
async fn a_change_is_rejected_withdrawn_or_void_when_its_author_is_removed() {
    let people = People::new();
    for token in ["petra", "operator"] {
        let waits = page_of(&people.change("operator", SILVER).await.1);
        let (status, location, _) = people.send(token, &waits, Some("step=drop")).await;
        assert!(status == 303 && location.ends_with("confirmations?done=1"), "{location}");
        assert_eq!(people.send("petra", &waits, None).await.0, 404);
    }
    let waits = page_of(&people.change("petra", SILVER).await.1);
    let seen = hidden(&people.page("operator", &waits).await, "seen");
    people.console.parts.access.replace(&credentials(), &Auth::default());
    let (status, _, page) = people.send("operator", &waits, Some(&format!("step=confirm&seen={seen}"))).await;
    assert!(status == 403 && page.contains("may not make this change any more"), "{page}");
    assert!(!people.page("viewer", CUSTOMER).await.contains(">silver<"));
}

#[tokio::test]
async fn a_change_that_is_made_already_cannot_be_confirmed() {
    let people = People::new();
    let first = page_of(&people.change("operator", SILVER).await.1);
    let second = page_of(&people.change("petra", SILVER).await.1);
    assert_ne!(first, second);
    let seen = hidden(&people.page("petra", &first).await, "seen");
    assert_eq!(people.send("petra", &first, Some(&format!("step=confirm&seen={seen}"))).await.0, 303);
    let page = people.page("operator", &second).await;
    assert!(page.contains("Nothing changes") && !page.contains("Confirm the change"), "{page}");
    let (status, _, page) = people.send("operator", &second, Some("step=confirm&seen=x")).await;
    assert!(status == 200 && page.contains("It has changed since you looked at it"), "{page}");
}

#[tokio::test]
async fn lower_limits_and_blocks_need_no_second_person_and_raises_and_unblocks_do() {
    let people = People::new();
    let limits = async |amount: &str| {
        let path = format!("{CUSTOMER}/limits/change");
        let form = format!("{}&name=mine&window=daily&amount_limit={amount}&quantity_limit=", &LIMITS_QUERY[1..]);
        let preview = people.send("operator", &path, Some(&form)).await.2;
        let seen = hidden(&preview, "seen");
        let mut confirm = form_urlencoded::Serializer::new(form);
        let confirm = confirm.append_pair("step", "confirm").append_pair("seen", &seen).finish();
        people.send("operator", &path, Some(&confirm)).await.1
    };
    assert!(limits("77.00").await.ends_with("limits?done=1"), "a first limit");
    assert!(limits("66.00").await.ends_with("limits?done=1"), "a lower limit");
    let waits = limits("88.00").await;
    assert!(waits.contains("/confirmations/"), "a raise: {waits}");
    let page = people.page("petra", &page_of(&waits)).await;
    assert!(page.contains("takes effect at") && page.contains("88.00 EUR"), "{page}");
    let confirm = format!("step=confirm&seen={}", hidden(&page, "seen"));
    let (status, location, page) = people.send("petra", &page_of(&waits), Some(&confirm)).await;
    assert!(status == 303 && location.ends_with("limits?done=1"), "{page}");
    assert!(people.page("petra", &format!("{CUSTOMER}/limits")).await.contains("A raise that waits"));
    let fraud = people.change("operator", "deposit_level=gold&withdrawal_level=&status=fraud&label=regular").await;
    assert!(fraud.1.ends_with("?done=1"), "a block: {fraud:?}");
    let cleared = people.change("operator", "deposit_level=gold&withdrawal_level=&status=new&label=regular").await;
    assert!(cleared.1.contains("/confirmations/"), "an unblock: {cleared:?}");
    let page = people.page("petra", &page_of(&cleared.1)).await;
    assert!(page.contains("end a block"), "{page}");
}
