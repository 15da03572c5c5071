"""The web page and the API reference; neither loads anything from another host."""

from importlib.resources import files

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.types import Scope

from api.errors import ProblemError

__all__ = ["PAGES", "install", "router"]

router = APIRouter(include_in_schema=False)

_BUILT = files("api") / "web" / "built"
# A browser checks each time whether its copy is current, so an upgrade shows at once.
_HEADERS = {"Cache-Control": "no-cache"}
# As in api/web/src/address.tsx: side by side, so that relative addresses work behind any prefix.
PAGES = (
    "transients", "source", "eta-v", "images", "image", "streams", "rules", "alerts", "system",
    "quality", "sky",
)  # fmt: skip


@router.get("/docs")
async def get_docs() -> FileResponse:
    """Return the API reference, which the browser builds from openapi.json."""
    return FileResponse(str(_BUILT / "docs.html"), headers=_HEADERS)


@router.get("/")
async def get_first_page() -> FileResponse:
    """Return the page; the browser draws what the address names."""
    return FileResponse(str(_BUILT / "index.html"), headers=_HEADERS)


@router.get("/{page}")
async def get_page(page: str) -> FileResponse:
    """Return the page under each of its names; another name is not found."""
    if page not in PAGES:
        raise ProblemError(
            404, "there is no such page; the first one is /, the reference of the API is /docs"
        )
    return await get_first_page()


class _Files(StaticFiles):
    """Files that a browser may keep, and compares before each use."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file, with the header that says so."""
        response = await super().get_response(path, scope)
        response.headers.update(_HEADERS)
        return response


def install(app: FastAPI) -> None:
    """Serve the page and the files it loads."""
    app.include_router(router)
    app.mount("/web", _Files(directory=str(_BUILT)), name="web")
