//! What a probe's report means: whether a runner reaches what it needs, and is authorized.

use std::net::IpAddr;

use mayfly_domain::model::task::Task;
use mayfly_domain::model::time::Timestamp;
use mayfly_ecs::probe::{Answered, ConnectFailure, Credentials, Exchange, Registered, Report};

use super::finding::{Area, Finding};
use super::probe::kind::Kind;
use super::probe::result::ProbeContext;
use crate::terminal::time_format::duration_text;

/// What follows from a report, the runner's version apart.
#[must_use]
pub fn judged(kind: &Kind, task: &Task, report: &Report, around: &ProbeContext) -> Vec<Finding> {
    let mut findings = vec![Finding::good(Area::Network, started(kind, task))];
    let whose = kind.whose();
    for lack in &report.image.lacks {
        let what = format!(
            "{whose} (image {}): the image lacks {lack}: its runners end before they register",
            kind.pool.image
        );
        findings.push(Finding::error(
            Area::Network,
            what,
            "change the image (runner/Dockerfile lists what it needs)",
        ));
    }
    let reached = report
        .reached
        .iter()
        .map(|(name, exchange)| outside(&whose, name, exchange, report.image.proxy, around));
    findings.extend(merged(&whose, reached.collect()));
    findings.extend(
        report
            .credentials
            .as_ref()
            .and_then(|credentials| identified(kind, credentials)),
    );
    findings.extend(
        report
            .registration
            .as_ref()
            .map(|registration| front_door(kind, registration, report, around)),
    );
    if !report.complete {
        let what = if report.late {
            "reached its time limit"
        } else {
            "was ended before it finished"
        };
        findings.push(Finding::warning(
            Area::Network,
            format!("{whose}: the probe {what}: what is not listed here is unknown"),
            "try again",
        ));
    }
    findings
}

/// How long its start took.
fn started(kind: &Kind, task: &Task) -> String {
    let timeline = &task.timeline;
    let between =
        |from: Option<Timestamp>, to: Option<Timestamp>| Some(duration_text(to?.since(from?)));
    let whole = between(timeline.created, timeline.started)
        .map(|took| format!(" within {took}"))
        .unwrap_or_default();
    let pull = between(timeline.pull_started, timeline.pull_stopped)
        .map(|took| format!(", of which its image took {took}"))
        .unwrap_or_default();
    format!(
        "{}: a task like theirs starts{whole}{pull} ({})",
        kind.whose(),
        kind.pool.image
    )
}

/// Good ones are one.
fn merged(whose: &str, outcomes: Vec<Result<String, Finding>>) -> Vec<Finding> {
    let mut hosts = Vec::new();
    let mut findings = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(host) => hosts.push(host),
            Err(finding) => findings.push(finding),
        }
    }
    if !hosts.is_empty() {
        findings.push(Finding::good(
            Area::Network,
            format!(
                "{whose}: {} answer{} there",
                hosts.join(", "),
                if hosts.len() == 1 { "s" } else { "" }
            ),
        ));
    }
    findings
}

/// The host of a URL.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or(rest)
}

/// What must answer: its host, or what is wrong.
fn outside(
    whose: &str,
    name: &str,
    exchange: &Exchange,
    proxy: bool,
    around: &ProbeContext,
) -> Result<String, Finding> {
    let url = around
        .reach
        .iter()
        .find(|(known, _)| known == name)
        .map_or(name, |(_, url)| url.as_str());
    let host = host(url);
    match exchange.answered() {
        Answered::Status(407) => {
            let what = format!("{whose}: the proxy in front of {host} requires authentication");
            Err(Finding::error(
                Area::Network,
                what,
                "let runners through, or put the proxy's credentials into the image's environment",
            ))
        }
        Answered::Status(500..) => {
            let what = format!(
                "{whose}: {host} answers with HTTP status {}",
                exchange.status
            );
            Err(Finding::warning(
                Area::Network,
                what,
                "is GitHub up (githubstatus.com)? does something on the network answer in its place?",
            ))
        }
        Answered::Status(_) => Ok(host.to_owned()),
        Answered::Not(trouble) => {
            let (words, fix) = troubled(trouble, proxy, around.public_ip);
            let what = format!("{whose}: {host} cannot be reached: {words}");
            // Only the runner's own check knows this host; documented is its domain.
            let level = if name == "actions" {
                Finding::warning
            } else {
                Finding::error
            };
            let fix = if name == "actions" {
                format!("{fix}; runners need *.actions.githubusercontent.com")
            } else {
                fix
            };
            Err(level(Area::Network, what, fix))
        }
    }
}

