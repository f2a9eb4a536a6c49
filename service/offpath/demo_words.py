"""What the demo and those who visit it both have to know."""

from __future__ import annotations

from typing import Final

QUIET_VARIABLE: Final = "OFFPATH_INTERNAL_DEMO_QUIET"
"""Set where runs are so many that what the demo's hooks print would be a flood."""
LOST: Final = "the warehouse that burnt down"
"""Where a message has its run exported to, of which no attempt can succeed."""
