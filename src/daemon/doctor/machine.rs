//! The clock of the machine and the limits of the process.

use crate::{
    clock::EARLIEST,
    config::{Settings, Store, StoreKind},
    daemon::{doctor::finding::Finding, listeners::backlog_of_kernel, open_files::OpenFiles},
    domain::vocabulary::time::Millis,
    storage::journal::FOLDER,
};
use rustix::process::{Resource, getrlimit};
use std::{
    fs, io,
    path::Path,
    thread::available_parallelism,
    time::{Duration, UNIX_EPOCH},
};

/// A file of the journal may be so far ahead of the clock.
const AHEAD_MAX_MS: i64 = 60_000;

/// Compares the clock with the earliest time of a start and with the newest file of the journal.
pub(super) fn examine_clock(store: &Store, now: Millis) -> Finding {
    const TOPIC: &str = "clock";
    if now < EARLIEST {
        return Finding::error(TOPIC, format!("the system clock says {now}; set it right"));
    }
    let newest = if store.kind == StoreKind::Disk { newest_file(&store.path.join(FOLDER)) } else { None };
    match newest {
        Some(newest) if newest.0 > now.0.saturating_add(AHEAD_MAX_MS) => Finding::error(
            TOPIC,
            format!("the system clock says {now}, and the journal was written at {newest}; set it right"),
        ),
        Some(newest) => Finding::fine(TOPIC, format!("{now}; the journal was written at {newest}")),
        None => Finding::fine(TOPIC, now.to_string()),
    }
}

/// When the newest file of a folder was written.
fn newest_file(folder: &Path) -> Option<Millis> {
    let times = fs::read_dir(folder).ok()?.flatten().filter_map(|entry| entry.metadata().ok()?.modified().ok());
    let newest = times.max()?.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(newest.as_millis()).ok().map(Millis)
}

/// Examines open files, file sizes, the queue of connections and the processors.
pub(super) fn examine_limits(settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![examine_open_files(settings)];
    if let Some(bytes) = getrlimit(Resource::Fsize).current {
        findings.push(Finding::error(
            "file size",
            format!("files may have {bytes} bytes (RLIMIT_FSIZE); a journal that cannot grow ends the daemon: remove the limit"),
        ));
    }
    findings.push(examine_backlog(settings.http.listen_backlog, backlog_of_kernel()));
    findings.push(examine_processors(available_parallelism().map(usize::from)));
    findings
}

fn examine_open_files(settings: &Settings) -> Finding {
    const TOPIC: &str = "open files";
    // The daemon raises its limit to the hard one.
    let limit = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let wanted = u64::try_from(settings.http.max_connections).unwrap_or(u64::MAX);
    match OpenFiles::divide(limit, wanted, settings.admin.listen.is_some()) {
        Err(error) => Finding::error(TOPIC, error.to_string()),
        Ok(OpenFiles { connections, .. }) if connections < wanted => Finding::warning(
            TOPIC,
            format!(
                "the limit {limit} leaves {connections} connections, not max_connections = {wanted}; raise LimitNOFILE"
            ),
        ),
        Ok(_) => Finding::fine(TOPIC, format!("the limit {limit} is enough for max_connections = {wanted}")),
    }
}

fn examine_backlog(wanted: u32, kernel: Option<u32>) -> Finding {
    const TOPIC: &str = "backlog";
    match kernel {
        Some(most) if most < wanted => Finding::warning(
            TOPIC,
            format!("the kernel reduces listen_backlog = {wanted} to {most}: sysctl net.core.somaxconn={wanted}"),
        ),
        Some(most) => Finding::fine(TOPIC, format!("listen_backlog = {wanted}; the kernel allows {most}")),
        None => Finding::fine(TOPIC, format!("listen_backlog = {wanted}; the kernel names no limit")),
    }
}

fn examine_processors(found: io::Result<usize>) -> Finding {
    const TOPIC: &str = "processors";
    match found {
        Ok(1) => Finding::warning(TOPIC, "1: payments wait while a snapshot or an upload is worked on"),
        Ok(count) => Finding::fine(TOPIC, count.to_string()),
        Err(error) => Finding::warning(TOPIC, format!("unknown: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::doctor::finding::Verdict;

    #[test]
    fn the_clock_is_compared_with_the_files_of_the_journal() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store { path: folder.path().to_owned(), ..Store::default() };
        let now = Millis(1_800_000_000_000);
        assert_eq!(examine_clock(&store, now).verdict, Verdict::Fine, "no journal");
        assert_eq!(examine_clock(&store, Millis(0)).verdict, Verdict::Error);
        fs::create_dir(folder.path().join(FOLDER)).unwrap();
        let file = fs::File::create(folder.path().join(FOLDER).join("1.log")).unwrap();
        for (ahead_ms, verdict) in [(-5_000_i64, Verdict::Fine), (59_000, Verdict::Fine), (61_000, Verdict::Error)] {
            let at = u64::try_from(now.0 + ahead_ms).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_millis(at)).unwrap();
            assert_eq!(examine_clock(&store, now).verdict, verdict, "{ahead_ms}");
        }
    }

    #[test]
    fn small_limits_are_warnings() {
        assert_eq!(examine_backlog(4_096, Some(128)).verdict, Verdict::Warning);
        assert_eq!(examine_backlog(4_096, Some(4_096)).verdict, Verdict::Fine);
        assert_eq!(examine_backlog(4_096, None).verdict, Verdict::Fine);
        assert_eq!(examine_processors(Ok(1)).verdict, Verdict::Warning);
        assert_eq!(examine_processors(Ok(2)).verdict, Verdict::Fine);
        let mut settings = Settings::default();
        settings.http.max_connections = usize::MAX;
        assert_eq!(examine_open_files(&settings).verdict, Verdict::Warning);
    }
}
