//! Levels: the list of a merchant, its file, and one level with its methods, gates and limits.

mod above;
mod add;
mod edit;
mod file;
mod filters;
mod gates;
mod level_page;
mod list;
mod methods;
mod preview;
mod removal;

pub(in crate::console) use crate::console::pages::levels::{
    above::above,
    add::{add, show_add},
    edit::{edit, overview, show_edit},
    file::file,
    filters::{change_filter, filters, show_filter},
    gates::gates,
    list::list_levels,
    methods::{change_method, methods, show_method},
    removal::{delete, delete_currency, rename, reset, show_delete, show_delete_currency, show_rename, show_reset},
};
