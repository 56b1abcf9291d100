//! A stalled disk: the answers while records wait to be written, and after it.

use crate::harness::{Harness, Indexes, Reply};
use crate::instrument_model;
use crate::regressions::rules;
use levelgate::storage::fs::{File, Store, memory::Memory};
use levelgate::storage::journal::{BACKLOG_BYTES_MAX, Sync};
use serde_json::Value;
use std::io;
use std::sync::{Arc, Condvar, Mutex};

/// Whether writes must wait, and whether a thread waits.
#[derive(Default)]
struct WriteGate {
    state: Mutex<(bool, bool)>,
    moved: Condvar,
}

impl WriteGate {
    fn set(&self, closed: bool) {
        self.state.lock().unwrap().0 = closed;
        self.moved.notify_all();
    }

    /// Returns once the gate is open.
    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        while state.0 {
            state.1 = true;
            self.moved.notify_all();
            state = self.moved.wait(state).unwrap();
        }
    }

    /// Returns once a thread waits at the gate.
    fn until_a_thread_waits(&self) {
        drop(self.moved.wait_while(self.state.lock().unwrap(), |(_, waits)| !*waits).unwrap());
    }
}

/// A store whose writes wait at a gate.
struct GatedStore {
    store: Memory,
    gate: Arc<WriteGate>,
}

struct GatedFile {
    file: Arc<dyn File>,
    gate: Arc<WriteGate>,
}

impl GatedStore {
    fn file(&self, file: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(GatedFile { file, gate: Arc::clone(&self.gate) })
    }
}

impl Store for GatedStore {
    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.store.list(folder)
    }
    fn open(&self, path: &str) -> io::Result<Arc<dyn File>> {
        Ok(self.file(self.store.open(path)?))
    }
    fn create(&self, path: &str) -> io::Result<Arc<dyn File>> {
        Ok(self.file(self.store.create(path)?))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.store.rename(from, to)
    }
    fn remove(&self, path: &str) -> io::Result<()> {
        self.store.remove(path)
    }
    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.store.sync_folder(folder)
    }
}

impl File for GatedFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(into, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.gate.pass();
        self.file.write_at(bytes, offset)
    }
    fn truncate(&self, len: u64) -> io::Result<()> {
        self.file.truncate(len)
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

const AT: &str = "2026-03-10T12:00:00.000Z";

/// One line about a transaction. Each has its own customer with long attributes, so that records are long.
fn say(harness: &Harness, op: &str, id: &str) -> Reply {
    let mut line = instrument_model::line(op, AT, "side", &format!("of-{id}"), None);
    let long = "x".repeat(250);
    line.set("customer", format!("{{\"first_name\": {long:?}, \"last_name\": {long:?}, \"external_id\": \"{id}\"}}"));
    if op != "check" {
        line.text("transaction_id", id);
    }
    harness.line(&line.line())
}

#[track_caller]
fn passes(reply: &Reply) {
    assert!(!reply.refused && !reply.text.contains("\"deny\""), "{}", reply.text);
}

#[track_caller]
fn assert_backlog_full(reply: &Reply) {
    let problem: Value = serde_json::from_str(&reply.text).expect("JSON");
    assert_eq!((&problem["status"], &problem["code"]), (&503.into(), &"journal_behind".into()), "{}", reply.text);
}

#[test]
fn full_write_backlog_refuses_reserves_and_accepts_facts() {
    let (store, indexes, rules) = (Memory::new(), Indexes::new(), rules());
    let gate = Arc::new(WriteGate::default());
    let gated = GatedStore { store: store.clone(), gate: Arc::clone(&gate) };
    let harness = Harness::on(Arc::new(gated), &indexes.fresh(), Sync::Interval, &rules).expect("a start");
    let written = harness.journal().end().0;
    gate.set(true);
    let first = say(&harness, "reserve", "t0");
    passes(&first);
    let mut reserved = 1;
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| harness.journal().commit(first.depends_on_lsn));
        gate.until_a_thread_waits();
        // Each of these answers waits for the thread at the gate.
        while harness.journal().end().0 - written < BACKLOG_BYTES_MAX {
            passes(&say(&harness, "reserve", &format!("t{reserved}")));
            reserved += 1;
        }
        assert!(reserved > 1_000, "many fit: {reserved}");
        for _ in 0..2 {
            assert_backlog_full(&say(&harness, "reserve", "more"));
            assert_backlog_full(&say(&harness, "payment", "more"));
        }
        // Replays and checks are answered, and facts are accepted.
        assert!(say(&harness, "reserve", "t1").replay);
        passes(&say(&harness, "check", "t1"));
        passes(&say(&harness, "approve", "t1"));
        passes(&say(&harness, "approve", "nobody-asked"));
        assert_eq!(harness.desk.ledger.transactions_len(), reserved + 1);
        gate.set(false);
        waits.join().expect("a thread").expect("a commit");
    });
    // The first batch was closed before the others came; they are the next one.
    harness.journal().commit(harness.journal().last()).expect("a commit");
    passes(&say(&harness, "reserve", "more"));
    harness.journal().close().expect("an end");
    drop(harness);
    let again = Harness::open(&store, &indexes.fresh(), Sync::Interval, &rules, None).expect("a start");
    assert_eq!(again.desk.ledger.transactions_len(), reserved + 2);
    assert!(say(&again, "reserve", "more").replay);
    println!("{reserved} reserves fit");
}
