//! People whom a proxy names, and the rate of a token.

use super::*;
use crate::{
    config::{ConsolePeople, ConsoleUser, RequestRate, TrustedProxy},
    service::access::{peer::Peer, proxy_users::ProxyUsers},
};

const PROXY: &str = "10.1.0.9:5000";
const CHANGE: &str = "/console/m/acme/customers/1000001/change";

/// A console with a proxy at 10.1.0.9; `ann` is an operator, `ben` a viewer.
fn behind_proxy() -> Arc<Console> {
    let user = |name, role| ConsoleUser { name: Name::parse(name).unwrap(), role };
    let people = ConsolePeople {
        user_header: "x-user".to_owned(),
        trusted_proxies: vec![TrustedProxy::Network { address: "10.1.0.0".parse().unwrap(), bits: 24 }],
        users: Some(vec![user("ann", config::Role::Operator), user("ben", config::Role::Viewer)]),
    };
    console_with(|parts| parts.proxy_users = ProxyUsers::of(&people))
}

struct Call<'a> {
    peer: &'a str,
    headers: &'a [(&'a str, &'a str)],
    form: Option<&'a str>,
}

async fn call(console: &Arc<Console>, path: &str, call: Call<'_>) -> (u16, String, Option<String>) {
    let method = if call.form.is_some() { "POST" } else { "GET" };
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, HOST);
    request = request.extension(Peer::Tcp(call.peer.parse().unwrap()));
    for (name, value) in call.headers.iter().chain(&[("origin", ORIGIN)]) {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(call.form.unwrap_or_default().to_owned())).unwrap();
    let response = TowerToHyperService::new(routes(console)).call(request).await.unwrap();
    let status = response.status().as_u16();
    let cookie = response.headers().get(header::SET_COOKIE).map(|cookie| cookie.to_str().unwrap().to_owned());
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap(), cookie)
}

async fn get(console: &Arc<Console>, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let (status, page, _) = call(console, path, Call { peer: PROXY, headers, form: None }).await;
    (status, page)
}

#[tokio::test]
async fn a_session_is_that_of_the_person_who_began_it() {
    let console = behind_proxy();
    let sign_in = async |peer, headers: &[(&str, &str)]| {
        call(&console, "/console/login", Call { peer, headers, form: Some("token=operator") }).await
    };
    assert_eq!(sign_in(PROXY, &[]).await.0, 403, "no person");
    assert_eq!(sign_in("10.2.0.1:1", &[("x-user", "ann")]).await.0, 403, "no trusted proxy");
    let (status, _, cookie) = sign_in(PROXY, &[("x-user", "Ann")]).await;
    assert_eq!(status, 303);
    let cookie = cookie.unwrap().split(';').next().unwrap().to_owned();
    let with = async |peer, user: &[&str]| {
        let mut headers: Vec<_> = user.iter().map(|user| ("x-user", *user)).collect();
        headers.push(("cookie", &cookie));
        let (status, page, _) = call(&console, "/console/m/acme", Call { peer, headers: &headers, form: None }).await;
        (status, page)
    };
    let (status, page) = with(PROXY, &["ann"]).await;
    assert!(status == 200 && page.contains("ann <span class=\"quiet\">(operator)</span>"), "{page}");
    assert!(page.contains("Sign out"));
    for (peer, user, want, words) in [
        (PROXY, &["ben"][..], 303, ""),
        (PROXY, &[], 403, "the proxy has named no person"),
        (PROXY, &["eve"], 403, "eve may not use the console"),
        (PROXY, &["ann", "ann"], 400, "was sent twice"),
        (PROXY, &["ann, ben"], 400, "names no person"),
        ("10.1.1.9:5000", &["ann"], 403, "used through its proxy"),
        ("10.1.1.9:5000", &[], 403, "used through its proxy"),
    ] {
        let (status, page) = with(peer, user).await;
        assert_eq!(status, want, "{peer} {user:?}");
        assert!(page.contains(words), "{page}");
    }
    assert_eq!(with(PROXY, &["ann"]).await.0, 200, "the refused requests did not end the session");
}

#[tokio::test]
async fn a_proxy_sends_its_own_token_and_the_history_names_the_person() {
    let console = behind_proxy();
    let bearer = |name| format!("Bearer {name}");
    let (operator, viewer) = (bearer("operator"), bearer("viewer"));
    let of = |user: &'static str, token: &'static str| {
        [("x-user", user), ("authorization", if token == "operator" { &*operator } else { &*viewer })]
    };
    let (status, page) = get(&console, "/console", &of("ann", "operator")).await;
    assert!(status == 200 && !page.contains("Sign out"), "the proxy ends what it began: {page}");
    for (user, token, want) in [("ann", "operator", 200), ("ben", "operator", 403), ("ann", "viewer", 403)] {
        assert_eq!(get(&console, CHANGE, &of(user, token)).await.0, want, "{user} with {token}");
    }
    assert_eq!(get(&console, "/console", &[("authorization", &operator)]).await.0, 403, "a token names no person");
    assert_eq!(get(&console, "/console", &[("x-user", "ann"), ("authorization", "Bearer wrong")]).await.0, 401);
    let page = get(&console, CHANGE, &of("ann", "operator")).await.1;
    let (_, rest) = page.split_once("name=\"modified_at\" value=\"").unwrap();
    let form = format!(
        "deposit_level=silver&withdrawal_level=&status=new&label=regular&step=confirm&modified_at={}",
        rest.split('"').next().unwrap()
    );
    let headers = of("ann", "operator");
    let (status, page, _) = call(&console, CHANGE, Call { peer: PROXY, headers: &headers, form: Some(&form) }).await;
    assert_eq!(status, 303, "{page}");
    let history = "/console/m/acme/customers/1000001/history";
    let page = get(&console, history, &of("ben", "viewer")).await.1;
    assert!(page.contains("<strong>ann (operator)</strong>"), "{page}");
    let (_, page) = get(&behind_proxy(), "/console", &of("ann", "viewer")).await;
    assert!(page.contains("ann <span class=\"quiet\">(viewer)</span>"), "{page}");
}

#[tokio::test]
async fn without_a_proxy_the_header_and_the_token_of_a_request_mean_nothing() {
    let console = console_with(|_| ());
    let headers = [("x-user", "ann"), ("authorization", "Bearer operator")];
    assert_eq!(get(&console, "/console", &headers).await.0, 303, "no session");
}

#[tokio::test]
async fn pages_count_for_the_rate_of_the_token() {
    let mut limited = credentials();
    limited[0].token.rate = Some(RequestRate { per_second: 1, burst: 3 });
    let console = console_with(|parts| parts.access = Arc::new(AccessTokens::new(&limited, &Auth::default())));
    let routes = routes(&console);
    let visit = Visit { console: &console, routes: &routes, token: Some("viewer") };
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(visit.send(PageMethod::Get, "/console", None, "").await.status().as_u16());
    }
    assert_eq!(statuses[..3], [200, 200, 200]);
    assert_eq!(statuses[3], 429, "the burst is used, also by the API with the same token");
    let token = console.parts.access.of_text("viewer", Millis(0)).unwrap();
    assert!(token.take_request(|| console.parts.payments.clock.running_ns()).is_err());
    let file = visit.send(PageMethod::Get, &format!("/console/assets/{}", style_name()), None, "").await;
    assert_eq!(file.status(), 200, "files are not counted");
}
