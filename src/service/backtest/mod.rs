//! What would have happened: a recorded history replayed under another configuration.

pub mod change_list;
pub mod render;
pub mod replay;
pub mod report;
pub mod tally;
