//! Transparent huge pages, which the daemon does without.

/// Forbids transparent huge pages for this process and its children.
///
/// The allocator asks for them. The kernel then clears 2 MiB at the first write to a new page, and first moves other pages
/// to make room for it. Meanwhile a reserve that needs memory waits some milliseconds. With small pages it waits for 4 KiB.
/// An error means that the kernel knows no such pages.
pub fn forbid_huge_pages() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "transparent huge pages cannot be forbidden");
    }
}
