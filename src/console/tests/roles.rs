//! Who is admitted to which page, and until when.

use super::*;

#[tokio::test]
async fn every_page_admits_its_roles_and_merchants_alone() {
    let console = console();
    let routes = routes(&console);
    for row in PAGES {
        for (token, is_operator, is_staff, reaches) in [
            (None, false, false, false),
            (Some("viewer"), false, true, true),
            (Some("operator"), true, true, true),
            (Some("gateway"), false, false, true),
            (Some("globex-viewer"), false, true, false),
            (Some("globex-operator"), true, true, false),
        ] {
            let of_merchant = row.path.contains("{merchant}");
            let allowed = match row.role {
                PageRole::Public => true,
                PageRole::Staff => is_staff,
                PageRole::Operator => is_operator,
                PageRole::DaemonOperator => is_operator && reaches,
            } && (reaches || !of_merchant);
            let want = match (row.handler, row.method) {
                (Handler::SignIn, _) => 401,
                (Handler::SignOut, _) => 303,
                (Handler::SignInForm | Handler::File, _) => 200,
                _ if token.is_none() => 303,
                _ if !allowed => 403,
                (Handler::Unknown, _) => 404,
                // It has no preview: it changes nothing that a person sees.
                (Handler::Page(_), _) if row.path.ends_with("/snapshot") => 303,
                (
                    Handler::Page(_)
                    | Handler::Download(_)
                    | Handler::Upload
                    | Handler::Confirmations
                    | Handler::Confirmation,
                    _,
                ) => 200,
            };
            let visit = Visit { console: &console, routes: &routes, token };
            assert_eq!(visit.status(row, Some(ORIGIN)).await, want, "{:?} {} by {token:?}", row.method, row.path);
            if row.method == PageMethod::Post {
                for origin in [None, Some("https://evil.example"), Some("null")] {
                    let status = visit.status(row, origin).await;
                    assert_eq!(status, 403, "{} by {token:?} from {origin:?}", row.path);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_viewer_sees_no_form_that_changes_something() {
    let console = console();
    let routes = routes(&console);
    let posts = |page: &str| page.matches("method=\"post\"").count();
    for row in PAGES.iter().filter(|row| row.method == PageMethod::Get && row.role == PageRole::Staff) {
        if !matches!(row.handler, Handler::Page(_)) {
            continue;
        }
        let page = Visit { console: &console, routes: &routes, token: Some("viewer") }.page(&example_path(row)).await;
        assert_eq!(posts(&page), 1, "{}: signing out alone", row.path);
        assert!(!page.contains("/change\""), "{}", row.path);
    }
}

#[tokio::test]
async fn a_session_ends_with_its_token() {
    let console = console();
    let routes = routes(&console);
    let parts = &console.parts;
    let token = parts.access.of_text("viewer", parts.payments.clock.wall()).unwrap();
    let id = console.sessions.begin(SignedIn { token, person: None }, parts.payments.clock.running_ms()).unwrap();
    let get = async || {
        let request = Request::builder().uri("/console").header(header::COOKIE, format!("levelgate-session={id}"));
        let request = request.body(Body::empty()).unwrap();
        TowerToHyperService::new(routes.clone()).call(request).await.unwrap().status().as_u16()
    };
    assert_eq!(get().await, 200);
    let without: Vec<Credential> =
        credentials().into_iter().filter(|sent| sent.token.name.as_str() != "viewer").collect();
    parts.access.replace(&without, &Auth::default());
    assert_eq!(get().await, 303, "a reload without the token ends the session");
    parts.access.replace(&credentials(), &Auth::default());
    assert_eq!(get().await, 303, "and it stays ended");
}

#[tokio::test]
async fn a_wrong_method_is_answered_with_a_page_and_the_policy() {
    let console = console();
    let routes = routes(&console);
    for (method, path, allowed) in [
        ("POST", "/console/live", "GET,HEAD"),
        ("DELETE", "/console/m/acme", "GET,HEAD"),
        ("GET", "/console/logout", "POST"),
    ] {
        let request = Request::builder().method(method).uri(path).header(header::HOST, HOST);
        let request = request.header(header::ORIGIN, ORIGIN).body(Body::from("a=b")).unwrap();
        let response = TowerToHyperService::new(routes.clone()).call(request).await.unwrap();
        assert_eq!(response.status(), 405, "{method} {path}");
        let header = |name| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header(header::CONTENT_SECURITY_POLICY), CONTENT_POLICY);
        assert_eq!(
            (header(header::ALLOW), header(header::CONTENT_TYPE)),
            (allowed.into(), "text/html; charset=utf-8".into())
        );
    }
}

#[tokio::test]
async fn a_script_of_an_ended_session_loads_the_page_anew_and_does_not_keep_the_session() {
    let console = console();
    let routes = routes(&console);
    let request = Request::builder().uri("/console/live").header(header::HOST, HOST).header("hx-request", "true");
    let request = request.body(Body::empty()).unwrap();
    let response = TowerToHyperService::new(routes).call(request).await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["hx-refresh"].to_str().unwrap()), (204, "true"));
}
