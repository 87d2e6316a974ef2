"""Adds headers to every request: which team asks, and a number that no other request has.

Promises: ``X-Team`` and ``X-Request-Id`` go with every call to a service or server: to a stand-in,
to whoever writes down the sound of a video, and for listings. The number is another one for each
call; it is in no key of the cache, so the same question is still answered from there.

Does not: replace a header that the provider's plugin sets itself, such as the one with the key.
Tries that an SDK makes by itself bear the number of the first. A provider that runs on this device
sends nothing.

``HOUSE_TEAM`` names the team.
"""

import os
import uuid
from dataclasses import replace

from mediasense import ConfigError, Request, hookimpl


@hookimpl
def prepare_request(request: Request) -> Request | None:
    if request.provider.kind == "device":
        return None
    team = os.environ.get("HOUSE_TEAM", "")
    if not team.isascii() or not team.isprintable() or not team:
        what = "HOUSE_TEAM names no team" if not team else "HOUSE_TEAM is fit for no header"
        raise ConfigError(what, hint="type: export HOUSE_TEAM=blue")
    added = ("X-Team", team), ("X-Request-Id", uuid.uuid4().hex)
    return replace(request, headers=(*request.headers, *added))
