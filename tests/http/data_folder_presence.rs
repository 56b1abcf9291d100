//! The data folder's files vanish under a running daemon, or a second daemon wants them.

use std::fs;
use std::path::Path;

use support::daemon::{ConfigFolder, Daemon, Settings, run};
use support::fixtures::{gold, pay};
use support::process::eventually;

fn daemon(sync: &str) -> Daemon {
    let store = format!("kind = \"disk\"\npath = \"data\"\nsync = \"{sync}\"");
    let settings = Settings { store: Box::leak(store.into_boxed_str()), ..Settings::SYSTEM };
    Daemon::start(ConfigFolder::new(&settings, &[("acme", gold("window = \"daily\"; amount_limit = \"50.00\""))]))
}

type FolderDamage = fn(&Path);

fn newest(data: &Path) -> std::path::PathBuf {
    let paths = fs::read_dir(data.join("journal")).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "log")).max().expect("a segment")
}

/// A change of the folder, and the path that the daemon must name.
const SPOILS: [(FolderDamage, &str); 4] = [
    (|data| fs::remove_dir_all(data).unwrap(), "/data "),
    (|data| fs::rename(data, data.with_extension("old")).unwrap(), "/data "),
    (|data| fs::remove_file(newest(data)).unwrap(), "/data/journal/"),
    (
        |data| {
            let bytes = fs::read(data.join("keys")).unwrap();
            fs::remove_file(data.join("keys")).unwrap();
            fs::write(data.join("keys"), bytes).unwrap();
        },
        "/data/keys ",
    ),
];

#[test]
fn daemon_stops_and_names_its_missing_files() {
    for (n, (spoil, named)) in SPOILS.into_iter().enumerate() {
        // Also where nothing is ever synced, and without any traffic.
        let sync = ["never", "interval", "always"][n % 3];
        let mut daemon = daemon(sync);
        daemon.reserve(&pay("kept", "1.00")).ok();
        spoil(&daemon.folder.path().join("data"));
        if sync == "always" {
            // The very next one is not acknowledged.
            assert_eq!(daemon.reserve(&pay("lost", "1.00")).problem(503)["code"], "outcome_unknown");
        }
        assert_ne!(daemon.wait().code(), Some(0), "{named}");
        let log = daemon.log();
        assert!(log.contains(named) && log.contains("start again"), "{named}:\n{log}");
    }
}

#[test]
fn second_daemon_is_refused_without_the_lock_file() {
    let daemon = daemon("interval");
    daemon.reserve(&pay("first", "1.00")).ok();
    let lock = daemon.folder.path().join("data").join("lock");
    for replaced in [false, true] {
        fs::remove_file(&lock).unwrap();
        if replaced {
            fs::write(&lock, "").unwrap();
        }
        let config = daemon.folder.path().to_str().expect("a path").to_owned();
        let second = run(&daemon.folder, &["serve", "--config", &config]);
        assert_eq!(second.code, Some(1), "{}", second.text);
        assert!(second.text.contains("is held by ") && second.text.contains("two daemons"), "{}", second.text);
        if !replaced {
            assert!(!lock.exists(), "the second one has made nothing");
            fs::write(&lock, "1\n").unwrap();
        }
    }
    eventually("the first one goes on", || daemon.reserve(&pay("second", "1.00")).status == 200);
}
