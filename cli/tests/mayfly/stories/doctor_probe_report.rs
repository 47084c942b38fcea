//! `mayfly doctor`: what follows from what a probe printed, and from how ECS says it ended.

use mayfly_cli::commands::doctor::finding::{Area, Finding, Level};
use mayfly_cli::commands::doctor::image_pull::{self, Pulls};
use mayfly_cli::commands::doctor::probe::kind::{Kind, kinds};
use mayfly_cli::commands::doctor::probe::result::{ProbeContext, ProbeResult, Probed};
use mayfly_cli::commands::doctor::probe::{judged, reach};
use mayfly_cli::commands::doctor::report::{Report as Answer, text};
use mayfly_cli::commands::doctor::runner_version::Newest;
use mayfly_cli::failure::Failure;
use mayfly_domain::model::id::TaskArn;
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::runner::Timeline;
use mayfly_domain::model::story::TaskEnd;
use mayfly_domain::model::task::{Task, TaskStatus};
use mayfly_domain::model::time::Timestamp;
use mayfly_ecs::probe::Report;
use mayfly_ecs::{LaunchConfig, LaunchFailure};
use mayfly_github::Release;

use crate::stories::changing::bare;

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

const MARK: &str = "mayfly-probe/01jd0000000000000000000000";

const POOLS: &str = "[github]\naccounts = [\"acme\"]\n[defaults]\ncpu = 2\nmemory = \"8 GiB\"\nmax = 2\n\
                     [pools.linux]\nlabels = [\"mayfly\"]\n[pools.large]\nlabels = [\"large\"]\ncpu = 4\nmemory = \"16 GiB\"\ndisk = \"100 GiB\"\n\
                     [pools.arm]\nlabels = [\"mayfly-arm\"]\narchitecture = \"arm64\"\n\
                     [pools.own]\nlabels = [\"own\"]\ntask_role = \"deployer\"\nimage = \"123456789012.dkr.ecr.us-east-1.amazonaws.com/runner:7\"\n";

fn pools() -> Pools {
    mayfly_config::pools_file::parse(POOLS, 1).unwrap()
}

pub(crate) fn site(public_ip: bool) -> LaunchConfig {
    let role = |name: &str| format!("arn:aws:iam::123456789012:role/mayfly/mayfly/{name}");
    LaunchConfig {
        stack: "mayfly".to_owned(),
        region: "us-east-1".to_owned(),
        cluster: "arn:aws:ecs:us-east-1:123456789012:cluster/mayfly".to_owned(),
        subnets: vec!["subnet-a".to_owned()],
        security_groups: vec!["sg-a".to_owned()],
        public_ip,
        task_role: role("mayfly-TaskRole"),
        execution_role: role("execution/mayfly-ExecutionRole"),
        log_group: "/mayfly/mayfly/runners".to_owned(),
        registration_url: "https://front.test".to_owned(),
    }
}

/// The kind of the pool of that name.
pub(crate) fn kind(pool: &str) -> Kind {
    let all = kinds(&pools(), &site(true));
    all.into_iter()
        .find(|kind| kind.pools.iter().any(|name| name.as_str() == pool))
        .unwrap()
}

fn around(public_ip: bool) -> ProbeContext {
    let released = |version: &str, days: u64| Release {
        version: version.to_owned(),
        published_at: NOW.minus(std::time::Duration::from_secs(days * 24 * 3_600)),
    };
    ProbeContext {
        region: "us-east-1".to_owned(),
        public_ip,
        url: "https://front.test".to_owned(),
        reach: reach("https://github.com").unwrap(),
        newest: Newest::Known(vec![
            released("2.338.1", 5),
            released("2.337.0", 40),
            released("2.336.0", 80),
        ]),
        now: NOW,
    }
}

pub(crate) fn task(status: TaskStatus) -> Task {
    let after = |seconds: u64| Some(NOW.plus(std::time::Duration::from_secs(seconds)));
    Task {
        arn: TaskArn("arn:aws:ecs:us-east-1:123456789012:task/mayfly/0123456789abcdef".to_owned()),
        address: "mayfly-doctor/01jd0000000000000000000000".parse().unwrap(),
        version: 3,
        status,
        timeline: Timeline {
            created: Some(NOW),
            pull_started: after(12),
            pull_stopped: after(40),
            started: after(43),
            ..Timeline::default()
        },
        end: TaskEnd::default(),
    }
}

