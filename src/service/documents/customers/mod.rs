//! Documents of customers: profiles, instruments, settings, limits, rates.

pub(crate) mod customer;
pub(crate) mod instrument;
pub(crate) mod limits;
pub(crate) mod own_rate;
pub(crate) mod search;
pub(crate) mod settings;
pub(crate) mod update;

#[cfg(test)]
mod tests;
