//! The way from the page to the last page in a real browser: headless Chromium against the GitHub
//! model.
//!
//! `make test` brings the browser and requires it (`MAYFLY_BROWSER=required`); without one the
//! tests say so and do nothing. With `MAYFLY_SCREENSHOTS=<folder>` they leave pictures there.

use mayfly_cli::commands::init::verify_delivery::DeliveryCheck;
use mayfly_github_model::server::Server;
use serde_json::json;

use crate::setup::chromium::{Browser, is_here};
use crate::setup::fixture::Ears;
use crate::setup::page::Visit;
use crate::setup::wire::{Drawer, KEY, anywhere, endpoint, flow, in_the_terminal};

/// Whether there is a browser to test with.
pub(crate) fn have_browser() -> bool {
    if is_here() {
        return true;
    }
    assert!(
        std::env::var("MAYFLY_BROWSER").as_deref() != Ok("required"),
        "make browser"
    );
    eprintln!("not tested: there is no Chromium here (make browser, or Debian's package chromium)");
    false
}

pub(crate) async fn keep_picture(browser: &Browser, name: &str) {
    if let Ok(folder) = std::env::var("MAYFLY_SCREENSHOTS") {
        std::fs::write(
            std::path::Path::new(&folder).join(format!("{name}.png")),
            browser.picture().await,
        )
        .unwrap();
    }
}

#[tokio::test]
async fn an_app_is_made_in_a_real_browser() {
    if !have_browser() {
        return;
    }
    let github = Server::start_with(anywhere(), 1, false, &KEY)
        .await
        .unwrap();
    github.with(|model| {
        model.provide_key(KEY.clone());
        model.take_name("mayfly-acme");
    });
    let (drawer, ears) = (Drawer::default(), Ears::default());
    let webhook = endpoint(&drawer).await;
    let flow = flow(&github.url, &drawer, &ears, &webhook);
    let mut visit = Visit::start(&github.url, &webhook).await;
    let (address, origin) = (visit.served.address.clone(), visit.origin());
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    let browsing = async {
        browser.go(&address).await;
        assert_eq!(
            browser.url().await,
            format!("{origin}/"),
            "the ticket leaves the address bar"
        );
        keep_picture(&browser, "init-1-choose").await;
        browser.write("input[name=organization]", "acme").await;
        browser.click("form button").await;
        browser.says("h1", "Create the App at GitHub").await;
        keep_picture(&browser, "init-2-confirm").await;
        browser.click("form button").await;
        // The name is taken: GitHub asks for another one, as it does.
        browser.click("#create").await;
        browser.says("#problem", "Name is already taken").await;
        browser.write("#name", "mayfly-for-acme").await;
        keep_picture(&browser, "init-3-github-model").await;
        browser.click("#create").await;
        browser.find("#made").await;
        assert_eq!(
            browser.url().await,
            format!("{origin}/done"),
            "code and state leave the address bar"
        );
        keep_picture(&browser, "init-4-made").await;
        // The page has nothing that a script could read, and no cookie for it.
        assert_eq!(browser.run("return document.cookie").await, "");
        browser.click("#install").await;
        browser.arrives("/installations/new").await;
        browser.click("#install").await;
        browser.text("#installed").await
    };
    let (answer, installed) = tokio::join!(in_the_terminal(&flow, &mut visit), browsing);
    browser.end().await;
    let answer = answer.unwrap();
    assert!(
        matches!(answer.deliveries, DeliveryCheck::Arrived { .. }),
        "{:?}",
        answer.deliveries
    );
    assert_eq!(
        (answer.slug.as_str(), answer.findings.len()),
        ("mayfly-for-acme", 0)
    );
    assert!(installed.contains("61001001"), "{installed}");
}

