//! The real daemon, driven over HTTP as an outside engineer would drive it: configuration files in, a process
//! started, requests sent, answers and exit statuses judged against the published contract.
//!
//! Nothing here links the library. What these tests know of the inside is the command line, the files, the line that
//! names the listening address, and the wire.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod amount_ranges;
mod archive;
mod archive_loss;
mod attribute_forms;
mod audit;
mod batch;
mod block_origins;
mod card_numbers;
mod concurrency;
mod configuration_losses;
mod configuration_overrides;
mod configuration_reload;
mod connection_limits;
mod customer_export;
mod customer_filters;
mod customer_history;
mod customer_limits;
mod customer_search;
mod customer_status;
mod customers;
mod daemon_operation;
mod data_folder_presence;
mod decision_answers;
mod decisions;
mod denial_figures;
mod documents;
mod event_feed;
mod field_help;
mod format_upgrade;
mod full_disk;
mod health;
mod idempotency;
mod identifiers;
mod import_export;
mod input_bounds;
mod instrument_blocks;
mod instruments;
mod level_renames;
mod levels;
mod limit_raises;
mod long_numbers;
mod machine_paths;
mod malformed_requests;
mod merge;
mod monitoring;
mod moved_clock;
mod past_payments;
mod quantities;
mod rate_limits;
mod refusal_words;
mod refusals;
mod registered_payers;
mod registration;
mod regressions;
mod reload_report;
mod replay_parity;
mod request_names;
mod route_authorization;
mod sandbox;
mod sealed_identifiers;
mod signals;
mod staff_attributes;
mod staff_calls;
mod staff_effects;
mod table_selection;
mod token_access;
mod tokens;
mod transaction_lifecycle;
mod transaction_linking;
mod transactions;
mod unreadable_records;
