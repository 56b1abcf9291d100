//! One verdict of a folder: what `serve` refuses, `inspect` reports, and what `inspect` calls whole, `serve` takes.

use std::fs;
use std::path::Path;

use crate::daemon::{Daemon, inspect, run};
use crate::folders::{Settings, TestFolders, files, names};
use crate::worker::Worker;

const SMALL: Settings = Settings { segment_bytes: 4_096, sync: "always", ..Settings::CALM };

fn stop(mut daemon: Daemon) {
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
}

/// A folder with two snapshots, archived segments and later records, of a stopped daemon.
fn filled() -> TestFolders {
    let (folders, mut worker) = (TestFolders::new(&SMALL), Worker::new("w", 7, 20));
    let daemon = Daemon::start(&folders);
    for _ in 0..2 {
        worker.send(&mut daemon.client(), 120);
        daemon.client().call("POST", "/v1/snapshot", "").expect("an answer").ok();
    }
    worker.send(&mut daemon.client(), 40);
    stop(daemon);
    folders
}

fn restore(data: &Path, kept: &std::collections::BTreeMap<String, Vec<u8>>) {
    fs::remove_dir_all(data).expect("removed");
    for (name, bytes) in kept {
        let path = data.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("a file");
    bytes[at] ^= 0x40;
    fs::write(path, bytes).expect("a file");
}

fn cut(path: &Path, left: usize) {
    let bytes = fs::read(path).expect("a file");
    fs::write(path, &bytes[..left.min(bytes.len())]).expect("a file");
}

type Damage<'a> = (&'a str, bool, Box<dyn Fn(&Path) + 'a>);

#[test]
fn serve_and_inspect_agree_on_every_damage() {
    let (folders, other) = (filled(), filled());
    let (data, kept, foreign) = (folders.data(), files(&folders.data()), files(&other.data()));
    let last =
        |folder: &str| format!("{folder}/{}", names(&folders.data().join(folder), ".log").pop().expect("a segment"));
    let (archived, newest) = (names(&data.join("archive"), ".log"), last("journal"));
    assert!(archived.len() > 2 && names(&data.join("snapshots"), ".snap").len() == 2);
    let size = |name: &str| kept[name].len();
    let foreign = |name: &'static str| {
        let bytes = foreign[name].clone();
        move |data: &Path| fs::write(data.join(name), &bytes).expect("a file")
    };
    // The damage, and whether a start is refused.
    let damages: Vec<Damage<'_>> = vec![
        ("nothing", false, Box::new(|_| {})),
        ("keys missing", true, Box::new(|data| fs::remove_file(data.join("keys")).unwrap())),
        ("keys truncated", true, Box::new(|data| cut(&data.join("keys"), size("keys") / 128 * 64))),
        ("keys without an entry", true, Box::new(|data| cut(&data.join("keys"), 64))),
        ("keys empty", true, Box::new(|data| cut(&data.join("keys"), 0))),
        ("keys flipped", true, Box::new(|data| flip(&data.join("keys"), 20))),
        ("keys foreign", true, Box::new(foreign("keys"))),
        ("instance missing", true, Box::new(|data| fs::remove_file(data.join("instance")).unwrap())),
        ("instance flipped", true, Box::new(|data| flip(&data.join("instance"), 20))),
        ("instance foreign", true, Box::new(foreign("instance"))),
        ("mark missing", false, Box::new(|data| fs::remove_file(data.join("synced")).unwrap())),
        ("mark empty", true, Box::new(|data| cut(&data.join("synced"), 0))),
        ("mark foreign", true, Box::new(foreign("synced"))),
        ("one slot of the mark flipped", false, Box::new(|data| flip(&data.join("synced"), 20))),
        ("archive missing", true, Box::new(|data| fs::remove_dir_all(data.join("archive")).unwrap())),
        ("segment missing", true, Box::new(|data| fs::remove_file(data.join("archive").join(&archived[1])).unwrap())),
        ("archived segment cut", true, Box::new(|data| cut(&data.join("archive").join(&archived[1]), 3_000))),
        ("archived segment flipped", false, Box::new(|data| flip(&data.join("archive").join(&archived[1]), 900))),
        ("head of an archived segment", true, Box::new(|data| flip(&data.join("archive").join(&archived[0]), 20))),
        ("journal missing", true, Box::new(|data| fs::remove_dir_all(data.join("journal")).unwrap())),
        ("last segment missing", true, Box::new(|data| fs::remove_file(data.join(&newest)).unwrap())),
        ("last segment cut", true, Box::new(|data| cut(&data.join(&newest), size(&newest) - 1))),
        ("last segment flipped", true, Box::new(|data| flip(&data.join(&newest), size(&newest) - 8))),
        ("snapshots missing", false, Box::new(|data| fs::remove_dir_all(data.join("snapshots")).unwrap())),
        ("index missing", false, Box::new(|data| fs::remove_file(data.join("archive/index.redb")).unwrap())),
    ];
    for (what, is_refused, damage) in damages {
        damage(&data);
        // Looking changes nothing, so that the start finds what was looked at.
        let before = files(&data);
        let looked = inspect(&data);
        assert!(before == files(&data), "{what}: inspect has changed the folder");
        let mut daemon = Daemon::launch(&folders);
        let refused = if is_refused {
            assert_eq!(daemon.wait().code(), Some(1), "{what}: {}\n{looked:?}", daemon.log());
            true
        } else {
            daemon.wait_until_ready();
            false
        };
        assert!(!refused || looked.code == Some(1), "{what}: serve refuses, and inspect says {looked:?}");
        let says_whole = looked.text.contains("nothing is damaged");
        assert_eq!(says_whole, looked.code == Some(0), "{what}: {looked:?}");
        assert!(!(says_whole && refused), "{what}");
        if refused {
            let log_text = daemon.log();
            let cause =
                log_text.lines().rev().find_map(|line| line.split_once(": ").map(|(_, cause)| cause)).unwrap_or("");
            let named = cause.split(": ").last().unwrap_or("");
            assert!(looked.text.contains(named), "{what}: {named:?} is not in {looked:?}");
        }
        daemon.kill();
        drop(daemon);
        restore(&data, &kept);
    }
}

