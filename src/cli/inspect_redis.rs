//! `levelgate inspect --redis`: prints what the copy in Redis contains, and verifies all of it. The command writes nothing.

use crate::{
    cli::support::{
        configuration::{default_folder, load_with_secrets},
        print::print_line,
    },
    config::{Redis, RedisFiles, RedisUrl},
    daemon::redis_copy::reader,
    replication::{
        CopyError, CopyReader, Head, SnapshotMark, StreamPosition,
        format::{WrappingKey, unwrap_secret},
    },
    storage::{
        fs::{Store, disk::Disk},
        journal::Lsn,
        snapshot,
    },
};
use anyhow::Context;
use std::{path::PathBuf, process::ExitCode};

/// The arguments of `inspect` about Redis.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Options {
    /// Examine the copy in Redis at this address; without an address, at that of the configuration
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["folder", "records"])]
    pub(super) redis: Option<String>,
    /// With --redis: the configuration folder, for the password, the key file and the prefix
    #[arg(long, value_name = "DIR", requires = "redis")]
    config: Option<PathBuf>,
    /// With --redis: the prefix of the copy [default: that of the configuration, or levelgate]
    #[arg(long, requires = "redis")]
    prefix: Option<String>,
}

/// The place of the copy, and the known secrets.
struct Place {
    redis: Redis,
    files: RedisFiles,
    has_key: bool,
}

/// Prints the copy; fails if anything is damaged or missing.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let Place { redis, files, has_key } = place(options)?;
    let mut reader = reader(&redis, &files)?;
    let head = reader.head()?;
    let Some(head) = head else {
        anyhow::bail!("Redis has no data under the prefix {}", redis.prefix);
    };
    let wrapping = has_key.then_some(WrappingKey(files.wrapping_key));
    print_head(&head);
    let mut problems = Vec::new();
    let mut note = |outcome: Result<(), CopyError>| problems.extend(outcome.err().map(|error| error.to_string()));
    if let Some(wrapping) = &wrapping {
        note(unwrap_secret(wrapping, head.instance, &head.secret).map(drop).map_err(CopyError::Secret));
    }
    note(inspect_stream(&mut reader));
    note(inspect_keys(&mut reader, &head, wrapping.as_ref()));
    match head.snapshot {
        Some(snapshot) => problems.extend(inspect_snapshot(&mut reader, &head, snapshot)?),
        None => {
            print_line!("snapshot   none");
        }
    }
    let needed = Lsn(head.snapshot.map_or(0, |snapshot| snapshot.begin.0).saturating_add(1));
    if let Some(begin) = head.begin.filter(|begin| *begin > needed) {
        problems.push(format!(
            "the stream begins with record {begin}, and no snapshot contains the records from {needed} on"
        ));
    }
    for problem in &problems {
        eprintln!("levelgate: {problem}");
    }
    if problems.is_empty() {
        print_line!("whole      nothing is damaged");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

fn place(options: &Options) -> anyhow::Result<Place> {
    let url = options.redis.as_deref().filter(|url| !url.is_empty());
    let url = url.map(RedisUrl::parse).transpose();
    let url = url.map_err(|error| anyhow::anyhow!("{}: {}", error.message, error.help))?;
    let folder = options.config.clone().or_else(|| url.is_none().then(default_folder));
    let mut place = match folder {
        Some(folder) => {
            let loaded = load_with_secrets(&folder)?;
            let (Some(redis), Some(files)) = (loaded.settings.redis, loaded.redis_files) else {
                anyhow::bail!("there is no [redis] in the configuration in {}", folder.display());
            };
            Place { redis, files, has_key: true }
        }
        None => {
            let url = url.clone().context("name the address of Redis")?;
            let files = RedisFiles { wrapping_key: [0; 32], password: url.password.clone(), ca: None };
            Place { redis: Redis::new(url, PathBuf::new()), files, has_key: false }
        }
    };
    if let Some(url) = url {
        place.files.password = url.password.clone().or(place.files.password);
        place.redis.url = url;
    }
    if let Some(prefix) = &options.prefix {
        place.redis.prefix.clone_from(prefix);
    }
    Ok(place)
}

fn print_head(head: &Head) {
    print_line!("instance   journal {}, format {}", head.instance, head.format);
    print_line!("owner      {}, fence {}, on_outage {}", head.owner, head.fence, head.on_outage.word());
    let lease = head.lease.map_or_else(
        || "none".to_owned(),
        |lease| match lease.expires_in_ms {
            Some(ms) => format!("of fence {}, expires in {ms} ms", lease.fence),
            None => format!("of fence {}, never expires", lease.fence),
        },
    );
    let heartbeat = head.renewed_ago_ms.map_or_else(|| "none".to_owned(), |ms| format!("{ms} ms ago"));
    let tip = head.tip.map_or_else(
        || "none".to_owned(),
        |tip| format!("record {}, epoch {}, offset {}", tip.lsn, tip.epoch, tip.end.0),
    );
    print_line!("lease      {lease}");
    print_line!("heartbeat  {heartbeat}");
    print_line!("tip        {tip}");
}

fn inspect_stream(reader: &mut CopyReader) -> Result<(), CopyError> {
    let mut position = StreamPosition::default();
    let read = reader.read_stream(&mut position, &mut |_, _| Ok(()));
    print_line!(
        "stream     records {} to {}, {} entries, {} bytes",
        position.first,
        position.last(),
        position.entries,
        position.bytes
    );
    read
}

fn inspect_keys(reader: &mut CopyReader, head: &Head, wrapping: Option<&WrappingKey>) -> Result<(), CopyError> {
    let how = if wrapping.is_some() { "each of which opens" } else { "not opened: name the key file with --config" };
    let read = reader.read_keys(wrapping, &mut |_| Ok(()));
    let how = if read.is_ok() { how } else { "not all of which open" };
    print_line!("keys       {} keys, {how}; {} erased keys", head.keys, head.erased);
    read
}

/// Reads the snapshot to its end. Returns the problems.
fn inspect_snapshot(reader: &mut CopyReader, head: &Head, mark: SnapshotMark) -> anyhow::Result<Vec<String>> {
    const COPY: &str = "snapshot";
    let SnapshotMark { begin, end, chunks, bytes } = mark;
    print_line!("snapshot   true up to {begin}, ended at {end}, {chunks} chunks, {bytes} bytes");
    let folder = tempfile::tempdir().context("the snapshot needs a temporary folder")?;
    let store = Disk::open(folder.path())?;
    let file = store.create(COPY)?;
    let (mut problems, mut len) = (Vec::new(), 0);
    for chunk in reader.read_snapshot(mark) {
        match chunk {
            Ok(chunk) => {
                file.write_at(&chunk, len)?;
                len = len.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
            }
            Err(error) => {
                problems.push(error.to_string());
                return Ok(problems);
            }
        }
    }
    let read = || {
        let mut snapshot = snapshot::Reader::open(store.open(COPY)?, head.instance.0)?;
        while snapshot.next_piece()?.is_some() {}
        Ok::<_, snapshot::SnapshotError>(snapshot.header().begin_lsn)
    };
    match read() {
        Ok(found) if found == begin.0 => {}
        Ok(found) => {
            problems.push(format!("the snapshot in Redis is true up to record {found}, and the head names {begin}"));
        }
        Err(error) => problems.push(format!("the snapshot in Redis cannot be used: {error}")),
    }
    if head.tip.is_none_or(|tip| tip.lsn < end) {
        problems
            .push(format!("the snapshot in Redis needs the records up to {end}, and the stream does not reach them"));
    }
    Ok(problems)
}
