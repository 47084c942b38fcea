//! [`Github`]: the App at work.

use std::sync::Arc;

use mayfly_domain::model::time::Timestamp;
use tokio::time::Instant;

use crate::app::{App, AppCredentials, Identity};
use crate::call::as_app;
use crate::call::perform;
use crate::endpoint::Endpoint;
use crate::error::CallError;
use crate::reply::Reply;
use crate::request::{NoResponse, Request};

/// GitHub's REST API, through one GitHub App.
///
/// Nothing is read, connected or asked before the first call. Calls need a tokio runtime. Every
/// method of its ports takes the moment by which it must be over; besides, no single request takes
/// longer than 12 s.
pub struct Github {
    identity: Identity,
    clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Github {
    /// The GitHub that the App of `credentials` belongs to: its address comes with the App's key,
    /// and from nowhere else. `clock` tells the time by which tokens expire and limits end; the
    /// App's JWT alone is dated by the system's.
    pub fn new(
        credentials: impl AppCredentials + 'static,
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        Self {
            identity: Identity::new(Box::new(credentials)),
            clock: Box::new(clock),
        }
    }

    /// The App as it is now.
    ///
    /// # Errors
    /// When its key cannot be read or used.
    pub(crate) async fn app(&self) -> Result<Arc<App>, CallError> {
        self.identity.app().await
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Makes a request with a token for what is asked at `place`, at the name that the place has
    /// now. A token that was kept and that GitHub does not know any more (the App was reinstalled,
    /// its permissions changed) is replaced once: a 401 has done nothing. So is one whose
    /// repository may have another name since (`renames.rs`).
    ///
    /// # Errors
    /// The outer one when there is no token, and the request was not made; the inner one when it
    /// was and has no answer.
    pub(crate) async fn ask(
        &self,
        place: &Endpoint,
        request: &Request,
        by: Instant,
    ) -> Result<Result<Reply, NoResponse>, CallError> {
        let app = self.app().await?;
        let (grant, worker) = app.authenticated_client(place, self.now(), by).await?;
        let name = app.name_of(place, &worker);
        let reply = perform(
            &worker.client,
            &place.request_at(name.as_deref(), request),
            by,
        )
        .await;
        let Ok(answered) = &reply else {
            return Ok(reply);
        };
        if answered.status == http::StatusCode::UNAUTHORIZED {
            app.tokens.forget(&grant);
            if !worker.reused {
                return Ok(reply);
            }
            let (_, worker) = app.authenticated_client(place, self.now(), by).await?;
            let name = app.name_of(place, &worker);
            return Ok(perform(
                &worker.client,
                &place.request_at(name.as_deref(), request),
                by,
            )
            .await);
        }
        if !answered.may_have_moved(self.now()) {
            return Ok(reply);
        }
        match app.moved(place, &grant, &worker, self.now(), by).await {
            Some((worker, now)) => {
                Ok(perform(&worker.client, &place.request_at(Some(&now), request), by).await)
            }
            None => Ok(reply),
        }
    }

    /// Has the name of a place asked for again before the next request: an answer was about another
    /// repository, which has the name now.
    ///
    /// # Errors
    /// When there is no token.
    pub(crate) async fn forget_name(&self, place: &Endpoint, by: Instant) -> Result<(), CallError> {
        let app = self.app().await?;
        let (grant, _) = app.authenticated_client(place, self.now(), by).await?;
        app.tokens.forget(&grant);
        Ok(())
    }

    /// Makes a request that may safely be made and lost.
    ///
    /// # Errors
    /// Whatever went wrong.
    pub(crate) async fn reply(
        &self,
        place: &Endpoint,
        request: &Request,
        by: Instant,
    ) -> Result<Reply, CallError> {
        Ok(self.ask(place, request, by).await??)
    }

    /// Makes a request as the App itself. No installation's limits count for it: the App has its
    /// own.
    ///
    /// # Errors
    /// No answer, or GitHub does not know the App.
    pub(crate) async fn reply_to_app(
        &self,
        request: &Request,
        by: Instant,
    ) -> Result<Reply, CallError> {
        let app = self.app().await?;
        as_app(&app.client, request, by).await
    }
}
