//! Figures as people and later comparisons read them.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A figure that can be compared with that of another run. The benches in `benches/` write the same records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Figure {
    /// What was measured.
    pub(super) name: String,
    /// Of `median` and `p99`.
    pub(super) unit: String,
    pub(super) median: u64,
    /// Absent where there is one value only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) p99: Option<u64>,
    /// The number of samples.
    pub(super) n: u64,
    /// Where it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) machine: Option<Machine>,
}

/// The facts of a machine without which figures cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Machine {
    /// The model of the processor.
    pub(super) processor: String,
    /// Processors that this process may use.
    pub(super) processors: u64,
    /// Bytes of memory.
    pub(super) memory_bytes: u64,
    /// The version of the kernel.
    pub(super) kernel: String,
    /// How the program was compiled: `debug` or `release`.
    pub(super) build: String,
}

impl Machine {
    /// This machine.
    pub(super) fn this() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let value = |text: &str, key: &str| {
            let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
            line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let memory = value(&read("/proc/meminfo"), "MemTotal");
        let kib = memory.split(' ').next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default();
        Self {
            processor: value(&read("/proc/cpuinfo"), "model name"),
            processors: std::thread::available_parallelism().map_or(0, |count| count.get() as u64),
            memory_bytes: kib * 1_024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
        }
    }
}

/// Nanoseconds as a short text with a unit.
pub(super) fn show_ns(ns: u64) -> String {
    match ns {
        0..10_000 => format!("{}.{:02} us", ns / 1_000, ns % 1_000 / 10),
        10_000..1_000_000 => format!("{}.{} us", ns / 1_000, ns % 1_000 / 100),
        1_000_000..1_000_000_000 => format!("{}.{:02} ms", ns / 1_000_000, ns % 1_000_000 / 10_000),
        _ => format!("{}.{:02} s", ns / 1_000_000_000, ns % 1_000_000_000 / 10_000_000),
    }
}

/// A ratio in hundredths as a text, such as `1.05`.
pub(super) fn show_hundredths(hundredths: u64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// A ratio in hundredths; zero if there is nothing to divide by.
pub(super) fn ratio_hundredths(above: u64, below: u64) -> u64 {
    let ratio = (u128::from(above) * 100 + u128::from(below) / 2).checked_div(u128::from(below));
    u64::try_from(ratio.unwrap_or_default()).unwrap_or(u64::MAX)
}

/// The median; zero of nothing.
pub(super) fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Events a second.
pub(super) fn per_second(events: u64, time: Duration) -> u64 {
    let ns = time.as_nanos().max(1);
    u64::try_from(u128::from(events) * 1_000_000_000 / ns).unwrap_or(u64::MAX)
}

/// Reads a time such as `5ms`, `500us` or `1s`.
///
/// # Errors
/// The text is not a time.
pub(super) fn read_time(text: &str) -> Result<Duration, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let ns = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        _ => return Err(format!("{text:?} is not a time such as 500us, 5ms or 1s")),
    };
    let number = text.strip_suffix(unit).and_then(|number| number.parse::<u64>().ok());
    let ns = number.and_then(|number| number.checked_mul(ns));
    ns.map(Duration::from_nanos).ok_or_else(|| format!("{text:?} has no whole number before {unit}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_shown_shortly() {
        for (ns, text) in [
            (0, "0.00 us"),
            (999, "0.99 us"),
            (9_999, "9.99 us"),
            (25_340, "25.3 us"),
            (999_999, "999.9 us"),
            (1_234_567, "1.23 ms"),
            (12_345_678_901, "12.34 s"),
        ] {
            assert_eq!(show_ns(ns), text);
        }
        assert_eq!(show_hundredths(ratio_hundredths(57, 100)), "0.57");
        assert_eq!(show_hundredths(ratio_hundredths(300, 100)), "3.00");
        assert_eq!(ratio_hundredths(1, 0), 0);
        assert_eq!((median(vec![3, 1, 2]), median(Vec::new())), (2, 0));
        assert_eq!(per_second(500, Duration::from_millis(250)), 2_000);
    }

    #[test]
    fn times_are_read() {
        assert_eq!(read_time("5ms"), Ok(Duration::from_millis(5)));
        assert_eq!(read_time("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(read_time("60s"), Ok(Duration::from_secs(60)));
        for wrong in ["", "5", "ms", "1.5ms", "-1s", "5 ms", "99999999999999999999s"] {
            assert!(read_time(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn this_machine_is_described() {
        let machine = Machine::this();
        assert!(machine.processors > 0 && machine.memory_bytes > 0 && !machine.kernel.is_empty());
    }
}
