//! README.md and the guides of `src/docs/`: every command in them runs, every answer is the daemon's, every block of JSON
//! and TOML parses, every link leads somewhere; `levelgate help` and `/docs` show them.
//!
//! An `sh` block is run by `sh -e`, in the order of the document, against one daemon on the sample configuration. Its
//! working directory is a temporary folder that has the sample as `config`; `levelgate` is the built program; the port is
//! replaced. A `json` block directly after it is its answer; times and other values that differ from run to run are not
//! compared. What must not be run is a `text` or a `console` block.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use levelgate::docs::{GUIDES, PICTURES, guide};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

/// Where the sample listens, and with it every command of a document.
const ADDRESS: &str = "127.0.0.1:7400";
/// Commands that the documents name and this suite does not run: they build the program and run the tests.
const NOT_RUN: &[&str] = &["cargo run --release", "./tests/run"];
/// The languages of blocks. One without a language would be a doc test of rustdoc.
const LANGUAGES: &[&str] = &["sh", "console", "json", "toml", "text", "csv", "http", "ini", "yaml", "promql"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A document: README.md, or a guide.
struct Document {
    path: PathBuf,
    text: String,
}

/// A fenced block.
struct Block {
    language: String,
    text: String,
    /// The line of its first line.
    line: usize,
    /// The bytes of the document that it takes, fences included.
    bytes: std::ops::Range<usize>,
}

impl Document {
    fn at(path: &str) -> Self {
        let path = root().join(path);
        Self { text: fs::read_to_string(&path).unwrap(), path }
    }

    fn name(&self) -> String {
        self.path.strip_prefix(root()).unwrap().display().to_string()
    }

    fn events(&self) -> impl Iterator<Item = (Event<'_>, std::ops::Range<usize>)> {
        Parser::new_ext(&self.text, Options::ENABLE_TABLES).into_offset_iter()
    }

    fn line(&self, byte: usize) -> usize {
        self.text[..byte].matches('\n').count() + 1
    }

    fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut is_inside = false;
        for (event, bytes) in self.events() {
            match event {
                Event::Start(Tag::CodeBlock(kind)) => {
                    let CodeBlockKind::Fenced(language) = kind else {
                        panic!("{}:{}: a block without a fence", self.name(), self.line(bytes.start));
                    };
                    let line = self.line(bytes.start) + 1;
                    blocks.push(Block { language: language.to_string(), text: String::new(), line, bytes });
                    is_inside = true;
                }
                Event::End(TagEnd::CodeBlock) => is_inside = false,
                Event::Text(text) if is_inside => blocks.last_mut().unwrap().text.push_str(&text),
                _ => {}
            }
        }
        blocks
    }

    /// The anchors of its headings: lower case, spaces as dashes, no other punctuation.
    fn anchors(&self) -> BTreeSet<String> {
        let mut anchors = BTreeSet::new();
        let mut heading: Option<String> = None;
        for (event, _) in self.events() {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::Text(text) | Event::Code(text) => heading.iter_mut().for_each(|words| words.push_str(&text)),
                Event::End(TagEnd::Heading(_)) => {
                    let words = heading.take().unwrap().to_lowercase().replace(' ', "-");
                    let anchor: String =
                        words.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect();
                    let free = (0..).map(|n| if n == 0 { anchor.clone() } else { format!("{anchor}-{n}") });
                    anchors.insert(free.into_iter().find(|free| !anchors.contains(free)).unwrap());
                }
                _ => {}
            }
        }
        anchors
    }
}

/// README.md and all guides.
fn documents() -> Vec<Document> {
    let guides = GUIDES.iter().map(|guide| Document::at(&format!("src/docs/{}.md", guide.name)));
    std::iter::once(Document::at("README.md")).chain(guides).collect()
}

