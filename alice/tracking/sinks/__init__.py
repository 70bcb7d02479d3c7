"""Sinks: systems that Alice copies events and visits to. Each reads the log from its own cursor."""
