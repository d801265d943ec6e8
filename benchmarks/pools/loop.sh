#!/bin/sh
# The way of the shell: one `openstack server create` per server, then wait for them all. Usage: loop.sh SPEC.json
set -eu
python3 - "$1" <<'PY' |
import json, sys
spec = json.load(open(sys.argv[1]))
for cloud, hosts in spec["hosts"].items():
    net = "--network none" if spec["networks"] == "none" else f"--network {spec['networks'][cloud]}"
    for host in hosts:
        for number in range(spec["each"]):
            print(cloud, f"--image {spec['image'][cloud]} --flavor {spec['flavor'][cloud]} {net} --host {host}"
                  f" --os-compute-api-version 2.96 -f value -c id {spec['name']}-{host}-{number}")
PY
while read -r cloud rest; do
    # shellcheck disable=SC2086  # the words are ours
    openstack --os-cloud "$cloud" server create $rest >/dev/null
done
for cloud in private public; do
    name=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["name"])' "$1")
    while openstack --os-cloud "$cloud" server list --name "$name-" -f value -c Status | grep -qv ACTIVE; do :; done
done
