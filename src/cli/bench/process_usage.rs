//! Processor time and memory of a process, from `/proc`.

use anyhow::Context;
use std::time::Duration;

/// The ticks of a second in `/proc/PID/stat`. Linux has this value on every architecture (`USER_HZ`).
const TICKS_A_SECOND: u64 = 100;

/// The processor time that a process has used, of itself and the kernel.
///
/// # Errors
/// There is no such process.
pub(super) fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    let ticks = ticks(&text).with_context(|| format!("{path} has no processor time"))?;
    Ok(Duration::from_millis(ticks * 1_000 / TICKS_A_SECOND))
}

/// `utime` and `stime`. The name of the program, in parentheses, may contain spaces.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    // The state is the third field of the file and the first one here; `utime` is the fourteenth.
    let mut times = fields.split_whitespace().skip(11);
    Some(times.next()?.parse::<u64>().ok()? + times.next()?.parse::<u64>().ok()?)
}

/// The resident memory of a process, in bytes.
///
/// # Errors
/// There is no such process.
pub(super) fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    resident(&text).with_context(|| format!("{path} has no VmRSS"))
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_kernel_are_read() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 100 0 0 0 250 75 0 0 20 0 4 0 100 1000 200";
        assert_eq!(ticks(stat), Some(325));
        assert_eq!(ticks("42 (a"), None);
        assert_eq!(resident("Name:\tlevelgate\nVmRSS:\t  2048 kB\nVmData:\t 1 kB\n"), Some(2_097_152));
        assert_eq!(resident("Name:\tlevelgate\n"), None);
        assert!(resident_bytes(std::process::id()).unwrap() > 0);
        processor_time(std::process::id()).unwrap();
    }
}
