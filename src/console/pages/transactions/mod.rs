//! Transactions: the search, one with its timeline, and the link to a customer.

mod link;
mod search;
mod show;
mod timeline;

pub(in crate::console) use crate::console::pages::transactions::{
    link::{link, show_link},
    search::search,
    show::show,
};
