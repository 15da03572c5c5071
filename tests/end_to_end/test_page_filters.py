"""Filters of the page, whether what they name is there or not, and the dry run of a rule."""

import asyncio
import json
import re
import uuid
from collections.abc import Iterator

import asyncpg
import httpx
import pytest

from tests.end_to_end.test_page_use import AXE, CONTRAST, SMALL, assert_accessible
from tests.support.api_rows import Rows, rows_of
from tests.support.browser import CHROMIUM, Page
from tests.support.page_events import FAKE_EVENTS
from tests.support.page_site import TOKEN, Site, add_transient, open_site
from tests.support.subscription_requests import night

pytestmark = pytest.mark.skipif(
    CHROMIUM is None,
    reason="NO BROWSER: the page is untested here; install chromium (apt install chromium)",
)

BY_STREAM = ("transients", "eta-v", "images", "alerts", "quality", "sky")
MARKUP = "<b>nobody</b>"
# Only what a moment delays runs: no list is asked for again because time has passed.
WITHOUT_POLLS = """(() => {
  const set = window.setTimeout;
  window.setTimeout = (work, ms, ...given) => (ms >= 5000 ? 0 : set(work, ms, ...given));
})()"""

# A minute of the page's polls in two seconds.
HASTY_POLLS = """(() => {
  for (const name of ['setTimeout', 'setInterval']) {
    const set = window[name];
    window[name] = (work, ms = 0, ...given) => set(work, ms >= 5000 ? ms / 30 : ms, ...given);
  }
})()"""


@pytest.fixture(scope="module")
def site(postgres_url: str) -> Iterator[Site]:
    with open_site(postgres_url) as opened:
        yield opened


@pytest.fixture(scope="module")
def known(site: Site) -> str:
    """A stream with a transient."""
    stream, _ = site.write(add_transient)
    return stream


def choice(page: Page, name: str) -> tuple[str, str]:
    """Return the value of a filter, and what is read of it."""
    found = f"document.querySelector('.filters select[name={name}]')"
    return page.run(f"[{found}.value, {found}.selectedOptions[0]?.textContent ?? '']")


def assert_legible(site: Site, path: str) -> None:
    """Check what is shown: width, targets, contrast, and axe where it is installed."""
    page = site.page
    try:
        for width in (390, 768, 2560, 1400):
            page.set_size(width, 900)
            assert page.run("document.documentElement.scrollWidth <= innerWidth"), (path, width)
            assert page.run(SMALL) == [], (path, width)
        for dark in (False, True):
            page.set_dark(dark=dark)
            assert page.run(CONTRAST) == [], (path, dark)
            if AXE.exists():
                assert_accessible(site, path)
    finally:
        page.set_dark(dark=False)
        page.set_size(1400, 900)


@pytest.mark.parametrize("path", BY_STREAM)
def test_an_unknown_stream_is_named_beside_the_known_ones(
    site: Site, known: str, path: str
) -> None:
    page = site.open(f"{path}?stream={MARKUP.replace('/', '%2F')}")
    page.wait_for("document.querySelector('.unknown-stream') !== null")
    assert tuple(choice(page, "stream")) == (MARKUP, f"{MARKUP} (unknown)")
    words = page.run("document.querySelector('.unknown-stream').innerText")
    assert f"There is no stream “{MARKUP}”." in words
    links = "[...document.querySelectorAll('.unknown-stream a')]"
    assert page.run(f"{links}.map(each => each.innerText)") == [known, "all streams"]
    assert_legible(site, path)
    page.run(f"{links}[0].click()")
    page.wait_for("document.querySelector('.unknown-stream') === null")
    assert page.run("new URLSearchParams(location.search).get('stream')") == known
    assert tuple(choice(page, "stream")) == (known, known)
    page.run("history.back()")
    page.wait_for("document.querySelector('.unknown-stream') !== null")


@pytest.mark.parametrize("path", BY_STREAM)
def test_of_an_unknown_stream_nothing_is_asked_but_whether_it_came(site: Site, path: str) -> None:
    made = site.page.call("Page.addScriptToEvaluateOnNewDocument", source=HASTY_POLLS)
    try:
        page = site.open(f"{path}?stream=nowhere")
        page.wait_for("document.querySelector('.unknown-stream') !== null")
        n_before = len(page.requests)
        n_asked = "performance.getEntriesByType('resource').filter(e => /v1.streams/.test(e.name))"
        page.wait_for(f"{n_asked}.length > 6")
        assert [each for each in page.requests[n_before:] if "nowhere" in each] == []
    finally:
        site.page.call("Page.removeScriptToEvaluateOnNewDocument", identifier=made["identifier"])


