//! An archive that loses files, bytes or its index: nothing old becomes new without a word.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::archive::{a_month_later, transactions_in_memory};
use support::daemon::{Daemon, run};
use support::fixtures::{DAY, pay, tick, when, with};
use support::process::{Ended, eventually};
use support::random::Random;

const ACCEPT: &str = "--accept-lost-archive";

fn data(daemon: &Daemon) -> PathBuf {
    daemon.folder.path().join("data")
}

fn segments(daemon: &Daemon) -> Vec<PathBuf> {
    let listed = fs::read_dir(data(daemon).join("archive")).expect("an archive");
    let mut paths: Vec<PathBuf> = listed.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "log"));
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

fn stop(daemon: &mut Daemon) {
    daemon.signal("TERM");
    assert!(daemon.wait().success(), "{}", daemon.log());
}

/// A stopped daemon whose old payments are in the archive, listed by a snapshot.
fn stopped() -> Daemon {
    let mut daemon = a_month_later();
    assert!(transactions_in_memory(&daemon) < 40, "most have left memory: {}", transactions_in_memory(&daemon));
    daemon.post_nothing("/v1/snapshot").ok();
    stop(&mut daemon);
    daemon
}

fn refused(daemon: &Daemon) -> Ended {
    let ended = run(&daemon.folder, &["serve", "--config", "."]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    ended
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        let to = to.join(entry.file_name().expect("a name"));
        if entry.is_dir() { copy(&entry, &to) } else { _ = fs::copy(&entry, &to).expect("a copy") }
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("a file");
    bytes[at] ^= 0x40;
    fs::write(path, bytes).expect("a file");
}

/// What became of each of the eighty ids: replayed, or refused as lost or not readable; new ones are counted.
fn repeated(daemon: &Daemon) -> (usize, usize, usize) {
    let (mut replayed, mut refused, mut new) = (0, 0, 0);
    for n in 0..80_i64 {
        let again = daemon.reserve(&with(pay(&format!("t{n}"), "10.00"), &when(n * 1_000)));
        match again.status {
            200 if again.is_replay() => replayed += 1,
            // A new one would be placed too far back.
            200 | 422 => new += 1,
            410 => {
                assert_eq!(again.problem(410)["code"], "record_lost");
                assert_eq!(daemon.fetch(&format!("t{n}")).problem(410)["code"], "record_lost");
                let step = daemon.step(&format!("t{n}"), "approve", &json!({ "amount": "1.00", "capture_id": "x" }));
                assert_eq!(step.problem(410)["code"], "record_lost");
                refused += 1;
            }
            503 => refused += 1,
            other => panic!("t{n}: {other}: {again:?}"),
        }
    }
    (replayed, refused, new)
}

/// A kind of damage, the files to be named, and the function that does it.
type Damage<'a> = (&'a str, Vec<usize>, Box<dyn Fn() + 'a>);

#[test]
fn lost_archive_segments_are_named_by_serve_and_inspect() {
    let daemon = stopped();
    let files = segments(&daemon);
    assert!(files.len() >= 3, "{files:?}");
    let (whole, aside) = (data(&daemon), daemon.folder.scratch_path("whole"));
    copy(&whole, &aside);
    let middle = files.len() / 2;
    let cut = |path: &Path, by: usize| {
        let bytes = fs::read(path).expect("a segment");
        fs::write(path, &bytes[..bytes.len() - by]).expect("a segment");
    };
    let damages: Vec<Damage<'_>> = vec![
        ("the folder", (0..files.len()).collect(), Box::new(|| fs::remove_dir_all(whole.join("archive")).unwrap())),
        ("the first", vec![0], Box::new(|| fs::remove_file(&files[0]).unwrap())),
        ("one in the middle", vec![middle], Box::new(|| fs::remove_file(&files[middle]).unwrap())),
        ("the last", vec![files.len() - 1], Box::new(|| fs::remove_file(files.last().unwrap()).unwrap())),
        ("a byte of the first", vec![0], Box::new(|| cut(&files[0], 1))),
        ("half of one in the middle", vec![middle], Box::new(|| cut(&files[middle], 2_000))),
        ("all bytes of one", vec![1], Box::new(|| fs::write(&files[1], b"").unwrap())),
        (
            "a byte more than it had",
            vec![1],
            Box::new(|| {
                let bytes = fs::read(&files[1]).unwrap();
                fs::write(&files[1], [&bytes[..], b"x"].concat()).unwrap();
            }),
        ),
        (
            "all but the index",
            (0..files.len()).collect(),
            Box::new(|| {
                files.iter().for_each(|file| fs::remove_file(file).unwrap());
            }),
        ),
    ];
    for (what, named, damage) in damages {
        damage();
        let refused = refused(&daemon);
        let looked = run(&daemon.folder, &["inspect", "data"]);
        assert_eq!(looked.code, Some(1), "{what}: {looked:?}");
        for text in [&refused.text, &looked.text] {
            assert!(text.contains("--accept-lost-archive") && text.contains("from a backup"), "{what}: {text}");
            for file in &named {
                assert!(text.contains(&name(&files[*file])), "{what}: {} is not named: {text}", name(&files[*file]));
            }
        }
        copy(&aside, &whole);
    }
    assert_eq!(run(&daemon.folder, &["inspect", "data"]).code, Some(0));
}

