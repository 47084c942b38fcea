//! Every time limit of the system, in one table. The tests at the end hold the inequalities that
//! correctness or thrift rest on; docs/TRANSITIONS.md shows them side by side.

use std::time::Duration;

/// The entry script's limit for one request for registration: longer than anything behind it can
/// take.
pub const SCRIPT_REQUEST: Duration = Duration::from_secs(35);

/// API Gateway's limit for an HTTP API integration. Source: HTTP API quotas.
pub const API_GATEWAY: Duration = Duration::from_secs(30);

/// What registrar may spend on calls to GitHub in one request.
pub const GITHUB_BUDGET: Duration = Duration::from_secs(20);

/// Registrar's Lambda timeout (`infra/template.yaml`).
pub const REGISTRAR_TIMEOUT: Duration = Duration::from_secs(29);

/// Registrar answers after this time, whatever hangs: Lambda would end its process, and with it
/// every token that it has.
pub const REGISTRAR_ANSWERS: Duration = Duration::from_secs(26);

/// What scaler may spend on one pool in one run.
pub const SCALER_DEADLINE: Duration = Duration::from_secs(15);

/// One call of RunTask. ECS publishes no latency: on Fargate the call places the task before it
/// answers, and it is slow when zones are short. Giving up a call costs minutes (it may have made a
/// task), waiting costs nothing.
pub const RUN_TASK: Duration = Duration::from_secs(10);

/// A pool is given up after this time, whatever hangs: Lambda would end the process, and with it
/// what it does for other pools.
pub const SCALER_GIVES_UP: Duration = Duration::from_secs(18);

/// What scaler keeps of its time to write down the last answers to launches.
pub const WRITE_ANSWERS: Duration = Duration::from_secs(3);

/// Scaler's Lambda timeout (`infra/template.yaml`).
pub const SCALER_TIMEOUT: Duration = Duration::from_secs(20);

/// Visibility timeout of the wake queue (`infra/template.yaml`).
pub const WAKE_VISIBILITY: Duration = Duration::from_secs(25);

/// A launch that was sent this long ago without an answer is sent again, with the same request and
/// token.
pub const RESEND_AFTER: Duration = Duration::from_secs(25);

/// Nothing is sent this long after the first time: ECS forgets a client token an hour after its
/// task stopped, and a late repetition would start a second task.
pub const SEND_WITHIN: Duration = Duration::from_secs(50 * 60);

/// How long a client token surely holds: ECS keeps it for an hour after the task's end, 24 h at
/// most. Source: ECS developer guide, idempotency.
pub const CLIENT_TOKEN: Duration = Duration::from_secs(60 * 60);

/// A plan that is older than this when it would be committed is made again, if there is time; the
/// limit doubles with each try.
pub const PLAN_FRESH: Duration = Duration::from_secs(2);

/// A wake that was sent this long before a successful look began has been seen by it.
pub const WAKE_SEEN: Duration = Duration::from_secs(2);

/// Between two looks of one process at one pool, for each row of an open runner that the first one
/// read. Such a row is some 1.2 kB: so looks read about 150 units a second of the pool's partition,
/// which has 3,000. Source: DynamoDB developer guide, burst and adaptive capacity.
pub const SNAPSHOT_PER_ROW: Duration = Duration::from_millis(2);

/// The longest time between two looks that have something to see.
pub const SNAPSHOTS_APART: Duration = Duration::from_secs(2);

/// Every pool is woken this often, whatever happens.
pub const TICK: Duration = Duration::from_secs(60);

/// Sweeper's Lambda timeout (`infra/template.yaml`).
pub const SWEEPER_TIMEOUT: Duration = Duration::from_secs(55);

/// How long sweeper's lease holds.
pub const SWEEPER_LEASE: Duration = Duration::from_secs(58);

/// From the request for a task to its first request for registration.
pub const START_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// How long a runner may be parked, or registering.
pub const PARK_LIMIT: Duration = Duration::from_secs(6 * 60 * 60);

/// A runner that ends by itself so soon after its registration never listened for a job: its image
/// cannot run it.
pub const LISTENS_WITHIN: Duration = Duration::from_secs(60);

/// How long a registered runner may wait for its job; a pool may say otherwise.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// A task that is still there this long after its job completed is stopped.
pub const STOP_AFTER_DONE: Duration = Duration::from_secs(2 * 60);

/// From the registration to the end, whatever the runner does; a pool may say otherwise.
pub const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// ECS's word that it does not know a task counts from this age of the last send on (its reads lag
/// behind its writes).
pub const MISSING_COUNTS_AFTER: Duration = Duration::from_secs(5 * 60);