@pytest.mark.parametrize(
    ("path", "name"),
    [("transients", "kind"), ("transients", "state"), ("images", "verdict"), ("alerts", "kind")],
)
def test_an_unknown_value_of_a_filter_is_never_shown_as_all(
    site: Site, known: str, path: str, name: str
) -> None:
    page = site.open(f"{path}?stream={known}&{name}=purple")
    page.wait_for("document.querySelector('main .empty') !== null")
    assert tuple(choice(page, name)) == ("purple", "purple (unknown)")
    assert "purple" in page.run("location.search")


def test_a_stream_of_the_address_is_shown_when_its_first_image_comes(site: Site) -> None:
    page = site.open("images?stream=late-one")
    page.wait_for("document.querySelector('.unknown-stream') !== null")

    async def add(rows: Rows) -> None:
        await rows.connection.execute(
            "update stream set name = 'late-one' where id = $1", rows.stream_id
        )
        await rows.image(0)

    site.write(add)
    page.wait_for("document.querySelectorAll('table.images tbody tr').length === 1")
    assert page.run("document.querySelector('.unknown-stream') === null")
    assert tuple(choice(page, "stream")) == ("late-one", "late-one")


def test_a_transient_comes_by_its_alert_without_reload_or_poll(site: Site) -> None:
    made = site.page.call("Page.addScriptToEvaluateOnNewDocument", source=WITHOUT_POLLS)
    try:
        page = site.open("transients")
        page.wait_for("document.querySelector('[data-transient]') !== null")
        page.run("window.sameDocument = true")
        for _ in range(2):
            _, (_, transient) = site.write(add_transient)
            page.wait_for(f"document.querySelector('[data-transient=\"{transient}\"]') !== null")
        assert page.run("window.sameDocument")
    finally:
        site.page.call("Page.removeScriptToEvaluateOnNewDocument", identifier=made["identifier"])


def test_a_transient_comes_while_a_storm_of_alerts_lasts(site: Site) -> None:
    scripts = [
        site.page.call("Page.addScriptToEvaluateOnNewDocument", source=source)
        for source in (WITHOUT_POLLS, FAKE_EVENTS)
    ]
    page = site.page
    try:
        _, (_, first) = site.write(add_transient)
        page.goto(f"{site.address}/transients")
        page.wait_for("window.alerts && document.querySelector('[data-transient]') !== null")
        # Never 150 ms without one: who waits for the end of the storm waits for ever.
        page.run(
            f"""window.storm = setInterval(() => window.alerts.dispatchEvent(new MessageEvent(
            'alert', {{data: JSON.stringify({{id: 1, kind: 'faded', snr: 9, stream: 'x',
            trig_id: 'x', transient_id: {first}, time_alert: new Date().toISOString()}})}})), 20);
            0"""
        )
        for _ in range(2):
            _, (_, transient) = site.write(add_transient)
            page.wait_for(f"document.querySelector('[data-transient=\"{transient}\"]') !== null")
    finally:
        page.run("clearInterval(window.storm)")
        for made in scripts:
            page.call("Page.removeScriptToEvaluateOnNewDocument", identifier=made["identifier"])


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("transients?min_snr=7.5&kind=faded&state=active",
         {"min_snr": "7.5", "kind": "faded", "state": "active"}),
        ("eta-v?points=3&snr=6&tag=pulsar&sigma=4&sigma_v=2.5",
         {"points": "3", "snr": "6", "tag": "pulsar", "sigma": "4", "sigma_v": "2.5"}),
        ("images?verdict=rejected", {"verdict": "rejected"}),
        ("alerts?kind=returned", {"kind": "returned"}),
    ],
)  # fmt: skip
def test_filters_are_the_same_after_a_reload_back_and_in_a_second_window(
    site: Site, known: str, path: str, fields: dict[str, str]
) -> None:
    read = (
        "Object.fromEntries([...document.querySelectorAll('.filters [name]')]"
        ".filter(each => each.type !== 'checkbox').map(each => [each.name, each.value]))"
    )
    wanted = {"stream": known, **fields}
    address = f"{path}&stream={known}"
    page = site.open(address)
    page.wait_for(f"document.querySelector('[name=stream]').value === '{known}'")
    assert page.run(read) == wanted
    page.reload()
    page.wait_for("document.querySelector('.filters') !== null")
    assert page.run(read) == wanted
    page.run("document.querySelector('nav a[href=system]').click()")
    page.wait_for("location.pathname === '/system'")
    page.run("history.back()")
    page.wait_for("document.querySelector('.filters') !== null")
    assert page.run(read) == wanted
    # A second window knows nothing but the address.
    page.run("sessionStorage.clear(), localStorage.clear()")
    assert site.open(address).run(read) == wanted


