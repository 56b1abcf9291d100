//! Traces: spans of the work that the fast path does not do, sent to a collector by OTLP over HTTP. They need the feature
//! `otlp`; without it a span is nothing.
//!
//! Names, keys and words are constants of the program, and all other values are numbers. So no span can contain what a
//! caller has sent: no personal attribute, no id, no secret.

#[cfg(feature = "otlp")]
mod exporter;
#[cfg(not(feature = "otlp"))]
mod no_span;
#[cfg(feature = "otlp")]
mod span;

#[cfg(feature = "otlp")]
pub(crate) use crate::telemetry::traces::{
    exporter::{start, stop},
    span::{Span, carry, in_span},
};

#[cfg(not(feature = "otlp"))]
pub(crate) use crate::telemetry::traces::no_span::{Span, carry, in_span, start, stop};
