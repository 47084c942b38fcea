#!/bin/bash
# Tries, from where runners live, whether they can live there. `mayfly doctor` starts a task like a pool's runner with
# this text in place of entrypoint.sh's: `/bin/bash -c "<this text>" mayfly`. An override has 8,192 characters at most,
# so lines that are nothing but a comment, and the indentation, are left out of what is sent: keep it small, and no
# here-documents. Needs of the image what entrypoint.sh needs, and says what of it is missing.
#
# Environment
#   MAYFLY_PROBE    begins every line, so that nothing else in the log passes for one: letters, digits, `-`, `/`
#   MAYFLY_URL, MAYFLY_REGION, MAYFLY_RUNNER_HOME, AWS_CONTAINER_*   as for entrypoint.sh
#   MAYFLY_RUNNER   `<pool>/<id>` that no runner has: Mayfly is to refuse it
#   MAYFLY_REACH    what else must answer: `name=URL`, blanks between
#   MAYFLY_REQUEST_SECONDS, MAYFLY_WHOLE_SECONDS   for tests: limits of one request (8) and of everything (115)
#
# Lines, after MAYFLY_PROBE (crates/ecs reads them)
#   image bash|curl VERSION
#   image proxy set
#   image lacks WHAT
#   image runner VERSION|none|WORDS
#   reach NAME CURL STATUS ADDRESS NAMED CONNECTED TLS     curl's exit status, HTTP status (000: none), the peer's address
#   credentials good|none|failed CURL STATUS               (-: none), seconds to its name, the connection, TLS (0: never)
#   registration CURL STATUS MAYFLY ADDRESS NAMED CONNECTED TLS BODY     MAYFLY: the header x-mayfly (-: none)
#   late
#   end CODE
#
# Exit code: 0 all is well; else 64, and added to it 1 image, 2 reach, 4 credentials, 8 registration. 137 with a line
# `late`: its own time limit. No secret is in a line, in argv or in a file.

set +xv +e +o pipefail +o posix
set -u

LC_ALL=C wrong=0 text='' head='' code=0 status=000 peer='- 0 0 0'
seconds=${MAYFLY_REQUEST_SECONDS:-8}

