//! Sends snapshots to Redis, and trims the part of the stream that they contain.
//!
//! A background thread writes the snapshot into chunks; this task sends them. The snapshot counts once all its chunks are in
//! Redis and the stream has reached its end.

use crate::{
    replication::{
        format::{CHUNK_BYTES_MAX, Chunk, encode_chunk},
        key_sender::{KeySendError, send_keys},
        model::{
            answers::{Begun, ChunkPut, Finished},
            error::RedisError,
            head::Fence,
            requests::SnapshotToFinish,
        },
        redis_store::RedisStore,
        retry::Retry,
        shared::Shared,
    },
    scheduling::background,
    storage::journal::{JournalId, Lsn},
    telemetry::traces::Span,
};
use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// The chunks that wait to be sent.
const CHUNKS_WAITING_MAX: usize = 2;
/// How often it is looked whether a snapshot is due.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// After a failure, the next snapshot is tried after this time at the latest.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// The same while answers wait for the snapshot.
const URGENT_RETRY_MAX: Duration = Duration::from_secs(5);
/// One chunk is sent this often before the snapshot is given up.
const TRIES_MAX: u32 = 20;

#[derive(Debug, thiserror::Error)]
enum SnapshotError {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("it cannot be written: {0}")]
    Write(#[from] io::Error),
    #[error("its keys cannot be sent: {0}")]
    Keys(#[from] KeySendError),
    #[error("another snapshot was begun, or its chunks do not agree")]
    Disturbed,
    #[error("a thread ended early: {0}")]
    Thread(#[from] tokio::task::JoinError),
    #[error("the stream cannot be trimmed: {0:#}")]
    Trim(anyhow::Error),
}

impl SnapshotError {
    /// The refusal of Redis.
    fn redis(&self) -> Option<&RedisError> {
        match self {
            Self::Redis(error) | Self::Keys(KeySendError::Redis(error)) => Some(error),
            _ => None,
        }
    }
}

/// Sends snapshots at their interval. It never returns.
pub(super) async fn send_snapshots(shared: Arc<Shared>, mut store: RedisStore) {
    let parts = &shared.parts;
    let interval = Duration::from_secs(parts.settings.snapshot_interval_s);
    let (mut last, mut not_before) = (None::<(Instant, Lsn)>, Instant::now());
    let mut has_looked = false;
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let Some(fence) = shared.fence() else { continue };
        if !has_looked {
            // An earlier process may have completed one.
            let Ok(head) = store.head().await else { continue };
            has_looked = true;
            if let Some(snapshot) = head.and_then(|head| head.snapshot) {
                last = Some((Instant::now(), snapshot.begin));
                parts.state.set_snapshot(snapshot.begin);
            }
        }
        let newest = parts.journal.last();
        // The copy in Redis was lost, or there was none yet.
        let is_missing = parts.state.snapshot() == Lsn::NONE;
        let is_due = match last {
            Some((at, begin)) => (at.elapsed() >= interval && newest > begin) || is_missing,
            None => true,
        };
        if !is_due || newest == Lsn::NONE || Instant::now() < not_before {
            continue;
        }
        let began = Instant::now();
        let span = Span::begin("redis.snapshot");
        let sent = send(&shared, &mut store, fence).await;
        span.note(&sent);
        drop(span);
        match sent {
            Ok(begin) => {
                last = Some((began, begin));
                parts.state.set_snapshot(begin);
                // Records may have waited for it.
                parts.state.want();
                parts.state.counts.snapshots.fetch_add(1, Ordering::Relaxed);
                tracing::info!("redis: snapshot up to record {begin} is complete, {} ms", began.elapsed().as_millis());
                let span = Span::begin("redis.trim");
                let trimmed = trim(&shared, &mut store, fence, begin).await;
                span.note(&trimmed);
                drop(span);
                if let Err(error) = trimmed {
                    error.redis().into_iter().for_each(|error| shared.end_if_replaced(error));
                    tracing::warn!("redis: {error}; the next snapshot tries again");
                }
            }
            Err(error) => {
                error.redis().into_iter().for_each(|error| shared.end_if_replaced(error));
                let pause = if shared.is_whole() { RETRY_MAX } else { URGENT_RETRY_MAX };
                not_before = Instant::now() + interval.min(pause);
                parts.state.counts.snapshots_failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!("redis: no snapshot was sent; it is tried again: {error}");
            }
        }
    }
}

/// Collects bytes into chunks and sends them to the task.
struct ChunkWriter {
    instance: JournalId,
    begin: Lsn,
    index: u32,
    bytes: Vec<u8>,
    total: u64,
    chunks: mpsc::Sender<Vec<u8>>,
}

impl ChunkWriter {
    fn write(&mut self, mut piece: &[u8]) -> io::Result<()> {
        self.total = self.total.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        while !piece.is_empty() {
            let (now, later) = piece.split_at(piece.len().min(CHUNK_BYTES_MAX.saturating_sub(self.bytes.len())));
            self.bytes.extend_from_slice(now);
            piece = later;
            if self.bytes.len() >= CHUNK_BYTES_MAX {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let frame = encode_chunk(self.instance, &Chunk { begin: self.begin, index: self.index, bytes: &self.bytes });
        self.bytes.clear();
        self.index = self.index.saturating_add(1);
        // The task has given up.
        self.chunks.blocking_send(frame).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

/// What was written.
struct Written {
    end: Lsn,
    chunks: u64,
    bytes: u64,
}

async fn send(shared: &Shared, store: &mut RedisStore, fence: Fence) -> Result<Lsn, SnapshotError> {
    let parts = &shared.parts;
    let begin = parts.journal.last();
    if store.begin_snapshot(fence, begin).await? == Begun::AlreadyFinished {
        return Ok(begin);
    }
    let (sender, mut chunks) = mpsc::channel(CHUNKS_WAITING_MAX);
    let (source, instance) = (Arc::clone(&parts.snapshots), parts.instance.id);
    let writing = background::run(move || {
        let mut writer = ChunkWriter { instance, begin, index: 0, bytes: Vec::new(), total: 0, chunks: sender };
        let end = source.write(begin, &mut |piece| writer.write(piece))?;
        writer.flush()?;
        Ok::<_, io::Error>(Written { end, chunks: u64::from(writer.index), bytes: writer.total })
    });
    let mut index = 0;
    while let Some(frame) = chunks.recv().await {
        put(store, fence, (begin, index), &frame).await?;
        index += 1;
    }
    let Written { end, chunks, bytes } = writing.await??;
    // The stream must contain the records that a later piece of the snapshot contains.
    parts.state.want();
    shared.when_confirmed(end).await;
    // The snapshot may have created keys that no record needs.
    send_keys(shared, store, fence, &mut shared.sent_slots()).await?;
    match store.finish_snapshot(fence, SnapshotToFinish { begin, end, chunks, bytes }).await? {
        Finished::Yes => Ok(begin),
        Finished::NotReached(_) | Finished::Chunks(_) | Finished::NotBegun => Err(SnapshotError::Disturbed),
    }
}

/// Sends one chunk. A chunk that was sent before changes nothing.
async fn put(
    store: &mut RedisStore,
    fence: Fence,
    (begin, index): (Lsn, u64),
    frame: &[u8],
) -> Result<(), SnapshotError> {
    let mut retry = Retry::new();
    for _ in 1..TRIES_MAX {
        match store.put_chunk(fence, begin, index, frame).await {
            Ok(ChunkPut::Yes) => return Ok(()),
            Ok(ChunkPut::Expected { .. } | ChunkPut::NotBegun) => return Err(SnapshotError::Disturbed),
            Err(error) if error.is_outage() => retry.pause().await,
            Err(error) => return Err(error.into()),
        }
    }
    match store.put_chunk(fence, begin, index, frame).await? {
        ChunkPut::Yes => Ok(()),
        ChunkPut::Expected { .. } | ChunkPut::NotBegun => Err(SnapshotError::Disturbed),
    }
}

async fn trim(shared: &Shared, store: &mut RedisStore, fence: Fence, contained: Lsn) -> Result<(), SnapshotError> {
    let parts = &shared.parts;
    let source = Arc::clone(&parts.snapshots);
    let Some(stream_begin) = store.head().await?.and_then(|head| head.begin) else { return Ok(()) };
    let through = background::run(move || source.trimmable(contained, stream_begin)).await?;
    let Some(through) = through.map_err(SnapshotError::Trim)? else { return Ok(()) };
    // The copies of transactions are in Redis before their originals leave it.
    shared.when_confirmed(parts.journal.last()).await;
    let begin = store.trim(fence, through).await?;
    tracing::info!("redis: the stream begins with record {begin}");
    Ok(())
}
