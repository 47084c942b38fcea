//! GitHub's pages, as far as Apps are made and installed on them. Anyone who comes is signed in as
//! mona, an owner of acme and globex.

use super::manifest::Manifest;
use super::model::{Draft, Model};
use super::wire::{Answer, Request};
use jiff::Timestamp;
use std::collections::BTreeMap;

impl Model {
    /// Whether a request is for a page, and not for the API.
    #[must_use]
    pub fn is_page(&self, request: &Request) -> bool {
        matches!(
            request.segments().as_slice(),
            ["organizations", _, "settings", "apps", "new"]
                | ["settings", "apps", "new" | "confirm"]
                | ["apps" | "github-apps", _, "installations", "new"]
        )
    }

    /// Answers a browser.
    pub fn web(&mut self, request: &Request, now: Timestamp) -> Answer {
        self.advance(now);
        let fields = fields(&request.body);
        match (request.method.as_str(), request.segments().as_slice()) {
            ("POST", ["organizations", login, "settings", "apps", "new"]) => {
                self.manifest_page(Some(login), &fields, request)
            }
            ("POST", ["settings", "apps", "new"]) => self.manifest_page(None, &fields, request),
            ("POST", ["settings", "apps", "confirm"]) => self.confirmed(&fields, now),
            ("GET", ["apps" | "github-apps", slug, "installations", "new"])
                if *slug == self.app.slug =>
            {
                self.install_page()
            }
            ("POST", ["apps" | "github-apps", slug, "installations", "new"])
                if *slug == self.app.slug =>
            {
                let id = self.install_app(now);
                page(
                    200,
                    "Installed",
                    &format!("<p id=\"installed\">Installation {id}</p>"),
                )
            }
            _ => page(
                404,
                "Not Found",
                "<p>This is not the web page you are looking for.</p>",
            ),
        }
    }

    fn manifest_page(
        &mut self,
        organization: Option<&str>,
        fields: &BTreeMap<String, String>,
        request: &Request,
    ) -> Answer {
        // GitHub hides pages of organizations from those who do not own them.
        let Some(owner) = self.maker(organization) else {
            return page(404, "Not Found", "");
        };
        let manifest = match Manifest::read(fields.get("manifest").map_or("", String::as_str)) {
            Ok(manifest) => manifest,
            Err(problems) => {
                let lines: String = problems
                    .iter()
                    .map(|problem| format!("<li>{}</li>", escaped(problem)))
                    .collect();
                return page(
                    422,
                    "Invalid GitHub App configuration",
                    &format!("<ul>{lines}</ul>"),
                );
            }
        };
        let name = manifest.name.clone().unwrap_or_default();
        let id = self.draft(Draft {
            owner,
            manifest,
            state: request.query.get("state").cloned(),
        });
        confirm_page(200, &id, &name, "")
    }

    fn confirmed(&mut self, fields: &BTreeMap<String, String>, now: Timestamp) -> Answer {
        let field = |name: &str| fields.get(name).map_or("", String::as_str);
        match self.make_app(field("draft"), field("name"), now) {
            Ok(location) => page(302, "Created", "").header("location", location),
            Err(Some(problem)) => confirm_page(422, field("draft"), field("name"), problem),
            Err(None) => page(404, "Not Found", ""),
        }
    }

    fn install_page(&self) -> Answer {
        let name = escaped(&self.app.name);
        page(
            200,
            &format!("Install {name}"),
            "<form method=\"post\"><button id=\"install\">Install</button></form>",
        )
    }
}

fn confirm_page(status: u16, draft: &str, name: &str, problem: &str) -> Answer {
    let body = format!(
        "<p id=\"problem\">{}</p><form method=\"post\" action=\"/settings/apps/confirm\"><input type=\"hidden\" name=\"draft\" \
         value=\"{}\"><label>GitHub App name <input id=\"name\" name=\"name\" value=\"{}\"></label> <button id=\"create\">Create GitHub \
         App</button></form>",
        escaped(problem),
        escaped(draft),
        escaped(name)
    );
    page(status, "Create GitHub App", &body)
}

fn page(status: u16, title: &str, body: &str) -> Answer {
    Answer::page(
        status,
        format!(
            "<!doctype html><html lang=\"en\"><title>{title}</title><h1>{title}</h1>{body}</html>"
        ),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The fields of a form.
fn fields(body: &[u8]) -> BTreeMap<String, String> {
    let body = String::from_utf8_lossy(body);
    let pairs = body.split('&').filter_map(|field| field.split_once('='));
    pairs
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

/// Percent-decoded, `+` for a space.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, tail @ ..] = rest {
        let hex = tail
            .get(..2)
            .and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        rest = match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                &tail[2..]
            }
            (b'+', _) => {
                bytes.push(b' ');
                tail
            }
            (other, _) => {
                bytes.push(*other);
                tail
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
