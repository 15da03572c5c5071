"""Documents of the Universal Worker Service 1.1: jobs and their parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.sax.saxutils import escape, quoteattr

__all__ = ["ENDED", "Job", "write_job", "write_jobs", "write_parameters", "write_results"]

ENDED = frozenset({"COMPLETED", "ERROR", "ABORTED"})
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACES = (
    'xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" '
    'xmlns:xlink="http://www.w3.org/1999/xlink" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)


@dataclass(frozen=True, slots=True)
class Job:
    """A query that is answered later.

    Parameters
    ----------
    job_id : str
        Identity.
    run_id : str or None
        Name that the client gave it.
    phase : str
        Phase of UWS.
    parameters : mapping
        Values of each parameter.
    execution_duration_s : int
        Time that it may take [s].
    time_created, time_started, time_ended, time_destruction : datetime or None
        When what happened, or will.
    error : str or None
        Why it failed.
    media_type, suffix : str or None
        Of the answer.
    n_chunks, n_bytes : int
        Pieces and length of the answer [-, byte].
    """

    job_id: str
    run_id: str | None
    phase: str
    parameters: Mapping[str, Sequence[str]]
    execution_duration_s: int
    time_created: datetime
    time_started: datetime | None
    time_ended: datetime | None
    time_destruction: datetime
    error: str | None
    media_type: str | None
    suffix: str | None
    n_chunks: int
    n_bytes: int


def write_jobs() -> str:
    """Return the list of jobs: nobody's, since jobs have no owner and their identity is secret."""
    return f'{_HEAD}<uws:jobs {_NAMESPACES} version="1.1"/>\n'


def write_job(job: Job, address: str) -> str:
    """Return a job.

    Parameters
    ----------
    job : Job
        What is known of it.
    address : str
        Its own address.

    References
    ----------
    Harrison & Rixon (2016), UWS 1.1, section 2.2.
    """
    run_id = "" if job.run_id is None else f"<uws:runId>{escape(job.run_id)}</uws:runId>\n"
    error = "" if job.error is None else _error(job.error)
    return (
        f'{_HEAD}<uws:job {_NAMESPACES} version="1.1">\n'
        f"<uws:jobId>{job.job_id}</uws:jobId>\n{run_id}"
        '<uws:ownerId xsi:nil="true"/>\n'
        f"<uws:phase>{job.phase}</uws:phase>\n"
        '<uws:quote xsi:nil="true"/>\n'
        f"{_time('creationTime', job.time_created)}{_time('startTime', job.time_started)}"
        f"{_time('endTime', job.time_ended)}"
        f"<uws:executionDuration>{job.execution_duration_s}</uws:executionDuration>\n"
        f"{_time('destruction', job.time_destruction)}"
        f"{_parameters(job.parameters)}{_results(job, address)}{error}</uws:job>\n"
    )


def write_parameters(job: Job) -> str:
    """Return the parameters of a job.

    Parameters
    ----------
    job : Job
        What is known of it.
    """
    return _HEAD + _parameters(job.parameters, f" {_NAMESPACES}")


def write_results(job: Job, address: str) -> str:
    """Return where the answer of a job is, if there is one.

    Parameters
    ----------
    job : Job
        What is known of it.
    address : str
        Its own address.
    """
    return _HEAD + _results(job, address, f" {_NAMESPACES}")


def _time(name: str, time: datetime | None) -> str:
    if time is None:
        return f'<uws:{name} xsi:nil="true"/>\n'
    return f"<uws:{name}>{time:%FT%T.%f}Z</uws:{name}>\n"


def _parameters(parameters: Mapping[str, Sequence[str]], namespaces: str = "") -> str:
    items = "".join(
        f"<uws:parameter id={quoteattr(name)}>{escape(value)}</uws:parameter>\n"
        for name, values in parameters.items()
        for value in values
    )
    return f"<uws:parameters{namespaces}>{items}</uws:parameters>\n"


def _results(job: Job, address: str, namespaces: str = "") -> str:
    item = ""
    if job.phase == "COMPLETED":
        item = (
            f'<uws:result id="result" xlink:type="simple" size="{job.n_bytes}" '
            f"xlink:href={quoteattr(f'{address}/results/result')} "
            f"mime-type={quoteattr(job.media_type or '')}/>"
        )
    return f"<uws:results{namespaces}>{item}</uws:results>\n"


def _error(words: str) -> str:
    return (
        '<uws:errorSummary type="fatal" hasDetail="true">'
        f"<uws:message>{escape(words)}</uws:message></uws:errorSummary>\n"
    )
