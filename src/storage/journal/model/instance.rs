//! The file `instance`: the id of the journal in a data folder, and the secret of its digests. It is written once, when the
//! folder is created.
//!
//! Without it no identity would be found and every repeated request would look new. So every backup contains it.

use crate::storage::{
    fs::{
        store::{Store, read_full},
        unfinished::Unfinished,
    },
    journal::model::ids::JournalId,
};
use std::io;

/// The file, in the data folder.
pub(in crate::storage) const PATH: &str = "instance";
const MAGIC: &[u8; 8] = b"LGINSTAN";
const FORMAT: u32 = 1;
const BYTES: usize = 48;

/// The identity of a data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instance {
    /// The id of the journal.
    pub id: JournalId,
    /// The secret of the digests of ids and identities.
    pub secret: (u64, u64),
}

/// Why the instance of a folder cannot be read or created.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// The file cannot be read or written.
    #[error("the file `instance` of the data folder cannot be read or written: {0}")]
    Io(#[from] io::Error),
    /// It is damaged.
    #[error("the file `instance` of the data folder is damaged; bring it back from a backup of this folder")]
    Damaged,
    /// A newer version wrote it.
    #[error(
        "the file `instance` of the data folder has format {0}, which is newer than this program; start the newer levelgate"
    )]
    Newer(u32),
    /// There are records but no instance.
    #[error("the data folder has a journal but no file `instance`; bring it back from a backup of this folder")]
    Missing,
    /// The system returns no random bytes.
    #[error("the system returns no random bytes for the file `instance`: {0}")]
    Random(String),
}

impl Instance {
    /// Reads the instance of a folder, and creates it in an empty folder.
    ///
    /// # Errors
    /// It cannot be read or created; nothing was changed.
    pub fn open(store: &dyn Store) -> Result<Self, InstanceError> {
        match Self::known(store)? {
            Some(instance) => Ok(instance),
            None => Self::make(store),
        }
    }

    /// Reads the instance of a folder; `None`: there is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn known(store: &dyn Store) -> Result<Option<Self>, InstanceError> {
        match store.open(PATH) {
            Ok(file) => {
                let mut bytes = [0; BYTES];
                if read_full(file.as_ref(), &mut bytes, 0)? < BYTES {
                    return Err(InstanceError::Damaged);
                }
                Self::decode(&bytes).map(Some)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn make(store: &dyn Store) -> Result<Self, InstanceError> {
        if !store.list("journal")?.is_empty() || !store.list("archive")?.is_empty() {
            return Err(InstanceError::Missing);
        }
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|error| InstanceError::Random(error.to_string()))?;
        let [id, high, low] = [&random[..16], &random[16..24], &random[24..]];
        let word = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).unwrap_or_default();
        let instance = Self { id: JournalId(id.try_into().unwrap_or_default()), secret: (word(high), word(low)) };
        instance.write(store)?;
        Ok(instance)
    }

    /// Writes the file, durably. A crash leaves only a file with another name.
    pub(in crate::storage) fn write(&self, store: &dyn Store) -> Result<(), InstanceError> {
        const UNFINISHED: &str = "instance.new";
        let unfinished = Unfinished::create(store, UNFINISHED)?;
        unfinished.file().write_at(&self.encode(), 0)?;
        unfinished.finish(PATH)?;
        Ok(())
    }

    fn encode(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..28].copy_from_slice(&self.id.0);
        bytes[28..36].copy_from_slice(&self.secret.0.to_le_bytes());
        bytes[36..44].copy_from_slice(&self.secret.1.to_le_bytes());
        let check = crc32c::crc32c(&bytes[..44]);
        bytes[44..].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; BYTES]) -> Result<Self, InstanceError> {
        let word = |at: usize| bytes[at..at + 8].try_into().map(u64::from_le_bytes).unwrap_or_default();
        let half = |at: usize| bytes[at..at + 4].try_into().map(u32::from_le_bytes).unwrap_or_default();
        if &bytes[..8] != MAGIC || half(44) != crc32c::crc32c(&bytes[..44]) {
            return Err(InstanceError::Damaged);
        }
        if half(8) != FORMAT {
            return Err(InstanceError::Newer(half(8)));
        }
        let id = JournalId(bytes[12..28].try_into().unwrap_or_default());
        Ok(Self { id, secret: (word(28), word(36)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::fs::memory::{ENOSPC, Fault, Memory};

    #[test]
    fn a_folder_is_made_once_and_known_again() {
        let store = Memory::new();
        let made = Instance::open(&store).unwrap();
        assert_eq!(Instance::open(&store).unwrap(), made);
        assert_ne!(Instance::open(&Memory::new()).unwrap(), made);
    }

    #[test]
    fn what_was_not_written_so_is_refused() {
        let store = Memory::new();
        let made = Instance::open(&store).unwrap();
        for at in 0..BYTES {
            let mut bytes = made.encode();
            bytes[at] ^= 1;
            assert!(Instance::decode(&bytes).is_err(), "byte {at}");
        }
        let store = Memory::new();
        store.put("journal/00000000000000000001.log", b"records");
        assert!(matches!(Instance::open(&store), Err(InstanceError::Missing)));
    }

    #[test]
    fn a_folder_whose_making_fails_at_any_call_holds_no_partial_file() {
        for call in 1.. {
            let store = Memory::new();
            store.fail_at(call, Fault::Short(ENOSPC));
            let made = Instance::open(&store);
            assert!(!store.paths().contains(&"instance.new".to_owned()), "call {call}");
            if made.is_ok() {
                return;
            }
        }
    }

    #[test]
    fn a_folder_whose_making_is_cut_short_is_whole_or_not_made() {
        for call in 1.. {
            let store = Memory::new();
            store.freeze_at(call);
            let made = Instance::open(&store);
            let after = store.kill_image();
            let known = Instance::open(&after).unwrap();
            match made {
                Ok(made) => {
                    assert_eq!(known, made);
                    return;
                }
                Err(_) => assert_eq!(Instance::open(&after).unwrap(), known),
            }
        }
    }
}
