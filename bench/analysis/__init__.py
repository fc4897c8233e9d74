"""Pure: percentiles, intervals, comparisons, searches."""
