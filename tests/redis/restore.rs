//! Restoring a lost machine from Redis.

use std::fs;
use std::time::Duration;

use levelgate::replication::format::{Batch, decode_batch, encode_batch};
use levelgate::storage::journal::JournalId;
use serde_json::json;
use support::daemon::{ConfigFolder, Daemon, run};
use support::fixtures::{pay, with};
use support::process::{Ended, Process, eventually, program};
use support::redis::proxy::{Fault, Proxy};
use support::redis::resp::Answer;
use support::redis::server::RedisServer;

use crate::restored_answers::{answers, assert_same, of_another_machine, two_merchants, work};
use support::redis::daemons::{copy, durable, last, tip};

const DISK: &str = "kind = \"disk\"\npath = \"data\"\nsegment_bytes = 4096";
const CONTINUE: &str = "ack = \"redis\"\non_outage = \"continue\"";
const REFUSE: &str = "ack = \"redis\"\non_outage = \"refuse\"";

/// Runs `serve` with these arguments, which must be refused; returns what it said.
#[track_caller]
fn refused(folder: &ConfigFolder, arguments: &[&str]) -> String {
    let config = folder.path().to_str().expect("a path");
    let Ended { code, text } = run(folder, &[&["serve", "--config", config], arguments].concat());
    assert_eq!(code, Some(1), "{text}");
    text
}

#[track_caller]
fn command(folder: &ConfigFolder, arguments: &[&str]) -> Ended {
    let config = folder.path().to_str().expect("a path");
    run(folder, &[arguments, &["--config", config]].concat())
}

/// A daemon with state of all kinds, killed; its configuration, and its answers before.
fn killed(server: &RedisServer, rule: &str) -> (ConfigFolder, std::collections::BTreeMap<String, String>) {
    let daemon = Daemon::start(two_merchants(server, DISK, rule));
    work(&daemon, "one");
    wait_for_erasures(&daemon, 1);
    let before = answers(&daemon);
    let second = of_another_machine(&daemon.folder);
    assert!(tip(server) >= last(&daemon));
    // The key file is in the folder of the first daemon.
    let key = second.scratch_path("key");
    fs::write(&key, [7; 32]).expect("the key file is written");
    name_key(&second, &key);
    drop(daemon);
    (second, before)
}

/// The erasures of a round are recorded at both merchants: the grace period is a second.
pub(crate) fn wait_for_erasures(daemon: &Daemon, rounds: usize) {
    eventually("a customer of each merchant is erased", || {
        let audit = |merchant: &str| daemon.get(&format!("/v1/merchants/{merchant}/audit")).body;
        ["acme", "beta"].iter().all(|merchant| audit(merchant).matches("\"field\":\"erased\"").count() >= rounds)
    });
}

fn name_key(folder: &ConfigFolder, key: &std::path::Path) {
    let text = fs::read_to_string(folder.path().join("levelgate.toml")).expect("the settings");
    let lines = text.lines().map(|line| match line.starts_with("key_file") {
        true => format!("key_file = \"{}\"", key.display()),
        false => line.to_owned(),
    });
    folder.write("levelgate.toml", &(lines.collect::<Vec<_>>().join("\n") + "\n"));
}

fn restored(mut folder: ConfigFolder) -> Daemon {
    folder.arguments.push("--restore");
    let mut daemon = Daemon::start(folder);
    daemon.folder.arguments.clear();
    daemon
}

#[test]
fn a_lost_machine_is_restored_with_the_same_answers() {
    for rule in [CONTINUE, REFUSE] {
        let server = durable();
        let (folder, before) = killed(&server, rule);
        let text = refused(&folder, &[]);
        assert!(text.contains("serve --restore") && text.contains("is empty, and Redis has data"), "{text}");
        assert!(!folder.path().join("data").exists(), "nothing was created");
        let mut daemon = restored(folder);
        assert!(daemon.log().contains("restored instance"), "{}", daemon.log());
        assert_same(&before, &answers(&daemon));
        // It continues, and so does the copy: without an option after a kill.
        work(&daemon, "two");
        wait_for_erasures(&daemon, 2);
        let before = answers(&daemon);
        daemon.kill_and_start();
        assert_same(&before, &answers(&daemon));
        assert!(tip(&server) >= last(&daemon));
        assert!(refused(&daemon.folder, &["--restore"]).contains("already has `"));
    }
}

