"""One trial, its readings, and the run record that is saved after each trial."""
