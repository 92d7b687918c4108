"""What stock nbgrader did with each attack, kept in stock.json beside this file.

Running all attacks against stock nbgrader takes six minutes, most of them its own starts and the time limits of what
harms the others. So each is run there when it is written or changed (WRITE_TABLE=1), and a usual run does it again for
two attacks of each class. A record holds for one text of an attack and of the plain course.
"""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import hostile_shapes
from hostile_attacks import CLASSES
from hostile_target import LESSON, PLAIN_CHECKS

KEPT = Path(__file__).with_name("stock.json")
OFTEN = 2  # attacks of a class that each run proves again


def proved_again(attacks, anew=False):
    """The attacks to run against stock nbgrader now: the first ones of each class that harm no other. anew: and all
    whose record does not hold."""
    calm = {kind: [attack for attack in attacks if attack.kind == kind and not attack.alone] for kind in CLASSES}
    often = {attack.id for kind in CLASSES for attack in calm[kind][:OFTEN]}
    return [attack for attack in attacks if attack.id in often or anew and attack in stale(attacks)]


def stale(attacks):
    """The attacks whose record does not hold."""
    kept = read()
    return [attack for attack in attacks if kept.get(attack.id, {}).get("of") != digest(attack)]


def read():
    """{id: {"of": digest of what was run, "by": nbgrader's release, "said": what was seen of it}}."""
    return json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.is_file() else {}


def write(attacks, said):
    """Keep what was seen of some of the attacks. said: {id: outcome} of those that succeeded."""
    release = version("nbgrader")
    kept = read() | {attack.id: {"of": digest(attack), "by": release, "said": said[attack.id]} for attack in attacks
                     if attack.id in said}
    made = {attack.id: kept[attack.id] for attack in attacks if attack.id in kept}
    KEPT.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def releases():
    """The releases of nbgrader that were run, as text."""
    return ", ".join(sorted({one["by"] for one in read().values()}))


def digest(attack):
    """What the record of an attack depends on, in short."""
    shapes = Path(hostile_shapes.__file__).read_text(encoding="utf-8") if attack.shape else ""
    parts = [repr(attack), shapes, LESSON, repr(PLAIN_CHECKS)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
