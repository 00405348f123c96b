#!/usr/bin/env bash
# Installs what the testbed needs. The Makefile calls it; every step may be repeated at any time.
#
# Usage: PYTHON=python3 scripts/setup.sh STEP
#   debian           the Debian packages that are needed (debian-packages.txt); as an ordinary user, say which are missing
#   debian-services  the daemons of services; as an ordinary user, say which are missing
#   debian-tests     the packages that only the tests use, and those of services; as an ordinary user, nothing
#   python           the Python parts, in .venv
#   ryu              Ryu 4.34, in .venv-ryu
#   ryu-tests        the same, but only say so if the Python of .venv is too new for Ryu
# Exit codes: 0 done; 2 usage; 3 the machine is not ready, and the last line says what to type; or those of apt-get, pip.
set -euo pipefail
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-python3}

# refuse FOUND HINT: what was found and wanted, and what to type.
refuse() {
    printf '%s\n' "$1" "$2" >&2
    exit 3
}

# missing KIND: the packages of debian-packages.txt that are not here, each after a space. KIND is "tests:", "services:"
# or "optional:", as their purpose begins, or "needed" for all others.
missing() {
    local package brings purpose kind
    while read -r package brings purpose; do
        [[ -n $package && $package != \#* ]] || continue
        kind=${purpose%% *}
        [[ $kind == *: ]] || kind=needed
        [[ $kind == "$1" ]] || continue
        brought "$brings" || printf ' %s' "$package"
    done <debian-packages.txt
}

# brought WHAT: whether a command, an absolute path or python3:MODULE is here.
brought() {
    case $1 in
        /*) test -e "$1" ;;
        python3:*) "$PYTHON" -c "import ${1#python3:}" 2>/dev/null ;;
        # Administration programs are not in the path of every ordinary user.
        *) PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null ;;
    esac
}

install_packages() {
    echo "Installing Debian packages: $*"
    # SYSTEMD_OFFLINE and RUNLEVEL (systemd and sysvinit) keep the packages from starting their daemons,
    # NEEDRESTART_SUSPEND keeps apt from restarting others.
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 SYSTEMD_OFFLINE=1 NEEDRESTART_SUSPEND=1
    apt-get update --quiet && apt-get install --quiet --yes --no-install-recommends "$@"
}

ready() { [[ $1/ready -nt setup.py ]]; }

# check_python: refuse a PYTHON that does not exist, or that is too old to make .venv.
check_python() {
    local hint="Type: make setup PYTHON=python3.11 (or another that is installed)"
    command -v "$PYTHON" >/dev/null || refuse "There is no Python $PYTHON; wanted Python 3.11 or newer." "$hint"
    ready .venv || "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        refuse "$PYTHON is $("$PYTHON" --version 2>&1); wanted Python 3.11 or newer." "$hint"
}

step_debian() {
    # Before any package is installed. Only python3 itself may be missing still: the package python3-venv brings it.
    if [[ $PYTHON != python3 ]] || command -v python3 >/dev/null; then
        check_python
    fi
    install_all needed openvswitch-switch
}

step_debian_services() { install_all services: "bird frr keepalived"; }

# install_all KIND DAEMON: what is missing of the packages of a kind; DAEMON is one that they bring.
install_all() {
    local packages
    packages=$(missing "$1")
    [[ -n $packages ]] || return 0
    command -v apt-get >/dev/null ||
        refuse "These Debian packages are missing:$packages" "This system has no apt-get; wanted Debian or Ubuntu."
    [[ $(id -u) == 0 ]] ||
        refuse "These Debian packages are missing:$packages" "Type: sudo apt-get install --no-install-recommends$packages"
    echo "The packages' daemons are not started now and are not used. They may start at the next boot;"
    echo "systemctl disable $2 prevents that."
    # shellcheck disable=SC2086 # one word for each package
    install_packages $packages
    packages=$(missing "$1")
    [[ -z $packages ]] ||
        refuse "These packages are installed, but what they bring was not found:$packages" \
            "See debian-packages.txt. A Python that is not Debian's needs its own venv and ensurepip."
}

# Where these cannot be installed, the tests that use them are skipped, and pytest says so: nothing stops here.
step_debian_tests() {
    local packages
    packages="$(missing tests:)$(missing services:)"
    if [[ -n $packages && $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
        # shellcheck disable=SC2086 # one word for each package
        install_packages $packages || true
    fi
}

# The stamp .venv/ready is made last, so an interrupted installation is done again.
step_python() {
    check_python
    ! ready .venv || return 0
    echo "Installing the Python parts in .venv; this takes a minute or two"
    "$PYTHON" -m venv .venv
    .venv/bin/python -m pip install --quiet --editable '.[dev]'
    touch .venv/ready
}

# Ryu's build fails with Python 3.12 and newer, because it needs an older setuptools.
too_new_for_ryu() { .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 12))'; }

step_ryu() {
    ! ready .venv-ryu || return 0
    if too_new_for_ryu; then
        refuse "Ryu 4.34 builds with Python up to 3.11 only; .venv has $(.venv/bin/python --version)." \
            "Type: make clean, then make setup-ryu PYTHON=python3.11 (if that is installed)"
    fi
    echo "Installing Ryu in .venv-ryu; this takes a minute"
    .venv/bin/python -m venv --clear .venv-ryu
    # Older pips read the first variable for builds, newer ones the second.
    echo 'setuptools<58' >.venv-ryu/constraints.txt
    export PIP_CONSTRAINT="$PWD/.venv-ryu/constraints.txt" PIP_BUILD_CONSTRAINT="$PWD/.venv-ryu/constraints.txt"
    .venv/bin/python -c '
import importlib.metadata
for requirement in importlib.metadata.requires("testbed"):
    name, _, extra = requirement.partition(";")
    if "ryu" in extra:
        print(name)
' >.venv-ryu/requirements.txt
    .venv-ryu/bin/python -m pip install --quiet --requirement .venv-ryu/requirements.txt
    touch .venv-ryu/ready
}

step_ryu_tests() {
    if too_new_for_ryu; then
        echo "Ryu 4.34 cannot be built with Python 3.12 or newer: its tests are skipped."
    else
        step_ryu
    fi
}

case ${1-} in
    debian | debian-services | debian-tests | python | ryu | ryu-tests) "step_${1//-/_}" ;;
    *)
        echo "scripts/setup.sh has no step '${1-}'; wanted debian, debian-services, debian-tests, python, ryu or ryu-tests" >&2
        exit 2
        ;;
esac
