//! Daemons with a copy in Redis, and what the tests read from both.

use std::fs;
use std::path::Path;

use crate::daemon::{ConfigFolder, Daemon, Settings};
use crate::fixtures::gold;
use crate::redis::resp::Answer;
use crate::redis::server::{RedisOptions, RedisServer};
use serde_json::Value;

/// `timeouts.total_ms` of the daemons: how long commands fail until an outage is established.
pub const TOTAL_MS: u64 = 600;

/// A server that keeps its data across restarts.
pub fn durable() -> RedisServer {
    RedisServer::with(RedisOptions { durable: true, ..RedisOptions::default() })
}

/// A configuration with `[redis]` at the server, without a daemon.
pub fn folder(server: &RedisServer, redis: &str) -> ConfigFolder {
    folder_with(server, "kind = \"disk\"\npath = \"data\"", redis)
}

/// The same with a store.
pub fn folder_with(server: &RedisServer, store: &str, redis: &str) -> ConfigFolder {
    let merchant = gold("window = \"daily\"; amount_limit = \"100000.00\"").replacen(
        "operation_mode",
        "deletion_grace = \"1s\"\noperation_mode",
        1,
    );
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", merchant)]);
    let key = folder.scratch_path("key");
    fs::write(&key, [7; 32]).expect("the key file is written");
    let settings = Settings { store: Box::leak(store.to_owned().into_boxed_str()), ..Settings::SYSTEM };
    let text = format!(
        "{}\n[redis]\nurl = \"{}\"\nkey_file = \"{}\"\nlease_ms = 2000\nrenew_ms = 200\n{redis}\n[redis.timeouts]\n\
         connect_ms = 300\nresponse_ms = 300\ntotal_ms = {TOTAL_MS}\n",
        settings.text(),
        server.url(),
        key.display()
    );
    folder.write("levelgate.toml", &text);
    folder
}

/// A running daemon.
pub fn daemon(server: &RedisServer, redis: &str) -> Daemon {
    Daemon::start(folder(server, redis))
}

/// `/v1/status`.
pub fn status(daemon: &Daemon) -> Value {
    daemon.get("/v1/status").json()
}

/// The newest record of the daemon.
pub fn last(daemon: &Daemon) -> u64 {
    status(daemon)["lsn"].as_u64().expect("a number")
}

/// The last record that Redis has.
pub fn tip(server: &RedisServer) -> u64 {
    match server.command("HGET {levelgate}:head tip_lsn") {
        Answer::Text(text) => String::from_utf8_lossy(&text).parse().expect("a number"),
        _ => 0,
    }
}

/// The value of a metric; 0 if it is absent.
pub fn metric(daemon: &Daemon, name: &str) -> f64 {
    let text = daemon.get("/metrics").body;
    let line = text.lines().find(|line| line.split(' ').next() == Some(name));
    line.and_then(|line| line.split(' ').nth(1)).map_or(0.0, |value| value.parse().expect("a number"))
}

/// Copies a data folder.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the folder is made");
    for entry in fs::read_dir(from).expect("the folder is read").map(|entry| entry.expect("an entry")) {
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("the file is copied");
        }
    }
}
