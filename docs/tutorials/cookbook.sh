#!/usr/bin/env bash
# API cookbook: questions and their answers.
set -euo pipefail
# %% [markdown]
# # API cookbook
#
# Questions as `curl` asks them, and in Python where a program would ask.
# Like the tutorials, these recipes run in continuous integration, against the service of [the first tutorial](../tutorials/first_night.md).
# [All paths and parameters](../reference/rest.md) are also described by the running service, at `/docs`.
#
# Here `api` is the address of the service:
# %%
status=$(livetrap status --json)
export api=$(python -c 'import json, sys; print(json.loads(sys.argv[1])["api_url"])' "$status")/api/v1
# %% [markdown]
# ## What appeared lately?
#
# Newest first; `since` is a detection time, ISO 8601.
# %%
curl -s "$api/transients?limit=1&min_snr=10&since=2026-01-01T00:00:00Z" | python -m json.tool
# %% [markdown]
# ## What varies most?
#
# `sort` is by `eta`, `v`, `n_datapoints` or `last_time_start`, descending.
# %%
curl -s "$api/sources?stream=night1&sort=v&min_eta=5&limit=1" | python -m json.tool | sed -n 1,20p
# %% [markdown]
# ## What is near a position?
#
# A cone has `ra`, `dec` and `radius_deg`, and works at 0h and at the poles as anywhere else.
# The lists of transients, sources and alerts all take one.
# %%
curl -s "$api/sources?ra=123.0&dec=50.0&radius_deg=1" |
  python -c 'import json, sys; print([source["id"] for source in json.load(sys.stdin)["items"]])'
# %% [markdown]
# ## A light curve as a table
#
# `format` is `json`, `csv` or `votable`.
# %%
curl -s "$api/sources/1/lightcurve?format=csv" | cut -d , -f 1,3,6,7,13 | sed -n 1,4p
# %% [markdown]
# ## All of a long list
#
# A list comes in pages.
# Pass `next` of one page as `cursor` of the following one, until it is null.
# %%
python - <<'PYTHON'
import os

import httpx

images, params = [], {"limit": 25}
while "cursor" not in params or params["cursor"]:
    page = httpx.get(f"{os.environ['api']}/images", params=params).raise_for_status().json()
    images += page["items"]
    params["cursor"] = page["next"]
print(len(images), "images; the first at", min(image["time_start"] for image in images))
PYTHON
# %% [markdown]
# ## An alert, as JSON or as a VOEvent
#
# By its number or its ivorn, whose `#` is `%23` in an address.
# %%
curl -s "$api/alerts/1" | cut -c 1-120
curl -s "$api/alerts/1" -H 'Accept: application/xml' | cut -c 1-120 | sed -n 1,2p
# %% [markdown]
# ## Alerts as they come
#
# The connection stays open; `Last-Event-ID` goes on behind an alert, and `0` is before the first.
# In a script, see [the robot](../tutorials/robot.md).
# %%
curl -sN --max-time 2 "$api/alerts/stream" -H 'Last-Event-ID: 0' | cut -c 1-120 | sed -n 1,9p || true
# %% [markdown]
# ## Who has this alert?
# %%
curl -s "$api/alerts/1/deliveries" | python -m json.tool
# %% [markdown]
# ## Where are my images?
#
# `ledger` accounts for every image, and `images?verdict=rejected` has the reasons.
# %%
curl -s "$api/ledger" | python -m json.tool
curl -s "$api/images?verdict=rejected&limit=5"; echo
# %% [markdown]
# ## How fast is it?
#
# Percentiles of each stage over the last hour; `alert_total` is from the append of the image on Kafka to the alert.
# %%
curl -s "$api/slo" | python -m json.tool | sed -n 1,10p
# %% [markdown]
# ## Watch a position
#
# It is measured in every image of the stream from now on, detected or not.
# Writing needs a token; it is shown once, and the service knows only its digest.
# %%
token=$(livetrap tokens create anna --scope operate --days 1)
monitor=$(curl -s "$api/monitors" -H "Authorization: Bearer $token" \
  -H 'Content-Type: application/json' \
  -d '{"stream": "night1", "ra": 123.4, "dec": 50.1, "name": "SN 2026abc"}')
echo "$monitor"
# %% [markdown]
# End it again:
# %%
number=$(python -c 'import json, sys; print(json.loads(sys.argv[1])["id"])' "$monitor")
curl -s -X DELETE -w '%{http_code}\n' "$api/monitors/$number" \
  -H "Authorization: Bearer $token"
# %% [markdown]
# ## What an error looks like
#
# Errors are `application/problem+json` (RFC 9457); `detail` says which parameter is wrong.
# An unknown parameter is refused, because a misspelt filter would filter nothing.
# %%
curl -s "$api/transients?min_sn=10" | python -m json.tool
