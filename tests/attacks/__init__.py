"""The attack corpus as data: bytes that an agent sends, why they are dangerous, and what must come back."""

from tests.attacks.attack import Attack, Target
from tests.attacks.encodings import ENCODINGS
from tests.attacks.envelopes import ENVELOPES
from tests.attacks.ids import IDS
from tests.attacks.keys import KEYS
from tests.attacks.line_ends import LINE_ENDS
from tests.attacks.methods import METHODS
from tests.attacks.parameters import PARAMETERS
from tests.attacks.sizes import SIZES

CORPUS: tuple[Attack, ...] = (
    *LINE_ENDS,
    *KEYS,
    *IDS,
    *ENVELOPES,
    *ENCODINGS,
    *METHODS,
    *PARAMETERS,
    *SIZES,
)

__all__ = ["CORPUS", "Attack", "Target"]
