#!/bin/bash
# Asks Mayfly for this container's registration, then runs the runner and reports what the container used.
#
# Started by the task definition as `/bin/bash -c "<this text>" mayfly "<text of job-started.sh>"`.
# Needs bash 4.4 or newer, curl 7.75 or newer (`--aws-sigv4`; from 7.86 on it signs the session token, too),
# and sleep, mktemp and rm. No jq, no python, no AWS CLI: that is what lets almost any image be a runner.
# Plain ASCII, comments included: this text travels in the task definition.
#
# Environment
#   MAYFLY_URL                 base URL of the registrar; `/registration`, `/admission` and `/usage` are appended
#   MAYFLY_RUNNER              `<pool>/<runner id>`
#   MAYFLY_REGION              region that requests are signed for
#   MAYFLY_PARK_SECONDS        how long to go on asking; default 21600
#   MAYFLY_OWN_ROLE            `1`: the job may use the task's role, so its credentials variables stay
#   MAYFLY_FAIL_CLOSED         `1`: a job whose admission cannot be decided ends the container
#   MAYFLY_RUNNER_HOME         directory of run.sh; default /home/runner
#   AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, AWS_CONTAINER_CREDENTIALS_FULL_URI, AWS_CONTAINER_AUTHORIZATION_TOKEN
#                              where the task's credentials are, by the rules of the AWS SDKs
#   ECS_CONTAINER_METADATA_URI_V4
#                              where ECS tells what the container uses; without it this script becomes the runner
# For tests, which must not wait:
#   MAYFLY_RETRY_MILLISECONDS  how long one second of any wait between requests is; default 1000
#   MAYFLY_REQUEST_SECONDS     time limit of one request; default 35 (above API Gateway's 30)
#   MAYFLY_ADMISSION_SECONDS   how long job-started.sh tries to have an admission decided; default 60, and 300
#                              with MAYFLY_FAIL_CLOSED=1, where it refuses the job afterwards
#   MAYFLY_CGROUP              where the kernel tells of the container's memory; default /sys/fs/cgroup
#
# Exit codes of this script; the runner's own follow once it has its registration
#    0  stop-marked, or SIGTERM while waiting
#    1  Mayfly refuses this runner
#   20  nothing to do until the park limit
#   21  a 403 that is not Mayfly's, three times in a minute
#   22  bad or missing environment, or an image that lacks something
#   23  no credentials
#   24  an answer that is no registration
#   25  an image that the runner cannot run in: its user is root, or may not write the runner's folder
#   26  the registration was handed out before, and did not arrive here
#
# How secrets travel: to curl through a pipe on its standard input (never argv, which every process may read, and
# never a here-string, which older bash keeps in a file), back through a pipe into bash arrays, which bash cannot
# export. Functions answer in REPLY instead of by `$(...)`: bash acts on SIGTERM in `read` and `wait`, and only
# there. Work variables are local to `main` so that nothing of them reaches the job's environment.

# An image may export SHELLOPTS; tracing would print secrets.
set +xv +e +o pipefail +o posix
set -u

# ---- Shared with job-started.sh: write_hook copies the functions named there into the hook. ----

say() { printf 'mayfly: %s\n' "$1" >&2; }

# Says the same trouble once, not at every try: a runner may be parked for hours.
complain() {
  [[ $1 == "$complaint" ]] || say "$1"
  complaint=$1
}

