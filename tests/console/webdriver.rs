//! A browser over W3C WebDriver: Debian's `chromium` by `chromedriver`. Without them the suite fails.

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long the browser may take for one command.
const PATIENCE: Duration = Duration::from_secs(30);
/// The member that names an element on the wire (W3C WebDriver, section 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one window; it ends with the test.
pub(crate) struct Browser {
    driver: Child,
    agent: ureq::Agent,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts a browser with an empty profile. `scripts`: whether pages may run scripts.
    pub(crate) fn start(scripts: bool) -> Browser {
        let profile = tempfile::tempdir().expect("a folder for the profile");
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            // The other files of the browser are removed with its profile, also after a kill.
            .env("TMPDIR", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is needed: install Debian's chromium-driver, as tests/run does");
        let output = BufReader::new(driver.stdout.take().expect("standard output is piped"));
        let mut port = None;
        for line in output.lines().map_while(Result::ok) {
            if let Some((_, rest)) = line.split_once("started successfully on port ") {
                port = rest.trim_end_matches('.').parse::<u16>().ok();
                break;
            }
        }
        let port = port.expect("chromedriver names its port");
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(PATIENCE))
            .build()
            .into();
        let root = format!("http://127.0.0.1:{port}/session");
        let mut browser = Browser { driver, agent, session: root.clone(), _profile: profile };
        let data = format!("--user-data-dir={}", browser._profile.path().display());
        let setting = if scripts { 1 } else { 2 };
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &data,
        ];
        let started = browser.call(
            "POST",
            "",
            &json!({ "capabilities": { "alwaysMatch": {
                "browserName": "chrome",
                "goog:chromeOptions": {
                    "args": arguments,
                    "prefs": { "profile.default_content_setting_values.javascript": setting },
                },
                "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
            } } }),
        );
        let id = started["sessionId"].as_str().expect("chromium is needed: install it as tests/run does").to_owned();
        browser.session = format!("{root}/{id}");
        browser
    }

    /// Sends a command, which must succeed; returns the value of its answer.
    #[track_caller]
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        self.try_call(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Sends a command; returns the value of its answer.
    ///
    /// # Errors
    /// The browser refuses the command.
    fn try_call(&self, method: &str, path: &str, body: &Value) -> Result<Value, Value> {
        let url = format!("{}{path}", self.session);
        let request = ureq::http::Request::builder().method(method).uri(&url);
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let answer = self.agent.run(request.header("content-type", "application/json").body(body).expect("a request"));
        let mut answer = answer.unwrap_or_else(|error| panic!("{path}: {error}"));
        let status = answer.status().as_u16();
        let text = answer.body_mut().with_config().limit(1 << 28).read_to_string().expect("an answer");
        let mut document: Value = serde_json::from_str(&text).expect("JSON");
        let value = document["value"].take();
        if status == 200 { Ok(value) } else { Err(value) }
    }

    /// Opens an address.
    pub(crate) fn open(&self, url: &str) {
        self.call("POST", "/url", &json!({ "url": url }));
    }

    /// The address of the page.
    pub(crate) fn url(&self) -> String {
        self.call("GET", "/url", &Value::Null).as_str().expect("an address").to_owned()
    }

    /// Calls the driver for the element that an XPath finds. The next page may still be on its way, or replace this one
    /// between the two calls; the driver has several errors for that.
    #[track_caller]
    fn on_element(&self, xpath: &str, method: &str, path: &str, body: &Value) -> Value {
        let begun = Instant::now();
        loop {
            let found = self.try_call("POST", "/element", &json!({ "using": "xpath", "value": xpath }));
            let answer = found.and_then(|found| {
                let element = found[ELEMENT].as_str().expect("an element");
                self.try_call(method, &format!("/element/{element}/{path}"), body)
            });
            match answer {
                Ok(value) => return value,
                Err(error) if begun.elapsed() > PATIENCE => panic!("{xpath}: {error}"),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    #[track_caller]
    fn click_at(&self, xpath: &str) {
        self.on_element(xpath, "POST", "click", &json!({}));
    }

    /// Clicks the first link with a text.
    #[track_caller]
    pub(crate) fn follow(&self, text: &str) {
        self.click_at(&format!("//a[normalize-space()='{text}']"));
    }

    /// Clicks the first button with a text.
    #[track_caller]
    pub(crate) fn press(&self, text: &str) {
        self.click_at(&format!("//button[normalize-space()='{text}']"));
    }

    /// Types into a field.
    #[track_caller]
    pub(crate) fn fill(&self, name: &str, text: &str) {
        let field = format!("//input[@name='{name}']");
        self.on_element(&field, "POST", "clear", &json!({}));
        self.on_element(&field, "POST", "value", &json!({ "text": text }));
    }

    /// Types into a field of several lines.
    #[track_caller]
    pub(crate) fn write(&self, name: &str, text: &str) {
        let field = format!("//textarea[@name='{name}']");
        self.on_element(&field, "POST", "value", &json!({ "text": text }));
    }

    /// Attaches a file of this machine to a field.
    #[track_caller]
    pub(crate) fn attach(&self, name: &str, file: &Path) {
        let field = format!("//input[@type='file'][@name='{name}']");
        self.on_element(&field, "POST", "value", &json!({ "text": file.display().to_string() }));
    }

    /// Ticks a box, or chooses one of several.
    #[track_caller]
    pub(crate) fn tick(&self, name: &str, value: &str) {
        self.click_at(&format!("//input[@name='{name}'][@value='{value}']"));
    }

    /// Chooses an option of a list.
    #[track_caller]
    pub(crate) fn choose(&self, name: &str, option: &str) {
        self.click_at(&format!("//select[@name='{name}']/option[@value='{option}']"));
    }

    /// The text of the page, as a reader sees it.
    pub(crate) fn text(&self) -> String {
        self.on_element("//body", "GET", "text", &Value::Null).as_str().expect("a text").to_owned()
    }

    /// Waits until the page shows a text.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) {
        let begun = Instant::now();
        while !self.text().contains(text) {
            assert!(begun.elapsed() < PATIENCE, "the page does not show {text:?}:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the element that an XPath finds has a text.
    #[track_caller]
    pub(crate) fn wait_for_text(&self, xpath: &str, text: &str) {
        let begun = Instant::now();
        loop {
            let shown = self.on_element(xpath, "GET", "text", &Value::Null);
            if shown.as_str().is_some_and(|shown| shown.trim() == text) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{xpath} is {shown} and not {text:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Opens the first details with a summary.
    #[track_caller]
    pub(crate) fn open_details(&self, summary: &str) {
        self.click_at(&format!("//summary[normalize-space()='{summary}']"));
    }

    /// Runs a script in the page.
    pub(crate) fn run(&self, script: &str) {
        self.call("POST", "/execute/sync", &json!({ "script": script, "args": [] }));
    }

    /// The messages of the browser about its pages since the last call: violations of the policy, failed loads.
    pub(crate) fn log(&self) -> Vec<String> {
        let entries = self.call("POST", "/se/log", &json!({ "type": "browser" }));
        entries.as_array().into_iter().flatten().map(ToString::to_string).collect()
    }

    /// The requests that the browser has sent since the last call, as method and address. What its cache has is none.
    pub(crate) fn requests(&self) -> Vec<String> {
        let entries = self.call("POST", "/se/log", &json!({ "type": "performance" }));
        let messages = entries.as_array().into_iter().flatten().filter_map(|entry| entry["message"].as_str());
        let events = messages.filter_map(|message| serde_json::from_str::<Value>(message).ok());
        let events: Vec<Value> = events.map(|mut event| event["message"].take()).collect();
        let is_cached = |id: &Value| {
            events.iter().filter(|event| event["params"]["requestId"] == *id).any(|event| {
                event["method"] == "Network.requestServedFromCache"
                    || event["params"]["response"]["fromDiskCache"] == true
            })
        };
        let sent = events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        let sent = sent.filter(|event| !is_cached(&event["params"]["requestId"])).filter_map(|event| {
            let request = &event["params"]["request"];
            Some(format!("{} {}", request["method"].as_str()?, request["url"].as_str()?))
        });
        sent.filter(|request| request.contains("/console")).collect()
    }

    /// Runs a script in the page and returns its value, or that of its promise. The policy of the page does not apply to it.
    #[track_caller]
    pub(crate) fn execute(&self, script: &str, arguments: &Value) -> Value {
        self.call("POST", "/execute/sync", &json!({ "script": script, "args": arguments }))
    }

    /// The width that the page takes and the width that it has.
    pub(crate) fn widths(&self) -> (u64, u64) {
        let script = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]";
        let widths = self.execute(script, &json!([]));
        (widths[0].as_u64().expect("a width"), widths[1].as_u64().expect("a width"))
    }

    /// Sets the size of the window and the preferred colours, `light` or `dark`.
    pub(crate) fn display(&self, (width, height): (u32, u32), colours: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": colours }]);
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        for (command, parameters) in [
            ("Emulation.setDeviceMetricsOverride", metrics),
            ("Emulation.setEmulatedMedia", json!({ "features": features })),
        ] {
            self.call("POST", "/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }));
        }
    }

    /// Writes a picture of the element that an XPath finds.
    #[track_caller]
    pub(crate) fn picture_of(&self, xpath: &str, path: &Path) {
        let shot = self.on_element(xpath, "GET", "screenshot", &Value::Null);
        std::fs::write(path, decode_base64(shot.as_str().expect("a picture"))).expect("the picture is written");
    }

    /// Writes a picture of the whole page, also of what is below the window.
    pub(crate) fn whole_picture(&self, path: &Path) {
        let command = json!({ "cmd": "Page.captureScreenshot", "params": { "captureBeyondViewport": true } });
        let shot = self.call("POST", "/goog/cdp/execute", &command);
        std::fs::write(path, decode_base64(shot["data"].as_str().expect("a picture"))).expect("the picture is written");
    }

    /// Writes a picture of the window.
    pub(crate) fn picture(&self, path: &Path) {
        let shot = self.call("GET", "/screenshot", &Value::Null);
        std::fs::write(path, decode_base64(shot.as_str().expect("a picture"))).expect("the picture is written");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser with the session.
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The bytes of a text in Base64 (RFC 4648, section 4).
fn decode_base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for digit in text.bytes().filter_map(|byte| ALPHABET.iter().position(|known| *known == byte)) {
        bits = bits << 6 | u32::try_from(digit).expect("less than 64");
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).expect("a byte"));
        }
    }
    bytes
}
