//! A wall clock that goes by a file of the test, by libfaketime. The monotonic clock is that of the machine.

use std::path::Path;

use crate::daemon::ConfigFolder;

/// Lets the daemon of a folder go by the clock in this file.
pub fn follow(folder: &mut ConfigFolder, clock: &Path) {
    folder.environment = vec![
        ("LD_PRELOAD", library()),
        ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
    ];
}

/// Moves the clock in one step: a daemon reads it at any time, and half a file is no time. `+100d` is a hundred days from
/// now.
pub fn set(clock: &Path, now: &str) {
    let next = clock.with_extension("next");
    std::fs::write(&next, format!("{now}\n")).expect("the clock's next file");
    std::fs::rename(next, clock).expect("the clock's file");
}

/// The path of libfaketime; `tests/run` installs it.
fn library() -> String {
    let architectures = std::fs::read_dir("/usr/lib").expect("/usr/lib").filter_map(Result::ok);
    let mut libraries = architectures.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
    let found = libraries.find(|path| path.is_file()).expect("libfaketime is installed (tests/run does that)");
    found.display().to_string()
}
