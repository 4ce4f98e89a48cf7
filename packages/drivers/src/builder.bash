#!/bin/bash
# One builder, from its claim to its exit code. It needs no worker: it goes on when the one that started it is killed.
# Runs inside the builder's directory; `builder-directory.ts` says what lies there.
#
#   claim      takes the name, once for all who try, and becomes containment, `enclose` and `supervise`
#   enclose    a root of its own, with what a builder needs and no more
#   supervise  the log with its bound, the cache with its lock, the time limit, the exit code
#   run        the commands, one after the other
#   unpack     a tarball on stdin, for the worker
#   prune      a cache that has grown too large, for the worker
#
# No word of a commit or of an app's settings is ever read as shell: arguments come from files, NUL after each.
set -u
umask 022
export LC_ALL=C
readonly script=${BASH_SOURCE[0]}

# claim <start> <limit in seconds> <log limit in KiB> <cache> <words that contain it ...>
# Says `started`, or `taken` if another was faster or the builder was canceled before.
claim() {
  local -a settings=("${@:1:4}")
  shift 4
  write_identity "identity.$$" || exit 1
  printf '%-64s\n' '' > "outcome.$$" || exit 1
  # A hard link is made once; whoever makes it is the builder.
  if ! ln "identity.$$" starter 2> /dev/null; then
    rm -f "identity.$$" "outcome.$$"
    [[ -e starter ]] && echo taken
    exit
  fi
  mv "outcome.$$" outcome
  rm -f "identity.$$"
  echo started
  exec "$@" bash "$script" supervise "${settings[@]}" < /dev/null > /dev/null 2>&1
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

# enclose <empty directory> <paths to read ...> -- <paths to write ...> -- <command ...>
# Only in a mount namespace of its own. A step of a Dockerfile that breaks out of buildah's chroot, or mounts a link to
# `/` (CVE-2024-1753), finds here: the machine's programs, read-only; no disk, no home, no other builder, no secret.
enclose() {
  set -e
  readonly hull=$1 here=$PWD
  shift
  mount -t tmpfs -o size=64m,mode=755 hull "$hull"
  mkdir -p "$hull"/{dev/shm,dev/pts,dev/mqueue,etc/ssl,run,root,var/tmp,var/lib,tmp}
  chmod 1777 "$hull/tmp"
  show /usr ro
  local path
  for path in /bin /lib /lib32 /lib64 /libx32 /sbin /etc/ssl/certs; do show "$path" ro; done
  cp --recursive --dereference --parents /etc/{passwd,group,hosts,resolv.conf,nsswitch.conf,ld.so.cache,containers} \
    "$hull" 2> /dev/null || true
  # Aliases that lead to public registries, past the configured ones.
  rm -f "$hull"/etc/containers/registries.conf.d/*shortnames.conf
  for path in /dev/{null,zero,full,random,urandom,tty}; do show "$path" rw; done
  ln -s /proc/self/fd "$hull/dev/fd"
  show /proc rw
  show /sys ro
  protect "$hull/proc/sys"
  protect "$hull/proc/sysrq-trigger"
  for (( ; $# > 0; )); do
    path=$1
    shift
    if [[ $path == -- ]]; then break; fi
    show "$path" ro
  done
  for (( ; $# > 0; )); do
    path=$1
    shift
    if [[ $path == -- ]]; then break; fi
    show "$path" rw
  done
  cd "$hull"
  pivot_root . .
  umount --lazy .
  cd "$here" 2> /dev/null || cd /
  exec "$@"
}

# Puts the path where the enclosed will find it. A link to a directory stays one.
show() {
  local place=$hull$1
  if [[ ! -e $1 ]]; then return; fi
  if [[ ! -d ${place%/*} ]]; then mkdir -p "${place%/*}"; fi
  if [[ -L $1 && -d $1 ]]; then
    cp --no-dereference "$1" "$place"
    return
  fi
  if [[ ! -e $place ]]; then
    if [[ -d $1 ]]; then mkdir -p "$place"; else : > "$place"; fi
  fi
  # What lies mounted below stays out, except where a user namespace may not take it apart.
  mount --bind "$1" "$place" 2> /dev/null || mount --rbind "$1" "$place"
  if [[ $2 == ro ]]; then read_only "$place"; fi
}

protect() {
  if [[ ! -e $1 ]]; then return; fi
  mount --bind "$1" "$1" || in_user_namespace
  read_only "$1"
}

# In a user namespace these files are nobody's whom it could be, and some flags may not be changed there.
read_only() {
  mount -o remount,bind,ro "$1" 2> /dev/null || in_user_namespace
}

in_user_namespace() {
  [[ -n ${_CONTAINERS_USERNS_CONFIGURED-} ]]
}

supervise() {
  local start=$1 limit=$2 log_limit=$3 cache=$4
  open_cache "$cache"
  mkfifo pipe
  bounded_log "$log_limit" < pipe 9>&- &
  local logger=$!
  timeout --signal=TERM "$limit" bash "$script" run "$start" < /dev/null > pipe 2>&1 9>&- &
  local runner=$!
  wait "$runner"
  local code=$?
  kill -KILL -- "-$runner" 2> /dev/null
  drain "$logger"
  # `timeout` answers 124 only when the limit came first; `run` itself always leaves an outcome.
  if ! grep -q '[a-z]' outcome; then
    if [[ $code == 124 ]]; then record timelimit 0; else record lost "$code"; fi
  fi
  close_cache "$cache"
  ln outcome exit
}

# Over a file that is there already, so that it is told even when the disk is full.
record() {
  printf '%s %s' "$1" "$2" 1<> outcome
}

# A write past the limit fails in `cat` alone; what is in the log by then stays, and the builder never notices.
bounded_log() {
  if (trap '' XFSZ; ulimit -f "$1"; exec cat >> log 2> /dev/null); then return; fi
  printf '\n[the log ends here: it is longer than %s KiB]\n' "$1" >> log
  exec cat > /dev/null
}

# The rest of the log, unless something that outlived the commands keeps the pipe open.
drain() {
  sleep 2 &
  wait -n "$1" "$!"
  kill "$1" "$!" 2> /dev/null
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
  mkdir -p "$1"
  ln -s "$1" cache
}

close_cache() {
  if [[ -L cache ]] && grep -Eq '^(build|push|done) ' outcome; then rm -f "$1.open"; fi
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
      record "$phase" "$code"
      return
    fi
  done
  record done 0
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

unpack() {
  exec tar --extract --file=- --no-same-owner --no-same-permissions --directory="$1"
}

# All of this file has been read by now, so an update of it does not change what runs.
"$@"; exit
