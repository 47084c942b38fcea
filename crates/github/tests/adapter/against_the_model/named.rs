//! Repositories and runner groups of which only the name is known.

use std::collections::BTreeSet;

use mayfly_domain::model::id::OwnerId;
use mayfly_domain::model::target::Repository;
use mayfly_github::{
    Account, CallError, Lookup as _, MadeGroup, RunnerGroupAccess, RunnerGroups as _,
};
use mayfly_github_model::accounts::{ACME, Visibility};
use mayfly_github_model::faults::{ApiFaults, Refusal};

use crate::against_the_model::world::{World, soon};

const REPOSITORY: &str = "repos/get";
const GROUPS: &str = "actions/list-self-hosted-runner-groups-for-org";

async fn repository(world: &World, name: &str) -> Result<Option<Repository>, CallError> {
    world
        .github
        .repository_named(world.installation(ACME), name, soon())
        .await
}

async fn group(
    world: &World,
    repository: &str,
    group: &str,
) -> Result<RunnerGroupAccess, CallError> {
    let repository = world.repository(repository);
    world
        .github
        .group_named(world.installation(ACME), &repository, group, soon())
        .await
}

#[tokio::test]
async fn a_repository_is_found_by_its_name_in_any_case() {
    let world = World::start().await;
    let known = world.repository("acme/app");
    for name in ["acme/app", "ACME/App"] {
        assert_eq!(
            repository(&world, name).await,
            Ok(Some(known.clone())),
            "{name}"
        );
    }
    assert_eq!(world.calls(REPOSITORY), 2, "one call each");
}

#[tokio::test]
async fn a_repository_that_is_not_there_or_not_the_apps_is_none() {
    let world = World::start().await;
    assert_eq!(repository(&world, "acme/never").await, Ok(None));
    world.at(|model, now| {
        let id = model.accounts_mut().mention("acme/hidden", now);
        let hidden = model.accounts_mut().repository_mut(id).unwrap();
        (hidden.installed, hidden.private) = (false, true);
    });
    assert_eq!(repository(&world, "acme/hidden").await, Ok(None));
}

#[tokio::test]
async fn what_is_no_name_of_a_repository_is_refused_without_a_call() {
    let world = World::start().await;
    for name in [
        "",
        "acme",
        "acme/",
        "/app",
        "acme/app/more",
        "acme/../app",
        "acme/a b",
        "acme/app?x=1",
    ] {
        assert!(repository(&world, name).await.is_err(), "{name:?}");
    }
    assert_eq!(world.calls(REPOSITORY), 0);
}

#[tokio::test]
async fn a_group_is_open_closed_or_missing_for_a_repository() {
    let world = World::start().await;
    world.at(|model, now| {
        for (name, private) in [("acme/app", true), ("acme/site", false)] {
            let id = model.accounts_mut().mention(name, now);
            model.accounts_mut().repository_mut(id).unwrap().private = private;
        }
        let only = Visibility::Selected(BTreeSet::from(["acme/other".to_owned()]));
        model.accounts_mut().add_group(ACME, "others", only, false);
        model
            .accounts_mut()
            .add_group(ACME, "everybody", Visibility::All, true);
    });
    let open = |public| {
        Ok(RunnerGroupAccess::Open {
            public,
            restricted: false,
        })
    };
    assert_eq!(group(&world, "acme/app", "everybody").await, open(true));
    assert_eq!(group(&world, "acme/site", "everybody").await, open(true));
    assert_eq!(group(&world, "acme/app", "Default").await, open(false));
    assert_eq!(world.calls(GROUPS), 3, "one call where it is open");
    assert_eq!(
        group(&world, "acme/app", "others").await,
        Ok(RunnerGroupAccess::Closed)
    );
    assert_eq!(world.calls(GROUPS), 5, "and another one where it is not");
    let all = ["Default", "others", "everybody"]
        .map(str::to_owned)
        .to_vec();
    assert_eq!(
        group(&world, "acme/app", "mayfly").await,
        Ok(RunnerGroupAccess::Missing(all))
    );
    assert!(
        matches!(
            group(&world, "acme/app", "EVERYBODY").await,
            Ok(RunnerGroupAccess::Missing(_))
        ),
        "names of groups have case"
    );
}

fn acme() -> Account {
    Account {
        id: OwnerId(ACME.0),
        login: "acme".to_owned(),
        organization: true,
    }
}

#[tokio::test]
async fn runner_group_is_made_and_then_listed() {
    let world = World::start().await;
    let installation = world.installation(ACME);
    let names = async || {
        world
            .github
            .runner_groups(installation, &acme(), soon())
            .await
            .unwrap()
    };
    assert_eq!(names().await, ["Default"]);
    let made = async |name: &str| {
        world
            .github
            .make_runner_group(installation, &acme(), name, soon())
            .await
            .unwrap()
    };
    assert_eq!(made("mayfly").await, MadeGroup::Made);
    assert_eq!(names().await, ["Default", "mayfly"]);
    assert_eq!(
        group(&world, "acme/app", "mayfly").await,
        Ok(RunnerGroupAccess::Open {
            public: false,
            restricted: false
        })
    );
    assert!(
        matches!(made("mayfly").await, MadeGroup::Refused(why) if why.contains("already been taken"))
    );
    let refusal = Refusal {
        status: 403,
        message: Some("Upgrade to GitHub Team".to_owned()),
    };
    world
        .server
        .with(|model| model.faults.refused.insert("acme".to_owned(), refusal));
    assert_eq!(
        made("other").await,
        MadeGroup::Refused("Upgrade to GitHub Team".to_owned())
    );
}

#[tokio::test]
async fn runner_groups_are_read_to_their_end() {
    let world = World::start().await;
    world.server.with(|model| {
        for number in 0..120 {
            model.accounts_mut().add_group(
                ACME,
                &format!("group-{number}"),
                Visibility::All,
                false,
            );
        }
    });
    let names = world
        .github
        .runner_groups(world.installation(ACME), &acme(), soon())
        .await
        .unwrap();
    assert_eq!((names.len(), world.calls(GROUPS)), (121, 2));
}

#[tokio::test]
async fn limits_and_failures_are_told_apart() {
    for operation in [REPOSITORY, GROUPS] {
        let world = World::start().await;
        let ask = async || match operation {
            REPOSITORY => repository(&world, "acme/app").await.map(|_| ()),
            _ => group(&world, "acme/app", "Default").await.map(|_| ()),
        };
        let faults = ApiFaults {
            operations: vec![operation.to_owned()],
            ..ApiFaults::default()
        };
        world.faults(ApiFaults {
            secondary_limit: 1.0,
            retry_after: 90,
            ..faults.clone()
        });
        assert!(
            matches!(ask().await, Err(CallError::RateLimited { .. })),
            "{operation}"
        );
        world.faults(ApiFaults {
            server_error: 1.0,
            ..faults
        });
        assert!(
            matches!(ask().await, Err(CallError::Unavailable { .. })),
            "{operation}"
        );
        world.faults(ApiFaults::default());
        assert_eq!(ask().await, Ok(()), "{operation}");
    }
}
