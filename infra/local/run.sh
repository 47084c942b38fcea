#!/bin/bash
# Stands in for actions/runner in the local stack: takes one job from the GitHub model, as the real one would.
#
# entrypoint.sh executes it like /home/runner/run.sh, with the registration in ACTIONS_RUNNER_INPUT_JITCONFIG. It opens
# a session, waits for a job, runs the job-started hook and the job's steps (a sleep), reports and exits. Like the real
# one it exits 0 whatever the job did: the exit code says nothing about the job.
# Like the real one it sets the lines of a file `.env` beside it over its environment first.
# The runner's calls: documentation of the GitHub model (tests/github-model/src/lib.rs). Needs bash and curl.

set -u

# actions/runner, src/Runner.Listener/Program.cs, LoadAndSetEnv. A line without a value takes the variable away.
if [[ -f ${BASH_SOURCE[0]%/*}/.env ]]; then
  while IFS= read -r line || [[ -n $line ]]; do
    [[ ${line%%=*} =~ ^[A-Za-z_][A-Za-z0-9_]*$ && $line == *=* ]] || continue
    if [[ -n ${line#*=} ]]; then export "${line?}"; else unset "${line%%=*}"; fi
  done <"${BASH_SOURCE[0]%/*}/.env"
fi

readonly POLL_SECONDS=50     # GitHub's long poll
readonly HEARTBEAT_SECONDS=2 # the model misses a silent runner after 15 s
readonly RETRY_SECONDS=1
readonly JIT_CONFIG=${ACTIONS_RUNNER_INPUT_JITCONFIG:-}
# The real listener takes it out of the environment before it starts anything.
unset ACTIONS_RUNNER_INPUT_JITCONFIG

server='' session='' status='' child='' waiter='' told_to_stop='' cancelled=''
declare -A job=()
work=$(mktemp -d) || exit 1
# A background process that is stopped before it has become the program that it is for is still this script.
trap '[[ $BASHPID != "$$" ]] || rm -rf "$work"' EXIT
trap 'told_to_stop=1; [[ -z $waiter ]] || kill "$waiter" 2>/dev/null' TERM INT

say() { printf '%(%Y-%m-%d %H:%M:%SZ)T: %s\n' -1 "$1"; }

# Calls the model: method, path, body. Leaves `status` (000: no answer) and the answer in $work/answer.
call() {
  local -a request=(
    "request = \"$1\"" "url = \"$server/_runner/$2\"" 'header = "Accept: text/plain"' 'header = "Content-Type: text/plain"'
    "data-binary = \"${3:-}\"" "output = \"$work/answer\"" 'write-out = "%{http_code}"' silent 'noproxy = "*"' "max-time = $((POLL_SECONDS + 10))"
  )
  [[ $1 != GET ]] || request[4]='get'
  : >"$work/answer"
  : >"$work/status"
  # The registration and the session are secrets: they reach curl through its standard input only.
  printf '%s\n' "${request[@]}" | curl -q --config - >"$work/status" &
  wait_for "$!"
  read -r status <"$work/status" || status=${status:-000}
}

# Waits for a process; a signal ends both. It may come before there is anything to wait for, so look again.
wait_for() {
  waiter=$1
  [[ -z $told_to_stop ]] || kill "$waiter" 2>/dev/null
  while kill -0 "$waiter" 2>/dev/null; do
    wait "$waiter"
  done
  waiter=''
}

# The same until the model answers at all; a server error is no answer.
insist() {
  while [[ -z $told_to_stop ]]; do
    call "$@"
    [[ $status == 000 || $status == 5?? ]] || return 0
    rest "$RETRY_SECONDS"
  done
  return 1
}

# What is left to say is said even after a signal: the stop timeout bounds it.
last_words() {
  trap '' TERM INT
  told_to_stop=''
}

# Sleeps; a signal ends it early.
rest() {
  sleep "$1" &
  wait_for "$!"
}

# The value of a name in the registration's `.runner` file.
setting() {
  local outer inner pattern="\"$1\": *\"([^\"]*)\""
  outer=$(base64 -d 2>/dev/null <<<"$JIT_CONFIG")
  [[ $outer =~ \"\.runner\":\ *\"([^\"]*)\" ]] || return 1
  inner=$(base64 -d 2>/dev/null <<<"${BASH_REMATCH[1]}")
  [[ $inner =~ $pattern ]] || return 1
  printf '%s' "${BASH_REMATCH[1]}"
}

read_answer() {
  local name value
  job=()
  while IFS='=' read -r name value; do
    job[$name]=$value
  done <"$work/answer"
}

open_session() {
  insist POST session "$JIT_CONFIG" || return 1
  if [[ $status != 201 ]]; then
    say "no session: the server answers $status"
    return 1
  fi
  read_answer
  session=${job[SESSION]:-}
  say "Connected to GitHub as ${job[RUNNER_NAME]:-}"
}

# Waits for a job of ours. 0: there is one in `job`; 1: there will be none.
listen() {
  say 'Listening for Jobs'
  while [[ -z $told_to_stop ]]; do
    call GET "session/$session/job?wait=$POLL_SECONDS"
    case $status in
      200)
        read_answer
        call POST "session/$session/started"
        [[ $status != 204 ]] || return 0
        ;;
      204) ;;
      000 | 5??) rest "$RETRY_SECONDS" ;;
      *)
        say "The runner no longer exists on the server ($status)"
        return 1
        ;;
    esac
  done
  return 1
}

# Runs a command to its end, with heartbeats, unless the job is cancelled meanwhile. Returns its exit code.
attend() {
  local pause result
  if [[ -n $told_to_stop ]]; then
    cancelled=1
    return 1
  fi
  "$@" &
  child=$!
  while kill -0 "$child" 2>/dev/null; do
    sleep "$HEARTBEAT_SECONDS" &
    pause=$!
    wait -n "$child" "$pause"
    kill "$pause" 2>/dev/null
    kill -0 "$child" 2>/dev/null || break
    [[ -n $told_to_stop ]] || call POST "session/$session/heartbeat"
    if [[ -n $told_to_stop || $status == 409 || $status == 410 ]]; then
      cancelled=1
      kill -TERM "$child" 2>/dev/null
    fi
  done
  wait "$child"
  result=$?
  # A signal ends `wait`, not the child.
  if ((result > 128)) && [[ -n $told_to_stop ]]; then
    wait "$child"
    result=$?
  fi
  return "$result"
}

# The job-started hook. Of a job it sees what the runner itself sets and nothing else.
run_hook() {
  local name file=$work/event.json
  local -a context=(PATH="$PATH" GITHUB_EVENT_PATH="$file")
  printf '{"repository": {"id": %s, "full_name": "%s"}}\n' "${job[GITHUB_REPOSITORY_ID]:-0}" "${job[GITHUB_REPOSITORY]:-}" >"$file"
  for name in "${!job[@]}"; do
    [[ $name != GITHUB_* && $name != RUNNER_NAME ]] || context+=("$name=${job[$name]}")
  done
  # The real runner starts shell hooks in this way: `bash -e <path>`.
  attend env -i "${context[@]}" bash -e "$ACTIONS_RUNNER_HOOK_JOB_STARTED"
}

# One step; the first one takes the whole job's time.
run_step() {
  [[ -z $cancelled ]] || return 1
  call POST "session/$session/step"
  if [[ $status == 409 || $status == 410 ]]; then
    cancelled=1
    return 1
  fi
  say "Step $1 of ${job[STEPS]:-1}"
  attend sleep "$2"
}

# Steps from the first wanted one on. The last ALWAYS_STEPS have `if: always()`.
run_steps() {
  local step seconds=${job[SECONDS_TO_RUN]:-0}
  for ((step = $1; step <= ${job[STEPS]:-1}; step++)); do
    run_step "$step" "$seconds" || break
    seconds=0
  done
}

run_job() {
  local conclusion=${job[CONCLUSION]:-success}
  say "Running job: ${job[GITHUB_JOB]:-} (${job[JOB_ID]:-})"
  if [[ -n ${ACTIONS_RUNNER_HOOK_JOB_STARTED:-} ]] && ! run_hook; then
    say 'The job-started hook failed'
    conclusion=failure
    run_steps $((${job[STEPS]:-1} - ${job[ALWAYS_STEPS]:-0} + 1))
  else
    run_steps 1
  fi
  [[ -z $cancelled ]] || conclusion=cancelled
  [[ -z $told_to_stop ]] || say 'The runner has received a shutdown signal'
  last_words
  insist POST "session/$session/completed" "$conclusion"
  say "Job ${job[GITHUB_JOB]:-} completed with result: $conclusion"
}

server=$(setting serverUrl) || {
  say 'ACTIONS_RUNNER_INPUT_JITCONFIG is not a registration'
  exit 1
}
open_session || exit 0
if listen; then
  run_job
else
  last_words
  call DELETE "session/$session"
fi
exit 0