# One line: somebody else's words are made safe for it.
tell() {
  local line=${*//[^ -~]/ }
  printf '%s %s\n' "$MAYFLY_PROBE" "${line:0:400}"
}

# Sends a request given as lines of curl's config, which it reads from its standard input. limit-rate bounds what can
# come in the time, however long the answer is.
fetch() {
  text=$(exec curl -q --config - 2>/dev/null < <(printf '%s\n' silent include globoff http1.1 suppress-connect-headers \
    'limit-rate = 64k' "connect-timeout = $seconds" "max-time = $seconds" \
    'write-out = "\n%{http_code} %{remote_ip} %{time_namelookup} %{time_connect} %{time_appconnect}"' "$@")) 2>/dev/null
  code=$?
  text=${text//$'\r'/}
  peer=${text##*$'\n'}
  text=${text%$'\n'*}
  status=${peer%% *}
  [[ $status =~ ^[0-9]{3}$ ]] || status=000 peer='000  0 0 0'
  peer=${peer#* }
  [[ $peer != ' '* ]] || peer=-$peer
  while [[ $text =~ ^HTTP/[0-9.]+\ 1 ]]; do text=${text#*$'\n\n'}; done
  head=${text%%$'\n\n'*}
  text=${text#"$head"}
  text=${text#$'\n\n'}
}

# A value of the credentials, if it holds nothing that curl's config would read otherwise.
member() {
  [[ ${text//'\/'/'/'} =~ \"$1\"[[:space:]]*:[[:space:]]*\"([A-Za-z0-9/+=_-]+)\" ]] && REPLY=${BASH_REMATCH[1]}
}

image() {
  local name version home=${MAYFLY_RUNNER_HOME:-/home/runner}
  tell image bash "$BASH_VERSION"
  ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)) || lacks 'bash 4.4 or newer'
  for name in sleep mktemp rm; do
    command -v "$name" >/dev/null || lacks "$name"
  done
  if name=$(mktemp -d "${TMPDIR:-/tmp}/mayfly.XXXXXXXXXX" 2>/dev/null); then rm -rf "$name"; else lacks 'a directory for temporary files'; fi
  if [[ -f $home/run.sh && -x $home/run.sh ]] && folder_of "$home/run.sh"; then beside "$REPLY"; else lacks "$home/run.sh"; fi
  [[ -z ${https_proxy:-}${HTTPS_PROXY:-}${all_proxy:-}${ALL_PROXY:-} ]] || tell image proxy set
  version=$(curl -q --version 2>/dev/null)
  if [[ ! $version =~ ^curl\ ([0-9]+)\.([0-9]+)[^\ ]* ]]; then
    lacks curl
    return 1
  fi
  tell image "${BASH_REMATCH[0]}"
  ((BASH_REMATCH[1] * 1000 + BASH_REMATCH[2] >= 7075)) || ! lacks 'curl 7.75 or newer'
}

folder_of() {
  local path=$1 target hops
  for ((hops = 0; hops < 40; hops++)); do
    REPLY=$(CDPATH='' cd -P -- "${path%/*}/" 2>/dev/null && pwd -P) || return 1
    [[ -h $path ]] || return 0
    target=$(readlink "$path") || return 1
    [[ $target == /* ]] || target=$REPLY/$target
    path=$target
  done
  return 1
}

# The runner's folder, as check_runner and read_dot_env of entrypoint.sh see it.
beside() {
  local folder=$1 name
  ((EUID != 0)) || [[ -n ${RUNNER_ALLOW_RUNASROOT:-} ]] || lacks 'a user other than root (USER, or ENV RUNNER_ALLOW_RUNASROOT=1)'
  for name in '' /_diag /_work /.runner /.credentials /.credentials_rsaparams; do
    [[ ! -e $folder$name || -w $folder$name ]] || lacks "a $folder$name that its user (uid $EUID) may write"
  done
  dot_env "$folder/.env"
  if folder_of "$folder/bin/Runner.Listener"; then
    folder_of "$REPLY/../." && [[ $REPLY == "$folder" ]] || dot_env "$REPLY/.env"
  fi
}

dot_env() {
  local text='' line name
  [[ -f $1 ]] || return 0
  [[ -r $1 ]] || lacks "a $1 that its user (uid $EUID) may read"
  { text=$(<"$1"); } 2>/dev/null
  text=${text#$'\xef\xbb\xbf'} text=${text#$'\xff\xfe'} text=${text#$'\xfe\xff'}
  while IFS= read -r line; do
    [[ $line == ?*=* ]] || continue
    name=${line%%=*}
    case ${name^^} in
      ACTIONS_RUNNER_HOOK_JOB_STARTED | ACTIONS_RUNNER_INPUT_* | ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE | MAYFLY_* | \
        AWS_CONTAINER_CREDENTIALS_* | AWS_CONTAINER_AUTHORIZATION_TOKEN* | BASH_ENV)
        lacks "a $1 that does not set $name"
        ;;
      HTTP_PROXY | HTTPS_PROXY | ALL_PROXY | NO_PROXY | CURL_CA_BUNDLE | SSL_CERT_FILE | SSL_CERT_DIR)
        if [[ -n ${line#*=} ]]; then export "$name=${line#*=}"; else unset "$name"; fi
        ;;
    esac
  done < <(printf '%s\n' "${text//$'\r'/$'\n'}")
}

lacks() {
  tell image lacks "$1"
  wrong=$((wrong | 1))
}

reach() {
  local one
  for one in ${MAYFLY_REACH:-}; do
    fetch "url = \"${one#*=}\"" 'output = "/dev/null"' || :
    [[ $code == 0 ]] || fetch "url = \"${one#*=}\"" 'output = "/dev/null"'
    tell reach "${one%%=*}" "$code" "$status" "$peer"
    [[ $code == 0 && $status != 5* ]] || wrong=$((wrong | 2))
  done
}

credentials() {
  local try url=${AWS_CONTAINER_CREDENTIALS_FULL_URI:-}
  [[ -z ${AWS_CONTAINER_CREDENTIALS_RELATIVE_URI:-} ]] || url=http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI
  wrong=$((wrong | 4))
  if [[ -z $url ]]; then
    tell credentials none
    return 1
  fi
  for try in 1 2 3; do
    fetch "url = \"$url\"" 'noproxy = "*"' "header = \"Authorization: ${AWS_CONTAINER_AUTHORIZATION_TOKEN:-}\""
    if [[ $code == 0 && $status == 200 ]] && member AccessKeyId && key=$REPLY && member SecretAccessKey && key+=:$REPLY && member Token; then
      token=$REPLY wrong=$((wrong & ~4))
      tell credentials good
      return 0
    fi
    ((try == 3)) || sleep 1
  done
  tell credentials failed "$code" "$status"
  return 1
}

registration() {
  local try mayfly near=() key='' token='' ours=$'\nx-mayfly: *([0-9a-z]+)'
  credentials || return
  # Loopback, as in the local stack: no proxy reaches it.
  [[ $MAYFLY_URL == https:* ]] || near=('noproxy = "*"')
  for try in 1 2; do
    fetch "url = \"${MAYFLY_URL%/}/registration\"" "${near[@]}" "aws-sigv4 = \"aws:amz:$MAYFLY_REGION:execute-api\"" "user = \"$key\"" \
      "header = \"x-amz-security-token: $token\"" 'header = "Content-Type: application/json"' 'header = "Accept: text/plain"' \
      "data-raw = \"{\\\"runner\\\": \\\"$MAYFLY_RUNNER\\\"}\""
    [[ $code != 0 || $status == 429 || $status == 5* ]] || break
    ((try == 2)) || sleep 1
  done
  mayfly=-
  [[ ! ${head,,} =~ $ours ]] || mayfly=${BASH_REMATCH[1]}
  tell registration "$code" "$status" "$mayfly" "$peer" "${text:0:200}"
  [[ $code/$status/$mayfly == 0/403/1 ]] || wrong=$((wrong | 8))
}

# Last: it is somebody else's program, which may hang.
runner() {
  local said listener=${MAYFLY_RUNNER_HOME:-/home/runner}/bin/Runner.Listener
  if [[ ! -x $listener ]]; then
    tell image runner none
    return
  fi
  said=$("$listener" --version 2>&1)
  tell image runner "${said%%$'\n'*}"
}

(
  sleep "${MAYFLY_WHOLE_SECONDS:-115}" >/dev/null 2>&1
  tell late
  kill -KILL $$
) &
limit=$!
if image; then
  reach
  registration
fi
runner
kill "$limit" 2>/dev/null
((wrong == 0)) || wrong=$((wrong + 64))
tell end "$wrong"
exit "$wrong"
