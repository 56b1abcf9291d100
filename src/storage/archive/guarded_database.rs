//! A database whose panics are errors. The database panics over damaged bytes: when it opens, reads, writes or closes.

use crate::storage::archive::tables::Flaw;
use redb::Database;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

/// A database that is open, until [`GuardedDatabase::close`] is called.
pub(super) struct GuardedDatabase(
    /// `None`: it is closed.
    Option<Database>,
);

impl GuardedDatabase {
    /// Opens a database, or creates an empty one.
    ///
    /// # Errors
    /// The file is no database, is in use, or cannot be created; [`Flaw::Panicked`].
    pub(super) fn open(path: &Path) -> Result<Self, Flaw> {
        catch_panic(|| Ok(Self(Some(Database::create(path)?))))
    }

    /// Calls the database.
    ///
    /// # Errors
    /// Those of `work`, and [`Flaw::Panicked`].
    pub(super) fn call<T>(&self, work: impl FnOnce(&Database) -> Result<T, Flaw>) -> Result<T, Flaw> {
        catch_panic(|| self.0.as_ref().map_or(Err(Flaw::Panicked), work))
    }

    /// Closes the database.
    ///
    /// # Errors
    /// [`Flaw::Panicked`]: the database is damaged. A closed database has no error.
    pub(super) fn close(&mut self) -> Result<(), Flaw> {
        catch_panic(|| {
            drop(self.0.take());
            Ok(())
        })
    }
}

impl Drop for GuardedDatabase {
    fn drop(&mut self) {
        // Who needs to know whether the database was damaged closes it before.
        let _ = self.close();
    }
}

fn catch_panic<T>(work: impl FnOnce() -> Result<T, Flaw>) -> Result<T, Flaw> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Flaw::Panicked))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use redb::{StorageBackend, TableDefinition, backends::InMemoryBackend};

    /// Whether a database opens and panics when it closes.
    fn panics_at_its_end(bytes: &[u8]) -> bool {
        let backend = InMemoryBackend::new();
        backend.set_len(bytes.len() as u64).unwrap();
        backend.write(0, bytes).unwrap();
        let opened = catch_unwind(AssertUnwindSafe(|| Database::builder().create_with_backend(backend)));
        let Ok(Ok(opened)) = opened else { return false };
        catch_unwind(AssertUnwindSafe(|| drop(opened))).is_err()
    }

    /// Changes a byte of a closed database that it reads only when it closes.
    pub(in crate::storage::archive) fn damage_for_closing(path: &Path) {
        let mut bytes = std::fs::read(path).unwrap();
        let fatal = (0..bytes.len()).step_by(8).find(|at| {
            let whole = std::mem::replace(&mut bytes[*at], 1);
            let panics = panics_at_its_end(&bytes);
            bytes[*at] = whole;
            panics
        });
        bytes[fatal.expect("a byte that the database needs when it closes")] = 1;
        std::fs::write(path, bytes).unwrap();
    }

    #[test]
    fn a_damaged_database_closes_without_a_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.redb");
        let table: TableDefinition<'_, u64, u64> = TableDefinition::new("numbers");
        let written = GuardedDatabase::open(&path).unwrap().call(|database| {
            let writing = database.begin_write()?;
            (0..20).for_each(|n| _ = writing.open_table(table).unwrap().insert(n, n).unwrap());
            Ok(writing.commit()?)
        });
        written.unwrap();
        damage_for_closing(&path);
        let mut opened = GuardedDatabase::open(&path).unwrap();
        assert!(opened.close().is_err());
        assert!(opened.close().is_ok(), "it is closed");
    }
}
