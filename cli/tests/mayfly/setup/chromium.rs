//! Headless Chromium, by its DevTools protocol over two pipes: as much of it as a person does who
//! fills in forms.
//!
//! What is clicked and written goes through the browser's own input, as from a mouse and a
//! keyboard.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use mayfly_test_support::repository::repository;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

/// The browser reads commands from its file 3 and answers on its file 4: a shell leads them to
/// where its own input and output are.
const PIPES: &str = "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null";

/// How long a page may take: far more than one on loopback does.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pixels.
const WIDTH: u32 = 900;

/// A browser with one page; it ends with this.
pub(crate) struct Browser {
    child: Child,
    wire: Mutex<Wire>,
    session: String,
    complaints: PathBuf,
}

struct Wire {
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    sent: u64,
}

/// What `make browser` fetched; else Debian's package.
fn program() -> Option<PathBuf> {
    [
        fetched().join("chromium"),
        PathBuf::from("/usr/bin/chromium"),
    ]
    .into_iter()
    .find(|path| path.exists())
}

fn fetched() -> PathBuf {
    repository().unwrap().join("target/browser")
}

/// Deque's rules of accessibility, which `make browser` fetched; none: it did not.
pub(crate) fn axe() -> Option<String> {
    let rules = std::fs::read_to_string(fetched().join("axe.min.js")).ok();
    let required = std::env::var("MAYFLY_BROWSER").as_deref() == Ok("required");
    assert!(rules.is_some() || !required, "make browser");
    rules
}

/// True if there is a browser on this machine.
pub(crate) fn is_here() -> bool {
    program().is_some()
}