#[test]
fn accepted_loss_stays_visible_and_its_ids_stay_taken() {
    for missing in [vec![0, 1], vec![2], vec![0, 1, 2, 3]] {
        let mut daemon = stopped();
        let files = segments(&daemon);
        let missing: Vec<usize> = missing.into_iter().filter(|n| *n < files.len()).collect();
        missing.iter().for_each(|n| fs::remove_file(&files[*n]).unwrap());
        refused(&daemon);
        daemon.folder.arguments = vec![ACCEPT];
        daemon.kill_and_start();
        assert!(daemon.log().contains(&name(&files[missing[0]])), "{}", daemon.log());
        daemon.folder.arguments.clear();
        for round in 0..3 {
            daemon.reserve(&tick(30 * DAY + 1_000 * round)).ok();
            let status = daemon.get("/v1/status").ok();
            let shown = status["archive"]["lost"].as_array().expect("a list").clone();
            assert_eq!(shown.len(), 1, "round {round}: {status}");
            assert!(shown[0]["first_record"].as_u64() <= shown[0]["last_record"].as_u64(), "{shown:?}");
            let (replayed, refused, new) = repeated(&daemon);
            assert!(new == 0 && refused > 0 && replayed > 0, "round {round}: {replayed}, {refused}, {new}");
            // A list omits lost transactions.
            let page = daemon.get("/v1/merchants/acme/transactions?customer_id=1000001&limit=1000").ok();
            assert_eq!(page["transactions"].as_array().expect("a list").len(), replayed, "round {round}: {page}");
            daemon.get("/v1/merchants/acme/customers/1000001/history").ok();
            let feed = daemon.get("/v1/events?after=0&limit=10");
            assert!(matches!(feed.status, 200 | 410), "{feed:?}");
            if round == 0 {
                // A snapshot holds from here on what was accepted.
                daemon.post_nothing("/v1/snapshot").ok();
                daemon.post_nothing("/v1/snapshot").ok();
            }
            stop(&mut daemon);
            let looked = run(&daemon.folder, &["inspect", "data"]);
            assert!(looked.code == Some(0) && looked.text.contains("was accepted"), "{looked:?}");
            daemon.kill_and_start();
        }
    }
}

