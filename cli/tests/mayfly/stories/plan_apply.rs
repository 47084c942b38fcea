//! plan and apply.

use std::sync::Arc;

use mayfly_cli::commands::apply::{Answer, Applied, Change, Means, carry_out, in_words};
use mayfly_cli::commands::doctor;
use mayfly_cli::commands::plan;
use mayfly_cli::commands::plan::difference::Kind;
use mayfly_cli::commands::plan::report::{Compared, Plan, gather};
use mayfly_cli::commands::pools;
use mayfly_cli::commands::pools::report::Known;
use mayfly_cli::commands::status;
use mayfly_cli::deployment::drift::{self, Drift};
use mayfly_cli::deployment::pools_store::PoolsStore as _;
use mayfly_cli::failure::Failure;
use mayfly_cli::input::pools_file::Readable;
use mayfly_config::pools_file::{Vcpus, parse};
use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::time::Timestamp;
use mayfly_github_model::jobs::NewJob;
use mayfly_ledger::requests::{ApplyEnd, FileHash};
use mayfly_simulator::system::{Start, System};

use crate::stories::changing::{Bell, CommandDeps, active_pools, bare, ledger};
use crate::stories::told::{begin, done, job, linux, pool_with, queue_one, rest, until};

fn readable(text: &str) -> Readable {
    Readable {
        text: text.to_owned(),
        pools: parse(text, 0).unwrap(),
    }
}

async fn planned(system: &System, text: &str) -> Plan {
    planned_within(
        system,
        text,
        Vcpus {
            on_demand: Some(20),
            spot: Some(64),
        },
    )
    .await
}

async fn planned_within(system: &System, text: &str, allowed: Vcpus) -> Plan {
    planned_in(system, text, (allowed, "us-east-1")).await
}

async fn planned_in(system: &System, text: &str, (allowed, region): (Vcpus, &str)) -> Plan {
    let newest = CommandDeps::new(system).version(None).await.unwrap();
    let (before, file) = (active_pools(system), readable(text));
    let author = newest
        .as_ref()
        .map(|newest| format!("author-of-{}", newest.number));
    let drift = drifted(system).await;
    let compared = Compared {
        newest: newest.as_ref(),
        author,
        drift,
        before: before.as_ref(),
        file: &file,
        region,
        public_ip: true,
        allowed,
    };
    gather(
        &ledger(system),
        &compared,
        "mayfly",
        "pools.toml".to_owned(),
    )
    .await
    .unwrap()
}

/// Whether the active file is another one than was applied.
async fn drifted(system: &System) -> Option<Drift> {
    let deps = CommandDeps::new(system);
    let newest = deps.version(None).await.unwrap()?;
    drift::find(&ledger(system), &deps, &newest, system.world.clock.now())
        .await
        .unwrap()
}

fn two(linux: &str, rest: &str) -> String {
    format!("{}\n{rest}", pool_with(linux))
}

const SMALL: &str = r#"
        [pools.small]
        labels = ["self-hosted", "small"]
        cpu = 0.25
        memory = "512 MiB"
        max = 2
        min_idle = 1
"#;

const GPU: &str = r#"
        [pools.gpu]
        labels = ["mayfly", "self-hosted", "linux", "x64", "gpu"]
        scope = "organization"
        runner_group = "heavy"
        repositories = ["acme/*"]
        cpu = 4
        memory = "16 GiB"
        capacity = "spot"
        max = 3
        min_idle = 2
"#;

/// Runners at work, jobs that wait, an idle floor.
async fn busy_system(seed: u64) -> System {
    let system = Start::seeded(seed)
        .pools(&two("max = 2", SMALL))
        .begin()
        .unwrap();
    let jobs = system.queue_jobs(&NewJob {
        count: 4,
        seconds: 4_000.0,
        ..job()
    });
    let works = |system: &System| {
        jobs.iter()
            .filter(|job| system.runner_at_github(**job).is_some())
            .count()
            == 2
    };
    until(
        &system,
        300,
        "two jobs run, two wait, one runner is parked",
        |system| works(system) && system.runners().len() == 3,
    )
    .await;
    system.pass(60).await;
    system
}

#[tokio::test(start_paused = true)]
async fn a_plan_says_what_changes_what_it_touches_and_what_it_costs() {
    let system = busy_system(401).await;
    let plan = planned(
        &system,
        &two(
            "max = 1\nimage = \"registry.test/own:2\"\nidle_timeout = \"90s\"",
            GPU,
        ),
    )
    .await;
    insta::assert_snapshot!("plan_text", bare(&plan::text::text(&plan, false)));
    insta::assert_json_snapshot!("plan_json", plan);
}

