"""Options that name a moment."""

from __future__ import annotations

from offpath.errors import ConfigurationError


def moment(option: str, text: str, now: float) -> float:
    """Seconds since the epoch of a date and time, or of a time ago such as "24h".

    Raises:
        ConfigurationError: It is neither; the text names the option.
    """
    from offpath.ledger.moment import seconds_at
    from offpath.ledger.window import seconds_of

    try:
        return now - seconds_of(text)
    except ValueError:
        try:
            return seconds_at(text)
        except ValueError as error:
            raise ConfigurationError(f"{option}: {error}; or a time ago: 24h, 7d") from None
