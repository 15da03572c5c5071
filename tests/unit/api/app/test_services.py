"""What the api says of the processes of its stack."""

import httpx

from api.app import create_app, create_context
from livetrap.stack.restarts import RestartPolicy
from runtime.settings import ApiProcessSettings, ApiSettings
from tests.support.supervised import shell, supervised

POLICY = RestartPolicy(max_delay_s=0.01, steady_after_s=600)


def client_of(supervisor: str | None) -> httpx.AsyncClient:
    """Return a client of an api that has no database."""
    settings = ApiProcessSettings(api=ApiSettings(supervisor=supervisor))
    transport = httpx.ASGITransport(
        create_app(create_context(settings)), raise_app_exceptions=False
    )
    return httpx.AsyncClient(transport=transport, base_url="http://api")


async def test_a_service_that_is_down_is_named_with_its_time_and_last_exit() -> None:
    programs = (shell("extract", "exit 3"), shell("associate", "exec sleep 600"))
    with supervised(*programs, policy=POLICY) as stack:
        stack.wait_for(lambda now: now["extract"].n_exits > 2)
        stack.wait_for(lambda now: now["associate"].state == "RUNNING")
        async with client_of(stack.socket) as client:
            ready = await client.get("/readyz")
            services = (await client.get("/api/v1/services")).json()["items"]
        assert ready.status_code == 503
        assert "extract is down since 20" in ready.json()["detail"]
        assert "exit code 3" in ready.json()["detail"]
        assert "associate" not in ready.json()["detail"]
        extract, associate = sorted(services, key=lambda item: -item["n_exits"])
        assert extract["is_down"]
        assert extract["down_since"].endswith("Z")
        assert not associate["is_down"]


async def test_a_supervisord_that_is_gone_is_named() -> None:
    async with client_of("/nowhere/supervisor.sock") as client:
        ready = await client.get("/readyz")
    assert ready.status_code == 503
    assert "supervisord does not answer" in ready.json()["detail"]


async def test_without_a_stack_there_are_no_services() -> None:
    async with client_of(None) as client:
        assert (await client.get("/api/v1/services")).json() == {"items": []}
