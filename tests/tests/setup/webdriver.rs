//! A browser, by the WebDriver protocol (W3C): as much of it as a person does who fills in forms.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// The key under which WebDriver hands out elements (W3C WebDriver, section 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Debian's packages `chromium` and `chromium-driver`.
const CHROMIUM: &str = "/usr/bin/chromium";
const CHROMEDRIVER: &str = "/usr/bin/chromedriver";

/// A browser that ends with this.
pub(crate) struct Browser {
    driver: Child,
    client: Client,
    session: String,
}

/// True if there is a browser on this machine.
pub(crate) fn is_here() -> bool {
    Path::new(CHROMIUM).exists() && Path::new(CHROMEDRIVER).exists()
}

impl Browser {
    pub(crate) async fn start(profile: &Path) -> Self {
        let mut driver =
            Command::new(CHROMEDRIVER).arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next_line().await.unwrap().expect("chromedriver ended");
            if let Some((_, rest)) = line.split_once("started successfully on port ") {
                break rest.trim_end_matches('.').to_owned();
            }
        };
        // Whatever else it says: a pipe that nobody empties would stop it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
        let profile = format!("--user-data-dir={}", profile.display());
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-proxy-server",
            "--window-size=900,1400",
            &profile,
        ];
        let options = json!({ "binary": CHROMIUM, "args": arguments });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome", "goog:chromeOptions": options } } });
        let url = format!("http://127.0.0.1:{port}/session");
        let answer: Value = client.post(&url).json(&wanted).send().await.unwrap().json().await.unwrap();
        let id = answer["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("{answer}"));
        Self { driver, client, session: format!("{url}/{id}") }
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Result<Value, Value> {
        let request = self.client.request(method.clone(), format!("{}{path}", self.session));
        let request = if method == Method::GET { request } else { request.json(&body) };
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        let value = answer["value"].clone();
        if value["error"].is_string() { Err(value) } else { Ok(value) }
    }

    pub(crate) async fn go(&self, url: &str) {
        self.call(Method::POST, "/url", json!({ "url": url })).await.unwrap();
    }

    pub(crate) async fn url(&self) -> String {
        self.call(Method::GET, "/url", Value::Null).await.unwrap().as_str().unwrap().to_owned()
    }

    /// Waits until there is such an element.
    pub(crate) async fn find(&self, css: &str) -> String {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            let found = self.call(Method::POST, "/element", json!({ "using": "css selector", "value": css })).await;
            match found {
                Ok(element) => return format!("/element/{}", element[ELEMENT].as_str().unwrap()),
                Err(error) => assert!(tokio::time::Instant::now() < deadline, "no {css} at {}: {error}", self.url().await),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Does something with an element; with the next one if the page changed between finding it and that.
    async fn with(&self, css: &str, (method, what): (Method, &str), body: Value) -> Value {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            let element = self.find(css).await;
            match self.call(method.clone(), &format!("{element}/{what}"), body.clone()).await {
                Ok(value) => return value,
                Err(error) => {
                    let gone = error["error"] == "stale element reference" && tokio::time::Instant::now() < deadline;
                    assert!(gone, "{what} of {css} at {}: {error}", self.url().await);
                }
            }
        }
    }

    pub(crate) async fn click(&self, css: &str) {
        self.with(css, (Method::POST, "click"), json!({})).await;
    }

    pub(crate) async fn write(&self, css: &str, text: &str) {
        self.with(css, (Method::POST, "clear"), json!({})).await;
        self.with(css, (Method::POST, "value"), json!({ "text": text })).await;
    }

    pub(crate) async fn text(&self, css: &str) -> String {
        self.with(css, (Method::GET, "text"), Value::Null).await.as_str().unwrap().to_owned()
    }

    /// What a script of the page would get.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.call(Method::POST, "/execute/sync", json!({ "script": script, "args": [] })).await.unwrap()
    }

    /// A picture of the page, as PNG.
    pub(crate) async fn picture(&self) -> Vec<u8> {
        let encoded = self.call(Method::GET, "/screenshot", Value::Null).await.unwrap();
        base64::engine::general_purpose::STANDARD.decode(encoded.as_str().unwrap()).unwrap()
    }

    pub(crate) async fn end(mut self) {
        let _ = self.call(Method::DELETE, "", Value::Null).await;
        let _ = self.driver.kill().await;
    }
}
