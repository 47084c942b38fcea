//! The pages on loopback. They hold no secret and no script.

use std::fmt::Write as _;

use super::manifest::{Choice, EVENT, Field, Owner, Scope, Wrong, needs};

/// What the page knows beforehand.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// The scope that is ticked.
    pub scope: Scope,
    /// The organization, if it was said.
    pub organization: String,
    /// The App's name.
    pub name: String,
}

/// Light or dark, as the browser prefers. Every text has a contrast of 4.5 to 1 at least:
/// https://www.w3.org/TR/WCAG22/#contrast-minimum.
const STYLE: &str = ":root{color-scheme:light dark;--text:#1c2733;--page:#fff;--faint:#57606a;--line:#c9d1d9;--field:#fff;--code:#f3f5f7;--bad:#b42318;\
--link:#0b57d0}\
@media(prefers-color-scheme:dark){:root{--text:#e6edf3;--page:#10161d;--faint:#9aa7b4;--line:#3d4855;--field:#1a222c;--code:#1a222c;--bad:#ff9b91;\
--link:#7db8ff}}\
html{background:var(--page)}\
body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem;color:var(--text);background:var(--page)}\
h1{font-size:1.5rem}fieldset{border:1px solid var(--line);border-radius:8px;margin:1rem 0;padding:.5rem 1rem}\
legend,.scope>label{font-weight:600}small,li span{color:var(--faint)}a{color:var(--link)}\
input[type=text]{font:inherit;padding:.3rem .5rem;width:20rem;max-width:100%;color:var(--text);background:var(--field);border:1px solid var(--line);\
border-radius:4px}input[aria-invalid]{border-color:var(--bad)}\
button{font:inherit;font-weight:600;color:#fff;background:#1f7a4d;border:0;border-radius:6px;padding:.6rem 1.2rem;cursor:pointer}\
pre{background:var(--code);padding:1rem;overflow:auto;border-radius:6px;font-size:.85rem}.bad{color:var(--bad)}";

/// A whole page; `title` and `body` are HTML.
#[must_use]
pub fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title} · Mayfly</title><style>{STYLE}</style></head><body><h1>{title}</h1>\n{body}</body></html>\n"
    )
}

/// Text as it stands in HTML, in an attribute, too.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

/// A text field with its hint; what is wrong with it stands beside it, is read out, and the browser
/// goes there.
fn text_field(field: Field, label: &str, hint: &str, value: &str, wrong: Option<&Wrong>) -> String {
    let (name, more) = match field {
        Field::Organization => ("organization", ""),
        Field::Name => ("name", " maxlength=\"34\" required"),
    };
    let problem = wrong
        .filter(|wrong| wrong.field == field)
        .map(|wrong| escaped(&wrong.problem));
    let (described, alert) = match &problem {
        Some(problem) => (
            format!(
                "aria-describedby=\"{name}-problem {name}-hint\" aria-invalid=\"true\" autofocus"
            ),
            format!("<br><b class=\"bad\" id=\"{name}-problem\" role=\"alert\">{problem}</b>"),
        ),
        None => (format!("aria-describedby=\"{name}-hint\""), String::new()),
    };
    format!(
        "<p><label>{label} <input type=\"text\" name=\"{name}\"{more} value=\"{}\" {described}></label>{alert}<br>\
         <small id=\"{name}-hint\">{hint}</small></p>",
        escaped(value)
    )
}

/// The first page: which scope, whose App, what name.
#[must_use]
pub fn choose(stack: &str, defaults: &Defaults, wrong: Option<&Wrong>) -> String {
    let option = |scope: Scope, title: &str, text: &str| {
        let (value, ticked) = (
            word(scope),
            if scope == defaults.scope {
                " checked"
            } else {
                ""
            },
        );
        let asked = asked(scope);
        format!(
            "<div class=\"scope\"><label><input type=\"radio\" name=\"scope\" value=\"{value}\"{ticked} aria-describedby=\"{value}-text\"> {title}</label>\
             <p id=\"{value}-text\">{text}</p><ul>{asked}</ul></div>\n"
        )
    };
    let organization = option(
        Scope::Organization,
        "Runners of an organization (recommended)",
        "The App can register runners and look at jobs, and nothing else. The runners belong to the organization, in a runner group of their own that says which repositories may \
         use them; groups besides the default one need GitHub Team or Enterprise.",
    );
    let repository = option(
        Scope::Repository,
        "Runners of single repositories",
        "For personal accounts, and for organizations without runner groups. Each runner can reach one repository only, but the App itself gets broad permissions: its key administers every repository that it is installed on.",
    );
    let owner = text_field(
        Field::Organization,
        "Organization",
        "Owner of the App. Leave empty for your own account.",
        &defaults.organization,
        wrong,
    );
    let name = text_field(
        Field::Name,
        "Name of the App",
        "Must be unique on GitHub; you can change it on the next page.",
        &defaults.name,
        wrong,
    );
    let body = format!(
        "<p>A private GitHub App for the deployment <b>{}</b>: only its owner can install it. GitHub creates its key and hands it to \
         mayfly in the terminal, which stores it in your AWS account; it never passes through this page.</p>\n\
         <form method=\"post\" action=\"/manifest\"><fieldset><legend>Where runners register</legend>{organization}{repository}</fieldset>\
         {owner}{name}<p><button>Show the permissions</button></p></form>",
        escaped(stack),
    );
    page("Create the GitHub App", &body)
}

