//! What each metric means: the text of `# HELP` in `/metrics`.

use MetricType::{Counter, Gauge, Histogram};
use metrics::{describe_counter, describe_gauge, describe_histogram};

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MetricType {
    /// A number that only grows.
    Counter,
    /// A number that can fall.
    Gauge,
    /// The distribution of a value.
    Histogram,
}

/// Name, type and meaning of every metric, by name.
const METRICS: [(&str, MetricType, &str); 83] = [
    ("levelgate_accept_errors_total", Counter, "Errors of the system when it accepted a connection"),
    ("levelgate_answer_seconds", Histogram, "Time to answer one call of the hot path; buckets from 1 µs to 100 ms"),
    ("levelgate_archive_index_rebuilds_total", Counter, "Rebuilds of index.redb"),
    ("levelgate_archive_segments_damaged_total", Counter, "Archive files whose check failed"),
    ("levelgate_attributes_unsealed_total", Counter, "Attributes that could not be sealed and were not stored"),
    (
        "levelgate_auth_failures_not_delayed_total",
        Counter,
        "Answers to wrong tokens that were not delayed, because the limit of delayed answers was reached",
    ),
    ("levelgate_auth_failures_total", Counter, "Requests refused because of their token or their origin, by reason"),
    ("levelgate_batches", Gauge, "Running batches"),
    ("levelgate_batches_max", Gauge, "The limit of running batches"),
    ("levelgate_build_info", Gauge, "1, with the version of the daemon as a label"),
    ("levelgate_checks_total", Counter, "Decisions that were requested without recording"),
    ("levelgate_clock_accepted", Gauge, "0 while the system clock is not accepted, else 1"),
    (
        "levelgate_clock_step_seconds",
        Gauge,
        "The difference of the clocks while the system clock is not accepted, in seconds",
    ),
    (
        "levelgate_commit_wait_seconds",
        Histogram,
        "Time that an answer waited for the journal, and for Redis where the configuration demands it",
    ),
    ("levelgate_config_failed", Gauge, "1 while a newer configuration is refused, else 0"),
    (
        "levelgate_config_last_reload_success_timestamp_seconds",
        Gauge,
        "Time at which the configuration in force was applied",
    ),
    ("levelgate_config_last_reload_successful", Gauge, "1 if the last reload took effect, else 0"),
    ("levelgate_config_problems", Gauge, "Problems of the last reload, by severity"),
    ("levelgate_connections", Gauge, "Connections on the main listeners"),
    (
        "levelgate_connections_dropped_total",
        Counter,
        "Connections beyond max_connections that were closed for a newer one",
    ),
    (
        "levelgate_connections_max",
        Gauge,
        "The limit of connections: max_connections, or less because of the limit on open files",
    ),
    ("levelgate_connections_refused_total", Counter, "Connections accepted beyond max_connections"),
    ("levelgate_customers", Gauge, "Customers in memory"),
    ("levelgate_decision_seconds", Histogram, "Time of a recorded decision, by decision"),
    ("levelgate_decisions_total", Counter, "Recorded decisions, by decision"),
    ("levelgate_denials_total", Counter, "Denials, by their first code"),
    ("levelgate_disk_free_bytes", Gauge, "Free bytes of the data folder's file system"),
    ("levelgate_events_waiting", Gauge, "Waiting readers of the feed"),
    ("levelgate_filter_denials_total", Counter, "Payments that a filter has denied"),
    ("levelgate_filter_shadow_denials_total", Counter, "Payments that a filter in shadow mode would have denied"),
    ("levelgate_gate_attempts_total", Counter, "Attempts that callers have reported, by gate and outcome"),
    ("levelgate_headers_too_large_total", Counter, "Heads longer than max_header_bytes"),
    ("levelgate_inflight_bytes", Gauge, "Bytes of requests and answers in memory"),
    ("levelgate_inflight_bytes_max", Gauge, "The limit of bytes of requests and answers in memory"),
    ("levelgate_jobs_turned_away_total", Counter, "Uploads and bulk changes refused at a limit"),
    ("levelgate_jobs_without_space_total", Counter, "Uploads and bulk changes refused because the disk has no room"),
    ("levelgate_journal_backlog_bytes", Gauge, "Bytes of records that are not written"),
    (
        "levelgate_journal_backlog_bytes_max",
        Gauge,
        "The limit of bytes that are not written; new reserves are refused at it",
    ),
    ("levelgate_journal_cut_bytes_total", Counter, "Bytes that a start moved to cut/"),
    ("levelgate_journal_oldest_unwritten_seconds", Gauge, "Age of the oldest record that is not written"),
    ("levelgate_journal_records_unsynced", Gauge, "Records that are not synced"),
    ("levelgate_journal_rotations_postponed_total", Counter, "New segments whose file could not be created yet"),
    ("levelgate_journal_rotations_total", Counter, "New segments"),
    ("levelgate_journal_slow_writes_total", Counter, "Writes of 25 ms or longer"),
    ("levelgate_journal_sync_seconds", Histogram, "Time of a sync of the journal"),
    ("levelgate_levels_turned_away_total", Counter, "Levels of requests refused because of a limit"),
    ("levelgate_names", Gauge, "Distinct names of levels, methods, filters and similar things in memory"),
    ("levelgate_names_refused_total", Counter, "New names refused because of a limit"),
    ("levelgate_open_files_limit", Gauge, "The limit of the process on open files"),
    ("levelgate_open_files_reserved", Gauge, "Open files that are not available for connections of the main listeners"),
    ("levelgate_overloaded_total", Counter, "Requests refused at a limit of the whole daemon, by limit"),
    ("levelgate_rate_limit_waits_total", Counter, "Lines of batches that waited for the rate of their token"),
    ("levelgate_rate_limited_total", Counter, "Requests refused because of the rate of their token"),
    ("levelgate_redis_batches_total", Counter, "Batches of records that Redis has confirmed"),
    ("levelgate_redis_bytes_total", Counter, "Bytes of records that Redis has confirmed"),
    ("levelgate_redis_failures_total", Counter, "Commands to Redis that failed; each is followed by a new attempt"),
    ("levelgate_redis_fenced_out", Gauge, "1 once another daemon has taken over, else 0"),
    ("levelgate_redis_lag_records", Gauge, "Records of the journal that Redis has not confirmed"),
    ("levelgate_redis_lag_seconds", Gauge, "Age of the records that Redis has not confirmed"),
    ("levelgate_redis_outage", Gauge, "1 while an outage of Redis is established, else 0"),
    ("levelgate_redis_snapshots_failed_total", Counter, "Snapshots that could not be sent to Redis"),
    ("levelgate_redis_snapshots_total", Counter, "Snapshots that are complete in Redis"),
    ("levelgate_reload_seconds", Histogram, "Time of a reload, by outcome"),
    ("levelgate_replays_total", Counter, "Operations answered from the record"),
    ("levelgate_request_seconds", Histogram, "Time of a request from its head to its answer, by operation and outcome"),
    ("levelgate_requests_too_slow_total", Counter, "Requests that were not received in time, by part"),
    ("levelgate_sandbox_decisions_total", Counter, "Recorded decisions of test merchants, by decision"),
    ("levelgate_segments_not_archived_total", Counter, "Rounds in which segments could not be archived"),
    (
        "levelgate_segments_not_deleted_total",
        Counter,
        "Rounds in which segments older than archive_days could not be deleted",
    ),
    ("levelgate_snapshot_bytes", Gauge, "Size of the newest snapshot"),
    ("levelgate_snapshot_seconds", Histogram, "Time of a snapshot"),
    ("levelgate_snapshots_failed_total", Counter, "Snapshots that could not be written"),
    ("levelgate_snapshots_skipped_total", Counter, "Snapshots skipped for min_free_bytes"),
    ("levelgate_standby", Gauge, "1 while the daemon is a standby, else 0"),
    ("levelgate_standby_lag_records", Gauge, "Records of the stream in Redis that the standby has not read"),
    ("levelgate_standby_lag_seconds", Gauge, "For how long the standby may have lacked records"),
    (
        "levelgate_tls_certificate_expiry_timestamp_seconds",
        Gauge,
        "Time at which the certificate of the listener expires",
    ),
    ("levelgate_tls_handshake_failures_total", Counter, "TLS handshakes that failed or took too long, by reason"),
    ("levelgate_trace_exports_failed_total", Counter, "Requests to the collector of traces that failed"),
    ("levelgate_transactions_held", Gauge, "Transactions in memory"),
    ("levelgate_transitions_total", Counter, "Facts recorded on transactions"),
    (
        "levelgate_unavailable_total",
        Counter,
        "Calls refused at a limit, or because the clock or the journal is unavailable",
    ),
    ("levelgate_upload_bytes", Gauge, "Bytes that uploads in progress hold"),
];

