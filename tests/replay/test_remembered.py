from msgspec.structs import replace

from replay.remembered import Remembered
from tests.traffic.llm.seeds import SEEDS, files
from traffic.capture.exchange import RecordedExchange


def test_what_passes_is_found_again_by_its_id_as_it_was() -> None:
    def numbered(number: int) -> RecordedExchange:
        exchange = files(*SEEDS[number])
        return exchange._replace(metadata=replace(exchange.metadata, id=f"{number:08x}-8b1c-4e5f-9a2b-3c4d5e6f7a8b"))

    remembered = Remembered()
    exchanges = [numbered(number) for number in range(len(SEEDS))]
    assert list(remembered.passing(exchanges)) == exchanges
    for exchange in reversed(exchanges):
        assert remembered.find(exchange.metadata.id) == exchange
    remembered.close()
