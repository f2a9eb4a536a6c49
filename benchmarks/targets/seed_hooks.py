"""The seed's three hooks: one that prints before the run, and two that take 2 and 3 seconds after it."""

from offpath.proof.profile_services import log_analytics as log_analytics
from offpath.proof.profile_services import seed
from offpath.proof.profile_services import send_notification as send_notification

app = seed.get_app()
