"""Leaving something for the next candidate of the same server."""

from __future__ import annotations

from sandbox.attacks.attack import Attack, Group
from sandbox.records import FailureKind


def _attack(name: str, plant: str, look: str, *, needs: tuple[str, ...] = ()) -> Attack:
    return Attack(
        name=name,
        group=Group.PERSIST,
        before="from kit import *\ndef attack(world):\n" + plant,
        source="from kit import *\ndef attack(world):\n" + look,
        fails=frozenset({FailureKind.VIOLATION}),
        needs=needs,
    )


ATTACKS = (
    _attack(
        "a file in the scratch folder",
        "    worked(lambda: open('mark', 'w').write('x'))\n",
        "    return contents('.')\n",
    ),
    _attack(
        "a file where temporary files go",
        "    import tempfile\n    worked(tempfile.mkstemp)\n",
        "    import tempfile\n    try:\n        return contents(tempfile.gettempdir())\n"
        "    except OSError:\n        return False\n",
    ),
    _attack(
        "a module left loaded",
        "    import types\n    sys.modules['mark'] = types.ModuleType('mark')\n",
        "    return 'mark' in sys.modules\n",
    ),
    _attack(
        "a patched module",
        "    import math\n    math.sqrt = lambda x: 1e9\n",
        "    import math\n    return math.sqrt(4) != 2\n",
    ),
    _attack(
        "patched builtins",
        "    import builtins\n    builtins.mark = 1\n    builtins.sum = lambda *_: 0\n",
        "    import builtins\n    return hasattr(builtins, 'mark') or sum([1]) != 1\n",
    ),
    _attack(
        "a patched numpy",
        "    import numpy\n    numpy.sum = lambda *_: 1e9\n",
        "    import numpy\n    return numpy.sum([1]) != 1\n",
        needs=("numpy",),
    ),
    _attack(
        "an environment variable",
        "    os.environ['MARK'] = 'x'\n",
        "    return 'MARK' in os.environ\n",
    ),
    _attack(
        "an import hook",
        "    sys.meta_path.insert(0, 'mark')\n    sys.path.insert(0, '/mark')\n",
        "    return 'mark' in sys.meta_path or '/mark' in sys.path\n",
    ),
    _attack(
        "a trace function",
        "    import threading\n    sys.setprofile(lambda *_: None)\n",
        "    return sys.getprofile() or sys.gettrace()\n",
    ),
    _attack(
        "an exit handler",
        "    import atexit\n    atexit.register(lambda: open('mark', 'w'))\n",
        "    import atexit\n    return atexit._ncallbacks() > 1\n",
    ),
    _attack(
        "a file mask and a signal handler",
        "    import signal\n    os.umask(0o777)\n    signal.signal(10, signal.SIG_IGN)\n",
        "    import signal\n    return signal.getsignal(10) == signal.SIG_IGN\n",
    ),
    _attack(
        "lowered limits",
        "    import resource\n    resource.setrlimit(resource.RLIMIT_NOFILE, (5, 5))\n",
        "    import resource\n    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 10\n",
    ),
    _attack(
        "shared memory of System V",
        "    syscall(29, 7777, 4096, 0o1666)\n",
        "    return syscall(29, 7777, 4096, 0o666) >= 0\n",
    ),
    _attack(
        "a compiled file beside a module",
        "    import json\n"
        "    worked(lambda: open(os.path.join(os.path.dirname(json.__file__), 'mark.py'), 'w'))\n",
        "    import json\n    return contents(os.path.join(os.path.dirname(json.__file__),"
        " 'mark.py'))\n",
    ),
    _attack(
        "a thread",
        "    import threading, time\n"
        "    threading.Thread(target=time.sleep, args=(60,), daemon=True, name='mark').start()\n",
        "    import threading\n    return threading.active_count() > 1\n",
    ),
    _attack(
        "the state of random numbers",
        "    import random\n    random.seed(12345)\n    world.clear()\n",
        "    import random\n    value = random.random()\n    random.seed(12345)\n"
        "    return value == random.random()\n",
    ),
    _attack(
        "a keyring",
        "    syscall(248, b'user', b'mark', b'x', 1, -3)\n",
        "    return syscall(249, b'user', b'mark', 0, 0) >= 0\n",
    ),
    _attack(
        "memory of a global object of the server",
        "    import kit\n    frame, _ = loop()\n    frame.f_globals['mark'] = 1\n",
        "    frame, _ = loop()\n    return 'mark' in frame.f_globals\n",
    ),
)
