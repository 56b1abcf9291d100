//! Figures of benches: lines of JSON that `levelgate bench --diff` compares, and growth in words.

use serde_json::json;
use std::{fs, io::Write, thread};

/// Appends a figure to the file that `LEVELGATE_JSON` names; nothing where it is not set.
pub fn record_figure(name: &str, unit: &str, median: u64, p99: Option<u64>, n: u64) {
    let Some(path) = std::env::var_os("LEVELGATE_JSON") else { return };
    let mut file = fs::OpenOptions::new().create(true).append(true).open(&path).expect("LEVELGATE_JSON can be written");
    writeln!(file, "{}", figure_line(name, unit, median, p99, n)).expect("LEVELGATE_JSON can be written");
}

/// [`record_figure`] for a number as it is printed. Decimals are recorded in hundredths.
pub fn record_number(name: &str, number: &str) {
    let digits = number.trim();
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let hundredths: String = decimals.chars().chain("00".chars()).take(2).collect();
    let (text, unit) =
        if decimals.is_empty() { (whole.to_owned(), "1") } else { (whole.to_owned() + &hundredths, "1/100") };
    let value = text.parse().unwrap_or_else(|_| panic!("{number:?} of {name} is a number"));
    record_figure(name, unit, value, None, 1);
}

/// A figure as a line, with the facts of this machine.
pub fn figure_line(name: &str, unit: &str, median: u64, p99: Option<u64>, n: u64) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let value = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default().to_owned();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let kib = value(&read("/proc/meminfo"), "MemTotal").split(' ').next().and_then(|kib| kib.parse::<u64>().ok());
    let mut figure = json!({
        "name": name, "unit": unit, "median": median, "n": n,
        "machine": {
            "processor": value(&read("/proc/cpuinfo"), "model name"),
            "processors": thread::available_parallelism().map_or(0, |count| count.get() as u64),
            "memory_bytes": kib.unwrap_or_default() * 1024,
            "kernel": read("/proc/sys/kernel/osrelease").trim(),
            "build": if cfg!(debug_assertions) { "debug" } else { "release" },
        },
    });
    if let Some(p99) = p99 {
        figure["p99"] = p99.into();
    }
    figure.to_string()
}

/// How a cost grows with a size, in words: `flat from 1 k to 10 M`, or `grows 1.30x from 1 k to 10 M`. Changes of less than
/// 15 % are noise.
pub fn slope(points: &[(u64, u64)]) -> String {
    let (Some(&(small, first)), Some(&(large, last))) = (points.first(), points.last()) else {
        return "no sizes".to_owned();
    };
    let hundredths = last * 100 / first.max(1);
    let range = format!("from {} to {}", size(small), size(large));
    match hundredths {
        87..=115 => format!("flat {range}"),
        116.. => format!("grows {}.{:02}x {range}", hundredths / 100, hundredths % 100),
        _ => format!("falls to {}.{:02}x {range}", hundredths / 100, hundredths % 100),
    }
}

/// A size as people write it.
pub fn size(number: u64) -> String {
    match number {
        1_000_000.. if number.is_multiple_of(1_000_000) => format!("{} M", number / 1_000_000),
        1_000.. if number.is_multiple_of(1_000) => format!("{} k", number / 1_000),
        _ => number.to_string(),
    }
}
