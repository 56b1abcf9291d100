//! How many files and connections the process may have open, and who gets them. Files come first: a journal that
//! cannot open its next segment ends the daemon, a connection that is refused is tried again.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors kept for files: segments that are read (64), written and opened ahead, snapshots, keys, the archive's
/// index, uploads and their marks (8 of each), locks, folders that are synced, a reload, the log, the runtimes.
const FILES_MAX: u64 = 256;
/// The least that these need, where the limit is small.
const FILES_MIN: u64 = 128;
/// Connections beyond `max_connections` that are asked for health or are told that there are too many.
const OVERFLOW_MAX: u64 = 256;
/// Connections of the admin listener.
pub(crate) const ADMIN_MAX: u64 = 32;
/// With fewer connections than this the daemon does not start.
const CONNECTIONS_MIN: u64 = 16;

/// Who gets how many descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Descriptors {
    /// The limit of the process (the soft `RLIMIT_NOFILE`).
    pub(crate) limit: u64,
    /// Kept for files.
    pub(crate) files: u64,
    /// Connections on the main listeners.
    pub(crate) connections: u64,
    /// Connections beyond those, for a short time each.
    pub(crate) overflow: u64,
    /// Connections on the admin listener.
    pub(crate) admin: u64,
}

impl Descriptors {
    /// Raises the limit of the process as far as it may and shares it out.
    ///
    /// # Errors
    /// The limit leaves too few connections.
    pub(crate) fn claim(connections_wanted: usize, has_admin: bool) -> anyhow::Result<Self> {
        let shared = Self::share(raised(), u64::try_from(connections_wanted).unwrap_or(u64::MAX), has_admin)?;
        let Self { limit, files, connections, overflow, admin } = shared;
        tracing::info!(
            "open files: the limit is {limit}; {files} are kept for files, {connections} for connections, {overflow} for \
             callers beyond them, {admin} for the admin listener"
        );
        if connections < u64::try_from(connections_wanted).unwrap_or(u64::MAX) {
            tracing::warn!(
                "[http] max_connections = {connections_wanted} is cut to {connections}, because the limit on open files \
                 is {limit}: set LimitNOFILE={} or more in the systemd unit (`ulimit -n` in a shell)",
                needed(u64::try_from(connections_wanted).unwrap_or(u64::MAX))
            );
        }
        let gauge = |name: &'static str, value: u64| {
            metrics::gauge!(name).set(f64::from(u32::try_from(value).unwrap_or(u32::MAX)));
        };
        gauge("levelgate_open_files_limit", limit);
        gauge("levelgate_open_files_reserved", files + overflow + admin);
        Ok(shared)
    }

    fn share(limit: u64, connections_wanted: u64, has_admin: bool) -> anyhow::Result<Self> {
        let files = (limit / 4).clamp(FILES_MIN, FILES_MAX);
        let left = limit.saturating_sub(files);
        let overflow = (left / 8).min(OVERFLOW_MAX);
        let admin = if has_admin { (left / 8).min(ADMIN_MAX) } else { 0 };
        let connections = (left - overflow - admin).min(connections_wanted);
        anyhow::ensure!(
            connections >= CONNECTIONS_MIN.min(connections_wanted),
            "the limit on open files (RLIMIT_NOFILE) is {limit}, and {files} are kept for files: {connections} \
             connections are too few to start with. Set LimitNOFILE={} in the systemd unit, or `ulimit -n` in a shell",
            needed(connections_wanted)
        );
        Ok(Self { limit, files, connections, overflow, admin })
    }
}

/// The limit that leaves so many connections.
fn needed(connections: u64) -> u64 {
    connections.saturating_add(FILES_MAX + OVERFLOW_MAX + ADMIN_MAX)
}

/// Raises the soft limit to the hard one, and says what the limit is then.
fn raised() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current.unwrap_or(u64::MAX);
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum.unwrap_or(u64::MAX),
        Err(error) => {
            tracing::warn!("the limit on open files cannot be raised from {current:?} to {maximum:?}: {error}");
            current.unwrap_or(u64::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_limit_files_have_theirs_and_the_sum_fits() {
        for limit in 0..20_000 {
            for wanted in [1, 8, 4_096, 1_000_000] {
                for has_admin in [false, true] {
                    let Ok(shared) = Descriptors::share(limit, wanted, has_admin) else {
                        assert!(limit < FILES_MIN + 2 * CONNECTIONS_MIN, "{limit} is enough for {wanted}");
                        continue;
                    };
                    let sum = shared.files + shared.connections + shared.overflow + shared.admin;
                    assert!(sum <= limit && shared.files >= FILES_MIN, "{shared:?}");
                    assert!(shared.connections <= wanted && shared.connections > 0, "{shared:?}");
                }
            }
        }
    }

    #[test]
    fn the_limit_that_a_warning_names_cuts_nothing() {
        for wanted in [1, 100, 4_096, 1_000_000] {
            let shared = Descriptors::share(needed(wanted), wanted, true).unwrap();
            assert_eq!(shared.connections, wanted, "{shared:?}");
        }
    }
}
