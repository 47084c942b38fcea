//! What can come of a call besides its answer: one variant for each decision that a caller can
//! make.

use http::StatusCode;
use mayfly_domain::model::job::RefusalScope;
use mayfly_domain::model::time::Timestamp;

use crate::limit::limited_until;
use crate::reply::Reply;
use crate::request::{Call, NoResponse, Sent, bounded};

/// Why a question to GitHub has no answer. `message` is GitHub's own, short and on one line; `call`
/// is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// GitHub understood and refused; asking again changes nothing (403 that is no rate limit, 404,
    /// 422 and the like).
    #[error("{message} [{call}]")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Why.
        message: String,
        /// What was asked.
        call: Box<Call>,
    },
    /// Too many calls: nothing is to be asked for this installation before `until`.
    #[error("rate limited: {message} [{call}]")]
    RateLimited {
        /// When GitHub will answer again.
        until: Timestamp,
        /// Why.
        message: String,
        /// What was asked.
        call: Box<Call>,
    },
    /// GitHub did not answer, or failed, or did not know its own token: worth another try, later.
    #[error("{message} [{call}]")]
    Unavailable {
        /// What went wrong.
        message: String,
        /// What was asked.
        call: Box<Call>,
    },
    /// The App's id or private key is wrong, or cannot be read: someone must act.
    #[error("{message}")]
    Misconfigured {
        /// What is wrong, and where to look.
        message: String,
    },
}

/// Someone must act: why.
pub(crate) fn misconfigured(message: String) -> CallError {
    CallError::Misconfigured {
        message: bounded(&message),
    }
}

/// What the call for a registration is called.
pub(crate) const REGISTER: &str = "generate-jitconfig";

/// Why there is no registration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// GitHub refuses this target for good (403 that is no rate limit, 404, 422 and the like): the
    /// job must wait for someone to change something. No registration exists.
    #[error("{message} [{call}]")]
    RefusedForGood {
        /// HTTP status.
        status: u16,
        /// What else GitHub refuses with this: only what it says of the request itself (422 for the
        /// registration) may be about its labels or group.
        scope: RefusalScope,
        /// Why, for the user.
        message: String,
        /// What was asked.
        call: Box<Call>,
    },
    /// Too many calls: nothing is to be asked for this installation before `until`. No registration
    /// exists.
    #[error("rate limited: {message} [{call}]")]
    RateLimited {
        /// When GitHub will answer again.
        until: Timestamp,
        /// Why.
        message: String,
        /// What was asked.
        call: Box<Call>,
    },
    /// A runner of this name exists (409): an earlier call made it. Another name is needed.
    #[error("{message} [{call}]")]
    Conflict {
        /// GitHub's words.
        message: String,
        /// What was asked.
        call: Box<Call>,
    },
    /// No answer, or none that can be read: a registration of this name **may exist**.
    #[error("{message} [{call}]")]
    Unsure {
        /// What went wrong.
        message: String,
        /// What was asked.
        call: Box<Call>,
    },
    /// GitHub could not be asked for the registration: none exists. Worth another try, later.
    #[error("{message} [{call}]")]
    Unavailable {
        /// What went wrong.
        message: String,
        /// What was asked.
        call: Box<Call>,
    },
    /// The App's id or private key is wrong, or cannot be read: someone must act. No registration
    /// exists.
    #[error("{message}")]
    Misconfigured {
        /// What is wrong, and where to look.
        message: String,
    },
}

impl From<CallError> for RegisterError {
    /// For calls on the way to a registration: none of them makes one.
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused {
                status,
                message,
                call,
            } => {
                let scope = if status == 422 && call.name == REGISTER {
                    RefusalScope::Target
                } else {
                    RefusalScope::Repository
                };
                Self::RefusedForGood {
                    status,
                    scope,
                    message,
                    call,
                }
            }
            CallError::RateLimited {
                until,
                message,
                call,
            } => Self::RateLimited {
                until,
                message,
                call,
            },
            CallError::Unavailable { message, call } => Self::Unavailable { message, call },
            CallError::Misconfigured { message } => Self::Misconfigured { message },
        }
    }
}

impl From<NoResponse> for CallError {
    fn from(
        NoResponse {
            sent,
            message,
            call,
        }: NoResponse,
    ) -> Self {
        match sent {
            Sent::KeyUnusable => Self::Misconfigured { message },
            Sent::No | Sent::Maybe => Self::Unavailable { message, call },
        }
    }
}

impl Reply {
    /// The answer, if it is a success.
    ///
    /// # Errors
    /// What its status says. 401 is worth another try: tokens are forgotten once GitHub does not
    /// know them.
    pub(crate) fn success(self, now: Timestamp) -> Result<Self, CallError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let message = self.message();
        if let Some(until) = limited_until(self.status, &self.headers, &message, now) {
            return Err(CallError::RateLimited {
                until,
                message,
                call: self.call,
            });
        }
        let worth_another_try = self.status.is_server_error()
            || [StatusCode::UNAUTHORIZED, StatusCode::REQUEST_TIMEOUT].contains(&self.status);
        Err(if worth_another_try {
            CallError::Unavailable {
                message,
                call: self.call,
            }
        } else {
            CallError::Refused {
                status: self.status.as_u16(),
                message,
                call: self.call,
            }
        })
    }

    /// What a reply that claims success, but cannot be read, comes to.
    pub(crate) fn unreadable(self, why: String) -> CallError {
        CallError::Unavailable {
            message: why,
            call: self.call,
        }
    }
}
