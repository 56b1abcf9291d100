//! The scripts, as Redis gets them.

use std::sync::LazyLock;

/// A script with its digest.
#[derive(Debug)]
pub(in crate::replication) struct Script {
    name: &'static str,
    text: &'static str,
    digest: String,
}

impl Script {
    fn new(name: &'static str, text: &'static str) -> Self {
        Self { name, text, digest: redis::Script::new(text).get_hash().to_owned() }
    }

    /// Its name, for messages.
    pub(in crate::replication) fn name(&self) -> &'static str {
        self.name
    }

    /// Its text.
    pub(in crate::replication) fn text(&self) -> &'static str {
        self.text
    }

    /// The digest by which Redis knows it.
    pub(in crate::replication) fn digest(&self) -> &str {
        &self.digest
    }
}

macro_rules! scripts {
    ($($name:ident = $file:literal),+ $(,)?) => {
        $(
            pub(in crate::replication) static $name: LazyLock<Script> = LazyLock::new(|| {
                Script::new(
                    $file,
                    concat!(include_str!("scripts/common.lua"), include_str!(concat!("scripts/", $file, ".lua"))),
                )
            });
        )+
    };
}

scripts! {
    HEAD = "head",
    ACQUIRE = "acquire",
    RENEW = "renew",
    APPEND = "append",
    PUT_KEYS = "put_keys",
    ERASE_KEYS = "erase_keys",
    BEGIN_SNAPSHOT = "begin_snapshot",
    PUT_CHUNK = "put_chunk",
    FINISH_SNAPSHOT = "finish_snapshot",
    TRIM = "trim",
    RELEASE = "release",
    READ_STREAM = "read_stream",
    DISCARD = "discard",
}