# Somebody else's words made safe for one line of a log.
printable() {
  REPLY=${1//[^ -~]/ }
  REPLY=${REPLY:0:300}
}

# The argument in double quotes, by the rules that JSON and curl's config file share.
quote() {
  local backslash=$'\\'
  REPLY=${1//"$backslash"/"$backslash$backslash"}
  REPLY=${REPLY//'"'/"$backslash\""}
  REPLY=${REPLY//$'\n'/"${backslash}n"}
  REPLY=${REPLY//$'\r'/"${backslash}r"}
  REPLY=${REPLY//$'\t'/"${backslash}t"}
  REPLY="\"$REPLY\""
}

# Adds one option of curl to the request that is being made.
option() {
  quote "$2"
  request+=("$1 = $REPLY")
}

# Begins a request: URL, time limit in seconds. No other protocol than the URL's, whatever comes back.
begin() {
  request=(silent include globoff http1.1 suppress-connect-headers 'max-filesize = 65536' 'connect-timeout = 10')
  option url "$1"
  option max-time "$2"
  option proto "=${1%%:*}"
  [[ $1 != https:* ]] || request+=(tlsv1.2)
}

# Whether plain http is good enough for a URL: it never leaves this machine, or is one of the two
# credentials endpoints that the AWS SDKs allow (ECS 169.254.170.2, EKS 169.254.170.23 and fd00:ec2::23).
is_near() {
  local host='127(\.[0-9]{1,3}){3}|([A-Za-z0-9-]+\.)*localhost|\[::1\]'
  [[ ${2-} != credentials ]] || host+='|169\.254\.170\.(2|23)|\[fd00:ec2::23\]'
  [[ $1 =~ ^http://($host)(:[0-9]{1,5})?(/|$) ]]
}

# Sends `request`. Fills `answer`: curl (exit status), status, mayfly (`x-mayfly`), retry (`retry-after`), body.
# `-q` comes first so that no ~/.curlrc counts; nothing asks curl to follow redirects, so it does not.
transfer() {
  local text='' head='' line='' limit=81920 stream

  answer=([curl]=0 [status]=000 [mayfly]='' [retry]='' [body]='')
  exec {stream}< <(exec curl -q --config - 2>/dev/null < <(printf '%s\n' "${request[@]}"))
  child=$!
  request=()
  # `read` succeeds at a NUL or at the limit only. curl before 8.4 does not count a body of unknown length.
  if IFS= read -r -d '' -n "$limit" -u "$stream" text; then
    kill "$child" 2>/dev/null
    wait "$child"
    answer[curl]=63
  else
    wait "$child"
    answer[curl]=$?
  fi
  child=''
  exec {stream}<&-

  text=${text//$'\r'/}
  while [[ $text =~ ^HTTP/[0-9.]+\ ([0-9]{3}) && $text == *$'\n\n'* ]]; do
    answer[status]=${BASH_REMATCH[1]}
    head=${text%%$'\n\n'*}
    text=${text#*$'\n\n'}
    # 100 Continue and its like stand before the answer.
    [[ ${answer[status]} == 1?? ]] || break
  done
  answer[body]=$text
  while IFS= read -r line; do
    case ${line,,} in
      x-mayfly:*) answer[mayfly]=${line#*:} answer[mayfly]=${answer[mayfly]//[[:blank:]]/} ;;
      retry-after:*) answer[retry]=${line#*:} answer[retry]=${answer[retry]//[[:blank:]]/} ;;
    esac
  done < <(printf '%s\n' "$head")
}

# What curl's exit status means. Fails if another try cannot end differently.
explain() {
  case $1 in
    2 | 4 | 48 | 126 | 127) REPLY="this image's curl cannot make the request (curl exit status $1)" && return 1 ;;
    3) REPLY='curl cannot read the URL' && return 1 ;;
    5 | 6) REPLY='the host name is not known' ;;
    7) REPLY='no connection: refused or unreachable' ;;
    28) REPLY='no answer in time' ;;
    1) REPLY='what answers does not speak HTTP' ;;
    18 | 52 | 55 | 56) REPLY='the connection broke' ;;
    35 | 51 | 53 | 54 | 58 | 59 | 60 | 77 | 80 | 83 | 91) REPLY="TLS failed: are ca-certificates in the image? (curl exit status $1)" ;;
    63) REPLY='an answer that is too long or not text' ;;
    *) REPLY="curl exit status $1" ;;
  esac
}

# Reads a JSON string from `rest`, after its opening quote.
read_string() {
  local part text='' backslash=$'\\'
  while :; do
    part=${rest%%["$backslash\""]*}
    text+=$part
    rest=${rest:${#part}}
    case $rest in
      '"'*) rest=${rest:1} REPLY=$text && return 0 ;;
      "$backslash"[/\"]* | "$backslash$backslash"*) text+=${rest:1:1} rest=${rest:2} ;;
      # Go writes & < > as \u0026 and so on. Nothing beyond ASCII is ever needed here.
      "$backslash"u00[2-7][0-9a-fA-F]*) printf -v part '%b' "\\x${rest:4:2}" && text+=$part rest=${rest:6} ;;
      "$backslash"[bfnrt]* | "$backslash"u[0-9a-fA-F][0-9a-fA-F][0-9a-fA-F][0-9a-fA-F]*)
        text+=' ' part=${rest:1:1} rest=${rest:2}
        [[ $part != u ]] || rest=${rest:4}
        ;;
      *) return 1 ;;
    esac
  done
}

