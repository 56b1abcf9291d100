//! Broken configuration folders: `check`, a start and a reload refuse the same ones, and none loses a merchant, a token
//! or a limit silently.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use support::answer::Answer;
use support::daemon::{ConfigFolder, Daemon, Settings, run};
use support::fixtures::{CRM, acme, gold, level, pay, with};
use support::process::{Ended, eventually};

const DISK: Settings = Settings { store: "kind = \"disk\"\npath = \"data\"", ..Settings::SYSTEM };

fn world() -> String {
    gold("window = \"daily\"; amount_limit = \"100.00\"; for_all_merchant_currencies = true")
}

/// A folder with two merchants, and a daemon that has served one payment of `acme`.
fn daemon() -> Daemon {
    let other = acme(CRM, &[]).replace("id = \"acme\"", "id = \"zenith\"");
    let folder = ConfigFolder::new(&DISK, &[("acme", world()), ("zenith", other)]);
    let daemon = Daemon::start(folder);
    daemon.reserve(&pay("t1", "10.00")).ok();
    daemon
}

fn check(folder: &ConfigFolder, arguments: &[&str]) -> Ended {
    run(folder, &[&["check", "."], arguments].concat())
}

fn serve(folder: &ConfigFolder) -> Ended {
    run(folder, &["serve", "--config", "."])
}

fn reload(daemon: &Daemon) -> Answer {
    daemon.post_nothing("/v1/reload")
}

type Damage = fn(&Path);

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).expect("a file is written");
}

fn remove(folder: &Path, name: &str) {
    fs::remove_file(folder.join(name)).expect("a file is removed");
}

/// Appends to `levelgate.toml`.
fn configure(folder: &Path, text: &str) {
    let file = folder.join("levelgate.toml");
    let old = fs::read_to_string(&file).expect("the settings");
    fs::write(file, format!("{old}\n{text}\n")).expect("the settings are written");
}

