//! The log as JSON, its level at run time, and the ids of requests.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;

use support::answer::Answer;
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, acme, pay};
use support::process::eventually;
use support::raw_http::{self, AnswerReader};

fn folder(log: &str) -> ConfigFolder {
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[]))]);
    folder.write("levelgate.toml", &format!("{}{log}", Settings::SYSTEM.text()));
    folder
}

fn lines(daemon: &Daemon) -> Vec<Value> {
    let log = daemon.log();
    let line = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    log.lines().map(line).collect()
}

#[test]
fn the_log_is_json_by_option_or_by_configuration_and_the_option_wins() {
    let mut by_option = folder("[log]\nformat = \"text\"\n");
    by_option.arguments = vec!["--log-format", "json"];
    for folder in [by_option, folder("[log]\nformat = \"json\"\n")] {
        let daemon = Daemon::start(folder);
        let lines = lines(&daemon);
        let listening =
            lines.iter().find(|line| line["message"].as_str().is_some_and(|m| m.starts_with("listening on")));
        let listening = listening.unwrap_or_else(|| panic!("{lines:?}"));
        assert_eq!(listening["level"], "INFO");
        assert!(listening["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "{listening}");
    }
}

#[test]
fn a_reload_changes_the_level_and_takes_it_back() {
    let daemon = Daemon::start(folder(""));
    let refused = |id: &str| {
        request(&daemon, "GET", "/v1/merchants/nowhere", Some(id), "");
        daemon.log().contains(&format!("the request {id} to"))
    };
    let reload = |log: &str| {
        daemon.folder.write("levelgate.toml", &format!("{}{log}", Settings::SYSTEM.text()));
        daemon.post_nothing("/v1/reload").ok()
    };
    assert!(!refused("quiet-1"), "{}", daemon.log());
    let report = reload("[log]\nlevel = \"debug\"\n");
    assert!(report.to_string().contains("[log] level not set -> debug"), "{report}");
    assert!(report["restart_needed"].as_array().is_some_and(Vec::is_empty), "{report}");
    eventually("the log has the request", || refused("loud-2"));
    reload("");
    assert!(!refused("quiet-3"), "{}", daemon.log());
    let report = reload("[log]\nformat = \"json\"\n");
    assert_eq!(report["restart_needed"], json!(["[log] format"]), "{report}");
}

fn request(daemon: &Daemon, method: &str, path: &str, id: Option<&str>, body: &str) -> Answer {
    let mut stream = raw_http::connect(daemon.port());
    let id = id.map(|id| format!("x-request-id: {id}\r\n")).unwrap_or_default();
    let head = raw_http::head(method, path, body.len()).replace("\r\n\r\n", &format!("\r\n{id}\r\n"));
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    AnswerReader::new(stream).answer()
}

/// The id that the daemon has made for a request.
fn made_id(answer: &Answer) -> String {
    let made = answer.header("x-request-id").unwrap_or_else(|| panic!("{answer:?}"));
    assert!(made.len() == 16 && made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{answer:?}");
    made.to_owned()
}

#[test]
fn an_answer_and_its_problem_document_have_the_id_of_the_request_or_a_new_one() {
    let daemon = Daemon::start(folder("[log]\nlevel = \"debug\"\n"));
    let payment = pay("t1", "1.00").to_string();
    let line = format!("{{\"op\":\"reserve\",\"merchant\":\"acme\",{}\n", &pay("t1", "1.00").to_string()[1..]);
    let mut made = BTreeSet::new();
    for (method, path, body) in [
        ("GET", "/healthz", ""),
        ("POST", "/v1/merchants/acme/transactions", payment.as_str()),
        ("GET", "/v1/merchants/acme/transactions/t1", ""),
        ("POST", "/v1/batch", line.as_str()),
        ("GET", "/docs", ""),
        ("GET", "/console", ""),
    ] {
        let answer = request(&daemon, method, path, Some("caller-7"), body);
        assert_eq!((answer.status, answer.header("x-request-id")), (200, Some("caller-7")), "{path}: {answer:?}");
        for id in [None, Some("two words"), Some("")] {
            assert!(made.insert(made_id(&request(&daemon, method, path, id, body))), "{path}");
        }
    }
    for (method, path) in [
        ("GET", "/v1/merchants/nowhere"),
        ("GET", "/nowhere"),
        ("DELETE", "/healthz"),
        ("POST", "/v1/merchants/acme/transactions"),
    ] {
        let answer = request(&daemon, method, path, Some("caller-8"), "");
        assert!(answer.status >= 400, "{path}: {answer:?}");
        assert_eq!(answer.header("x-request-id"), Some("caller-8"), "{path}: {answer:?}");
        assert_eq!(answer.json()["request_id"], "caller-8", "{path}: {answer:?}");
        for id in [None, Some("two words"), Some("")] {
            let answer = request(&daemon, method, path, id, "");
            let id = made_id(&answer);
            assert_eq!(answer.json()["request_id"], id, "{path}: {answer:?}");
            eventually("the log names it", || daemon.log().contains(&format!("the request {id} to")));
            assert!(made.insert(id), "{path}");
        }
    }
}

#[test]
fn a_connection_that_is_refused_before_its_request_is_known_gets_an_id() {
    let daemon = Daemon::start(folder(""));
    let mut stream = raw_http::connect(daemon.port());
    stream.write_all(format!("GET / HTTP/1.1\r\nx: {}", "x".repeat(40_000)).as_bytes()).unwrap();
    let answer = AnswerReader::new(stream).answer();
    assert_eq!((answer.status, answer.json()["request_id"].as_str()), (431, Some(made_id(&answer).as_str())));
}
