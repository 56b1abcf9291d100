//! The threads of recovery: each owns a partition, and receives the pieces and records of its customers in order.

use crate::domain::transaction::log_offset::LogOffset;
use crate::ledger::recovery::partition::Partition;
use crate::storage::{
    encoding,
    journal::{Keys, Lsn, Record, Refused},
    snapshot::{Frame, SnapshotError},
};
use std::{
    io, mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
    thread::JoinHandle,
};

/// The size of a batch, in bytes, from which on it is sent to its worker.
const BATCH_BYTES: usize = 128 * 1024;
/// The number of customers that are prefetched together.
const PREFETCHED: usize = 8;
/// The most batches that wait for a worker.
const BATCHES_MAX: usize = 8;

/// Why a worker stopped.
#[derive(Debug)]
pub(super) enum Failure {
    /// A piece of a snapshot, at this offset.
    Piece(u64, SnapshotError),
    /// A record of the journal.
    Record(Refused),
}

impl Failure {
    /// The order of failures. The earliest is reported, whichever worker fails first.
    fn position(&self) -> (u64, u64) {
        match self {
            Self::Piece(offset, _) => (0, *offset),
            Self::Record(refused) => (1, refused.lsn.0),
        }
    }
}

/// A part of a batch. Its bytes follow those of the part before.
#[derive(Clone, Copy)]
enum Item {
    Piece {
        offset: u64,
        codec: u32,
        bytes: usize,
    },
    Record {
        lsn: Lsn,
        epoch: u32,
        owner: u64,
        offset: LogOffset,
        bytes: usize,
    },
    /// A record that another partition applies completely and that changes customers of all partitions.
    Broadcast {
        lsn: Lsn,
        epoch: u32,
        offset: LogOffset,
        bytes: usize,
    },
}

#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

enum Command {
    Apply(Batch),
    /// Report the first failure once all batches before are applied.
    Report(Sender<Option<Failure>>),
}

/// A thread, and the batch that is collected for it.
struct Worker {
    commands: SyncSender<Command>,
    batch: Batch,
    thread: JoinHandle<Partition>,
}

/// All recovery threads.
pub(super) struct RecoveryWorkers {
    workers: Vec<Worker>,
    has_failed: Arc<AtomicBool>,
}

