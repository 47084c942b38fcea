//! What the runner's entry script means by its exit codes.

/// The runner's exit code when GitHub gives no job to its version any more, and
/// `ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE` is set. Source: actions/runner,
/// src/Runner.Common/Constants.cs, `ReturnCode.RunnerVersionDeprecated`.
pub(crate) const VERSION_REFUSED: i32 = 7;

/// The entry script's exit code when it was told that its registration was handed out before: the
/// answer with it was lost on its way.
pub(crate) const REGISTRATION_LOST: i32 = 26;