/// The meaning of a metric.
pub(crate) fn meaning(name: &str) -> &'static str {
    METRICS.iter().find(|(known, ..)| *known == name).map_or("", |(.., meaning)| meaning)
}

/// Registers the descriptions at the installed recorder.
pub(crate) fn describe_metrics() {
    for (name, metric_type, meaning) in METRICS {
        match metric_type {
            Counter => describe_counter!(name, meaning),
            Gauge => describe_gauge!(name, meaning),
            Histogram => describe_histogram!(name, meaning),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, fs, path::Path};

    fn names_in(text: &str) -> impl Iterator<Item = &str> {
        let starts = text.match_indices("levelgate_").map(|(at, _)| &text[at..]);
        starts.map(|rest| rest.split(|c: char| !c.is_ascii_lowercase() && c != '_').next().unwrap_or_default())
    }

    /// The names of metrics in the string literals of a folder's files.
    fn names_of_literals(folder: &Path, names: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                names_of_literals(&entry, names);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&entry).unwrap();
                let literals = text.split('"').filter(|literal| literal.starts_with("levelgate_"));
                names.extend(literals.filter(|l| names_in(l).next() == Some(l)).map(str::to_owned));
            }
        }
    }

    #[test]
    fn every_metric_has_a_description_and_a_row_in_the_guide() {
        let described: BTreeSet<String> = METRICS.iter().map(|(name, ..)| (*name).to_owned()).collect();
        assert!(METRICS.is_sorted_by_key(|(name, ..)| *name) && described.len() == METRICS.len(), "by name, each once");
        let mut used = BTreeSet::new();
        names_of_literals(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut used);
        used.remove("levelgate_");
        assert_eq!(used, described, "literals of the program, and descriptions");
        let guide = include_str!("../docs/operations.md");
        let rows = guide.lines().filter(|line| line.starts_with("| `levelgate_"));
        let listed: BTreeSet<String> =
            rows.flat_map(|row| names_in(row.split(" | ").next().unwrap_or_default())).map(str::to_owned).collect();
        let missing: Vec<_> = described.difference(&listed).collect();
        assert!(missing.is_empty(), "operations.md has no row for {missing:?}");
        for (name, metric_type, meaning) in METRICS {
            let ends = name.ends_with("_total");
            assert_eq!(ends, metric_type == Counter, "{name}: a counter ends in _total");
            assert!(
                !meaning.ends_with('.') && meaning.chars().next().is_some_and(|c| !c.is_lowercase()),
                "{name}: {meaning}"
            );
        }
    }
}