/// Waits until Redis has a snapshot that contains everything.
fn wait_for_snapshot(server: &RedisServer, at_least: u64) {
    eventually("Redis has a snapshot", || match server.command("HGET {levelgate}:head snapshot") {
        Answer::Text(text) => String::from_utf8_lossy(&text).parse::<u64>().expect("a number") >= at_least,
        _ => false,
    });
}

/// The first records of the archived segments.
pub(crate) fn archived(folder: &ConfigFolder) -> Vec<u64> {
    let listed = fs::read_dir(folder.path().join("data/archive")).expect("an archive");
    let names = listed.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let mut firsts: Vec<u64> = names.filter_map(|name| name.strip_suffix(".log")?.parse().ok()).collect();
    firsts.sort_unstable();
    firsts
}

/// Removes the records before this one from the stream, as trimming does.
fn trim(server: &RedisServer, begin: u64) {
    server.command(&format!("XTRIM {{levelgate}}:stream MINID {begin}-0"));
    let batches = server.command("XLEN {levelgate}:stream").number();
    server.command(&format!("HSET {{levelgate}}:head begin_lsn {begin} batches {batches}"));
}

#[test]
fn a_trimmed_stream_needs_the_archive_or_the_acceptance_of_its_loss() {
    let server = durable();
    let mut daemon = Daemon::start(two_merchants(&server, DISK, &format!("{CONTINUE}\nsnapshot_interval_s = 1")));
    work(&daemon, "one");
    wait_for_erasures(&daemon, 1);
    for n in 0..200 {
        daemon.reserve(&pay(&format!("many-{n}"), "1.00")).ok();
    }
    // Segments are moved once two snapshots contain them.
    for n in 0..2 {
        daemon.reserve(&pay(&format!("between-{n}"), "1.00")).ok();
        daemon.post_nothing("/v1/snapshot").ok();
    }
    eventually("segments are in the archive", || archived(&daemon.folder).len() > 3);
    let contained = last(&daemon);
    for n in 0..3 {
        daemon.reserve(&pay(&format!("later-{n}"), "1.00")).ok();
    }
    wait_for_snapshot(&server, contained);
    let before = answers(&daemon);
    let (without, with) = (machine(&daemon.folder), machine(&daemon.folder));
    let lost = with.path().join("data/archive");
    copy(&daemon.folder.path().join("data/archive"), &lost);
    let _ = fs::remove_file(lost.join("index.redb"));
    daemon.kill();
    let firsts = archived(&daemon.folder);
    trim(&server, firsts[2]);

    // A folder that has nothing but an archive counts as empty.
    let text = refused(&with, &[]);
    assert!(text.contains("serve --restore"), "{text}");
    let mut daemon = restored(with);
    assert_same(&before, &answers(&daemon));
    daemon.kill_and_start();
    assert_same(&before, &answers(&daemon));
    daemon.kill();

    let text = refused(&without, &["--restore"]);
    assert!(text.contains("the archive has lost records 1 to") && text.contains("--accept-lost-archive"), "{text}");
    // The folder is restored; the loss is accepted by its first start.
    let mut without = without;
    without.arguments.push("--accept-lost-archive");
    let daemon = Daemon::start(without);
    let after = answers(&daemon);
    for (path, want) in before.iter().filter(|(path, _)| path.ends_with("/usage")) {
        assert_eq!(Some(want), after.get(path), "{path}");
    }
    let status = daemon.get("/v1/status").json();
    assert!(status["archive"]["lost"].to_string().contains("first"), "{status}");
}

/// Another machine with its own copy of the key file.
pub(crate) fn machine(folder: &ConfigFolder) -> ConfigFolder {
    let second = of_another_machine(folder);
    let key = second.scratch_path("key");
    fs::write(&key, [7; 32]).expect("the key file is written");
    name_key(&second, &key);
    second
}

/// The frames of a stream with their ids.
type Frames = Vec<(String, Vec<u8>)>;

fn frames(server: &RedisServer) -> Frames {
    let entries = server.command("XRANGE {levelgate}:stream - +");
    let frame = |entry: &Answer| {
        let [id, fields] = entry.list() else { panic!("an entry: {entry:?}") };
        let Answer::Text(bytes) = &fields.list()[1] else { panic!("a frame: {entry:?}") };
        (id.text(), bytes.clone())
    };
    entries.list().iter().map(frame).collect()
}

