//! What several commands share.

pub(super) mod client_files;
pub(super) mod configuration;
pub(super) mod copied_files;
pub(super) mod customer_source;
pub(super) mod daemon_client;
pub(super) mod folder_copy;
pub(super) mod import_answer;
pub(super) mod output_file;
pub(super) mod print;
pub(super) mod progress;
