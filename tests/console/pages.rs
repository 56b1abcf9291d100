//! The pages over HTTP: status, headers, signing in and out, files, and what the settings switch.

use crate::{agent, daemon_with, fill, folder, settings_text, token_of};
use support::daemon::Daemon;
use ureq::http::Response;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What a page answers.
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) location: String,
    pub(crate) cookie: Option<String>,
    pub(crate) text: String,
}

fn page(mut answer: Response<ureq::Body>) -> Page {
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (location, cookie, policy) = (header("location"), header("set-cookie"), header("content-security-policy"));
    assert_eq!(policy.as_deref(), Some(POLICY));
    let status = answer.status().as_u16();
    let text = answer.body_mut().read_to_string().unwrap();
    Page { status, location: location.unwrap_or_default(), cookie, text }
}

pub(crate) fn get(daemon: &Daemon, path: &str, cookie: Option<&str>) -> Page {
    let request = agent().get(format!("http://127.0.0.1:{}{path}", daemon.port()));
    let request = cookie.into_iter().fold(request, |request, cookie| request.header("cookie", cookie));
    page(request.call().unwrap())
}

pub(crate) fn post(daemon: &Daemon, path: &str, cookie: Option<&str>, form: &[(&str, &str)]) -> Page {
    let host = format!("127.0.0.1:{}", daemon.port());
    let request = agent().post(format!("http://{host}{path}")).header("origin", format!("http://{host}"));
    let request = cookie.into_iter().fold(request, |request, cookie| request.header("cookie", cookie));
    page(request.send_form(form.iter().copied()).unwrap())
}

/// The cookie of a new session.
fn sign_in(daemon: &Daemon, name: &str) -> String {
    let answer = post(daemon, "/console/login", None, &[("token", &token_of(name)), ("to", "/console/m/acme")]);
    assert_eq!((answer.status, answer.location.as_str()), (303, "../console/m/acme"), "{}", answer.text);
    let cookie = answer.cookie.unwrap();
    assert!(cookie.contains("; HttpOnly; SameSite=Strict"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

#[test]
fn staff_sign_in_with_a_token_and_the_session_ends_with_it() {
    let daemon = daemon_with("");
    fill(&daemon);
    let unsigned = get(&daemon, "/console/m/acme/customers?status=new", None);
    assert_eq!(unsigned.status, 303);
    assert_eq!(unsigned.location, "../../../console/login?to=%2Fconsole%2Fm%2Facme%2Fcustomers%3Fstatus%3Dnew");
    assert_eq!(get(&daemon, "/console/login", None).status, 200);
    let wrong = post(&daemon, "/console/login", None, &[("token", "wrong")]);
    assert!(wrong.status == 401 && wrong.text.contains("not a token of this daemon"), "{}", wrong.text);
    let gateway = post(&daemon, "/console/login", None, &[("token", &token_of("till"))]);
    assert!(gateway.status == 403 && gateway.cookie.is_none(), "{}", gateway.text);
    let (vera, olga) = (sign_in(&daemon, "vera"), sign_in(&daemon, "olga"));
    let overview = get(&daemon, "/console", Some(&vera));
    assert!(overview.status == 200 && overview.text.contains("Acme Games"), "{}", overview.text);
    let gina = sign_in(&daemon, "gina");
    assert!(!get(&daemon, "/console", Some(&gina)).text.contains("Acme Games"), "another merchant is not listed");
    let out = post(&daemon, "/console/logout", Some(&vera), &[]);
    assert!(out.status == 303 && out.cookie.unwrap().contains("Max-Age=0"));
    assert_eq!(get(&daemon, "/console", Some(&vera)).status, 303, "the session has ended in the daemon too");
    // A reload without olga's token ends her session.
    let rest = crate::TOKENS.into_iter().filter(|(name, ..)| *name != "olga").collect::<Vec<_>>();
    daemon.folder.write("levelgate.toml", &settings_text(&daemon.folder, &rest, ""));
    daemon.signal("HUP");
    support::process::eventually("the session of olga has ended", || {
        get(&daemon, "/console", Some(&olga)).status == 303
    });
}

#[test]
fn pages_are_not_kept_and_files_are_kept_by_their_hash() {
    let daemon = daemon_with("[console]\nsecure_cookie = true\n");
    let answer = post(&daemon, "/console/login", None, &[("token", &token_of("vera"))]);
    assert!(answer.cookie.unwrap().ends_with("; Secure"));
    let login = get(&daemon, "/console/login", None);
    let (_, rest) = login.text.split_once("rel=\"stylesheet\" href=\"../console/").expect("a stylesheet");
    let style = rest.split('"').next().unwrap();
    let url = |path: &str| format!("http://127.0.0.1:{}/console/{path}", daemon.port());
    let kept = agent().get(url(style)).call().unwrap();
    assert_eq!(kept.headers()["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(kept.headers()["content-type"], "text/css; charset=utf-8");
    assert_eq!(agent().get(url("login")).call().unwrap().headers()["cache-control"], "no-store");
    assert_eq!(agent().get(url("assets/style-0000.css")).call().unwrap().status(), 404);
}

#[test]
fn without_tokens_only_this_machine_sees_the_console_and_it_can_be_switched_off() {
    let daemon = Daemon::start(folder());
    let open = get(&daemon, "/console", None);
    assert!(open.status == 200 && open.text.contains("this machine"), "{}", open.text);
    let send = |name: &str, value: &str| {
        let url = format!("http://127.0.0.1:{}/console", daemon.port());
        page(agent().get(url).header(name, value).call().unwrap()).status
    };
    assert_eq!(send("host", "evil.example"), 403, "a name that leads to this machine");
    assert_eq!(send("sec-fetch-site", "cross-site"), 403, "a page of another site");
    let folder = folder();
    folder.write("levelgate.toml", &(support::daemon::Settings::SYSTEM.text() + "\n[console]\nenabled = false\n"));
    let daemon = Daemon::start(folder);
    assert_eq!(daemon.get("/console").status, 404);
}
