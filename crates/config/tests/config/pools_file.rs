//! The pools file: what a good one means, and what is said about every kind of bad one.

use std::fmt::Write as _;
use std::time::Duration;

use mayfly_config::pools_file::{Review, Vcpus, parse, review};
use mayfly_domain::model::id::{OwnerId, PoolName};
use mayfly_domain::model::label::Labels;
use mayfly_domain::model::metric::MetricsLevel;
use mayfly_domain::model::pool::{Account, Pool, RepositoryPattern};
use mayfly_domain::model::price::{
    BasisPoints, HostedPrices, NanoDollars, OwnPrices, OwnTaskPrices,
};
use mayfly_domain::model::size::{Architecture, Capacity, Size};
use mayfly_domain::model::target::Scope;

/// Nothing wrong with it; the cases below spoil one line each.
const GOOD: &str = r#"[github]
accounts = ["acme"]

[pools.linux]
labels = ["self-hosted", "linux", "x64", "mayfly"]
cpu = 2
memory = "8 GiB"
max = 50
"#;

#[expect(clippy::unwrap_used, reason = "helper of tests")]
fn name(name: &str) -> PoolName {
    name.parse().unwrap()
}

fn problems(text: &str) -> Vec<String> {
    parse(text, 1)
        .err()
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn the_shortest_good_file_has_the_documented_defaults() {
    let pools = parse(GOOD, 7).unwrap();
    assert_eq!(pools.version, 7);
    assert_eq!(
        pools.accounts,
        [Account {
            login: "acme".into(),
            id: None
        }]
    );
    let size = Size {
        cpu: 2048,
        memory_mib: 8192,
        disk_gib: 20,
        architecture: Architecture::X64,
        capacity: Capacity::OnDemand,
    };
    let expected = Pool {
        labels: ["self-hosted", "linux", "x64", "mayfly"]
            .into_iter()
            .collect(),
        image: "ghcr.io/actions/actions-runner:latest".into(),
        max: 50,
        ..Pool::removed(name("linux"), size)
    };
    assert_eq!(pools.pools, [expected]);
}

#[test]
fn every_key_is_read_and_a_pool_overrides_the_defaults() {
    let pools = parse(
        r#"
        [github]
        accounts = ["acme", { login = "Umbrella", id = 42 }]

        [defaults]
        image = "registry.example.com:5000/team/runner:1"
        idle_timeout = "5m"
        disk = "50 GiB"
        capacity = "spot"
        runner_group = "Default"

        [pools.linux]
        labels = ["mayfly"]
        cpu = 0.25
        memory = "512 MiB"
        max = 1

        [pools.linux-arm64]
        labels = ["Big", "arm64"]
        any = true
        priority = -3
        scope = "organization"
        runner_group = "builders"
        repositories = ["acme/*", "*/tools"]
        public = true
        cpu = 16
        memory = "120GiB"
        disk = "200 GiB"
        capacity = "on-demand"
        max = 20
        max_per_repository = 4
        min_idle = 2
        image = "runner@sha256:0123456789012345678901234567890123456789012345678901234567890123"
        task_role = "deploy"
        idle_timeout = "90s"
        max_lifetime = "5d"
        [pools.cheap]
        labels = ["cheap"]
        cpu = 1
        memory = "2 GiB"
        max = 1
        rerun_interrupted = true
        "#,
        1,
    )
    .unwrap();
    assert_eq!(
        pools.accounts[1],
        Account {
            login: "Umbrella".into(),
            id: Some(OwnerId(42))
        }
    );
    let small = Size {
        cpu: 256,
        memory_mib: 512,
        disk_gib: 50,
        architecture: Architecture::X64,
        capacity: Capacity::Spot,
    };
    let linux = pools.get(&name("linux")).unwrap();
    assert_eq!(
        (linux.size, &linux.scope, linux.image.as_str()),
        (
            small,
            &Scope::Repository,
            "registry.example.com:5000/team/runner:1"
        )
    );
    let expected = Pool {
        name: name("linux-arm64"),
        labels: Labels::from_iter(["Big", "arm64"]),
        any: true,
        priority: -3,
        scope: Scope::Organization {
            group: "builders".into(),
        },
        repositories: vec![
            RepositoryPattern("acme/*".into()),
            RepositoryPattern("*/tools".into()),
        ],
        public: true,
        size: Size {
            cpu: 16384,
            memory_mib: 122_880,
            disk_gib: 200,
            architecture: Architecture::Arm64,
            capacity: Capacity::OnDemand,
        },
        image: "runner@sha256:0123456789012345678901234567890123456789012345678901234567890123"
            .into(),
        task_role: Some("deploy".into()),
        max: 20,
        max_per_repository: Some(4),
        min_idle: 2,
        idle_timeout: Duration::from_secs(90),
        max_lifetime: Duration::from_secs(432_000),
        rerun_interrupted: false,
    };
    assert!(pools.get(&name("cheap")).unwrap().rerun_interrupted);
    assert_eq!(pools.get(&name("linux-arm64")), Some(&expected));
    assert_eq!(expected.labels.iter().collect::<Vec<_>>(), ["arm64", "Big"]);
}

#[test]
fn the_level_of_metrics_is_basic_unless_the_file_says_otherwise() {
    let level = |file: &str| parse(file, 1).unwrap().metrics;
    assert_eq!(level(GOOD), MetricsLevel::Basic);
    assert_eq!(level(&format!("{GOOD}\n[metrics]\n")), MetricsLevel::Basic);
    for (word, expected) in MetricsLevel::WORDS {
        let file = format!("{GOOD}\n[metrics]\nlevel = \"{word}\"\n");
        assert_eq!(level(&file), expected);
    }
}

#[test]
fn records_are_kept_for_half_a_year_unless_the_file_says_otherwise() {
    assert_eq!(parse(GOOD, 1).unwrap().keep.days(), 180);
    for (text, days) in [("30d", 30), ("3650d", 3_650), (" 400 d", 400)] {
        let pools = parse(&format!("{GOOD}\n[history]\nkeep = {text:?}"), 1).unwrap();
        assert_eq!(pools.keep.days(), days);
    }
    let nothing = parse(&format!("{GOOD}\n[history]"), 1).unwrap();
    assert_eq!(nothing.keep.days(), 180);
}

#[test]
fn prices_are_read_and_are_the_lists_where_nothing_is_said() {
    assert_eq!(parse(GOOD, 1).unwrap().prices, OwnPrices::default());
    let prices = r#"
        [prices]
        discount = "12.5%"
        disk_gib_hour = 0.000132
        public_ipv4_hour = 0
        [prices.x64]
        vcpu_hour = 0.04656
        gib_hour = 0.00511
        spot_vcpu_hour = 0.014
        spot_gib_hour = 0.001540001
        github_minute = { 2 = 0.005, 4 = 0.01 }
        [prices.arm64]
        vcpu_hour = 1
        "#;
    let pools = parse(&format!("{GOOD}{prices}"), 1).unwrap();
    assert_eq!(
        pools.prices,
        OwnPrices {
            x64: OwnTaskPrices {
                vcpu_hour: Some(NanoDollars(46_560_000)),
                gib_hour: Some(NanoDollars(5_110_000)),
                spot_vcpu_hour: Some(NanoDollars(14_000_000)),
                spot_gib_hour: Some(NanoDollars(1_540_001)),
                hosted: HostedPrices::from([
                    (2, NanoDollars(5_000_000)),
                    (4, NanoDollars(10_000_000))
                ]),
            },
            arm64: OwnTaskPrices {
                vcpu_hour: Some(NanoDollars(1_000_000_000)),
                ..OwnTaskPrices::default()
            },
            disk_gib_hour: Some(NanoDollars(132_000)),
            public_ipv4_hour: Some(NanoDollars(0)),
            discount: BasisPoints(1_250),
        }
    );
}

/// What is spoilt, the line of [`GOOD`] that it replaces (or follows, if it begins with `+`), and
/// the line instead.
const CASES: &[(&str, &str, &str)] = &[
    // Metrics.
    ("metrics that are no table", "+max = 50", "[[metrics]]"),
    (
        "unknown key among the metrics",
        "+max = 50",
        "[metrics]\nlevels = \"full\"",
    ),
    (
        "unknown level of metrics",
        "+max = 50",
        "[metrics]\nlevel = \"everything\"",
    ),
    (
        "level of metrics that is no word",
        "+max = 50",
        "[metrics]\nlevel = true",
    ),
    // Prices.
    ("prices that are no table", "+max = 50", "[[prices]]"),
    (
        "unknown key among the prices",
        "+max = 50",
        "[prices]\ndiscont = \"20%\"",
    ),
    (
        "price of a vCPU without an architecture",
        "+max = 50",
        "[prices]\nvcpu_hour = 0.04",
    ),
    (
        "price of the disk for one architecture",
        "+max = 50",
        "[prices.arm64]\ndisk_gib_hour = 0.0001",
    ),
    (
        "prices of an unknown architecture",
        "+max = 50",
        "[prices.x86]\nvcpu_hour = 0.04",
    ),
    (
        "unknown key among the prices of an architecture",
        "+max = 50",
        "[prices.x64]\nvcpu = 0.04",
    ),
    (
        "discount without a percent sign",
        "+max = 50",
        "[prices]\ndiscount = \"20\"",
    ),
    (
        "discount that is a number",
        "+max = 50",
        "[prices]\ndiscount = 20",
    ),
    (
        "discount of everything",
        "+max = 50",
        "[prices]\ndiscount = \"100%\"",
    ),
    (
        "price in quotes",
        "+max = 50",
        "[prices.x64]\nvcpu_hour = \"$0.04\"",
    ),
    (
        "negative price",
        "+max = 50",
        "[prices]\npublic_ipv4_hour = -0.005",
    ),
    (
        "price of another unit",
        "+max = 50",
        "[prices.x64]\ngib_hour = 444.5",
    ),
    (
        "price with too many decimals",
        "+max = 50",
        "[prices]\ndisk_gib_hour = 0.0001110001",
    ),
    (
        "price with an exponent",
        "+max = 50",
        "[prices.x64]\nspot_vcpu_hour = 1.2e-2",
    ),
    (
        "price of a hosted runner that there is not",
        "+max = 50",
        "[prices.arm64]\ngithub_minute = { 3 = 0.005 }",
    ),
    (
        "price of hosted runners for all sizes",
        "+max = 50",
        "[prices.x64]\ngithub_minute = 0.005",
    ),
    (
        "price of a hosted runner in quotes",
        "+max = 50",
        "[prices.x64]\ngithub_minute = { 2 = \"0.005\" }",
    ),
    // History.
    ("history that is no table", "+max = 50", "[[history]]"),
    (
        "unknown key in history",
        "+max = 50",
        "[history]\nkep = \"180d\"",
    ),
    ("keeping for a number", "+max = 50", "[history]\nkeep = 180"),
    ("keeping for years", "+max = 50", "[history]\nkeep = \"2y\""),
    (
        "keeping for too short",
        "+max = 50",
        "[history]\nkeep = \"14d\"",
    ),
    (
        "keeping for too long",
        "+max = 50",
        "[history]\nkeep = \"3651d\"",
    ),
    ("keeping for ever", "+max = 50", "[history]\nkeep = \"\""),
    // The file as a whole.
    ("unknown section", "+max = 50", "[pool.other]"),
    (
        "unknown key in a pool",
        "memory = \"8 GiB\"",
        "memroy = \"8 GiB\"",
    ),
    (
        "unknown key without a likeness",
        "+max = 50",
        "subnets = []",
    ),
    (
        "key that is the table's name",
        "+max = 50",
        "name = \"linux\"",
    ),
    (
        "unknown key in github",
        "+accounts = [\"acme\"]",
        "ulr = \"https://github.example.com\"",
    ),
    (
        "labels among the defaults",
        "+max = 50",
        "[defaults]\nlabels = [\"mayfly\"]\npriority = 1",
    ),
    (
        "unknown default",
        "+max = 50",
        "[defaults]\nidle_timout = \"5m\"",
    ),
    ("same pool twice", "+max = 50", "[pools.linux]\nmax = 3"),
    ("same key twice", "+max = 50", "max = 3"),
    ("not TOML", "cpu = 2", "cpu 2"),
    (
        "not TOML in several places",
        "cpu = 2",
        "cpu = \nlabels = [\"a\"\nmax = 1x",
    ),
    ("pool that is no table", "+max = 50", "[pools]\nother = 3"),
    // Accounts and URL.
    ("no section github", "[github]", "[githup]"),
    ("no accounts", "accounts = [\"acme\"]", "# accounts"),
    (
        "address of GitHub",
        "+accounts = [\"acme\"]",
        "url = \"https://github.example.com\"",
    ),
    ("empty accounts", "accounts = [\"acme\"]", "accounts = []"),
    (
        "accounts that are no list",
        "accounts = [\"acme\"]",
        "accounts = \"acme\"",
    ),
    (
        "same account twice",
        "accounts = [\"acme\"]",
        "accounts = [\"acme\", \"Acme\"]",
    ),
    (
        "account that is a path",
        "accounts = [\"acme\"]",
        "accounts = [\"acme/app\", \"\", 3]",
    ),
    (
        "account without login",
        "accounts = [\"acme\"]",
        "accounts = [{ id = 3 }, { login = \"a\", id = 0, nmae = \"\" }]",
    ),
    // Names.
    (
        "pool name too long",
        "[pools.linux]",
        "[pools.a-very-long-name-for-a-pool-x]",
    ),
    ("pool name with capitals", "[pools.linux]", "[pools.Linux]"),
    (
        "pool name with a dash at its end",
        "[pools.linux]",
        "[pools.linux-]",
    ),
    ("pool name empty", "[pools.linux]", "[pools.\"\"]"),
    // Labels.
    (
        "no labels",
        "labels = [\"self-hosted\", \"linux\", \"x64\", \"mayfly\"]",
        "",
    ),
    (
        "empty labels",
        "labels = [\"self-hosted\", \"linux\", \"x64\", \"mayfly\"]",
        "labels = []",
    ),
    (
        "same label twice",
        "labels = [\"self-hosted\", \"linux\", \"x64\", \"mayfly\"]",
        "labels = [\"mayfly\",\n  \"Mayfly\"]",
    ),
    (
        "labels in one string",
        "labels = [\"self-hosted\", \"linux\", \"x64\", \"mayfly\"]",
        "labels = \"self-hosted, mayfly\"",
    ),
    (
        "odd labels",
        "labels = [\"self-hosted\", \"linux\", \"x64\", \"mayfly\"]",
        "labels = [\"\", \"a,b\", \"a\\tb\", \" a\", 3, \"run=12\"]",
    ),
    (
        "default labels only",
        "labels = [\"self-hosted\", \"linux\", \"x64\", \"mayfly\"]",
        "labels = [\"self-hosted\", \"Linux\"]",
    ),
    (
        "both architectures",
        "labels = [\"self-hosted\", \"linux\", \"x64\", \"mayfly\"]",
        "labels = [\"x64\", \"ARM64\", \"mayfly\"]",
    ),
    (
        "architecture against the label",
        "+max = 50",
        "architecture = \"arm64\"",
    ),
    (
        "unknown architecture",
        "+max = 50",
        "architecture = \"amd64\"",
    ),
    // Size.
    ("no cpu", "cpu = 2", ""),
    ("no memory", "memory = \"8 GiB\"", ""),
    ("cpu in units", "cpu = 2", "cpu = 2048"),
    ("cpu that Fargate lacks", "cpu = 2", "cpu = 3"),
    ("cpu in quotes", "cpu = 2", "cpu = \"2\""),
    ("cpu not a number", "cpu = 2", "cpu = nan"),
    (
        "memory too small for the cpu",
        "memory = \"8 GiB\"",
        "memory = \"2 GiB\"",
    ),
    (
        "memory beyond Fargate",
        "memory = \"8 GiB\"",
        "memory = \"500 GiB\"",
    ),
    (
        "memory off the grid",
        "memory = \"8 GiB\"",
        "memory = \"4500 MiB\"",
    ),
    (
        "memory in decimal units",
        "memory = \"8 GiB\"",
        "memory = \"8 GB\"",
    ),
    ("memory without a unit", "memory = \"8 GiB\"", "memory = 8"),
    ("disk too small", "+max = 50", "disk = \"10 GiB\""),
    ("disk too large", "+max = 50", "disk = \"201 GiB\""),
    ("disk not in whole GiB", "+max = 50", "disk = \"30000 MiB\""),
    ("unknown capacity", "+max = 50", "capacity = \"on_demand\""),
    // Limits.
    ("no max", "max = 50", ""),
    ("max negative", "max = 50", "max = -1"),
    ("max in quotes", "max = 50", "max = \"50\""),
    ("max enormous", "max = 50", "max = 99999999999999999999"),
    ("min_idle above max", "+max = 50", "min_idle = 51"),
    (
        "max_per_repository 0",
        "+max = 50",
        "max_per_repository = 0",
    ),
    ("priority not whole", "+max = 50", "priority = 1.5"),
    ("public in quotes", "+max = 50", "public = \"true\""),
    // Scope.
    ("enterprise", "+max = 50", "scope = \"enterprise\""),
    ("unknown scope", "+max = 50", "scope = \"org\""),
    (
        "misspelt scope",
        "+max = 50",
        "scope = \"repo\"\ncapacity = \"spott\"",
    ),
    (
        "organization without a group",
        "+max = 50",
        "scope = \"organization\"",
    ),
    (
        "organization with an empty group",
        "+max = 50",
        "scope = \"organization\"\nrunner_group = \" \"",
    ),
    (
        "group at a repository",
        "+max = 50",
        "runner_group = \"Default\"",
    ),
    ("no repositories", "+max = 50", "repositories = []"),
    (
        "odd repositories",
        "+max = 50",
        "repositories = [\"app\", \"acme/\", \"acme/a/b\", \"acme/a b\", \"*\", 3]",
    ),
    (
        "repository of someone else",
        "+max = 50",
        "repositories = [\"ACME/app\", \"umbrella/app\", \"*/app\"]",
    ),
    // Image, role, times.
    ("image without a name", "+max = 50", "image = \":latest\""),
    (
        "image of a registry alone",
        "+max = 50",
        "image = \"ghcr.io/:latest\"",
    ),
    (
        "image with a space",
        "+max = 50",
        "image = \"runner latest\"",
    ),
    (
        "image with a colon at its end",
        "+max = 50",
        "image = \"runner:\"",
    ),
    (
        "image with a short digest",
        "+max = 50",
        "image = \"runner@sha256:abc\"",
    ),
    (
        "image in capitals",
        "+max = 50",
        "image = \"ghcr.io/Acme/runner\"",
    ),
    (
        "image as URL",
        "+max = 50",
        "image = \"https://ghcr.io/acme/runner\"",
    ),
    (
        "credentials for a registry",
        "+max = 50",
        "image_credentials = \"arn:aws:secretsmanager:eu-central-1:1:secret:ghcr-AbCdEf\"",
    ),
    (
        "credentials as ECS has them",
        "+max = 50",
        "repositoryCredentials = { credentialsParameter = \"arn\" }",
    ),
    (
        "credentials as Kubernetes has them",
        "+max = 50",
        "imagePullSecrets = [\"ghcr\"]",
    ),
    ("empty image", "+max = 50", "image = \"\""),
    (
        "role as ARN",
        "+max = 50",
        "task_role = \"arn:aws:iam::1:role/deploy\"",
    ),
    ("empty role", "+max = 50", "task_role = \"\""),
    (
        "duration without a unit",
        "+max = 50",
        "idle_timeout = \"5\"",
    ),
    ("duration as a number", "+max = 50", "idle_timeout = 300"),
    (
        "idle_timeout too short",
        "+max = 50",
        "idle_timeout = \"59s\"",
    ),
    (
        "idle_timeout too long",
        "+max = 50",
        "idle_timeout = \"61m\"",
    ),
    (
        "max_lifetime too short",
        "+max = 50",
        "max_lifetime = \"9m\"",
    ),
    (
        "max_lifetime too long",
        "+max = 50",
        "max_lifetime = \"6d\"",
    ),
    ("rerun as text", "+max = 50", "rerun_interrupted = \"yes\""),
];

fn spoilt(line: &str, instead: &str) -> String {
    let old = line.strip_prefix('+').unwrap_or(line);
    assert!(
        GOOD.contains(&format!("{old}\n")),
        "{old:?} is a line of the good file"
    );
    let new = if line.starts_with('+') {
        format!("{old}\n{instead}\n")
    } else {
        format!("{instead}\n")
    };
    GOOD.replace(&format!("{old}\n"), &new)
}

#[test]
fn every_kind_of_mistake_has_its_line_and_its_advice() {
    let mut said = String::new();
    for (title, line, instead) in CASES {
        let problems = problems(&spoilt(line, instead));
        assert!(!problems.is_empty(), "{title}: nothing was said");
        let _ = writeln!(said, "# {title}\n{}\n", problems.join("\n"));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = "[github]\naccounts = []\n[pools.a]\nlabels = [\"a\", \"A\"]\ncpu = 3\nmemory = \"8\"\nmax = -1\n[pools.B]\nlabels = [\"b\"]\n";
    assert_eq!(problems(text).len(), 9, "{:#?}", problems(text));
}

/// Pausing a pool is one key, whatever the others say.
#[test]
fn a_pool_with_max_0_is_paused_and_that_is_told_without_a_warning() {
    let text = spoilt("max = 50", "max = 0\nmax_per_repository = 3\nmin_idle = 2");
    let Review {
        pools,
        warnings,
        notes,
    } = review(&text, 1, Vcpus::default());
    let pools = pools.unwrap();
    assert_eq!(
        (
            pools.pools[0].is_paused(),
            pools.pools[0].min_idle,
            pools.pools[0].floor()
        ),
        (true, 2, 0)
    );
    assert_eq!(warnings, []);
    assert_eq!(
        notes,
        [
            "pool linux is paused (max = 0): it takes jobs, but starts no runners until max is raised"
        ]
    );
    assert_eq!(review(GOOD, 1, Vcpus::default()).notes, [""; 0]);
}

#[test]
fn a_mistake_in_the_defaults_is_told_once_and_where_it_is() {
    let text = format!(
        "{GOOD}[pools.other]\nlabels = [\"other\"]\ncpu = 1\nmemory = \"2 GiB\"\nmax = 1\n[defaults]\ndisk = \"1 TiB\"\n"
    );
    let said = problems(&text);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("line 15: defaults.disk: "), "{said:?}");
}

#[test]
fn a_file_without_pools_is_refused() {
    for text in ["", "[github]\naccounts = [\"acme\"]\n"] {
        assert!(
            problems(text)
                .iter()
                .any(|said| said.contains("there is no pool")),
            "{text:?}: {:?}",
            problems(text)
        );
    }
    let drained =
        mayfly_config::pools_file::parse("[github]\naccounts = [\"acme\"]\n[pools]\n", 1).unwrap();
    assert_eq!(drained.pools.len(), 0, "an empty [pools] drains everything");
}

#[test]
fn a_file_that_ssm_would_not_keep_is_refused() {
    let fill = "#".repeat(8 * 1024 - GOOD.len());
    assert_eq!(problems(&format!("{GOOD}{fill}")), Vec::<String>::new());
    let said = problems(&format!("{GOOD}{fill}#"));
    assert_eq!(
        said,
        [
            "line 1: the file has 8193 bytes (SSM keeps at most 8192: shorten comments, or move what pools share to [defaults])"
        ]
    );
}

#[test]
fn too_many_and_too_long_labels_are_refused() {
    let with = |labels: Vec<String>| {
        GOOD.replace(
            r#"["self-hosted", "linux", "x64", "mayfly"]"#,
            &format!("{labels:?}"),
        )
    };
    let many = |count: usize| (0..count).map(|i| format!("l{i}")).collect();
    assert_eq!(problems(&with(many(100))), Vec::<String>::new());
    assert_eq!(
        problems(&with(many(101))),
        [
            "line 5: pools.linux.labels: there are 101 labels (GitHub registers a runner with at most 100)"
        ]
    );
    assert_eq!(problems(&with(vec!["ä".repeat(256)])), Vec::<String>::new());
    let said = problems(&with(vec!["ä".repeat(257)]));
    assert!(
        said[0].ends_with("… is too long (GitHub allows 256 characters)"),
        "{said:?}"
    );
}

#[test]
fn place_is_counted_in_characters() {
    let problem = &parse(&GOOD.replace("cpu = 2", "\"ä\" = 1\n  cpu = 3"), 1).unwrap_err()[1];
    assert_eq!(
        (problem.line, problem.column, problem.path.as_str()),
        (7, 3, "pools.linux.cpu")
    );
}

fn warnings(text: &str, on_demand: Option<u32>) -> Vec<String> {
    let review = review(
        text,
        1,
        Vcpus {
            on_demand,
            spot: None,
        },
    );
    assert!(review.pools.is_ok(), "{:?}", review.pools);
    review.warnings.iter().map(ToString::to_string).collect()
}

/// A pool of this name, with these lines besides.
fn pool_with(name: &str, lines: &str) -> String {
    format!("[pools.{name}]\ncpu = 2\nmemory = \"8 GiB\"\n{lines}\n")
}

const HEAD: &str = "[github]\naccounts = [\"acme\"]\n";

#[test]
fn a_plain_file_raises_no_doubt() {
    assert_eq!(warnings(GOOD, Some(100)), Vec::<String>::new());
}

#[test]
fn what_is_possible_but_surely_not_meant_is_doubted_where_it_stands() {
    let one = |lines: &str| format!("{HEAD}{}", pool_with("linux", lines));
    let cases = [
        (
            one("labels = [\"mayfly\", \"Ubuntu-Latest\"]\nmax = 2"),
            "line 6: pools.linux.labels: Ubuntu-Latest is what GitHub calls runners",
        ),
        (
            one(
                "labels = [\"mayfly\"]\nmax = 2\npublic = true\ntask_role = \"deploy\"\nrepositories = [\"acme/app\"]",
            ),
            "line 8: pools.linux.public: anyone who can open",
        ),
        (
            one("labels = [\"mayfly\"]\nmax = 2\ntask_role = \"deploy\""),
            "line 8: pools.linux.task_role: anyone who can push a branch to any repository of acme gets this role (list repositories",
        ),
        (
            one(
                "labels = [\"mayfly\"]\nmax = 2\ntask_role = \"deploy\"\nrepositories = [\"acme/app\", \"acme/*\"]",
            ),
            "line 8: pools.linux.task_role: anyone who can push a branch to any repository of acme gets this role",
        ),
        (
            one(
                "labels = [\"mayfly\"]\nmax = 2\nscope = \"organization\"\nrunner_group = \"default\"\nrepositories = [\"acme/app\"]",
            ),
            "line 9: pools.linux.runner_group: all of the organization's repositories",
        ),
        (
            one("labels = [\"mayfly\"]\nmax = 2\nmax_per_repository = 3"),
            "line 8: pools.linux.max_per_repository: is above the pool's max of 2",
        ),
        (
            one("labels = [\"mayfly\"]\nmax = 4"),
            "line 7: pools.linux.max: 4 runners of 2 vCPU need 8 vCPU, and the account may run 6",
        ),
    ];
    for (text, begins) in cases {
        let said = warnings(&text, Some(6));
        assert!(
            said.len() == 1 && said[0].starts_with(begins),
            "{text}\n{said:?}"
        );
    }
}

#[test]
fn a_role_for_repositories_by_name_raises_no_doubt() {
    let lines = "labels = [\"mayfly\"]\nmax = 2\ntask_role = \"deploy\"\nrepositories = [\"acme/app\", \"acme/deploy-*\"]";
    assert_eq!(
        warnings(&format!("{HEAD}{}", pool_with("linux", lines)), None),
        Vec::<String>::new()
    );
}

fn notes(text: &str) -> Vec<String> {
    let review = review(text, 1, Vcpus::default());
    assert!(review.pools.is_ok(), "{:?}", review.pools);
    review.notes
}

#[test]
fn a_file_that_fills_up_is_told_and_one_that_is_full_is_refused() {
    let filled = |bytes: usize| format!("{GOOD}#{}", " ".repeat(bytes - GOOD.len() - 1));
    assert_eq!(notes(&filled(4096)), Vec::<String>::new());
    assert_eq!(
        notes(&filled(6144)),
        ["the file has 6144 of at most 8192 bytes (75 %)"]
    );
    assert_eq!(
        notes(&filled(8192)),
        ["the file has 8192 of at most 8192 bytes (100 %)"]
    );
    assert!(problems(&filled(8193))[0].contains("SSM keeps at most 8192"));
}

#[test]
fn several_accounts_need_an_app_that_others_may_install() {
    let two = GOOD.replace("[\"acme\"]", "[\"acme\", \"globex\"]");
    assert!(
        notes(&two)[0].starts_with("several accounts are served, but GitHub lets a private App"),
        "{:?}",
        notes(&two)
    );
    assert_eq!(notes(GOOD), Vec::<String>::new());
}

#[test]
fn what_ssm_refuses_in_any_value_is_a_problem_where_it_stands() {
    for line in [
        "# by {{template}}",
        "# {{ssm:other}}",
        "image = \"registry/{{name}}\"",
    ] {
        let text = GOOD.replace("max = 50", &format!("max = 50\n{line}"));
        let told = problems(&text);
        assert!(
            told[0].starts_with("line 9: SSM refuses values with {{...}}"),
            "{told:?}"
        );
    }
    for line in ["# {one} {{ alone", "# {a = {b = 1}}"] {
        assert!(
            parse(&GOOD.replace("max = 50", &format!("max = 50\n{line}")), 1).is_ok(),
            "{line}"
        );
    }
}

#[test]
fn a_doubt_about_a_default_stands_at_the_default() {
    let text = format!(
        "{HEAD}[defaults]\nmax_per_repository = 9\n{}",
        pool_with("linux", "labels = [\"mayfly\"]\nmax = 2")
    );
    assert!(warnings(&text, None)[0].starts_with("line 4: defaults.max_per_repository: "));
}

#[test]
fn a_pool_that_no_job_can_reach_is_found() {
    let two =
        |one: &str, other: &str| format!("{HEAD}{}{}", pool_with("a", one), pool_with("b", other));
    let unreachable = [
        two("labels = [\"m\"]\nmax = 2", "labels = [\"M\"]\nmax = 2"),
        two(
            "labels = [\"m\", \"n\"]\npriority = 1\nmax = 2",
            "labels = [\"m\"]\nmax = 2",
        ),
        two(
            "labels = [\"m\"]\nmax = 2\nrepositories = [\"acme/*\"]",
            "labels = [\"m\"]\nmax = 2\nrepositories = [\"acme/app\"]",
        ),
        two(
            "labels = [\"m\"]\nmax = 2\npublic = true",
            "labels = [\"m\"]\nmax = 2\npublic = true",
        ),
    ];
    for text in unreachable {
        let said = warnings(&text, None);
        assert!(
            said.len() == 1 && said[0].contains("pools.b.labels: this pool never gets a job"),
            "{text}\n{said:?}"
        );
    }
    let reachable = [
        two(
            "labels = [\"m\", \"n\"]\nmax = 2",
            "labels = [\"m\"]\nmax = 2",
        ),
        two(
            "labels = [\"m\"]\nmax = 2\nrepositories = [\"acme/lib\"]",
            "labels = [\"m\"]\nmax = 2\nrepositories = [\"acme/app\"]",
        ),
        two(
            "labels = [\"m\", \"linux\"]\nmax = 2",
            "labels = [\"linux\", \"m\", \"n\"]\nany = true\nmax = 2",
        ),
    ];
    for text in reachable {
        assert_eq!(warnings(&text, None), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn pools_with_the_same_labels_are_doubted_where_both_may_serve() {
    let text = format!(
        "{HEAD}{}{}",
        pool_with(
            "a",
            "labels = [\"m\"]\nmax = 2\nrepositories = [\"acme/app\"]"
        ),
        pool_with("b", "labels = [\"m\"]\nmax = 2")
    );
    let said = warnings(&text, None);
    assert!(
        said.len() == 1
            && said[0]
                .contains("pools.b.labels: has the same labels as pool a, which is preferred"),
        "{said:?}"
    );
}

#[test]
fn pools_that_fit_one_by_one_and_not_together_are_doubted() {
    let text = format!(
        "{HEAD}{}{}",
        pool_with("a", "labels = [\"m\"]\nmax = 2"),
        pool_with("b", "labels = [\"n\"]\nmax = 2")
    );
    assert_eq!(warnings(&text, Some(8)), Vec::<String>::new());
    let said = warnings(&text, Some(7));
    assert!(
        said.len() == 1
            && said[0].contains("pools.b.max: with all pools at their max 8 vCPU would run"),
        "{said:?}"
    );
}

#[test]
fn nothing_is_doubted_in_a_file_with_problems() {
    let review = review(
        "[pools.linux]\nlabels = [\"ubuntu-latest\"]",
        1,
        Vcpus::default(),
    );
    assert!(review.pools.is_err() && review.warnings.is_empty());
}

/// The files that newcomers start from, and what each is there to show.
const EXAMPLES: [(&str, &str); 3] = [
    (
        "one-team",
        include_str!("../../../../examples/one-team.toml"),
    ),
    (
        "twelve-services",
        include_str!("../../../../examples/twelve-services.toml"),
    ),
    (
        "organization",
        include_str!("../../../../examples/organization.toml"),
    ),
];

#[test]
fn every_example_is_good_and_leaves_nothing_to_doubt() {
    for (name, text) in EXAMPLES {
        let Review {
            pools, warnings, ..
        } = review(text, 1, Vcpus::default());
        let pools = pools.unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
        assert_eq!(
            warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [""; 0],
            "{name}"
        );
        assert!(
            !pools.pools.is_empty() && text.starts_with("# For "),
            "{name} begins by saying for whom it is"
        );
    }
}

#[test]
fn there_is_no_example_that_is_not_read_here() {
    let folder = std::path::PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap())
        .join("../../examples");
    let mut found: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".toml"))
        .collect();
    found.sort();
    let mut read: Vec<String> = EXAMPLES.map(|(name, _)| format!("{name}.toml")).to_vec();
    read.sort();
    assert_eq!(found, read);
}

#[test]
fn the_examples_show_what_they_say() {
    let [team, services, organization] = EXAMPLES.map(|(_, text)| parse(text, 1).unwrap());
    let all = |pools: &[Pool], holds: &dyn Fn(&Pool) -> bool| pools.iter().all(holds);
    assert_eq!(team.pools.len(), 1);
    assert!(all(&services.pools, &|pool| pool.repositories.len() == 12
        && pool.max_per_repository.is_some()));
    assert!(all(&organization.pools, &|pool| matches!(
        pool.scope,
        Scope::Organization { .. }
    )));
    assert!(all(&organization.pools, &|pool| pool.task_role.is_none()
        || (!pool.public && !pool.repositories.is_empty())));
    assert_eq!(
        organization
            .pools
            .iter()
            .filter(|pool| pool.task_role.is_some())
            .count(),
        2
    );
}
