"""Telling people: what is worth a notice, when notices become messages, and how messages are sent."""
