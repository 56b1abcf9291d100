//! The offset of a record in the journal.

/// The offset of a record in the journal. The domain only stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LogOffset(pub u64);

impl LogOffset {
    /// The preceding record of the same step. Its offset is not known before the step is written.
    pub const SAME_STEP: Self = Self(u64::MAX);
}
