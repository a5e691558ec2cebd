"""Examines a venue before it is trusted with an account: by the adapter, which knows its venue, without placing an order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from engine.adapter import AdapterError, Examinable
from engine.doctor import Finding
from engine.errors import UserError
from engine.plugins import make_adapter

if TYPE_CHECKING:
    from engine.config import Config

EXAMINATION_S = 90.0
_RUN_ID = "doctor000000"


def examine_venue(config: Config, timeout_s: float = EXAMINATION_S) -> list[Finding]:
    """What the config's adapter finds; raises PluginError where the adapter cannot be made."""
    name = config.adapter.name
    if config.venue.embedded:
        text = "the config embeds its local venue: there is none to examine"
        return [
            Finding("venue", "failure", text, "Set [venue] embedded = false, and [adapter] to the venue.")
        ]
    adapter = make_adapter(name, config.adapter.options, _RUN_ID, config.run.seed)
    if not hasattr(adapter, "examine"):
        text = f"the adapter {name} cannot examine its venue"
        return [Finding("venue", "failure", text, "Live trading needs an adapter with a method examine().")]
    return asyncio.run(_examine(cast(Examinable, adapter), config, timeout_s))


async def _examine(adapter: Examinable, config: Config, timeout_s: float) -> list[Finding]:
    try:
        async with asyncio.timeout(timeout_s):
            return await adapter.examine(config.symbols, config.risk.max_clock_skew_ms)
    except TimeoutError:
        text = f"{config.adapter.name} was not examined within {timeout_s:g} s"
        return [Finding("venue", "failure", text, "Check the network and the venue's status page.")]
    except (AdapterError, UserError) as error:
        return [Finding("venue", "failure", str(error), "Check [adapter] in the config.")]
    finally:
        await adapter.close()
