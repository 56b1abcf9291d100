//! Reading files: unreadable and invalid files are reported, and no file causes a panic.

use super::*;
use std::path::Path;

#[test]
fn unreadable_folders_and_files_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert!(problem_texts(load(&path.join("nowhere")))[0].contains("no such configuration folder"));
    fs::write(path.join("file"), "").unwrap();
    assert!(problem_texts(load(&path.join("file")))[0].contains("this is a file"));
    assert!(problem_texts(load(path))[0].contains("0 Warning: there are no merchants"), "all files are optional");
    fs::create_dir_all(path.join("merchants/folder.toml")).unwrap();
    fs::write(path.join("merchants/.hidden.toml"), "nonsense").unwrap();
    fs::write(path.join("merchants/bytes.toml"), b"id = \"a\"\nname = \"\xff\"\n").unwrap();
    fs::write(path.join("merchants/good.toml"), MERCHANT.replace("\"m\"", "\"good\"") + "nonsense = 1\n").unwrap();
    let texts = problem_texts(load(path));
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(texts[0].starts_with("0 Error: the file cannot be read"), "{texts:?}");
    assert_eq!(texts[1], "2 Error: the file is not UTF-8 from here on");
    assert_eq!(
        texts[2], "15 Error: unknown key `nonsense` in a payment method",
        "the other files are checked all the same"
    );
}

#[test]
fn paths_are_shown_as_the_user_named_the_folder() {
    let problems = load_merchant("id = 1").unwrap_err();
    let shown = problems.render(Style::Plain);
    assert!(shown.contains("merchants/m.toml:1:6"), "{shown}");
    let relative = load(Path::new("no-such-folder")).unwrap_err();
    assert!(relative.to_string().starts_with("no-such-folder: error:"), "{relative}");
}

#[test]
fn a_byte_order_mark_and_carriage_returns_do_not_shift_places() {
    let text = format!("\u{feff}{}colour = 1\r\n", MERCHANT.replace('\n', "\r\n"));
    assert_eq!(problem_texts(load_merchant(&text)), ["15 Error: unknown key `colour` in a payment method"]);
    let problems = load_merchant("\u{feff}colour = 1\r\nid = \"m\"\r\n").unwrap_err();
    assert_eq!(
        (problems.list[0].line, problems.list[0].message.as_str()),
        (1, "unknown key `colour` in a merchant's file")
    );
}

#[test]
fn strict_mode_treats_warnings_as_errors() {
    let text = format!("{MERCHANT}[[gates]]\nid = \"spare\"\n");
    let strict = load_merchant(&text).unwrap().strict().unwrap_err();
    assert_eq!(strict.list.len(), 1);
    assert_eq!(strict.list[0].severity, Severity::Error);
    assert!(load_merchant(MERCHANT).unwrap().strict().is_ok());
}

#[test]
fn a_password_in_a_url_is_never_shown() {
    let text = "[redis]\nurl = \"http://user:secret@host\"\n";
    let problems = load_files([("levelgate.toml", text)]).unwrap_err();
    let shown = problems.render(Style::Plain) + &problems.to_string();
    assert!(shown.contains("is not the address of a Redis server") && !shown.contains("secret"), "{shown}");
    let problems = load_files([("levelgate.toml", text.replace("http", "redis"))]).unwrap_err();
    assert!(!(problems.render(Style::Plain) + &problems.to_string()).contains("secret"));
    let url = crate::config::RedisUrl::parse("redis://user:secret@host").unwrap();
    assert_eq!(url.to_string(), "redis://***********@host");
    assert!(!format!("{url:?}").contains("secret"));
}

/// A seeded random generator that changes the sample by cuts, copies and bytes.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }

    fn mutate(&mut self, text: &str) -> Vec<u8> {
        const PIECES: [&str; 16] = [
            "\"",
            "[",
            "]",
            "[[",
            "{",
            "}",
            "=",
            "\n",
            "-1",
            "1e9",
            "0x1F",
            "é",
            "\0",
            "id = 1\n",
            "[redis]\nack = 1\n",
            "2026-13-01",
        ];
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            match self.below(5) {
                0 => _ = bytes.drain(at..(at + self.below(40)).min(bytes.len())),
                1 => bytes.extend_from_within(at..(at + self.below(200)).min(bytes.len())),
                2 if at < bytes.len() => bytes[at] = u8::try_from(self.below(256)).unwrap(),
                3 => bytes.truncate(at.max(bytes.len() / 2)),
                _ => {
                    let piece = PIECES[self.below(PIECES.len())];
                    bytes.splice(at..at, piece.bytes());
                }
            }
        }
        bytes
    }
}

#[test]
fn no_file_causes_a_panic() {
    const ROUNDS: u64 = 400;
    let seed = std::env::var("LEVELGATE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_120);
    eprintln!("seed {seed}, to be given again as LEVELGATE_SEED");
    let mut refused = 0;
    for round in seed..seed + ROUNDS {
        let mut chance = Chance(round);
        let chosen = chance.below(SAMPLE.len());
        let files: Vec<(&str, Vec<u8>)> = SAMPLE
            .iter()
            .enumerate()
            .map(|(n, (name, text))| (*name, if n == chosen { chance.mutate(text) } else { text.as_bytes().to_vec() }))
            .collect();
        if let Err(problems) = load_files(files.iter().map(|(name, text)| (*name, text))) {
            refused += 1;
            assert!(!problems.list.is_empty(), "round {round}");
            assert!(!problems.render(Style::Plain).is_empty() && !problems.render(Style::Coloured).is_empty());
        }
    }
    assert!(refused > ROUNDS / 4, "the mutations hit something: {refused} of {ROUNDS}");
}
