"""The web page and the API reference; neither loads anything from another host."""

from importlib.resources import files

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

__all__ = ["install", "router"]

router = APIRouter(include_in_schema=False)

_WEB = files("api") / "web"
# A browser checks each time whether its copy is current, so an upgrade shows at once.
_HEADERS = {"Cache-Control": "no-cache"}


@router.get("/")
async def get_page() -> FileResponse:
    """Return the page."""
    return FileResponse(str(_WEB / "index.html"), headers=_HEADERS)


@router.get("/docs")
async def get_docs() -> FileResponse:
    """Return the API reference, which the browser builds from openapi.json."""
    return FileResponse(str(_WEB / "docs.html"), headers=_HEADERS)


def install(app: FastAPI) -> None:
    """Serve the page and the files it loads."""
    app.include_router(router)
    app.mount("/web", StaticFiles(directory=str(_WEB)), name="web")