# Reads a flat JSON object into `fields`. Nested values are not JSON that anybody should send us: it fails.
read_object() {
  local rest=$1 name='' blank=$' \t\n\r'
  fields=()
  rest=${rest#"${rest%%[!"$blank"]*}"}
  [[ $rest == '{'* ]] || return 1
  rest=${rest:1}
  while :; do
    rest=${rest#"${rest%%[!"$blank"]*}"}
    [[ $rest == '"'* ]] || return 1
    rest=${rest:1}
    read_string || return 1
    name=$REPLY
    rest=${rest#"${rest%%[!"$blank"]*}"}
    [[ $rest == ':'* ]] || return 1
    rest=${rest:1}
    rest=${rest#"${rest%%[!"$blank"]*}"}
    if [[ $rest == '"'* ]]; then
      rest=${rest:1}
      read_string || return 1
    elif [[ $rest =~ ^(true|false|null|-?[0-9][0-9.eE+-]*) ]]; then
      REPLY=${BASH_REMATCH[1]}
      rest=${rest:${#REPLY}}
    else
      return 1
    fi
    [[ ! $name =~ ^[A-Za-z_]{1,64}$ ]] || fields[$name]=$REPLY
    rest=${rest#"${rest%%[!"$blank"]*}"}
    case $rest in
      ','*) rest=${rest:1} ;;
      '}'*) break ;;
      *) return 1 ;;
    esac
  done
  rest=${rest:1}
  [[ -z ${rest//[[:space:]]/} ]]
}

# Reads the task's credentials into `identity`. They last 1 to 6 hours, a runner may be parked for 6: so they are
# read before every request. The endpoint is on this host, and a read costs a millisecond.
identify() {
  local -A fields=()
  local seconds=10
  ((seconds <= setting[request_seconds])) || seconds=${setting[request_seconds]}
  identity=()
  begin "${setting[credentials_url]}" "$seconds"
  option noproxy '*'
  option header 'Accept: application/json'
  [[ -z ${setting[credentials_token]} ]] || option header "Authorization: ${setting[credentials_token]}"
  transfer
  if ((answer[curl] != 0)); then
    explain "${answer[curl]}"
    return 1
  elif [[ ${answer[status]} != 200 ]]; then
    REPLY="it answered ${answer[status]}"
    return 1
  elif ! read_object "${answer[body]}" || [[ ! ${fields[AccessKeyId]-} =~ ^[A-Za-z0-9_]{1,128}$ ||
    ! ${fields[SecretAccessKey]-} =~ ^[!-~]+$ || ! ${fields[Token]-} =~ ^[!-~]+$ ]]; then
    REPLY='its answer holds no AccessKeyId, SecretAccessKey and Token'
    return 1
  fi
  identity=([key]=${fields[AccessKeyId]} [secret]=${fields[SecretAccessKey]} [token]=${fields[Token]})
}

# Posts the JSON in $2 to path $1 of the registrar, signed by the task's role; $3 is the media type wanted,
# $4 the time limit in seconds.
post() {
  begin "${setting[url]}$1" "$4"
  # The local stack is on loopback: no proxy can reach it. Elsewhere a proxy of the image counts; TLS goes through it.
  [[ ${setting[url]} == https:* ]] || option noproxy '*'
  option aws-sigv4 "aws:amz:${setting[region]}:execute-api"
  option user "${identity[key]}:${identity[secret]}"
  option header "Accept: $3"
  option header 'Content-Type: application/json'
  option header "x-amz-security-token: ${identity[token]}"
  option data-raw "$2"
  transfer
}

# Waits before the next request: what the last answer asked for (1 to 120 s), else 1, 2, 4 ... 60 s; both with up to
# a quarter more, so that runners started together do not ask together; never beyond the deadline.
pause() {
  local seconds=60 wait left=$(((deadline - SECONDS) * 1000))
  if [[ ${answer[retry]-} =~ ^[0-9]+$ ]]; then
    seconds=${answer[retry]}
    ((${#seconds} <= 3)) || seconds=120
    seconds=$((10#$seconds))
    ((seconds >= 1)) || seconds=1
    ((seconds <= 120)) || seconds=120
  elif ((tries < 6)); then
    seconds=$((1 << tries))
  fi
  tries=$((tries + 1))
  wait=$((seconds * setting[unit]))
  wait=$((wait + RANDOM % (wait / 4 + 1)))
  ((wait <= left)) || wait=$left
  ((wait > 0)) || return 0
  printf -v seconds '%d.%03d' $((wait / 1000)) $((wait % 1000))
  sleep "$seconds" &
  child=$!
  wait "$child"
  child=''
}

# ---- What the container uses. These functions run in a bash of their own, beside the runner. ----

# The whole number that a JSON text has first under a name.
number() {
  [[ $2 =~ \"$1\"[[:space:]]*:[[:space:]]*([0-9]{1,18})([^0-9]|$) ]] && REPLY=$((10#${BASH_REMATCH[1]}))
}

# Asks ECS what the container uses, within $1 seconds, and takes it into `used`: the most memory so far, in bytes, and
# all processor time, in milliseconds. Memory is what `docker stats` shows: the page cache that the kernel gives up first
# is not counted, or every job that reads many files would seem to need all there is. So neither `max_usage` nor the
# kernel's own peak will do (both count it, and cgroup v2 has no `max_usage`); it has to be looked at again and again.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate.html
# https://docs.docker.com/reference/cli/docker/container/stats/
measure() {
  local memory text
  begin "${setting[metadata_url]}/stats" "$1"
  option noproxy '*'
  transfer
  ((answer[curl] == 0)) && [[ ${answer[status]} == 200 ]] || return 1
  text=${answer[body]#*'"memory_stats"'}
  number usage "$text" || return 1
  memory=$REPLY
  # cgroup v1, then v2.
  if number total_inactive_file "$text" || number inactive_file "$text"; then
    ((REPLY >= memory)) || memory=$((memory - REPLY))
  fi
  number total_usage "${answer[body]#*'"cpu_stats"'}" || return 1
  ((memory <= used[memory])) || used[memory]=$memory
  ((REPLY / 1000000 <= used[cpu])) || used[cpu]=$((REPLY / 1000000))
}

# Looks every ten seconds, and keeps what it has seen in a file.
sample() {
  local seconds
  trap '[[ -z $child ]] || kill "$child" 2>/dev/null; exit 0' TERM
  printf -v seconds '%d.%03d' $((10 * setting[unit] / 1000)) $((10 * setting[unit] % 1000))
  while [[ -d ${setting[directory]} ]]; do
    ! measure 2 || printf '%s %s\n' "${used[memory]}" "${used[cpu]}" >"${setting[directory]}/used"
    sleep "$seconds" &
    child=$!
    wait "$child"
    child=''
  done
}

# How many processes of the container the kernel has killed for want of memory: cgroup v2, then v1.
memory_kills() {
  local file line kills=0
  for file in memory.events memory/memory.oom_control; do
    [[ -r ${setting[cgroup]}/$file ]] || continue
    while IFS= read -r line; do
      [[ ! $line =~ ^oom_kill\ ([0-9]{1,9})$ ]] || kills=$((10#${BASH_REMATCH[1]}))
    done <"${setting[cgroup]}/$file"
  done
  REPLY=$kills
}

# Reports what the container used, and says in one line what came of it.
report() {
  local line body
  trap '[[ -z $child ]] || kill "$child" 2>/dev/null; exit 0' TERM
  measure 0.5
  if IFS= read -r line 2>/dev/null <"${setting[directory]}/used" && [[ $line =~ ^([0-9]{1,18})\ ([0-9]{1,18})$ ]]; then
    ((10#${BASH_REMATCH[1]} <= used[memory])) || used[memory]=$((10#${BASH_REMATCH[1]}))
    ((10#${BASH_REMATCH[2]} <= used[cpu])) || used[cpu]=$((10#${BASH_REMATCH[2]}))
  fi
  if ((used[memory] == 0)); then
    printf 'ECS did not tell what this container used: nothing is reported\n'
    return
  fi
  memory_kills
  body="{\"runner\": \"${setting[runner]}\", \"memory_peak_bytes\": ${used[memory]}, \"cpu_milliseconds\": ${used[cpu]}, \"memory_kills\": $REPLY}"
  line="this container used at most $((used[memory] / 1048576)) MiB of memory and $((used[cpu] / 1000)) s of processor time"
  if ! identify; then
    line+="; not reported: the task's credentials endpoint: $REPLY"
  else
    post /usage "$body" application/json 1.5
    if ((answer[curl] != 0)); then
      explain "${answer[curl]}"
      line+="; not reported: $REPLY"
    elif [[ ${answer[status]}/${answer[mayfly]} != 200/1 ]]; then
      printable "${answer[body]}"
      line+="; not reported: ${setting[url]} answers ${answer[status]} $REPLY"
    fi
  fi
  printf '%s\n' "$line"
}

# Waits for the runner, process $1, and ends as it does. What it needs to know comes through descriptor $2. A report
# never holds up the end for as long as two seconds, whatever hangs.
supervise() {
  local LC_ALL=C REPLY='' child='' complaint='' runner=$1 stream=$2 line='' sampler='' told=0 result=0 status=-1
  local -a request=()
  local -A setting=() answer=() identity=() used=([memory]=0 [cpu]=0)
  trap 'told=1; kill -TERM "$runner" 2>/dev/null' TERM
  trap 'told=1; kill -INT "$runner" 2>/dev/null' INT
  unset ACTIONS_RUNNER_INPUT_JITCONFIG
  while IFS= read -r line <&"$stream"; do
    setting[${line%%=*}]=${line#*=}
  done
  exec {stream}<&-
  sample &
  sampler=$!
  # A signal interrupts the wait, and the runner goes on until it ends by itself.
  while :; do
    told=0
    wait "$runner"
    result=$?
    ((result == 127 && status >= 0)) || status=$result
    ((told)) || break
  done
  kill "$sampler" 2>/dev/null
  # The hook takes the file away: where it is still there, no job began.
  if [[ ! -e ${setting[directory]}/state ]]; then
    exec {stream}< <(report)
    child=$!
    if IFS= read -r -t 1.8 -u "$stream" line; then
      say "$line"
    else
      kill "$child" 2>/dev/null
      say 'what this container used is not reported: no answer in time'
    fi
  fi
  exit "$status"
}

# ---- The entry point's own part. ----

# Ends the container. One line says why and what to do.
leave() {
  say "$2"
  exit "$1"
}

stopped() {
  [[ -z $child ]] || kill "$child" 2>/dev/null
  leave 0 'told to stop while waiting, before any runner was started: this container ends as asked'
}

# Reads one whole number between 1 and 9999999 from the environment: name, default.
whole_number() {
  REPLY=${!1:-$2}
  [[ $REPLY =~ ^[1-9][0-9]{0,6}$ ]] || leave 22 "$1 is not a whole number between 1 and 9999999: correct it where the task is started"
}

flag() {
  REPLY=${!1:-0}
  [[ $REPLY == [01] ]] || leave 22 "$1 is neither 1 nor 0: correct it where the task is started"
}

read_settings() {
  local path='(/[A-Za-z0-9._~/-]*)?'
  setting[url]=${MAYFLY_URL:-} setting[runner]=${MAYFLY_RUNNER:-} setting[region]=${MAYFLY_REGION:-}
  [[ ${setting[url]} =~ ^https?://[][A-Za-z0-9.:-]+$path$ ]] ||
    leave 22 'MAYFLY_URL is missing or no URL: give the RegistrationUrl of the stack'
  [[ ${setting[url]} == https://* ]] || is_near "${setting[url]}" ||
    leave 22 'MAYFLY_URL is plain http to another host: only https may carry a registration'
  setting[url]=${setting[url]%/}
  [[ ${setting[runner]} =~ ^[A-Za-z0-9._-]{1,64}/[A-Za-z0-9_-]{1,64}$ ]] ||
    leave 22 'MAYFLY_RUNNER is missing or not <pool>/<runner id>: correct it where the task is started'
  [[ ${setting[region]} =~ ^[a-z0-9-]{1,32}$ ]] ||
    leave 22 'MAYFLY_REGION is missing or no AWS region: correct it where the task is started'
  whole_number MAYFLY_PARK_SECONDS 21600
  setting[park_seconds]=$REPLY
  whole_number MAYFLY_RETRY_MILLISECONDS 1000
  setting[unit]=$REPLY
  whole_number MAYFLY_REQUEST_SECONDS 35
  setting[request_seconds]=$REPLY
  flag MAYFLY_FAIL_CLOSED
  setting[fail_closed]=$REPLY
  # A refusal costs a job, so where one follows the hook asks for longer than any throttle or deployment lasts.
  whole_number MAYFLY_ADMISSION_SECONDS $((REPLY == 1 ? 300 : 60))
  setting[admission_seconds]=$REPLY
  flag MAYFLY_OWN_ROLE
  setting[main]=$$
  # Only ECS's own address, or this host, is believed to tell what the container uses.
  setting[metadata_url]=${ECS_CONTAINER_METADATA_URI_V4:-}
  [[ ${setting[metadata_url]} =~ ^http://[!-~]+$ ]] && is_near "${setting[metadata_url]}" credentials || setting[metadata_url]=''
  setting[cgroup]=${MAYFLY_CGROUP:-/sys/fs/cgroup}
  [[ ${setting[cgroup]} =~ ^/[!-~]*$ ]] || setting[cgroup]=/sys/fs/cgroup
}

# The SDKs' rules: the relative URI first; plain http to nobody but this host.
find_credentials() {
  local relative=${AWS_CONTAINER_CREDENTIALS_RELATIVE_URI:-} full=${AWS_CONTAINER_CREDENTIALS_FULL_URI:-}
  setting[credentials_token]=${AWS_CONTAINER_AUTHORIZATION_TOKEN:-}
  [[ ${setting[credentials_token]} =~ ^[\ -~]*$ ]] ||
    leave 22 'AWS_CONTAINER_AUTHORIZATION_TOKEN holds characters that no header may hold'
  if [[ -n $relative ]]; then
    [[ $relative =~ ^/[!-~]*$ ]] || leave 22 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is no path'
    full=http://169.254.170.2$relative
  elif [[ -z $full ]]; then
    leave 23 'no credentials: neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor _FULL_URI is set: give the task a task role'
  fi
  [[ $full =~ ^https?://[!-~]+$ ]] || leave 22 'AWS_CONTAINER_CREDENTIALS_FULL_URI is no http or https URL'
  [[ $full == https://* ]] || is_near "$full" credentials ||
    leave 22 'AWS_CONTAINER_CREDENTIALS_FULL_URI is plain http to another host: only https, loopback or the ECS and EKS addresses are allowed'
  setting[credentials_url]=$full
}

check_image() {
  local name version home=${MAYFLY_RUNNER_HOME:-/home/runner}
  ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)) || leave 22 "bash $BASH_VERSION is too old: put bash 4.4 or newer into the image"
  for name in curl sleep mktemp rm; do
    command -v "$name" >/dev/null || leave 22 "$name is not in this image: install it there"
  done
  version=$(curl -q --version 2>/dev/null)
  [[ $version =~ ^curl\ ([0-9]+)\.([0-9]+) ]] || leave 22 'curl does not tell its version: put curl 7.75 or newer into the image'
  setting[curl]=${BASH_REMATCH[1]}.${BASH_REMATCH[2]}
  ((BASH_REMATCH[1] * 1000 + BASH_REMATCH[2] >= 7075)) ||
    leave 22 "curl ${setting[curl]} is too old: --aws-sigv4 came with 7.75; put a newer one into the image"
  if [[ ! -f $home/run.sh || ! -x $home/run.sh ]] || ! folder_of "$home/run.sh"; then
    leave 22 "$home/run.sh is not there or not executable: set MAYFLY_RUNNER_HOME to where the image keeps the runner"
  fi
  check_runner "$REPLY"
}

# The folder that a file really is in: symbolic links are followed, as run.sh and the runner do.
folder_of() {
  local path=$1 target='' hops
  for ((hops = 0; hops < 40; hops++)); do
    REPLY=$(CDPATH='' cd -P -- "${path%/*}/" 2>/dev/null && pwd -P) || return 1
    [[ -h $path ]] || return 0
    target=$(readlink "$path") || return 1
    [[ $target == /* ]] || target=$REPLY/$target
    path=$target
  done
  return 1
}

# What makes the runner end, or not ask for admission, after it took a registration: found before one is taken.
check_runner() {
  local folder=$1 name
  # run-helper.sh: "Must not run interactively with sudo".
  ((EUID != 0)) || [[ -n ${RUNNER_ALLOW_RUNASROOT:-} ]] ||
    leave 25 "the image's user is root, and the runner refuses to run as root: set USER in the image (the stock one has \"runner\"), or ENV RUNNER_ALLOW_RUNASROOT=1 if its jobs must be root"
  # run.sh copies run-helper.sh into its folder; the runner writes its configuration, logs and work there.
  for name in '' /_diag /_work /.runner /.credentials /.credentials_rsaparams; do
    [[ ! -e $folder$name || -w $folder$name ]] ||
      leave 25 "$folder$name cannot be written by the image's user (uid $EUID): chown the runner's folder to that user in the image"
  done
  read_dot_env "$folder/.env"
  # The runner looks beside the folder that its program really is in.
  if folder_of "$folder/bin/Runner.Listener"; then
    folder_of "$REPLY/../." && [[ $REPLY == "$folder" ]] || read_dot_env "$REPLY/.env"
  fi
}

# The runner sets every line of the file `.env` beside it over its environment, before anything else, and passes
# that on (actions/runner, src/Runner.Listener/Program.cs, LoadAndSetEnv). So what Mayfly sets must not be in it: a
# line with the job-started hook, even an empty one, would let jobs run that nobody admitted. Proxies and
# certificates in it are meant for this container, so they count for our own requests, too.
read_dot_env() {
  local text='' line name
  [[ -f $1 ]] || return 0
  [[ -r $1 ]] || leave 25 "$1 cannot be read by the image's user (uid $EUID), and the runner ends when it cannot: chown it to that user in the image"
  # bash leaves out the NULs of UTF-16 and says so. .NET ends lines at CR as well, and drops byte order marks.
  { text=$(<"$1"); } 2>/dev/null
  text=${text#$'\xef\xbb\xbf'} text=${text#$'\xff\xfe'} text=${text#$'\xfe\xff'}
  while IFS= read -r line; do
    [[ $line == ?*=* ]] || continue
    name=${line%%=*}
    case ${name^^} in
      ACTIONS_RUNNER_HOOK_JOB_STARTED | ACTIONS_RUNNER_INPUT_* | ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE | MAYFLY_* | \
        AWS_CONTAINER_CREDENTIALS_* | AWS_CONTAINER_AUTHORIZATION_TOKEN* | BASH_ENV)
        printable "$name"
        leave 22 "$1 sets $REPLY, which would replace what Mayfly sets for the runner: take that line out of the image's file"
        ;;
      HTTP_PROXY | HTTPS_PROXY | ALL_PROXY | NO_PROXY | CURL_CA_BUNDLE | SSL_CERT_FILE | SSL_CERT_DIR)
        # A line without a value takes the variable away.
        if [[ -n ${line#*=} ]]; then export "$name=${line#*=}"; else unset "$name"; fi
        ;;
    esac
  done < <(printf '%s\n' "${text//$'\r'/$'\n'}")
}

# Writes the hook and, beside it, what it needs to know; both readable by this user only. Done before the first
# request: a registration must not be lost to a full disk. The path has no blanks: the runner does not quote it.
write_hook() {
  local name parent=/tmp
  [[ ! ${TMPDIR:-} =~ ^/[A-Za-z0-9/._-]+$ ]] || parent=$TMPDIR
  directory=$(umask 077 && mktemp -d "$parent/mayfly.XXXXXXXXXX" 2>/dev/null) || leave 22 "no directory can be made in $parent: set TMPDIR to a writable one"
  # shellcheck disable=SC2064 # the path is checked above, and `directory` is gone when `exec` fails
  trap "rm -rf '$directory'" EXIT
  (
    umask 077
    {
      printf '#!/bin/bash\n'
      declare -f say complain printable quote option begin is_near transfer explain read_string read_object identify post pause
      printf '%s\n' "$1"
    } >"$directory/job-started.sh" && {
      for name in "${!setting[@]}"; do
        printf '%s=%s\n' "$name" "${setting[$name]}"
      done
      # The runner may start the hook without the image's environment.
      for name in PATH CURL_CA_BUNDLE SSL_CERT_FILE SSL_CERT_DIR https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY; do
        [[ -z ${!name:-} || ${!name} == *$'\n'* ]] || printf 'env:%s=%s\n' "$name" "${!name}"
      done
    } >"$directory/state"
  ) || leave 22 "$directory cannot be written: is the disk full?"
  [[ -z ${ACTIONS_RUNNER_HOOK_JOB_STARTED:-} ]] ||
    say "the image's own ACTIONS_RUNNER_HOOK_JOB_STARTED is replaced by Mayfly's admission hook"
}

# Looks at one answer: returns 0 with the registration in `answer[body]`, 1 to ask again, or ends the container.
# Only answers with `x-mayfly: 1` are the registrar's; API Gateway, proxies and portals answer without.
judge() {
  local url=${setting[url]}
  [[ ${answer[status]} == 403 ]] || forbidden=0
  if ((answer[curl] == 63)); then
    leave 24 "$url answers with something far too long for a registration: is MAYFLY_URL right?"
  elif ((answer[curl] != 0)); then
    explain "${answer[curl]}" || leave 22 "$url: $REPLY: check MAYFLY_URL and the image"
    complain "$url: $REPLY; asking again"
    return 1
  fi
  printable "${answer[body]}"
  case ${answer[status]}/${answer[mayfly]} in
    200/1)
      answer[body]=${answer[body]%$'\n'}
      [[ ${#answer[body]} -ge 16 && ${answer[body]} =~ ^[A-Za-z0-9+/]+={0,2}$ ]] ||
        leave 24 'Mayfly answered 200 with something that is no registration: the log of the registrar function tells more'
      return 0
      ;;
    202/1) complain 'parked: no job needs this runner yet; asking again' && tries=0 ;;
    204/1) leave 0 'Mayfly has no use for this runner any more: this container ends as planned' ;;
    403/1) leave 1 "Mayfly refuses this runner (403): ${REPLY:-no reason given}; the registrar function's log tells why" ;;
    409/1) leave 26 'this runner has had its registration (409), and a registration is handed out once: its job gets another runner' ;;
    403/*)
      # API Gateway answers so, too, while the policy of a new role spreads: three tries, half a minute between them.
      forbidden=$((forbidden + 1)) answer[retry]=30
      ((forbidden < 3)) || leave 21 "$url answers 403, and it is not Mayfly's: may the task role call the API? Is the clock right? Does a VPC endpoint for execute-api with private DNS catch the call? (curl ${setting[curl]}; before 7.86 it does not sign the session token)"
      complain "$url answers 403, and it is not Mayfly's; asking again"
      ;;
    408/* | 429/* | 5??/*) complain "$url answers ${answer[status]}; asking again" ;;
    *) leave 24 "$url answers ${answer[status]} (x-mayfly: ${answer[mayfly]:0:8}), which is no answer of Mayfly's: is MAYFLY_URL right?" ;;
  esac
  return 1
}

# Asks until there is a registration.
register() {
  local deadline=$((SECONDS + setting[park_seconds])) tries=0 unidentified=0 forbidden=0 trouble=''
  while ((SECONDS < deadline)); do
    if identify; then
      unidentified=0
      post /registration "{\"runner\": \"${setting[runner]}\"}" text/plain "${setting[request_seconds]}"
      ! judge || return 0
    else
      trouble=$REPLY
      unidentified=$((unidentified + 1))
      # With the waits between them 15 s at least: longer than the endpoint ever needs at the start of a task.
      ((unidentified < 5)) || leave 23 "no credentials: the task's credentials endpoint failed $unidentified times in a row ($trouble): has the task a role, and may ECS assume it?"
      complain "the task's credentials endpoint: $trouble; trying again"
      answer[retry]=''
    fi
    pause
  done
  leave 20 "asked for ${setting[park_seconds]} s (park limit) and got no job: this container ends; Mayfly starts another when one is needed"
}

# Ends with the number of the descriptor through which `supervise` learns what it needs; 0 if there is nothing to
# supervise.
main() {
  local LC_ALL=C REPLY='' child='' complaint='' directory='' stream=0 name
  local -a request=()
  local -A setting=() answer=() identity=()
  trap stopped TERM INT
  check_image
  read_settings
  find_credentials
  [[ -n ${1:-} ]] || leave 22 'the text of job-started.sh is missing: the task definition must give it as the argument after the name'
  write_hook "$1"
  register
  # The runner reads these names in any case, so one of the image could stand in for ours.
  unset "${!ACTIONS_RUNNER_INPUT_@}" "${!actions_runner_input_@}"
  export ACTIONS_RUNNER_INPUT_JITCONFIG=${answer[body]}
  export ACTIONS_RUNNER_HOOK_JOB_STARTED=$directory/job-started.sh
  # Exit status 7 when GitHub calls this runner version too old; else run.sh turns it into 0.
  export ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE=1
  # Without it run.sh does not pass SIGTERM on to the runner; the stock image sets it, others may not.
  export RUNNER_MANUALLY_TRAP_SIG=${RUNNER_MANUALLY_TRAP_SIG:-1}
  say 'registered: starting the runner'
  [[ -n ${setting[metadata_url]} ]] || return 0
  setting[directory]=$directory
  setting[request_seconds]=1
  exec {stream}< <(for name in "${!setting[@]}"; do printf '%s=%s\n' "$name" "${setting[$name]}"; done)
  return "$stream"
}

main "$@"
set -- "$?" "${MAYFLY_RUNNER_HOME:-/home/runner}/run.sh"
[[ ${MAYFLY_OWN_ROLE:-0} == 1 ]] || unset AWS_CONTAINER_CREDENTIALS_RELATIVE_URI AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_AUTHORIZATION_TOKEN AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
unset "${!MAYFLY_@}"
if (($1 == 0)); then
  shift
  exec "$@"
fi
# A bash of its own, whose first environment has none of what was unset. The runner is its child, since ECS ends the
# container with this process; a shell ignores SIGINT for what it starts in the background, and the runner must not.
exec "$BASH" -p -c "set -u
$(declare -f say complain printable quote option begin is_near transfer explain read_string read_object identify post \
  number measure sample memory_kills report supervise)
(trap - INT QUIT; eval \"exec \$1<&-\"; shift; exec \"\$@\") &
supervise \"\$!\" \"\$1\"" mayfly "$@"
