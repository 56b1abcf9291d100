//! The files of sealed segments: checksums, losses, and reading damaged segments.

use crate::{
    domain::{
        events::global_event::GlobalEvent,
        transaction::log_offset::LogOffset,
        vocabulary::{names::Name, time::Millis},
    },
    storage::{
        archive_list::{AcceptedLoss, ArchiveList, Loss},
        encoding,
        fs::store::{File, Store, read_full},
        journal::{
            format::segment_reader::{SegmentReader, SegmentReaderError, Step},
            log::Journal,
            model::{error::ScanError, ids::Lsn, record::Record, segment_info::SegmentInfo},
        },
        snapshot::SegmentDto,
    },
};
use std::{io, ops::ControlFlow, sync::Arc};

/// Bytes read at once.
const BLOCK_BYTES: usize = 1024 * 1024;

/// Computes the checksum of a file.
pub struct Summing {
    file: Arc<dyn File>,
    bytes: u64,
    crc: u32,
    block: Vec<u8>,
}

impl Summing {
    /// Opens the file at a path.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(store: &dyn Store, path: &str) -> io::Result<Self> {
        Ok(Self { file: store.open(path)?, bytes: 0, crc: 0, block: vec![0; BLOCK_BYTES] })
    }

    /// Reads the next block and returns its length; 0: the file ends.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn step(&mut self) -> io::Result<u64> {
        let read = read_full(&*self.file, &mut self.block, self.bytes)?;
        self.crc = crc32c::crc32c_append(self.crc, self.block.get(..read).unwrap_or_default());
        let read = u64::try_from(read).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(read);
        Ok(read)
    }

    /// Reads to the end of the file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn finish(mut self) -> io::Result<(u64, u32)> {
        while self.step()? > 0 {}
        Ok(self.sum())
    }

    /// Bytes so far, and their CRC-32C.
    #[must_use]
    pub fn sum(&self) -> (u64, u32) {
        (self.bytes, self.crc)
    }
}

/// The difference between a listed segment and a file with this length and checksum, if any.
#[must_use]
pub fn differs(listed: &SegmentDto, (bytes, crc): (u64, u32)) -> Option<String> {
    if bytes != listed.bytes {
        return Some(format!("it has {bytes} bytes and had {}", listed.bytes));
    }
    let crc_differs = listed.crc != 0 && listed.crc != crc;
    crc_differs.then(|| format!("its checksum is {crc:08x} and was {:08x}", listed.crc))
}

impl Journal {
    /// The losses of the archive.
    #[must_use]
    pub fn losses(&self) -> Vec<Loss> {
        self.files.as_ref().map(|files| files.archive.losses.read().clone()).unwrap_or_default()
    }

    /// The offset at which the oldest segment begins, including lost ones; everything before was released.
    #[must_use]
    pub fn first_offset(&self) -> LogOffset {
        let Some(files) = &self.files else { return LogOffset(0) };
        let oldest_offset = files.segments.read().first().map(|oldest| oldest.first_offset);
        let oldest_loss = files.archive.losses.read().first().map(|oldest| oldest.from);
        oldest_offset.into_iter().chain(oldest_loss).min().unwrap_or(LogOffset(0))
    }

    /// The segments that the archive must have.
    #[must_use]
    pub fn archive_list(&self) -> ArchiveList {
        self.files.as_ref().map(|files| files.archive.list.lock().clone()).unwrap_or_default()
    }

    /// The same, with every sealed segment up to a record that a snapshot is true up to.
    #[must_use]
    pub fn list_up_to(&self, snapshot: Lsn) -> ArchiveList {
        let Some(files) = &self.files else { return ArchiveList::default() };
        let segments = self.segments();
        let mut list = files.archive.list.lock();
        let is_held = |segment: &&SegmentInfo| segment.first_lsn <= segment.last && segment.last <= snapshot;
        for segment in segments.iter().filter(|segment| segment.sealed).filter(is_held) {
            if list.get(segment.first_lsn).is_none() {
                list.put(segment.listed(0));
            }
        }
        list.clone()
    }

    /// Reads the file of a sealed segment and compares it with the archive list. A segment without a checksum is read record by
    /// record and then listed with it.
    ///
    /// # Errors
    /// The file cannot be read, or differs from the list.
    pub fn check_segment(&self, segment: &SegmentInfo) -> Result<(), ScanError> {
        let Some(files) = &self.files else { return Ok(()) };
        let io = |source| ScanError::Io { file: segment.path.clone(), source };
        let sum = Summing::open(&*files.store, &segment.path).and_then(Summing::finish).map_err(io)?;
        self.judge_sum(segment, sum)
    }

