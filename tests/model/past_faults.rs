//! Small inputs that went wrong once: each folder of `../shared/faults` is replayed, and its answers are compared with
//! what its README says. `LEVELGATE_FAULTS` names another folder; where there is none, nothing is tested.

use serde_json::Value;
use std::{fs, path::Path};
use support::{environment::shared_faults, process::program};

/// A file of operations, and of each operation that the README names the transaction and the answer as [`summary`]
/// writes it.
struct Fault {
    folder: &'static str,
    file: &'static str,
    answers: &'static [(&'static str, &'static str)],
}

const FAULTS: &[Fault] = &[
    Fault {
        folder: "cancels",
        file: "ops.ndjson",
        answers: &[
            ("a", "allow reserved"),
            ("a", "reserved amount=100.00 held=40.00 released=60.00"),
            ("a", "approved amount=40.00 released=60.00"),
            ("b", "deny denied 19000"),
            ("a", "approved amount=40.00 released=60.00 refunded=40.00"),
            ("p", "allow reserved"),
            ("p", "approved amount=70.00 held=30.00"),
            ("p", "approved amount=90.00 held=10.00"),
            ("p", "approved amount=90.00 released=10.00"),
            ("p", "approved amount=90.00 released=10.00 refunded=90.00"),
            ("q", "allow reserved"),
            ("q", "reserved amount=100.00 held=60.00 released=40.00"),
            ("q", "approved amount=60.00 released=40.00"),
        ],
    },
    Fault {
        folder: "chargeback",
        file: "ops.ndjson",
        answers: &[
            ("a", "allow reserved"),
            ("a", "approved amount=100.00"),
            ("a", "approved amount=100.00 charged_back=100.00"),
            ("a", "422 more_than_left"),
            ("b", "deny denied 19000"),
        ],
    },
    Fault {
        folder: "late-outcome",
        file: "ops.ndjson",
        answers: &[
            ("t1", "allow reserved"),
            ("t1", "allow approved late"),
            ("k1", "deny checked 19000"),
            ("t1", "approved amount=80.00 late"),
            ("k2", "deny checked 19000"),
            ("t2", "allow reserved"),
            ("t2", "cancelled amount=80.00 released=80.00"),
            ("t2", "allow approved over_limit conflict"),
            ("k3", "deny checked 19000"),
        ],
    },
    Fault {
        folder: "phones",
        file: "ops.ndjson",
        answers: &[
            ("t1", "allow reserved"),
            ("t2", "deny denied 19000"),
            ("t3", "deny denied 19000"),
            ("t4", "deny denied 19000"),
        ],
    },
    Fault {
        folder: "method-gates",
        file: "ops.ndjson",
        answers: &[("t1", "deny checked 19101"), ("t2", "deny checked 19101 19105")],
    },
    Fault { folder: "nuuk", file: "ops.ndjson", answers: &[("t1", "allow approved"), ("k", "allow checked")] },
    Fault {
        folder: "nuuk",
        file: "warm.ndjson",
        answers: &[("t1", "allow approved"), ("k0", "deny checked 19005"), ("k", "allow checked")],
    },
];

fn replay(folder: &Path, file: &str) -> Vec<Value> {
    let mut command = program();
    let command = command.arg("replay").arg("--config").arg(folder.join("config")).arg(folder.join(file));
    let ran = command.output().expect("levelgate starts");
    assert!(ran.status.success(), "{}: {}", folder.display(), String::from_utf8_lossy(&ran.stderr));
    let answers = String::from_utf8(ran.stdout).unwrap();
    answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// An answer in one line: of a decision the verdict, the status, the codes and the flags; of a transition the status,
/// the quantities that are not zero and the flags; of a problem the HTTP status and the code.
fn summary(answer: &Value) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut add = |value: &Value| match value {
        Value::String(text) => words.push(text.clone()),
        Value::Number(number) => words.push(number.to_string()),
        _ => {}
    };
    if answer["title"].is_string() {
        add(&answer["status"]);
        add(&answer["code"]);
        return words.join(" ");
    }
    add(&answer["decision"]);
    add(&answer["status"]);
    for code in answer["codes"].as_array().into_iter().flatten() {
        add(&code["code"]);
    }
    for name in ["amount", "held", "cancelled", "released", "refunded", "charged_back"] {
        let quantity = answer[name].as_str().filter(|text| text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)));
        if let Some(quantity) = quantity {
            add(&Value::from(format!("{name}={quantity}")));
        }
    }
    answer["flags"].as_array().into_iter().flatten().for_each(add);
    words.join(" ")
}

#[test]
fn past_faults_stay_fixed() {
    let Some(faults) = shared_faults() else {
        eprintln!("there is no folder of small inputs: nothing is replayed");
        return;
    };
    let mut wrong = Vec::new();
    for Fault { folder, file, answers } in FAULTS {
        let at = faults.join(folder);
        let sent = fs::read_to_string(at.join(file)).unwrap();
        let ids: Vec<String> = sent
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["transaction_id"].as_str().unwrap().to_owned())
            .collect();
        let got = replay(&at, file);
        assert_eq!(got.len(), ids.len(), "{folder}/{file}: one answer for each line");
        let mut got = ids.iter().zip(got.iter().map(summary));
        for (id, want) in *answers {
            // The lines of one transaction are named in their order; lines that the README does not name are passed over.
            match got.find(|(sent, _)| sent == id) {
                Some((_, got)) if got == *want => {}
                other => wrong.push(format!("{folder}/{file}: {id} is to be {want:?} and is {other:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
