#!/bin/sh
# Builds the image of the Containerfile without an engine and without a registry: the base is Debian bookworm as
# debootstrap brings it, the builder is buildah. As root, on Debian or Ubuntu:
#
#   apt-get install --no-install-recommends buildah debootstrap
#   docs/deploy/build-image.sh                      # makes localhost/relampago:local
#   docs/deploy/build-image.sh --volume /etc/ssl/certs:/etc/ssl/certs:ro       # whatever else `buildah build` takes
#
# MIRROR, SUITE, TAG and BASE may be set; without a MIRROR debootstrap asks the one that it knows. A BASE that is
# there already is taken as it is, not made again.
set -eu

SUITE=${SUITE:-bookworm}
TAG=${TAG:-localhost/relampago:local}
BASE=${BASE:-localhost/relampago-base:$SUITE}
PACKAGES=python3,python3-venv,python-is-python3,ca-certificates

here=$(cd "$(dirname "$0")/../.." && pwd)
container=''

leave() {
    if [ -n "$container" ]; then
        buildah rm "$container" >/dev/null
    fi
}
trap leave EXIT

make_base() {
    container=$(buildah from scratch)
    root=$(buildah mount "$container")
    debootstrap --variant=minbase --include="$PACKAGES" "$SUITE" "$root" ${MIRROR:+"$MIRROR"}
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/doc/* "$root"/usr/share/man/*
    buildah umount "$container" >/dev/null
    buildah config --cmd /bin/sh --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
    buildah commit --quiet --rm "$container" "$BASE" >/dev/null
    container=''
}

buildah inspect --type image "$BASE" >/dev/null 2>&1 || make_base
# Docker's format, because the other one has no place for the healthcheck.
buildah build --isolation chroot --format docker --pull-never --build-arg "BASE=$BASE" --tag "$TAG" \
    --file "$here/Containerfile" "$@" "$here"
echo "$TAG"
