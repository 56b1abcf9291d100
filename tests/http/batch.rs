//! The stream of operations: one answer a line in the same order, bad lines among good ones, and no end needed before
//! the first answer comes.

use std::fmt::Write as _;
use std::io::BufRead;
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};

use support::answer::{Answer, assert_problem};
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{HOUR, at, gold, pay, tick, with};
use support::process::PATIENCE;
use support::raw_http;

const BATCH: &str = "/v1/batch";

/// Sends lines as they are.
fn send(daemon: &Daemon, text: &str) -> Answer {
    raw_http::post_streamed(daemon.port(), BATCH, text.as_bytes().to_vec())
}

/// The answers, one JSON document on each line.
#[track_caller]
fn lines(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "a batch is answered line by line: {}", answer.body);
    assert!(answer.header("content-type").unwrap_or_default().contains("ndjson"), "{:?}", answer.headers);
    assert!(answer.body.is_empty() || answer.body.ends_with('\n'), "the last line is ended too: {:?}", answer.body);
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("no JSON ({e}): {line:?}"));
    answer.body.lines().map(parse).collect()
}

/// One line of a batch: an operation of `acme` with the members of the single call.
fn op(operation: &str, members: &Value) -> String {
    let mut line = with(json!({ "op": operation, "merchant": "acme" }), members).to_string();
    line.push('\n');
    line
}

#[test]
fn every_operation_is_answered_on_its_line_as_the_single_call_answers() {
    let daemon = Daemon::timed(gold("window = \"daily\"; amount_limit = \"1000.00\"; quantity_limit = 9"));
    let of = |id: &str, members: Value| with(json!({ "transaction_id": id }), &members);
    let text = [
        op("reserve", &with(pay("t1", "100.00"), &json!({ "at": at(0) }))),
        op("check", &pay("t2", "50.00")),
        op("payment", &pay("t3", "10.00")),
        op("payment", &with(pay("t4", "10.00"), &json!({ "outcome": "declined" }))),
        op("payment", &pay("t5", "1000.00")),
        op("attempt", &of("t1", json!({ "attempt": 1, "gate": "gate-a", "outcome": "declined" }))),
        op("extend", &of("t1", json!({ "until": at(7_200_000) }))),
        op("approve", &of("t1", json!({ "amount": "80.00", "gate": "gate-b" }))),
        op("cancel", &of("t1", json!({ "cancel_id": "x1", "amount": "30.00" }))),
        op("refund", &of("t1", json!({ "refund_id": "r1", "amount": "20.00" }))),
        op("chargeback", &of("t1", json!({ "chargeback_id": "b1", "amount": "5.00" }))),
        op("reserve", &pay("t6", "1.00")),
        op("decline", &of("t6", json!({}))),
        op("reserve", &pay("t1", "100.00")),
    ]
    .concat();
    let answers = lines(&send(&daemon, &text));
    let expected = [
        ("t1", "reserved", "allow"),
        ("t2", "checked", "allow"),
        ("t3", "approved", "allow"),
        ("t4", "declined", "allow"),
        ("t5", "denied", "deny"),
        ("t1", "reserved", ""),
        ("t1", "reserved", ""),
        ("t1", "approved", ""),
        ("t1", "approved", ""),
        ("t1", "approved", ""),
        ("t1", "approved", ""),
        ("t6", "reserved", "allow"),
        ("t6", "declined", ""),
        ("t1", "approved", "allow"),
    ];
    assert_eq!(answers.len(), expected.len());
    for (answer, (id, status, decision)) in answers.iter().zip(expected) {
        let found = |member: &str| answer[member].as_str().unwrap_or_default();
        assert_eq!((found("transaction_id"), found("status"), found("decision")), (id, status, decision), "{answer}");
    }
    assert_eq!(answers[0]["remaining"], json!({"amount": "900.00", "quantity": 8, "currency": "EUR"}));
    assert_eq!(answers[0]["server_time"], at(0), "`at` is the operation's time");
    assert_eq!(answers[2]["remaining"]["amount"], "890.00");
    assert_eq!(answers[9]["refunded"], "20.00");
    // The single calls see what the batch did.
    assert!(daemon.reserve(&pay("t1", "100.00")).is_replay());
    assert_eq!(daemon.fetch("t3").ok()["status"], "approved");
    assert_eq!(daemon.step("t4", "cancel", &json!({})).problem(422)["status"], 422);
}

