//! Answers about names that make no sense.

use mayfly_domain::model::id::{InstallationId, OwnerId, RepositoryId};
use mayfly_domain::model::target::Repository;
use mayfly_github::{CallError, Lookup as _, RunnerGroupAccess};
use serde_json::{Value, json};

use crate::stub::{Stub, answer};

const INSTALLATION: InstallationId = InstallationId(7);

fn soon() -> tokio::time::Instant {
    tokio::time::Instant::now() + std::time::Duration::from_secs(10)
}

fn app() -> Repository {
    Repository {
        id: RepositoryId(1),
        name: "acme/app".to_owned(),
        owner: OwnerId(2),
        private: true,
    }
}

async fn stub(body: Value) -> Stub {
    Stub::start(move |asked| {
        (!asked.line.contains("access_tokens")).then(|| answer(200, body.clone()))
    })
    .await
}

#[tokio::test]
async fn an_answer_that_is_no_repository_is_no_answer() {
    let whole = json!({ "id": 1, "full_name": "acme/app", "private": true, "owner": { "id": 2 }, "more": [1] });
    let stub_of_it = stub(whole.clone()).await;
    assert_eq!(
        stub_of_it
            .github()
            .repository_named(INSTALLATION, "acme/app", soon())
            .await,
        Ok(Some(app()))
    );
    assert_eq!(
        stub_of_it
            .asked()
            .last()
            .map(|asked| asked.line.clone())
            .as_deref(),
        Some("GET /api/v3/repos/acme/app")
    );
    for lacking in ["id", "full_name", "private", "owner"] {
        let mut part = whole.clone();
        part[lacking].take();
        let stub = stub(part).await;
        let said = stub
            .github()
            .repository_named(INSTALLATION, "acme/app", soon())
            .await;
        assert!(
            matches!(said, Err(CallError::Unavailable { .. })),
            "{lacking}: {said:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_is_no_list_of_groups_is_no_answer() {
    let stub_of_it = stub(json!({ "total_count": 1, "runner_groups": [{ "name": "mayfly", "restricted_to_workflows": true }] })).await;
    let open = RunnerGroupAccess::Open {
        public: false,
        restricted: true,
    };
    assert_eq!(
        stub_of_it
            .github()
            .group_named(INSTALLATION, &app(), "mayfly", soon())
            .await,
        Ok(open),
        "what is not said is no"
    );
    for body in [
        json!([]),
        json!({ "runner_groups": {} }),
        json!({ "runner_groups": [{ "id": 1 }] }),
        json!("groups"),
    ] {
        let stub = stub(body.clone()).await;
        let said = stub
            .github()
            .group_named(INSTALLATION, &app(), "mayfly", soon())
            .await;
        assert!(
            matches!(said, Err(CallError::Unavailable { .. })),
            "{body}: {said:?}"
        );
    }
}
