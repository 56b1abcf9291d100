//! Problems of a configuration, collected and rendered.

pub(crate) mod problem;
pub(crate) mod report;