/// Each damage of a folder, and words of the refusal.
const DAMAGES: [(Damage, &str); 22] = [
    (|at| remove(at, "levelgate.toml"), "the file is missing: every setting would have its default"),
    (|at| symlink("nowhere.toml", at.join("merchants/new.toml")).unwrap(), "a symbolic link that leads to no file"),
    (|at| fs::create_dir(at.join("merchants/new.toml")).unwrap(), "it is a folder, a pipe or a device"),
    (
        |at| {
            remove(at, "rates.toml");
            symlink("nowhere", at.join("rates.toml")).unwrap();
        },
        "a symbolic link that leads to no file",
    ),
    (
        |at| {
            remove(at, "levelgate.toml");
            symlink("nowhere", at.join("levelgate.toml")).unwrap();
        },
        "a symbolic link that leads to no file",
    ),
    (
        |at| {
            fs::rename(at.join("merchants"), at.join("aside")).unwrap();
            symlink("nowhere", at.join("merchants")).unwrap();
        },
        "a symbolic link that leads to no folder",
    ),
    (|at| fs::rename(at.join("merchants"), at.join("aside")).unwrap(), "there are no merchants, and there were 2"),
    (
        |at| {
            fs::rename(at.join("merchants"), at.join("aside")).unwrap();
            fs::create_dir(at.join("merchants")).unwrap();
        },
        "there are no merchants, and there were 2",
    ),
    (|at| remove(at, "merchants/acme.toml"), "merchant `acme` has customers or transactions and is in no file"),
    (
        |at| write(at, "merchants/acme.toml", "id = \"acme\"\nname = \"Acme\"\nremoved = true\n"),
        "a file with `removed = true` contains only `id`",
    ),
    (|at| write(at, "merchants/acme.toml", ""), "`id` is missing"),
    (
        |at| write(at, "merchants/acme.toml", world().split("[[levels]]").next().unwrap()),
        "its file has no level any more",
    ),
    (
        |at| write(at, "merchants/acme.toml", world().split("[[levels.filters]]").next().unwrap()),
        "its file has no filter any more",
    ),
    (|at| write(at, "merchants/acme.toml", "id = \"acme\"\nlevels = []\n"), "its file has no project any more"),
    (|at| remove(at, "rates.toml"), "there are no rates any more, and filters of acme"),
    (|at| write(at, "rates.toml", ""), "there are no rates any more, and filters of acme"),
    (|at| configure(at, "[currencies]\nEUR = 3"), "[currencies] EUR: its minor units cannot change"),
    (|at| configure(at, "[redis]\nurl = \"redis://127.0.0.1\""), "`key_file` is missing in [redis]"),
    (
        |at| configure(at, "[admin]\nlisten = \"0.0.0.0:0\""),
        "can be reached from other machines, and no tokens are configured",
    ),
    (
        |at| configure(at, "[auth]\ntokens = [{ role = \"viewer\", token_file = \"absent.token\" }]"),
        "the token file absent.token cannot be read",
    ),
    (
        |at| {
            let text = fs::read_to_string(at.join("levelgate.toml")).unwrap();
            let text = text.replace("[http]\n", "[http]\nunix_socket = \"rates.toml\"\n");
            write(at, "levelgate.toml", &text);
        },
        "exists and is no socket",
    ),
    (
        |at| {
            let text = fs::read_to_string(at.join("levelgate.toml")).unwrap();
            let text = text.replace("[http]\n", "[http]\ntls = { certificate = \"a\", key = \"b\" }\n");
            write(at, "levelgate.toml", &text);
        },
        "the key b cannot be read",
    ),
];

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn check_a_start_and_a_reload_refuse_the_same_broken_folders() {
    let mut daemon = daemon();
    let saved = tempfile::tempdir().unwrap();
    let path = daemon.folder.path().to_owned();
    let restore = |names: &[&str]| {
        for name in names {
            let at = path.join(name);
            let _ = fs::remove_file(&at);
            let _ = fs::remove_dir_all(&at);
        }
        copy(saved.path(), &path);
    };
    let broken = ["merchants", "aside", "rates.toml", "levelgate.toml"];
    for name in ["levelgate.toml", "rates.toml"] {
        fs::copy(path.join(name), saved.path().join(name)).unwrap();
    }
    copy(&path.join("merchants"), &saved.path().join("merchants"));
    let version = daemon.get("/v1/status").ok()["config"]["version"].clone();
    for (damage, words) in DAMAGES {
        damage(&path);
        let refused = reload(&daemon).problem(422);
        assert!(refused["problems"].to_string().contains(&words.replace('"', "\\\"")), "{words}: {refused}");
        assert_eq!(daemon.get("/v1/status").ok()["config"]["version"], version, "{words}: nothing has changed");
        restore(&broken);
    }
    reload(&daemon).ok();
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
    for (damage, words) in DAMAGES {
        damage(&path);
        for ended in [check(&daemon.folder, &[]), check(&daemon.folder, &["--strict"]), serve(&daemon.folder)] {
            assert_eq!(ended.code, Some(1), "{words}: {}", ended.text);
            assert!(ended.text.contains(words), "{words}: {}", ended.text);
        }
        restore(&broken);
    }
    let valid = check(&daemon.folder, &["--data", "data"]);
    assert_eq!(valid.code, Some(0), "{}", valid.text);
    daemon.kill_and_start();
    assert_eq!(daemon.fetch("t1").ok()["status"], "reserved");
}

#[test]
fn what_the_files_state_may_go() {
    let mut daemon = daemon();
    for text in [
        world().replacen("name = ", "levels = []\nname = ", 1).split("[[levels]]").next().unwrap().to_owned(),
        world(),
        acme(CRM, &[level("gold", "filters = []")]),
        "id = \"acme\"\nlevels = []\nprojects = []\n".to_owned(),
        "id = \"acme\"\nremoved = true\n".to_owned(),
    ] {
        daemon.folder.write("merchants/acme.toml", &text);
        reload(&daemon).ok();
        assert_eq!(check(&daemon.folder, &[]).code, Some(0), "{text}");
        daemon.kill_and_start();
    }
    daemon.reserve(&pay("t2", "10.00")).problem(404);
    assert_eq!(daemon.step("t1", "approve", &serde_json::json!({})).ok()["status"], "approved");
    // The file must stay: without it the merchant would be lost.
    daemon.folder.remove("merchants/acme.toml");
    reload(&daemon).problem(422);
}