const GOOD: [&str; 9] = [
    "image bash 5.2.21(1)-release",
    "image curl 8.5.0",
    "reach api 0 200 140.82.121.6 0.01 0.03 0.06",
    "reach github 0 200 140.82.121.3 0.01 0.03 0.06",
    "reach actions 0 200 13.107.42.16 0.01 0.03 0.06",
    "credentials good",
    r#"registration 0 403 1 3.80.1.2 0.01 0.03 0.06 {"outcome":"closed","reason":"this runner is closed"}"#,
    "image runner 2.338.1",
    "end 0",
];

/// What the lines of a probe mean that ended, some of them in the place of the good ones that begin
/// alike; `without end` is none in the place of `end`.
fn told(pool: &str, public_ip: bool, instead: &[&str]) -> Vec<Finding> {
    let place = |line: &str| {
        line.trim_start_matches("without ")
            .split(' ')
            .take(2)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let kept = GOOD
        .iter()
        .filter(|good| !instead.iter().any(|other| good.starts_with(&place(other))));
    let printed = instead.iter().filter(|line| !line.starts_with("without "));
    let lines: Vec<String> = kept
        .chain(printed)
        .map(|line| format!("{MARK} {line}"))
        .collect();
    let report = Report::read(MARK, lines.iter().map(String::as_str));
    let came = ProbeResult::Ended {
        task: Box::new(task(TaskStatus::Stopped)),
        report,
    };
    judged(
        &[Probed {
            kind: kind(pool),
            came,
            left: None,
        }],
        &around(public_ip),
    )
}

fn worst(findings: &[Finding]) -> Level {
    findings.iter().map(|one| one.level).max().unwrap()
}

fn answer(findings: Vec<Finding>) -> Answer {
    Answer::new("mayfly", NOW, findings)
}

#[test]
fn runners_that_live_alike_are_tried_once() {
    let all = kinds(&pools(), &site(true));
    let names: Vec<String> = all.iter().map(Kind::whose).collect();
    assert_eq!(names, ["pool arm", "pools large, linux", "pool own"]);
    assert_eq!(
        all[1].pool.size.disk_gib, 100,
        "the image must fit the largest disk at least"
    );
    assert_eq!(
        (all[1].role_name(), all[2].role_name()),
        ("mayfly-TaskRole", "deployer")
    );
}

#[test]
fn where_all_is_well_it_is_said_and_nothing_else() {
    let findings = told("linux", true, &[]);
    assert_eq!(worst(&findings), Level::Good);
    let answer = answer(findings);
    insta::assert_snapshot!("well_text", bare(&text(&answer)));
    insta::assert_json_snapshot!("well_json", answer);
}

/// Each thing that can be wrong, by the lines that a probe prints then.
#[test]
#[expect(clippy::too_many_lines, reason = "a table: one line for each report")]
fn whatever_a_probe_meets_is_told_with_what_to_do() {
    let cases: &[(&str, &str, bool, &[&str])] = &[
        (
            "no way out by public addresses",
            "linux",
            true,
            &[
                "reach api 28 000 - 0.01 0 0",
                "reach github 28 000 - 0.01 0 0",
            ],
        ),
        (
            "no NAT",
            "linux",
            false,
            &[
                "reach api 28 000 - 0.01 0 0",
                "without registration",
                "registration 28 000 - - 0.01 0 0 ",
            ],
        ),
        ("no names", "linux", true, &["reach api 6 000 - 0 0 0"]),
        ("refused", "linux", true, &["reach github 7 000 - 0.01 0 0"]),
        (
            "TLS inspected",
            "linux",
            true,
            &["reach api 60 000 140.82.121.6 0.01 0.03 0"],
        ),
        (
            "a firewall by name",
            "linux",
            true,
            &[
                "reach github 35 000 140.82.121.3 0.01 0.03 0",
                "reach actions 56 000 13.107.42.16 0.01 0.03 0.06",
            ],
        ),
        (
            "a proxy that wants a name",
            "linux",
            true,
            &["image proxy set", "reach api 0 407 10.0.0.9 0.01 0.03 0"],
        ),
        (
            "GitHub is ill",
            "linux",
            true,
            &["reach api 0 503 140.82.121.6 0.01 0.03 0.06"],
        ),
        (
            "a VPC endpoint",
            "linux",
            true,
            &[
                "without registration",
                "registration 0 403 - 10.0.1.17 0.01 0.03 0.06 Forbidden",
            ],
        ),
        (
            "IAM refuses",
            "own",
            true,
            &[
                "without registration",
                "registration 0 403 - 3.80.1.2 0.01 0.03 0.06 User is not authorized",
            ],
        ),
        (
            "an old curl",
            "own",
            true,
            &[
                "image curl 7.81.0",
                "without registration",
                "registration 0 403 - 3.80.1.2 0.01 0.03 0.06 The security token is invalid",
            ],
        ),
        (
            "another Mayfly",
            "linux",
            true,
            &[
                "without registration",
                "registration 0 400 1 3.80.1.2 0.01 0.03 0.06 bad request",
            ],
        ),
        (
            "registrar fails",
            "linux",
            true,
            &[
                "without registration",
                "registration 0 503 - 3.80.1.2 0.01 0.03 0.06 Service Unavailable",
            ],
        ),
        (
            "someone else answers",
            "linux",
            true,
            &[
                "without registration",
                "registration 0 200 - 3.80.1.2 0.01 0.03 0.06 <html>",
            ],
        ),
        (
            "no role",
            "linux",
            true,
            &[
                "without credentials",
                "credentials none",
                "without registration",
            ],
        ),
        (
            "no credentials",
            "own",
            true,
            &[
                "without credentials",
                "credentials failed 0 500",
                "without registration",
            ],
        ),
        (
            "an image that lacks things",
            "linux",
            true,
            &["image lacks curl", "image lacks /home/runner/run.sh"],
        ),
        (
            "a runner that is behind",
            "linux",
            true,
            &["image runner 2.336.0"],
        ),
        (
            "a runner below the floor",
            "linux",
            true,
            &["image runner 2.300.0"],
        ),
        (
            "no runner where it should be",
            "linux",
            true,
            &["image runner none"],
        ),
        ("cut off", "linux", true, &["late", "without end"]),
    ];
    let mut all = String::new();
    for (name, pool, public_ip, lines) in cases {
        let findings = told(pool, *public_ip, lines);
        assert!(worst(&findings) > Level::Good, "{name}: {findings:?}");
        for one in findings.iter().filter(|one| one.level > Level::Good) {
            assert!(
                one.fix.is_some(),
                "{name}: nobody knows what to do: {one:?}"
            );
            all.push_str(&format!(
                "{name}: {:?} {}: {}\n    {}\n",
                one.level,
                one.area.word(),
                one.what,
                one.fix.as_deref().unwrap_or_default()
            ));
        }
    }
    insta::assert_snapshot!("met", all);
}

/// What ECS says where a probe said nothing: words of its documentation, and what they mean.
#[test]
#[expect(clippy::too_many_lines, reason = "a table: one line for each report")]
fn every_reason_of_ecs_is_understood() {
    let cases = [
        (
            Area::Network,
            Level::Error,
            "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref ghcr.io/a/b:c: not found",
            "no such image",
        ),
        (
            Area::Network,
            Level::Error,
            "CannotPullContainerError: image Manifest does not contain descriptor matching platform 'linux/arm64'",
            "architecture",
        ),
        (
            Area::Network,
            Level::Error,
            "CannotPullContainerError: write /tmp/x: no space left on device",
            "does not fit the disk",
        ),
        (
            Area::Network,
            Level::Error,
            "CannotPullContainerError: toomanyrequests: You have reached your pull rate limit",
            "limits anonymous pulls",
        ),
        (
            Area::Network,
            Level::Error,
            "CannotPullContainerError: dial tcp 1.2.3.4:443: i/o timeout",
            "cannot be reached",
        ),
        (
            Area::Network,
            Level::Error,
            "CannotPullContainerError: net/http: request canceled while waiting for connection",
            "cannot be reached",
        ),
        (
            Area::Network,
            Level::Error,
            "CannotPullContainerError: context deadline exceeded",
            "cannot be reached",
        ),
        (
            Area::Network,
            Level::Error,
            "CannotPullContainerError: dial tcp: lookup ghcr.io: no such host",
            "cannot be resolved",
        ),
        (
            Area::Network,
            Level::Error,
            "CannotPullContainerError: dial tcp 1.2.3.4:443: connect: connection refused",
            "cannot be reached",
        ),
        (
            Area::Network,
            Level::Error,
            "CannotPullContainerError: pull access denied, repository does not exist",
            "refuses the image",
        ),
        (
            Area::Network,
            Level::Error,
            "CannotPullContainerError: 403 Forbidden",
            "refuses the image",
        ),
        (
            Area::Network,
            Level::Error,
            "CannotPullContainerError: unauthorized: authentication required",
            "refuses the image",
        ),
        (
            Area::Network,
            Level::Error,
            "CannotPullContainerError: something new",
            "cannot be pulled",
        ),
        (
            Area::Roles,
            Level::Error,
            "ResourceInitializationError: unable to pull secrets: AccessDeniedException",
            "execution role",
        ),
        (
            Area::Roles,
            Level::Error,
            "ECS was unable to assume the role 'arn:aws:iam::1:role/x'",
            "cannot assume the role",
        ),
        (
            Area::Network,
            Level::Error,
            "ResourceInitializationError: failed to validate logger args",
            "cannot reach what it needs",
        ),
        (
            Area::Network,
            Level::Error,
            "CannotStartContainerError: exec: \"/bin/bash\": no such file",
            "/bin/bash does not start",
        ),
        (
            Area::Network,
            Level::Error,
            "Something that nobody has seen yet",
            "did not start",
        ),
    ];
    for (area, level, words, meaning) in cases {
        let stopped = Task {
            end: TaskEnd {
                stopped_reason: Some(words.to_owned()),
                ..TaskEnd::default()
            },
            ..task(TaskStatus::Stopped)
        };
        let came = ProbeResult::Ended {
            task: Box::new(stopped),
            report: Report::default(),
        };
        let found = judged(
            &[Probed {
                kind: kind("own"),
                came,
                left: None,
            }],
            &around(true),
        );
        assert_eq!(
            found
                .iter()
                .map(|one| (one.area, one.level))
                .collect::<Vec<_>>(),
            [(area, level)],
            "{words}"
        );
        assert!(
            found[0].what.contains(meaning) && found[0].what.contains(words),
            "{found:?}"
        );
        assert!(found[0].fix.is_some(), "{found:?}");
    }
}

#[test]
fn a_probe_without_words_is_judged_by_its_exit_code() {
    let silent = |code: Option<i32>, stop_code: &str| {
        let ended = Task {
            end: TaskEnd {
                exit_code: code,
                stop_code: Some(stop_code.to_owned()),
                ..TaskEnd::default()
            },
            ..task(TaskStatus::Stopped)
        };
        let came = ProbeResult::Ended {
            task: Box::new(ended),
            report: Report::default(),
        };
        judged(
            &[Probed {
                kind: kind("linux"),
                came,
                left: None,
            }],
            &around(true),
        )
    };
    let levels = |found: &[Finding]| {
        found
            .iter()
            .map(|one| (one.area, one.level))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        levels(&silent(Some(0), "EssentialContainerExited")),
        [(Area::Network, Level::Warning)],
        "well, and its log cannot be read"
    );
    let both = silent(Some(64 + 2 + 4), "EssentialContainerExited");
    assert_eq!(
        levels(&both),
        [(Area::Network, Level::Error), (Area::Roles, Level::Error)]
    );
    assert!(
        both[0].what.contains("GitHub does not answer") && both[1].what.contains("no credentials"),
        "{both:?}"
    );
    assert!(
        silent(Some(127), "EssentialContainerExited")[0]
            .what
            .contains("a program is missing")
    );
    assert_eq!(
        levels(&silent(Some(137), "EssentialContainerExited")),
        [(Area::Network, Level::Warning)]
    );
    assert_eq!(
        levels(&silent(None, "SpotInterruption")),
        [(Area::Network, Level::Unknown)]
    );
    assert_eq!(
        levels(&silent(None, "UserInitiated")),
        [(Area::Network, Level::Unknown)]
    );
}

#[test]
fn what_was_not_started_came_late_or_cannot_be_seen_is_told_as_such() {
    let not_started = |kind, reason: &str| ProbeResult::NotStarted {
        kind,
        reason: reason.to_owned(),
    };
    let late = |status| ProbeResult::Late {
        task: Some(Box::new(task(status))),
    };
    let cases = [
        (
            not_started(
                Some(LaunchFailure::Denied),
                "AccessDeniedException: not authorized to perform: ecs:RunTask",
            ),
            Level::Unknown,
            "DoctorPolicyArn",
        ),
        (
            not_started(None, "no answer within 10 s"),
            Level::Unknown,
            "try again",
        ),
        (
            not_started(
                Some(LaunchFailure::Quota),
                "You've reached the limit on the number of vCPUs",
            ),
            Level::Warning,
            "L-3032A538",
        ),
        (
            not_started(
                Some(LaunchFailure::Capacity),
                "Capacity is unavailable at this time",
            ),
            Level::Warning,
            "availability zones",
        ),
        (
            not_started(Some(LaunchFailure::Configuration), "Role is not valid"),
            Level::Error,
            "TaskRolePath",
        ),
        (
            not_started(
                Some(LaunchFailure::Configuration),
                "InvalidParameterException: subnet-a does not exist",
            ),
            Level::Error,
            "pools file",
        ),
        (late(TaskStatus::Starting), Level::Warning, "smaller image"),
        (late(TaskStatus::Running), Level::Warning, "CloudWatch Logs"),
        (
            ProbeResult::Late { task: None },
            Level::Warning,
            "try again",
        ),
        (
            ProbeResult::Unseen(Failure::new(
                "read its log: AccessDenied",
                "attach ViewerPolicyArn",
            )),
            Level::Unknown,
            "ViewerPolicyArn",
        ),
    ];
    for (came, level, fix) in cases {
        let words = format!("{came:?}");
        let found = judged(
            &[Probed {
                kind: kind("linux"),
                came,
                left: None,
            }],
            &around(true),
        );
        assert_eq!(
            found.iter().map(|one| one.level).collect::<Vec<_>>(),
            [level],
            "{words}: {found:?}"
        );
        assert!(
            found[0]
                .fix
                .as_deref()
                .is_some_and(|text| text.contains(fix)),
            "{words}: {found:?}"
        );
    }
}

#[test]
fn a_task_that_was_left_is_told_of() {
    let came = ProbeResult::Late {
        task: Some(Box::new(task(TaskStatus::Running))),
    };
    let left = Some(task(TaskStatus::Running).arn);
    let found = judged(
        &[Probed {
            kind: kind("linux"),
            came,
            left,
        }],
        &around(true),
    );
    assert!(
        found.iter().any(|one| one.level == Level::Warning
            && one.what.contains("0123456789abcdef could not be stopped")),
        "{found:?}"
    );
}

#[test]
fn pulls_through_a_nat_are_priced_and_those_from_next_door_are_not() {
    let all = kinds(&pools(), &site(false));
    assert_eq!(
        image_pull::judged(&all, &site(true), &None),
        [],
        "with public addresses they cost nothing"
    );
    let pulls = Pulls {
        by_pool: [
            ("linux".parse().unwrap(), 900),
            ("arm".parse().unwrap(), 100),
            ("own".parse().unwrap(), 50),
        ]
        .into(),
        all: true,
    };
    let found = image_pull::judged(&all, &site(false), &Some(Ok(pulls.clone())));
    assert_eq!(found.len(), 1, "one image comes from outside: {found:?}");
    insta::assert_snapshot!("pulls", found[0].what);
    let cut = image_pull::judged(
        &all,
        &site(false),
        &Some(Ok(Pulls {
            all: false,
            ..pulls
        })),
    );
    assert!(
        cut[0].what.contains("at least 1000 in the last 7 days"),
        "{cut:?}"
    );
}
