//! The HTML pages in a real browser: Chromium, where there is one.

use crate::run::Run;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::stream::MaybeTlsStream;
use tokio_tungstenite::tungstenite::{Message, WebSocket, connect};

/// A browser of our own, with one page.
struct Browser {
    process: Child,
    socket: WebSocket<MaybeTlsStream<std::net::TcpStream>>,
    session: String,
    calls: u64,
    /// Everything that the browser told of the page.
    events: Vec<Value>,
    _profile: TempDir,
}

impl Browser {
    /// Nothing where there is no Chromium, which is said.
    fn start() -> Option<Self> {
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let Some(name) = names.into_iter().find(|name| Command::new(name).arg("--version").output().is_ok()) else {
            println!("skipped: there is no chromium (Debian: apt-get install chromium)");
            return None;
        };
        let profile = TempDir::new().unwrap();
        let mut process = Command::new(name)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "about:blank"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let url = lines.find_map(|line| Some(line.ok()?.strip_prefix("DevTools listening on ")?.to_owned())).unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        let (socket, _) = connect(url).unwrap();
        let session = String::new();
        let mut browser = Self { process, socket, session, calls: 0, events: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session = browser.call("Target.attachToTarget", attach)["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        let mut call = json!({ "id": id, "method": method, "params": params });
        if !self.session.is_empty() {
            call["sessionId"] = self.session.as_str().into();
        }
        self.socket.send(Message::text(call.to_string())).unwrap();
        loop {
            let message = self.read();
            if message["id"] == id {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    fn read(&mut self) -> Value {
        serde_json::from_str(self.socket.read().unwrap().to_text().unwrap()).unwrap()
    }

    fn open(&mut self, page: &Path, width: u32) {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", size);
        self.events.clear();
        self.call("Page.navigate", json!({ "url": format!("file://{}", page.display()) }));
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.read();
            self.events.push(event);
        }
    }

    fn evaluate(&mut self, script: &str) -> Value {
        let asked = json!({ "expression": script, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", asked);
        assert!(answer.get("exceptionDetails").is_none(), "{script}: {answer}");
        answer["result"]["value"].clone()
    }

    /// What a page must not cause: errors, words on the console, requests.
    fn complaints(&self) -> Vec<&Value> {
        let is_complaint = |event: &&Value| match event["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded" => true,
            "Page.javascriptDialogOpening" => true,
            "Network.requestWillBeSent" => {
                let url = event["params"]["request"]["url"].as_str().unwrap_or_default();
                !url.starts_with("file://") && !url.starts_with("data:")
            }
            _ => false,
        };
        self.events.iter().filter(is_complaint).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Opens a page wide and narrow: it is quiet, and nothing sticks out of it.
fn looked_at(browser: &mut Browser, page: &Path) {
    for width in [1_440, 390] {
        browser.open(page, width);
        let overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.evaluate(overflow), 0, "{} at {width}", page.display());
        assert_eq!(browser.complaints(), Vec::<&Value>::new(), "{} at {width}", page.display());
    }
}

/// The same for a page of another test; where there is no browser, that is
/// said.
pub fn is_quiet(page: &Path) {
    if let Some(mut browser) = Browser::start() {
        looked_at(&mut browser, page);
    }
}

fn page_of(run: &Run) -> PathBuf {
    run.folder().canonicalize().unwrap().join("report.html")
}

#[test]
fn a_failed_run_reads_in_a_browser() {
    let Some(mut browser) = Browser::start() else { return };
    // Chromium counts what it is told by a page that is wrong: the test can fail.
    let folder = TempDir::new().unwrap();
    let wrong = folder.path().join("wrong.html");
    std::fs::write(&wrong, "<img src='http://127.0.0.1:9/x.png'><script>console.log(1); throw 1</script>").unwrap();
    browser.open(&wrong, 390);
    assert!(browser.complaints().len() >= 3, "{:?}", browser.complaints());

    let run = Run::short(&["--defect", "ack-before-persist=20", "--set", "name=\"<b>&\""]);
    assert_eq!(run.code, 97, "{}", run.stderr);
    let page = page_of(&run);
    looked_at(&mut browser, &page);
    let lost = run.summary["findings"]["acked_lost"]["count"].as_u64().unwrap();
    let headline = browser.evaluate("document.querySelector('h1').textContent");
    assert!(headline.as_str().unwrap().starts_with(&format!("{lost} of ")), "{headline}");
    assert_eq!(browser.evaluate("document.querySelectorAll('b').length > 0 && document.title.includes('<b>&')"), true);

    let hover = "(() => {
        const area = document.querySelector('.area'), box = area.getBoundingClientRect();
        area.dispatchEvent(new PointerEvent('pointermove', { clientX: box.left + box.width / 2 }));
        return area.querySelector('.tip').innerText;
    })()";
    let tip = browser.evaluate(hover);
    assert!(tip.as_str().unwrap().contains("delivery p99 "), "{tip}");
}
