//! Writing an output file: an existing file is replaced only when the new one is complete.

use anyhow::Context;
use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
    process::ExitCode,
};

/// Writes a file: first a file `PATH.part`, which replaces the file at the path when it is complete. `write` returns
/// whether the output is complete.
///
/// # Errors
/// The file cannot be written.
pub(in crate::cli) fn write_file(
    path: &Path,
    write: &mut dyn FnMut(&mut dyn Write) -> anyhow::Result<bool>,
) -> anyhow::Result<ExitCode> {
    // A pipe or a device is written directly; a link stays a link.
    let is_special = path.metadata().is_ok_and(|file| !file.is_file());
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let cannot_write = || cannot_write(path);
    if is_special {
        return write(&mut File::create(path).with_context(cannot_write)?).map(exit_code);
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(".part");
    let mut file = BufWriter::new(File::create(&partial).with_context(cannot_write)?);
    let written = write(&mut file).and_then(|is_complete| {
        file.flush().with_context(cannot_write)?;
        Ok(is_complete)
    });
    let written = written.and_then(|is_complete| {
        if is_complete {
            fs::rename(&partial, path).with_context(cannot_write)?;
        }
        Ok(is_complete)
    });
    if !matches!(written, Ok(true)) {
        // The error of the write is the one to report.
        let _removed = fs::remove_file(&partial);
    }
    written.map(exit_code)
}

pub(in crate::cli) fn exit_code(is_done: bool) -> ExitCode {
    if is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

pub(in crate::cli) fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}
