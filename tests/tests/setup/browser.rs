//! The way from the page to the last page in a real browser: headless Chromium against the GitHub model.
//!
//! `make test` brings the browser and requires it (`MAYFLY_BROWSER=required`); without one the tests say so and do nothing. With
//! `MAYFLY_SCREENSHOTS=<folder>` they leave pictures there.

use mayfly_cli::commands::init::proof::Proof;
use mayfly_tests::github::server::Server;

use crate::chromium::{Browser, is_here};
use crate::page::Visit;
use crate::scene::Ears;
use crate::wire::{Drawer, KEY, anywhere, endpoint, in_the_terminal, making};

/// Whether there is a browser to test with.
fn have_browser() -> bool {
    if is_here() {
        return true;
    }
    assert!(std::env::var("MAYFLY_BROWSER").as_deref() != Ok("required"), "make browser");
    eprintln!("not tested: there is no Chromium here (make browser, or Debian's package chromium)");
    false
}

async fn keep_picture(browser: &Browser, name: &str) {
    if let Ok(folder) = std::env::var("MAYFLY_SCREENSHOTS") {
        std::fs::write(std::path::Path::new(&folder).join(format!("{name}.png")), browser.picture().await).unwrap();
    }
}

#[tokio::test]
async fn an_app_is_made_in_a_real_browser() {
    if !have_browser() {
        return;
    }
    let github = Server::start_with(anywhere(), 1, false, &KEY).await.unwrap();
    github.with(|model| {
        model.provide_key(KEY.clone());
        model.take_name("mayfly-acme");
    });
    let (drawer, ears) = (Drawer::default(), Ears::default());
    let webhook = endpoint(&drawer).await;
    let making = making(&github.url, &drawer, &ears, &webhook);
    let mut visit = Visit::start(&github.url, &webhook).await;
    let (address, origin) = (visit.served.address.clone(), visit.origin());
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    let browsing = async {
        browser.go(&address).await;
        assert_eq!(browser.url().await, format!("{origin}/"), "the ticket leaves the address bar");
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
        assert_eq!(browser.url().await, format!("{origin}/done"), "code and state leave the address bar");
        keep_picture(&browser, "init-4-made").await;
        // The page has nothing that a script could read, and no cookie for it.
        assert_eq!(browser.run("return document.cookie").await, "");
        browser.click("#install").await;
        browser.arrives("/installations/new").await;
        browser.click("#install").await;
        browser.text("#installed").await
    };
    let (answer, installed) = tokio::join!(in_the_terminal(&making, &mut visit), browsing);
    browser.end().await;
    let answer = answer.unwrap();
    assert!(matches!(answer.deliveries, Proof::Arrived { .. }), "{:?}", answer.deliveries);
    assert_eq!((answer.slug.as_str(), answer.findings.len()), ("mayfly-for-acme", 0));
    assert!(installed.contains("61001001"), "{installed}");
}

#[tokio::test]
async fn a_real_browser_is_refused_what_is_not_github_s_answer() {
    if !have_browser() {
        return;
    }
    let github = Server::start_with(anywhere(), 2, false, &KEY).await.unwrap();
    let visit = Visit::start(&github.url, "http://127.0.0.1:9/webhook").await;
    let origin = visit.origin();
    let profile = tempfile::tempdir().unwrap();
    let browser = Browser::start(profile.path()).await;
    browser.go(&visit.served.address).await;
    browser.go(&format!("{origin}/callback?code=c0de&state=0123456789abcdef")).await;
    assert!(browser.text("#refused").await.contains("its state is another"));
    keep_picture(&browser, "init-5-refused").await;
    // Another name for this machine, as after DNS rebinding.
    browser.go(&format!("{}/", origin.replace("127.0.0.1", "localhost"))).await;
    assert!(browser.text("#refused").await.contains("under its own address only"));
    // Another site's form, sent by a browser that has the cookie: the site is GitHub's own here, and that is none of ours, either.
    browser.go(&format!("{}/settings/apps/new", github.url)).await;
    let script = format!(
        "document.body.innerHTML = '<form method=post action=\"{origin}/manifest\"><input name=scope value=organization><input \
         name=organization value=evil><input name=name value=evil><button id=evil>x</button></form>'"
    );
    browser.run(&script).await;
    browser.click("#evil").await;
    assert!(browser.text("#refused").await.contains("not sent from mayfly's own page"));
    // The address is good once.
    browser.go(&visit.served.address).await;
    assert!(browser.text("#refused").await.contains("was opened before"));
    browser.end().await;
}