fn put_frames(server: &RedisServer, frames: &[(String, Vec<u8>)]) {
    server.command("DEL {levelgate}:stream");
    for (id, frame) in frames {
        server.try_command(&[b"XADD", b"{levelgate}:stream", id.as_bytes(), b"b", frame]).expect("an answer");
    }
}

fn flip(bytes: &mut [u8], at: usize) {
    bytes[at] ^= 1;
}

/// The batch in a frame, with another field.
fn with_batch(frame: &mut Vec<u8>, change: impl FnOnce(&mut Batch<'_>)) {
    let id = JournalId(frame[12..28].try_into().expect("16 bytes"));
    let mut batch = decode_batch(id, frame).expect("a batch");
    change(&mut batch);
    let changed = encode_batch(id, &batch);
    *frame = changed;
}

#[test]
fn every_flaw_of_the_copy_is_refused_in_words_and_the_restore_can_be_repeated() {
    let server = durable();
    let (folder, before) = killed(&server, &format!("{CONTINUE}\nsnapshot_interval_s = 1"));
    wait_until_silent(&server);
    let whole = frames(&server);
    let middle = whole.len() / 2;
    let key = folder.scratch_path("key");
    let refuse = |words: &[&str]| {
        let text = refused(&folder, &["--restore"]);
        assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
        let again = refused(&folder, &[]);
        assert!(again.contains("is not finished") || again.contains("serve --restore"), "{again}");
    };

    fs::write(&key, [8; 32]).expect("the key file is written");
    refuse(&["`key_file` is not the file with which it was written"]);
    let examined = command(&folder, &["inspect", "--redis"]);
    assert!(examined.code == Some(1) && examined.text.contains("does not open"), "{}", examined.text);
    fs::remove_file(&key).expect("the key file is removed");
    let text = refused(&folder, &["--restore"]);
    assert!(text.contains("cannot be read") && text.contains("restore the key of this instance"), "{text}");
    fs::write(&key, [7; 32]).expect("the key file is written");

    let mut flaws: Vec<(Frames, &[&str])> = Vec::new();
    let mut change = |words: &'static [&'static str], change: &dyn Fn(&mut Frames)| {
        let mut changed = whole.clone();
        change(&mut changed);
        flaws.push((changed, words));
    };
    change(&["lacks the records from", "redis discard"], &|frames| _ = frames.remove(middle));
    change(&["lacks the records from"], &|frames| _ = frames.pop());
    change(&["lacks the records from 1 to"], &|frames| _ = frames.remove(0));
    change(&["the checksum of the batch does not match"], &|frames| flip(&mut frames[middle].1, 90));
    change(&["it is no batch of levelgate"], &|frames| flip(&mut frames[middle].1, 0));
    change(&["of different lineages"], &|frames| {
        with_batch(&mut frames[middle].1, |batch| batch.crc_before ^= 1);
    });
    change(&["of different lineages"], &|frames| with_batch(&mut frames[middle].1, |batch| batch.begin.0 += 1));
    change(&["ends with record"], &|frames| with_batch(&mut frames[middle].1, |batch| batch.last.0 += 1));
    change(&["is of start"], &|frames| with_batch(&mut frames[0].1, |batch| batch.epoch += 1));
    for (frames, words) in &flaws {
        put_frames(&server, frames);
        refuse(words);
        let examined = command(&folder, &["inspect", "--redis"]);
        assert_eq!(examined.code, Some(1), "{}", examined.text);
        assert!(words.iter().all(|word| examined.text.contains(word)), "{words:?}: {}", examined.text);
    }
    put_frames(&server, &whole);

    let snapshot = format!("{{levelgate}}:snapshot:{}", server.command("HGET {levelgate}:head snapshot").text());
    let Answer::Text(chunk) = server.command(&format!("LINDEX {snapshot} 0")) else { panic!("a chunk") };
    let put_chunk = |chunk: &[u8]| {
        server.try_command(&[b"DEL", snapshot.as_bytes()]).expect("an answer");
        server.try_command(&[b"RPUSH", snapshot.as_bytes(), chunk]).expect("an answer");
    };
    let mut damaged = chunk.clone();
    flip(&mut damaged, 60);
    put_chunk(&damaged);
    refuse(&["the checksum of the chunk of a snapshot does not match"]);
    server.command(&format!("DEL {snapshot}"));
    refuse(&["chunk 0 of 1 of the snapshot in Redis is missing"]);
    put_chunk(&chunk);
    server.command("HINCRBY {levelgate}:head snapshot_bytes 1");
    refuse(&["its chunks have another length"]);
    server.command("HINCRBY {levelgate}:head snapshot_bytes -1");

    let field = server.command("HKEYS {levelgate}:keys").list()[0].text();
    let Answer::Text(wrapped) = server.command(&format!("HGET {{levelgate}}:keys {field}")) else { panic!("a key") };
    let put_key = |wrapped: &[u8]| {
        server.try_command(&[b"HSET", b"{levelgate}:keys", field.as_bytes(), wrapped]).expect("an answer");
    };
    let mut closed = wrapped.clone();
    flip(&mut closed, 40);
    put_key(&closed);
    refuse(&["a customer's key in Redis", "does not open"]);
    put_key(&wrapped);

    server.command("HSET {levelgate}:head format 2");
    let text = refused(&folder, &["--restore"]);
    assert!(text.contains("have format 2") && text.contains("use a newer levelgate"), "{text}");
    server.command("HSET {levelgate}:head format 1");

    let examined = command(&folder, &["inspect", "--redis"]);
    assert!(examined.code == Some(0) && examined.text.contains("whole      nothing is damaged"), "{}", examined.text);
    assert!(examined.text.contains("each of which opens; 2 erased keys"), "{}", examined.text);
    let url = server.url();
    let examined = run(&folder, &["inspect", "--redis", &url]);
    assert!(examined.code == Some(0) && examined.text.contains("not opened"), "{}", examined.text);
    let none = run(&folder, &["inspect", "--redis", &url, "--prefix", "other"]);
    assert!(none.code == Some(1) && none.text.contains("no data under the prefix other"), "{}", none.text);
    // An interrupted restore is no obstacle.
    assert_same(&before, &answers(&restored(folder)));
}

