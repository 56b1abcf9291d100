//! The threads that bring a state back: each has a lane, and gets what belongs there in its order.

use crate::domain::transaction::record::LogOffset;
use crate::ledger::recovery::recover::partition::Partition;
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

/// Bytes that are handed to a lane at once, or somewhat more.
const BATCH_BYTES: usize = 128 * 1024;
/// Customers whose memory is asked for at once.
const TOUCHED: usize = 8;
/// Batches that may wait for a lane.
const BATCHES_MAX: usize = 8;

/// Why a lane stopped.
#[derive(Debug)]
pub(super) enum Failure {
    /// The piece at this place of a snapshot.
    Piece(u64, SnapshotError),
    /// A record.
    Record(Refused),
}

impl Failure {
    /// The earliest is the one to be told, whichever lane came upon its own first.
    fn position(&self) -> (u64, u64) {
        match self {
            Self::Piece(offset, _) => (0, *offset),
            Self::Record(refused) => (1, refused.lsn.0),
        }
    }
}

/// What lies in a batch, each followed by the next.
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
        place: LogOffset,
        bytes: usize,
    },
    /// A record that another lane takes, and that reaches the customers of all.
    Broadcast {
        lsn: Lsn,
        epoch: u32,
        place: LogOffset,
        bytes: usize,
    },
}

#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

enum Order {
    Take(Batch),
    /// Say what has failed, when all before is taken.
    Settle(Sender<Option<Failure>>),
}

/// A thread, and what waits to be sent to it.
struct Hand {
    orders: SyncSender<Order>,
    batch: Batch,
    thread: JoinHandle<Partition>,
}

/// All of them.
pub(super) struct RecoveryWorkers {
    hands: Vec<Hand>,
    has_failed: Arc<AtomicBool>,
}

impl RecoveryWorkers {
    /// So many threads, each with an empty lane.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub(super) fn new(secret: (u64, u64), keys: &Arc<Keys>, count: usize) -> io::Result<Self> {
        let has_failed = Arc::new(AtomicBool::new(false));
        let hand = |_| {
            let (orders, taken) = sync_channel(BATCHES_MAX);
            let (keys, has_failed) = (Arc::clone(keys), Arc::clone(&has_failed));
            let partition = Partition::new(secret, count);
            let thread = std::thread::Builder::new().name("recovery".to_owned());
            let thread = thread.spawn(move || work(partition, &keys, &taken, &has_failed))?;
            Ok(Hand { orders, batch: Batch::default(), thread })
        };
        Ok(Self { hands: (0..count).map(hand).collect::<io::Result<_>>()?, has_failed })
    }

    /// RecoveryWorkers over a piece of a customer.
    pub(super) fn piece(&mut self, customer: u64, frame: &Frame<'_>) {
        self.put(
            customer,
            Item::Piece { offset: frame.offset, codec: frame.codec, bytes: frame.body.len() },
            frame.body,
        );
    }

    /// RecoveryWorkers over a record.
    pub(super) fn record(&mut self, record: &Record<'_>) {
        let Record { lsn, epoch, owner, place, events } = *record;
        self.put(owner, Item::Record { lsn, epoch, owner, place, bytes: events.len() }, events);
        if encoding::is_for_all(events) {
            let whole = Partition::of(owner, self.hands.len());
            for partition in (0..self.hands.len()).filter(|partition| *partition != whole) {
                self.put_in(partition, Item::Broadcast { lsn, epoch, place, bytes: events.len() }, events);
            }
        }
    }

    fn put(&mut self, number: u64, item: Item, bytes: &[u8]) {
        self.put_in(Partition::of(number, self.hands.len()), item, bytes);
    }

    fn put_in(&mut self, partition: usize, item: Item, bytes: &[u8]) {
        let hand = &mut self.hands[partition];
        hand.batch.items.push(item);
        hand.batch.bytes.extend_from_slice(bytes);
        if hand.batch.bytes.len() >= BATCH_BYTES {
            hand.send();
        }
    }

    /// Whether anything was refused, of which [`RecoveryWorkers::settle`] tells.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// Waits until everything is taken; the first failure, if there was any.
    pub(super) fn settle(&mut self) -> Option<Failure> {
        let (told, failures) = channel();
        for hand in &mut self.hands {
            hand.send();
            // A thread that is gone has panicked; whoever joins it goes on panicking.
            let _gone = hand.orders.send(Order::Settle(told.clone()));
        }
        drop(told);
        failures.into_iter().flatten().min_by_key(Failure::position)
    }

    /// The lanes in their order, behind [`RecoveryWorkers::settle`].
    pub(super) fn lanes(self) -> Vec<Partition> {
        let ended = self.hands.into_iter().map(|Hand { orders, thread, .. }| {
            drop(orders);
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        ended.collect()
    }
}

impl Hand {
    fn send(&mut self) {
        if !self.batch.items.is_empty() {
            let next = Batch { bytes: Vec::with_capacity(self.batch.bytes.capacity()), items: Vec::new() };
            let _gone = self.orders.send(Order::Take(mem::replace(&mut self.batch, next)));
        }
    }
}

fn work(mut partition: Partition, keys: &Keys, orders: &Receiver<Order>, has_failed: &AtomicBool) -> Partition {
    let mut failure: Option<Failure> = None;
    for order in orders {
        match order {
            Order::Take(batch) if failure.is_none() => failure = take(&mut partition, keys, &batch).err(),
            Order::Take(_) => {}
            Order::Settle(tell) => {
                let whole = partition.is_whole().map_err(|error| Failure::Piece(u64::MAX, error));
                // Nobody listens only where whoever asked has given up.
                let _told = tell.send(failure.take().or(whole.err()));
            }
        }
        if failure.is_some() {
            has_failed.store(true, Ordering::Relaxed);
        }
    }
    partition
}

fn take(partition: &mut Partition, keys: &Keys, batch: &Batch) -> Result<(), Failure> {
    let mut rest = batch.bytes.as_slice();
    for (n, item) in batch.items.iter().enumerate() {
        if n % TOUCHED == 0 {
            // Customers lie anywhere in memory: what several wait for comes side by side.
            let soon = batch.items.iter().skip(n).take(TOUCHED);
            let owners =
                soon.filter_map(|item| if let Item::Record { owner, .. } = item { Some(*owner) } else { None });
            owners.for_each(|owner| partition.touch(owner));
        }
        let (Item::Piece { bytes, .. } | Item::Record { bytes, .. } | Item::Broadcast { bytes, .. }) = *item;
        let (these, behind) = rest.split_at(bytes);
        rest = behind;
        match *item {
            Item::Piece { offset, codec, .. } => {
                let taken = partition.piece(keys, &Frame { offset, codec, body: these });
                taken.map_err(|error| Failure::Piece(offset, error))?;
            }
            Item::Broadcast { lsn, epoch, place, .. } => {
                let taken = partition.echo(&Record { lsn, epoch, owner: 0, place, events: these });
                taken.map_err(|what| Failure::Record(Refused { lsn, what }))?;
            }
            Item::Record { lsn, epoch, owner, place, .. } => {
                let taken = partition.record(keys, &Record { lsn, epoch, owner, place, events: these });
                taken.map_err(|what| Failure::Record(Refused { lsn, what }))?;
            }
        }
    }
    Ok(())
}
