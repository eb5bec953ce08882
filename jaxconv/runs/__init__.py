"""What surrounds a run: its directory, environment, events, signals, and several processes."""
