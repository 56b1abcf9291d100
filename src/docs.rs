//! The guides: Markdown files in `src/docs/`, one table of them for everything that shows them.
//!
//! rustdoc includes each guide in a module below, `levelgate help TOPIC` prints it, and the daemon serves it at
//! `/docs/NAME`. A new guide is a file and a row of the table here.

/// A guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guide {
    /// Its topic: the file's name without the extension, and its name in addresses.
    pub name: &'static str,
    /// Its title in lists.
    pub title: &'static str,
    /// Its readers and its content, in one line.
    pub readers: &'static str,
    /// Markdown, as in the file.
    pub text: &'static str,
}

macro_rules! guides {
    ($($module:ident $name:literal $title:literal $readers:literal)+) => {
        $(
            #[allow(
                rustdoc::broken_intra_doc_links,
                reason = "a bracket in a guide is text or a key of a file, and no path into the code"
            )]
            #[doc = include_str!(concat!("docs/", $name, ".md"))]
            pub mod $module {}
        )+

        /// All guides, in reading order.
        pub const GUIDES: &[Guide] = &[$(
            Guide {
                name: $name,
                title: $title,
                readers: $readers,
                text: include_str!(concat!("docs/", $name, ".md")),
            },
        )+];
    };
}

guides! {
    getting_started "getting-started" "Getting started"
        "everyone new: install, start, the first decisions"
    concepts "concepts" "Concepts"
        "everyone: merchants, customers, levels, limits, transactions"
    integration "integration" "Integration"
        "developers who call the API: requests, answers, idempotency, retries"
    customers "customers" "Customers"
        "support staff: registration, status, own limits, tables, merges, erasure"
    console "console" "Console"
        "support staff: the pages at /console, by task"
    configuration "configuration" "Configuration"
        "operators: every file and key, tokens, reloads"
    operations "operations" "Operations"
        "operators: start and stop, health, metrics, snapshots, overload"
    redis "redis" "Redis"
        "operators: a copy in Redis, what it can lose, restore, standby, take-over"
    recovery "recovery" "Recovery"
        "operators: backups, damage, lost files, a wrong clock"
    errors "errors" "Errors"
        "integrators and support staff: denial codes, problem codes, remedies"
    semantics "semantics" "Semantics"
        "integrators and auditors: the exact rule for each case, by topic"
    architecture "architecture" "Architecture"
        "maintainers: the code, its invariants, its names"
    storage_format "storage-format" "Storage format"
        "auditors and maintainers: every file of the data folder, byte by byte"
    performance "performance" "Performance"
        "operators and maintainers: costs, sizing, benches, limits"
}

/// A picture of a guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// The name of its file, also in addresses.
    pub name: &'static str,
    /// The file.
    pub png: &'static [u8],
}

macro_rules! pictures {
    ($($name:literal)+) => {
        /// All pictures of the guides. A test of the console writes them.
        pub const PICTURES: &[Picture] =
            &[$(Picture { name: $name, png: include_bytes!(concat!("docs/pictures/", $name)) },)+];
    };
}

pictures! { "console-search.png" "console-denial.png" "console-question.png" }

/// The guide on a topic.
#[must_use]
pub fn guide(name: &str) -> Option<&'static Guide> {
    GUIDES.iter().find(|guide| guide.name == name)
}