impl RecoveryWorkers {
    /// Starts `count` threads, each with an empty partition.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub(super) fn new(secret: (u64, u64), keys: &Arc<Keys>, count: usize) -> io::Result<Self> {
        let has_failed = Arc::new(AtomicBool::new(false));
        let start = |_| {
            let (commands, received) = sync_channel(BATCHES_MAX);
            let (keys, has_failed) = (Arc::clone(keys), Arc::clone(&has_failed));
            let partition = Partition::new(secret, count);
            let thread = std::thread::Builder::new().name("recovery".to_owned());
            let thread = thread.spawn(move || run(partition, &keys, &received, &has_failed))?;
            Ok(Worker { commands, batch: Batch::default(), thread })
        };
        Ok(Self { workers: (0..count).map(start).collect::<io::Result<_>>()?, has_failed })
    }

    /// Hands a piece of a customer to its worker.
    pub(super) fn restore(&mut self, customer: u64, frame: &Frame<'_>) {
        self.add(
            customer,
            Item::Piece { offset: frame.offset, codec: frame.codec, bytes: frame.body.len() },
            frame.body,
        );
    }

    /// Hands a record to its worker, and a record about all customers to all workers.
    pub(super) fn apply(&mut self, record: &Record<'_>) {
        let Record { lsn, epoch, owner, offset, events } = *record;
        self.add(owner, Item::Record { lsn, epoch, owner, offset, bytes: events.len() }, events);
        if encoding::is_for_all(events) {
            let owner = Partition::of(owner, self.workers.len());
            for partition in (0..self.workers.len()).filter(|partition| *partition != owner) {
                self.add_to(partition, Item::Broadcast { lsn, epoch, offset, bytes: events.len() }, events);
            }
        }
    }

    fn add(&mut self, number: u64, item: Item, bytes: &[u8]) {
        self.add_to(Partition::of(number, self.workers.len()), item, bytes);
    }

    fn add_to(&mut self, partition: usize, item: Item, bytes: &[u8]) {
        let worker = &mut self.workers[partition];
        worker.batch.items.push(item);
        worker.batch.bytes.extend_from_slice(bytes);
        if worker.batch.bytes.len() >= BATCH_BYTES {
            worker.send();
        }
    }

    /// Whether a worker has failed. [`RecoveryWorkers::finish_batches`] returns the failure.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// Waits until all batches are applied. Returns the first failure, if any.
    pub(super) fn finish_batches(&mut self) -> Option<Failure> {
        let (reports, failures) = channel();
        for worker in &mut self.workers {
            worker.send();
            // A stopped thread has panicked. The join of the thread continues the panic.
            let _stopped = worker.commands.send(Command::Report(reports.clone()));
        }
        drop(reports);
        failures.into_iter().flatten().min_by_key(Failure::position)
    }

    /// The partitions in their order, after [`RecoveryWorkers::finish_batches`].
    pub(super) fn into_partitions(self) -> Vec<Partition> {
        let ended = self.workers.into_iter().map(|Worker { commands, thread, .. }| {
            drop(commands);
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        ended.collect()
    }
}

impl Worker {
    fn send(&mut self) {
        if !self.batch.items.is_empty() {
            let next = Batch { bytes: Vec::with_capacity(self.batch.bytes.capacity()), items: Vec::new() };
            let _stopped = self.commands.send(Command::Apply(mem::replace(&mut self.batch, next)));
        }
    }
}

fn run(mut partition: Partition, keys: &Keys, commands: &Receiver<Command>, has_failed: &AtomicBool) -> Partition {
    let mut failure: Option<Failure> = None;
    for command in commands {
        match command {
            Command::Apply(batch) if failure.is_none() => failure = apply(&mut partition, keys, &batch).err(),
            Command::Apply(_) => {}
            Command::Report(reports) => {
                let complete = partition.check_complete().map_err(|error| Failure::Piece(u64::MAX, error));
                // The receiver is gone only where the recovery was abandoned.
                let _abandoned = reports.send(failure.take().or(complete.err()));
            }
        }
        if failure.is_some() {
            has_failed.store(true, Ordering::Relaxed);
        }
    }
    partition
}

fn apply(partition: &mut Partition, keys: &Keys, batch: &Batch) -> Result<(), Failure> {
    let mut rest = batch.bytes.as_slice();
    for (n, item) in batch.items.iter().enumerate() {
        if n % PREFETCHED == 0 {
            // The customers of several records are loaded from memory in parallel.
            let next = batch.items.iter().skip(n).take(PREFETCHED);
            let owners =
                next.filter_map(|item| if let Item::Record { owner, .. } = item { Some(*owner) } else { None });
            owners.for_each(|owner| partition.prefetch(owner));
        }
        let (Item::Piece { bytes, .. } | Item::Record { bytes, .. } | Item::Broadcast { bytes, .. }) = *item;
        let (body, after) = rest.split_at(bytes);
        rest = after;
        match *item {
            Item::Piece { offset, codec, .. } => {
                let restored = partition.restore(keys, &Frame { offset, codec, body });
                restored.map_err(|error| Failure::Piece(offset, error))?;
            }
            Item::Broadcast { lsn, epoch, offset, .. } => {
                let applied = partition.apply_broadcast(&Record { lsn, epoch, owner: 0, offset, events: body });
                applied.map_err(|what| Failure::Record(Refused { lsn, what }))?;
            }
            Item::Record { lsn, epoch, owner, offset, .. } => {
                let applied = partition.apply_record(keys, &Record { lsn, epoch, owner, offset, events: body });
                applied.map_err(|what| Failure::Record(Refused { lsn, what }))?;
            }
        }
    }
    Ok(())
}
