"""The light curves of a paper: from the API to a figure, and the whole stream as Parquet."""
# %% [markdown]
# # The light curves of a paper
#
# You want a figure and a table of the variable sources of a stream, with numbers that a referee can check.
# The service of [the first tutorial](first_night.md) must be running, with its stream `night1`.

# %%
import json
import subprocess

status = json.loads(
    subprocess.run(
        ["livetrap", "status", "--json"], check=True, capture_output=True, text=True
    ).stdout
)
api = status["api_url"] + "/api/v1"

# %% [markdown]
# ## Select the variables
#
# For each source and band LiveTrap keeps two numbers of the integrated flux, as TraP does (Swinbank et al. 2015, A&C 11, 25):
#
# $$ \eta = \frac{1}{N-1} \sum_{i=1}^{N} \frac{(I_i - \xi)^2}{\sigma_i^2} $$
#
# $$ V = \frac{s}{\overline{I}} $$
#
# Here $\xi$ is the mean weighted by the inverse squares of the errors $\sigma_i$, $s$ the sample standard deviation, and $\overline{I}$ the mean.
# `eta` and `v` of a source are those of its most variable band.
# Lists come in pages: follow `next` until it is null.

# %%
import httpx


def everything(path: str, **params: object) -> list[dict]:
    """Return all items of a list."""
    items: list[dict] = []
    while True:
        page = httpx.get(f"{api}/{path}", params=params).raise_for_status().json()
        items += page["items"]
        if page["next"] is None:
            return items
        params["cursor"] = page["next"]


sources = everything("sources", stream="night1", sort="eta", limit=10)
print(len(sources), "sources")
for source in sources[:3]:
    print(source["id"], source["n_datapoints"], f"eta={source['eta']:.2f} v={source['v']:.3f}")

# %% [markdown]
# ## Get a light curve
#
# The VOTable has units and UCDs, so astropy knows them.
# `extraction_type` says how each point was measured: `blind` was detected, `forced` and `monitor` were measured at a known position,
# with negative fluxes where there was nothing: keep them, or the mean is biased.

# %%
import io
import warnings

from astropy.table import Table

variable = sources[0]
answer = httpx.get(f"{api}/sources/{variable['id']}/lightcurve", params={"format": "votable"})
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # astropy warns of units it has no conversion for
    curve = Table.read(io.BytesIO(answer.content), format="votable")
curve["time_start", "freq_eff_hz", "flux_int_jy", "flux_int_err_jy", "extraction_type"][:4].pprint(
    max_width=-1
)

# %% [markdown]
# ## Check the numbers
#
# Recompute both statistics from the points; they must agree with those that the associator kept up to date image by image.

# %%
import numpy as np

for band in variable["bands"]:
    points = curve[np.isclose(curve["freq_eff_hz"], band["freq_eff_hz"])]
    flux, error = np.array(points["flux_int_jy"]), np.array(points["flux_int_err_jy"])
    weighted_mean = np.average(flux, weights=error**-2)
    eta = np.sum(((flux - weighted_mean) / error) ** 2) / (len(flux) - 1)
    v = np.std(flux, ddof=1) / np.mean(flux)
    assert np.isclose(eta, band["eta"]), (eta, band["eta"])
    assert np.isclose(v, band["v"]), (v, band["v"])
    print(f"{band['freq_eff_hz'] / 1e6:.0f} MHz: N={len(flux)} eta={eta:.2f} v={v:.3f}")

# %% [markdown]
# ## Draw the figure

# %%
import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from astropy.time import Time

figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
times = Time([str(time) for time in curve["time_start"]])
seconds = (times - times[0]).sec
for band in variable["bands"]:
    here = np.isclose(curve["freq_eff_hz"], band["freq_eff_hz"])
    axes.errorbar(
        seconds[here],
        1e3 * np.array(curve["flux_int_jy"][here]),
        yerr=1e3 * np.array(curve["flux_int_err_jy"][here]),
        fmt="o-",
        markersize=4,
        linewidth=1,
        capsize=2,
        label=f"{band['freq_eff_hz'] / 1e6:.0f} MHz",
    )
axes.set_xlabel(f"Time since {times[0].iso} UTC [s]")
axes.set_ylabel("Integrated flux density [mJy]")
axes.legend(frameon=False)
figure.savefig("light_curve.png", dpi=120)

# %% [markdown]
# ![The light curve of the most variable source, in three bands](output/light_curve.png)
#
# ## Take the whole stream
#
# For more than a few sources, export the stream: one Parquet file a table, all as of one moment.

# %%
print(
    subprocess.run(
        ["livetrap", "streams", "export", "night1", "--to", "parquet"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
)

# %% [markdown]
# The columns are those of [the data model](../data-model.md), with the frequency and the hash of the image added to each detection.

# %%
import pyarrow.parquet as pq

detections = pq.read_table("parquet/detections.parquet")
print(
    detections.num_rows,
    "measurements of",
    len(set(detections["source_id"].to_pylist())),
    "sources",
)

mine = detections.filter(np.array(detections["source_id"]) == variable["id"])
assert mine.num_rows == len(curve)
assert np.isclose(sum(mine["flux_int_jy"].to_pylist()), np.sum(curve["flux_int_jy"]))

# %% [markdown]
# ## What to write in the paper
#
# - The release of LiveTrap (`livetrap --version`) and the settings in effect (`livetrap settings`).
# - That `eta` and `v` include forced measurements; [the glossary](../glossary.md) defines every quantity.
# - Methods and their references: [the page of the extractor](../reference/services/extract.md).
