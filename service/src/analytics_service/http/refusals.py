"""Problem documents for requests that no middleware sees: bytes that are no HTTP request, and what the library refuses.

The library answers such requests in plain text that repeats them and names its version. Nothing here repeats bytes.
"""

from email.utils import formatdate
from http import HTTPStatus
from typing import Final
from uuid import uuid4

import structlog
from aiohttp import hdrs, web
from aiohttp.http_exceptions import BadStatusLine, HttpProcessingError, LineTooLong

from analytics_service.contract import problems
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.http.middleware import RESPONSE_HEADERS
from analytics_service.units import decimals

MAX_URL_BYTES: Final = 8190
MAX_HEADER_BYTES: Final = 8192
"""Name and value of one header. The library's error tells it from a URL by the number alone."""
MAX_HEADERS: Final = 128
TOO_MANY_HEADERS: Final = "Too many headers received"
"""The library's words, which a test holds it to."""

_log = structlog.get_logger(__name__)


def unreadable(status: int, error: BaseException | None) -> web.Response:
    """The response to bytes that are no request; logs its id and never the bytes."""
    refusal = _reason(status, error)
    response = _response(refusal, instance="/", logged="a request could not be read", error=type(error).__name__)
    response.force_close()
    return response


def refused(request: web.BaseRequest, error: web.HTTPException) -> web.Response:
    """The response to what the library refused before any middleware, in place of its own."""
    refusal = problems.from_http_status(error.status)
    if refusal.problem is Problem.EXPECTATION_FAILED:
        refusal = RequestError(refusal.problem, "the only expectation that is met is `Expect: 100-continue`")
    response = _response(refusal, instance=request.path, logged="a request was refused", method=request.method)
    if hdrs.ALLOW in error.headers:
        response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
    if refusal.problem is Problem.EXPECTATION_FAILED:
        response.force_close()  # a body may follow, or not
    return response


def timed_out() -> bytes:
    """The whole response to a head that was not received in time: the library sends none without a request."""
    status = HTTPStatus.REQUEST_TIMEOUT
    response = unreadable(status, TimeoutError())
    body = response.body
    assert isinstance(body, bytes)  # noqa: S101 - `_response` makes no other
    lengths: dict[str, str] = {
        hdrs.CONTENT_LENGTH: str(len(body)),
        hdrs.DATE: formatdate(usegmt=True),
        hdrs.CONNECTION: "close",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in {**response.headers, **lengths}.items())
    return f"HTTP/1.0 {status.value} {status.phrase}\r\n{lines}\r\n".encode() + body


def _reason(status: int, error: BaseException | None) -> RequestError:
    match error:
        case LineTooLong(args=(_, limit, *_)) if limit == MAX_URL_BYTES:
            return RequestError(Problem.URL_TOO_LONG, f"the URL may have at most {MAX_URL_BYTES} bytes")
        case LineTooLong():
            return RequestError(
                Problem.HEADER_TOO_LARGE, f"a header may have at most {MAX_HEADER_BYTES} bytes, its name included"
            )
        case Exception(args=(words, *_)) if words == TOO_MANY_HEADERS:
            return RequestError(Problem.HEADER_TOO_LARGE, f"a request may have at most {MAX_HEADERS} headers")
        case BadStatusLine():
            return RequestError(Problem.VALIDATION_ERROR, "the first line is not one of an HTTP/1.1 request")
        case HttpProcessingError():
            return RequestError(
                Problem.VALIDATION_ERROR, "the bytes are not those of an HTTP/1.1 request", status=status
            )
        case _:
            return problems.from_http_status(status)


def _response(refusal: RequestError, *, instance: str, logged: str, **fields: str) -> web.Response:
    request_id = str(uuid4())
    _log.info(logged, request_id=request_id, status=refusal.status, **fields)
    body = decimals.dumps(problems.body(refusal, instance=instance, request_id=request_id))
    headers = {**RESPONSE_HEADERS, "X-Request-ID": request_id, hdrs.CONTENT_TYPE: problems.MEDIA_TYPE}
    return web.Response(status=refusal.status, body=body, headers=headers)
