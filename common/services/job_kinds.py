"""Which step does the work of which kind of job. Never here: the work, or how a job goes on (advancing.py)."""

from common.services import importing, replaying, reprioritising
from common.services.advancing import Step

STEPS: dict[str, Step] = {**replaying.STEPS, **importing.STEPS, **reprioritising.STEPS}
