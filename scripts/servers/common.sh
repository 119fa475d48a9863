# shellcheck shell=bash
# What the scripts of this folder share; they source it. Each takes
#
#     --install-only            installs what is missing, and no more
#     run [--port N] DIR        runs the server on loopback: 0 is a free port
#
# `run` prints one line once the server answers, its address. It runs until it
# gets SIGTERM or SIGINT, or until its standard input, where that is a pipe,
# closes; then no process of it is left. Where the server cannot be had, the line
# begins with "skipped: ": with `run` the exit status is then 77, with
# `--install-only` 0.

fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# skipped WHY
skipped() {
    printf 'skipped: %s\n' "$*"
    [ "${mode:-}" = install ] && exit 0
    exit 77
}

# The command line into mode, port and dir. What is not shared goes to the
# function `option`, which sets `taken` to how many words it used.
parse() {
    mode='' port=0 dir=''
    while [ $# -gt 0 ]; do
        case $1 in
        -h | --help)
            usage
            exit 0
            ;;
        --install-only) mode=install ;;
        run) mode=run ;;
        --port)
            [[ ${2:-} =~ ^[0-9]{1,5}$ ]] || fail "--port needs a number"
            port=$2
            shift
            ;;
        -*)
            taken=0
            option "$@"
            [ "$taken" -gt 0 ] || fail "unknown option: $1 (--help lists them)"
            [ "$taken" -le $# ] || fail "$1 needs a value"
            shift $((taken - 1))
            ;;
        *)
            [ -z "$dir" ] || fail "one DIR is enough: $1"
            dir=$1
            ;;
        esac
        shift
    done
    case $mode in
    install) ;;
    run) [ -n "$dir" ] || fail "run needs a DIR for its files" ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
}

# The folder DIR, made and absolute; and the port, where any will do. Below the
# ports of outgoing connections, which a load generator uses by the thousand.
prepare() {
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd -P)
    command -v python3 >/dev/null || fail "python3 is missing"
    [ "$port" != 0 ] || port=$(python3 -c '
import random, socket
while True:
    port = random.randrange(20000, 32000)
    try:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
    except OSError:
        continue
    print(port)
    break')
    url=http://127.0.0.1:$port
}

# apt_install PACKAGE...
apt_install() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "needs root and Debian's apt-get to install $*" >&2
        return 1
    fi
    {
        apt-get update -qq &&
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
                -o DPkg::Lock::Timeout=300 "$@"
    } >&2
}

# lock FOLDER: made, and to itself as long as descriptor 9 is open.
lock() {
    mkdir -p "$1" && exec 9>"$1/lock" && flock 9
}

cache=${XDG_CACHE_HOME:-$HOME/.cache}/posthaste

# venv NAME REQUIREMENT...: a virtual environment in the cache, with exactly
# these; one install at a time.
venv() {
    local place=$cache/$1
    shift
    lock "$place" || return 1
    if [ "$(cat "$place/installed" 2>/dev/null)" != "$*" ]; then
        rm -rf "$place/venv" "$place/installed"
        python3 -m venv "$place/venv" &&
            "$place/venv/bin/pip" install --quiet --disable-pip-version-check \
                --retries 1 --timeout 20 "$@" >&2 || return 1
        echo "$*" >"$place/installed"
    fi
    exec 9>&-
}

# npm_install NAME PACKAGE_JSON: the same for npm, of what the text asks for.
npm_install() {
    local place=$cache/$1
    command -v npm >/dev/null || { echo "npm is missing" >&2; return 1; }
    lock "$place" || return 1
    if [ "$(cat "$place/installed" 2>/dev/null)" != "$2" ]; then
        rm -rf "$place/node_modules" "$place/package-lock.json" "$place/installed"
        echo "$2" >"$place/package.json" || return 1
        npm install --prefix "$place" --silent --no-audit --no-fund \
            --fetch-retries 1 --fetch-timeout 20000 >&2 || return 1
        echo "$2" >"$place/installed"
    fi
    exec 9>&-
}

# answers PATH: whether the server answers a GET with a 2xx.
answers() {
    (
        exec 3<>"/dev/tcp/127.0.0.1/$port"
        printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nConnection: close\r\n\r\n' "$1" "$port" >&3
        IFS= read -r -t 5 line <&3
        [[ $line =~ ^HTTP/1.[01]\ 2 ]]
    ) 2>/dev/null
}

server='' watcher=''
stop() {
    trap '' TERM INT HUP
    [ -z "$watcher" ] || kill "$watcher" 2>/dev/null || true
    [ -n "$server" ] || return 0
    kill -TERM "$server" 2>/dev/null || true
    for _ in $(seq 100); do
        # The whole group: workers may outlive their master for a moment.
        kill -0 -- "-$server" 2>/dev/null || return 0
        sleep 0.05
    done
    kill -KILL -- "-$server" 2>/dev/null || true
}

# serve PATH COMMAND...: runs it in a process group of its own, prints the
# address once PATH answers, and waits for the end.
serve() {
    local path=$1 status
    shift
    trap stop EXIT
    trap 'exit 0' TERM INT HUP
    # Should this script be killed outright, the server gets a SIGTERM all the same.
    local -a bound=()
    ! command -v setpriv >/dev/null || bound=(setpriv --pdeathsig TERM)
    setsid "${bound[@]}" "$@" </dev/null >>"$dir/server.log" 2>&1 &
    server=$!
    local began=$SECONDS
    until answers "$path"; do
        if ! kill -0 "$server" 2>/dev/null || [ $((SECONDS - began)) -gt 120 ]; then
            tail -n 20 "$dir/server.log" >&2
            fail "the server did not start (its log is above, and in $dir)"
        fi
        sleep 0.05
    done
    echo "$url"
    if [ -p /dev/stdin ] || [ -S /dev/stdin ]; then
        exec 3<&0
        cat <&3 >/dev/null &
        watcher=$!
        exec 3<&-
        wait -n "$server" "$watcher" || true
        kill -0 "$watcher" 2>/dev/null || exit 0
    fi
    status=0
    wait "$server" || status=$?
    fail "the server ended by itself (status $status; its log is in $dir)"
}
