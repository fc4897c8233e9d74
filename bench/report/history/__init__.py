"""Many results over time: a page with the series of each figure, and where its level changes."""