#[test]
fn a_merchant_without_state_may_go_and_is_listed() {
    let daemon = daemon();
    daemon.folder.remove("merchants/zenith.toml");
    let answer = reload(&daemon).ok();
    let removed = answer["removed"].to_string();
    assert!(removed.contains("zenith: merchant removed"), "{answer}");
    daemon.get("/v1/merchants/zenith").problem(404);
}

#[test]
fn tokens_that_vanish_do_not_open_the_daemon_at_a_start() {
    let folder = ConfigFolder::new(&DISK, &[("acme", world())]);
    folder.write("viewer.token", "viewer-secret-0123456789");
    let open = DISK.text().replace("path = \"data\"", "");
    let auth = "[auth]\ntokens = [{ role = \"viewer\", token_file = \"viewer.token\" }]\n";
    // The default path is the same folder, which a missing file needs.
    folder.write("levelgate.toml", &format!("{open}{auth}"));
    let mut daemon = Daemon::start(folder);
    // A reload may take the tokens away. The folder still remembers that there were some.
    daemon.folder.write("levelgate.toml", &open);
    daemon.signal("HUP");
    eventually("the tokens are gone", || daemon.log().contains("the configuration was reloaded"));
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
    let folder = &daemon.folder;
    folder.remove("levelgate.toml");
    for ended in [check(folder, &[]), serve(folder)] {
        assert_eq!(ended.code, Some(1), "{}", ended.text);
        assert!(
            ended.text.contains("the file is missing, and the configuration before it had 1 token"),
            "{}",
            ended.text
        );
        assert!(ended.text.contains("`tokens = []` under [auth]"), "the remedy is named: {}", ended.text);
    }
    folder.write("levelgate.toml", &open);
    for ended in [check(folder, &[]), serve(folder)] {
        assert_eq!(ended.code, Some(1), "{}", ended.text);
        assert!(
            ended.text.contains("no tokens are configured, and the configuration before had 1 token"),
            "{}",
            ended.text
        );
    }
    folder.write("levelgate.toml", &format!("{open}[auth]\ntokens = []\n"));
    assert_eq!(check(folder, &[]).code, Some(0));
    daemon.kill_and_start();
    // From then on it is remembered that there are none.
    daemon.folder.write("levelgate.toml", &open);
    daemon.kill_and_start();
}

#[test]
fn a_vanished_levelgate_toml_does_not_start_another_data_folder() {
    let store = Settings { store: "kind = \"disk\"\npath = \"elsewhere\"", ..Settings::SYSTEM };
    let mut daemon = Daemon::start(ConfigFolder::new(&store, &[("acme", world())]));
    daemon.reserve(&pay("t1", "10.00")).ok();
    daemon.folder.remove("levelgate.toml");
    let words = "the file is missing: every setting would have its default, with the data folder data and no tokens";
    assert!(reload(&daemon).problem(422)["problems"].to_string().contains(words));
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
    let customers = ["export", "--config", ".", "--merchant", "acme"];
    let payments = ["export", "--config", ".", "--transactions"];
    for (arguments, words) in [
        (&["serve", "--config", "."][..], words),
        (&["check", "."], words),
        (&customers, "there is no levelgate.toml in ., so the data folder is not known"),
        (&payments, "there is no levelgate.toml in ., so the data folder is not known"),
    ] {
        let ended = run(&daemon.folder, arguments);
        assert!(ended.code == Some(1) && ended.text.contains(words), "{arguments:?}: {}", ended.text);
        assert!(!daemon.folder.path().join("data").exists(), "{arguments:?}: no other folder is made");
    }
    daemon.folder.write("levelgate.toml", &store.text());
    let contradiction = run(&daemon.folder, &["serve", "--config", ".", "--default-settings"]);
    assert!(
        contradiction.code == Some(1) && contradiction.text.contains("--default-settings states that there is none"),
        "{}",
        contradiction.text
    );
    daemon.kill_and_start();
    assert_eq!(daemon.fetch("t1").ok()["status"], "reserved");
}

