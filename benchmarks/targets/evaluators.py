"""Which evaluators the benchmarks switch on: those of the hook profile."""

from offpath.proof.profile_services import JUDGED as JUDGED
from offpath.proof.profile_services import RULES as RULES
