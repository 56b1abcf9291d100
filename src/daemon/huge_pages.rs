//! Whether the kernel may give the process pages of 2 MiB ("transparent huge pages").
//!
//! A huge page is cleared when it is first written. That delays one reserve; the address lookups of later ones are faster.
//! The guide on performance has the figures of both.

use std::{fs, io};

/// The setting of the kernel for all processes.
const KERNEL_SETTING: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

/// Allows or forbids huge pages for memory that is first written from now on.
pub(crate) fn allow(is_allowed: bool) {
    match rustix::thread::disable_transparent_huge_pages(!is_allowed) {
        Ok(()) => tracing::info!(
            "huge pages: {} ([memory] huge_pages); the setting of the kernel is {}",
            if is_allowed { "allowed" } else { "not used" },
            of_kernel().unwrap_or_else(|_| "unknown".to_owned())
        ),
        Err(error) => tracing::warn!(
            %error,
            "[memory] huge_pages = {is_allowed} has no effect: the kernel refuses to change it for this process; \
             {KERNEL_SETTING} has the setting for all processes"
        ),
    }
}

/// The word in force among the words of the kernel's setting, such as `always [madvise] never`.
fn of_kernel() -> io::Result<String> {
    let words = fs::read_to_string(KERNEL_SETTING)?;
    let in_force = words.split(['[', ']']).nth(1).unwrap_or_default();
    Ok(in_force.to_owned())
}