/// A new pool is one line of the keys that are not at their default; `-v` shows all.
#[tokio::test(start_paused = true)]
async fn many_new_pools_are_a_line_each_and_every_key_is_shown_on_demand() {
    let system = begin(420);
    let pool = |number: u32| {
        SMALL
            .replace("small", &format!("team-{number:02}"))
            .replace("max = 2", &format!("max = {number}"))
    };
    let plan = planned(
        &system,
        &two("max = 20", &(1..=36).map(pool).collect::<String>()),
    )
    .await;
    let words = bare(&plan::text::text(&plan, false));
    let new: Vec<&str> = words
        .lines()
        .filter(|line| line.starts_with("  + "))
        .collect();
    assert_eq!((new.len(), plan.count(Kind::Add)), (36, 36), "{words}");
    assert!(words.lines().count() < 36 + 8, "{words}");
    assert_eq!(
        new[6],
        r#"  + [pools.team-07]  labels = ["self-hosted", "team-07"], cpu = 0.25, memory = "512 MiB", max = 7, min_idle = 1"#
    );
    let words = bare(&plan::text::text(&plan, true));
    assert!(
        words.contains("\n  + [pools.team-07]\n      + labels = [")
            && words.contains("\n      + idle_timeout = \"5m\"\n"),
        "{words}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_plan_holds_the_pools_against_what_the_account_may_run() {
    let system = begin(421);
    let last = |plan: &Plan| {
        bare(&plan::text::text(plan, false))
            .lines()
            .filter(|line| line.starts_with("vCPUs"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let file = two("max = 8", GPU);
    let cases = [
        (
            Vcpus {
                on_demand: Some(16),
                spot: Some(11),
            },
            "vCPUs at max, on-demand: 40 → 16; the account may run 16\n\
             vCPUs at max, spot: 0 → 12; the account may run 11, so jobs will wait: lower max, or ask for more in Service Quotas",
        ),
        (
            Vcpus {
                on_demand: None,
                spot: Some(12),
            },
            "vCPUs at max, on-demand: 40 → 16; how many the account may run is unknown: these credentials may not read Service Quotas\n\
             vCPUs at max, spot: 0 → 12; the account may run 12",
        ),
    ];
    for (allowed, said) in cases {
        assert_eq!(last(&planned_within(&system, &file, allowed).await), said);
    }
    // What stays as it is is told only where it is too much.
    let (same, _) = system.world.parameters.get("/mayfly/mayfly/pools").unwrap();
    for (allowed, said) in [
        (40, ""),
        (
            39,
            "vCPUs at max, on-demand: 40; the account may run 39, so jobs will wait: lower max, or ask for more in Service Quotas",
        ),
    ] {
        let allowed = Vcpus {
            on_demand: Some(allowed),
            spot: None,
        };
        assert_eq!(last(&planned_within(&system, &same, allowed).await), said);
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_shows_new_prices_and_says_what_is_not_known() {
    let system = begin(424);
    let idle = pool_with("max = 10\nmin_idle = 1");
    let nowhere = (Vcpus::default(), "xx-nowhere-1");
    let lines = |plan: &Plan| bare(&plan::text::text(plan, false));
    let unknown = planned_in(&system, &idle, nowhere).await;
    assert_eq!(unknown.idle_a_month.after_nanodollars, None);
    let said = lines(&unknown);
    assert!(
        said.contains(
            "kept waiting (min_idle): $0.00 → unknown a month (Mayfly knows no price of x64 tasks in xx-nowhere-1: give vcpu_hour and gib_hour under [prices.x64] in the pools file)"
        ),
        "{said}"
    );
    let own = format!(
        "{idle}\n[prices]\ndiscount = \"12.5%\"\npublic_ipv4_hour = 0\n[prices.x64]\nvcpu_hour = 0.05\ngib_hour = 0.005\ngithub_minute = {{ 2 = 0.005 }}"
    );
    let said = lines(&planned_in(&system, &own, nowhere).await);
    // (2 × 0.05 + 8 × 0.005) × 0.875 × 730 dollars.
    for line in [
        "~ [prices]",
        "+ discount = \"12.5%\"",
        "+ public_ipv4_hour = 0.0",
        "+ x64.vcpu_hour = 0.05",
        "+ x64.gib_hour = 0.005",
        "+ x64.github_minute = { 2 = 0.005 }",
        "kept waiting (min_idle): $0.00 → $89.43 a month (prices of xx-nowhere-1)",
        ", [prices]",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    let prices = pool_with("max = 10\n[prices]\ndiscount = \"20%\"");
    assert!(planned(&system, &prices).await.changes_something());
}

/// webhook and scaler make records, observer and sweeper close them: all keep them as the file said.
#[tokio::test(start_paused = true)]
async fn records_stay_as_long_as_the_pools_file_says() {
    let keeps = |days: u32| format!("{}\n[history]\nkeep = \"{days}d\"", pool_with("max = 2"));
    let system = Start::seeded(429).pools(&keeps(30)).begin().unwrap();
    let job = queue_one(&system);
    done(&system, 300, &[job]).await;
    rest(&system, 120).await;
    let record = system.job(job).unwrap();
    let runners = system.closed_runners();
    assert_eq!(runners.len(), 1);
    for (closed_at, expires_at) in [
        (record.closed_at, record.expires_at),
        (runners[0].closed_at, runners[0].expires_at),
    ] {
        let kept = expires_at.unwrap() - closed_at.unwrap().seconds();
        // A job's end is told by GitHub's clock, and kept from when Mayfly learned of it.
        assert!((0..600).contains(&(kept - 30 * 24 * 3_600)), "{kept}");
    }
    let plan = planned(&system, &keeps(400)).await;
    let words = bare(&plan::text::text(&plan, false));
    assert!(plan.changes_something());
    for said in ["~ [history]", "~ keep = \"30d\" → \"400d\"", ", [history]"] {
        assert!(words.contains(said), "{said}: {words}");
    }
    assert!(
        plan::github::comment(&plan, false)
            .contains("#### Change `[history]`\n\n- `keep`: `\"30d\"` → `\"400d\"`\n")
    );
}

#[tokio::test(start_paused = true)]
async fn a_plan_says_what_pausing_a_pool_means() {
    let system = busy_system(422).await;
    let plan = planned(
        &system,
        &two("max = 0", &SMALL.replace("max = 2", "max = 0")),
    )
    .await;
    assert_eq!(
        plan.pools[0].effects,
        [
            "paused (max = 0): it takes jobs, but starts no runners until max is raised",
            "2 runners now: each job runs to its end, but no more start"
        ]
    );
    assert_eq!(
        plan.idle_a_month.after_nanodollars.unwrap().0,
        0,
        "a paused pool keeps nothing idle"
    );
    system
        .world
        .parameters
        .put_pools(&two("max = 0", &SMALL.replace("max = 2", "max = 0")));
    let plan = planned(&system, &two("max = 4", SMALL)).await;
    assert_eq!(
        plan.pools[0].effects,
        ["2 jobs that wait: runners are started for them"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_goes_tells_where_its_jobs_go() {
    let system = busy_system(402).await;
    let plan = planned(
        &system,
        &format!("[github]\naccounts = [\"acme\", \"other\"]\n{GPU}"),
    )
    .await;
    assert_eq!(
        (
            plan.count(Kind::Add),
            plan.count(Kind::Change),
            plan.count(Kind::Remove)
        ),
        (1, 0, 2)
    );
    insta::assert_snapshot!("plan_removed_text", bare(&plan::text::text(&plan, false)));
    let plan = planned(
        &system,
        &format!("[github]\naccounts = [\"acme\"]\n{SMALL}"),
    )
    .await;
    let effects = &plan.pools[0].effects;
    assert_eq!(effects[0], "2 runners busy: each job runs to its end");
    assert!(
        effects[1].starts_with("2 jobs that wait: to no pool: no pool takes ["),
        "{effects:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn comments_change_nothing_and_the_same_file_even_less() {
    let system = begin(403);
    let (text, _) = system.world.parameters.get("/mayfly/mayfly/pools").unwrap();
    let same = planned(&system, &text).await;
    assert!(same.same && !same.changes_something());
    assert!(
        bare(&plan::text::text(&same, false))
            .ends_with("nothing to change: this file is already active")
    );
    let commented = planned(&system, &format!("# by hand\n{text}")).await;
    assert!(!commented.same && !commented.changes_something());
    assert!(
        bare(&plan::text::text(&commented, false))
            .ends_with("nothing to change but comments and layout")
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_applied_is_told_with_the_plan_and_with_what_went_beside() {
    let system = begin(419);
    let plan = planned(&system, &two("max = 3", SMALL)).await;
    let applied = Applied {
        version: 9,
        recorded_only: false,
        replaced: vec![7, 8],
        not_woken: vec![linux()],
    };
    let (besides, words) = in_words(&applied);
    insta::assert_snapshot!(
        "apply_besides_text",
        bare(&format!("{}\n{words}", besides.join("\n")))
    );
    insta::assert_json_snapshot!(
        "apply_json",
        Answer {
            plan: &plan,
            applied: Some(&applied)
        }
    );
}

#[tokio::test(start_paused = true)]
async fn colours_are_there_for_whoever_wants_them() {
    let system = begin(404);
    let words = planned(&system, &two("max = 3", SMALL)).await;
    let words = plan::text::text(&words, false);
    assert!(words.contains("\u{1b}[") && !bare(&words).contains('\u{1b}'));
}

async fn apply(
    deps: &CommandDeps<'_>,
    bell: &Bell<'_>,
    from: Option<u64>,
    text: &str,
) -> Result<Applied, Failure> {
    apply_as("alice", deps, bell, from, text).await
}

async fn apply_as(
    by: &str,
    deps: &CommandDeps<'_>,
    bell: &Bell<'_>,
    from: Option<u64>,
    text: &str,
) -> Result<Applied, Failure> {
    let clock = || deps.system.world.clock.now();
    let ledger = ledger(deps.system);
    let means = Means {
        ledger: &ledger,
        parameter: deps,
        wakes: bell,
        clock: &clock,
    };
    let pools: Vec<PoolName> = vec![linux()];
    carry_out(
        &means,
        Change {
            by,
            from,
            text,
            pools: &pools,
        },
    )
    .await
}

#[tokio::test(start_paused = true)]
async fn what_is_applied_is_in_force_and_its_pools_are_woken() {
    let system = begin(405);
    let (deps, bell) = (CommandDeps::new(&system), Bell::new(&system));
    let applied = apply(&deps, &bell, Some(1), &pool_with("max = 1"))
        .await
        .unwrap();
    assert_eq!(
        applied,
        Applied {
            version: 2,
            recorded_only: false,
            replaced: Vec::new(),
            not_woken: Vec::new()
        }
    );
    let (besides, words) = in_words(&applied);
    assert_eq!(besides, [""; 0]);
    insta::assert_snapshot!("apply_text", bare(&words));
    assert_eq!(*bell.woken.lock().unwrap(), ["linux"]);
    // And again: the lock is given back.
    assert_eq!(
        apply(&deps, &bell, Some(2), &pool_with("max = 2"))
            .await
            .unwrap()
            .version,
        3
    );
    system.pass(90).await;
    let jobs = system.queue_jobs(&NewJob { count: 4, ..job() });
    done(&system, 600, &jobs).await;
    rest(&system, 120).await;
    assert_eq!(system.launched_and_most_live().1, 2);
}

/// What `mayfly apply` wrote is its own, whatever becomes of it; what anything else writes is told
/// by `plan`, `status` and `doctor` until it is applied or undone.
#[tokio::test(start_paused = true)]
async fn a_file_that_was_written_by_other_means_is_told_until_it_is_applied_or_undone() {
    let system = begin(425);
    let (deps, bell) = (CommandDeps::new(&system), Bell::new(&system));
    assert_eq!(
        drifted(&system).await,
        None,
        "nothing was ever applied: whoever writes the parameter by other means only is not told"
    );
    let (applied, by_hand) = (pool_with("max = 1"), pool_with("max = 2"));
    apply(&deps, &bell, Some(1), &applied).await.unwrap();
    assert_eq!(drifted(&system).await, None);

    system.world.parameters.put_pools(&by_hand);
    let plan = planned(&system, &by_hand).await;
    assert!(plan.same && plan.drift.is_some());
    let words = bare(&plan::text::text(&plan, false));
    assert_eq!(
        words.lines().skip(1).take(2).collect::<Vec<_>>(),
        [
            "warning: version 3 of the pools file was written by author-of-3 at 2026-11-22T14:00:00Z by other means than mayfly apply, which wrote version 2 last",
            "    to keep it: mayfly pools --file > pools.toml, review it, mayfly apply pools.toml; to undo it: mayfly apply --version 2",
        ]
    );
    let drift = plan.drift;
    let answer = status::report::StatusReport {
        drift: drift.clone(),
        ..crate::stories::fixture::status(&system).await
    };
    let words = bare(&status::text::text(&answer, None));
    assert!(
        words.contains("\n\ndrift: version 3 of the pools file was written by author-of-3 at ")
            && words.contains("to undo it: mayfly apply --version 2"),
        "{words}"
    );
    let now = system.world.clock.now();
    let file = doctor::pools::gather(&deps, &ledger(&system), now).await;
    let findings = doctor::pools::file(&file.unwrap(), now);
    let told = findings
        .iter()
        .find(|finding| finding.what.contains("by other means than mayfly apply"))
        .unwrap();
    assert_eq!(
        (told.level, told.fix.clone()),
        (doctor::finding::Level::Warning, Some(drift.unwrap().fix()))
    );

    // Kept: it is recorded, and not written again.
    let kept = apply(&deps, &bell, Some(3), &by_hand).await.unwrap();
    assert_eq!((kept.version, kept.recorded_only), (3, true));
    insta::assert_snapshot!("apply_recorded_text", bare(&in_words(&kept).1));
    assert_eq!(drifted(&system).await, None);
    // Undone.
    system.world.parameters.put_pools(&pool_with("max = 4"));
    assert_eq!(drifted(&system).await.unwrap().applied, 3);
    apply(&deps, &bell, Some(4), &by_hand).await.unwrap();
    assert_eq!(drifted(&system).await, None);
}

/// One that dies after its write, and one whose answer got lost, went around nothing.
#[tokio::test(start_paused = true)]
async fn what_an_apply_wrote_that_did_not_end_is_no_drift() {
    let system = begin(426);
    let (deps, bell) = (CommandDeps::new(&system), Bell::new(&system));
    apply(&deps, &bell, Some(1), &pool_with("max = 1"))
        .await
        .unwrap();
    let text = pool_with("max = 2");
    ledger(&system)
        .acquire_apply_lock("user/bob", &FileHash::of(&text), system.world.clock.now())
        .await
        .unwrap()
        .unwrap();
    system.world.parameters.put_pools(&text);
    assert_eq!(drifted(&system).await, None, "he may be about to end it");
    system.pass(61).await;
    assert_eq!(drifted(&system).await, None);
    // Whoever fails after that does not make it one.
    assert!(apply(&deps, &bell, Some(1), "x").await.is_err());
    assert_eq!(drifted(&system).await, None);
    system.world.parameters.put_pools(&pool_with("max = 3"));
    assert!(drifted(&system).await.is_some());
}

/// Everything that Markdown, HTML and GitHub read is in it.
const HOSTILE: &str = "@octocat #1 acme/app#2 `code` ``` | a | <script>alert(1)</script> <!-- --> ![x](https://x.test/y) www.x.test $x$ * _ ~ \\";

/// What is left of a comment without its code spans: `GFM, 6.3`.
fn outside_of_code(line: &str) -> String {
    let (mut left, mut rest) = (String::new(), line);
    while let Some(at) = rest.find('`') {
        // A backslash makes a backtick one that begins nothing.
        if rest[..at].ends_with('\\') {
            left.push_str(&rest[..=at]);
            rest = &rest[at + 1..];
            continue;
        }
        let length = rest[at..].len() - rest[at..].trim_start_matches('`').len();
        left.push_str(&rest[..at]);
        rest = &rest[at + length..];
        let runs = rest.match_indices('`').map(|(at, _)| at).filter(|at| {
            let before = rest[..*at].ends_with('`');
            let run = rest[*at..].len() - rest[*at..].trim_start_matches('`').len();
            !before && run == length
        });
        let end = runs
            .min()
            .unwrap_or_else(|| panic!("no end of code: {line}"));
        rest = &rest[end + length..];
    }
    left + rest
}

#[tokio::test(start_paused = true)]
async fn a_comment_for_a_pull_request_says_what_changes_by_pool() {
    let system = busy_system(401).await;
    let change = two(
        "max = 1\nimage = \"registry.test/own:2\"\nidle_timeout = \"90s\"",
        GPU,
    );
    let prices = format!("{change}\n[prices]\ndiscount = \"20%\"");
    let plan = planned(&system, &prices).await;
    insta::assert_snapshot!("plan_github", plan::github::comment(&plan, false));
    let (text, _) = system.world.parameters.get("/mayfly/mayfly/pools").unwrap();
    let same = planned(&system, &text).await;
    insta::assert_snapshot!("plan_github_same", plan::github::comment(&same, false));
}

#[tokio::test(start_paused = true)]
async fn nothing_breaks_out_of_a_comment() {
    let system = begin(427);
    let mut plan = planned(&system, &two("max = 3", SMALL)).await;
    // Whatever a reader of files or AWS refuses today: the comment does not depend on that.
    HOSTILE.clone_into(&mut plan.file);
    plan.active_pools.as_mut().unwrap().applied_by = Some(HOSTILE.to_owned());
    plan.idle_a_month.no_cost = Some(HOSTILE.to_owned());
    plan.drift = Some(Drift {
        version: 2,
        written_at: None,
        written_by: Some(HOSTILE.to_owned()),
        applied: 1,
    });
    for pool in &mut plan.pools {
        pool.effects.push(HOSTILE.to_owned());
        for change in &mut pool.keys {
            change.after = Some(HOSTILE.into());
        }
    }
    let comment = plan::github::comment(&plan, true);
    assert!(comment.matches("octocat").count() > 15, "{comment}");
    assert_eq!(comment.lines().next(), Some("<!-- mayfly plan mayfly -->"));
    for line in comment.lines().skip(1) {
        let left = outside_of_code(line);
        let quote = left.strip_prefix("> ").unwrap_or(&left);
        let quote = quote.strip_prefix(">").unwrap_or(quote);
        let quote = quote.strip_prefix("[!WARNING]").unwrap_or(quote);
        for (what, found) in [
            ("HTML", quote.contains(['<', '>'])),
            ("a mention", left.contains("@o")),
            ("a reference", left.contains("#1") || left.contains("#2")),
            ("an address", left.contains("://") || left.contains("www.")),
            ("a formula", left.contains('$')),
            ("a table", left.replace("\\|", "").contains('|')),
            ("an image or a link", quote.replace("\\[", "").contains('[')),
        ] {
            assert!(!found, "{what}: {line}");
        }
    }
}

/// GitHub refuses a comment that is too long, and then no one sees any of it.
#[tokio::test(start_paused = true)]
async fn a_plan_that_is_too_long_for_a_comment_says_what_it_leaves_out() {
    let system = begin(428);
    let mut plan = planned(&system, &two("max = 20", SMALL)).await;
    // More than a file can hold today.
    let one = plan.pools.remove(0);
    let team = |number: u32| plan::report::PoolPlan {
        pool: format!("team-{number:04}").parse().unwrap(),
        ..one.clone()
    };
    plan.pools = (1..=300).map(team).collect();
    let comment = plan::github::comment(&plan, true);
    assert!(
        (60_000..=plan::github::MOST).contains(&comment.len()),
        "{}",
        comment.len()
    );
    assert!(
        comment.contains("#### Add pool `team-0001`")
            && comment.contains("- Add pool `team-0300`: ")
            && comment.contains("**plan: 300 to add, ")
            && comment.contains("Run `mayfly plan` for the full plan.")
            && comment.contains("#### In all"),
        "{comment}"
    );
    plan.pools = (1..=3_000).map(team).collect();
    for effects in plan.pools.iter_mut().map(|pool| &mut pool.effects) {
        effects.push("日本".repeat(50));
    }
    let comment = plan::github::comment(&plan, false);
    assert!(comment.len() <= plan::github::MOST, "{}", comment.len());
    assert!(
        comment.contains(" more are not shown key by key."),
        "{comment}"
    );
}

/// The one process of webhook has read the file a moment before, for a job of another fleet.
#[tokio::test(start_paused = true)]
async fn a_job_that_comes_the_moment_after_is_judged_by_the_new_file() {
    let system = begin(420);
    let (deps, bell) = (CommandDeps::new(&system), Bell::new(&system));
    let of = |label: &str| {
        system.queue_jobs(&NewJob {
            labels: vec![label.to_owned()],
            ..job()
        })[0]
    };
    let theirs = of("tpu");
    let reads = |system: &System| {
        system
            .world
            .calls()
            .get(&("webhook".to_owned(), "DynamoDB GetItem".to_owned()))
            .copied()
            .unwrap_or_default()
    };
    until(
        &system,
        10,
        "the first one was judged: by what was applied last, and by its record",
        |system| reads(system) == 2,
    )
    .await;
    apply(
        &deps,
        &bell,
        Some(1),
        &two(
            "max = 5",
            &SMALL.replace("\"self-hosted\", \"small\"", "\"gpu\""),
        ),
    )
    .await
    .unwrap();
    let ours = of("gpu");
    done(&system, 300, &[ours]).await;
    assert!(system.job(theirs).is_none(), "no file took it");
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_second_is_told_who_was_first_and_since_when() {
    let system = begin(406);
    let now = system.world.clock.now();
    let other = ledger(&system)
        .acquire_apply_lock("user/bob", &FileHash::of("his"), now)
        .await
        .unwrap()
        .unwrap();
    let (deps, bell) = (CommandDeps::new(&system), Bell::new(&system));
    let refused = apply(&deps, &bell, Some(1), "x").await.unwrap_err();
    assert!(
        refused
            .problem
            .starts_with("user/bob has been applying a pools file since 20"),
        "{refused}"
    );
    assert!(
        refused.hint.contains("nothing was changed") && refused.hint.contains("or after 20"),
        "{refused}"
    );
    assert_eq!(
        system
            .world
            .parameters
            .get("/mayfly/mayfly/pools")
            .unwrap()
            .1,
        1
    );
    assert!(bell.woken.lock().unwrap().is_empty());
    ledger(&system)
        .release_apply_lock(&other, ApplyEnd::NotWritten)
        .await
        .unwrap();
    assert_eq!(
        apply(&deps, &bell, Some(1), &pool_with("max = 1"))
            .await
            .unwrap()
            .version,
        2
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_died_while_he_applied_keeps_others_out_for_a_minute() {
    let system = begin(407);
    ledger(&system)
        .acquire_apply_lock("user/bob", &FileHash::of("his"), system.world.clock.now())
        .await
        .unwrap()
        .unwrap();
    let (deps, bell) = (CommandDeps::new(&system), Bell::new(&system));
    system.pass(59).await;
    assert!(apply(&deps, &bell, Some(1), "x").await.is_err());
    system.pass(2).await;
    assert_eq!(
        apply(&deps, &bell, Some(1), &pool_with("max = 1"))
            .await
            .unwrap()
            .version,
        2
    );
}

#[tokio::test(start_paused = true)]
async fn of_two_at_the_same_moment_one_applies() {
    let system = begin(408);
    let (deps, bell) = (CommandDeps::new(&system), Bell::new(&system));
    let (one, other) = (pool_with("max = 1"), pool_with("max = 2"));
    let (one, other) = futures::join!(
        apply_as("alice", &deps, &bell, Some(1), &one),
        apply_as("bob", &deps, &bell, Some(1), &other)
    );
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    assert_eq!(
        system
            .world
            .parameters
            .get("/mayfly/mayfly/pools")
            .unwrap()
            .1,
        2
    );
}

#[tokio::test(start_paused = true)]
async fn a_version_since_the_plan_is_not_overwritten() {
    let system = begin(409);
    system.world.parameters.put_pools(&pool_with("max = 7"));
    let (deps, bell) = (CommandDeps::new(&system), Bell::new(&system));
    let refused = apply(&deps, &bell, Some(1), &pool_with("max = 1"))
        .await
        .unwrap_err();
    assert_eq!(
        refused.problem,
        "version 2 was applied by author-of-2 at 2026-11-22T14:00:00Z, and the plan was made from version 1"
    );
    assert_eq!(active_pools(&system).unwrap().get(&linux()).unwrap().max, 7);
    let none = apply(&deps, &bell, None, &pool_with("max = 1"))
        .await
        .unwrap_err();
    assert!(
        none.problem
            .ends_with("the plan was made when there was none"),
        "{none}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_write_by_other_means_in_that_very_moment_is_told() {
    let system = begin(410);
    let bell = Bell::new(&system);
    let by_hand = pool_with("max = 7");
    let between =
        Arc::new(move |system: &System| drop(system.world.parameters.put_pools(&by_hand)));
    let deps = CommandDeps {
        before_write: Some(between),
        ..CommandDeps::new(&system)
    };
    let applied = apply(&deps, &bell, Some(1), &pool_with("max = 1"))
        .await
        .unwrap();
    assert_eq!((applied.version, applied.replaced), (3, vec![2]));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_got_lost_is_looked_for() {
    let system = begin(411);
    let bell = Bell::new(&system);
    let deps = CommandDeps {
        silent: true,
        ..CommandDeps::new(&system)
    };
    assert_eq!(
        apply(&deps, &bell, Some(1), &pool_with("max = 1"))
            .await
            .unwrap()
            .version,
        2
    );
    // Someone else's file is there instead: no one knows what became of ours.
    let by_hand = pool_with("max = 7");
    let faults = LostWrites {
        deps: CommandDeps {
            silent: true,
            ..CommandDeps::new(&system)
        },
        instead: by_hand,
    };
    let clock = || system.world.clock.now();
    let ledger = ledger(&system);
    let means = Means {
        ledger: &ledger,
        parameter: &faults,
        wakes: &bell,
        clock: &clock,
    };
    let text = pool_with("max = 2");
    let refused = carry_out(
        &means,
        Change {
            by: "alice",
            from: Some(2),
            text: &text,
            pools: &[],
        },
    )
    .await
    .unwrap_err();
    assert!(
        refused
            .problem
            .starts_with("the file may or may not have been written: timed out"),
        "{refused}"
    );
}

/// Writes another text than the one it was given, and does not answer.
struct LostWrites<'a> {
    deps: CommandDeps<'a>,
    instead: String,
}

#[async_trait::async_trait]
impl mayfly_cli::deployment::pools_store::PoolsStore for LostWrites<'_> {
    async fn version(
        &self,
        number: Option<u64>,
    ) -> Result<Option<mayfly_cli::deployment::pools_store::Version>, Failure> {
        self.deps.version(number).await
    }

    async fn author(&self, number: u64) -> Option<String> {
        self.deps.author(number).await
    }

    async fn write(
        &self,
        _: &str,
        first: bool,
    ) -> Result<mayfly_cli::deployment::pools_store::Written, Failure> {
        self.deps.write(&self.instead, first).await
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_too_slow_writes_nothing() {
    let system = begin(412);
    let (deps, bell) = (
        CommandDeps {
            slow: Some(21),
            ..CommandDeps::new(&system)
        },
        Bell::new(&system),
    );
    let refused = apply(&deps, &bell, Some(1), &pool_with("max = 1"))
        .await
        .unwrap_err();
    assert!(refused.hint.starts_with("nothing was changed"), "{refused}");
    assert_eq!(
        system
            .world
            .parameters
            .get("/mayfly/mayfly/pools")
            .unwrap()
            .1,
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_wake_that_cannot_be_sent_is_no_failure() {
    let system = begin(413);
    struct Deaf;
    #[async_trait::async_trait]
    impl mayfly_queue::Wakes for Deaf {
        async fn wake(&self, pool: &PoolName) -> Result<(), mayfly_queue::NotSent> {
            Err(mayfly_queue::NotSent {
                pool: pool.clone(),
                reason: "no".to_owned(),
            })
        }
    }
    let (deps, ledger) = (CommandDeps::new(&system), ledger(&system));
    let clock = || system.world.clock.now();
    let means = Means {
        ledger: &ledger,
        parameter: &deps,
        wakes: &Deaf,
        clock: &clock,
    };
    let text = pool_with("max = 1");
    let applied = carry_out(
        &means,
        Change {
            by: "alice",
            from: Some(1),
            text: &text,
            pools: &[linux()],
        },
    )
    .await
    .unwrap();
    assert_eq!((applied.version, applied.not_woken), (2, vec![linux()]));
}

#[tokio::test(start_paused = true)]
async fn pools_tells_what_is_in_force_and_what_drains() {
    let system = busy_system(414).await;
    let before = active_pools(&system).unwrap();
    let newest = CommandDeps::new(&system)
        .version(None)
        .await
        .unwrap()
        .unwrap();
    let known = Known {
        newest: &newest,
        author: Some("assumed-role/Admin/alice".to_owned()),
        pools: &before,
    };
    let answer = pools::report::gather(&ledger(&system), &known)
        .await
        .unwrap();
    let at = Timestamp::from_millis(1_795_356_000_000 + 192_000);
    insta::assert_snapshot!("pools_text", bare(&pools::text::text(&answer, at, None)));
    insta::assert_json_snapshot!("pools_json", answer);

    system
        .world
        .parameters
        .put_pools(&format!("[github]\naccounts = [\"acme\"]\n{GPU}"));
    system.pass(120).await;
    system
        .world
        .parameters
        .put_pools("[pools.linux]\nlabels = 7");
    let newest = CommandDeps::new(&system)
        .version(None)
        .await
        .unwrap()
        .unwrap();
    let good = parse(
        &CommandDeps::new(&system)
            .version(Some(2))
            .await
            .unwrap()
            .unwrap()
            .text,
        2,
    )
    .unwrap();
    let answer = pools::report::gather(
        &ledger(&system),
        &Known {
            newest: &newest,
            author: None,
            pools: &good,
        },
    )
    .await
    .unwrap();
    assert_eq!((answer.version, answer.broken), (2, Some(3)));
    assert_eq!(
        answer
            .draining
            .iter()
            .map(|pool| (pool.pool.as_str(), pool.now.busy))
            .collect::<Vec<_>>(),
        [("linux", 2)]
    );
    let words = bare(&pools::text::text(&answer, system.world.clock.now(), None));
    assert!(
        words.contains("version 3 is broken: version 2 stays active")
            && words.contains("linux has been gone for "),
        "{words}"
    );
}

/// What `mayfly pools --file` prints is what was applied: whatever is in the file.
#[tokio::test(start_paused = true)]
async fn a_file_comes_back_to_the_byte() {
    let system = begin(415);
    let text = format!(
        "# Grüße\r\n{}\t# no newline at the end",
        pool_with("max = 2")
    );
    apply(
        &CommandDeps::new(&system),
        &Bell::new(&system),
        Some(1),
        &text,
    )
    .await
    .unwrap();
    assert_eq!(
        CommandDeps::new(&system)
            .version(None)
            .await
            .unwrap()
            .unwrap()
            .text,
        text
    );
    assert_eq!(
        CommandDeps::new(&system).version(Some(9)).await.unwrap(),
        None
    );
    let job = queue_one(&system);
    done(&system, 240, &[job]).await;
}