struct Daemon {
    child: Child,
    address: String,
    folder: tempfile::TempDir,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Daemon {
    /// On the sample configuration as it is, but on a free port.
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let copied = Command::new("cp").arg("-r").arg(root().join("config")).arg(folder.path()).status().unwrap();
        assert!(copied.success());
        let file = folder.path().join("config/levelgate.toml");
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(ADDRESS), "the sample listens where the documents say");
        fs::write(&file, text.replacen(ADDRESS, "127.0.0.1:0", 1)).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_levelgate"))
            .current_dir(folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("the daemon logs its address").unwrap();
            if let Some((_, address)) = line.split_once("listening on http://") {
                break address.trim().to_owned();
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, folder }
    }

    /// Runs the commands of a block.
    fn run(&self, commands: &str) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_levelgate")).parent().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        Command::new("sh")
            .args(["-e", "-c", &commands.replace(ADDRESS, &self.address)])
            .current_dir(self.folder.path())
            .env("PATH", format!("{}:{path}", program.display()))
            .env("LEVELGATE_URL", format!("http://{}", self.address))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The status, the headers and the body of a page; of a picture, what is text of it.
    fn get(&self, path: &str) -> (u16, ureq::http::HeaderMap, String) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = agent.get(format!("http://{}{path}", self.address)).call().unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        (status, headers, String::from_utf8_lossy(&answer.body_mut().read_to_vec().unwrap()).into_owned())
    }
}

