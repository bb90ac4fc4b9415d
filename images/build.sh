#!/bin/sh
# build.sh [base | bundle | nginx | haproxy | postgresql | prometheus | services]...    build images (all, if none is named)
#
# The names are config-supervisor, config-supervisor-bundle, config-supervisor-nginx and so on, with
# the tags VERSION and `latest`. BUILD is the command (`podman build --format docker`), followed by
# BUILD_FLAGS. SBOM, if set, is a Python with cyclonedx-python-lib (`make images`): each image then
# gets its bill of materials, dist/NAME.cdx.json.
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' supervisor/__init__.py)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)

build() { # NAME FILE [FLAG...]
	name=$1 file=$2
	shift 2
	# shellcheck disable=SC2086 # these are words
	${BUILD:-podman build --format docker} ${BUILD_FLAGS:-} "$@" --tag "$name:$version" --tag "$name:latest" \
		--build-arg "VERSION=$version" --build-arg "REVISION=$revision" --file "$file" .
	[ -z "${SBOM:-}" ] || bill "$name"
}

bill() { # NAME
	case ${BUILD:-podman} in
	docker*) engine=docker ;;
	*) engine=podman ;; # buildah keeps its images in the same place
	esac
	mkdir -p dist
	# It is never started; an image without a command wants to be given some.
	container=$($engine create --no-healthcheck --network none "$1:$version" none)
	done=0
	$engine export "$container" | "$SBOM" images/sbom.py "$1" "$version" >"dist/$1.cdx.json.new" || done=$?
	$engine rm "$container" >/dev/null
	[ $done -eq 0 ] || exit $done
	mv "dist/$1.cdx.json.new" "dist/$1.cdx.json"
}

[ $# -gt 0 ] || set -- base bundle nginx haproxy postgresql prometheus services
for image in "$@"; do
	case $image in
	base) build config-supervisor Dockerfile.base --target base ;;
	bundle) build config-supervisor-bundle Dockerfile.base --target bundle ;;
	*) build "config-supervisor-$image" "images/$image/Dockerfile" ;;
	esac
done
