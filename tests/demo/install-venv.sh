#!/bin/sh
# Get the Debian package that `python3 -m venv` needs, as root or with sudo, or say what is missing.
set -eu
as_root=
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "python3 cannot make virtual environments here: as root, apt-get install python3-venv" >&2
		exit 1
	fi
	as_root=sudo
fi
$as_root apt-get update -qq
$as_root apt-get install -y -qq --no-install-recommends python3-venv ca-certificates >/dev/null
