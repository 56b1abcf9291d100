//! Where a test finds its inputs, and the numbers that the environment may set.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// A number from the environment.
pub fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is a whole number")),
        Err(_) => default,
    }
}

/// The seeds that a test plays: `LEVELGATE_SEEDS` of them (`default` where it is not set), from `LEVELGATE_SEED` on.
pub fn seeds(default: u64) -> Range<u64> {
    seeds_from(1, default)
}

/// As [`seeds`], from `first` on where `LEVELGATE_SEED` is not set: tests with different first seeds play different
/// workloads. A printed seed is the one to set, so that it repeats the run.
pub fn seeds_from(first: u64, default: u64) -> Range<u64> {
    let first = number("LEVELGATE_SEED", first);
    first..first + number("LEVELGATE_SEEDS", default)
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("support is two folders below the root");
    root.to_owned()
}

/// The folder with streams of operations and their expected answers: `LEVELGATE_DATA`, or `../shared/data`. `None`: there
/// is no such folder.
pub fn shared_data() -> Option<PathBuf> {
    shared("LEVELGATE_DATA", "data")
}

/// The folder with small inputs that were answered wrongly once: `LEVELGATE_FAULTS`, or `../shared/faults`. `None`: there
/// is no such folder.
pub fn shared_faults() -> Option<PathBuf> {
    shared("LEVELGATE_FAULTS", "faults")
}

/// A folder that the environment names must exist.
fn shared(variable: &str, name: &str) -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os(variable).map(PathBuf::from) {
        assert!(folder.is_dir(), "{variable} names {}, which is not a folder", folder.display());
        return Some(folder);
    }
    let folder = repository().join("../shared").join(name);
    if !folder.is_dir() {
        eprintln!("there is no folder {}", folder.display());
    }
    folder.is_dir().then_some(folder)
}
