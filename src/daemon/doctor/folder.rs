//! The data folder: its parts, its owner, its mode, and the free space.

use crate::{
    config::{Store, StoreKind},
    daemon::{data_folder::read_configuration, doctor::finding::Finding},
    storage::fs::{
        Space,
        disk::space_of,
        headroom::{MIN_FREE_BYTES, min_free_of},
    },
};
use rustix::{
    fs::{Access, access},
    process::geteuid,
};
use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

const TOPIC: &str = "folder";

/// The data folder, or the nearest folder around it that exists.
pub(super) fn existing(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

/// Examines the folder and its file system.
pub(super) fn examine_folder(store: &Store) -> Vec<Finding> {
    if store.kind == StoreKind::Memory {
        return vec![Finding::fine(TOPIC, "[store] kind is \"memory\": nothing is kept")];
    }
    let mut findings = vec![examine_parts(&store.path)];
    findings.extend(examine_space(&existing(&store.path), store.min_free_bytes));
    findings
}

fn examine_parts(path: &Path) -> Finding {
    let shown = path.display();
    if !path.is_dir() {
        let around = existing(path);
        return match access(&around, Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => Finding::fine(TOPIC, format!("{shown} does not exist; the first start creates it")),
            Err(error) => Finding::error(
                TOPIC,
                format!(
                    "{shown} cannot be created in {}: {error}; make it, owned by the daemon's user",
                    around.display()
                ),
            ),
        };
    }
    if let Err(error) = access(path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK) {
        return Finding::error(
            TOPIC,
            format!("{shown} cannot be written: {error}; its owner must be the daemon's user"),
        );
    }
    if let Err(error) = read_configuration(path) {
        return Finding::error(TOPIC, format!("{error:#}"));
    }
    match fs::metadata(path) {
        Ok(found) if found.uid() != geteuid().as_raw() => Finding::warning(
            TOPIC,
            format!("{shown} belongs to user {}, and this is user {}", found.uid(), geteuid().as_raw()),
        ),
        Ok(found) if found.mode() & 0o077 != 0 => Finding::warning(
            TOPIC,
            format!("{shown} has mode {:04o}: other users can enter it; chmod 700 {shown}", found.mode() & 0o7777),
        ),
        _ => Finding::fine(TOPIC, format!("{shown} can be written, and its parts belong together")),
    }
}

fn examine_space(folder: &Path, min_free_bytes: Option<u64>) -> Option<Finding> {
    let Space { free, total } = space_of(folder).ok().flatten()?;
    let min_free = min_free_of(min_free_bytes, total);
    let text =
        format!("{} MiB of {} MiB are free, {} MiB stay free for the journal", free >> 20, total >> 20, min_free >> 20);
    let is_short = free < min_free.max(MIN_FREE_BYTES).saturating_mul(2);
    Some(match () {
        () if free < min_free => Finding::error(
            "space",
            format!("{text}: no snapshot and no upload can be written; free space, or lower min_free_bytes"),
        ),
        () if is_short => Finding::warning("space", format!("{text}; free space before it is used")),
        () => Finding::fine("space", text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::doctor::finding::Verdict;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_folder_is_absent_private_open_or_damaged() {
        let around = tempfile::tempdir().unwrap();
        let path = around.path().join("data");
        assert_eq!(examine_parts(&path).verdict, Verdict::Fine, "a first start");
        assert_eq!(existing(&path), around.path());
        fs::create_dir(&path).unwrap();
        for (mode, verdict) in [(0o700, Verdict::Fine), (0o755, Verdict::Warning)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(examine_parts(&path).verdict, verdict, "{mode:o}");
        }
        fs::write(path.join("keys"), b"x").unwrap();
        let found = examine_parts(&path);
        assert_eq!(found.verdict, Verdict::Error);
        assert!(found.text.contains("do not belong together"), "{}", found.text);
    }

    #[test]
    fn free_space_is_compared_with_the_reserve() {
        let folder = tempfile::tempdir().unwrap();
        let found = examine_space(folder.path(), Some(1 << 60)).unwrap();
        assert_eq!(found.verdict, Verdict::Error, "{}", found.text);
    }
}