#[test]
fn changed_minor_units_are_refused_after_a_kill_before_the_first_snapshot() {
    // The file lists no payment yet: it is written at the start, and again after a snapshot.
    let mut daemon = Daemon::start(ConfigFolder::new(&DISK, &[("acme", world())]));
    daemon.reserve(&pay("t1", "10.00")).ok();
    daemon.signal("KILL");
    daemon.wait();
    let text = DISK.text();
    let words = "[currencies] EUR: its minor units cannot change while amounts in it are held";
    daemon.folder.write("levelgate.toml", &format!("{text}\n[currencies]\nEUR = 3\n"));
    for ended in [serve(&daemon.folder), check(&daemon.folder, &["--data", "data"])] {
        assert!(ended.code == Some(1) && ended.text.contains(words), "{}", ended.text);
        assert!(ended.text.contains("write EUR = 2 under [currencies]"), "the remedy is named: {}", ended.text);
    }
    // A currency without amounts may change, and the file has it before a payment has it.
    daemon.folder.write("levelgate.toml", &format!("{text}\n[currencies]\nUSD = 3\n"));
    daemon.kill_and_start();
    daemon.folder.write("levelgate.toml", &format!("{text}\n[currencies]\nUSD = 4\n"));
    reload(&daemon).ok();
    let dollars = with(pay("t2", "1.0001"), &serde_json::json!({ "currency": "USD" }));
    daemon.reserve(&dollars).ok();
    daemon.signal("KILL");
    daemon.wait();
    for units in ["", "\n[currencies]\nUSD = 3\n"] {
        daemon.folder.write("levelgate.toml", &format!("{text}{units}"));
        let ended = serve(&daemon.folder);
        assert!(ended.code == Some(1) && ended.text.contains("write USD = 4"), "{units:?}: {}", ended.text);
    }
    daemon.folder.write("levelgate.toml", &format!("{text}\n[currencies]\nUSD = 4\n"));
    daemon.kill_and_start();
    assert_eq!(daemon.fetch("t2").ok()["amount"], "1.0001");
}

#[test]
fn the_loss_of_all_merchants_is_named_before_the_tokens_for_them() {
    let folder = ConfigFolder::new(&DISK, &[("acme", world())]);
    folder.write("operator.token", "operator-secret-0123456789");
    folder.write("teller.token", "teller-secret-0123456789");
    let auth = "[auth]\ntokens = [{ role = \"operator\", token_file = \"operator.token\" },\n\
                { role = \"gateway\", token_file = \"teller.token\", merchants = [\"acme\"] }]\n";
    folder.write("levelgate.toml", &format!("{}{auth}", DISK.text()));
    let mut daemon = Daemon::start(folder);
    daemon.folder.remove("merchants/acme.toml");
    let in_order = |text: &str| {
        let place = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words}: {text}"));
        let [loss, token] =
            ["there are no merchants, and there were 1 merchant before: acme", "unknown merchant `acme`"];
        assert!(place(loss) < place(token), "the loss is first: {text}");
    };
    let refused = crate::token_access::call(&daemon, "POST", "/v1/reload", "operator-secret-0123456789", "");
    assert_eq!(refused.0, 422);
    in_order(&refused.1);
    let old = ConfigFolder::new(&DISK, &[("acme", world())]);
    let old_path = old.path().display().to_string();
    in_order(&run(&daemon.folder, &["check", "--diff", &old_path, "."]).text);
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
    for ended in [serve(&daemon.folder), check(&daemon.folder, &[]), check(&daemon.folder, &["--data", "data"])] {
        assert_eq!(ended.code, Some(1), "{}", ended.text);
        in_order(&ended.text);
    }
}