    /// Compares a checksum of a sealed segment's file with the archive list.
    ///
    /// # Errors
    /// The file differs from the list.
    pub fn judge_sum(&self, segment: &SegmentInfo, sum: (u64, u32)) -> Result<(), ScanError> {
        let Some(files) = &self.files else { return Ok(()) };
        let listed = files.archive.list.lock().get(segment.first_lsn).copied().unwrap_or_else(|| segment.listed(0));
        if let Some(what) = differs(&listed, sum) {
            return Err(ScanError::Changed { file: segment.path.clone(), what });
        }
        if listed.crc == 0 {
            self.scan(segment, &mut |_| Ok(()))?;
            files.archive.list.lock().put(SegmentDto { crc: sum.1, ..listed });
        }
        Ok(())
    }

    /// Begins the checksum of a segment's file. A journal in memory has none.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn sum_segment(&self, segment: &SegmentInfo) -> io::Result<Summing> {
        let files = self.files.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        Summing::open(&*files.store, &segment.path)
    }

    /// Whether records of a segment are among those whose loss was accepted.
    #[must_use]
    pub fn is_accepted_as_lost(&self, segment: &SegmentInfo) -> bool {
        let Some(files) = &self.files else { return false };
        let losses = files.archive.losses.read();
        losses.iter().any(|loss| loss.first <= segment.last && segment.first_lsn <= loss.last)
    }

    /// Notes the records of a segment as lost, because it cannot be read completely. Its readable records stay readable.
    pub fn lose(&self, segment: &SegmentInfo, what: &str) {
        let Some(files) = &self.files else { return };
        let (from, to) = (segment.first_offset, segment.end_offset);
        let (first, last) = (segment.first_lsn, segment.last);
        let what = format!("records {first} to {last}: {}: {what}", segment.path);
        let mut losses = files.archive.losses.write();
        losses.push(Loss { first, last, from, to, what, is_new: true });
        losses.sort_by_key(|loss| loss.first);
    }

    /// Records that an operator accepted a loss.
    pub fn accept_loss(&self, loss: &Loss, at: Millis, by: Option<Name>) -> Lsn {
        let accepted = AcceptedLoss { first: loss.first, last: loss.last, at, by };
        self.record_of_archive(&accepted.event())
    }

    /// Records that retention releases all records up to one.
    pub fn let_go(&self, last: Lsn, at: Millis) -> Lsn {
        let recorded = self.record_of_archive(&GlobalEvent::SegmentsReleased { last: last.0, at });
        if let Some(files) = &self.files {
            files.archive.losses.write().retain(|loss| loss.last > last);
        }
        recorded
    }

    /// Notes an event about the segments of the archive that another daemon recorded.
    pub fn note_archive_event(&self, event: &GlobalEvent) {
        let Some(files) = &self.files else { return };
        files.archive.list.lock().take(event);
        if let GlobalEvent::SegmentsReleased { last, .. } = event {
            files.archive.losses.write().retain(|loss| loss.last > Lsn(*last));
        }
    }

    fn record_of_archive(&self, common: &GlobalEvent) -> Lsn {
        let mut body = Vec::new();
        encoding::encode_global(common, &mut body);
        let appended = self.append(0, &body);
        if let Some(files) = &self.files {
            files.archive.list.lock().take(common);
        }
        appended.lsn
    }

    /// Passes the readable records of a damaged segment to the visitor, in order.
    ///
    /// # Errors
    /// The file cannot be read, or the visitor refuses a record.
    pub fn scan_readable(
        &self,
        segment: &SegmentInfo,
        visit: &mut dyn FnMut(&Record<'_>) -> Result<(), String>,
    ) -> Result<(), ScanError> {
        let file = segment.path.clone();
        let Some(files) = &self.files else { return Ok(()) };
        let io = |source| ScanError::Io { file: file.clone(), source };
        let mut reader = match files.store.open(&file).map_err(io).map(SegmentReader::from_file)? {
            Ok(reader) => reader,
            Err(SegmentReaderError::Io(source)) => return Err(io(source)),
            Err(SegmentReaderError::Head(_)) => return Ok(()),
        };
        loop {
            let flow = match reader.step().map_err(io)? {
                Step::End => ControlFlow::Break(()),
                Step::Record(located) => {
                    // Each part of a group carries all that it needs, so a part counts without its end here: the whole
                    // group was applied when it was written.
                    if let Some((record, _)) = located.record() {
                        let refused = |what| ScanError::Refused { file: file.clone(), lsn: record.lsn, what };
                        visit(&record).map_err(refused)?;
                    }
                    continue;
                }
                Step::Damage(_) => ControlFlow::Continue(()),
            };
            if flow.is_break() || !reader.skip().map_err(io)? {
                return Ok(());
            }
        }
    }
}
