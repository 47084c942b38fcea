//! The admission table: which job may run on which runner.

use mayfly_domain::model::id::{OwnerId, RepositoryId, RunId};
use mayfly_domain::model::pool::{Pool, RepositoryPattern};
use mayfly_domain::model::runner::{Runner, RunnerState};
use mayfly_domain::model::story::Reason;
use mayfly_domain::model::target::{Target, TargetScope};
use mayfly_domain::transitions::admission::{Admission, AdmissionRequest, admit, decided};
use mayfly_domain::transitions::changes::Changes;

use crate::fixture::builders::{NOW, busy, pool, registered, target};

fn of_repository() -> Runner {
    registered(1, 1, target(1, "mayfly"))
}

fn admitted(runner: Runner) -> Runner {
    Runner {
        admitted_at: Some(NOW),
        ..runner
    }
}

fn of_organization() -> Runner {
    let scope = TargetScope::Organization {
        id: OwnerId(9),
        login: "acme".into(),
        group: "Default".into(),
    };
    let whole = registered(
        1,
        1,
        Target {
            scope,
            ..target(1, "mayfly")
        },
    );
    Runner {
        repository: Some(RepositoryId(1)),
        ..whole
    }
}

fn request(id: i64, name: &str) -> AdmissionRequest {
    AdmissionRequest {
        runner: "linux/00000000000000000000000001".into(),
        run_id: 7,
        run_attempt: 1,
        repository: name.into(),
        repository_id: id,
        workflow_ref: "acme/app-1/.github/workflows/ci.yml@refs/heads/main".into(),
        r#ref: "refs/heads/main".into(),
        event: "push".into(),
    }
}

fn listing(pattern: &str) -> Pool {
    Pool {
        repositories: vec![RepositoryPattern(pattern.into())],
        ..pool()
    }
}

