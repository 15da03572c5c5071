#!/bin/sh
# Build the image with whichever of docker, podman and buildah is there: deploy/image/build.sh [OPTION...]
# IMAGE names the result; options go to the builder, as --build-arg BASE=...
set -eu
cd "$(dirname "$0")/../.."
for builder in docker podman buildah; do
    # The client of docker alone builds nothing.
    if command -v "$builder" >/dev/null 2>&1 && "$builder" info >/dev/null 2>&1; then
        break
    fi
    builder=
done
if [ -z "$builder" ]; then
    echo "image: none of docker, podman and buildah works here; on Debian: apt install buildah" >&2
    exit 2
fi
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml | head -n 1)
# Where it comes from, without the login that an address may have.
source=$(git remote get-url origin 2>/dev/null | sed 's|//[^/@]*@|//|')
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
epoch=$(git log -1 --format=%ct 2>/dev/null || echo 1767225600)
exec "$builder" build --file deploy/image/Containerfile --tag "${IMAGE:-livetrap:$version}" \
    --build-arg "SOURCE=${source:-unknown}" --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
    --build-arg "SOURCE_DATE_EPOCH=$epoch" "$@" .