/// The heartbeat of the killed daemon is old, so that refusals need not wait for it.
fn wait_until_silent(server: &RedisServer) {
    server.command("HSET {levelgate}:head renewed_at 1");
}

#[test]
fn a_primary_that_lives_is_not_replaced_without_a_word() {
    for rule in [CONTINUE, REFUSE] {
        let server = durable();
        let mut first = Daemon::start(two_merchants(&server, DISK, rule));
        work(&first, "one");
        wait_for_erasures(&first, 1);
        let mut second = machine(&first.folder);
        let text = refused(&second, &["--restore"]);
        assert!(text.contains("another daemon writes this copy") && text.contains("--take-over"), "{text}");
        assert!(text.contains(&format!("process {}", first.pid())), "{text}");
        let text = command(&second, &["restore", "--from-redis"]);
        assert!(text.code == Some(1) && text.text.contains("another daemon writes this copy"), "{}", text.text);
        let before = answers(&first);
        second.arguments.extend(["--restore", "--take-over"]);
        let other = Daemon::start(second);
        assert_eq!(first.wait().code(), Some(4), "{}", first.log());
        assert_same(&before, &answers(&other));
    }
}

#[test]
fn a_folder_is_restored_without_serving_and_a_copy_is_discarded_by_name() {
    let server = durable();
    let (folder, before) = killed(&server, CONTINUE);
    let done = command(&folder, &["restore", "--from-redis", "--verify"]);
    assert!(done.code == Some(0) && done.text.contains("the last record is"), "{}", done.text);
    let again = command(&folder, &["restore", "--from-redis"]);
    assert!(again.code == Some(1) && again.text.contains("already has `"), "{}", again.text);
    // No option: a person has restored this folder, and the former owner is silent.
    let mut daemon = Daemon::start(folder);
    assert!(daemon.log().contains("the fence of the former primary is taken"), "{}", daemon.log());
    assert_same(&before, &answers(&daemon));

    let wrong = command(&daemon.folder, &["redis", "discard", "0123456789abcdef0123456789abcdef"]);
    assert!(wrong.code == Some(1) && wrong.text.contains("nothing was deleted"), "{}", wrong.text);
    let instance = server.command("HGET {levelgate}:head instance").text();
    let held = command(&daemon.folder, &["redis", "discard", &instance]);
    assert!(held.code == Some(1) && held.text.contains("a daemon has the lease"), "{}", held.text);
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
    let done = command(&daemon.folder, &["redis", "discard", &instance]);
    assert!(done.code == Some(0) && done.text.contains("deleted the copy"), "{}", done.text);
    let nothing = command(&machine(&daemon.folder), &["restore", "--from-redis"]);
    assert!(nothing.code == Some(1) && nothing.text.contains("nothing was restored"), "{}", nothing.text);
    daemon.kill_and_start();
    eventually("the journal is in Redis again", || tip(&server) >= last(&daemon));
    assert_same(&before, &answers(&daemon));
}

