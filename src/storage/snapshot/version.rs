//! The versions of the format of snapshots.

/// The version of the file's layout.
pub const FORMAT: u32 = 1;
/// The version of a frame's body that this program writes. Codec 1 is read; its shapes are in `snapshot/codec1.rs`.
pub const CODEC: u32 = 2;