/// Every command between back-quotes in the program's own words is one that it has, with the options that it names.
#[test]
fn every_command_that_a_message_names_exists() {
    let mut sources = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut commands = std::collections::BTreeSet::new();
    while let Some(path) = sources.pop() {
        if path.is_dir() {
            sources.extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
            continue;
        }
        if path.extension().is_some_and(|extension| extension == "png") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source");
        let text: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        // A string that goes on in the next line leaves out what that begins with.
        let text = text.join("\n");
        let mut joined = String::new();
        for piece in text.split("\\\n") {
            joined.push_str(if joined.is_empty() { piece } else { piece.trim_start() });
        }
        for quoted in joined.split('`').skip(1).step_by(2).filter(|quoted| quoted.starts_with("levelgate ")) {
            commands.insert(quoted.to_owned());
        }
        for quoted in joined.split('`').skip(2).step_by(2).filter(|quoted| quoted.starts_with("levelgate ")) {
            commands.insert(quoted.to_owned());
        }
    }
    let named = ["levelgate inspect DATA_FOLDER", "levelgate serve --accept-lost-archive", "levelgate backup --keys"];
    named.iter().for_each(|named| assert!(commands.contains(*named), "{named} is not among {commands:?}"));
    for command in commands {
        let mut words = command.split_whitespace().skip(1);
        let word = words.next().expect("a command");
        // `redis` has commands of its own.
        let below = if word == "redis" { words.next() } else { None };
        let help = run(&[&[word][..], below.as_slice(), &["--help"]].concat());
        assert_eq!(help.code, Some(0), "`{command}`: {help:?}");
        for option in words.filter(|word| word.starts_with("--")) {
            assert!(help.text.contains(option), "`{command}`: {option} is no option of it");
        }
    }
}
