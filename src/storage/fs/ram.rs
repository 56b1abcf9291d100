//! A store in memory, for a daemon whose durable copy is elsewhere. It keeps one copy of the bytes and loses them with the
//! process. For a disk that fails on demand, see [`memory`](super::memory).

use crate::storage::fs::store::{File, Store, folder_of};
use parking_lot::{Mutex, RwLock};
use std::{collections::BTreeMap, io, sync::Arc};

/// Bytes of a piece of a file. A file grows by pieces, so that growing copies at most one.
const PIECE_BYTES: usize = 256 * 1024;

/// Files in memory. A clone is the same store.
#[derive(Clone, Default)]
pub struct Ram(Arc<Mutex<BTreeMap<String, Arc<RamFile>>>>);

/// The bytes of a file. All pieces but the last have [`PIECE_BYTES`].
#[derive(Default)]
struct RamFile(RwLock<Vec<Vec<u8>>>);

impl Ram {
    /// A store without files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes of all files.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        let files = self.0.lock();
        files.values().map(|file| to_u64(len_of(&file.0.read()))).sum()
    }

    fn find(&self, path: &str) -> io::Result<Arc<RamFile>> {
        self.0.lock().get(path).map(Arc::clone).ok_or_else(|| missing(path))
    }
}

fn missing(path: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no file {path}"))
}

fn to_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn to_usize(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))
}

fn len_of(pieces: &[Vec<u8>]) -> usize {
    let whole = pieces.len().saturating_sub(1).saturating_mul(PIECE_BYTES);
    whole.saturating_add(pieces.last().map_or(0, Vec::len))
}

/// Cuts the bytes, or adds zeroes to them.
fn resize(pieces: &mut Vec<Vec<u8>>, len: usize) {
    let (whole, rest) = (len / PIECE_BYTES, len % PIECE_BYTES);
    let count = whole + usize::from(rest > 0);
    pieces.truncate(count);
    while pieces.len() < count {
        if let Some(last) = pieces.last_mut() {
            last.resize(PIECE_BYTES, 0);
        }
        pieces.push(Vec::new());
    }
    if let Some(last) = pieces.last_mut() {
        last.resize(if rest > 0 { rest } else { PIECE_BYTES }, 0);
    }
}

impl File for RamFile {
    fn len(&self) -> io::Result<u64> {
        Ok(to_u64(len_of(&self.0.read())))
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let offset = to_usize(offset)?;
        let pieces = self.0.read();
        let from = pieces.get(offset / PIECE_BYTES).and_then(|piece| piece.get(offset % PIECE_BYTES..));
        let from = from.unwrap_or_default();
        let len = from.len().min(into.len());
        if let (Some(from), Some(into)) = (from.get(..len), into.get_mut(..len)) {
            into.copy_from_slice(from);
        }
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut at = to_usize(offset)?;
        let end = at.checked_add(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        let mut pieces = self.0.write();
        if !bytes.is_empty() && len_of(&pieces) < end {
            resize(&mut pieces, end);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = PIECE_BYTES - at % PIECE_BYTES;
            let (now, later) = rest.split_at(room.min(rest.len()));
            let begin = at % PIECE_BYTES;
            let into = pieces.get_mut(at / PIECE_BYTES).and_then(|piece| piece.get_mut(begin..begin + now.len()));
            into.ok_or(io::ErrorKind::FileTooLarge)?.copy_from_slice(now);
            (at, rest) = (at + now.len(), later);
        }
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let len = to_usize(len)?;
        resize(&mut self.0.write(), len);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Store for Ram {
    fn may_have_lost_power(&self) -> bool {
        false
    }

    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let files = self.0.lock();
        let inside = files.keys().filter(|path| folder_of(path) == folder);
        Ok(inside.map(|path| path.rsplit('/').next().unwrap_or(path).to_owned()).collect())
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn File>> {
        Ok(self.find(path)?)
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn File>> {
        let mut files = self.0.lock();
        if files.contains_key(path) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{path} exists")));
        }
        let file = Arc::new(RamFile::default());
        files.insert(path.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.0.lock();
        let file = files.remove(from).ok_or_else(|| missing(from))?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.0.lock().remove(path).map(drop).ok_or_else(|| missing(path))
    }

    fn sync_folder(&self, _folder: &str) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::fs::{memory::Memory, store::read_full};
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Call {
        Write { offset: usize, bytes: usize },
        Truncate(usize),
        Rename,
        Replace,
    }

    fn calls() -> impl Strategy<Value = Vec<Call>> {
        let offset = prop_oneof![0..40_usize, PIECE_BYTES - 20..PIECE_BYTES + 20, 0..3 * PIECE_BYTES];
        let call = prop_oneof![
            6 => (offset.clone(), prop_oneof![1..60_usize, 1..2 * PIECE_BYTES])
                .prop_map(|(offset, bytes)| Call::Write { offset, bytes }),
            2 => offset.prop_map(Call::Truncate),
            1 => Just(Call::Rename),
            1 => Just(Call::Replace),
        ];
        proptest::collection::vec(call, 1..20)
    }

    fn run(store: &dyn Store, calls: &[Call]) -> Vec<(String, Vec<u8>)> {
        let mut file = store.create("a/f").unwrap();
        for (n, call) in calls.iter().enumerate() {
            match call {
                Call::Write { offset, bytes } => {
                    let bytes: Vec<u8> = (0..*bytes).map(|at| u8::try_from((at + n) % 251).unwrap()).collect();
                    file.write_at(&bytes, to_u64(*offset)).unwrap();
                }
                Call::Truncate(len) => file.truncate(to_u64(*len)).unwrap(),
                Call::Rename => {
                    store.rename("a/f", "b/g").unwrap();
                    store.rename("b/g", "a/f").unwrap();
                }
                Call::Replace => {
                    file = store.create("a/new").unwrap();
                    store.rename("a/new", "a/f").unwrap();
                }
            }
        }
        let mut found = Vec::new();
        for name in store.list("a").unwrap() {
            let file = store.open(&format!("a/{name}")).unwrap();
            let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap() + 10];
            let read = read_full(&*file, &mut bytes, 0).unwrap();
            bytes.truncate(read);
            found.push((name, bytes));
        }
        found
    }

    proptest! {
        #[test]
        fn files_have_the_bytes_that_the_test_store_has(calls in calls()) {
            let (ram, memory) = (Ram::new(), Memory::new());
            let found = run(&ram, &calls);
            prop_assert!(found == run(&memory, &calls));
            prop_assert_eq!(ram.used_bytes(), memory.used_bytes());
        }
    }

    #[test]
    fn errors_name_the_file_and_a_removed_file_stays_readable() {
        let store = Ram::new();
        let file = store.create("keys").unwrap();
        file.write_at(b"bytes", 0).unwrap();
        assert_eq!(store.create("keys").err().map(|error| error.kind()), Some(io::ErrorKind::AlreadyExists));
        assert_eq!(store.list("").unwrap(), ["keys"]);
        store.remove("keys").unwrap();
        for error in [store.open("keys").err(), store.remove("keys").err(), store.rename("keys", "x").err()] {
            let error = error.unwrap();
            assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::NotFound, "no file keys".to_owned()));
        }
        let mut bytes = [0; 9];
        assert_eq!(read_full(&*file, &mut bytes, 0).unwrap(), 5);
        assert!(store.list("").unwrap().is_empty() && !store.may_have_lost_power());
    }
}
