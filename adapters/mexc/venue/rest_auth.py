"""Who sends a signed request, and with which parameters."""

from __future__ import annotations

from aiohttp import web

from adapters.mexc.venue.config import PERMISSIONS
from adapters.mexc.venue.errors import VenueError
from adapters.mexc.venue.signing import check_signature, check_time, parse_params
from adapters.mexc.venue.state import VenueState

ACCOUNT_READ, DEAL_READ, DEAL_WRITE = PERMISSIONS
_CONTENT_TYPES = {"application/json", "application/x-www-form-urlencoded"}


def raw_query(request: web.Request) -> str:
    """The query string exactly as it was sent; signatures cover these bytes."""
    return request.raw_path.partition("?")[2]


async def authenticate(
    state: VenueState, request: web.Request, permission: str = ""
) -> tuple[str, dict[str, str]]:
    """(api key, parameters) of a signed request.

    VenueError where key, address, time or signature are wrong, or the key lacks the permission.
    """
    api_key = request.headers.get("X-MEXC-APIKEY", "")
    if not api_key:
        raise VenueError(400, "api key required")
    secret = state.secrets.get(api_key)
    if secret is None:
        # MEXC's keys all begin so; one that is configured here may look as it likes
        if not api_key.startswith("mx0"):
            raise VenueError(700001, "API-key format invalid.")
        raise VenueError(10072, "Api key info invalid")
    account = state.accounts[api_key]
    if account.ip_white_list and request.remote not in account.ip_white_list:
        raise VenueError(700006, "IP non white list")
    if account.is_expired:
        raise VenueError(700002, "Signature for this request is not valid.")
    has_type = request.method != "GET" and request.headers.get("Content-Type")
    if has_type and request.content_type not in _CONTENT_TYPES:
        raise VenueError(700013, "Invalid content Type.")
    try:
        body = (await request.read()).decode("ascii")
    except UnicodeDecodeError as error:
        raise VenueError(700008, "Illegal characters found in parameter") from error
    query = raw_query(request)
    params = parse_params(query, body)
    check_time(params, state.clock.now_ms())
    check_signature(secret, query, body)
    if permission and permission not in account.permissions:
        raise VenueError(700007, "No permission to access the endpoint.")
    return api_key, params


def required(params: dict[str, str], name: str) -> str:
    """A mandatory parameter; VenueError 10015 where it is missing."""
    value = params.get(name, "")
    if not value:
        raise VenueError(10015, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    return value


def known_symbol(state: VenueState, params: dict[str, str]) -> str:
    """The `symbol` parameter; VenueError -1121 (or 10007, as configured) where it is not listed."""
    symbol = required(params, "symbol")
    if not state.is_known(symbol):
        code = state.config.unknown_symbol_code
        raise VenueError(code, "Invalid symbol." if code == -1121 else "bad symbol")
    return symbol


def number(params: dict[str, str], name: str, default: int, most: int) -> int:
    """A count such as `limit`, cut at `most`; VenueError 33333 where it is no positive number."""
    text = params.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or len(text) > 18 or int(text) < 1:
        raise VenueError(33333, f"param error: {name}")
    return min(int(text), most)
