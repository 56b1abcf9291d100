//! Spans of a build without the feature `otlp`: they do nothing.

use std::{future::Future, time::Instant};

/// Does nothing: the configuration of such a build names no collector.
pub(crate) fn start(_endpoint: &str) -> anyhow::Result<()> {
    Ok(())
}

/// Does nothing.
pub(crate) fn stop() {}

/// No span.
#[derive(Debug)]
pub(crate) struct Span;

impl Span {
    pub(crate) fn none() -> Self {
        Self
    }

    pub(crate) fn begin(_name: &'static str) -> Self {
        Self
    }

    pub(crate) fn begin_at(_name: &'static str, _began: Instant) -> Self {
        Self
    }

    pub(crate) fn begin_request(_method: &'static str, _route: &'static str, _traceparent: Option<&str>) -> Self {
        Self
    }

    pub(crate) fn set_word(&self, _key: &'static str, _value: &'static str) {}

    pub(crate) fn set_number(&self, _key: &'static str, _value: u64) {}

    pub(crate) fn fail(&self) {}

    pub(crate) fn note<T, E>(&self, _result: &Result<T, E>) {}

    pub(crate) async fn scope<F: Future>(&self, work: F) -> F::Output {
        work.await
    }
}

/// The work itself.
pub(crate) fn carry<W>(work: W) -> W {
    work
}

/// Does the work.
pub(crate) fn in_span<T>(_name: &'static str, work: impl FnOnce(&Span) -> T) -> T {
    work(&Span)
}
