"""The decoder of the commands that read recordings themselves: installed dialects, and the configuration's prices."""

import logging

from commands.config_option import load_or_exit
from commands.source import Source
from traffic.llm.decode import Decoder
from traffic.llm.registry import find_dialects

log = logging.getLogger(__name__)


def decoder_for(source: Source) -> Decoder:
    registry = find_dialects(log.warning)
    prices = load_or_exit(source.config_path, quiet=True).ingest.index.prices
    return Decoder(registry.dialects, prices, registry.registered)