/// Replaces what differs from run to run: times, durations, digests, the version of the configuration.
fn settle(answer: &mut Value) {
    match answer {
        Value::Object(fields) => {
            for (name, value) in fields {
                let is_settled = match value {
                    Value::String(text) => {
                        matches!(name.as_str(), "config_version" | "changed_digest") || is_time(text)
                    }
                    Value::Number(_) => matches!(name.as_str(), "milliseconds" | "waited_milliseconds"),
                    _ => false,
                };
                if is_settled {
                    *value = Value::from("*");
                } else {
                    settle(value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(settle),
        _ => {}
    }
}

/// Whether a text is a time as answers have it: `2026-11-20T10:00:00.000Z`.
fn is_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    matches!(shape.as_str(), "0000-00-00T00:00:00.000Z" | "0000-00-00T00:00:00Z")
}

/// Whether nothing but white space is between two blocks.
fn is_directly_after(document: &Document, first: &Block, second: &Block) -> bool {
    document.text[first.bytes.end..second.bytes.start].trim().is_empty()
}

fn run_commands(document: &Document) -> usize {
    let blocks = document.blocks();
    let commands = |block: &Block| block.language == "sh" && !NOT_RUN.contains(&block.text.trim());
    if !blocks.iter().any(commands) {
        return 0;
    }
    let daemon = Daemon::start();
    let mut run = 0;
    for (place, block) in blocks.iter().enumerate().filter(|(_, block)| commands(block)) {
        let output = daemon.run(&block.text);
        let printed = String::from_utf8_lossy(&output.stdout);
        let place_of = format!("{}:{}", document.name(), block.line);
        assert!(
            output.status.success(),
            "{place_of}: {}\n{}\n{printed}\n{}",
            output.status,
            block.text,
            String::from_utf8_lossy(&output.stderr)
        );
        run += 1;
        let next = blocks.get(place + 1).filter(|next| next.language == "json");
        if let Some(next) = next.filter(|next| is_directly_after(document, block, next)) {
            let parsed = serde_json::from_str(&printed);
            let mut got: Value =
                parsed.unwrap_or_else(|error| panic!("{place_of}: {error}\n{}\n{printed}", block.text));
            let mut want: Value = serde_json::from_str(&next.text).unwrap();
            settle(&mut got);
            settle(&mut want);
            assert_eq!(got, want, "{place_of}\n{}\nanswers:\n{printed}", block.text);
        }
    }
    run
}

#[test]
fn every_command_runs_and_is_answered_as_its_document_says() {
    let run: Vec<(String, usize)> =
        documents().iter().map(|document| (document.name(), run_commands(document))).collect();
    let of_readme = run.iter().find(|(name, _)| name == "README.md").unwrap();
    assert!(of_readme.1 >= 3, "the commands of the README were not found: {run:?}");
}

#[test]
fn the_readme_names_the_two_commands() {
    let blocks = Document::at("README.md").blocks();
    for command in NOT_RUN {
        assert!(blocks.iter().any(|block| block.text.trim() == *command), "README.md has no block `{command}`");
    }
}

#[test]
fn the_readme_is_short() {
    const LINES_MAX: usize = 150;
    let lines = Document::at("README.md").text.lines().count();
    assert!(
        lines <= LINES_MAX,
        "README.md has {lines} lines, {LINES_MAX} are the most: write a guide in src/docs instead"
    );
}

#[test]
fn every_block_has_a_language_and_what_is_json_or_toml_parses() {
    let mut problems = Vec::new();
    for document in documents() {
        for block in document.blocks() {
            let place = format!("{}:{}", document.name(), block.line);
            match block.language.as_str() {
                "json" => {
                    if let Err(error) = serde_json::from_str::<Value>(&block.text) {
                        problems.push(format!("{place}: {error}"));
                    }
                }
                "toml" => {
                    if let Err(error) = toml::from_str::<toml::Table>(&block.text) {
                        problems.push(format!("{place}: {error}"));
                    }
                }
                language if !LANGUAGES.contains(&language) => {
                    problems
                        .push(format!("{place}: the block's language is {language:?}, and not one of {LANGUAGES:?}"));
                }
                _ => {}
            }
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut problems = Vec::new();
    for document in documents() {
        for (event, bytes) in document.events() {
            let Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) = event else { continue };
            if dest_url.contains("://") || dest_url.starts_with("mailto:") {
                continue;
            }
            let place = format!("{}:{}", document.name(), document.line(bytes.start));
            let (file, anchor) =
                dest_url.split_once('#').map_or((&*dest_url, None), |(file, anchor)| (file, Some(anchor)));
            let target =
                if file.is_empty() { document.path.clone() } else { document.path.parent().unwrap().join(file) };
            if !target.exists() {
                problems.push(format!("{place}: there is no {}", target.display()));
            } else if let Some(anchor) = anchor {
                let text = fs::read_to_string(&target).unwrap();
                let target = Document { path: target, text };
                if !target.anchors().contains(anchor) {
                    problems.push(format!("{place}: {dest_url} has no heading #{anchor}"));
                }
            }
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn the_table_of_codes_is_the_one_in_the_code() {
    let want: Vec<(u16, String)> = levelgate::domain::vocabulary::denial_codes::DENIAL_CODES
        .iter()
        .map(|(_, code, reason)| (*code, (*reason).to_owned()))
        .collect();
    let mut is_whole = false;
    for document in documents() {
        let cells =
            |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        let rows: Vec<(u16, String)> = document
            .text
            .lines()
            .filter(|line| line.starts_with("| 19") || line.starts_with("| `19"))
            .filter_map(|line| {
                let cells = cells(line);
                let code = cells[0].trim_matches('`').parse().ok()?;
                let reason = cells.get(1)?.strip_prefix('`')?.strip_suffix('`')?;
                Some((code, reason.to_owned()))
            })
            .collect();
        is_whole |= rows.windows(want.len()).any(|rows| rows == want);
        for row in &rows {
            assert!(want.contains(row), "{}: {row:?} is no denial code and its reason", document.name());
        }
    }
    assert!(is_whole, "no document has the whole table of denial codes, in order");
}

#[test]
fn the_table_of_guides_has_every_file_of_the_folder() {
    let files: BTreeSet<String> = fs::read_dir(root().join("src/docs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let guides = GUIDES.iter().map(|guide| format!("{}.md", guide.name));
    let listed: BTreeSet<String> = guides.chain(["pictures".to_owned()]).collect();
    assert_eq!(files, listed);
    for guide in GUIDES {
        assert!(guide.text.starts_with("# "), "{} begins with its title", guide.name);
    }
}

#[test]
fn every_picture_is_small_and_shown_in_a_guide() {
    let files = fs::read_dir(root().join("src/docs/pictures")).unwrap();
    let files: BTreeSet<String> = files.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let listed: BTreeSet<String> = PICTURES.iter().map(|picture| picture.name.to_owned()).collect();
    assert_eq!(files, listed);
    for picture in PICTURES {
        let is_shown = GUIDES.iter().any(|guide| guide.text.contains(&format!("](pictures/{})", picture.name)));
        assert!(is_shown, "no guide shows {}", picture.name);
        assert!(picture.png.len() < 60_000, "{} has {} bytes", picture.name, picture.png.len());
    }
}

fn levelgate(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_levelgate")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn help_prints_the_commands_a_command_or_a_guide() {
    let (status, help, _) = levelgate(&["help"]);
    let (_, of_flag, _) = levelgate(&["--help"]);
    let topics = help.strip_prefix(&of_flag).expect("first what --help prints");
    assert_eq!(status, Some(0));
    for guide in GUIDES {
        assert!(topics.contains(&format!("  {} ", guide.name)), "{topics}");
        assert_eq!(levelgate(&["help", guide.name]), (Some(0), guide.text.to_owned(), String::new()));
    }
    for command in ["check", "serve", "help"] {
        assert_eq!(levelgate(&["help", command]), levelgate(&[command, "--help"]));
    }
    let (status, printed, stderr) = levelgate(&["help", "semantic"]);
    assert_eq!((status, printed.as_str()), (Some(2), ""));
    assert!(stderr.contains("did you mean `semantics`?") && stderr.contains("storage-format"), "{stderr}");
}

#[test]
fn the_daemon_serves_the_guides_without_scripts() {
    let daemon = Daemon::start();
    let (status, headers, list) = daemon.get("/docs");
    assert_eq!(status, 200);
    assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'; style-src 'self';"));
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    for guide in GUIDES {
        let path = format!("/docs/{}", guide.name);
        assert!(list.contains(&format!("<a href=\"{path}\">")), "{list}");
        let (status, headers, page) = daemon.get(&path);
        assert_eq!(status, 200, "{path}");
        assert!(headers.contains_key("content-security-policy"), "{path}");
        assert!(page.contains("<h1 id="), "{path}: {page}");
        for forbidden in ["<script", " style=", "<style", " onclick="] {
            assert!(!page.contains(forbidden), "{path} has {forbidden}");
        }
    }
    let (status, headers, _) = daemon.get("/docs/style.css");
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (200, "text/css; charset=utf-8"));
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("img-src 'self';"), "{policy}");
    for picture in PICTURES {
        let path = format!("/docs/{}", picture.name);
        let shown = GUIDES
            .iter()
            .any(|guide| daemon.get(&format!("/docs/{}", guide.name)).2.contains(&format!("src=\"{path}\"")));
        assert!(shown, "no page shows {path}");
        let (status, headers, _) = daemon.get(&path);
        assert_eq!((status, headers["content-type"].to_str().unwrap()), (200, "image/png"));
    }
    let (status, headers, _) = daemon.get("/docs/nothing");
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (404, "application/problem+json"));
    assert!(guide("nothing").is_none());
}

/// The texts of the program, with continued lines joined and without the values in braces.
fn texts_of_the_program(folder: &Path, texts: &mut String) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            texts_of_the_program(&entry, texts);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&entry).unwrap().replace("\\\"", "\"");
            let mut lines = source.split("\\\n");
            texts.push_str(lines.next().unwrap_or_default());
            lines.for_each(|line| texts.push_str(line.trim_start()));
        }
    }
}

/// The quotes in one column of a guide's table rows whose first cell is accepted, split where a value stands, with their
/// line numbers. Commands are left out.
fn quotes_of(guide: &str, column: usize, is_row: fn(&str) -> bool) -> Vec<(usize, String)> {
    let text = fs::read_to_string(root().join("src/docs").join(guide)).unwrap();
    let mut quotes = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let Some(cells) = line.strip_prefix("| ").map(|line| line.split(" | ").collect::<Vec<_>>()) else { continue };
        if !cells.first().is_some_and(|first| is_row(first)) {
            continue;
        }
        let words = cells.get(column).copied().unwrap_or_default();
        for quote in words.split('`').skip(1).step_by(2).filter(|quote| quote.contains(' ')) {
            if quote.starts_with("levelgate") || quote.starts_with("--") {
                continue;
            }
            let parts = quote.split("...").flat_map(|part| part.split(" N")).map(str::trim);
            quotes.extend(parts.filter(|part| part.len() > 3).map(|part| (number + 1, part.to_owned())));
        }
    }
    quotes
}

/// An operator searches a guide for the words of a message: the program must print them.
fn check_quotes(guide: &str, quotes: &[(usize, String)]) {
    const OF_THE_SYSTEM: [&str; 2] = ["Not a directory", "Permission denied"];
    let mut texts = String::new();
    texts_of_the_program(&root().join("src"), &mut texts);
    let missing: Vec<String> = quotes
        .iter()
        .filter(|(_, quote)| !OF_THE_SYSTEM.contains(&quote.as_str()) && !texts.contains(quote))
        .map(|(line, quote)| format!("line {line}: {quote}"))
        .collect();
    assert!(missing.is_empty(), "{guide} quotes what the program does not print:\n{}", missing.join("\n"));
}

#[test]
fn words_that_recovery_quotes_are_words_of_the_program() {
    let quotes = quotes_of("recovery.md", 0, |first| first.starts_with('`'));
    assert!(quotes.len() > 60, "the quotes were found: {}", quotes.len());
    check_quotes("recovery.md", &quotes);
}

/// The texts of the program's warnings and errors in the log, each with its file.
fn log_lines(folder: &Path, lines: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            log_lines(&entry, lines);
            continue;
        }
        let source = fs::read_to_string(&entry).unwrap_or_default();
        let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for macro_name in ["tracing::warn!(", "tracing::error!("] {
            for call in source.split(macro_name).skip(1) {
                let text = call.split_once('"').map_or("", |(_, text)| text).replace("\\\"", "'");
                let text = text.split('"').next().unwrap_or_default();
                let text: Vec<&str> = text
                    .split("\\\n")
                    .enumerate()
                    .map(|(n, line)| if n == 0 { line } else { line.trim_start() })
                    .collect();
                lines.push((entry.display().to_string(), text.concat()));
            }
        }
    }
}

