//! `levelgate doctor`.

use support::daemon::{ConfigFolder, Daemon, Settings, run};
use support::fixtures::{CRM, acme};
use support::process::Ended;

const DISK: Settings = Settings { store: "kind = \"disk\"\npath = \"data\"", ..Settings::SYSTEM };

fn doctor(folder: &ConfigFolder) -> Ended {
    run(folder, &["doctor", "--config", folder.path().to_str().unwrap()])
}

/// The verdict on a topic, and the text.
fn verdict(ended: &Ended, topic: &str) -> (String, String) {
    let line = ended.text.lines().find(|line| line.get(9..).is_some_and(|rest| rest.starts_with(topic)));
    let line = line.unwrap_or_else(|| panic!("nothing about {topic}:\n{}", ended.text));
    (line[..8].trim().to_owned(), line[9..].to_owned())
}

#[test]
fn a_fresh_folder_and_a_served_one_are_well_and_stay_as_they_are() {
    let folder = ConfigFolder::new(&DISK, &[("acme", acme(CRM, &[]))]);
    folder.write("levelgate.toml", &DISK.text().replace("[store]\n", "[store]\nmin_free_bytes = 1\n"));
    let fresh = doctor(&folder);
    assert_eq!(fresh.code, Some(0), "{}", fresh.text);
    assert!(verdict(&fresh, "folder").1.contains("the first start creates it"), "{}", fresh.text);
    assert!(!folder.path().join("data").exists(), "nothing is created");
    for topic in ["configuration", "clock", "open files", "backlog", "processors", "redis"] {
        assert_ne!(verdict(&fresh, topic).0, "error", "{}", fresh.text);
    }
    assert!(verdict(&fresh, "disk").1.contains("fdatasync takes"), "{}", fresh.text);
    let daemon = Daemon::start(folder);
    let served = doctor(&daemon.folder);
    assert_eq!(served.code, Some(0), "{}", served.text);
    assert_eq!(verdict(&served, "folder").0, "ok", "{}", served.text);
}

#[test]
fn what_keeps_a_daemon_from_its_work_is_an_error() {
    let folder = ConfigFolder::new(&DISK, &[("acme", acme(CRM, &[]))]);
    folder.write("redis.key", &"k".repeat(32));
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(folder.path().join("redis.key"), private).unwrap();
    let settings = |on_outage: &str| {
        format!(
            "{}[redis]\nurl = \"redis://127.0.0.1:1\"\nkey_file = \"redis.key\"\non_outage = \"{on_outage}\"\n",
            DISK.text()
        )
    };
    for (on_outage, expected) in [("refuse", "error"), ("continue", "warning")] {
        folder.write("levelgate.toml", &settings(on_outage));
        let ended = doctor(&folder);
        let (found, text) = verdict(&ended, "redis");
        assert_eq!(found, expected, "{}", ended.text);
        assert!(text.contains(on_outage), "{text}");
        assert_eq!(ended.code, Some(i32::from(on_outage == "refuse")), "{}", ended.text);
    }
    folder.write("levelgate.toml", &DISK.text());
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/keys"), b"left alone").unwrap();
    let ended = doctor(&folder);
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    assert!(verdict(&ended, "folder").1.contains("do not belong together"), "{}", ended.text);
    folder.write("merchants/acme.toml", "id = ");
    let ended = doctor(&folder);
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    assert!(verdict(&ended, "configuration").1.contains("1 error;"), "{}", ended.text);
    folder.remove("levelgate.toml");
    folder.write("merchants/acme.toml", &acme(CRM, &[]));
    assert!(verdict(&doctor(&folder), "configuration").1.contains("no levelgate.toml"));
}
