#!/usr/bin/env bash
# First night with your own images: from FITS files to alerts.
set -euo pipefail
# %% [markdown]
# # First night with your own images
#
# You have a folder of FITS images, and want to know what changed.
# This takes ten minutes; at the end the service runs on your machine, and you know which sources are new or variable.
#
# You need LiveTrap installed (`make install`) and its commands on your path:
#
# ```bash
# source .venv/bin/activate
# ```
#
# ## Get some images
#
# No images at hand? Make a night: 20 timesteps, three bands, two transients.
# The images have the noise, the beam and the headers of a small LOFAR field, and `truth.csv` says what is in them.
# %%
livetrap simulate night1 --images 20 --bands 3 --transients 2 --seed 20261
ls night1 | sed -n 1,4p
# %% [markdown]
# To use your own images, put them into a folder of this name, and check the headers first.
# An image needs a celestial WCS, `BMAJ`, `BMIN`, `BPA`, a frequency and a date: [the whole list](../contracts.md#send-images).
# `livetrap extract` needs no service, so it shows at once whether an image can be used.
# %%
first=$(ls night1/*.fits | sed -n 1p)
livetrap extract "$first" | cut -d , -f 2-7 | sed -n 1,3p
# %% [markdown]
# Each line is a source: position and errors in degrees, fluxes in Jy/beam and Jy, and more columns than fit here.
# An image that cannot be used ends the command with the reason, such as a missing `BMAJ`.
# `livetrap extract "$first" --maps maps` writes the background, noise and residual maps, to see how the source finder saw the image.
#
# ## Start the service
#
# This starts Kafka, PostgreSQL and all services, and returns when they are ready, after some ten seconds.
# The very first start also compiles the source finder, for some 20 seconds more.
# All together need about 1.5 GB of memory.
# %%
livetrap up --detach
# %% [markdown]
# ## Ingest the night
#
# A stream is a sequence of images of one field or telescope.
# Images are published in the order of their times, whatever the order of the files.
# %%
livetrap ingest night1 --stream night1
# %% [markdown]
# The command returns when Kafka has the images; they are processed meanwhile.
# The ledger accounts for every image: wait until all 60 are there.
# %%
until livetrap ledger | grep -Eq '^total +60$'; do sleep 0.5; done
livetrap ledger
# %% [markdown]
# `processed` means found, measured, associated and stored.
# A rejected image would be listed with its reason; `livetrap dead-letters list` has the details.
# Ingest the same files again and they are counted as `duplicate`, with no other effect.
#
# ## Is it healthy?
# %%
livetrap status
# %% [markdown]
# ## What changed?
#
# Alerts follow the images within a second.
# %%
until [ "$(livetrap alerts list | grep -c 'initial  *new_source')" -ge 2 ]; do sleep 0.5; done
livetrap alerts list
# %% [markdown]
# A `new_source` appeared where an earlier image was deep enough to have shown it; a `variable` changed its flux significantly.
# An alert has an ivorn, its name in the VOEvent world; all alerts about one source share the part before the last dot.
# Compare with the truth: the positions of the two transients should be among the alerts.
# %%
grep transient night1/truth.csv | cut -d , -f 2-4
# %% [markdown]
# The VOEvent packet of one alert, as subscribers receive it:
# %%
ivorn=$(livetrap alerts list | grep new_source | grep -o 'ivo://[^ ]*' | sed -n '$p')
livetrap alerts show "$ivorn" | sed 's/></>\n</g' | sed -n 1,20p
# %% [markdown]
# These images are old, so the alert is `archival` and has expired: no telescope moves for it.
# Images that are younger than a day make `current` alerts.
#
# ## Look at it
#
# Open the address of the web UI that `livetrap status` prints: the newest transients, each with a picture of its place, and a page of each source, with its light curve, its images and its alerts.
#
# ![The page of a source in a running service](../images/source.png)
#
# ## Go on
#
# Keep the service running for the other tutorials:
# [a robot that listens](robot.md), and [the light curves of a paper](light_curves.md).
# `livetrap down` stops everything; `livetrap up` goes on where it stopped.