impl Browser {
    pub(crate) async fn start(profile: &Path) -> Self {
        let program = program().expect("a browser");
        let complaints = profile.join("stderr");
        let mut command = Command::new("sh");
        command.args(["-c", PIPES, "sh"]).arg(&program);
        // As root there is no sandbox; the pages are our own. Without a proxy and its own
        // follow-ups it asks no one but them.
        command.args([
            "--headless",
            "--no-sandbox",
            "--remote-debugging-pipe",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ]);
        command.args([
            "--no-proxy-server",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
        ]);
        command.arg(format!("--user-data-dir={}", profile.display()));
        if program.starts_with(fetched()) {
            command
                .env("LD_LIBRARY_PATH", fetched().join("lib"))
                .env("FONTCONFIG_FILE", fetched().join("fonts.conf"));
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&complaints).unwrap());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let wire = Wire {
            commands: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            sent: 0,
        };
        let mut browser = Self {
            child,
            wire: Mutex::new(wire),
            session: String::new(),
            complaints,
        };
        let page = browser
            .must(
                "Target.createTarget",
                json!({ "url": "about:blank", "width": WIDTH, "height": 1400 }),
            )
            .await;
        let attached = browser
            .must(
                "Target.attachToTarget",
                json!({ "targetId": page["targetId"], "flatten": true }),
            )
            .await;
        attached["sessionId"]
            .as_str()
            .unwrap()
            .clone_into(&mut browser.session);
        browser
    }

    /// One command, and its answer; what else the browser tells meanwhile is of no interest.
    async fn call(&self, method: &str, parameters: Value) -> Result<Value, String> {
        let mut wire = self.wire.lock().await;
        wire.sent += 1;
        let mut command = json!({ "id": wire.sent, "method": method, "params": parameters });
        if !self.session.is_empty() {
            command["sessionId"] = json!(self.session);
        }
        let mut bytes = command.to_string().into_bytes();
        bytes.push(0);
        let sent = wire.sent;
        let exchange = async {
            wire.commands.write_all(&bytes).await.ok()?;
            loop {
                let mut answer = Vec::new();
                wire.answers.read_until(0, &mut answer).await.ok()?;
                let answer: Value = serde_json::from_slice(answer.strip_suffix(&[0])?).ok()?;
                if answer["id"] == sent {
                    return Some(answer);
                }
            }
        };
        let answer = timeout(PATIENCE, exchange)
            .await
            .unwrap_or_else(|_| panic!("the browser does not answer {method}"));
        let ended = || {
            panic!(
                "the browser ended: {}",
                std::fs::read_to_string(&self.complaints).unwrap_or_default()
            )
        };
        let answer = answer.unwrap_or_else(ended);
        if answer["error"].is_object() {
            Err(answer["error"].to_string())
        } else {
            Ok(answer["result"].clone())
        }
    }

    async fn must(&self, method: &str, parameters: Value) -> Value {
        self.call(method, parameters)
            .await
            .unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// What an expression comes to in the page; an error also while one page makes way for another.
    async fn evaluate(&self, expression: &str) -> Result<Value, String> {
        let answer = self
            .call(
                "Runtime.evaluate",
                json!({ "expression": expression, "returnByValue": true }),
            )
            .await?;
        let thrown = &answer["exceptionDetails"];
        if thrown.is_object() {
            Err(thrown.to_string())
        } else {
            Ok(answer["result"]["value"].clone())
        }
    }

    /// Waits until an expression comes to what is wanted.
    async fn until(&self, expression: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.evaluate(expression).await;
            match found {
                Ok(value) if wanted(&value) => return value,
                other => assert!(
                    Instant::now() < deadline,
                    "{expression} at {:?}: {other:?}",
                    self.evaluate("location.href").await
                ),
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for an element, and for what `of` makes of it (`e`).
    async fn of(&self, css: &str, of: &str) -> Value {
        let css = json!(css);
        self.until(
            &format!("(e => e && ({of}))(document.querySelector({css}))"),
            |value| !value.is_null(),
        )
        .await
    }

    /// Opens an address, as from the address bar, and waits for the page.
    pub(crate) async fn go(&self, url: &str) {
        let answer = self.must("Page.navigate", json!({ "url": url })).await;
        assert_eq!(answer["errorText"], Value::Null, "{url}");
        self.until("document.readyState", |state| state == "complete")
            .await;
    }

    pub(crate) async fn url(&self) -> String {
        self.until("location.href", Value::is_string)
            .await
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Waits until the browser is at an address that ends so: what is clicked before may be on the
    /// page that it leaves.
    pub(crate) async fn arrives(&self, end: &str) {
        self.until("location.pathname", |path| {
            path.as_str().is_some_and(|path| path.ends_with(end))
        })
        .await;
    }

    /// Waits until there is such an element.
    pub(crate) async fn find(&self, css: &str) {
        self.of(css, "true").await;
    }

    /// What an element says.
    pub(crate) async fn text(&self, css: &str) -> String {
        self.of(css, "e.innerText")
            .await
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Waits until an element says this.
    pub(crate) async fn says(&self, css: &str, text: &str) {
        let css = json!(css);
        self.until(
            &format!("document.querySelector({css})?.innerText"),
            |said| said == text,
        )
        .await;
    }

    /// Waits until the field of this name has the focus.
    pub(crate) async fn focuses(&self, name: &str) {
        self.until("document.activeElement?.name", |focused| focused == name)
            .await;
    }

    /// Presses the mouse's button in the middle of an element.
    pub(crate) async fn click(&self, css: &str) {
        let middle = "e.scrollIntoView({ block: 'center' }), (r => r.width && { x: r.x + r.width / 2, y: r.y + r.height / 2 })(e.getBoundingClientRect())";
        let at = self.of(css, middle).await;
        for (kind, buttons) in [("mousePressed", 1), ("mouseReleased", 0)] {
            let event = json!({ "type": kind, "x": at["x"], "y": at["y"], "button": "left", "buttons": buttons, "clickCount": 1 });
            self.must("Input.dispatchMouseEvent", event).await;
        }
    }

    /// Writes into a field, in place of what is there.
    pub(crate) async fn write(&self, css: &str, text: &str) {
        self.of(css, "e.focus(), e.select(), true").await;
        self.must("Input.insertText", json!({ "text": text })).await;
    }

    /// What the person has set: light or dark pages.
    pub(crate) async fn prefers(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.must(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        )
        .await;
    }

    /// How wide the window is, in CSS pixels.
    pub(crate) async fn is_wide(&self, width: u32) {
        let metrics =
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.must("Emulation.setDeviceMetricsOverride", metrics)
            .await;
    }

    /// What a script of the page would get.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.evaluate(&format!("(() => {{ {script} }})()"))
            .await
            .unwrap()
    }

    /// What axe-core finds on the page that is serious or critical, each rule with what breaks it:
    /// <https://github.com/dequelabs/axe-core/blob/develop/doc/API.md>.
    pub(crate) async fn accessibility(&self, rules: &str) -> Value {
        self.evaluate(&format!("{rules};void 0")).await.unwrap();
        let run = "axe.run().then(found => found.violations.filter(one => ['serious', 'critical'].includes(one.impact)).map(one => [one.id, one.nodes.slice(0, 3).map(node => node.html)]))";
        let answer = self
            .must(
                "Runtime.evaluate",
                json!({ "expression": run, "returnByValue": true, "awaitPromise": true }),
            )
            .await;
        assert!(answer["exceptionDetails"].is_null(), "{answer}");
        answer["result"]["value"].clone()
    }

    /// A picture of the whole page, as PNG.
    pub(crate) async fn picture(&self) -> Vec<u8> {
        let height = self
            .evaluate("document.documentElement.offsetHeight + 48")
            .await
            .unwrap();
        let width = self.evaluate("window.innerWidth").await.unwrap();
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        let taken = self
            .must(
                "Page.captureScreenshot",
                json!({ "clip": clip, "captureBeyondViewport": true }),
            )
            .await;
        base64::engine::general_purpose::STANDARD
            .decode(taken["data"].as_str().unwrap())
            .unwrap()
    }

    pub(crate) async fn end(mut self) {
        let _ = self.child.kill().await;
        let _ = self.child.wait().await;
    }
}