/// A task of ours that no row names, or whose row names another task, is stopped at this age. By
/// then its launcher has written its ARN, or has given up and the row's own task was found.
pub const ORPHAN_TASK: Duration = Duration::from_secs(10 * 60);

/// How long GitHub may show a list of runners as it was: observed, not promised.
pub const GITHUB_LIST: Duration = Duration::from_secs(60);

/// What a runner left at GitHub is taken away this long after its end: calls that were under way
/// are over, and lists show it.
pub const STALE_REGISTRATION_AFTER: Duration = Duration::from_secs(2 * 60);

/// What could not be taken away by then has gone by itself: GitHub removes an ephemeral runner that
/// was offline for a day. Source: docs.github.com, "Self-hosted runners", "Removing".
pub const STALE_REGISTRATION_GONE: Duration = Duration::from_secs(25 * 60 * 60);

/// GitHub cancels a job that has waited so long for a runner. Source: docs.github.com, Actions
/// limits, job queue time.
pub const QUEUED_AT_MOST: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the job-started hook tries to have an admission decided (`runner/entrypoint.sh`). Where
/// it refuses the job afterwards it tries for longer: a refusal costs a job, and throttles and
/// deployments pass.
#[must_use]
pub fn admission(fails_closed: bool) -> Duration {
    Duration::from_secs(if fails_closed { 5 * 60 } else { 60 })
}

/// A job that was not admitted by then, where none may run without, runs without. Before its hook
/// is called the runner downloads the job's actions, which takes minutes at worst; then the hook
/// asks. Source: actions/runner, src/Runner.Worker/JobExtension.cs, `InitializeJob`.
pub const ADMITTED_WITHIN: Duration = Duration::from_secs(15 * 60);

/// A gated job is over after this: the longest that GitHub keeps a run, including the wait for
/// approval. (An environment's gate fails by itself after 30 days.) Source: docs.github.com,
/// Actions limits, workflow run time.
pub const GATED_AT_MOST: Duration = Duration::from_secs(35 * 24 * 60 * 60);

/// How often a parked runner is told to ask again.
pub const POLL: Duration = Duration::from_secs(5);

/// The longest that a runner is told to wait before it asks again. With the script's jitter (a
/// quarter) and a whole request it stays below [`SEEN_WITHIN`].
pub const POLL_MAX: Duration = Duration::from_secs(10);

/// Once GitHub's limit is over, registrations of a pool are spread over so long for each runner
/// that it may have: 40 a second. GitHub gives 180 a minute (900 points, five for each;
/// docs.github.com, "Rate limits for the REST API"), so that no minute goes unused.
pub const AFTER_LIMIT: Duration = Duration::from_millis(25);

/// The longest time over which they are spread.
pub const AFTER_LIMIT_MAX: Duration = Duration::from_secs(40);

/// A parked or registering runner that was not heard of for this long covers no job: two polls, and
/// a whole request between them.
pub const SEEN_WITHIN: Duration = Duration::from_secs(2 * 5 + 35);

/// The first wait after a failed start; doubles up to [`BACK_OFF_MAX`].
pub const BACK_OFF_MIN: Duration = Duration::from_secs(60);

/// The longest wait after failed starts.
pub const BACK_OFF_MAX: Duration = Duration::from_secs(30 * 60);

/// How often a job that was not assigned again and again is tried.
pub const NOT_ASSIGNED_PROBE: Duration = Duration::from_secs(60 * 60);

/// The longest wait between two tries of a repository or target for which GitHub refuses every
/// runner: one job is tried for all that wait there.
pub const REFUSED_PROBE: Duration = Duration::from_secs(15 * 60);

/// How long the pools file is believed without asking SSM again.
pub const POOLS_FRESH: Duration = Duration::from_secs(60);

/// How long a secret is believed without asking SSM again.
pub const SECRETS_FRESH: Duration = Duration::from_secs(5 * 60);

/// GitHub's API may lag deliveries by this much (observed; docs.github.com does not mention it). A
/// job that it shows further back than that is asked about again before it is believed.
pub const READS_LAG: Duration = Duration::from_secs(2 * 60);

/// Between two answers of GitHub's that are to prove something together.
pub const REREAD_AFTER: Duration = Duration::from_secs(60);

/// GitHub is asked about what deliveries leave open from this time on: a job that is held back or
/// runs elsewhere, a runner that works. Deliveries that GitHub could make came long before.
pub const CHECK_AFTER: Duration = Duration::from_secs(10 * 60);

