"""What holds for every test.

Hypothesis: the same examples on each run, and no verdict by the clock;
`pytest --hypothesis-profile=explore` looks further, with new examples each time.

Signals: a shell that starts the tests in the background has Ctrl-C ignored, which programs inherit.
"""

from __future__ import annotations

import signal
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

set_hypothesis_home_dir(Path(__file__).parent.parent / ".cache" / "hypothesis")

# A busy machine makes a test slow, never wrong.
_CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)

settings.register_profile("ci", parent=_CALM, derandomize=True, database=None)
settings.register_profile("explore", parent=_CALM, max_examples=2000)
settings.load_profile("ci")

signal.signal(signal.SIGINT, signal.default_int_handler)