/// What keeps an answer away, and what to do about it.
fn troubled(trouble: ConnectFailure, proxy: bool, public_ip: bool) -> (String, String) {
    let way = if public_ip {
        "tasks have public addresses, so each subnet needs a route to an internet gateway"
    } else {
        "tasks have no public addresses (AssignPublicIp=DISABLED), so each subnet needs a route to a NAT"
    };
    let (words, fix) = match trouble {
        ConnectFailure::Name => (
            "its name does not resolve there".to_owned(),
            "does the VPC resolve names (enableDnsSupport, DHCP options)? does a DNS firewall block it?".to_owned(),
        ),
        ConnectFailure::Unanswered => (
            "the connection times out".to_owned(),
            format!("{way}; the security group and network ACLs must allow 443 out, and the answers in"),
        ),
        ConnectFailure::Refused => {
            ("the connection is refused, or there is no route".to_owned(), format!("{way}; does a firewall block it?"))
        }
        ConnectFailure::Tls => (
            "TLS fails".to_owned(),
            "are ca-certificates in the image? if something on the way inspects TLS, its certificate must be in the image, too".to_owned(),
        ),
        ConnectFailure::Silent => (
            "it connects, then gets no answer".to_owned(),
            "typical of a firewall that filters by name, or that drops ICMP (path MTU)".to_owned(),
        ),
        ConnectFailure::Broken => (
            "the connection is cut off".to_owned(),
            "typical of a firewall that filters by name: it must allow this one".to_owned(),
        ),
        ConnectFailure::Other(code) => (format!("curl exited with status {code}"), "does curl work in the image?".to_owned()),
    };
    if proxy {
        (
            format!("{words} (through the image's proxy)"),
            format!("look at the proxy (https_proxy in the image) first; {fix}"),
        )
    } else {
        (words, fix)
    }
}

fn identified(kind: &Kind, credentials: &Credentials) -> Option<Finding> {
    let (whose, role) = (kind.whose(), kind.role_name());
    match credentials {
        Credentials::Good => None,
        Credentials::None => Some(Finding::error(
            Area::Roles,
            format!("{whose}: the task has no role, although {role} was requested"),
            "deploy again (make deploy)",
        )),
        Credentials::Failed { curl, status } => {
            let what = format!(
                "{whose}: the task gets no credentials of role {role} (curl {curl}, HTTP status {status})"
            );
            Some(Finding::error(
                Area::Roles,
                what,
                "the role must exist, and trust ecs-tasks.amazonaws.com for this account (as the template's TaskRole does)",
            ))
        }
    }
}

/// True for addresses that no host of AWS' API has on the internet: RFC 1918, RFC 6598, RFC 4193.
fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            address.is_private() || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(address) => address.segments()[0] & 0xfe00 == 0xfc00,
    }
}

/// curl signs the session token from 7.86 on (runner/README.md).
fn signs_the_token(curl: Option<&str>) -> bool {
    let mut parts = curl
        .unwrap_or_default()
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(u32::MAX));
    (parts.next(), parts.next()) >= (Some(7), Some(86))
}

/// The request for a registration of a runner that does not exist.
fn front_door(
    kind: &Kind,
    registration: &Registered,
    report: &Report,
    around: &ProbeContext,
) -> Finding {
    let (whose, role, github_setup) = (kind.whose(), kind.role_name(), host(&around.url));
    let inside = registration
        .exchange
        .address
        .filter(|address| !report.image.proxy && is_inside(*address));
    let error =
        |area, what: String, fix: &str| Finding::error(area, format!("{whose}: {what}"), fix);
    let answer = &registration.body;
    match (registration.exchange.answered(), registration.mayfly) {
        (Answered::Status(_), _) if registration.is_closed() => Finding::good(
            Area::Roles,
            format!(
                "{whose}: role {role} is assumed and may ask for registration; Mayfly answers there"
            ),
        ),
        (Answered::Status(status), true) if status < 500 => {
            let what =
                format!("Mayfly answers a runner that does not exist with {status}: {answer}");
            error(
                Area::Roles,
                what,
                "its runners will not be registered: is the deployment of the same version as this mayfly?",
            )
        }
        (Answered::Status(_), _) | (Answered::Not(_), _) if inside.is_some() => {
            let address = inside
                .map(|address| address.to_string())
                .unwrap_or_default();
            let what = format!(
                "{github_setup} resolves to {address} there, inside the VPC: a VPC endpoint for execute-api with private DNS takes the runners' requests to Mayfly"
            );
            error(
                Area::Network,
                what,
                "turn off that endpoint's private DNS, or run runners in subnets of another VPC",
            )
        }
        (Answered::Status(403), false) => {
            let what = format!("IAM does not let role {role} ask for registration: {answer}");
            let fix = if signs_the_token(report.image.curl.as_deref()) {
                "attach RunnerPolicyArn (the stack's outputs) to the role; a permissions boundary or a service control policy may block it, too"
            } else {
                "the image's curl is older than 7.86 and does not sign the session token: install a newer one in the image, then run mayfly doctor again"
            };
            error(Area::Roles, what, fix)
        }
        (Answered::Status(status @ (429 | 500..)), _) => {
            let who = if registration.mayfly {
                "Mayfly"
            } else {
                "API Gateway"
            };
            let what = format!("{who} answers a request for registration with {status}: {answer}");
            error(Area::Network, what, "see the log of the function registrar")
        }
        (Answered::Status(status), _) => {
            let what = format!(
                "{github_setup} answers with {status}, and the answer is not Mayfly's: {answer}"
            );
            error(
                Area::Network,
                what,
                "does something on the network answer in its place? is the API the template's (make deploy)?",
            )
        }
        (Answered::Not(trouble), _) => {
            let (words, fix) = troubled(trouble, report.image.proxy, around.public_ip);
            error(
                Area::Network,
                format!("{github_setup} cannot be reached: {words}"),
                &fix,
            )
        }
    }
}
