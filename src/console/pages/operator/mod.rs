//! Pages about all merchants and the daemon: what happens now, gates, rates, events, the audit, the system.

pub(in crate::console) mod audit;
pub(in crate::console) mod change_rates;
mod chart;
mod duration;
pub(in crate::console) mod events;
mod gate_table;
pub(in crate::console) mod gates;
pub(in crate::console) mod live;
mod merchant_choice;
pub(in crate::console) mod rates;
pub(in crate::console) mod reload;
pub(super) mod span;
pub(in crate::console) mod system;
