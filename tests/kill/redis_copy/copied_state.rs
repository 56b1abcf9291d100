//! A data folder that the program restores from Redis.

use std::fs;
use std::path::Path;

use support::process::{eventually, program};

/// Restores what Redis has under this address into a new folder. Returns the last record.
pub(crate) fn restore(url: &str, folder: &Path) -> u64 {
    let config = tempfile::tempdir().expect("a temporary folder");
    let key = config.path().join("key");
    fs::write(&key, [7; 32]).expect("the key file is written");
    let text = format!(
        "[store]\nkind = \"disk\"\npath = \"{}\"\n[redis]\nurl = \"{url}\"\nkey_file = \"{}\"\n",
        folder.display(),
        key.display()
    );
    fs::write(config.path().join("levelgate.toml"), text).expect("the settings are written");
    let mut last = None;
    // A failover may not be over yet.
    eventually("it is restored", || {
        if folder.exists() {
            fs::remove_dir_all(folder).expect("the folder is removed");
        }
        let mut command = program();
        command.args(["restore", "--from-redis", "--take-over", "--config"]).arg(config.path());
        let output = command.output().expect("the program runs");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        println!("{text}");
        last = output.status.success().then_some(text);
        last.is_some()
    });
    let text = last.unwrap_or_default();
    let number =
        text.split("the last record is ").nth(1).and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    number.and_then(|number| number.parse().ok()).expect("the last record is named")
}
