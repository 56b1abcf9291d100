//! The metrics of the process, by the conventions of Prometheus.
//!
//! They are written as text: a counter of the metrics library is a whole number, and the time of the processor is not.

use metrics_process::collector::collect;
use std::fmt::{Display, Write as _};

/// Writes the metrics in the text format of Prometheus. What the system does not tell is left out.
pub(crate) fn write_process_metrics(out: &mut String) {
    let found = collect();
    let mut write = |name: &str, metric_type: &str, meaning: &str, value: Option<&dyn Display>| {
        if let Some(value) = value {
            // A text in memory takes everything.
            let _ = writeln!(out, "# HELP {name} {meaning}\n# TYPE {name} {metric_type}\n{name} {value}");
        }
    };
    fn shown<T: Display>(value: &Option<T>) -> Option<&dyn Display> {
        value.as_ref().map(|value| value as &dyn Display)
    }
    let (cpu, threads) = (&found.cpu_seconds_total, &found.threads);
    write("process_cpu_seconds_total", "counter", "Processor time in user and system mode, in seconds", shown(cpu));
    for (name, meaning, value) in [
        ("process_open_fds", "Open file descriptors", &found.open_fds),
        ("process_max_fds", "The limit on open file descriptors", &found.max_fds),
        ("process_virtual_memory_bytes", "Virtual memory", &found.virtual_memory_bytes),
        ("process_virtual_memory_max_bytes", "The limit on virtual memory", &found.virtual_memory_max_bytes),
        ("process_resident_memory_bytes", "Resident memory", &found.resident_memory_bytes),
        ("process_start_time_seconds", "When the process started, in seconds since 1970", &found.start_time_seconds),
    ] {
        write(name, "gauge", meaning, shown(value));
    }
    write("process_threads", "gauge", "Threads of the process", shown(threads));
}
