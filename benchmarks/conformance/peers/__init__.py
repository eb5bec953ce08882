"""One adapter a library: what a user of it writes for a case, in its own layout and options."""