def test_the_rules_that_sent_alerts_are_shown_to_everybody(site: Site, postgres_url: str) -> None:
    async def add() -> None:
        made = asyncpg.create_pool(postgres_url, min_size=1, max_size=2)
        async with made as pool, rows_of(postgres_url) as rows:
            await night(pool, rows)

    asyncio.run(add())
    answer = httpx.get(f"{site.address}/api/v1/rules", timeout=30).json()["items"]
    assert answer
    page = site.open("rules")
    table = "document.querySelector('[aria-label=\"Rules that sent alerts\"] tbody')"
    page.wait_for(f"{table} !== null")
    shown = page.run(f"[...{table}.rows].map(e => [e.cells[0].innerText, e.cells[1].innerText])")
    assert shown == [[each["name"], str(each["n_alerts"])] for each in answer]
    assert page.run("Boolean(document.querySelector('[aria-label=Token] input'))")
    assert_legible(site, "rules")


def test_a_rule_is_tried_on_the_page(site: Site, postgres_url: str) -> None:
    async def add() -> tuple[str, list[str]]:
        made = asyncpg.create_pool(postgres_url, min_size=1, max_size=2)
        async with made as pool, rows_of(postgres_url) as rows:
            return rows.stream, [each.ivorn for each in await night(pool, rows)]

    stream, ivorns = asyncio.run(add())
    who = json.dumps({"token": TOKEN, "name": "anna"})
    site.open("rules").run(f"sessionStorage.setItem('livetrap-token', {json.dumps(who)})")
    page = site.open("rules")
    said = "document.querySelector('[aria-label=\"Dry run\"]')"
    page.wait_for(f"{said} !== null")
    fill(page, "rule", f"stream == '{stream}' and snr > 15")
    fill(page, "days", "1")
    page.run(f"{said}.querySelector('button').click()")
    page.wait_for(f"{said}.querySelector('ul') !== null")
    words = page.run(f"{said}.innerText")
    assert re.search(r"3 of \d+ alerts of 1 day: 1 retraction, 2 new\.", words)
    assert page.run(f"[...{said}.querySelectorAll('li')].map(e => e.innerText)") == ivorns[:0:-1]
    fill(page, "rule", "snr > 15 or p_false > 1")
    page.run(f"{said}.querySelector('button').click()")
    page.wait_for(f"{said}.innerText.includes('is never true')")
    assert_legible(site, "rules")
    fill(page, "rule", "snr >")
    page.run(f"{said}.querySelector('button').click()")
    page.wait_for(f"{said}.querySelector('.notice')?.innerText.length > 12")
    assert page.run(f"{said}.querySelector('ul') === null")
    assert "rule" in page.run(f"{said}.querySelector('.notice').innerText")
    page = site.open(f"rules?rule=eta+%3E+2.5+and+stream+%3D%3D+'{stream}'")
    assert page.run("document.querySelector('[name=rule]').value").startswith("eta > 2.5 and")


@pytest.fixture
def client(site: Site) -> Iterator[httpx.Client]:
    """Who may write, beside the page."""
    with httpx.Client(
        base_url=f"{site.address}/api/v1",
        headers={"Authorization": f"Bearer {TOKEN}"},
        trust_env=False,
    ) as opened:
        yield opened


def test_stamps_of_a_subscription_are_shown_and_set_on_the_page(
    site: Site, client: httpx.Client
) -> None:
    name = f"stamps-{uuid.uuid4().hex[:8]}"
    webhook = {"name": name, "channel": "webhook", "target": "https://robot.example.org/"}
    topic = {"name": f"{name}-topic", "channel": "kafka", "rule": "snr > 8 and not p_false > 1"}
    for new in (webhook, topic):
        assert client.post("/subscriptions", json=new).status_code == 201
    who = json.dumps({"token": TOKEN, "name": "anna"})
    site.open("rules").run(f"sessionStorage.setItem('livetrap-token', {json.dumps(who)})")
    page = site.open("rules")
    box = f"document.querySelector('[aria-label=\"Stamps for {name}\"]')"
    said = "document.querySelector('[aria-label=Subscriptions] [role=status]').innerText"
    page.wait_for(f"{box} !== null")
    assert page.run(f"document.querySelector('[aria-label=\"Stamps for {name}-topic\"]') === null")
    listed = "document.querySelector('[aria-label=Subscriptions] table').innerText"
    assert page.run(f"{listed}.includes('`not p_false > 1.0` is always true')")
    for is_set, words in ((True, f"{name} gets stamps"), (False, f"{name} gets no stamps")):
        assert page.run(f"{box}.checked") is not is_set
        page.run(f"{box}.click()")
        page.wait_for(f"{said}.startsWith({json.dumps(words)})")
        page.wait_for(f"{box}.checked === {json.dumps(is_set)}")
        assert client.get(f"/subscriptions/{name}").json()["stamps"] is is_set
    assert_legible(site, "rules")


def fill(page: Page, name: str, text: str) -> None:
    """Write into a field as a reader does."""
    field = f"document.querySelector('[name={name}]')"
    page.run(f"{field}.focus(), {field}.select()")
    page.call("Input.insertText", text=text)
