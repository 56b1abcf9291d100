//! The time limit of a streamed body: a batch, or a table that is uploaded.

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use hyper::body::Frame;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The time limits of an uploaded table.
#[derive(Debug, Clone, Copy)]
pub struct UploadLimits {
    /// The most time without bytes, and the most that bytes can earn.
    pub body_timeout: Duration,
    /// The bytes that add a second to the time left; at least 1.
    pub bytes_per_s_min: u64,
}

impl UploadLimits {
    /// The time limit of one upload.
    pub(crate) fn pace(self) -> SenderPace {
        SenderPace { bytes_per_s: Some(self.bytes_per_s_min.max(1)), ..SenderPace::of_line(self.body_timeout) }
    }
}

/// The time for a body is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooSlow;

/// The time that a client has left for a streamed body. Only the time in which the daemon waits for the client counts.
#[derive(Debug)]
pub(crate) struct SenderPace {
    left: Duration,
    max: Duration,
    /// The bytes that add a second to the time left.
    bytes_per_s: Option<u64>,
}

impl SenderPace {
    /// The time limit of one line of a batch.
    pub(crate) fn of_line(max: Duration) -> Self {
        Self { left: max, max, bytes_per_s: None }
    }

    /// The next frame of a body; with `is_unlimited` it waits as long as the connection lasts.
    ///
    /// # Errors
    /// The time is over.
    pub(crate) async fn next(
        &mut self,
        body: &mut Body,
        is_unlimited: bool,
    ) -> Result<Option<Result<Frame<Bytes>, axum::Error>>, TooSlow> {
        if is_unlimited {
            return Ok(body.frame().await);
        }
        let waiting_since = Instant::now();
        let frame = timeout(self.left, body.frame()).await.map_err(|_| {
            metrics::counter!("levelgate_requests_too_slow_total", "part" => "stream").increment(1);
            TooSlow
        })?;
        self.left = self.left.saturating_sub(waiting_since.elapsed());
        if let (Some(bytes_per_s), Some(Ok(frame))) = (self.bytes_per_s, &frame) {
            let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
            let earned = Duration::from_millis(bytes.saturating_mul(1_000) / bytes_per_s);
            self.left = self.left.saturating_add(earned).min(self.max);
        }
        Ok(frame)
    }

    /// Restarts the time limit.
    pub(crate) fn restart(&mut self) {
        self.left = self.max;
    }
}