#[test]
fn a_reload_without_levelgate_toml_keeps_the_tokens() {
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", world())]);
    folder.write("operator.token", "operator-secret-0123456789");
    let auth = "[auth]\ntokens = [{ role = \"operator\", token_file = \"operator.token\" }]\n";
    folder.write("levelgate.toml", &format!("{}{auth}", Settings::SYSTEM.text()));
    let daemon = Daemon::start(folder);
    daemon.folder.remove("levelgate.toml");
    daemon.signal("HUP");
    let words = "the file is missing, and the configuration before it had 1 token";
    eventually("the reload is refused", || daemon.log().contains(words));
    assert_eq!(crate::token_access::call(&daemon, "GET", "/v1/status", "operator-secret-0123456789", "").0, 200);
}

#[test]
fn a_first_start_needs_no_merchants() {
    let folder = ConfigFolder::new(&DISK, &[]);
    let checked = check(&folder, &[]);
    assert!(checked.code == Some(0) && checked.text.contains("warning: there are no merchants"), "{}", checked.text);
    let daemon = Daemon::start(folder);
    reload(&daemon).ok();
    daemon.folder.write("merchants/acme.toml", &world());
    assert!(reload(&daemon).ok()["added"].to_string().contains("acme: merchant added"));
    daemon.reserve(&pay("t1", "10.00")).ok();
}

#[test]
fn a_folder_of_an_earlier_version_is_checked_by_its_state() {
    let mut daemon = daemon();
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
    let folder = &daemon.folder;
    folder.remove("data/configuration");
    let rates = fs::read_to_string(folder.path().join("rates.toml")).unwrap();
    folder.write("merchants/acme.toml", world().split("[[levels]]").next().unwrap());
    for ended in [serve(folder), check(folder, &["--data", "data"])] {
        assert_eq!(ended.code, Some(1), "{}", ended.text);
        assert!(ended.text.contains("its file has no level any more; it had 1 level"), "{}", ended.text);
    }
    folder.remove("merchants/acme.toml");
    for ended in [serve(folder), check(folder, &["--data", "data"])] {
        assert!(ended.code == Some(1) && ended.text.contains("merchant `acme` has customers"), "{}", ended.text);
    }
    folder.write("merchants/acme.toml", &world());
    folder.write("rates.toml", &rates);
    daemon.kill_and_start();
    assert!(daemon.folder.path().join("data/configuration").is_file(), "the start notes it");
}

#[test]
fn parts_of_a_data_folder_that_do_not_belong_together_are_refused() {
    let mut daemon = daemon();
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
    let data = daemon.folder.path().join("data");
    let aside = tempfile::tempdir().unwrap();
    let all = ["journal", "archive", "snapshots", "instance", "keys", "synced", "configuration", "cut", "jobs"];
    for (gone, words) in [
        (vec!["journal", "archive"], "its journal is gone"),
        (vec!["journal", "archive", "snapshots"], "its journal is gone"),
        (vec!["journal", "archive", "snapshots", "synced"], "its journal is gone"),
        (vec!["journal", "archive", "instance"], "no journal and no file `instance`"),
        (vec!["journal", "archive", "instance", "keys", "synced", "configuration"], "no file `instance`"),
    ] {
        for name in gone.iter().filter(|name| data.join(name).exists()) {
            fs::rename(data.join(name), aside.path().join(name)).unwrap();
        }
        let before: Vec<bool> = all.iter().map(|name| data.join(name).exists()).collect();
        for ended in [serve(&daemon.folder), check(&daemon.folder, &[]), run(&daemon.folder, &["inspect", "data"])] {
            assert_eq!(ended.code, Some(1), "{gone:?}: {}", ended.text);
            assert!(ended.text.contains(words) || ended.text.contains("is no data folder"), "{gone:?}: {}", ended.text);
        }
        let after: Vec<bool> = all.iter().map(|name| data.join(name).exists()).collect();
        assert_eq!(before, after, "{gone:?}: nothing was created");
        for name in gone.iter().filter(|name| aside.path().join(name).exists()) {
            fs::rename(aside.path().join(name), data.join(name)).unwrap();
        }
    }
    let file = data.join("configuration");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"tokens\":0", "\"tokens\":1")).unwrap();
    for ended in [serve(&daemon.folder), check(&daemon.folder, &[]), run(&daemon.folder, &["inspect", "data"])] {
        assert!(ended.code == Some(1) && ended.text.contains("`configuration`"), "{}", ended.text);
    }
    fs::remove_file(&file).unwrap();
    daemon.kill_and_start();
    assert_eq!(daemon.fetch("t1").ok()["status"], "reserved");
}

