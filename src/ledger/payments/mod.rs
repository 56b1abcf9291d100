//! Operations on payments: reserve, dry run, repeat, transitions, link.

pub(crate) mod answer;
pub(crate) mod archived_facts;
pub(crate) mod dry_run;
pub(crate) mod link;
pub(crate) mod record;
pub(crate) mod repeat;
pub(crate) mod reserve;
