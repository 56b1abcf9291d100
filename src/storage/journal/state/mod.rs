//! The parts of a running journal. None of them knows the journal itself.

pub(in crate::storage) mod audited_blocks;
pub(in crate::storage) mod buffer;
pub(in crate::storage) mod disk_pace;
pub(in crate::storage) mod files;
pub(in crate::storage) mod next_segment;
pub(in crate::storage) mod notifier;
pub(in crate::storage) mod open_files;
pub(in crate::storage) mod positions;
pub(in crate::storage) mod record_ends;
pub(in crate::storage) mod segment_lock;
pub(in crate::storage) mod segment_writer;
pub(in crate::storage) mod threads;
pub(in crate::storage) mod waiters;
pub(in crate::storage) mod watermarks;