/// GitHub is asked about a job this long after its runner has gone: its last delivery is likely
/// under way.
pub const CHECK_AFTER_END: Duration = Duration::from_secs(2 * 60);

/// GitHub is asked this often whether a job still waits for a runner.
pub const CHECK_WAITING: Duration = Duration::from_secs(30 * 60);

/// The longest wait between two tries, or two questions, of sweeper's about one thing.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// A wait that doubles with each try: `first` after `doublings` of them, `most` at the longest.
#[must_use]
pub fn exponential_backoff(first: Duration, doublings: u32, most: Duration) -> Duration {
    // So many doublings of a millisecond are a minute: whatever is waited for here has reached its
    // longest wait by then.
    first.saturating_mul(1 << doublings.min(16)).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_outlives_everything_behind_it() {
        assert!(SCRIPT_REQUEST > API_GATEWAY && API_GATEWAY > REGISTRAR_TIMEOUT);
        assert!(REGISTRAR_TIMEOUT > REGISTRAR_ANSWERS && REGISTRAR_ANSWERS > GITHUB_BUDGET);
    }

    #[test]
    fn a_scaler_has_ended_before_its_wakes_come_back_and_before_its_launches_are_repeated() {
        assert!(
            SNAPSHOTS_APART + SCALER_DEADLINE < SCALER_TIMEOUT
                && SCALER_TIMEOUT < WAKE_VISIBILITY
                && WAKE_VISIBILITY <= RESEND_AFTER
        );
        assert!(
            PLAN_FRESH < SCALER_DEADLINE
                && SNAPSHOTS_APART + SCALER_DEADLINE < SCALER_GIVES_UP
                && SCALER_GIVES_UP < SCALER_TIMEOUT
        );
    }

    #[test]
    fn a_launch_of_a_plan_that_took_its_time_has_all_of_the_time_of_a_call() {
        assert!(PLAN_FRESH + RUN_TASK + WRITE_ANSWERS <= SCALER_DEADLINE);
        // What a call that was given up may still bring about has happened before it is repeated.
        assert!(RUN_TASK < RESEND_AFTER);
    }

    #[test]
    fn nothing_is_sent_under_a_token_that_ecs_may_have_forgotten() {
        assert!(SEND_WITHIN + SCALER_TIMEOUT < CLIENT_TOKEN);
    }

    #[test]
    fn no_job_is_ended_whose_hook_may_still_ask() {
        assert!(admission(true) > admission(false));
        assert!(ADMITTED_WITHIN >= admission(true) + SCRIPT_REQUEST + Duration::from_secs(5 * 60));
    }

    #[test]
    fn one_sweeper_at_a_time_and_a_sweep_every_minute() {
        assert!(SWEEPER_LEASE > SWEEPER_TIMEOUT && SWEEPER_LEASE < TICK);
    }

    #[test]
    fn github_is_asked_when_its_reads_have_caught_up() {
        assert!(
            CHECK_AFTER > READS_LAG + REREAD_AFTER
                && CHECK_AFTER_END >= READS_LAG
                && CHECK_WAITING > CHECK_AFTER
                && REREAD_AFTER >= TICK
        );
    }

    #[test]
    fn a_polling_runner_is_never_taken_for_silent() {
        assert!(
            SEEN_WITHIN > POLL * 2 + API_GATEWAY
                && SEEN_WITHIN > POLL_MAX + POLL_MAX / 4 + API_GATEWAY
        );
    }

    #[test]
    fn a_task_is_an_orphan_only_when_nobody_can_write_its_arn_any_more() {
        assert!(ORPHAN_TASK > RESEND_AFTER + WAKE_VISIBILITY + SCALER_TIMEOUT);
        assert!(ORPHAN_TASK > MISSING_COUNTS_AFTER + TICK * 2);
    }

    #[test]
    fn a_stale_registration_is_looked_for_when_lists_show_what_was_under_way() {
        assert!(
            STALE_REGISTRATION_AFTER > GITHUB_LIST + GITHUB_BUDGET
                && STALE_REGISTRATION_GONE > Duration::from_secs(24 * 60 * 60)
        );
    }

    #[test]
    fn ecs_is_asked_about_a_task_only_when_its_reads_have_caught_up() {
        assert!(MISSING_COUNTS_AFTER > RESEND_AFTER && START_TIMEOUT > MISSING_COUNTS_AFTER);
        assert!(
            BACK_OFF_MIN < BACK_OFF_MAX && IDLE_TIMEOUT < PARK_LIMIT && PARK_LIMIT < MAX_LIFETIME
        );
    }
}
