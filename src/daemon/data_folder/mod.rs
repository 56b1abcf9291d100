//! The data folder of a daemon: opening it, writing snapshots, and maintaining the archive.

mod archive_check;
mod archive_index;
mod archive_losses;
mod archive_retention;
mod configuration_file;
mod copy_forward;
mod folder;
mod import_mark;
mod open;
mod parts;
mod read_only;
mod recover;
mod snapshot_files;
mod snapshots;
mod start_check;

pub(crate) use crate::daemon::data_folder::configuration_file::{
    ConfigurationFile, PATH as CONFIGURATION, recorded_state,
};
pub(crate) use crate::daemon::data_folder::copy_forward::CopiedSegment;
pub(crate) use crate::daemon::data_folder::folder::CopiedParts;
pub use crate::daemon::data_folder::folder::DataFolder;
pub(crate) use crate::daemon::data_folder::import_mark::refuse_unfinished_import;
pub use crate::daemon::data_folder::open::{OpenedFolder, open};
pub(crate) use crate::daemon::data_folder::open::{open_for_import, open_with};
pub(crate) use crate::daemon::data_folder::read_only::{
    ReadHistory, RecordedFolder, read_configuration, read_folder, read_history,
};
pub use crate::daemon::data_folder::recover::{ArchiveLosses, recover};
pub(crate) use crate::daemon::data_folder::snapshot_files::{SNAPSHOTS, verify_snapshot};
pub(crate) use crate::daemon::data_folder::snapshots::{is_no_space, write_state};
pub(crate) use crate::daemon::data_folder::start_check::{check_start, damaged_segments};