#[test]
fn check_compares_two_folders_and_the_state() {
    let mut daemon = daemon();
    for id in ["t2", "t3"] {
        daemon.reserve(&pay(id, "30.00")).ok();
    }
    let new = ConfigFolder::new(&DISK, &[("acme", world().replace("100.00", "60.00"))]);
    new.write("rates.toml", &support::fixtures::RATES.replace("1.25", "1.30"));
    let new_path = new.path().display().to_string();
    let compare = |more: &[&str]| run(&daemon.folder, &[&["check", "--diff", ".", &new_path], more].concat());
    let plain = compare(&[]);
    assert_eq!(plain.code, Some(0), "{}", plain.text);
    for line in [
        "acme: gold deposits in EUR: daily amount 100.00 -> 60.00\n",
        "rates: USD 1.25 -> 1.30\n",
        "zenith: merchant removed (",
        "0 added, 2 changed, 1 removed",
    ] {
        assert!(plain.text.contains(line), "{line}: {}", plain.text);
    }
    let with_state = compare(&["--data", "data"]);
    assert_eq!(with_state.code, Some(0), "{}", with_state.text);
    let line = "acme: gold deposits in EUR: daily amount 100.00 -> 60.00; 1 customer is above it now\n";
    assert!(with_state.text.contains(line), "{}", with_state.text);
    // The daemon says the same.
    daemon.folder.write("merchants/acme.toml", &world().replace("100.00", "60.00"));
    assert!(reload(&daemon).ok()["changed"].to_string().contains(line.trim()));
    new.remove("merchants/acme.toml");
    new.write("merchants/zenith.toml", &acme(CRM, &[]).replace("id = \"acme\"", "id = \"zenith\""));
    let refused = compare(&["--data", "data"]);
    assert_eq!(refused.code, Some(1), "{}", refused.text);
    assert!(refused.text.contains("merchant `acme` has customers or transactions"), "{}", refused.text);
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn many_findings_of_one_kind_are_folded() {
    let spare = |n: usize| acme(CRM, &[]).replace("id = \"acme\"", &format!("id = \"m{n:04}\""));
    let text = |n: usize| format!("{}\n[[gates]]\nid = \"spare-{n}\"\n", spare(n));
    let merchants: Vec<(String, String)> = (0..200).map(|n| (format!("m{n:04}"), text(n))).collect();
    let named: Vec<(&str, String)> = merchants.iter().map(|(id, text)| (id.as_str(), text.clone())).collect();
    let folder = ConfigFolder::new(&Settings::SYSTEM, &named);
    // Six gates of the sample merchant are in no list, and the added one.
    let (warning, count) = ("nothing uses gate `", 200 * 7);
    let folded = check(&folder, &[]);
    assert_eq!(folded.code, Some(0), "{}", folded.text);
    assert_eq!(folded.text.matches(warning).count(), 4, "{}", folded.text);
    assert!(folded.text.contains(&format!("and {} more, --all shows them", count - 4)), "{}", folded.text);
    let all = check(&folder, &["--all"]);
    assert_eq!(all.text.matches(warning).count(), count);
    let strict = check(&folder, &["--strict"]);
    assert!(strict.code == Some(1) && strict.text.contains("errors"), "{}", strict.text);
}
