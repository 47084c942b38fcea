//! What GitHub listed of runners in this sweep.

use std::sync::Arc;

use mayfly_domain::model::target::Target;
use mayfly_github::RunnerInfo;

/// What GitHub shows of a place's runners; none if it does not show the place to the App.
pub(crate) type Listed = Option<Arc<Vec<RunnerInfo>>>;

/// Lists that a sweep has read already: many runners register at one place, and GitHub does not
/// show anything newer within a minute.
#[derive(Default)]
pub(crate) struct Lists(pub(crate) Vec<(Target, Listed)>);
