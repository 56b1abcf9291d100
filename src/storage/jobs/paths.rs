//! The file names of jobs, and the numbers of their keys.

/// The folder of jobs.
pub const FOLDER: &str = "jobs";
/// The end of the file name of a job that has begun.
pub const BEGUN: &str = ".job";
/// The end of the file name of a job that has ended.
pub const ENDED: &str = ".done";
/// The end of the file name of a draft.
pub(super) const DRAFT: &str = ".new";
/// The end of the file name of a result that is not whole yet.
pub(super) const ENDING: &str = ".end";

/// Bytes of the content that are sealed together.
pub(super) const PIECE_BYTES: usize = 64 * 1024;
/// The bit that distinguishes the owner number of a job's key from every customer number.
pub(super) const OWNERS: u64 = 1 << 63;

/// The path of a file of a job.
pub(super) fn path_of(number: u64, end: &str) -> String {
    format!("{FOLDER}/{number:020}{end}")
}

/// The number of a job in a file name with this end.
pub(super) fn number_of(name: &str, end: &str) -> Option<u64> {
    name.strip_suffix(end)?.parse().ok()
}
