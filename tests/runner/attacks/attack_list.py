"""The whole list. A name of RUNNER's list stands in NAMED; the table has at least these."""

from attack import Attack
from attacks_on_bounds import BOUNDS
from attacks_on_files import FILES
from attacks_on_the_ending import ENDING
from attacks_on_the_machine import MACHINE
from attacks_on_the_network import SOCKETS
from attacks_on_the_wire import OTHERS, WIRE

ATTACKS: dict[str, Attack] = {
    attack.name: attack for attack in (*FILES, *SOCKETS, *MACHINE, *BOUNDS, *ENDING, *WIRE, *OTHERS)
}
assert len(ATTACKS) == len((*FILES, *SOCKETS, *MACHINE, *BOUNDS, *ENDING, *WIRE, *OTHERS))