/// The least contrast of a text to what is behind it, with that text, and how light the page is: 0
/// is black, 1 is white. The formula: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio.
pub(crate) const CONTRAST: &str = r"
    const light = ([r, g, b]) => {
        const of = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
        return 0.2126 * of(r) + 0.7152 * of(g) + 0.0722 * of(b);
    };
    const parts = color => color.match(/[\d.]+/g).map(Number);
    const behind = e => {
        for (; e; e = e.parentElement) {
            const color = parts(getComputedStyle(e).backgroundColor);
            if (color.length < 4 || color[3] > 0) return color;
        }
        throw new Error('nothing is behind it');
    };
    const ratio = (one, other) => (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const texts = [...document.body.querySelectorAll('*')].filter(e =>
        e.value || [...e.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.textContent.trim()));
    const found = texts.map(e => [ratio(light(parts(getComputedStyle(e).color)), light(behind(e))), e.textContent || e.value]);
    found.sort((one, other) => one[0] - other[0]);
    return { least: found[0][0], text: found[0][1], count: found.length, page: light(behind(document.body)) };
";

#[tokio::test]
async fn pages_can_be_read_in_the_light_and_in_the_dark_and_errors_stand_beside_their_field() {
    if !have_browser() {
        return;
    }
    let visit = Visit::start("https://github.test", "https://mayfly.test/webhook").await;
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    let readable = async |page: &str| {
        for (scheme, light) in [("light", true), ("dark", false)] {
            browser.prefers(scheme).await;
            let found = browser.run(CONTRAST).await;
            let (least, lightness) = (
                found["least"].as_f64().unwrap(),
                found["page"].as_f64().unwrap(),
            );
            assert!(
                least >= 4.5 && found["count"].as_u64().unwrap() > 1,
                "{page}, {scheme}: {found}"
            );
            assert!(
                if light {
                    lightness > 0.9
                } else {
                    lightness < 0.05
                },
                "{page}, {scheme}: {found}"
            );
            keep_picture(&browser, &format!("{page}-{scheme}")).await;
        }
    };
    browser.go(&visit.served.address).await;
    readable("choose").await;
    for (field, text, said) in [
        (
            "organization",
            "",
            "Runners of an organization need its login",
        ),
        ("organization", "<acme>", "is not an organization's login"),
        ("name", "  ", "An App's name has 1 to 34 characters"),
    ] {
        browser.go(&format!("{}/", visit.origin())).await;
        browser.write(&format!("input[name={field}]"), text).await;
        browser.click("form button").await;
        assert!(browser.text("[role=alert]").await.contains(said));
        browser.focuses(field).await;
        let place = "const e = document.querySelector('[role=alert]'), field = document.activeElement; \
             const [one, its] = [e.getBoundingClientRect(), field.getBoundingClientRect()]; \
             const words = field.getAttribute('aria-describedby').split(' ').map(id => document.getElementById(id).textContent); \
             return { field: field.name, invalid: field.getAttribute('aria-invalid'), apart: one.top - its.bottom, seen: one.bottom <= innerHeight && its.top >= 0, \
                      told: words[0] === e.textContent && words.length === 2, others: document.querySelectorAll('[aria-invalid]').length }";
        let found = browser.run(place).await;
        let seen = json!([
            found["field"],
            found["invalid"],
            found["seen"],
            found["told"],
            found["others"]
        ]);
        assert_eq!(seen, json!([field, "true", true, true, 1]), "{found}");
        assert!(
            (-40.0..40.0).contains(&found["apart"].as_f64().unwrap()),
            "{found}"
        );
        readable(&format!("wrong-{field}")).await;
    }
    browser.write("input[name=name]", "mayfly").await;
    browser.click("form button").await;
    browser.says("h1", "Create the App at GitHub").await;
    browser.click("summary").await;
    readable("confirm").await;
    browser
        .go(&format!(
            "{}/callback?code=c0de&state=0123456789abcdef",
            visit.origin()
        ))
        .await;
    browser.find("#refused").await;
    readable("refused").await;
    browser.end().await;
}

#[tokio::test]
async fn a_real_browser_is_refused_what_is_not_github_s_answer() {
    if !have_browser() {
        return;
    }
    let github = Server::start_with(anywhere(), 2, false, &KEY)
        .await
        .unwrap();
    let visit = Visit::start(&github.url, "http://127.0.0.1:9/webhook").await;
    let origin = visit.origin();
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.go(&visit.served.address).await;
    browser
        .go(&format!(
            "{origin}/callback?code=c0de&state=0123456789abcdef"
        ))
        .await;
    assert!(browser.text("#refused").await.contains("its state differs"));
    keep_picture(&browser, "init-5-refused").await;
    // Another name for this machine, as after DNS rebinding.
    browser
        .go(&format!("{}/", origin.replace("127.0.0.1", "localhost")))
        .await;
    assert!(
        browser
            .text("#refused")
            .await
            .contains("under its own address only")
    );
    // Another site's form, sent by a browser that has the cookie: the site is GitHub's own here,
    // and that is none of ours, either.
    browser
        .go(&format!("{}/settings/apps/new", github.url))
        .await;
    let script = format!(
        "document.body.innerHTML = '<form method=post action=\"{origin}/manifest\"><input name=scope value=organization><input \
         name=organization value=evil><input name=name value=evil><button id=evil>x</button></form>'"
    );
    browser.run(&script).await;
    browser.click("#evil").await;
    assert!(
        browser
            .text("#refused")
            .await
            .contains("not sent from mayfly's own page")
    );
    // The address is good once.
    browser.go(&visit.served.address).await;
    assert!(browser.text("#refused").await.contains("was opened before"));
    browser.end().await;
}
