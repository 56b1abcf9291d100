//! Changes of files at a start, after all of them were validated and replayed.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::{
        fs::{
            store::{Store, read_full},
            unfinished::Unfinished,
        },
        journal::{
            format::segment_head::RECORDS_FROM,
            model::{
                error::OpenError,
                ids::Lsn,
                paths::{ARCHIVE, CUT, FOLDER, NEXT},
            },
        },
        recovery::scan::{Cut, Scan, io_error},
    },
};
use std::io;

/// Bytes copied at once.
const COPY_BYTES: usize = 1024 * 1024;

impl Scan<'_> {
    /// Writes again, as it stands, what is not known to have been synced, and syncs it.
    ///
    /// A process that dies of a failed sync leaves pages that the system shows and believes clean, so that a sync alone
    /// would keep nothing. What was replayed from such pages is given to the medium for certain.
    pub(super) fn rewrite_unsynced(&self, known: Lsn) -> Result<(), OpenError> {
        for found in self.segments.iter().skip(self.from).filter(|f| f.last >= f.named && f.last > known) {
            let renewed = || -> io::Result<()> {
                let file = self.store.open(&found.path)?;
                let mut block = vec![0; COPY_BYTES];
                let mut at = 0;
                while at < found.end {
                    let want = usize::try_from(found.end - at).unwrap_or(usize::MAX).min(COPY_BYTES);
                    let block = block.get_mut(..want).unwrap_or_default();
                    if read_full(&*file, block, at)? < want {
                        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
                    }
                    file.write_at(block, at)?;
                    at = at.saturating_add(u64::try_from(want).unwrap_or(u64::MAX));
                }
                file.sync()
            };
            renewed().map_err(io_error(format!("writing {} again", found.path)))?;
        }
        Ok(())
    }

    /// Moves the bytes after the good records aside: whole files first, so that an interrupted start finds the damage again.
    pub(super) fn apply_cut(&mut self, cut: &Cut) -> Result<(u64, u64), OpenError> {
        let whole_from = if cut.offset == 0 { cut.segment } else { cut.segment + 1 };
        let (mut files, mut bytes) = (0, 0);
        for found in self.segments.drain(whole_from.min(self.segments.len())..).rev() {
            let aside = free_name(self.store, found.named, 0)?;
            let moving = || io_error(format!("moving {} to {aside}", found.path));
            self.store.rename(&found.path, &aside).map_err(moving())?;
            (files, bytes) = (files + 1, bytes + found.bytes);
        }
        let torn = self.segments.get_mut(cut.segment).filter(|found| cut.offset > 0 && found.bytes > cut.offset);
        let torn = torn.map(|found| (found.path.clone(), found.named, std::mem::replace(&mut found.bytes, cut.offset)));
        if let Some((path, named, len)) = &torn {
            let aside = free_name(self.store, *named, cut.offset)?;
            copy(self.store, path, &aside, cut.offset, *len).map_err(io_error(format!("copying {path} to {aside}")))?;
            (files, bytes) = (files + 1, bytes + (len - cut.offset));
        }
        for folder in [CUT, FOLDER, ARCHIVE] {
            self.store.sync_folder(folder).map_err(io_error(format!("syncing {folder}")))?;
        }
        if let Some((path, ..)) = torn {
            let shorten = || {
                let file = self.store.open(&path)?;
                file.truncate(cut.offset)?;
                file.sync()
            };
            shorten().map_err(io_error(format!("cutting {path} at byte {}", cut.offset)))?;
        }
        Ok((files, bytes))
    }

    /// Removes the file that an earlier process had created for its next segment. One with records had its name, and a
    /// power cut took that: it is moved aside, and its bytes are returned.
    pub(super) fn remove_next_segment(&self, last: Lsn) -> Result<Option<u64>, OpenError> {
        let file = match self.store.open(NEXT) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(io_error(format!("opening {NEXT}")))?,
        };
        let bytes = file.len().map_err(io_error(format!("reading {NEXT}")))?;
        if bytes <= RECORDS_FROM {
            self.store.remove(NEXT).map_err(io_error(format!("removing {NEXT}")))?;
            self.store.sync_folder(FOLDER).map_err(io_error(format!("syncing {FOLDER}")))?;
            return Ok(None);
        }
        let aside = free_name(self.store, Lsn(last.0.saturating_add(1)), 0)?;
        self.store.rename(NEXT, &aside).map_err(io_error(format!("moving {NEXT} to {aside}")))?;
        for folder in [CUT, FOLDER] {
            self.store.sync_folder(folder).map_err(io_error(format!("syncing {folder}")))?;
        }
        Ok(Some(bytes))
    }

    /// Removes a last segment that holds no record, since the next one will have its number; says where that begins.
    pub(super) fn remove_empty_segment(&mut self) -> Result<LogOffset, OpenError> {
        let Some(last) = self.segments.last() else { return Ok(LogOffset(0)) };
        if last.last >= last.named {
            return Ok(last.end_offset());
        }
        self.store.remove(&last.path).map_err(io_error(format!("removing {}", last.path)))?;
        for folder in [FOLDER, ARCHIVE] {
            self.store.sync_folder(folder).map_err(io_error(format!("syncing {folder}")))?;
        }
        let first_offset = last.head.map_or(LogOffset(0), |head| head.first_offset);
        self.segments.pop();
        Ok(first_offset)
    }
}

/// A path in the folder of what was cut that no file has.
fn free_name(store: &dyn Store, named: Lsn, offset: u64) -> Result<String, OpenError> {
    let taken = store.list(CUT).map_err(io_error(format!("listing {CUT}")))?;
    let name = |n: usize| format!("{:020}-from-{offset}-{n}", named.0);
    let free = (1..).map(name).find(|name| !taken.contains(name)).unwrap_or_default();
    Ok(format!("{CUT}/{free}"))
}

fn copy(store: &dyn Store, from: &str, to: &str, mut at: u64, end: u64) -> io::Result<()> {
    // Each start chooses a free name, so a copy that failed and stayed would fill the disk start by start.
    let (from, to) = (store.open(from)?, Unfinished::create(store, to)?);
    let mut block = vec![0; COPY_BYTES];
    let mut written = 0;
    while at < end {
        let read = read_full(&*from, &mut block, at)?;
        let piece = block.get(..read).unwrap_or_default();
        if piece.is_empty() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        to.file().write_at(piece, written)?;
        let read = u64::try_from(read).unwrap_or(u64::MAX);
        (at, written) = (at.saturating_add(read), written.saturating_add(read));
    }
    to.keep()
}
