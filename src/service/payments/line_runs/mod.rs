//! Streams of lines on several threads: the answers are those of the lines one after the other, byte for byte.
//!
//! A stream is cut into runs of whole lines. Each run is answered by one thread, in three steps:
//!
//! 1. `prepared_line` reads and admits the lines and looks up what each one reads and changes: its footprint. Runs do
//!    this at the same time.
//! 2. `ordered_run` lets one run after the other through the gate, in the order of the stream. There each line gets its
//!    time, and finds out which lines of earlier runs it has to wait for. A line that may create a customer is done there,
//!    so that customers are created and numbered in the order of the stream. A line whose footprint is unknown is done
//!    there when all lines before it are done.
//! 3. The run does its other lines, in their order. A line waits for the lines of other runs whose keys it shares.
//!
//! A line waits only for lines before it, so the first line that is not done never waits.

mod line_order;
mod line_run;
mod ordered_run;
mod prepared_line;

#[cfg(test)]
mod tests;

pub use crate::service::payments::line_runs::{
    line_order::LineOrder,
    line_run::{LineRun, RunSplitter},
    ordered_run::{AnsweredRun, LineStream},
};
