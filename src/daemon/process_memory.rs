//! The memory of the process, as the kernel reports it (proc(5), `/proc/self/status`).

use crate::service::monitoring::settings::ProcessMemory;

/// The memory now and the most since the start.
pub(crate) fn read() -> ProcessMemory {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ProcessMemory { resident_bytes: bytes_of(&text, "VmRSS:"), resident_bytes_max: bytes_of(&text, "VmHWM:") }
}

/// The bytes of a line, whose number is in units of 1,024.
fn bytes_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_the_kernel_are_read() {
        let text = "Name:\tlevelgate\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!((bytes_of(text, "VmRSS:"), bytes_of(text, "VmHWM:")), (Some(1_048_576), Some(2_097_152)));
        assert_eq!(bytes_of(text, "VmSwap:"), None);
        assert!(read().resident_bytes.is_some_and(|bytes| bytes > 0));
    }
}
