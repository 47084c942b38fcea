//! The browser's part of `mayfly init`, by the requests that it would send. (tests/setup goes the
//! same way in a real one.)

use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, Response, redirect};
use tokio::time::{Instant, sleep};

/// What a desktop opens an address with: here it is written down, in one step.
pub(crate) const OPENER: &str = "#!/bin/sh\nprintf %s \"$1\" > \"$HOME/opened.part\" && mv \"$HOME/opened.part\" \"$HOME/opened\"\n";

/// Opens what mayfly has the desktop open, makes the App for acme, installs it; the page that
/// GitHub shows then.
pub(crate) async fn play(opened: PathBuf, anybody: &Client) -> String {
    let address = address(opened).await;
    let client = Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .build()
        .unwrap();
    let entered = client.get(&address).send().await.unwrap();
    let cookie = header(&entered, SET_COOKIE.as_str())
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let origin = address.split('/').take(3).collect::<Vec<_>>().join("/");
    let visit = async |path: &str| {
        text(
            client
                .get(format!("{origin}{path}"))
                .header(COOKIE, &cookie)
                .send()
                .await
                .unwrap(),
        )
        .await
    };
    let form = visit(&header(&entered, LOCATION.as_str())).await;
    assert!(form.contains("action=\"/manifest\""), "{form}");
    let fields = [
        ("scope", "organization"),
        ("organization", "acme"),
        ("name", "mayfly-acme"),
    ];
    let chosen = client
        .post(format!("{origin}/manifest"))
        .header(COOKIE, &cookie)
        .header(ORIGIN, &origin)
        .form(&fields);
    let confirm = text(chosen.send().await.unwrap()).await;
    let (github, manifest) = (
        part(&confirm, "method=\"post\" action=\""),
        part(&confirm, "name=\"manifest\" value=\""),
    );

    // At GitHub.
    let page = text(
        client
            .post(&github)
            .form(&[("manifest", &manifest)])
            .send()
            .await
            .unwrap(),
    )
    .await;
    let draft = part(&page, "name=\"draft\" value=\"");
    let site = github.split("/organizations/").next().unwrap();
    let create = client
        .post(format!("{site}/settings/apps/confirm"))
        .form(&[("draft", draft.as_str()), ("name", "mayfly-acme")]);
    let created = create.send().await.unwrap();
    assert_eq!(created.status(), 302);

    // Back at mayfly's page, which leads to where the App is installed.
    let back = client
        .get(header(&created, LOCATION.as_str()))
        .send()
        .await
        .unwrap();
    let done = visit(&header(&back, LOCATION.as_str())).await;
    let install = part(&done, "id=\"install\" href=\"");
    text(anybody.post(&install).send().await.unwrap()).await
}

/// The address, once it is opened.
async fn address(opened: PathBuf) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Ok(address) = std::fs::read_to_string(&opened) {
            return address;
        }
        assert!(
            Instant::now() < deadline,
            "mayfly has opened nothing in a browser"
        );
        sleep(Duration::from_millis(20)).await;
    }
}

async fn text(answer: Response) -> String {
    let (url, status) = (answer.url().to_string(), answer.status());
    let text = answer.text().await.unwrap();
    assert!(status.is_success(), "{url} answered {status}: {text}");
    text
}

fn header(answer: &Response, name: &str) -> String {
    let value = answer.headers().get(name).unwrap_or_else(|| {
        panic!(
            "{} answered {} without {name}",
            answer.url(),
            answer.status()
        )
    });
    value.to_str().unwrap().to_owned()
}

/// What stands between this and the next quotation mark, as it is meant in HTML.
fn part(html: &str, before: &str) -> String {
    let (_, rest) = html
        .split_once(before)
        .unwrap_or_else(|| panic!("no {before} in {html}"));
    let quoted = rest.split('"').next().unwrap_or_default();
    quoted
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}
