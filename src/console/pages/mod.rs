//! The handlers of the pages, grouped by what they show.

pub(super) mod change_customer;
pub(super) mod change_limits;
pub(super) mod customer;
pub(super) mod customers;
pub(super) mod decide;
mod denial;
mod form_preview;
mod four_eyes;
pub(super) mod jobs;
mod label_boxes;
pub(super) mod levels;
mod limits_chooser;
pub(super) mod merchant;
pub(super) mod merchants;
pub(super) mod operator;
mod order_table;
mod recent_denials;
pub(super) mod transactions;
mod usage_bars;