fn word(scope: Scope) -> &'static str {
    match scope {
        Scope::Organization => "organization",
        Scope::Repository => "repository",
    }
}

/// The permissions and the event, with the reason for each.
fn asked(scope: Scope) -> String {
    let mut html = String::new();
    for need in needs(scope) {
        // Writing to a String cannot fail.
        let _ = write!(
            html,
            "<li>{}: <b>{}</b> <span>{}</span></li>",
            escaped(need.title),
            need.level,
            escaped(need.why)
        );
    }
    let _ = write!(
        html,
        "<li>event <b>{EVENT}</b> <span>a job is queued, started or finished; Mayfly receives no other activity</span></li>"
    );
    html
}

/// The second page: the manifest, and the button that posts it to GitHub.
#[must_use]
pub fn confirm(choice: &Choice, form_url: &str, manifest: &str) -> String {
    let owner = match &choice.owner {
        Owner::Organization(login) => format!("the organization <b>{}</b>", escaped(login)),
        Owner::Myself => "your own account".to_owned(),
    };
    let (name, asked, url, quoted) = (
        escaped(&choice.name),
        asked(choice.scope),
        escaped(form_url),
        escaped(manifest),
    );
    let body = format!(
        "<p>The App <b>{name}</b> of {owner} will ask for</p><ul>{asked}</ul>\n\
         <form method=\"post\" action=\"{url}\"><input type=\"hidden\" name=\"manifest\" value=\"{quoted}\">\
         <p><button>Create it at GitHub</button></p></form>\n\
         <details><summary>Show the manifest</summary><pre>{quoted}</pre></details>"
    );
    page("Create the App at GitHub", &body)
}

/// The last page when all went well.
#[must_use]
pub fn made(name: &str, install_url: &str) -> String {
    let (name, url) = (escaped(name), escaped(install_url));
    let body = format!(
        "<p id=\"made\">App <b>{name}</b> was created, and its key is in your AWS account.</p>\
         <p><a id=\"install\" href=\"{url}\">Install it</a> on the account whose jobs are to run on Fargate; mayfly waits for that in the terminal.</p>"
    );
    page("Done", &body)
}

/// The last page when it went wrong.
#[must_use]
pub fn failed(problem: &str) -> String {
    page(
        "That did not work",
        &format!(
            "<p id=\"failed\" class=\"bad\">{}</p><p>The terminal says what to do.</p>",
            escaped(problem)
        ),
    )
}

/// A request that was not believed.
#[must_use]
pub fn refused(why: &str) -> String {
    page(
        "Refused",
        &format!("<p id=\"refused\" class=\"bad\">{}</p>", escaped(why)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_someone_typed_is_no_html() {
        let evil = r#""><script>alert('x')</script>&"#;
        let defaults = Defaults {
            scope: Scope::Organization,
            organization: evil.to_owned(),
            name: evil.to_owned(),
        };
        let choice = Choice {
            scope: Scope::Repository,
            owner: Owner::Organization(evil.to_owned()),
            name: evil.to_owned(),
        };
        let wrong = Wrong {
            field: Field::Name,
            problem: evil.to_owned(),
        };
        for html in [
            choose(evil, &defaults, Some(&wrong)),
            confirm(&choice, evil, evil),
            made(evil, evil),
            failed(evil),
            refused(evil),
        ] {
            assert!(
                !html.contains("<script") && !html.contains(r#""">"#),
                "{html}"
            );
        }
    }

    #[test]
    fn broad_permission_is_said_plainly() {
        let defaults = Defaults {
            scope: Scope::Organization,
            organization: String::new(),
            name: "mayfly".to_owned(),
        };
        let html = choose("mayfly", &defaults, None);
        assert!(
            html.contains("administers every repository")
                && html.contains("deleting the repository"),
            "{html}"
        );
        assert_eq!(html.matches(" checked").count(), 1);
    }
}
