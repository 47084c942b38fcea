#!/bin/bash
# Asks Mayfly whether the job that this runner was just given may run here, before its first step.
#
# The runner starts it as ACTIONS_RUNNER_HOOK_JOB_STARTED (`bash -e <path>`), without the job's environment.
# entrypoint.sh writes it, with the functions it shares put in front (say, quote, identify, post, pause ...), and a file
# `state` beside it: settings as `name=value`, and `env:NAME=value` for what curl needs from the image.
#
# Returning is permission. So a refusal never returns: steps with `if: always()` run even after a failed hook, so
# the container's main process is killed, and this process stays until that has taken it along.

# shellcheck disable=SC2034,SC2329 # used by the functions in front, and by traps
set +xv +e +o pipefail +o posix
set -u

# Reads `state` and deletes it: the job must not find where this task's credentials are.
read_state() {
  local line name
  [[ -f $1 ]] || return 1
  while IFS= read -r line; do
    name=${line%%=*}
    case $name in
      env:*) export "${name#env:}=${line#*=}" ;;
      *) setting[$name]=${line#*=} ;;
    esac
  done <"$1"
  : >"$1"
  rm -f "$1"
  [[ -n ${setting[main]:-} ]]
}

# A JSON string. What `quote` leaves are the control characters that curl's config file takes as they are.
json() {
  local code character escape
  quote "$1"
  [[ $REPLY == *[[:cntrl:]]* ]] || return 0
  for code in {1..31}; do
    printf -v escape '%02x' "$code"
    printf -v character '%b' "\\x$escape"
    REPLY=${REPLY//"$character"/"\\u00$escape"}
  done
}

# What GitHub says the job is. Fails if the runner did not say it.
describe_job() {
  local name number='^[0-9]{1,18}$'
  [[ ${GITHUB_RUN_ID:-} =~ $number && ${GITHUB_RUN_ATTEMPT:-} =~ $number && ${GITHUB_REPOSITORY_ID:-} =~ $number ]] || return 1
  body="{\"runner\": \"${setting[runner]}\", \"run_id\": $((10#$GITHUB_RUN_ID)), \"run_attempt\": $((10#$GITHUB_RUN_ATTEMPT)), \"repository_id\": $((10#$GITHUB_REPOSITORY_ID))"
  for name in repository:GITHUB_REPOSITORY workflow_ref:GITHUB_WORKFLOW_REF ref:GITHUB_REF event:GITHUB_EVENT_NAME; do
    local variable=${name#*:}
    json "${!variable:-}"
    body+=", \"${name%%:*}\": $REPLY"
  done
  body+='}'
}

# Ends the container and never returns while somebody waits for this process. The line goes to the job's log; two
# units give the runner the time to send it.
end_container() {
  trap '' TERM INT HUP
  [[ -z $child ]] || kill "$child" 2>/dev/null
  printable "$1"
  printf '::error title=Mayfly::%s\n' "${REPLY//%/%25}"
  local deadline=$((SECONDS + 3)) tries=1 main=${setting[main]:-}
  answer[retry]=''
  [[ -z ${setting[unit]:-} ]] || pause
  # Once the process is gone its number may be somebody else's: then there is nothing left to kill.
  while kill -0 "$PPID" 2>/dev/null; do
    [[ -z $main ]] || kill -KILL "$main" 2>/dev/null || main=''
    sleep 1
  done
  exit 1
}

# The runner stops its hooks when the job is cancelled, and then runs the steps with `if: always()`.
interrupted() { end_container 'the job was cancelled before Mayfly admitted it: the container ends'; }

# Returns 0 if the job is admitted, 1 to ask again; a refusal does not return.
judge() {
  local -A fields=()
  local told=0
  if ((answer[curl] != 0)); then
    explain "${answer[curl]}"
    trouble=$REPLY
    return 1
  fi
  trouble="it answered ${answer[status]}"
  [[ ${answer[mayfly]} == 1 ]] || return 1
  read_object "${answer[body]}" && told=1
  if [[ ${answer[status]} == 403 ]] || ((told)) && [[ ${fields[admitted]-} == false ]]; then
    end_container "Mayfly refuses this job on this runner: ${fields[reason]:-no reason given}"
  fi
  [[ ${answer[status]} == 200 && ${fields[admitted]-} == true ]]
}

ask() {
  local deadline=$((SECONDS + setting[admission_seconds])) tries=0 left
  while left=$((deadline - SECONDS)) && ((left > 0)); do
    if identify; then
      ((left <= setting[request_seconds])) || left=${setting[request_seconds]}
      post /admission "$body" application/json "$left"
      ! judge || return 0
    else
      trouble="the task's credentials endpoint: $REPLY"
      answer[retry]=''
    fi
    pause
  done
  return 1
}

main() {
  local LC_ALL=C REPLY='' child='' complaint='' body='' trouble='the runner did not tell the run and the repository'
  local -a request=()
  local -A setting=() answer=() identity=()
  trap interrupted TERM INT HUP
  read_state "${BASH_SOURCE[0]%/*}/state" || end_container 'this hook has no state: it has run before, or somebody took it away; no job is admitted'
  describe_job && ask && exit 0
  if [[ ${setting[fail_closed]} == 1 ]]; then
    end_container "Mayfly could not be asked whether this job may run here ($trouble), and this pool runs no job unasked: the container ends"
  fi
  printable "$trouble"
  printf '::warning title=Mayfly::Mayfly could not be asked whether this job may run here (%s); this pool lets it run\n' "${REPLY//%/%25}"
  exit 0
}

main
