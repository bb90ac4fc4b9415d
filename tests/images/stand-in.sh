#!/bin/sh
# stand-in.sh SUITE TAG    make a small Debian image out of the package archive and name it TAG
#
# For machines that reach a Debian mirror but no container registry: Dockerfile.base then builds unmodified,
# because podman takes an image that is there. Needs root, mmdebstrap and podman.
set -eu
suite=$1 tag=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What Debian's own container images set: an apt layer keeps neither packages nor indexes.
cat >"$work/docker-clean" <<'END'
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };
APT::Update::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };
Acquire::Languages "none";
Acquire::GzipIndexes "true";
Apt::AutoRemove::SuggestsImportant "false";
END

# A tar first: a pipe into podman would import an empty image when mmdebstrap fails.
mmdebstrap --quiet --variant=minbase --include=ca-certificates \
	--aptopt='Dir::Cache::pkgcache ""' --aptopt='Dir::Cache::srcpkgcache ""' \
	--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
	--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
	--customize-hook="copy-in $work/docker-clean /etc/apt/apt.conf.d" \
	"$suite" "$work/root.tar" http://deb.debian.org/debian
podman import --quiet --change 'CMD ["bash"]' "$work/root.tar" "$tag"