#[test]
fn a_restore_from_an_empty_redis_begins_anew_and_says_so() {
    let server = durable();
    for store in [DISK, "kind = \"memory\""] {
        server.command("FLUSHALL");
        let daemon = restored(two_merchants(&server, store, CONTINUE));
        assert!(daemon.log().contains("there is nothing to restore"), "{}", daemon.log());
        daemon.reserve(&pay("first", "1.00")).ok();
    }
}

#[test]
fn a_daemon_without_a_disk_is_restored_at_each_start() {
    for rule in [CONTINUE, REFUSE] {
        let server = durable();
        let folder = two_merchants(&server, "kind = \"memory\"", rule);
        let mut daemon = Daemon::start(folder);
        work(&daemon, "one");
        wait_for_erasures(&daemon, 1);
        for (rounds, round) in [(2, "two"), (3, "three")] {
            let before = answers(&daemon);
            daemon.kill();
            let text = refused(&daemon.folder, &[]);
            assert!(text.contains("no disk and begins empty") && text.contains("serve --restore"), "{text}");
            daemon.folder.arguments = vec!["--restore"];
            daemon.kill_and_start();
            assert_same(&before, &answers(&daemon));
            work(&daemon, round);
            wait_for_erasures(&daemon, rounds);
        }
    }
}

#[test]
fn a_restore_that_was_killed_at_any_moment_can_be_repeated() {
    let server = durable();
    let (folder, before) = killed(&server, CONTINUE);
    wait_until_silent(&server);
    // Each answer takes a while, so that kills hit every step.
    let proxy = Proxy::start(server.port());
    proxy.set(Fault::DelayReplies(Duration::from_millis(15)));
    let settings = fs::read_to_string(folder.path().join("levelgate.toml")).expect("the settings");
    folder.write("levelgate.toml", &settings.replace(&server.url(), &proxy.url()));
    let mut unfinished = 0;
    for round in 0..12 {
        let mut command = program();
        command.args(["restore", "--from-redis", "--config", "."]).current_dir(folder.path());
        let mut process = Process::spawn(command);
        std::thread::sleep(Duration::from_millis(20 * round));
        process.kill();
        let data = folder.path().join("data");
        unfinished += u32::from(data.join("restore").exists());
        if data.join("instance").exists() && !data.join("restore").exists() {
            // The restore was finished before the kill.
            fs::remove_dir_all(&data).expect("the folder is removed");
        } else {
            let text = refused(&folder, &[]);
            assert!(text.contains("is not finished") || text.contains("serve --restore"), "{text}");
        }
    }
    assert!(unfinished > 0, "no kill hit a restore");
    proxy.set(Fault::None);
    assert_same(&before, &answers(&restored(folder)));
}

#[test]
fn keys_that_only_a_snapshot_needs_are_restored() {
    let server = durable();
    let folder = two_merchants(&server, DISK, &format!("{CONTINUE}\nsnapshot_interval_s = 1"));
    let mut daemon = Daemon::start(folder);
    for n in 0..5 {
        daemon.reserve(&pay(&format!("p{n}"), "1.00")).ok();
    }
    assert_eq!(server.command("HLEN {levelgate}:keys").number(), 0, "no record is sealed");
    let merchant = fs::read_to_string(daemon.folder.path().join("merchants/acme.toml")).expect("the merchant");
    daemon.folder.write("merchants/acme.toml", &format!("seal_identifiers = true\n{merchant}"));
    daemon.kill_and_start();
    // No record names alice again: only a snapshot seals what is known of her.
    daemon.reserve(&with(pay("after", "1.00"), &json!({ "merchant_customer_identifier": "bob" }))).ok();
    wait_for_snapshot(&server, last(&daemon));
    assert_eq!(server.command("HLEN {levelgate}:keys").number(), 2);
    let before = answers(&daemon);
    let other = machine(&daemon.folder);
    daemon.kill();
    wait_until_silent(&server);
    assert_same(&before, &answers(&restored(other)));
}
