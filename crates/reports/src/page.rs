//! What pages share: their look, and how they begin and end. No script, nothing loaded; light and
//! dark as the reader's browser is set.

use std::time::Duration;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::time_format::duration_text;

/// How pages look. Colours of text on their grounds have a contrast of 4.5 to 1 at least
/// (<https://www.w3.org/TR/WCAG22/#contrast-minimum>).
const LIGHT: &str = "--ground:#fff;--text:#1b1e28;--faint:#5b6275;--line:#d9dce4;--card:#f5f6f9;--good:#1f6feb;--bad:#b42318;--p0:#1f6feb;--p1:#8250df;--p2:#bf3989;--p3:#bc4c00;--p4:#9a6700;--p5:#1a7f37;--p6:#0a7c86;--p7:#57606a;--p8:#24292f";

/// The same in the dark.
const DARK: &str = "--ground:#14161d;--text:#e3e7ef;--faint:#9aa3b8;--line:#2c3140;--card:#1b1e28;--good:#6cb6ff;--bad:#ff8a80;--p0:#6cb6ff;--p1:#c297ff;--p2:#ff80c8;--p3:#ffa657;--p4:#e3b341;--p5:#6bc46d;--p6:#56d4dd;--p7:#adbac7;--p8:#e3e7ef";

/// What a page's body looks like.
const BODY: &str = "margin:0 auto;max-width:70rem;padding:1.5rem;background:var(--ground);color:var(--text);font:16px/1.5 system-ui,sans-serif";

/// What is in it: a rule a line, or several, without nesting.
const RULES: &str = "
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}
p{margin:.25rem 0;color:var(--faint)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(8rem,1fr));gap:.75rem;margin-top:1rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.75rem}
.card b{display:block;font-size:1.4rem}.card span{color:var(--faint);font-size:.85rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{padding:.3rem .6rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{color:var(--faint);font-weight:600;white-space:nowrap}
td.n,th.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
td:first-child{min-width:6rem}td.why{min-width:14rem}td.t{white-space:nowrap}
tr.total td{font-weight:600}
svg{display:block;width:100%;height:auto}
svg text{fill:var(--faint);font-size:11px}
.key{display:inline-block;width:.75rem;height:.75rem;border-radius:2px;margin-right:.4rem}
.bad{color:var(--bad)}
a{color:var(--good)}
form{display:flex;flex-wrap:wrap;gap:.75rem;align-items:end;margin-top:1rem}
label{display:flex;flex-direction:column;font-size:.85rem;color:var(--faint)}
input,select,button{font:inherit;padding:.3rem .6rem;border:1px solid var(--line);border-radius:.3rem;background:var(--card);color:var(--text)}
.note{background:var(--card);border-left:4px solid var(--bad);padding:.5rem .75rem;margin:.5rem 0;color:var(--text)}
";

/// A whole page.
#[must_use]
pub fn document(title: &str, subtitle: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(format!(":root{{color-scheme:light dark;{LIGHT}}}\n@media (prefers-color-scheme:dark){{:root{{{DARK}}}}}\n*{{box-sizing:border-box}}\nbody{{{BODY}}}{RULES}"))) }
            }
            body {
                header {
                    h1 { (title) }
                    p { (subtitle) }
                }
                main { (body) }
            }
        }
    };
    page.into_string()
}

/// A part of someone else's page: its rules hold within it alone, and none from outside is needed.
/// `width`: pixels that there are.
#[must_use]
pub fn part(dark: bool, width: u32, body: &Markup) -> String {
    let colors = if dark { DARK } else { LIGHT };
    let scheme = if dark { "dark" } else { "light" };
    let style = format!(
        ".mayfly{{color-scheme:{scheme};{colors};{BODY};max-width:{width}px;padding:.75rem;font-size:14px}}\n.mayfly *{{box-sizing:border-box}}\n{}",
        within(".mayfly", RULES)
    );
    let part = html! {
        div.mayfly {
            // CloudWatch leaves its own styles out where it finds this:
            // https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/add_custom_widget_dashboard_about.html
            div.cwdb-no-default-styles {}
            style { (PreEscaped(style)) }
            (body)
        }
    };
    part.into_string()
}

/// The same rules for what is within this element.
fn within(scope: &str, rules: &str) -> String {
    let rules = rules.split_terminator('}').filter_map(|rule| {
        let (selectors, declarations) = rule.trim().split_once('{')?;
        let selectors: Vec<String> = selectors
            .split(',')
            .map(|selector| format!("{scope} {}", selector.trim()))
            .collect();
        Some(format!("{}{{{declarations}}}\n", selectors.join(",")))
    });
    rules.collect()
}

/// A time span in words.
#[must_use]
pub fn span(seconds: f64) -> String {
    duration_text(Duration::from_secs_f64(seconds.clamp(0.0, 1e9)))
}

/// A figure with what it is.
#[must_use]
pub fn card(figure: &str, what: &str) -> Markup {
    html! { div.card { b { (figure) } span { (what) } } }
}
