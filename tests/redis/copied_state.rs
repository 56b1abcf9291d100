//! A data folder that is made of what Redis has: the frames are parsed, the keys unwrapped, and everything is written by
//! the code that a restore uses.

use levelgate::replication::{
    RedisStore,
    client::tls_provider,
    format::{WrappingKey, decode_batch, decode_chunk, key_field, unwrap_key, unwrap_secret},
};
use levelgate::storage::fs::disk::Disk;
use levelgate::storage::journal::{Instance, Lsn, RawRecords};
use levelgate::storage::keys::KeyEntry;
use levelgate::storage::restored_folder::{IncompleteGroup, RestoredFolder};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use support::process::eventually;

use crate::fixtures::{files, settings};

const SEGMENT_BYTES: u64 = 64 << 20;

/// Writes what Redis has under this address into a new folder. Returns the last record.
pub(crate) fn restore(url: &str, folder: &Path) -> u64 {
    tls_provider::install();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut store = RedisStore::new(&settings(url), &files(), "test");
    eventually("Redis answers", || runtime.block_on(store.head()).is_ok());
    if folder.exists() {
        fs::remove_dir_all(folder).expect("the folder is removed");
    }
    fs::create_dir_all(folder).expect("the folder is made");
    runtime.block_on(write(&mut store, folder))
}

async fn write(store: &mut RedisStore, folder: &Path) -> u64 {
    let head = store.head().await.expect("the head").expect("there is a copy");
    let wrapping = WrappingKey([7; 32]);
    let secret = unwrap_secret(&wrapping, head.instance, &head.secret).expect("the secret");
    let disk = Arc::new(Disk::open_unlocked(folder));
    let instance = Instance { id: head.instance, secret };
    let mut restored = RestoredFolder::begin(disk, instance, SEGMENT_BYTES).expect("an empty folder");
    let (mut cursor, mut keys) = (0, Vec::new());
    loop {
        let page = store.read_keys(cursor).await.expect("keys");
        keys.extend(page.keys.iter().map(|key| {
            let key = unwrap_key(&wrapping, head.instance, &key_field(key.number), &key.wrapped).expect("a key");
            KeyEntry { number: key.number, customer: key.customer, key: Some(key.key) }
        }));
        cursor = page.cursor;
        if cursor == 0 {
            break;
        }
    }
    loop {
        let page = store.read_erased(cursor).await.expect("erased keys");
        keys.extend(page.keys.iter().map(|key| KeyEntry { number: key.number, customer: key.customer, key: None }));
        cursor = page.cursor;
        if cursor == 0 {
            break;
        }
    }
    restored.put_keys(&keys).expect("the keys are written");
    if let Some(snapshot) = head.snapshot {
        let mut chunks = Vec::new();
        for index in 0..snapshot.chunks {
            let frame = store.read_chunk(snapshot.begin, index).await.expect("a chunk").expect("all chunks are there");
            chunks.push(Ok(decode_chunk(head.instance, &frame).expect("a chunk").bytes.to_vec()));
        }
        restored.put_snapshot(snapshot.begin, &mut chunks.into_iter()).expect("the snapshot is written");
    }
    let mut after = Lsn::NONE;
    loop {
        let page = store.read_stream(after, 100, 4 << 20).await.expect("entries");
        let Some(last) = page.entries.last() else { break };
        after = last.last;
        for entry in &page.entries {
            let batch = decode_batch(head.instance, &entry.frame).expect("a batch");
            assert_eq!(batch.last, entry.last, "the id names the last record");
            let (_, crc) = batch.bytes.split_last_chunk::<4>().expect("a record");
            let (epoch, first, last, begin) = (batch.epoch, batch.first, batch.last, batch.begin);
            let (bytes, last_crc) = (batch.bytes.to_vec(), u32::from_le_bytes(*crc));
            let crc_before = batch.crc_before;
            let records = RawRecords { epoch, first, last, begin, bytes, last_crc };
            restored.put_records(&records, crc_before).expect("the records are written");
        }
    }
    restored.finish(IncompleteGroup::Write).expect("the parts belong together").last.0
}
