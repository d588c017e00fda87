#!/usr/bin/env bash
# Writes deploy/compose.pinned.yml: every image that is pulled, by the digest that its tag has now.
#   deploy/pin.sh [compose file]
set -euo pipefail
cd "$(dirname "$0")/.."
file=${1:-docker-compose.prod.yml}
pinned=deploy/compose.pinned.yml

images() { # service and image, of those that are not built here
  awk '/^[a-z]/ { in_services = /^services:/ } in_services && /^  [a-z0-9-]+:$/ { gsub(/[ :]/, ""); service = $0 }
       in_services && /^    image: [^$]*$/ { print service, $2 }' "$file"
}

trap 'rm -f "$pinned.new"' EXIT
{
  echo '# By deploy/pin.sh; not to be edited.'
  echo 'services:'
  images | while read -r service image; do
    # Its --format is not the same in every version.
    digest=$(docker buildx imagetools inspect "$image" | grep -m 1 -oE 'sha256:[0-9a-f]{64}')
    printf '  %s: { image: %s@%s }\n' "$service" "$image" "$digest"
  done
} >"$pinned.new"
mv "$pinned.new" "$pinned"
cat "$pinned"
