//! The paths of a journal in its store.

use crate::storage::journal::model::ids::Lsn;

/// The folder of the segments.
pub const FOLDER: &str = "journal";
/// The folder of archived segments.
pub const ARCHIVE: &str = "archive";
/// The folder of the bytes that recovery cut off.
pub const CUT: &str = "cut";
/// The file of the next segment. A start removes it.
pub(in crate::storage) const NEXT: &str = "journal/next.new";

/// The number that names a segment's file.
pub(crate) fn number_of(name: &str) -> Option<Lsn> {
    let digits = name.strip_suffix(".log").filter(|digits| digits.len() == 20)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok().map(Lsn))?
}

/// The file of the segment that begins with this record.
pub(crate) fn path_of(first: Lsn) -> String {
    format!("{FOLDER}/{:020}.log", first.0)
}
