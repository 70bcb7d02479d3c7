"""Where events go on to: consumers of the log, each with a cursor of its own."""
