#!/bin/bash
# One builder, from its claim to its exit code. It needs no worker: it goes on when the one that started it is killed.
# Runs inside the builder's directory; `builder-directory.ts` says what lies there.
#
#   claim      unpacks the commit, takes the name, once for all who try, and becomes containment, `enclose`, `supervise`
#   enclose    a root of its own, with what a builder needs and no more
#   supervise  the log with its bound, the cache with its lock, the time limit, the exit code
#   run        the commands, one after the other
#   prune      a cache that has grown too large, for the worker
#
# No word of a commit or of an app's settings is ever read as shell: arguments come from files, NUL after each.
set -u
umask 022
export LC_ALL=C
readonly script=${BASH_SOURCE[0]}

# claim <start> <limit in seconds> <log limit in KiB> <cache> <words that contain it ...>
# Unpacks the tarball on stdin into `<start>/context`, says `unpacked`, and waits for a line on descriptor 3: the worker
# looks at the files first. Then says `started`, or `taken` if another was faster or the builder was canceled before.
claim() {
  local start=$1
  local -a settings=("${@:1:4}")
  shift 4
  tar --extract --file=- --no-same-owner --no-same-permissions --directory="$start/context" || exit
  echo unpacked
  read -r -u 3 && exec 3<&- || exit
  write_identity "$start/identity" || exit 1
  printf '%-64s\n' '' > "$start/outcome" || exit 1
  # A hard link is made once; whoever makes it is the builder.
  if ! ln "$start/identity" starter 2> /dev/null; then
    if [[ -e starter ]]; then echo taken; fi
    exit
  fi
  echo started
  exec < /dev/null > /dev/null 2>&1
  if (($# > 0)); then exec "$@" supervise "${settings[@]}"; fi
  supervise "${settings[@]}"
}

# Process id, start time in clock ticks since boot, and the boot: together they name one process for ever.
write_identity() {
  local stat boot
  read -r stat < "/proc/$$/stat"
  read -r boot < /proc/sys/kernel/random/boot_id
  local -a fields
  read -ra fields <<< "${stat##*) }"
  printf '%s %s %s\n' "$$" "${fields[19]}" "$boot" > "$1"
}

# enclose <root> <file with the table of mounts> <command ...>
# Only in a mount namespace of its own. `hull.ts` says what is in the table.
enclose() {
  local root=$1 here=$PWD
  mount --all --fstab "$2" || in_user_namespace || exit
  cd "$root" && pivot_root . . && umount --lazy . || exit
  cd "$here" 2> /dev/null || cd /
  "${@:3}"
}

# There some files are nobody's whom a builder could be, and some mounts may not be made read-only.
in_user_namespace() {
  [[ -n ${_CONTAINERS_USERNS_CONFIGURED-} ]]
}

supervise() {
  local start=$1 limit=$2 log_limit=$3 cache=$4
  coproc logger { bounded_log "$log_limit"; }
  # A background job gets no descriptor of a coprocess itself, and all of these are gone with its end.
  exec {pipe}>&"${logger[1]}" {logger[1]}>&- {ended}<&"${logger[0]}" {logger[0]}<&-
  local logger_pid=$logger_PID
  open_cache "$cache"
  # In a process group of its own, so that the limit ends all of it.
  set -m
  run "$start" < /dev/null >&"$pipe" 2>&1 9>&- &
  local runner=$!
  set +m
  exec {pipe}>&-
  sleep "$limit" 9>&- &
  local timer=$!
  local first
  wait -n -p first "$runner" "$timer"
  local code=$?
  kill -TERM -- "-$runner" 2> /dev/null
  kill -KILL -- "-$runner" 2> /dev/null
  # Until the logger ends. Something that outlived the commands may keep its pipe open; it gets no more than this.
  read -r -t 2 -u "$ended"
  kill "$logger_pid" "$timer" 2> /dev/null
  # `run` itself always leaves an outcome.
  local phase
  read -r phase _ < "$start/outcome"
  if [[ -z $phase ]]; then
    if [[ $first == "$timer" ]]; then phase=timelimit code=0; else phase=lost; fi
    record "$start" "$phase" "$code"
  fi
  close_cache "$cache" "$phase"
  ln "$start/outcome" exit
}

# Over a file that is there already, so that it is told even when the disk is full.
record() {
  printf '%s %s' "$2" "$3" 1<> "$1/outcome"
}

# A write past the limit fails in `cat` alone; what is in the log by then stays, and the builder never notices.
bounded_log() {
  if (trap '' XFSZ; ulimit -f "$1"; exec cat >> log 2> /dev/null); then return; fi
  printf '\n[the log ends here: it is longer than %s KiB]\n' "$1" >> log
  exec cat > /dev/null
}

# The cache is ours alone while descriptor 9 is locked. One that was not closed is not trusted again: its commands were
# killed in the middle of it.
open_cache() {
  exec 9>> "$1.lock"
  if ! flock --nonblock 9; then
    exec 9>&-
    mkdir cache
    return
  fi
  if [[ -e $1.open ]]; then discard_cache "$1"; fi
  : > "$1.open"
  if [[ ! -d $1 ]]; then mkdir "$1"; fi
  ln -s "$1" cache
}

close_cache() {
  if [[ -L cache && $2 =~ ^(build|push|done)$ ]]; then rm -f "$1.open"; fi
}

# prune <cache> <limit in MiB>: all of it goes if it is too large or not to be trusted, unless a builder has it.
prune() {
  [[ -d $1 ]] || return 0
  exec 9>> "$1.lock"
  flock --nonblock 9 || return 0
  local size
  size=$(du --summarize --block-size=M "$1" 2> /dev/null)
  if [[ -e $1.open ]] || ((${size%%M*} > $2)); then discard_cache "$1"; fi
}

discard_cache() {
  rm -rf "$1.old"
  mv "$1" "$1.old" 2> /dev/null
  rm -rf "$1.old" "$1.open"
}

# Each file: the environment, an empty string, the program and its arguments. Its name ends with the phase.
run() {
  local file phase
  for file in "$1"/commands/*; do
    phase=${file##*-}
    local -a words=()
    mapfile -d '' -t words < "$file"
    (execute "${words[@]}")
    local code=$?
    if ((code != 0)); then
      if disk_is_full; then phase=full; fi
      if [[ -e missing ]]; then phase=missing; fi
      record "$1" "$phase" "$code"
      return
    fi
  done
  record "$1" done 0
}

execute() {
  while [[ -n $1 ]]; do
    export "$1"
    shift
  done
  shift
  if ! command -v "$1" > /dev/null; then
    : > missing
    echo "$1 is not installed"
    exit 127
  fi
  exec "$@"
}

disk_is_full() {
  head -c 1048576 /dev/zero 2> /dev/null > probe
  local code=$?
  rm -f probe
  ((code != 0))
}

# All of this file has been read by now, so an update of it does not change what runs.
"$@"; exit