#[test]
fn a_payment_on_an_id_that_is_reserved_applies_its_outcome_once() {
    let daemon = Daemon::timed(gold("window = \"daily\"; amount_limit = \"100.00\""));
    daemon.reserve(&tick(0)).ok();
    daemon.reserve(&pay("t1", "40.00")).ok();
    let declined = with(pay("t1", "40.00"), &json!({ "outcome": "declined" }));
    let text = op("payment", &pay("t1", "40.00")) + &op("payment", &pay("t1", "40.00")) + &op("payment", &declined);
    for answer in lines(&send(&daemon, &text)) {
        assert_eq!(answer["status"], "approved", "{answer}");
        assert_eq!(answer["remaining"]["amount"], "60.00", "{answer}");
    }
}

#[test]
fn a_payment_on_an_id_whose_hold_is_over_applies_its_outcome_as_a_fact() {
    let cancel = json!({ "cancel_id": "x1", "amount": "15.00" });
    type Step = Option<(&'static str, Value)>;
    let rows: [(_, Step, i64, _, _, &[&str]); 8] = [
        ("reserved", None, 0, "approved", "60.00", &[]),
        ("expired", None, 2 * HOUR, "approved", "60.00", &["late"]),
        ("cancelled", Some(("cancel", json!({}))), 0, "approved", "60.00", &["over_limit", "conflict"]),
        ("partly cancelled", Some(("cancel", cancel.clone())), 0, "approved", "60.00", &["over_limit"]),
        ("partly cancelled, expired", Some(("cancel", cancel)), 2 * HOUR, "approved", "60.00", &["over_limit", "late"]),
        ("declined", Some(("decline", json!({}))), 0, "declined", "100.00", &[]),
        ("approved", Some(("approve", json!({ "amount": "30.00" }))), 0, "approved", "70.00", &[]),
        (
            "attempted",
            Some(("attempts", json!({ "attempt": 1, "gate": "gate-a", "outcome": "declined" }))),
            0,
            "approved",
            "60.00",
            &[],
        ),
    ];
    for (name, step, moment, status, left, flags) in rows {
        let daemon = Daemon::timed(gold("window = \"daily\"; amount_limit = \"100.00\""));
        daemon.reserve(&tick(0)).ok();
        daemon.reserve(&pay("t1", "40.00")).ok();
        if let Some((operation, body)) = step {
            daemon.step("t1", operation, &body).ok();
        }
        daemon.reserve(&tick(moment)).ok();
        let answer = &lines(&send(&daemon, &op("payment", &pay("t1", "40.00"))))[0];
        assert_eq!(
            (&answer["status"], &answer["remaining"]["amount"]),
            (&json!(status), &json!(left)),
            "{name}: {answer}"
        );
        let mut flags_given: Vec<&str> =
            answer["flags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut flags = flags.to_vec();
        flags_given.sort_unstable();
        flags.sort_unstable();
        assert_eq!(flags_given, flags, "{name}: {answer}");
        let again =
            &lines(&send(&daemon, &op("payment", &with(pay("t1", "40.00"), &json!({ "outcome": "declined" })))))[0];
        assert_eq!(
            (&again["status"], &again["replay"]),
            (&json!(status), &json!(true)),
            "{name}, once it is known: {again}"
        );
    }
    // A decline ends the reservation in any state.
    for (step, moment) in [(None, 0), (None, 2 * HOUR), (Some("cancel"), 0)] {
        let daemon = Daemon::timed(gold("window = \"daily\"; amount_limit = \"100.00\""));
        daemon.reserve(&tick(0)).ok();
        daemon.reserve(&pay("t1", "40.00")).ok();
        step.iter().for_each(|step| drop(daemon.step("t1", step, &json!({})).ok()));
        daemon.reserve(&tick(moment)).ok();
        let declined = with(pay("t1", "40.00"), &json!({ "outcome": "declined" }));
        let answer = &lines(&send(&daemon, &op("payment", &declined)))[0];
        assert_eq!(
            (&answer["status"], &answer["remaining"]["amount"]),
            (&json!("declined"), &json!("100.00")),
            "{answer}"
        );
    }
    // A denial stays one.
    let daemon = Daemon::timed(gold("window = \"daily\"; amount_limit = \"100.00\""));
    daemon.reserve(&tick(0)).ok();
    daemon.reserve(&pay("t1", "100.01")).ok();
    let answer = &lines(&send(&daemon, &op("payment", &pay("t1", "100.01"))))[0];
    assert_eq!((&answer["status"], &answer["replay"]), (&json!("denied"), &json!(true)), "{answer}");
}

#[test]
fn repeated_line_is_marked_as_a_replay() {
    let daemon = Daemon::timed(gold("window = \"daily\"; amount_limit = \"1000.00\""));
    let of = |members: Value| with(json!({ "transaction_id": "t1" }), &members);
    let recorded = [
        op("reserve", &with(pay("t1", "100.00"), &json!({ "at": at(0) }))),
        op("payment", &pay("t2", "10.00")),
        op("payment", &pay("t3", "5000.00")),
        op("attempt", &of(json!({ "attempt": 1, "gate": "gate-a", "outcome": "declined" }))),
        op("extend", &of(json!({ "until": at(7_200_000) }))),
        op("approve", &of(json!({ "amount": "80.00", "final": false }))),
        op("cancel", &of(json!({ "cancel_id": "x1", "amount": "5.00", "of": "reservation" }))),
        op("refund", &of(json!({ "refund_id": "r1", "amount": "20.00" }))),
        op("chargeback", &of(json!({ "chargeback_id": "b1", "amount": "5.00" }))),
        op("decline", &of(json!({}))),
    ];
    let questions = [op("check", &pay("t1", "100.00"))];
    let text = [&recorded[..], &questions].concat().concat();
    for (answer, line) in lines(&send(&daemon, &text)).iter().zip(text.lines()) {
        assert!(answer.get("replay").is_none() && answer.get("title").is_none(), "{line}\n{answer}");
    }
    for (number, (answer, line)) in lines(&send(&daemon, &text)).iter().zip(text.lines()).enumerate() {
        let is_recorded = number < recorded.len();
        assert_eq!(answer.get("replay"), is_recorded.then_some(&json!(true)), "{line}\n{answer}");
    }
    // A single call says it in its header alone.
    let answer = daemon.reserve(&pay("t1", "100.00"));
    assert!(answer.is_replay() && answer.ok().get("replay").is_none(), "{answer:?}");
    let answer = daemon.step("t1", "decline", &json!({}));
    assert!(answer.is_replay() && answer.ok().get("replay").is_none(), "{answer:?}");
}

#[test]
fn bad_lines_are_answered_with_their_problem_and_the_stream_goes_on() {
    let settings = Settings { body_bytes_max: 1024, ..Settings::SYSTEM };
    let acme = gold("window = \"daily\"; quantity_limit = 100");
    let daemon = Daemon::start(ConfigFolder::new(&settings, &[("acme", acme)]));
    let missing = json!({ "transaction_id": "nobody" });
    let oversized = with(pay("big", "1.00"), &json!({ "payment_method": "x".repeat(5000) }));
    let bad: Vec<(String, &[u16])> = vec![
        ("{\n".into(), &[400]),
        ("not json at all\n".into(), &[400]),
        ("[]\n".into(), &[400]),
        ("{}\n".into(), &[400]),
        ("null\n".into(), &[400]),
        (op("steal", &pay("bad", "1.00")), &[400]),
        (op("reserve", &with(pay("bad", "1.00"), &json!({ "amuont": "1.00" }))), &[400]),
        (op("reserve", &pay("bad", "1e3")), &[400]),
        (op("reserve", &with(pay("bad", "1.00"), &json!({ "merchant": "nowhere" }))), &[404]),
        (op("reserve", &with(pay("bad", "1.00"), &json!({ "merchant": null }))), &[400, 404, 422]),
        (op("reserve", &with(pay("bad", "1.00"), &json!({ "currency": "SEK" }))), &[422]),
        (op("reserve", &with(pay("bad", "1.00"), &json!({ "at": at(0).replace("2026", "2006") }))), &[422]),
        (op("reserve", &with(pay("bad", "1.00"), &json!({ "at": "noon" }))), &[400]),
        (op("reserve", &with(pay("good-0", "2.00"), &json!({}))), &[409]),
        (op("cancel", &missing), &[404]),
        (op("approve", &missing), &[404]),
        (op("cancel", &with(missing.clone(), &json!({ "amount": "1.00" }))), &[400, 404]),
        (op("reserve", &oversized), &[413]),
        (format!("{{\"op\": {}}}\n", "[".repeat(400)), &[400]),
    ];
    let mut text = op("reserve", &pay("good-0", "1.00"));
    for (number, (line, _)) in bad.iter().enumerate() {
        text += line;
        text += &op("reserve", &pay(&format!("good-{}", number + 1), "1.00"));
    }
    let answers = lines(&send(&daemon, &text));
    assert_eq!(answers.len(), 2 * bad.len() + 1);
    for (number, (line, statuses)) in bad.iter().enumerate() {
        let good = &answers[2 * number];
        assert_eq!((&good["transaction_id"], &good["decision"]), (&json!(format!("good-{number}")), &json!("allow")));
        let problem = &answers[2 * number + 1];
        let status = problem["status"].as_u64().and_then(|s| u16::try_from(s).ok()).unwrap_or_default();
        assert!(statuses.contains(&status), "{line} is one of {statuses:?}: {problem}");
        assert_problem(problem, status);
    }
    let last = answers.last().expect("the last answer");
    assert_eq!(last["remaining"]["quantity"], 100 - bad.len() - 1, "good lines alone count: {last}");
    daemon.fetch("bad").problem(404);
}

#[test]
fn a_line_of_bytes_that_are_no_text_is_refused_by_itself() {
    let daemon = Daemon::live(gold("window = \"daily\"; quantity_limit = 9"));
    let mut bytes = op("reserve", &pay("t1", "1.00")).into_bytes();
    bytes.extend_from_slice(b"{\"op\": \"reserve\", \"merchant\": \"\xff\"}\n");
    bytes.extend_from_slice(op("reserve", &pay("t2", "1.00")).as_bytes());
    let answers = lines(&raw_http::post_streamed(daemon.port(), BATCH, bytes));
    assert_eq!(answers.len(), 3);
    assert_problem(&answers[1], 400);
    assert_eq!(answers[2]["remaining"]["quantity"], 7);
}

#[test]
fn line_ends_may_be_crlf_missing_at_the_end_or_doubled_there() {
    let daemon = Daemon::live(gold("window = \"daily\"; quantity_limit = 100"));
    let line = |id: &str| op("reserve", &pay(id, "1.00")).trim_end().to_owned();
    let rows = [
        format!("{}\r\n{}\r\n", line("a1"), line("a2")),
        format!("{}\n{}", line("b1"), line("b2")),
        format!("{}\n{}\n\n", line("c1"), line("c2")),
        format!("{}\r\n{}\r\n\r\n", line("d1"), line("d2")),
    ];
    for text in rows {
        let answers = lines(&send(&daemon, &text));
        let decisions: Vec<&Value> = answers.iter().map(|a| &a["decision"]).collect();
        assert_eq!(decisions, ["allow", "allow"], "{text:?}");
    }
    assert_eq!(lines(&send(&daemon, "")), Vec::<Value>::new(), "nothing asked, nothing answered");
}

#[test]
fn an_outsized_line_is_refused_without_being_held_and_the_next_is_answered() {
    let daemon = Daemon::live(gold("window = \"daily\"; quantity_limit = 9"));
    let mut text = op("reserve", &pay("t1", "1.00"));
    text += &"y".repeat(3 << 20);
    text.push('\n');
    text += &op("reserve", &pay("t2", "1.00"));
    let answers = lines(&send(&daemon, &text));
    assert_eq!(answers.len(), 3, "one line, one answer");
    assert_problem(&answers[1], 413);
    assert_eq!(answers[2]["transaction_id"], "t2");
}

#[test]
fn twenty_thousand_lines_are_answered_while_they_are_still_being_sent() {
    const HALF: usize = 10_000;
    let daemon = Daemon::live(gold("window = \"daily\"; quantity_limit = 1000000"));
    let (mut upload, mut reading) = raw_http::stream(daemon.port(), BATCH);
    let (go_on, gate) = mpsc::channel::<()>();
    // Lines are cut wherever a chunk ends, which is no concern of theirs.
    let writer = thread::spawn(move || {
        for half in 0..2 {
            let mut text = String::new();
            for number in half * HALF..(half + 1) * HALF {
                let name = format!("customer-{}", number % 100);
                let members = json!({ "merchant_customer_identifier": name });
                let _ = write!(text, "{}", op("reserve", &with(pay(&format!("t{number}"), "1.00"), &members)));
            }
            text.as_bytes().chunks(7_777).for_each(|piece| upload.send(piece));
            if half == 0 {
                gate.recv_timeout(PATIENCE).expect("answers to the first half come before the second is sent");
            }
        }
        upload.end();
    });
    let (status, headers) = reading.head();
    assert_eq!(status, 200);
    let mut body = reading.body(&headers);
    let mut line = String::new();
    for number in 0..2 * HALF {
        line.clear();
        body.read_line(&mut line).expect("an answer");
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("answer {number} ({e}): {line:?}"));
        assert_eq!(answer["transaction_id"], format!("t{number}"), "answers keep the order");
        assert_eq!(answer["remaining"]["quantity"], 1_000_000 - 1 - number / 100, "{answer}");
        if number == HALF / 2 {
            go_on.send(()).expect("the writer waits");
        }
    }
    line.clear();
    assert_eq!(body.read_line(&mut line).expect("the end"), 0, "no answer too many: {line}");
    writer.join().expect("all lines are sent");
}

#[test]
fn disconnected_client_keeps_its_sent_lines() {
    let daemon = Daemon::live(gold("window = \"daily\"; quantity_limit = 9"));
    let (mut upload, mut reading) = raw_http::stream(daemon.port(), BATCH);
    upload.send(op("reserve", &pay("t1", "1.00")).as_bytes());
    let (_, headers) = reading.head();
    let mut line = String::new();
    reading.body(&headers).read_line(&mut line).expect("the first answer");
    assert!(line.contains("\"allow\""), "{line}");
    let whole = op("reserve", &pay("t2", "1.00"));
    upload.send(&whole.as_bytes()[..whole.len() / 2]);
    upload.abandon();
    assert_eq!(daemon.fetch("t1").ok()["status"], "reserved");
    daemon.fetch("t2").problem(404);
    assert_eq!(daemon.reserve(&pay("t3", "1.00")).ok()["remaining"]["quantity"], 7);
}