#[test]
fn operations_lists_the_warnings_and_errors_of_the_log() {
    // Texts that are made elsewhere, and texts that report a defect of the program itself.
    const NOT_LISTED: [&str; 10] = [
        "{warning}",
        "{change}",
        "{name} changed",
        "{what}",
        "panicked",
        "the path has no parameter",
        "the row of {} lists no answer",
        "an answer could not be serialized",
        "a page cannot read the document",
        "the disk does not answer",
    ];
    let quotes = quotes_of("operations.md", 1, |level| ["INFO", "WARN", "ERROR"].contains(&level));
    assert!(quotes.len() > 40, "the quotes were found: {}", quotes.len());
    check_quotes("operations.md", &quotes);
    let mut lines = Vec::new();
    log_lines(&root().join("src"), &mut lines);
    assert!(lines.len() > 40, "the lines were found: {}", lines.len());
    let is_listed = |text: &str| {
        NOT_LISTED.iter().any(|known| text.contains(known))
            || quotes.iter().any(|(_, quote)| quote.len() >= 10 && text.contains(quote.as_str()))
    };
    let missing: Vec<String> =
        lines.iter().filter(|(_, text)| !is_listed(text)).map(|(file, text)| format!("{file}: {text}")).collect();
    assert!(missing.is_empty(), "operations.md, \"Log lines that matter\", does not list:\n{}", missing.join("\n"));
}
