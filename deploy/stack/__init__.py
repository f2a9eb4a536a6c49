"""The whole stack without Docker: real PostgreSQL, the demo, a worker of its own and a real Prometheus, under traffic.

    python -m deploy.stack --seconds 60

For development and tests; `make stack` runs it. Everything listens on loopback only, and ends with it.
"""
