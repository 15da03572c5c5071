"""What a reader sees on the pages of a stack, as data."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.support.browser import Page
from tests.support.night import Stack

__all__ = ["PagesRead", "assert_source_shown", "read_pages"]

_IS_DRAWN = (
    "document.querySelector('#connection.live') !== null && "
    "document.querySelector('h1') !== null && document.querySelector('[aria-busy]') === null"
)


@dataclass(frozen=True)
class PagesRead:
    """What the pages say of one stream.

    Parameters
    ----------
    transients : set of int
        Numbers in the list of transients.
    alerts : Counter of int
        Numbers in the list of alerts.
    n_sources : int
        In the variability plane.
    beyond_the_cut : set of int
        Sources in the table beside it.
    completeness : list of str
        Accepted of expected images, by band.
    fields : str
        The end of the name of the sky's chart.
    stream : list of str
        Cells of its row: name, images, processed, rejected ...
    images : list of int
        Numbers of the newest images, in the order of the list.
    measured : tuple of int
        In the newest image: sources that its facts state, rows that are blind.
    n_arrived : int
        Images in the ledger, of all streams.
    down : str
        What is broken.
    """

    transients: set[int]
    alerts: Counter[int]
    n_sources: int
    beyond_the_cut: set[int]
    completeness: list[str]
    fields: str
    stream: list[str]
    images: list[int]
    measured: tuple[int, int]
    n_arrived: int
    down: str


def read_pages(page: Page, address: str, stream: str) -> PagesRead:
    """Open every page of a stream and read it.

    Parameters
    ----------
    page : Page
        A tab.
    address : str
        Of the API's server.
    stream : str
        Its name, which the addresses carry.

    Returns
    -------
    PagesRead
        What they say.
    """

    def show(path: str, ready: str) -> None:
        page.goto(f"{address}/{path}")
        page.wait_for(f"{_IS_DRAWN} && Boolean({ready})")

    def texts(selector: str) -> list[str]:
        found = f"[...document.querySelectorAll({selector!r})].map(each => each.innerText)"
        return list(page.run(found))

    def chart(name: str) -> str:
        label = f"document.querySelector('canvas[aria-label^=\"{name}\"]')?.ariaLabel"
        return str(page.wait_for(label)).split(". Arrow keys")[0]

    show(f"transients?stream={stream}", "document.querySelector('[data-transient]')")
    # A long list draws the rows near the window alone.
    page.set_size(1400, 6000)
    transients = page.run(
        "[...document.querySelectorAll('[data-transient]')].map(e => Number(e.dataset.transient))"
    )
    show(f"alerts?stream={stream}", "document.querySelector('table.alerts tbody tr')")
    alerts = page.run(
        "[...document.querySelectorAll('table.alerts tbody a[aria-label]')]"
        ".map(e => Number(e.ariaLabel.split(' ').pop()))"
    )
    show(f"eta-v?stream={stream}", "document.querySelector('[aria-label=\"Beyond the cut\"]')")
    n_sources = int(chart("Variability plane").split(": ")[1].split()[0].replace(",", ""))
    beyond = texts('[aria-label="Beyond the cut"] tbody th')
    show(f"quality?stream={stream}", "document.querySelector('[aria-label=\"Completeness\"]')")
    completeness = texts('[aria-label="Completeness"] tbody td:nth-of-type(2)')
    show(f"sky?stream={stream}", "document.querySelector('[aria-label=\"Fields\"]')")
    fields = chart("Fields on the sky").split(", ", 1)[1]
    show("streams", "document.querySelector('[aria-label=Streams] tbody tr')")
    rows = page.run(
        "[...document.querySelectorAll('[aria-label=Streams] tbody tr')]"
        ".map(row => [...row.cells].map(cell => cell.innerText))"
    )
    show(f"images?stream={stream}", "document.querySelector('table.images tbody tr')")
    images = [int(each) for each in texts("table.images tbody th")]
    show(f"image?id={images[0]}", "document.querySelector('[aria-label=Measurements] tbody tr')")
    facts = page.run(
        "Object.fromEntries([...document.querySelectorAll('.facts div')]"
        ".map(each => [...each.children].map(child => child.innerText)))"
    )
    kinds = texts("[aria-label=Measurements] tbody td:nth-of-type(2)")
    show("system", "document.querySelector('[aria-label=\"Image accounting\"] tbody tr')")
    n_arrived = texts('[aria-label="Image accounting"] tbody tr:last-child td')[0]
    state = "document.querySelector('.broken')?.innerText"
    show("", f"{state} && !{state}.includes('Loading')")
    return PagesRead(
        transients=set(transients),
        alerts=Counter(alerts),
        n_sources=n_sources,
        beyond_the_cut={int(each) for each in beyond},
        completeness=completeness,
        fields=fields,
        stream=next(row for row in rows if row[0] == stream),
        images=images,
        measured=(int(facts["sources"]), kinds.count("blind")),
        n_arrived=int(n_arrived.replace(",", "")),
        down=texts(".broken .fine, #down")[0],
    )


def assert_source_shown(stack: Stack, page: Page, transient: dict[str, Any]) -> None:
    """Compare the page of a transient with the answers of the API."""
    source = stack.get(f"sources/{transient['source_id']}")
    curve = stack.get(f"sources/{source['id']}/lightcurve", limit=5000)["points"]
    page.goto(f"{stack.status['api_url']}/source?transient={transient['id']}")
    page.wait_for(
        "document.querySelector('.chart canvas')?.ariaLabel"
        f".includes('{len(curve)} measurements') && location.search.endsWith({transient['id']})"
    )
    facts = page.run(
        "Object.fromEntries([...document.querySelectorAll('.facts div')]"
        ".map(each => [...each.children].map(child => child.innerText)))"
    )
    assert facts["S/N at detection"] == in_digits(transient["snr"])
    assert facts["right ascension, declination"].startswith(
        f"{source['ra']:.5f}° {source['dec']:.5f}°".replace("-", "\N{MINUS SIGN}")
    )
    eta, v = in_digits(source["eta"]), in_digits(source["v"])
    assert facts["η, V, forced points too"] == f"{eta}, {v}"
    page.run("document.querySelector('.chart-foot summary').click()")
    rows = page.wait_for(
        "(rows => rows.length && rows.map(row => [...row.cells].map(cell => cell.innerText)))"
        "([...document.querySelectorAll('.chart-foot tbody tr')])"
    )
    shown = [row for row in rows if row[2] != "not measured"]
    assert [(row[0], row[3], row[4]) for row in shown] == [
        (point["time_start"][:19].replace("T", " "), with_minus(f"{point['snr']:.1f}"),
         point["extraction_type"])
        for point in curve
    ]  # fmt: skip


def in_digits(value: float) -> str:
    """Return three significant digits, as the page has them."""
    return with_minus(f"{float(f'{value:.3g}'):.15g}")


def with_minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")
