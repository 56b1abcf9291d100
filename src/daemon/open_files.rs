//! The limit on open files, divided between files and connections. Files come first: a journal that cannot open its next
//! segment ends the daemon, while a client repeats a refused connection.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files for the data folder and the process: segments that are read (64), written and opened ahead, snapshots,
/// keys, the archive's index, uploads and their marks (8 of each), locks, folders that are synced, a reload, the log, the
/// runtimes.
const FILES_MAX: u64 = 256;
/// The minimum for files if the limit is small.
const FILES_MIN: u64 = 128;
/// Connections beyond `max_connections`, for health requests and refusals.
const OVERFLOW_MAX: u64 = 256;
/// Connections of the admin listener.
const ADMIN_MAX: u64 = 32;
/// With fewer connections than this the daemon does not start.
const CONNECTIONS_MIN: u64 = 16;

/// How the limit on open files is divided. The sum of the parts is at most the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenFiles {
    /// The limit of the process (the soft `RLIMIT_NOFILE`).
    pub(crate) limit: u64,
    /// Reserved for files.
    pub(crate) files: u64,
    /// Connections of the main listeners.
    pub(crate) connections: u64,
    /// Connections beyond those; each is open for a short time.
    pub(crate) overflow: u64,
    /// Connections of the admin listener.
    pub(crate) admin: u64,
}

impl OpenFiles {
    /// Raises the limit of the process as far as the system allows, and divides it.
    ///
    /// # Errors
    /// The limit leaves too few connections.
    pub(crate) fn claim(connections_wanted: usize, has_admin: bool) -> anyhow::Result<Self> {
        let connections_wanted = u64::try_from(connections_wanted).unwrap_or(u64::MAX);
        let divided = Self::divide(raise_limit(), connections_wanted, has_admin)?;
        let Self { limit, files, connections, overflow, admin } = divided;
        tracing::info!(
            "open files: the limit is {limit}; {files} are reserved for files, {connections} for connections, {overflow} \
             for connections beyond max_connections, {admin} for the admin listener"
        );
        if connections < connections_wanted {
            tracing::warn!(
                "[http] max_connections = {connections_wanted} is reduced to {connections}, because the limit on open files \
                 is {limit}: set LimitNOFILE={} or more in the systemd unit (`ulimit -n` in a shell)",
                limit_for(connections_wanted)
            );
        }
        let gauge = |name: &'static str, value: u64| {
            metrics::gauge!(name).set(f64::from(u32::try_from(value).unwrap_or(u32::MAX)));
        };
        gauge("levelgate_open_files_limit", limit);
        gauge("levelgate_open_files_reserved", files + overflow + admin);
        Ok(divided)
    }

    /// Divides a limit.
    ///
    /// # Errors
    /// It leaves too few connections.
    pub(crate) fn divide(limit: u64, connections_wanted: u64, has_admin: bool) -> anyhow::Result<Self> {
        let files = (limit / 4).clamp(FILES_MIN, FILES_MAX);
        let left = limit.saturating_sub(files);
        let overflow = (left / 8).min(OVERFLOW_MAX);
        let admin = if has_admin { (left / 8).min(ADMIN_MAX) } else { 0 };
        let connections = (left - overflow - admin).min(connections_wanted);
        anyhow::ensure!(
            connections >= CONNECTIONS_MIN.min(connections_wanted),
            "the limit on open files (RLIMIT_NOFILE) is {limit}, and {files} are reserved for files: {connections} \
             connections are too few to start. Set LimitNOFILE={} in the systemd unit, or `ulimit -n` in a shell",
            limit_for(connections_wanted)
        );
        Ok(Self { limit, files, connections, overflow, admin })
    }
}

/// The limit that leaves this many connections.
fn limit_for(connections: u64) -> u64 {
    connections.saturating_add(FILES_MAX + OVERFLOW_MAX + ADMIN_MAX)
}

/// Raises the soft limit to the hard limit. Returns the new soft limit.
fn raise_limit() -> u64 {
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
    fn files_get_their_minimum_and_the_sum_is_within_any_limit() {
        for limit in 0..20_000 {
            for wanted in [1, 8, 4_096, 1_000_000] {
                for has_admin in [false, true] {
                    let Ok(divided) = OpenFiles::divide(limit, wanted, has_admin) else {
                        assert!(limit < FILES_MIN + 2 * CONNECTIONS_MIN, "{limit} is enough for {wanted}");
                        continue;
                    };
                    let sum = divided.files + divided.connections + divided.overflow + divided.admin;
                    assert!(sum <= limit && divided.files >= FILES_MIN, "{divided:?}");
                    assert!(divided.connections <= wanted && divided.connections > 0, "{divided:?}");
                }
            }
        }
    }

    #[test]
    fn the_limit_that_the_warning_names_leaves_all_connections() {
        for wanted in [1, 100, 4_096, 1_000_000] {
            let divided = OpenFiles::divide(limit_for(wanted), wanted, true).unwrap();
            assert_eq!(divided.connections, wanted, "{divided:?}");
        }
    }
}
