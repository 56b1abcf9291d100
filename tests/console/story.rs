//! The story that the guide for staff tells: an angry customer is on the line. The guide's pictures are of this story.
//!
//! With `LEVELGATE_WRITE_PICTURES=1` the test replaces the pictures in `src/docs/pictures`.

use crate::{daemon_with, fill, token_of, webdriver::Browser};
use std::{cell::Cell, fs, path::Path};

/// The most bytes of a picture of a guide.
const PICTURE_BYTES_MAX: u64 = 60_000;

/// An agent at the screen, whose clicks are counted.
struct Agent {
    browser: Browser,
    clicks: Cell<u32>,
}

impl Agent {
    fn follow(&self, text: &str) {
        self.clicks.set(self.clicks.get() + 1);
        self.browser.follow(text);
    }

    fn press(&self, text: &str) {
        self.clicks.set(self.clicks.get() + 1);
        self.browser.press(text);
    }

    /// Takes a picture of an element for the guide.
    fn picture(&self, name: &str, xpath: &str) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guide-pictures");
        fs::create_dir_all(&folder).expect("a folder for the pictures");
        let taken = folder.join(name);
        self.browser.picture_of(xpath, &taken);
        let bytes = fs::metadata(&taken).expect("a picture").len();
        assert!((2_000..PICTURE_BYTES_MAX).contains(&bytes), "{name} has {bytes} bytes");
        if std::env::var_os("LEVELGATE_WRITE_PICTURES").is_some() {
            let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs/pictures").join(name);
            fs::copy(&taken, guide).expect("the picture is written");
        }
    }
}

#[test]
fn an_angry_customer_has_an_answer_in_under_four_clicks() {
    let daemon = daemon_with("");
    fill(&daemon);
    let browser = Browser::start(false);
    browser.display((1_020, 1_500), "light");
    browser.open(&format!("http://127.0.0.1:{}/console/m/acme/customers", daemon.port()));
    browser.fill("token", &token_of("vera"));
    browser.press("Sign in");
    browser.wait_for("Identifier");
    let agent = Agent { browser, clicks: Cell::new(0) };
    agent.browser.requests();
    agent.browser.open(&format!("http://127.0.0.1:{}/console/m/acme/customers", daemon.port()));
    agent.browser.fill("email", "alice@");
    agent.press("Search");
    agent.browser.wait_for("alice@example.com");
    agent.picture("console-search.png", "//main//div[@class='scroll'][table]");
    agent.follow("1000001");
    agent.browser.wait_for("The last payment was denied");
    let shown = agent.browser.text();
    for part in
        ["daily amount limit exceeded", "500.00 EUR", "125.50 EUR", "400.00 EUR", "Now would pass: up to 374.50 EUR"]
    {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
    agent.picture("console-denial.png", "//section[@aria-labelledby='denied']");
    agent.follow("Every limit and gate");
    agent.browser.wait_for("What would pass");
    agent.picture(
        "console-question.png",
        "//section[@aria-live]//div[@class='scroll'][.//*[normalize-space()='Falls next']]",
    );
    assert!(agent.clicks.get() < 4, "{} clicks", agent.clicks.get());
    // The files of the pages are in the browser's cache.
    let requests = agent.browser.requests();
    assert_eq!(requests.len(), 4, "the list, and one for each click: {requests:#?}");
    assert_eq!(agent.browser.log(), Vec::<String>::new(), "the browser reports nothing");
}
