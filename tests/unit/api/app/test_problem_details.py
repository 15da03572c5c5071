"""Error answers: no handler swallows an error that is not its own."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.requests import Request

from api.app import problem_details

Answer = Callable[[Request, Exception], Awaitable[Any]]
REQUEST = Request({"type": "http", "method": "GET", "path": "/x", "headers": []})


@pytest.mark.parametrize(
    "answer",
    [
        problem_details._answer_problem,
        problem_details._answer_invalid_parameters,
        problem_details._answer_http_error,
    ],
)
async def test_another_error_is_raised_again(
    answer: Callable[[Request, Exception], Awaitable[Any]],
) -> None:
    with pytest.raises(KeyError, match="mine"):
        await answer(REQUEST, KeyError("mine"))
