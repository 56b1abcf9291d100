//! An import of past payments that is killed again and again: each run continues where the one before was, and the folder is
//! the same as after a run that nothing interrupted.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use crate::daemon::{Daemon, inspect, run};
use crate::folders::{Settings, TestFolders};
use support::process::{Process, eventually, program};
use support::random::Random;

const ROWS: i64 = 6_000;

/// Payments of ten years at both merchants, in no order.
fn history(random: &mut Random) -> String {
    let now = Timestamp::now();
    let mut rows: Vec<String> = (0..ROWS)
        .map(|n| {
            let (merchant, customer) = match random.percent(50) {
                true => ("acme", format!("c{}", random.place(40))),
                false => ("globex", (1_000_100 + random.place(40)).to_string()),
            };
            let at = now - SignedDuration::from_millis(random.between(60_000_i64, 3_650 * 86_400_000));
            let outcome = random.word(&["approved", "declined", "cancelled", "refunded", "reserved"]);
            let direction = random.word(&["deposit", "withdrawal"]);
            let amount = random.between(1, 900);
            format!("{merchant},t{n},{customer},{direction},EUR,{amount}.50,gold,{at:.3},{outcome},web\n")
        })
        .collect();
    random.shuffle(&mut rows);
    let mut table = String::from("merchant,id,customer,direction,currency,amount,level,time,outcome,project\n");
    rows.iter().for_each(|row| _ = write!(table, "{row}"));
    table
}

/// The bytes of the segments of a data folder.
fn journal_bytes(data: &Path) -> u64 {
    let of = |name: &str| fs::read_dir(data.join(name)).into_iter().flatten().filter_map(Result::ok);
    let bytes = |entry: fs::DirEntry| entry.metadata().map_or(0, |file| file.len());
    of("journal").chain(of("archive")).map(bytes).sum()
}

fn arguments<'a>(command: &'a str, config: &'a str, data: &'a str) -> Vec<&'a str> {
    vec![command, "--transactions", "--config", config, "--data", data]
}

#[test]
fn killed_import_of_past_payments_continues() {
    let mut random = Random::seeded(support::environment::number("LEVELGATE_SEED", 1));
    let folders = TestFolders::new(&Settings { segment_bytes: 32_768, ..Settings::BUSY });
    let path = |name: &str| folders.scratch_path(name).display().to_string();
    let (config, data, whole, file) = (path("config"), path("data"), path("whole"), path("history.csv"));
    fs::write(&file, history(&mut random)).expect("a file");
    let import =
        |data: &str| ["import", "--transactions", &file, "--config", &config, "--data", data].map(str::to_owned);
    let done = run(&import(&whole).each_ref().map(String::as_str));
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.text.contains(&format!("{ROWS} payments were imported, 0 were there already")), "{done:?}");
    let length = journal_bytes(&folders.scratch_path("whole"));

    let mut kills = 0;
    for round in 1..=8 {
        let mut command = program();
        command.args(import(&data));
        let mut process = Process::spawn(command);
        let enough = length * round / 10 + random.between(0, length / 10);
        // On a busy disk the whole may take longer than the patience with each step.
        let mut imported = 0;
        while imported < enough {
            eventually("the import goes on", || journal_bytes(&folders.data()) > imported);
            imported = journal_bytes(&folders.data());
        }
        process.kill();
        // The mark of an unfinished import is the first thing that is written after the check.
        if !folders.data().join("import").exists() {
            continue;
        }
        kills += 1;
        let refused = Daemon::refused(&folders);
        assert!(refused.code == Some(1) && refused.text.contains("is not finished"), "{refused:?}");
    }
    assert!(kills > 4, "{kills} kills met an unfinished import");
    let ended = run(&import(&data).each_ref().map(String::as_str));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.text.contains(" 0 were there already"), "{ended:?}");
    let looked = inspect(&folders.data());
    assert_eq!(looked.code, Some(0), "{looked:?}");
    let exported = |data: &str| {
        let out = run(&arguments("export", &config, data));
        assert_eq!(out.code, Some(0), "{out:?}");
        out.text
    };
    let text = exported(&data);
    assert_eq!(
        text.lines().filter(|line| line.contains(",gold,") || line.contains(",unknown,")).count(),
        usize::try_from(ROWS).unwrap()
    );
    assert_eq!(text, exported(&whole), "as after an import without an interruption");
    drop(Daemon::start(&folders));
}
