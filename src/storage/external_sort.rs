//! Sorts any number of records in bounded memory: sorted runs in temporary files, then a merge.
//!
//! A record is a byte string; records are sorted by their bytes. A temporary file has no name, so it goes with the process,
//! however the process ends.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    path::PathBuf,
};

/// The most runs before they are merged into one: each is an open file.
const RUNS_MAX: usize = 128;
/// The buffer of one run while it is read.
const RUN_BUFFER_BYTES: usize = 64 * 1024;

/// Collects records that are to be sorted.
pub struct ExternalSort {
    folder: PathBuf,
    memory_bytes: usize,
    /// The bytes of the records in memory, one after another.
    bytes: Vec<u8>,
    /// The range of each record in `bytes`.
    records: Vec<(usize, usize)>,
    runs: Vec<File>,
}

impl ExternalSort {
    /// A sort that keeps about `memory_bytes` in memory and its files in a folder.
    #[must_use]
    pub fn new(folder: PathBuf, memory_bytes: usize) -> Self {
        Self { folder, memory_bytes, bytes: Vec::new(), records: Vec::new(), runs: Vec::new() }
    }

    /// Adds a record.
    ///
    /// # Errors
    /// A temporary file cannot be written.
    pub fn push(&mut self, record: &[u8]) -> io::Result<()> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(record);
        self.records.push((start, self.bytes.len()));
        let used = self.bytes.len() + self.records.len() * size_of::<(usize, usize)>();
        if used >= self.memory_bytes { self.write_run() } else { Ok(()) }
    }

    /// The records in order.
    ///
    /// # Errors
    /// A temporary file cannot be read.
    pub fn finish(mut self) -> io::Result<SortedRecords> {
        self.sort();
        let Self { bytes, records, runs, .. } = self;
        let mut sorted = SortedRecords::of(runs)?;
        sorted.memory = InMemory { bytes, records: records.into_iter() };
        sorted.fill(MEMORY)?;
        Ok(sorted)
    }

    fn sort(&mut self) {
        let bytes = &self.bytes;
        let record = |(start, end): &(usize, usize)| bytes.get(*start..*end).unwrap_or_default();
        self.records.sort_unstable_by(|one, other| record(one).cmp(record(other)));
    }

    fn write_run(&mut self) -> io::Result<()> {
        self.sort();
        let mut run = Run::create(&self.folder)?;
        for (start, end) in self.records.drain(..) {
            run.write(self.bytes.get(start..end).unwrap_or_default())?;
        }
        self.bytes.clear();
        self.runs.push(run.finish()?);
        if self.runs.len() < RUNS_MAX {
            return Ok(());
        }
        let mut merged = Run::create(&self.folder)?;
        for record in SortedRecords::of(std::mem::take(&mut self.runs))? {
            merged.write(&record?)?;
        }
        self.runs.push(merged.finish()?);
        Ok(())
    }
}

/// A run that is being written.
struct Run(BufWriter<File>);

impl Run {
    fn create(folder: &PathBuf) -> io::Result<Self> {
        Ok(Self(BufWriter::with_capacity(RUN_BUFFER_BYTES, tempfile::tempfile_in(folder)?)))
    }

    fn write(&mut self, record: &[u8]) -> io::Result<()> {
        let length = u32::try_from(record.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.0.write_all(&length.to_le_bytes())?;
        self.0.write_all(record)
    }

    fn finish(self) -> io::Result<File> {
        let mut file = self.0.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(file)
    }
}

/// The records that never left memory.
#[derive(Default)]
struct InMemory {
    bytes: Vec<u8>,
    records: std::vec::IntoIter<(usize, usize)>,
}

/// The source number of [`SortedRecords::memory`].
const MEMORY: usize = usize::MAX;

/// Records in order.
pub struct SortedRecords {
    runs: Vec<BufReader<File>>,
    memory: InMemory,
    /// The next record of each source that has one.
    heads: BinaryHeap<Reverse<(Vec<u8>, usize)>>,
}

impl SortedRecords {
    fn of(runs: Vec<File>) -> io::Result<Self> {
        let runs: Vec<_> = runs.into_iter().map(|run| BufReader::with_capacity(RUN_BUFFER_BYTES, run)).collect();
        let count = runs.len();
        let mut sorted = Self { runs, memory: InMemory::default(), heads: BinaryHeap::new() };
        (0..count).try_for_each(|source| sorted.fill(source))?;
        Ok(sorted)
    }

    /// Reads the next record of a source.
    fn fill(&mut self, source: usize) -> io::Result<()> {
        let record = if source == MEMORY {
            let next = self.memory.records.next();
            next.and_then(|(start, end)| self.memory.bytes.get(start..end)).map(<[u8]>::to_vec)
        } else {
            self.runs.get_mut(source).map(read_record).transpose()?.flatten()
        };
        self.heads.extend(record.map(|record| Reverse((record, source))));
        Ok(())
    }
}

/// The next record of a run; `None`: the run ends.
fn read_record(run: &mut BufReader<File>) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match run.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let mut record = vec![0; usize::try_from(u32::from_le_bytes(length)).unwrap_or(0)];
    run.read_exact(&mut record)?;
    Ok(Some(record))
}

impl Iterator for SortedRecords {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((record, source)) = self.heads.pop()?;
        Some(self.fill(source).map(|()| record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn records_come_out_sorted_whatever_fits_into_memory(
            records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..12), 0..400),
            memory_bytes in 1_usize..20_000,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut sort = ExternalSort::new(folder.path().to_owned(), memory_bytes);
            records.iter().for_each(|record| sort.push(record).unwrap());
            let sorted: Vec<Vec<u8>> = sort.finish().unwrap().map(Result::unwrap).collect();
            let mut want = records;
            want.sort_unstable();
            prop_assert_eq!(sorted, want);
            prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "temporary files have no name");
        }
    }

    #[test]
    fn runs_beyond_the_limit_are_merged() {
        let mut sort = ExternalSort::new(std::env::temp_dir(), 1);
        let count = u32::try_from(RUNS_MAX * 3 + 5).unwrap();
        (0..count).rev().for_each(|n| sort.push(&n.to_be_bytes()).unwrap());
        assert!(sort.runs.len() < RUNS_MAX);
        let sorted: Vec<u32> =
            sort.finish().unwrap().map(|record| u32::from_be_bytes(record.unwrap().try_into().unwrap())).collect();
        assert!(sorted.into_iter().eq(0..count));
    }
}
