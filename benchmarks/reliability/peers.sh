#!/bin/sh
# The way of the shell: what cannot be shown is made and awaited. Usage: peers.sh SPEC.json [delete]
set -u
python3 - "$1" <<'PY' |
import json, sys
spec = json.load(open(sys.argv[1]))
for name in spec["names"]:
    print(spec["cloud"], name, spec["image"], spec["flavor"], spec["network"], spec["host"])
PY
{
    failed=0
    while read -r cloud name image flavor network host; do
        if [ "${2:-}" = delete ]; then
            openstack --os-cloud "$cloud" server delete --wait "$name" </dev/null >/dev/null || failed=1
            continue
        fi
        openstack --os-cloud "$cloud" server show "$name" -f value -c id >/dev/null 2>&1 </dev/null && continue
        openstack --os-cloud "$cloud" --os-compute-api-version 2.96 server create --image "$image" --flavor "$flavor" \
            --network "$network" --host "$host" --wait -f value -c id "$name" </dev/null >/dev/null || failed=1
    done
    exit "$failed"
}
