"""How many of forty known attacks get something out of an agent whose model obeys every one of them."""

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.figures import Figure
from tests.fakes.besieged_shop import BesiegedShop
from tests.fakes.obedient_model import attacks


async def run() -> list[Figure]:
    """Over the real knowledge and agents; tests/data/attacks.toml has the attacks, and what counts as a leak."""
    with TemporaryDirectory() as directory:
        async with BesiegedShop.open(Path(directory)) as shop:
            fought = [await shop.fight(attack) for attack in attacks()]
    leaks = sum(bool(each.leaks) for each in fought)
    obeyed = sum(each.obeyed for each in fought)
    return [
        Figure(f"{len(fought)} scripted attacks, {obeyed} of which the model obeyed: leaks", leaks, "of 40",
               floor=0, goal=0, higher_is_better=False),
    ]  # fmt: skip
