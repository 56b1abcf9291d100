//! People whom a proxy names, and writes that need two people, with the real daemon.

use crate::{agent, api, fill, folder, pages::post, settings_text, token_of};
use serde_json::Value;
use support::daemon::Daemon;

/// Two operators, a viewer and a gateway.
const STAFF: [(&str, &str, &[&str]); 4] =
    [("olga", "operator", &[]), ("petra", "operator", &[]), ("vera", "viewer", &[]), ("till", "gateway", &[])];

/// A daemon with these tokens, payments, and lines of `[console]`.
pub(crate) fn daemon_of_two(lines: &str) -> Daemon {
    let folder = folder();
    folder.write("levelgate.toml", &settings_text(&folder, &STAFF, &format!("[console]\n{lines}")));
    let daemon = Daemon::start(folder);
    fill(&daemon);
    daemon
}

/// The cookie of a new session.
fn cookie(daemon: &Daemon, name: &str) -> String {
    let answer = post(daemon, "/console/login", None, &[("token", &token_of(name))]);
    assert_eq!(answer.status, 303, "{}", answer.text);
    answer.cookie.expect("a cookie").split(';').next().expect("a pair").to_owned()
}

const CHANGE: &str = "/console/m/acme/customers/1000001/change";

/// The form that gives the customer another level, as the preview sends it.
fn silver(daemon: &Daemon) -> [(&'static str, String); 5] {
    let customer = api(daemon, "vera", "GET", "customers/1000001", &Value::Null);
    let at = |member: &str| customer[member].as_str().unwrap_or_default().to_owned();
    [
        ("deposit_level", "silver".to_owned()),
        ("withdrawal_level", at("withdrawal_level")),
        ("status", at("status")),
        ("step", "confirm".to_owned()),
        ("modified_at", at("modified_at")),
    ]
}

/// Another level that olga asks for: the id of the change that waits.
pub(crate) fn pending_change(daemon: &Daemon) -> String {
    let form = silver(daemon);
    let form = form.each_ref().map(|(key, value)| (*key, value.as_str()));
    let answer = post(daemon, CHANGE, Some(&cookie(daemon, "olga")), &form);
    let (_, rest) = answer.location.split_once("/confirmations/").unwrap_or_else(|| panic!("{}", answer.text));
    rest.split('?').next().expect("an id").to_owned()
}

#[test]
fn a_second_person_confirms_and_a_restart_drops_what_waits() {
    let mut daemon = daemon_of_two("four_eyes = [\"raise_limit\"]\n");
    let level = |daemon: &Daemon| {
        let customer = api(daemon, "vera", "GET", "customers/1000001", &Value::Null);
        customer["deposit_level"].as_str().unwrap_or_default().to_owned()
    };
    let confirm = |daemon: &Daemon, id: &str| {
        let (path, petra) = (format!("/console/m/acme/confirmations/{id}"), cookie(daemon, "petra"));
        let page = crate::pages::get(daemon, &path, Some(&petra));
        let seen = page.text.split_once("name=\"seen\" value=\"").map(|(_, rest)| rest.split('"').next().unwrap_or(""));
        post(daemon, &path, Some(&petra), &[("step", "confirm"), ("seen", seen.unwrap_or("none"))])
    };
    let id = pending_change(&daemon);
    daemon.kill_and_start();
    fill(&daemon);
    assert_eq!(confirm(&daemon, &id).status, 404, "it waited in memory");
    let id = pending_change(&daemon);
    assert_eq!(level(&daemon), "gold");
    let made = confirm(&daemon, &id);
    assert_eq!(made.status, 303, "{}", made.text);
    assert_eq!(level(&daemon), "silver");
    let history = api(&daemon, "vera", "GET", "customers/1000001/history", &Value::Null).to_string();
    assert!(history.contains("\"olga, petra\""), "{history}");
}

#[test]
fn a_proxy_on_this_machine_names_the_person_who_acts() {
    let daemon = daemon_of_two("user_header = \"X-Forwarded-User\"\ntrusted_proxies = [\"127.0.0.1\"]\n");
    let host = format!("127.0.0.1:{}", daemon.port());
    let send = |user: Option<&str>, form: Option<&[(&str, String)]>| {
        let url = format!("http://{host}{CHANGE}");
        let bearer = format!("Bearer {}", token_of("olga"));
        let headers = [("authorization", bearer), ("origin", format!("http://{host}"))];
        let headers = headers.into_iter().chain(user.map(|user| ("x-forwarded-user", user.to_owned())));
        let answer = match form {
            None => headers.fold(agent().get(url), |request, (key, value)| request.header(key, value)).call(),
            Some(form) => headers
                .fold(agent().post(url), |request, (key, value)| request.header(key, value))
                .send_form(form.iter().map(|(key, value)| (*key, value.as_str()))),
        };
        answer.expect("an answer").status().as_u16()
    };
    assert_eq!(send(None, None), 403);
    assert_eq!(send(Some("ann, ben"), None), 400);
    assert_eq!(send(Some("ann"), None), 200);
    assert_eq!(send(Some("ann"), Some(&silver(&daemon))), 303);
    let history = api(&daemon, "vera", "GET", "customers/1000001/history", &Value::Null).to_string();
    assert!(history.contains("\"ann (olga)\""), "{history}");
    assert!(daemon.log().contains("it names no person in [console] user_header"), "{}", daemon.log());
}