#[test]
fn a_flipped_byte_in_a_segment_is_found_by_the_check_and_by_inspect_and_refused_where_it_is_read() {
    let mut daemon = stopped();
    let file = segments(&daemon)[0].clone();
    // The first record of a payment.
    let at = fs::read(&file).expect("a segment").windows(2).position(|two| two == b"t0").expect("an id");
    flip(&file, at);
    let looked = run(&daemon.folder, &["inspect", "data"]);
    assert!(looked.code == Some(1) && looked.text.contains(&name(&file)), "{looked:?}");
    daemon.kill_and_start();
    daemon.reserve(&tick(30 * DAY)).ok();
    eventually("the check names the file", || {
        let status = daemon.get("/v1/status").ok();
        status["archive"]["damaged"]
            .as_array()
            .is_some_and(|all| all.iter().any(|d| d.to_string().contains(&name(&file))))
    });
    assert!(daemon.log().contains("a check of the archive failed"), "{}", daemon.log());
    assert_eq!(daemon.get("/readyz").status, 200);
    let (replayed, refused, new) = repeated(&daemon);
    assert!(new == 0 && refused > 0 && replayed > 70, "{replayed}, {refused}, {new}");
    // An index that has to be built again needs the segment.
    stop(&mut daemon);
    fs::remove_file(data(&daemon).join("archive/index.redb")).expect("removed");
    let ended = run(&daemon.folder, &["serve", "--config", "."]);
    assert!(ended.code == Some(1) && ended.text.contains(ACCEPT) && ended.text.contains(&name(&file)), "{ended:?}");
    daemon.folder.arguments = vec![ACCEPT];
    daemon.kill_and_start();
    daemon.reserve(&tick(30 * DAY)).ok();
    let lost = daemon.get("/v1/status").ok()["archive"]["lost"].clone();
    assert_eq!(lost.as_array().expect("a list").len(), 1);
    let audit = daemon.get("/v1/merchants/acme/audit?kind=archive").ok()["audit"].clone();
    assert_eq!(audit.as_array().map(Vec::len), Some(1), "{audit}");
    let change = &audit[0]["changes"][0];
    assert_eq!(
        (&audit[0]["kind"], &change["field"], &change["old"]),
        (&json!("archive"), &json!("archive"), &json!(null))
    );
    let records = &change["new"]["lost_records"];
    assert!(records["first"].as_u64() <= records["last"].as_u64() && records["first"].is_u64(), "{audit}");
    // The readable part of the segment is known.
    let (replayed, ..) = repeated(&daemon);
    assert!(replayed > 70, "{replayed}");
}

#[test]
fn damaged_archive_index_never_frees_an_old_id() {
    let mut daemon = stopped();
    let index = data(&daemon).join("archive/index.redb");
    let whole = fs::read(&index).expect("an index");
    let mut spoilt: Vec<Vec<u8>> =
        vec![Vec::new(), whole[..whole.len() / 2].to_vec(), vec![0; whole.len()], vec![7; 9_999]];
    for n in 1..8 {
        let mut bytes = whole.clone();
        // Many at once: a stretch of each page.
        bytes.chunks_mut(4096).filter_map(|page| page.get_mut(n * 16 + 3)).for_each(|byte| *byte ^= 0x10);
        spoilt.push(bytes);
    }
    for (n, bytes) in spoilt.into_iter().enumerate() {
        fs::write(&index, bytes).expect("written");
        daemon.kill_and_start();
        daemon.reserve(&tick(30 * DAY)).ok();
        let (_, _, new) = repeated(&daemon);
        assert_eq!(new, 0, "index {n}: {}", daemon.log());
        // It is built again by itself.
        eventually("every id is known again", || repeated(&daemon) == (80, 0, 0));
        stop(&mut daemon);
    }
}

/// The damage first shows when the start adds the segments that were sealed after the index was written.
#[test]
fn damaged_archive_index_that_a_start_extends_is_rebuilt() {
    let mut daemon = stopped();
    let index = data(&daemon).join("archive/index.redb");
    let whole = fs::read(&index).expect("an index");
    daemon.kill_and_start();
    for n in 0..120 {
        daemon.reserve(&with(pay(&format!("late{n}"), "0.01"), &when(30 * DAY + n))).ok();
    }
    for seed in 0..16 {
        let mut random = Random::seeded(seed);
        let mut bytes = whole.clone();
        for _ in 0..[1, 4, 16, 64][usize::try_from(seed % 4).expect("a small number")] {
            let at = random.between(0, bytes.len() - 1);
            bytes[at] ^= 1 << random.between(0, 7);
        }
        daemon.signal("KILL");
        daemon.wait();
        fs::write(&index, bytes).expect("written");
        daemon.kill_and_start();
        let (_, _, new) = repeated(&daemon);
        assert_eq!(new, 0, "seed {seed}: {}", daemon.log());
        eventually("every id is known again", || repeated(&daemon) == (80, 0, 0));
    }
}