/// The reason of the refusal; none if admitted.
fn refused(
    runner: &Runner,
    pool: Option<&Pool>,
    request: &AdmissionRequest,
    private: Option<bool>,
) -> Option<String> {
    let (admission, changes) = admit(runner, pool, request, private, NOW);
    match admission {
        Admission::Admitted => None,
        Admission::Refused(why) => {
            let after = changes.runner.unwrap();
            assert_eq!(
                (after.state, after.refused.as_ref()),
                (RunnerState::Busy, Some(&why))
            );
            assert_eq!(
                after.repository, runner.repository,
                "a refused caller counts for a repository that it named itself"
            );
            Some(why.to_string())
        }
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn a_job_runs_where_its_runner_is_registered_and_its_pool_says_so() {
    let app = request(1, "acme/app-1");
    let public = Pool {
        public: true,
        ..pool()
    };
    let cases = [
        (of_repository(), pool(), app.clone(), Some(true), ""),
        (
            of_repository(),
            pool(),
            request(1, "acme/renamed"),
            Some(true),
            "",
        ),
        (
            of_repository(),
            pool(),
            request(2, "acme/app-1"),
            Some(true),
            "not registered for repository",
        ),
        (
            of_repository(),
            pool(),
            app.clone(),
            Some(false),
            "is public",
        ),
        (of_repository(), pool(), app.clone(), None, "is public"),
        (
            of_repository(),
            public.clone(),
            app.clone(),
            Some(false),
            "",
        ),
        (of_repository(), public, app.clone(), None, ""),
        (
            of_repository(),
            listing("acme/app-*"),
            app.clone(),
            Some(true),
            "",
        ),
        (
            of_repository(),
            listing("acme/lib-*"),
            app.clone(),
            Some(true),
            "does not list",
        ),
        (
            of_organization(),
            pool(),
            request(5, "ACME/any"),
            Some(true),
            "",
        ),
        (
            of_organization(),
            pool(),
            request(5, "acme-evil/any"),
            Some(true),
            "not registered for repository",
        ),
        (
            of_organization(),
            pool(),
            request(5, "acme"),
            Some(true),
            "",
        ),
        (
            of_organization(),
            listing("acme/app-*"),
            request(5, "acme/lib"),
            Some(true),
            "does not list",
        ),
        (
            of_organization(),
            pool(),
            request(5, "acme/any"),
            Some(false),
            "is public",
        ),
        (
            Runner {
                target: None,
                ..of_repository()
            },
            pool(),
            app,
            Some(true),
            "never registered",
        ),
    ];
    for (number, (runner, pool, request, private, expected)) in cases.iter().enumerate() {
        let why = refused(runner, Some(pool), request, *private).unwrap_or_default();
        assert!(
            why.contains(expected) && why.is_empty() == expected.is_empty(),
            "case {number}: {why:?}"
        );
    }
}

#[test]
fn a_pool_that_is_gone_lets_run_what_it_took_in_and_nothing_from_elsewhere() {
    assert_eq!(
        refused(&of_repository(), None, &request(1, "acme/app-1"), None),
        None
    );
    assert!(refused(&of_repository(), None, &request(2, "acme/app-2"), None).is_some());
}

/// A runner of an organization reaches all its repositories: once the pool's rules are gone, only
/// the repository that it was started for is known to be allowed.
#[test]
fn an_organizations_pool_that_is_gone_lets_run_what_it_took_in_and_no_other_repository() {
    assert_eq!(
        refused(&of_organization(), None, &request(1, "acme/app-1"), None),
        None
    );
    let why = refused(&of_organization(), None, &request(2, "acme/app-2"), None).unwrap();
    assert!(
        why.contains("it had taken no job of repository acme/app-2"),
        "{why}"
    );
}

#[test]
fn an_admitted_runner_is_busy_with_the_run_and_counts_for_its_repository() {
    let (
        Admission::Admitted,
        Changes {
            runner: Some(after),
            ..
        },
    ) = admit(
        &of_organization(),
        Some(&pool()),
        &request(5, "acme/any"),
        Some(true),
        NOW,
    )
    else {
        unreachable!("not admitted")
    };
    let work = after.work.unwrap();
    assert_eq!(
        (after.state, work.run, work.attempt, work.job),
        (RunnerState::Busy, RunId(7), 1, None)
    );
    assert_eq!(
        (after.repository, after.reserved),
        (Some(RepositoryId(5)), of_organization().reserved)
    );
}

#[test]
fn a_hook_that_asks_again_gets_the_same_answer() {
    let admitted = Runner {
        fails_closed: true,
        ..admitted(busy(1, 1, 7, None))
    };
    assert_eq!(
        admit(
            &admitted,
            Some(&pool()),
            &request(1, "acme/app-1"),
            Some(true),
            NOW
        ),
        (Admission::Admitted, Changes::default())
    );
    // Where a job may run unasked, the delivery says enough.
    let known = busy(1, 1, 7, Some(1));
    assert_eq!(
        admit(
            &known,
            Some(&pool()),
            &request(1, "acme/app-1"),
            Some(true),
            NOW
        ),
        (Admission::Admitted, Changes::default())
    );
    assert!(
        refused(
            &admitted,
            Some(&pool()),
            &request(1, "acme/app-1"),
            Some(false)
        )
        .is_some()
    );
}

#[test]
fn an_admission_after_the_delivery_is_written_down_like_one_before() {
    let known = Runner {
        fails_closed: true,
        ..busy(1, 1, 7, Some(1))
    };
    let (
        Admission::Admitted,
        Changes {
            runner: Some(after),
            ..
        },
    ) = admit(
        &known,
        Some(&pool()),
        &request(1, "acme/app-1"),
        Some(true),
        NOW,
    )
    else {
        unreachable!("not admitted, or not written down")
    };
    assert_eq!((after.admitted_at, after.work), (Some(NOW), known.work));
}

#[test]
fn what_is_decided_needs_no_second_decision() {
    let (app, second) = (
        request(1, "acme/app-1"),
        AdmissionRequest {
            run_id: 8,
            ..request(1, "acme/app-1")
        },
    );
    let refused = Runner {
        refused: Some(Reason::HadItsJob),
        ..admitted(busy(1, 1, 7, None))
    };
    let cases = [
        (of_repository(), &app, None),
        (busy(1, 1, 7, None), &app, None),
        (busy(1, 1, 7, Some(1)), &app, None),
        (admitted(busy(1, 1, 7, None)), &app, Some(Ok(()))),
        // Another job than its one is refused, and that is written down.
        (admitted(busy(1, 1, 7, None)), &second, None),
        (refused.clone(), &app, Some(Err(&Reason::HadItsJob))),
        (refused, &second, Some(Err(&Reason::HadItsJob))),
    ];
    for (number, (runner, request, expected)) in cases.into_iter().enumerate() {
        assert_eq!(decided(&runner, request), expected, "case {number}");
    }
}

#[test]
fn a_runner_has_one_job_and_no_second_one() {
    let admitted = busy(1, 1, 7, None);
    for second in [
        AdmissionRequest {
            run_id: 8,
            ..request(1, "acme/app-1")
        },
        AdmissionRequest {
            run_attempt: 2,
            ..request(1, "acme/app-1")
        },
    ] {
        assert_eq!(
            refused(&admitted, Some(&pool()), &second, Some(true)).as_deref(),
            Some("the runner has already had its one job")
        );
    }
}

#[test]
fn once_refused_a_runner_stays_refused() {
    let (
        Admission::Refused(_),
        Changes {
            runner: Some(after),
            ..
        },
    ) = admit(
        &of_repository(),
        Some(&pool()),
        &request(2, "acme/app-2"),
        Some(true),
        NOW,
    )
    else {
        unreachable!("not refused")
    };
    assert!(refused(&after, Some(&pool()), &request(2, "acme/app-2"), Some(true)).is_some());
    assert!(
        refused(&after, Some(&pool()), &request(1, "acme/app-1"), Some(true)).is_some(),
        "a refused runner was admitted for another repository"
    );
}

#[test]
fn a_request_with_unknown_fields_is_not_understood() {
    let text = serde_json::to_string(&request(1, "acme/app-1")).unwrap();
    assert!(serde_json::from_str::<AdmissionRequest>(&text).is_ok());
    assert!(
        serde_json::from_str::<AdmissionRequest>(&text.replacen('{', "{\"admin\":true,", 1))
            .is_err()
    );
}
