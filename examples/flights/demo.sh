#!/usr/bin/env bash
# The main job on real data: plan, apply, one prediction, and a replay of April to December under three
# policies.
# --keep leaves the server up; --days N replays N days only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
keep= replay=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --keep) keep=1 ;;
    --days) shift && replay=(--to "$(date -u -d "2013-04-01 + $1 days" +%F)") ;;
    *) printf 'error: demo takes --keep and --days N, not %s\n' "$1" >&2 && exit 2 ;;
  esac
  shift
done
title() { printf '\n== %s\n' "$*"; }

title 'What would be done, and why'
bin/trimtab plan examples/flights
title 'Do it: train on January to March, register version 1, open the endpoint'
bin/trimtab apply examples/flights
title 'A second time there is nothing to do'
time bin/trimtab apply examples/flights

title 'Ask it: will the 17:45 from LaGuardia to Chicago be 15 minutes late?'
bin/trimtab serve examples/flights --port 0 --clock manual >examples/flights/.trimtab/demo-server.log &
server=$!
trap 'kill $server 2>/dev/null || true' EXIT
until address=$(grep -om1 'http://.*' examples/flights/.trimtab/demo-server.log); do
  kill -0 $server && sleep 0.05
done
curl -sS "$address/endpoints/late/invocations" -H 'Content-Type: application/json' -d '{"dataframe_records":[
  {"sched_dep": "2013-04-01T21:45:00Z", "carrier": "UA", "origin": "LGA", "dest": "ORD", "distance": 733,
   "tailnum": "N37422"}]}'
printf '\n'

title 'Replay April to December through the real endpoint, under three policies'
time bin/trimtab backtest examples/flights --from 2013-04-01 "${replay[@]}"

if [[ -n $keep ]]; then
  trap - EXIT
  title "The server stays up at $address (process $server); its API is described at $address/openapi.json"
fi
