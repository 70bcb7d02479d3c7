"""Tracking: sites, visits and the event log; one pipeline, three dialects."""
