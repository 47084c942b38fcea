//! Opening a browser, or doing without one.

use std::io::BufRead as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::mpsc;

use super::pages::escaped;

/// What opens an address on this kind of system.
const OPENER: &str = if cfg!(target_os = "macos") {
    "open"
} else {
    "xdg-open"
};

/// Opens an address in the user's browser. False if there is none that could be started: then the
/// address has to do.
#[must_use]
pub fn open(address: &str) -> bool {
    let started = Command::new(OPENER)
        .arg(address)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    // It is not waited for: some stay as long as the browser does. The system clears it away when
    // this process ends.
    started.is_ok()
}

/// The form as an address that holds all of itself, for a browser on any machine. Pasted into the
/// address bar it is a page with one button.
#[must_use]
pub fn form_address(form_url: &str, manifest: &str) -> String {
    let page = format!(
        "<!doctype html><meta charset=utf-8><title>Mayfly</title><form method=post action=\"{}\"><input type=hidden name=manifest \
         value=\"{}\"><button>Create the App at GitHub</button></form>",
        escaped(form_url),
        escaped(manifest)
    );
    format!("data:text/html;base64,{}", STANDARD.encode(page))
}

/// State and code in what someone pasted: the address that GitHub sent the browser to, or its
/// query.
///
/// # Errors
///
/// What is wrong with it.
pub fn pasted(line: &str) -> Result<(String, String), &'static str> {
    let line = line.trim().trim_matches(['"', '\'']);
    let query = line.rsplit_once('?').map_or(line, |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    let field = |name: &str| {
        query
            .split('&')
            .filter_map(|field| field.split_once('='))
            .find(|(named, _)| *named == name)
            .map(|(_, value)| value)
    };
    match (field("state"), field("code")) {
        (Some(state), Some(code)) => Ok((state.to_owned(), code.to_owned())),
        (None, Some(_)) => {
            Err("paste the whole address: without its state no one can tell whose answer this is")
        }
        _ => Err(
            "paste the address that GitHub sent the browser to: http://127.0.0.1:…/callback?code=…&state=…",
        ),
    }
}

/// Lines from stdin, as they come. The thread that reads ends with the process, or with stdin.
#[must_use]
pub fn lines() -> mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_however_it_was_pasted() {
        for line in [
            "http://127.0.0.1:4000/callback?code=c0de&state=5tate",
            "  \"http://127.0.0.1:4000/callback?state=5tate&code=c0de\" ",
            "code=c0de&state=5tate",
            "http://127.0.0.1:4000/callback?code=c0de&state=5tate#top",
        ] {
            assert_eq!(
                pasted(line),
                Ok(("5tate".to_owned(), "c0de".to_owned())),
                "{line}"
            );
        }
    }

    #[test]
    fn a_bare_code_is_not_taken() {
        assert!(pasted("code=c0de").unwrap_err().contains("state"));
        for line in ["", "c0de", "http://127.0.0.1:4000/callback", "state=5tate"] {
            assert!(pasted(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_form_fits_into_an_address() {
        let address = form_address(
            "https://github.com/settings/apps/new?state=a&b",
            r#"{"name":"a'b"}"#,
        );
        let page = STANDARD
            .decode(address.strip_prefix("data:text/html;base64,").unwrap())
            .unwrap();
        let page = String::from_utf8(page).unwrap();
        assert!(
            page.contains(r#"action="https://github.com/settings/apps/new?state=a&amp;b""#),
            "{page}"
        );
        assert!(
            page.contains("value=\"{&quot;name&quot;:&quot;a&#39;b&quot;}\""),
            "{page}"
        );
    }
}
